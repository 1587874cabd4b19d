//! Judges a history of etcd's requests while it is read, by revisions alone, in memory bounded by what is open.

use std::{
    collections::BTreeMap,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    io::BufRead,
};
use whitewater_api::{
    Completion, Effect, Error, Request, RequestId, Response,
    request::{TxnOp, TxnRequest},
};
use whitewater_checkers::{Budget, Judgement, Ruling, Stream};
use whitewater_record::{Operation, Operations, SimTime};

/// Who ended, and how.
type End = (RequestId, Completion<Response, Error>);

/// Operations that are judged together, at least.
const WINDOW: usize = 10_000;

/// What came of a stream.
pub(super) struct Streamed {
    pub(super) operations: usize,
    pub(super) judgements: Vec<Judgement>,
    /// Why other judges may have more to say on the whole, if so.
    pub(super) rest: Option<&'static str>,
}

/// How many operations there were, and what the judges say; or what is wrong with the file.
pub(super) fn judge(operations: Operations<impl BufRead>) -> Result<Streamed, String> {
    let mut stream = Stream::new(Budget::default(), WINDOW);
    let mut record = Record::default();
    if operations.rows_behind() > 0 {
        record.rest = Some("watches and locks stand behind the operations");
    }
    let mut count = 0;
    // By the moment of the end, and in the order of invocation.
    let mut open: BTreeMap<(SimTime, usize), End> = BTreeMap::new();
    for operation in operations {
        let operation = operation.map_err(|error| error.to_string())?;
        record.note(&operation);
        let (id, invoked) = (operation.id, operation.invoked);
        if operation.completed < invoked {
            return Err(format!("operation {count}: {id} was completed before it was invoked"));
        }
        // What is invoked at the moment of an end overlaps it.
        while let Some(first) = open.first_entry().filter(|first| first.key().0 < invoked) {
            let ((at, _), (id, completion)) = first.remove_entry();
            stream.complete(id, at, completion);
        }
        stream.invoke(id, invoked, operation.request);
        open.insert((operation.completed, count), (id, operation.completion));
        count += 1;
    }
    for ((at, _), (id, completion)) in open {
        stream.complete(id, at, completion);
    }
    let judgements: Vec<Judgement> = stream.finish().into();
    let is_open = |judgement: &Judgement| matches!(judgement.ruling, Ruling::Undecided(_));
    if judgements.iter().any(is_open) {
        record.rest = Some("a window of the stream was too short to decide");
    }
    Ok(Streamed { operations: count, judgements, rest: record.rest })
}

/// Hashes.
#[expect(clippy::disallowed_types, reason = "keyed lookup, never iterated, with a fixed hasher")]
type Seen = std::collections::HashSet<u64, BuildHasherDefault<DefaultHasher>>;

/// What the stream takes for granted of a record: nobody puts a value twice under one key. By hashes, so that it may be
/// suspected wrongly, but not passed over.
#[derive(Default)]
struct Record {
    puts: Seen,
    /// By process: its latest operation, and whether it had an answer, and when.
    latest: BTreeMap<u32, (u32, bool, SimTime)>,
    rest: Option<&'static str>,
}

impl Record {
    fn note(&mut self, operation: &Operation) {
        match &operation.request {
            Request::Put(put) => self.put(put.key.as_slice(), put.value.as_slice()),
            Request::Txn(txn) => self.txn(txn),
            Request::Lease(_) => self.rest = Some("there are leases"),
            Request::Auth(_) => self.rest = Some("there are users and roles"),
            Request::Range(_)
            | Request::DeleteRange(_)
            | Request::Compact(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Cluster(_) => {}
        }
        let RequestId { process, sequence } = operation.id;
        let is_unknown = match &operation.completion {
            Completion::Ok(_) => false,
            Completion::Fail(error) => error.effect() != Effect::None,
            Completion::Info(_) => true,
        };
        let this = (sequence, is_unknown, operation.completed);
        let is_after = |(before, is_unknown, completed): (u32, bool, SimTime)| {
            before < sequence && !is_unknown && completed <= operation.invoked
        };
        if self.latest.insert(process.0, this).is_some_and(|before| !is_after(before)) {
            self.rest = Some("a process seems to do two things at once");
        }
    }

    fn txn(&mut self, txn: &TxnRequest) {
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Put(put) => self.put(put.key.as_slice(), put.value.as_slice()),
                TxnOp::Txn(txn) => self.txn(txn),
                TxnOp::Range(_) | TxnOp::DeleteRange(_) => {}
            }
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) {
        let mut hasher = DefaultHasher::new();
        (key, value).hash(&mut hasher);
        if !self.puts.insert(hasher.finish()) {
            self.rest = Some("a value seems to be put twice");
        }
    }
}
