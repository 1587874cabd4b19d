//! The history as the search sees it: positions instead of times, writes instead of values, no revisions.
//!
//! A key with a value names its write, so a cell is the number of a write. The mod revision that an answer shows beside
//! a value is a token of that write, nothing more: it is compared with the tokens of compares and headers, never by
//! size. All answers that show one write must show one version and one creation; that pair is the *hint* of the write.

use crate::case::Keys;
use whitewater_api::request::Relation;

/// A cell that holds nothing.
pub(super) const ABSENT: u32 = 0;
/// A write of known outcome that no answer and no compare names.
pub(super) const HIDDEN: u32 = 1;
/// The same, of unknown outcome.
pub(super) const HIDDEN_UNKNOWN: u32 = 2;
/// The number of the first write that has one of its own.
pub(super) const FIRST: u32 = 3;
/// Creations by writes that nobody saw, but whose token stands in an answer, are numbered from here.
pub(super) const ANONYMOUS: u32 = 1 << 31;
/// Nothing has this number.
pub(super) const NEVER: u32 = u32::MAX;

/// What the search works on.
#[derive(Debug, Default)]
pub(super) struct Problem {
    /// By position in the history.
    pub(super) ops: Vec<OpInfo>,
    pub(super) writes: Vec<WriteInfo>,
    /// By component: its operations, and how many keys it has.
    pub(super) components: Vec<Component>,
    /// By component and key in it: the key's number in the case.
    pub(super) names: Vec<Vec<u32>>,
    /// By key of the case: whether versions matter even if the creation of the key is hidden.
    pub(super) is_counted: Vec<bool>,
    /// By number: the lease.
    pub(super) leases: Vec<i64>,
    pub(super) lives: Vec<Life>,
}

/// How it goes with one lease.
#[derive(Debug)]
pub(super) struct Life {
    /// From 1; 0 is no lease.
    pub(super) number: u32,
    pub(super) component: u32,
    /// Whether it is there.
    pub(super) cell: u32,
    /// What may hang on it.
    pub(super) keys: Vec<u32>,
    /// The operations that grant it, or may.
    pub(super) grants: Vec<u32>,
}

/// Keys that are tied together by operations over several of them.
#[derive(Debug, Default)]
pub(super) struct Component {
    /// Invocations and returns, in the order of time.
    pub(super) events: Vec<Event>,
    pub(super) keys: usize,
    /// The cells of leases that are there from the start.
    pub(super) alive: Vec<u32>,
}

/// Something happens to an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) operation: u32,
    pub(super) is_return: bool,
}

/// One operation.
#[derive(Debug)]
pub(super) struct OpInfo {
    /// When it was invoked, as a position in the order of all events.
    pub(super) invoked: u32,
    /// When it returned; [`NEVER`] if it did not.
    pub(super) returned: u32,
    pub(super) moves: Move,
    /// Whether this judge looks at it.
    pub(super) is_included: bool,
    /// Whether it may change the store.
    pub(super) is_write: bool,
    /// A plain put of one key that nothing ever names: interchangeable with its like.
    pub(super) is_simple: bool,
    /// Of unknown outcome, and nothing that it may put is ever named.
    pub(super) is_unseen: bool,
    /// Equal for unseen transactions that can stand for each other; [`NEVER`] for all others.
    pub(super) alike: u32,
    pub(super) reads: Vec<Keys>,
    pub(super) writes: Vec<Keys>,
    pub(super) deletes: Vec<Keys>,
    pub(super) component: u32,
}

/// One key put by one operation.
#[derive(Debug)]
pub(super) struct WriteInfo {
    pub(super) operation: u32,
    /// What a cell shows after it: the number of the first write of its operation and key, or that it is hidden.
    pub(super) shown: u32,
    /// Another write of its operation and key was seen, so it was not done.
    pub(super) is_refuted: bool,
    pub(super) hint: Option<Hint>,
    /// Of unknown outcome, and no answer tells its token.
    pub(super) is_untold: bool,
    /// Of one that kept them: the lease that the answers show, by number, and the write that first put the value.
    pub(super) told_lease: Option<u32>,
    pub(super) told_value: Option<u32>,
    /// Who saw it, the last to return first.
    pub(super) observers: Vec<u32>,
}

/// What all answers say about a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) version: u32,
    /// The write that created the key.
    pub(super) creator: u32,
}

/// A request with its answer.
#[derive(Debug)]
pub(super) enum Move {
    Put(PutMove),
    /// What each key from the first on held, then how many there were in the rest.
    Read {
        first: u32,
        held: Vec<u32>,
        rest: Keys,
        count: u64,
    },
    /// Some keys, and how many there were in all.
    Glimpse {
        held: Vec<(u32, u32)>,
        keys: Keys,
        count: u64,
    },
    Delete {
        keys: Keys,
        deleted: Option<u64>,
        before: Option<Vec<u32>>,
    },
    /// A lease comes to be.
    Grant {
        /// The cell of its life.
        life: u32,
    },
    /// A lease ends, and takes with it what hangs on it of these keys.
    End {
        lease: u32,
        keys: Vec<u32>,
        /// The cell of its life.
        life: u32,
        /// It may be granted once more.
        is_renewable: bool,
    },
    Txn {
        tests: Vec<Test>,
        success: Vec<Move>,
        failure: Vec<Move>,
        taken: Option<bool>,
    },
    Nothing,
}

