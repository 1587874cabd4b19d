//! What the cluster has agreed on, as seen from outside.

use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{Index, NodeId, Term};

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) voters: Vec<NodeId>,
    pub(crate) outgoing: Vec<NodeId>,
    pub(crate) learners: Vec<NodeId>,
}

impl Members {
    /// All members, each once, by id.
    pub(crate) fn everybody(&self) -> Vec<NodeId> {
        let all = self.voters.iter().chain(&self.outgoing).chain(&self.learners);
        let mut all: Vec<NodeId> = all.copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The configurations by the index of their entry.
#[derive(Debug)]
pub(crate) struct Configurations {
    /// Invariant: never empty.
    all: BTreeMap<Index, Members>,
}

impl Configurations {
    /// The configuration that the cluster starts with.
    pub(crate) fn new(voters: Vec<NodeId>) -> Self {
        let first = Members { voters, ..Members::default() };
        Self { all: BTreeMap::from([(Index(0), first)]) }
    }

    /// The one that holds where everything up to `index` is applied.
    pub(crate) fn at(&self, index: Index) -> &Members {
        let known = self.all.range(..=index).next_back();
        known.map_or_else(|| self.newest(), |(_, members)| members)
    }

    /// The one whose entry is at `index`.
    pub(crate) fn at_exactly(&self, index: Index) -> Option<&Members> {
        self.all.get(&index)
    }

    /// The newest one.
    pub(crate) fn newest(&self) -> &Members {
        self.all.values().next_back().expect("there is always one")
    }

    /// The index of its entry.
    pub(crate) fn newest_at(&self) -> Index {
        self.all.keys().next_back().copied().expect("there is always one")
    }

    /// Adds one.
    pub(crate) fn add(&mut self, index: Index, members: Members) {
        self.all.entry(index).or_insert(members);
    }

    /// Forgets those that no longer hold from `below` on.
    pub(crate) fn prune(&mut self, below: Index) {
        while self.all.range(..=below).count() > 1 {
            self.all.pop_first();
        }
    }
}

/// An entry as somebody applied it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) term: Term,
    pub(crate) checksum: u64,
    /// The store's rolling hash after it.
    pub(crate) chain: u64,
}

/// What is committed.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// The index of the first one that is kept.
    base: u64,
    /// The first time that each entry was applied anywhere.
    applied: VecDeque<Option<Applied>>,
    /// The highest index known committed, and for each term in which it rose how far.
    highest: Index,
    by_term: BTreeMap<Term, Index>,
}

impl Commits {
    /// Somebody in this term knows this index to be committed.
    pub(crate) fn see(&mut self, term: Term, commit: Index) {
        if commit > self.highest {
            self.highest = commit;
            self.by_term.insert(term, commit);
        }
    }

    /// The highest index that was committed in a term before this one.
    pub(crate) fn before(&self, term: Term) -> Option<Index> {
        self.by_term.range(..term).next_back().map(|(_, index)| *index)
    }

    /// Notes an entry that is applied. What was known of it, if this is not the first time.
    pub(crate) fn apply(&mut self, index: Index, applied: Applied) -> Option<Applied> {
        if self.applied.is_empty() && self.base == 0 {
            self.base = index.0;
        }
        let place = usize::try_from(index.0.checked_sub(self.base)?).expect("an index fits memory");
        if place >= self.applied.len() {
            self.applied.resize(place + 1, None);
        }
        let known = self.applied[place];
        self.applied[place] = known.or(Some(applied));
        known
    }

    /// What is known of an entry.
    pub(crate) fn at(&self, index: Index) -> Option<Applied> {
        let place = usize::try_from(index.0.checked_sub(self.base)?).expect("an index fits memory");
        self.applied.get(place).copied().flatten()
    }

    /// Forgets what lies below.
    pub(crate) fn prune(&mut self, below: Index) {
        while self.base < below.0 && self.applied.pop_front().is_some() {
            self.base += 1;
        }
        while self.by_term.len() > crate::limits::VOTES_MAX {
            self.by_term.pop_first();
        }
    }
}
