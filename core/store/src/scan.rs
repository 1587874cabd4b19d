//! A range that is read so many rows at a time (etcd, `server/etcdserver/txn/range.go`).
//!
//! It is of the store as it was at the beginning: whoever goes on applying meanwhile holds a [`crate::View`] open, so that
//! physical compaction waits.
//!
//! ```text
//!  keys in their order ─▶ those that were there and are wanted ─┬─ in the order of keys ──────────────────▶ answer
//!                                                               └─ in another one: sorted runs ─▶ merged ─▶ answer
//! ```

mod runs;

use self::runs::{Row, Runs};
use crate::{
    history::{History, Version},
    range,
    store::Store,
};
use std::{collections::btree_map, mem, ops::Bound};
use whitewater_api::{
    Error, Identity, Key, KeyValue, Request, Revision,
    request::{RangeRequest, Sort, SortTarget},
    response::RangeResponse,
};
use whitewater_mutation::Mutation;

/// A range that is being read.
#[derive(Debug)]
pub struct RangeScan {
    request: RangeRequest,
    /// The moment that it is read at.
    at: Revision,
    /// The first key that was not looked at; none before the first step.
    next: Option<Key>,
    stage: Stage,
    /// What is wanted in another order than that of keys, until it is merged.
    runs: Option<Runs>,
    answer: RangeResponse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Looks for what is wanted.
    Looking,
    /// Counts only, because no more is wanted.
    Counting,
    /// All keys were looked at; puts what was found into the order asked for.
    Merging,
}

impl RangeScan {
    /// Begins to read. Refuses revisions below `floor` and such as do not exist yet.
    pub(crate) fn new(
        store: &Store,
        request: &RangeRequest,
        floor: Revision,
    ) -> Result<Self, Error> {
        let at = store.moment(request.revision, floor)?;
        let by_key = Sort { target: SortTarget::Key, descending: false };
        let sort = request.sort.filter(|sort| *sort != by_key && !request.count_only);
        Ok(Self {
            request: request.clone(),
            at,
            next: None,
            stage: if request.count_only { Stage::Counting } else { Stage::Looking },
            runs: sort.map(|sort| Runs::new(sort, request.limit)),
            answer: RangeResponse::default(),
        })
    }

    /// Looks at up to `left` more rows, and takes them off. Answers when it has looked at all.
    pub fn step(&mut self, store: &Store, left: &mut usize) -> Option<RangeResponse> {
        if self.next.is_some()
            && self.request.revision == Revision::LATEST
            && store.mutations.has(Mutation::LongReadOfManyMoments)
        {
            self.at = store.newest();
        }
        let is_done = match self.stage {
            Stage::Looking => self.look(store, left),
            Stage::Counting => self.count(store, left),
            Stage::Merging => self.merge(left),
        };
        is_done.then(|| mem::take(&mut self.answer))
    }

    /// Goes on through the keys. Says whether that was all there is to do.
    fn look(&mut self, store: &Store, left: &mut usize) -> bool {
        let Some(rest) = self.rest(store) else { return true };
        let mut found: Vec<Row<'_>> = Vec::new();
        for (key, history) in rest {
            if *left == 0 {
                return self.pause(store, key, found);
            }
            if let Some(version) = history.at(self.at) {
                let is_wanted = is_wanted(&self.request, version);
                if is_wanted && self.runs.is_some() {
                    found.push((key, version));
                } else if is_wanted && self.is_full() {
                    self.answer.more = true;
                    (self.stage, self.next) = (Stage::Counting, Some(key.clone()));
                    return self.count(store, left);
                } else if is_wanted {
                    self.answer.kvs.push(show(&self.request, key, version));
                }
                self.answer.count += 1;
            }
            *left -= 1;
        }
        self.arrange(found, left)
    }

    /// Keeps what a step has found until the next, which goes on at a key.
    fn pause(&mut self, store: &Store, next: &Key, found: Vec<Row<'_>>) -> bool {
        if self.next.is_none() {
            self.make_room(store);
        }
        self.next = Some(next.clone());
        if let Some(runs) = &mut self.runs {
            runs.add(found);
        }
        false
    }

