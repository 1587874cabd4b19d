//! A request beside its answer, in numbers.

use whitewater_api::request::{CompareTarget, RangeRequest, Relation};

/// An interval of key numbers, `low` included and `high` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Keys {
    pub(crate) low: u32,
    pub(crate) high: u32,
}

/// A request, or an operation of a transaction, with its answer if there is one.
#[derive(Debug)]
pub(crate) enum Step<'h> {
    Put(Put),
    Range(Range<'h>),
    Delete(Delete),
    Txn(Txn<'h>),
    /// The end of a lease. The answer does not tell whether anything hung on it.
    Revoke(Revoke),
    /// The revision to keep.
    Compact(u64),
    /// Nothing about keys.
    Other,
}

#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) key: u32,
    pub(crate) value: u32,
    /// Neither a lease nor an `ignore` flag.
    pub(crate) is_plain: bool,
    pub(crate) ignore_value: bool,
    /// The lease that the key hangs on afterwards; none, to keep the old one.
    pub(crate) lease: Option<i64>,
    pub(crate) prev_kv: bool,
    pub(crate) answer: Option<PutAnswer>,
}

#[derive(Clone, Debug)]
pub(crate) struct PutAnswer {
    /// What was there before.
    pub(crate) prev_kv: Option<Box<SeenKv>>,
}

#[derive(Debug)]
pub(crate) struct Range<'h> {
    pub(crate) keys: Keys,
    pub(crate) request: &'h RangeRequest,
    /// No sort, no filter, nothing left out, at the newest revision. A limit is plain.
    pub(crate) is_plain: bool,
    /// The revision that is read; 0 for the newest.
    pub(crate) past: u64,
    /// What it shows is not the newest state, or lacks the values.
    pub(crate) is_unread: bool,
    pub(crate) answer: Option<RangeAnswer>,
}

#[derive(Debug)]
pub(crate) struct RangeAnswer {
    pub(crate) kvs: Box<[SeenKv]>,
    pub(crate) more: bool,
    pub(crate) count: u64,
}

#[derive(Debug)]
pub(crate) struct Delete {
    pub(crate) keys: Keys,
    pub(crate) prev_kv: bool,
    pub(crate) answer: Option<DeleteAnswer>,
}

#[derive(Debug)]
pub(crate) struct DeleteAnswer {
    pub(crate) deleted: u64,
    pub(crate) prev_kvs: Box<[SeenKv]>,
}

#[derive(Debug)]
pub(crate) struct Revoke {
    pub(crate) lease: i64,
    /// What may hang on it: keys that some put attaches to it, ascending.
    pub(crate) keys: Vec<u32>,
}

impl Revoke {
    /// The keys one by one, as intervals.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = Keys> + '_ {
        self.keys.iter().map(|key| Keys { low: *key, high: key + 1 })
    }
}

#[derive(Debug)]
pub(crate) struct Txn<'h> {
    pub(crate) compares: Box<[Condition<'h>]>,
    pub(crate) success: Box<[Step<'h>]>,
    pub(crate) failure: Box<[Step<'h>]>,
    /// The branch that was taken, as the answer says.
    pub(crate) answer: Option<bool>,
}

#[derive(Debug)]
pub(crate) struct Condition<'h> {
    pub(crate) keys: Keys,
    pub(crate) is_single: bool,
    pub(crate) relation: Relation,
    pub(crate) target: &'h CompareTarget,
    /// The number of the value, if the target is a value.
    pub(crate) value: u32,
}

/// A key as an answer shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeenKv {
    pub(crate) key: u32,
    pub(crate) value: u32,
    pub(crate) create: u64,
    pub(crate) modified: u64,
    pub(crate) version: u64,
    pub(crate) lease: i64,
}

impl Keys {
    pub(crate) fn contains(self, key: u32) -> bool {
        self.low <= key && key < self.high
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.low < other.high && other.low < self.high
    }

    /// The smallest interval that holds both.
    pub(crate) fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    pub(crate) fn iter(self) -> std::ops::Range<u32> {
        self.low..self.high.max(self.low)
    }
}

