//! A history prepared for the judges: keys and values are numbers, each request stands beside its answer.
//!
//! Keys are numbered in byte order, so a range of keys is an interval of numbers. Only keys that the history names can
//! ever hold anything.

mod step;

pub(crate) use step::{
    Condition, Delete, DeleteAnswer, Keys, Put, PutAnswer, Range, RangeAnswer, Revoke, SeenKv,
    Step, Txn,
};

use crate::{
    ends::{self, Leases},
    model::Cell,
    names::Names,
    order::Order,
    recorded::Recorded,
};
use std::collections::BTreeMap;
use whitewater_api::{Completion, Effect, Key, RequestId, Revision, Value};
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
    /// The revision of the backup; of one from elsewhere, that of the empty store that it is to the judges.
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
        let backup = if row.from_elsewhere { Revision::FIRST } else { row.backup.revision };
        Self { at: row.at, backup: backup.0, first: row.first().0 }
    }
}

impl<'h> Case<'h> {
    /// By lease that may end: the keys that may hang on it.
    pub(crate) fn keys_of_leases(&self) -> BTreeMap<i64, &[u32]> {
        let ends = self.operations.iter().filter_map(|op| {
            let Step::Revoke(revoke) = &*op.step else { return None };
            Some((revoke.lease, revoke.keys.as_slice()))
        });
        ends.collect()
    }

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
        if let Some(row) = history.epochs.first().filter(|row| row.from_elsewhere) {
            // Of millions of revisions that were another cluster's, none is looked at.
            (origin.oldest, origin.revision) = (row.first().0, row.first().0);
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
