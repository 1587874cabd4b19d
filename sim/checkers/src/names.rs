//! Reads requests and answers into the numbers of a [`Case`](crate::case::Case).

use crate::{
    case::{
        Condition, Delete, DeleteAnswer, Keys, Put, PutAnswer, Range, RangeAnswer, Revoke, SeenKv,
        Step, Txn,
    },
    intern::Interner,
    recorded::Recorded,
};
use whitewater_api::{
    Body, End, Key, KeyRange, KeyValue, LeaseRequest, LeaseResponse, Request,
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, TxnOp, TxnRequest,
    },
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
};

/// The names of a history, and the readers that turn them into numbers.
#[derive(Default)]
pub(crate) struct Names<'h> {
    pub(crate) keys: Interner<'h>,
    pub(crate) values: Interner<'h>,
    pub(crate) recorded: Recorded,
    /// The keys that the requests name, one after the other, so that none has to be looked up twice.
    named: Cursor,
    /// The same of those that the answers show.
    shown: Cursor,
    /// Whether anything is about leases.
    pub(crate) has_leases: bool,
    /// Values that requests may put.
    puts: usize,
    /// By key: the value that was last seen or put, which the next answer mostly shows again.
    latest: Vec<u32>,
}

/// Numbers of keys in the order in which they are met.
#[derive(Default)]
struct Cursor {
    keys: Vec<u32>,
    /// By operation: where its keys begin.
    starts: Vec<usize>,
    next: usize,
}

impl Cursor {
    fn next(&mut self) -> u32 {
        self.next += 1;
        self.keys[self.next - 1]
    }
}

/// No value yet.
const NONE: u32 = u32::MAX;

impl<'h> Names<'h> {
    /// All keys are noted: numbers them anew, in byte order.
    pub(crate) fn sort(&mut self) {
        let numbers = self.keys.sort();
        for key in self.named.keys.iter_mut().chain(&mut self.shown.keys) {
            *key = numbers[*key as usize];
        }
        self.latest = vec![NONE; numbers.len()];
        self.values.reserve(self.puts);
    }

    /// The number of a value that is there under `key`. To compare bytes is cheaper than to look them up.
    pub(crate) fn value(&mut self, key: u32, bytes: &'h [u8]) -> u32 {
        let latest = &mut self.latest[key as usize];
        // The same bytes in the same place need not even be looked at.
        let known = self.values.strings.get(*latest as usize);
        if !known.is_some_and(|known| std::ptr::eq(*known, bytes) || *known == bytes) {
            *latest = self.values.number(bytes);
        }
        *latest
    }

    /// The operation at `position` is read next.
    pub(crate) fn begin(&mut self, position: usize) {
        for cursor in [&mut self.named, &mut self.shown] {
            cursor.next = cursor.starts[position];
        }
    }

    fn add_key(&mut self, key: &'h Key) {
        let number = self.keys.number(key.as_slice());
        self.named.keys.push(number);
    }

    fn add_put(&mut self, put: &'h PutRequest) {
        self.puts += 1;
        self.has_leases |= put.lease.0 != 0;
        self.add_key(&put.key);
    }

    fn add_range(&mut self, range: &'h KeyRange) {
        if range.end == End::Single {
            self.add_key(&range.start);
        }
    }

