//! A history prepared for the judges: keys and values are numbers, each request stands beside its answer.
//!
//! Keys are numbered in byte order, so a range of keys is an interval of numbers. Only keys that the history names can
//! ever hold anything.

use crate::{
    ends::{self, Leases},
    model::Cell,
    names::Names,
    order::Order,
    recorded::Recorded,
};
use whitewater_api::{
    Completion, Effect, Key, RequestId, Revision, Value,
    request::{CompareTarget, RangeRequest, Relation},
};
use whitewater_record::{EpochRow, History, Operation, SimTime};

/// The history, in numbers.
#[derive(Debug)]
pub(crate) struct Case<'h> {
    pub(crate) history: &'h History,
    /// Keys by number, in byte order.
    pub(crate) keys: Vec<Key>,
    /// Values by number, in the order of appearance.
    pub(crate) values: Vec<&'h [u8]>,
    /// The operations, at the positions that they have in the history; behind them the ends of leases that nobody asked for.
    pub(crate) operations: Vec<Op<'h>>,
    /// The same in the order of time.
    pub(crate) order: Order,
    /// Answers that do not fit their questions: position, and what is wrong.
    pub(crate) malformed: Vec<(usize, String)>,
    /// An operation that was completed before it was invoked, if there is one.
    pub(crate) backwards: Option<usize>,
    /// What its answers tell about keys.
    pub(crate) recorded: Recorded,
    /// What was there before the first of the operations.
    pub(crate) origin: Origin,
    /// The leases that keys may hang on.
    pub(crate) leases: Leases,
    /// The restorations that lie behind it: when each was, and the revisions that it left out.
    pub(crate) epochs: Vec<Epoch>,
}

/// A restoration that a history goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// What was asked from then on was asked of the new cluster.
    pub(crate) at: SimTime,
    /// The revision of the backup.
    pub(crate) backup: u64,
    /// The newest revision of the new cluster before it wrote anything. Those after `backup` and up to here are nobody's.
    pub(crate) first: u64,
}

/// Where a history begins: an empty store, or the state in which a part of it that was judged before has left it.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Nothing is known about older revisions.
    pub(crate) oldest: u64,
    /// The revision of the store.
    pub(crate) revision: u64,
    /// In the order of revisions, all versions from `oldest` to `revision`: revision, key, what it held from then on.
    pub(crate) versions: Vec<(u64, u32, Option<Cell>)>,
    /// By operation: the newest revision that was told before it was invoked. Empty: nothing was.
    pub(crate) floors: Vec<u64>,
    /// The leases of which puts or versions tell, as far as they were granted before.
    pub(crate) grants: Leases,
}

impl Default for Origin {
    fn default() -> Self {
        Self {
            oldest: Revision::FIRST.0,
            revision: Revision::FIRST.0,
            versions: Vec::new(),
            floors: Vec::new(),
            grants: Leases::new(),
        }
    }
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Op<'h> {
    /// Who did it, and the how-manieth of that process.
    pub(crate) id: RequestId,
    /// When it was asked.
    pub(crate) invoked: SimTime,
    /// When it was answered; never, for an unknown outcome.
    pub(crate) completed: SimTime,
    /// What is known about the outcome.
    pub(crate) status: Status,
    /// The revision in the header of the answer; 0 without an answer.
    pub(crate) revision: u64,
    /// Whether the header of the answer tells the newest revision at some moment between invocation and return.
    pub(crate) tells: bool,
    /// [`Step::has_effect`] and [`Step::can_write`], which every judge asks for.
    pub(crate) has_effect: bool,
    pub(crate) can_write: bool,
    /// Whether it may be answered from a stale state, as the request says.
    pub(crate) is_serializable: bool,
    /// A read of the past, be it in a transaction, or a compaction.
    pub(crate) is_of_past: bool,
    /// The request with its answer. Apart, because most sweeps over a long history do not look at it, and then memory is
    /// what they wait for.
    pub(crate) step: Box<Step<'h>>,
}

/// What is known about the outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It happened.
    Known,
    /// It may have happened, or may yet.
    Unknown,
    /// It did not happen.
    Refused,
}

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