impl Move {
    /// Whether it may hang a key on a lease that the key did not hang on before.
    pub(super) fn may_hang_on(&self, id: u32) -> bool {
        match self {
            Self::Put(put) => put.lease == Some(id),
            Self::Txn { success, failure, .. } => {
                success.iter().chain(failure).any(|step| step.may_hang_on(id))
            }
            Self::Read { .. }
            | Self::Glimpse { .. }
            | Self::Delete { .. }
            | Self::Grant { .. }
            | Self::End { .. }
            | Self::Nothing => false,
        }
    }

    /// Whether there is a lease without which it could not be done, wherever it takes effect.
    pub(super) fn may_need_life(&self) -> bool {
        match self {
            Self::Put(put) => put.life.is_some(),
            Self::Txn { success, failure, .. } => {
                success.iter().chain(failure).any(Self::may_need_life)
            }
            Self::End { .. } => true,
            Self::Read { .. }
            | Self::Glimpse { .. }
            | Self::Delete { .. }
            | Self::Grant { .. }
            | Self::Nothing => false,
        }
    }

    /// The keys by which it is decided which branch is taken, where no answer tells it.
    pub(super) fn undecided(&self) -> Vec<Keys> {
        let Self::Txn { tests, success, failure, taken } = self else { return Vec::new() };
        let branches: [&[Self]; 2] = match taken {
            Some(true) => [success, &[]],
            Some(false) => [failure, &[]],
            None => [success, failure],
        };
        let inner = branches.into_iter().flatten().flat_map(Self::undecided);
        let own = tests.iter().filter(|_| taken.is_none());
        own.map(|test| Keys { low: test.key, high: test.key + 1 }).chain(inner).collect()
    }

    /// Whether it cannot be done unless this lease is there.
    pub(super) fn needs_life(&self, cell: u32) -> bool {
        match self {
            Self::Put(put) => put.life == Some(cell),
            Self::End { life, .. } => *life == cell,
            Self::Txn { success: branch, taken: Some(true), .. }
            | Self::Txn { failure: branch, taken: Some(false), .. } => {
                branch.iter().any(|step| step.needs_life(cell))
            }
            Self::Txn { taken: None, .. }
            | Self::Read { .. }
            | Self::Glimpse { .. }
            | Self::Delete { .. }
            | Self::Grant { .. }
            | Self::Nothing => false,
        }
    }
}

/// A put, as the search sees it.
#[derive(Debug)]
pub(super) struct PutMove {
    pub(super) key: u32,
    pub(super) write: u32,
    /// What was there before, if it tells.
    pub(super) before: Option<u32>,
    /// The number of the lease that the key hangs on afterwards; none, to keep the old one.
    pub(super) lease: Option<u32>,
    /// The cell of its life.
    pub(super) life: Option<u32>,
    pub(super) keeps_value: bool,
}

/// A compare of one key.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) key: u32,
    pub(super) want: Want,
}

/// What a compare wants.
#[derive(Debug)]
pub(super) enum Want {
    /// The cell is (or is not) this write.
    Writer { write: u32, is_equal: bool },
    /// The key was (or was not) created by this write.
    Creator { write: u32, is_equal: bool },
    /// The value is (or is not) that of this write; the key must be there.
    Value { write: u32, is_equal: bool },
    /// The lease stands in this relation to the id.
    Lease(Relation, i64),
    /// The version stands in this relation to the number.
    Version(Relation, u64),
}

impl Problem {
    /// The information on a write that a cell shows, if it is not hidden.
    pub(super) fn write(&self, shown: u32) -> Option<&WriteInfo> {
        (FIRST..ANONYMOUS).contains(&shown).then(|| &self.writes[(shown - FIRST) as usize])
    }
}

impl OpInfo {
    pub(super) fn writes_meet(&self, keys: &[Keys]) -> bool {
        meet(&self.writes, keys)
    }

    /// Whether all that it may write lies in `keys`.
    pub(super) fn writes_within(&self, keys: Keys) -> bool {
        self.writes.iter().all(|written| keys.low <= written.low && written.high <= keys.high)
    }

    pub(super) fn reads_meet(&self, keys: &[Keys]) -> bool {
        meet(&self.reads, keys)
    }

    pub(super) fn deletes_meet(&self, keys: &[Keys]) -> bool {
        meet(&self.deletes, keys)
    }
}

fn meet(some: &[Keys], others: &[Keys]) -> bool {
    some.iter().any(|keys| others.iter().any(|other| keys.meets(*other)))
}
