//! What happened to each key at each revision, as far as anybody was told: by the answers to writes, and by watches.
//!
//! Built in the order of revisions. An acknowledged write says what it did; what it leaves open (which keys a range
//! delete met, what a put that keeps the value kept) follows from the state before it, as long as that is known. A
//! revision that nobody explains is dark: after it nothing is known about a key until somebody tells of it again.
//! Reads are not used, so that a wrong read is never held against a watch.

mod builder;

use self::builder::Builder;
use crate::{case::Case, keyring::Keyring, watch::streams::Streams};
use whitewater_api::{LeaseId, Value};

/// All that is known.
pub(crate) struct Chronicle<'h> {
    /// By key, in the order of revisions.
    pub(crate) chains: Vec<Vec<Change<'h>>>,
    /// The revisions that answers claim, in order.
    pub(crate) acts: Vec<Act>,
    /// By key: whether an operation of unknown outcome may have changed it.
    pub(crate) open: Vec<bool>,
    /// By key, in order: the revisions of acknowledged deletes of ranges that it lies in.
    pub(crate) wiped: Vec<Vec<u64>>,
    /// By told event: its place in the chain of its key, if there is one.
    places: Vec<u32>,
}

/// No place.
const NOWHERE: u32 = u32::MAX;

/// An answer says that its request made this revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Act {
    pub(crate) revision: u64,
    pub(crate) operation: u32,
    /// All that happened at the revision is known.
    pub(crate) is_exact: bool,
}

/// One key changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'h> {
    pub(crate) revision: u64,
    /// A put; otherwise a delete.
    pub(crate) is_put: bool,
    /// The value that was put, if it is known.
    pub(crate) value: Option<&'h Value>,
    /// The lease, if it is known.
    pub(crate) lease: Option<LeaseId>,
    /// 0 if it is not known.
    pub(crate) create: u64,
    /// 0 if it is not known.
    pub(crate) version: u64,
    pub(crate) source: Source,
    pub(crate) before: Before,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The answer to an operation.
    Operation(u32),
    /// A watch, by the number of the told event.
    Told(u32),
}

/// What a key held before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Not known.
    Vague,
    /// Nothing.
    Absent,
    /// What the change before this one in the chain left there.
    Present,
}

impl<'h> Chronicle<'h> {
    /// Collects and orders everything.
    pub(crate) fn new(case: &Case<'h>, keys: &Keyring<'h>, streams: &Streams<'h>) -> Self {
        let mut builder = Builder::new(case, keys, streams);
        builder.run();
        let Builder { chains, acts, open, wiped, places, .. } = builder;
        Self { chains, acts, open, wiped, places }
    }

    /// What happened to `key` at `revision`, and its place in the chain.
    pub(crate) fn change(&self, key: u32, revision: u64) -> Option<(usize, &Change<'h>)> {
        let chain = &self.chains[key as usize];
        let place = chain.binary_search_by_key(&revision, |change| change.revision).ok()?;
        Some((place, &chain[place]))
    }

    /// The change that a watch told of, by the number of the told event, and the one before it.
    pub(crate) fn told(&self, number: u32, key: u32) -> Option<(&Change<'h>, Option<&Change<'h>>)> {
        let place = self.places[number as usize] as usize;
        let chain = &self.chains[key as usize];
        let change = chain.get(place)?;
        Some((change, place.checked_sub(1).map(|place| &chain[place])))
    }

    /// The changes of `key` from `low` to `high`, both included.
    pub(crate) fn between(&self, key: u32, low: u64, high: u64) -> &[Change<'h>] {
        let chain = &self.chains[key as usize];
        let from = chain.partition_point(|change| change.revision < low);
        let to = chain.partition_point(|change| change.revision <= high);
        &chain[from..to.max(from)]
    }

    /// The last known change of `key` at or before `revision`.
    pub(crate) fn last(&self, key: u32, revision: u64) -> Option<&Change<'h>> {
        let chain = &self.chains[key as usize];
        chain[..chain.partition_point(|change| change.revision <= revision)].last()
    }

    /// Whether an acknowledged delete may have met `key` after `low` and not after `high`.
    pub(crate) fn is_wiped(&self, key: u32, low: u64, high: u64) -> bool {
        let wiped = &self.wiped[key as usize];
        wiped.get(wiped.partition_point(|revision| *revision <= low)).is_some_and(|r| *r <= high)
    }

    /// The answers that claim `revision`.
    pub(crate) fn acts_at(&self, revision: u64) -> &[Act] {
        at(&self.acts, revision, |act| act.revision)
    }
}

/// The part of a sorted slice that has this key.
fn at<T>(sorted: &[T], key: u64, of: impl Fn(&T) -> u64) -> &[T] {
    let from = sorted.partition_point(|item| of(item) < key);
    let to = sorted.partition_point(|item| of(item) <= key);
    &sorted[from..to]
}