impl<'h> Op<'h> {
    /// An operation, whose names come next. If the answer does not fit the request, without either, and what is wrong.
    fn new(names: &mut Names<'h>, operation: &'h Operation) -> Result<Self, (Self, String)> {
        let (status, revision, body) = match &operation.completion {
            Completion::Ok(response) => {
                (Status::Known, response.header.revision.0, Some(&response.body))
            }
            // An error says best itself what it did; a doubtful one is unknown, whatever it was filed under.
            Completion::Fail(error) if error.effect() == Effect::None => (Status::Refused, 0, None),
            Completion::Fail(_) | Completion::Info(_) => (Status::Unknown, 0, None),
        };
        let op = |step: Step<'h>| {
            let is_serializable = step.is_kv() && operation.request.is_serializable();
            Self {
                id: operation.id,
                invoked: operation.invoked,
                completed: match status {
                    Status::Unknown => SimTime::NEVER,
                    Status::Known | Status::Refused => operation.completed,
                },
                status,
                revision,
                tells: status == Status::Known && step.is_kv() && !is_serializable,
                has_effect: step.has_effect(),
                can_write: step.can_write(),
                is_serializable,
                is_of_past: step.is_of_past(),
                step: Box::new(step),
            }
        };
        match names.request(&operation.request, body) {
            Ok(step) => Ok(op(step)),
            Err(reason) => Err((op(Step::Other), reason)),
        }
    }
}

/// What a key was before a history begins, from a revision on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before<'h> {
    pub(crate) key: &'h [u8],
    pub(crate) revision: u64,
    /// What was there: the value, and the rest; its number of a value is not used.
    pub(crate) cell: Option<(&'h [u8], Cell)>,
}

impl Epoch {
    fn of(row: &EpochRow) -> Self {
        Self { at: row.at, backup: row.backup.revision.0, first: row.first().0 }
    }
}

impl<'h> Case<'h> {
    /// Prepares a history.
    pub(crate) fn new(history: &'h History) -> Self {
        Self::resume(history, Origin::default(), Recorded::default(), &[])
    }

    /// Prepares a history that begins where another has ended: at `origin`, whose versions are given by name, in the
    /// order of revisions.
    pub(crate) fn resume(
        history: &'h History,
        mut origin: Origin,
        recorded: Recorded,
        before: &[Before<'h>],
    ) -> Self {
        let mut names = Names::default();
        names.recorded = recorded;
        for before in before {
            names.keys.number(before.key);
        }
        for operation in &history.operations {
            names.add_request(&operation.request);
            names.add_answer(match &operation.completion {
                Completion::Ok(response) => Some(&response.body),
                Completion::Fail(_) | Completion::Info(_) => None,
            });
        }
        names.sort();
        for before in before {
            let key = names.keys.number(before.key);
            let cell =
                before.cell.map(|(value, cell)| Cell { value: names.value(key, value), ..cell });
            origin.versions.push((before.revision, key, cell));
        }
        let (mut malformed, mut backwards) = (Vec::new(), None);
        let mut operations = Vec::with_capacity(history.operations.len());
        for (position, operation) in history.operations.iter().enumerate() {
            names.begin(position);
            let op = Op::new(&mut names, operation).unwrap_or_else(|(op, reason)| {
                malformed.push((position, reason));
                op
            });
            operations.push(op);
            if operation.completed < operation.invoked {
                backwards.get_or_insert(position);
            }
        }
        let leases = if names.has_leases || !origin.grants.is_empty() {
            ends::add(history, &origin, &mut operations)
        } else {
            Leases::new()
        };
        let order = Order::new(&operations);
        let epochs: Vec<Epoch> = history.epochs.iter().map(Epoch::of).collect();
        if let Some(epoch) = epochs.last() {
            let is_new = |op: &Op| op.invoked > epoch.at;
            let floor = |op: &Op| if is_new(op) { epoch.first } else { 0 };
            origin.floors = operations.iter().map(floor).collect();
        }
        let keys = names.keys.strings.iter().map(|key| Key::from(key.to_vec())).collect();
        let (values, recorded) = (names.values.strings, names.recorded);
        Self {
            history,
            keys,
            values,
            operations,
            order,
            malformed,
            backwards,
            recorded,
            origin,
            leases,
            epochs,
        }
    }

    /// The operations of the history.
    pub(crate) fn recorded_operations(&self) -> &[Op<'h>] {
        &self.operations[..self.history.operations.len()]
    }

    /// The value, for a person.
    pub(crate) fn value(&self, value: u32) -> Value {
        Value::from(self.values[value as usize].to_vec())
    }
}
