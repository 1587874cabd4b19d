//! Log matching: if two logs have an entry of the same index and term, they are equal up to it. Raft figure 3.
//!
//! Each durable entry carries a hash of itself and all before it; so one comparison compares two whole logs.

use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{Index, Term};
use whitewater_record::Mixer;

/// The chain of each index and term, as it was first seen.
#[derive(Debug, Default)]
pub(crate) struct LogMatching {
    /// The index of the first one that is kept.
    base: u64,
    /// The first chain at each index.
    first: VecDeque<Option<(Term, u64)>>,
    /// Those of other terms.
    others: BTreeMap<(Index, Term), u64>,
}

/// A new cluster's log starts behind this index.
const ORIGIN: Index = Index(1);

impl LogMatching {
    /// The chain of an entry, if any disk ever held it.
    pub(crate) fn chain(&self, index: Index, term: Term) -> Option<u64> {
        if index <= ORIGIN {
            let mut mixer = Mixer::default();
            mixer.add(index.0);
            return Some(mixer.finish());
        }
        let place = usize::try_from(index.0.checked_sub(self.base)?).ok()?;
        match self.first.get(place).copied().flatten() {
            Some((known, chain)) if known == term => Some(chain),
            Some(_) | None => self.others.get(&(index, term)).copied(),
        }
    }

    /// An entry became durable. What is wrong with it, and whether there was something to compare it with.
    pub(crate) fn check(&mut self, index: Index, term: Term, chain: u64) -> (Option<String>, bool) {
        if let Some(known) = self.chain(index, term) {
            let wrong = (known != chain).then(|| {
                format!("entry {index}@{term} has chain {chain:016x}, on another disk it has {known:016x}")
            });
            return (wrong, true);
        }
        if self.first.is_empty() {
            self.base = index.0;
        }
        let Some(place) = index.0.checked_sub(self.base) else { return (None, false) };
        let place = usize::try_from(place).expect("a log fits memory");
        if place >= self.first.len() {
            self.first.resize(place + 1, None);
        }
        match &mut self.first[place] {
            Some(_) => {
                self.others.insert((index, term), chain);
            }
            free @ None => *free = Some((term, chain)),
        }
        (None, false)
    }

    /// Forgets what lies below.
    pub(crate) fn prune(&mut self, below: Index) {
        while self.base < below.0 && self.first.pop_front().is_some() {
            self.base += 1;
        }
        self.others = self.others.split_off(&(below, Term(0)));
    }
}