    /// Notes the keys that a request names.
    pub(crate) fn add_request(&mut self, request: &'h Request) {
        self.named.starts.push(self.named.keys.len());
        match request {
            Request::Put(put) => self.add_put(put),
            Request::Range(range) => self.add_range(&range.range),
            Request::DeleteRange(delete) => self.add_range(&delete.range),
            Request::Txn(txn) => self.add_txn(txn),
            Request::Lease(_) => self.has_leases = true,
            Request::Compact(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => {}
        }
    }

    fn add_txn(&mut self, txn: &'h TxnRequest) {
        txn.compares.iter().for_each(|compare| self.add_range(&compare.range));
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Put(put) => self.add_put(put),
                TxnOp::Range(range) => self.add_range(&range.range),
                TxnOp::DeleteRange(delete) => self.add_range(&delete.range),
                TxnOp::Txn(txn) => self.add_txn(txn),
            }
        }
    }

    fn add_kvs(&mut self, kvs: impl IntoIterator<Item = &'h KeyValue>) {
        for kv in kvs {
            let number = self.keys.number(kv.key.as_slice());
            self.shown.keys.push(number);
        }
    }

    /// Notes the keys that the answer of the next operation shows, if it has one.
    pub(crate) fn add_answer(&mut self, body: Option<&'h Body>) {
        self.shown.starts.push(self.shown.keys.len());
        if let Some(body) = body {
            self.add_body(body);
        }
    }

    fn add_body(&mut self, body: &'h Body) {
        match body {
            Body::Put(put) => self.add_kvs(&put.prev_kv),
            Body::Range(range) => self.add_kvs(&range.kvs),
            Body::DeleteRange(delete) => self.add_kvs(&delete.prev_kvs),
            Body::Txn(txn) => self.add_txn_response(txn),
            Body::Compact
            | Body::Lease(_)
            | Body::Member(_)
            | Body::MoveLeader
            | Body::Maintenance(_)
            | Body::Auth(_)
            | Body::Cluster(_) => {}
        }
    }

    fn add_txn_response(&mut self, txn: &'h TxnResponse) {
        for response in &txn.responses {
            match response {
                TxnOpResponse::Put(put) => self.add_kvs(&put.prev_kv),
                TxnOpResponse::Range(range) => self.add_kvs(&range.kvs),
                TxnOpResponse::DeleteRange(delete) => self.add_kvs(&delete.prev_kvs),
                TxnOpResponse::Txn(txn) => self.add_txn_response(txn),
            }
        }
    }

    fn interval(&mut self, range: &'h KeyRange) -> Keys {
        let first = |key: &Key| {
            let index = self.keys.strings.partition_point(|other| *other < key.as_slice());
            u32::try_from(index).expect("keys are numbered by u32")
        };
        match &range.end {
            End::Single => {
                let low = self.named.next();
                Keys { low, high: low + 1 }
            }
            End::Before(end) => {
                let low = first(&range.start);
                Keys { low, high: first(end).max(low) }
            }
            End::Unbounded => {
                let high = u32::try_from(self.keys.strings.len()).expect("numbered by u32");
                Keys { low: first(&range.start), high }
            }
        }
    }

    fn kv(&mut self, kv: &'h KeyValue) -> SeenKv {
        let key = self.shown.next();
        let seen = SeenKv {
            key,
            value: self.value(key, kv.value.as_slice()),
            create: kv.create_revision.0,
            modified: kv.mod_revision.0,
            version: kv.version,
            lease: kv.lease.0,
        };
        self.recorded.note(&seen);
        seen
    }

    fn kvs(&mut self, kvs: &'h [KeyValue]) -> Box<[SeenKv]> {
        kvs.iter().map(|kv| self.kv(kv)).collect()
    }

    /// The request with its answer; an error if the one does not fit the other. All keys are noted and sorted.
    pub(crate) fn request(
        &mut self,
        request: &'h Request,
        body: Option<&'h Body>,
    ) -> Result<Step<'h>, String> {
        Ok(match (request, body) {
            (Request::Put(put), None) => self.put(put, None),
            (Request::Put(put), Some(Body::Put(answer))) => self.put(put, Some(answer)),
            (Request::Range(range), None) => self.range(range, None),
            (Request::Range(range), Some(Body::Range(answer))) => self.range(range, Some(answer)),
            (Request::DeleteRange(delete), None) => self.delete(delete, None),
            (Request::DeleteRange(delete), Some(Body::DeleteRange(answer))) => {
                self.delete(delete, Some(answer))
            }
            (Request::Txn(txn), None) => self.txn(txn, None)?,
            (Request::Txn(txn), Some(Body::Txn(answer))) => self.txn(txn, Some(answer))?,
            (Request::Compact(compact), None | Some(Body::Compact)) => {
                Step::Compact(compact.revision.0)
            }
            (
                Request::Lease(LeaseRequest::Revoke(lease)),
                None | Some(Body::Lease(LeaseResponse::Revoke)),
            ) => Step::Revoke(Revoke { lease: lease.0, keys: Vec::new() }),
            (Request::Member(_), None | Some(Body::Member(_)))
            | (Request::Lease(_), None | Some(Body::Lease(_)))
            | (Request::MoveLeader(_), None | Some(Body::MoveLeader))
            | (Request::Maintenance(_), None | Some(Body::Maintenance(_)))
            | (Request::Auth(_), None | Some(Body::Auth(_)))
            | (Request::Cluster(_), None | Some(Body::Cluster(_))) => Step::Other,
            (_, Some(_)) => return Err("the answer is to another kind of request".to_owned()),
        })
    }

    fn put(&mut self, put: &'h PutRequest, answer: Option<&'h PutResponse>) -> Step<'h> {
        let key = self.named.next();
        // A put mostly brings a value that is new.
        let value = self.values.number(put.value.as_slice());
        self.latest[key as usize] = value;
        Step::Put(Put {
            key,
            value,
            is_plain: put.lease.0 == 0 && !put.ignore_value && !put.ignore_lease,
            ignore_value: put.ignore_value,
            lease: (!put.ignore_lease).then_some(put.lease.0),
            prev_kv: put.prev_kv,
            answer: answer.map(|answer| PutAnswer {
                prev_kv: answer.prev_kv.as_ref().map(|kv| Box::new(self.kv(kv))),
            }),
        })
    }

    fn range(&mut self, range: &'h RangeRequest, answer: Option<&'h RangeResponse>) -> Step<'h> {
        let bounds = [
            range.revision,
            range.min_mod_revision,
            range.max_mod_revision,
            range.min_create_revision,
            range.max_create_revision,
        ];
        Step::Range(Range {
            keys: self.interval(&range.range),
            request: range,
            is_plain: bounds.iter().all(|bound| bound.0 == 0)
                && range.sort.is_none()
                && !range.keys_only
                && !range.count_only,
            past: range.revision.0,
            is_unread: range.revision.0 != 0 || range.keys_only,
            answer: answer.map(|answer| RangeAnswer {
                kvs: self.kvs(&answer.kvs),
                more: answer.more,
                count: answer.count,
            }),
        })
    }

    fn delete(
        &mut self,
        delete: &'h DeleteRangeRequest,
        answer: Option<&'h DeleteRangeResponse>,
    ) -> Step<'h> {
        Step::Delete(Delete {
            keys: self.interval(&delete.range),
            prev_kv: delete.prev_kv,
            answer: answer.map(|answer| DeleteAnswer {
                deleted: answer.deleted,
                prev_kvs: self.kvs(&answer.prev_kvs),
            }),
        })
    }

    fn txn(
        &mut self,
        txn: &'h TxnRequest,
        answer: Option<&'h TxnResponse>,
    ) -> Result<Step<'h>, String> {
        let taken = |branch: bool| answer.filter(|answer| answer.succeeded == branch);
        Ok(Step::Txn(Txn {
            compares: txn.compares.iter().map(|compare| self.condition(compare)).collect(),
            success: self.branch(&txn.success, taken(true))?,
            failure: self.branch(&txn.failure, taken(false))?,
            answer: answer.map(|answer| answer.succeeded),
        }))
    }

    fn condition(&mut self, compare: &'h Compare) -> Condition<'h> {
        Condition {
            keys: self.interval(&compare.range),
            is_single: compare.range.end == End::Single,
            relation: compare.relation,
            target: &compare.target,
            value: match &compare.target {
                CompareTarget::Value(value) => self.values.number(value.as_slice()),
                CompareTarget::Version(_)
                | CompareTarget::Create(_)
                | CompareTarget::Mod(_)
                | CompareTarget::Lease(_) => u32::MAX,
            },
        }
    }

    fn branch(
        &mut self,
        ops: &'h [TxnOp],
        answer: Option<&'h TxnResponse>,
    ) -> Result<Box<[Step<'h>]>, String> {
        if let Some(answer) = answer
            && answer.responses.len() != ops.len()
        {
            let (had, got) = (ops.len(), answer.responses.len());
            return Err(format!(
                "the branch that was taken has {had} operations, the answer has {got}"
            ));
        }
        ops.iter()
            .enumerate()
            .map(|(i, op)| self.txn_op(op, answer.map(|answer| &answer.responses[i])))
            .collect()
    }

    fn txn_op(
        &mut self,
        op: &'h TxnOp,
        answer: Option<&'h TxnOpResponse>,
    ) -> Result<Step<'h>, String> {
        Ok(match (op, answer) {
            (TxnOp::Put(put), None) => self.put(put, None),
            (TxnOp::Put(put), Some(TxnOpResponse::Put(answer))) => self.put(put, Some(answer)),
            (TxnOp::Range(range), None) => self.range(range, None),
            (TxnOp::Range(range), Some(TxnOpResponse::Range(answer))) => {
                self.range(range, Some(answer))
            }
            (TxnOp::DeleteRange(delete), None) => self.delete(delete, None),
            (TxnOp::DeleteRange(delete), Some(TxnOpResponse::DeleteRange(answer))) => {
                self.delete(delete, Some(answer))
            }
            (TxnOp::Txn(txn), None) => self.txn(txn, None)?,
            (TxnOp::Txn(txn), Some(TxnOpResponse::Txn(answer))) => self.txn(txn, Some(answer))?,
            (_, Some(_)) => {
                return Err("an operation of the branch has another kind of answer".to_owned());
            }
        })
    }
}