    /// Counts what is left of the range; all of it, where no look at each key is needed for that. Says whether that was the rest.
    fn count(&mut self, store: &Store, left: &mut usize) -> bool {
        if let Some(count) = store.count(&self.request.range, self.at) {
            self.answer.count = count;
            return true;
        }
        let Some(mut rest) = self.rest(store) else { return true };
        let (at, mut looked_at) = (self.at, 0);
        let counted = rest.by_ref().take(*left).inspect(|_| looked_at += 1);
        self.answer.count += counted.filter_map(|(_, history)| history.at(at)).count() as u64;
        *left -= looked_at;
        self.next = rest.next().map(|(key, _)| key.clone());
        self.next.is_none()
    }

    /// The keys that are still to be looked at; none where the range has none.
    fn rest<'a>(&self, store: &'a Store) -> Option<btree_map::Range<'a, Key, History>> {
        let (start, end) = range::bounds(&self.request.range)?;
        let start = self.next.as_ref().map_or(start, Bound::Included);
        Some(store.keys.range::<Key, _>((start, end)))
    }

    /// Whether there is as much as was asked for.
    fn is_full(&self) -> bool {
        self.request.limit > 0 && self.answer.kvs.len() as u64 == self.request.limit
    }

    /// Makes room for what is still to come: an answer that grows is moved now and then, and a long one takes longer to move
    /// than a step may.
    fn make_room(&mut self, store: &Store) {
        if self.runs.is_none()
            && let Some(count) = store.count(&self.request.range, self.at)
        {
            let most = if self.request.limit == 0 { count } else { count.min(self.request.limit) };
            let more = most.saturating_sub(self.answer.kvs.len() as u64);
            self.answer.kvs.reserve_exact(usize::try_from(more).unwrap_or(0));
        }
    }

    /// All keys were looked at, the last of them found this. Says whether that was all there is to do.
    fn arrange(&mut self, mut found: Vec<Row<'_>>, left: &mut usize) -> bool {
        let Some(runs) = &mut self.runs else { return true };
        if runs.is_empty() {
            self.answer.more = runs.arrange(&mut found);
            let show = |(key, version)| show(&self.request, key, version);
            self.answer.kvs = found.into_iter().map(show).collect();
            return true;
        }
        self.answer.more = runs.add(found);
        self.answer.kvs.reserve_exact(runs.len());
        self.stage = Stage::Merging;
        self.merge(left)
    }

    /// Goes on through what was found, in the order asked for. Says whether that was the rest.
    fn merge(&mut self, left: &mut usize) -> bool {
        let runs = self.runs.as_mut().expect("what is merged are runs");
        while self.answer.kvs.len() < runs.len() {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let (key, version) = runs.next().expect("each has what it was given");
            self.answer.kvs.push(show(&self.request, &key, &version));
        }
        true
    }
}

impl Store {
    /// Begins to read a range for somebody, if it is permitted now.
    ///
    /// # Panics
    ///
    /// On other requests.
    pub fn scan_for(&self, who: Option<&Identity>, request: &Request) -> Result<RangeScan, Error> {
        let Request::Range(range) = request else { panic!("not a range: {request}") };
        self.permit(who, request)?;
        self.check_alarms(request)?;
        RangeScan::new(self, range, self.compacted)
    }
}

/// Whether the revision filters let a version pass. They do not change the count.
pub(crate) fn is_wanted(request: &RangeRequest, version: &Version) -> bool {
    let at_least = |revision: Revision, min: Revision| revision >= min;
    let at_most = |revision: Revision, max: Revision| max == Revision(0) || revision <= max;
    at_least(version.modified, request.min_mod_revision)
        && at_most(version.modified, request.max_mod_revision)
        && at_least(version.created, request.min_create_revision)
        && at_most(version.created, request.max_create_revision)
}

/// A version as it was asked for.
pub(crate) fn show(request: &RangeRequest, key: &Key, version: &Version) -> KeyValue {
    if request.keys_only { version.key_only(key) } else { version.key_value(key) }
}

#[cfg(test)]
mod tests;