impl Step<'_> {
    /// Whether the answer says that the store was changed.
    pub(crate) fn has_effect(&self) -> bool {
        match self {
            Self::Put(put) => put.answer.is_some(),
            Self::Delete(delete) => delete.answer.as_ref().is_some_and(|a| a.deleted > 0),
            Self::Txn(txn) => {
                txn.answer.is_some_and(|taken| txn.branch(taken).iter().any(Self::has_effect))
            }
            Self::Range(_) | Self::Revoke(_) | Self::Compact(_) | Self::Other => false,
        }
    }

    /// Whether any outcome could change the store.
    pub(crate) fn can_write(&self) -> bool {
        match self {
            Self::Put(_) | Self::Delete(_) => true,
            Self::Revoke(revoke) => !revoke.keys.is_empty(),
            Self::Txn(txn) => txn.success.iter().chain(&txn.failure).any(Self::can_write),
            Self::Range(_) | Self::Compact(_) | Self::Other => false,
        }
    }

    /// Whether it is about keys at all.
    pub(crate) fn is_kv(&self) -> bool {
        !matches!(self, Self::Compact(_) | Self::Other)
    }

    /// Whether it is a read of the past, has one, or is a compaction.
    pub(crate) fn is_of_past(&self) -> bool {
        match self {
            Self::Range(range) => range.past != 0,
            Self::Compact(_) => true,
            Self::Txn(txn) => txn.possible().iter().any(|all| all.iter().any(Self::is_of_past)),
            Self::Put(_) | Self::Delete(_) | Self::Revoke(_) | Self::Other => false,
        }
    }

    /// The oldest revision of the past that was read, as the answer says.
    pub(crate) fn oldest_read(&self) -> Option<u64> {
        match self {
            Self::Range(range) => Some(range.past).filter(|past| *past != 0),
            Self::Txn(txn) => txn.branch(txn.answer?).iter().filter_map(Self::oldest_read).min(),
            Self::Put(_) | Self::Delete(_) | Self::Compact(_) | Self::Revoke(_) | Self::Other => {
                None
            }
        }
    }

    /// Calls `look` on every key that the answer shows, in order.
    pub(crate) fn seen(&self, look: &mut impl FnMut(&SeenKv)) {
        match self {
            Self::Put(put) => put.answer.iter().filter_map(|a| a.prev_kv.as_deref()).for_each(look),
            Self::Range(range) => range.answer.iter().flat_map(|a| &a.kvs).for_each(look),
            Self::Delete(delete) => delete.answer.iter().flat_map(|a| &a.prev_kvs).for_each(look),
            Self::Txn(txn) => {
                if let Some(taken) = txn.answer {
                    txn.branch(taken).iter().for_each(|step| step.seen(look));
                }
            }
            Self::Revoke(_) | Self::Compact(_) | Self::Other => {}
        }
    }

    /// The same, but only what was the newest state at that moment, with its value: not what reads of the past show, nor
    /// reads without values.
    pub(crate) fn seen_newest(&self, look: &mut impl FnMut(&SeenKv)) {
        match self {
            Self::Range(range) if range.is_unread => {}
            Self::Txn(txn) => {
                if let Some(taken) = txn.answer {
                    txn.branch(taken).iter().for_each(|step| step.seen_newest(look));
                }
            }
            Self::Put(_)
            | Self::Range(_)
            | Self::Delete(_)
            | Self::Revoke(_)
            | Self::Compact(_)
            | Self::Other => self.seen(look),
        }
    }

    /// Calls `look` on all keys that the outcome depends on or may change.
    pub(crate) fn touches(&self, look: &mut impl FnMut(Keys)) {
        match self {
            Self::Put(put) => look(Keys { low: put.key, high: put.key + 1 }),
            Self::Range(range) => look(range.keys),
            Self::Delete(delete) => look(delete.keys),
            Self::Txn(txn) => {
                txn.compares.iter().for_each(|condition| look(condition.keys));
                let [success, failure] = txn.possible();
                success.iter().chain(failure).for_each(|step| step.touches(look));
            }
            Self::Revoke(revoke) => revoke.intervals().for_each(look),
            Self::Compact(_) | Self::Other => {}
        }
    }

    /// The oldest revision that is read, where that is not the newest.
    pub(crate) fn oldest_past(&self) -> Option<u64> {
        match self {
            Self::Range(range) => Some(range.past).filter(|past| *past != 0),
            Self::Txn(txn) => {
                let [success, failure] = txn.possible();
                success.iter().chain(failure).filter_map(Self::oldest_past).min()
            }
            Self::Put(_) | Self::Delete(_) | Self::Revoke(_) | Self::Compact(_) | Self::Other => {
                None
            }
        }
    }

    /// Calls `look` on every put, with whether it was done: `None` if that is not known.
    pub(crate) fn puts(&self, look: &mut impl FnMut(&Put)) {
        match self {
            Self::Put(put) => look(put),
            Self::Txn(txn) => {
                let [success, failure] = txn.possible();
                success.iter().chain(failure).for_each(|step| step.puts(look));
            }
            Self::Range(_) | Self::Delete(_) | Self::Revoke(_) | Self::Compact(_) | Self::Other => {
            }
        }
    }

    /// Calls `look` on every interval of keys of which some may be deleted.
    pub(crate) fn deletes(&self, look: &mut impl FnMut(Keys)) {
        match self {
            Self::Delete(delete) => look(delete.keys),
            Self::Revoke(revoke) => revoke.intervals().for_each(look),
            Self::Txn(txn) => {
                let [success, failure] = txn.possible();
                success.iter().chain(failure).for_each(|step| step.deletes(look));
            }
            Self::Put(_) | Self::Range(_) | Self::Compact(_) | Self::Other => {}
        }
    }
}

impl<'h> Txn<'h> {
    /// The operations of one branch.
    pub(crate) fn branch(&self, taken: bool) -> &[Step<'h>] {
        if taken { &self.success } else { &self.failure }
    }

    /// The branches that may have been taken.
    pub(crate) fn possible(&self) -> [&[Step<'h>]; 2] {
        match self.answer {
            Some(true) => [&self.success, &[]],
            Some(false) => [&[], &self.failure],
            None => [&self.success, &self.failure],
        }
    }
}
