//! What a scan has found, in another order than that of keys.
//!
//! Each step of a scan sorts what it has found, which is a run; when all are there they are merged. So no step sorts, or
//! moves, more than it has looked at. The limit applies to each run already: what is not among the first of its run is not among
//! the first of all.

use crate::history::Version;
use std::{cmp::Ordering, collections::BinaryHeap, vec};
use whitewater_api::{
    Key,
    request::{Sort, SortTarget},
};

/// A key and what it was.
pub(super) type Row<'a> = (&'a Key, &'a Version);

/// The runs so far, each with its smallest keys first.
#[derive(Debug)]
pub(super) struct Runs {
    sort: Sort,
    /// How many rows are wanted at most.
    limit: usize,
    /// How many were found, those beyond the limit too.
    found: usize,
    /// The first of each run that has any left.
    heads: BinaryHeap<Head>,
    /// What comes behind it. Later runs have greater keys.
    tails: Vec<vec::IntoIter<(Key, Version)>>,
}

/// The first of a run. The greatest of them is the one that comes next.
#[derive(Debug)]
struct Head {
    sort: Sort,
    run: usize,
    key: Key,
    version: Version,
}

impl Runs {
    /// None yet. A limit of 0 is none.
    pub(super) fn new(sort: Sort, limit: u64) -> Self {
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        Self { sort, limit, found: 0, heads: BinaryHeap::new(), tails: Vec::new() }
    }

    /// Whether nothing was added that is still to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// How many rows are wanted of those that were found.
    pub(super) fn len(&self) -> usize {
        self.found.min(self.limit)
    }

    /// Sorts rows that come in the order of keys, which ties keep, and leaves those that the limit lets pass. Says whether it has
    /// cut any off so far.
    pub(super) fn arrange(&mut self, rows: &mut Vec<Row<'_>>) -> bool {
        self.found = self.found.saturating_add(rows.len());
        rows.sort_by(|one, other| compare(self.sort, *one, *other));
        rows.truncate(self.limit);
        self.found > self.limit
    }

    /// Adds a run of rows, which come in the order of keys, behind those of earlier runs. Says whether the limit has cut any
    /// off so far.
    pub(super) fn add(&mut self, mut rows: Vec<Row<'_>>) -> bool {
        let is_cut = self.arrange(&mut rows);
        let run: Vec<(Key, Version)> =
            rows.into_iter().map(|(key, version)| (key.clone(), version.clone())).collect();
        if !run.is_empty() {
            self.tails.push(run.into_iter());
            self.advance(self.tails.len() - 1);
        }
        is_cut
    }

    /// The next row of all, whatever the limit.
    pub(super) fn next(&mut self) -> Option<(Key, Version)> {
        let Head { run, key, version, .. } = self.heads.pop()?;
        self.advance(run);
        Some((key, version))
    }

    /// Takes the next row of a run as its head.
    fn advance(&mut self, run: usize) {
        if let Some((key, version)) = self.tails[run].next() {
            self.heads.push(Head { sort: self.sort, run, key, version });
        }
    }
}

fn compare(sort: Sort, one: Row<'_>, other: Row<'_>) -> Ordering {
    let order = match sort.target {
        SortTarget::Key => one.0.cmp(other.0),
        SortTarget::Version => one.1.version.cmp(&other.1.version),
        SortTarget::Create => one.1.created.cmp(&other.1.created),
        SortTarget::Mod => one.1.modified.cmp(&other.1.modified),
        SortTarget::Value => one.1.value.cmp(&other.1.value),
    };
    if sort.descending { order.reverse() } else { order }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = compare(self.sort, (&self.key, &self.version), (&other.key, &other.version));
        order.then(self.run.cmp(&other.run)).reverse()
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}
