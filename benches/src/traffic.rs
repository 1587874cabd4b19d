//! Histories of any length that are right by construction, for measuring the judges: closed loops of clients over a
//! store that executes each request at one moment between its invocation and its return.
//!
//! Requests are those that etcd sees from Kubernetes: optimistic transactions on the mod revision, lists of a prefix,
//! reads of the past, deletes, compactions. Some outcomes are never known; if asked for, most of them in bursts, as an
//! election makes them. All of it is a function of the seed.

use std::{cmp::Reverse, collections::BinaryHeap};
use whitewater_api::{
    Body, Completion, Error, Header, Key, KeyRange, KeyValue, NodeId, Process, Request, RequestId,
    Response, Revision, Value,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, TxnOp, TxnRequest,
    },
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
};
use whitewater_record::{History, Operation, Seed, SimTime, Stream};

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many operations.
    pub operations: u64,
    /// Who ask for them, each one at a time.
    pub clients: u32,
    /// How many keys there are.
    pub keys: usize,
    /// How many of them have a prefix in common, and are listed together.
    pub group: usize,
    /// Of a million operations, how many end without an answer.
    pub unknown_ppm: u32,
    /// These come close together: the same number, within a fiftieth of the time.
    pub has_bursts: bool,
    /// Operations between two compactions.
    pub compaction: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            operations: 1_000,
            clients: 20,
            keys: 1_000,
            group: 20,
            unknown_ppm: 1_000,
            has_bursts: false,
            compaction: 20_000,
        }
    }
}

/// One event of a history, in the order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request was made.
    Invoked(RequestId, SimTime, Request),
    /// It came to an end.
    Completed(RequestId, SimTime, Completion<Response, Error>),
}

/// A source of events.
pub struct Traffic {
    shape: Shape,
    draws: Stream,
    /// What is due: when, in which order, of which of the operations, and what.
    due: BinaryHeap<Reverse<(u64, u64, u32, Phase)>>,
    /// Operations that are not over; some places are free.
    open: Vec<Open>,
    free: Vec<u32>,
    /// By client: its process, and how many requests that has made.
    clients: Vec<(u32, u32)>,
    processes: u32,
    invoked: u64,
    scheduled: u64,
    store: Store,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// The client at this place asks.
    Invoke,
    Execute,
    Complete,
}

struct Open {
    client: u32,
    id: RequestId,
    request: Request,
    response: Option<Response>,
    is_unknown: bool,
    /// Events that are still due.
    due: u32,
}

/// Mean length of an operation, in nanoseconds.
const LENGTH: u64 = 2_000_000;

/// Time from burst to burst.
const BURST_PERIOD: u64 = 2_000_000_000;

impl Traffic {
    /// The events of one history.
    pub fn new(seed: Seed, shape: Shape) -> Self {
        let mut traffic = Self {
            shape,
            draws: seed.stream("traffic", 0),
            due: BinaryHeap::new(),
            open: Vec::new(),
            free: Vec::new(),
            clients: (0..shape.clients).map(|client| (client, 0)).collect(),
            processes: shape.clients,
            invoked: 0,
            scheduled: 0,
            store: Store::new(shape),
        };
        for client in 0..shape.clients {
            let at = traffic.draws.below(LENGTH);
            traffic.schedule(at, client, Phase::Invoke);
        }
        traffic
    }

    /// All of it at once, in the order of invocation.
    pub fn history(seed: Seed, shape: Shape) -> History {
        let mut operations: Vec<Operation> = Vec::new();
        let mut places = vec![0; shape.clients as usize];
        for event in Self::new(seed, shape) {
            match event {
                Event::Invoked(id, invoked, request) => {
                    let process = id.process.0 as usize;
                    if process >= places.len() {
                        places.resize(process + 1, 0);
                    }
                    places[process] = operations.len();
                    operations.push(Operation {
                        id,
                        node: NodeId(1),
                        invoked,
                        completed: invoked,
                        request,
                        completion: Completion::Info(Error::TimedOut),
                        witness: None,
                    });
                }
                Event::Completed(id, completed, completion) => {
                    let operation = &mut operations[places[id.process.0 as usize]];
                    (operation.completed, operation.completion) = (completed, completion);
                }
            }
        }
        History { operations, ..History::default() }
    }

    fn schedule(&mut self, at: u64, place: u32, phase: Phase) {
        self.scheduled += 1;
        self.due.push(Reverse((at, self.scheduled, place, phase)));
    }

    fn invoke(&mut self, now: u64, client: u32) -> Option<Event> {
        if self.invoked == self.shape.operations {
            return None;
        }
        let number = self.invoked;
        self.invoked += 1;
        let request = self.store.request(&mut self.draws, number);
        let in_burst = now % BURST_PERIOD > BURST_PERIOD / 50 * 49;
        let is_unknown = match (self.shape.has_bursts, in_burst) {
            (false, _) => self.draws.chance(self.shape.unknown_ppm),
            (true, true) => self.draws.chance((self.shape.unknown_ppm * 50).min(900_000)),
            (true, false) => false,
        };
        let (process, sequence) = self.clients[client as usize];
        let id = RequestId { process: Process(process), sequence };
        let length = 1 + self.draws.exponential(LENGTH);
        let executed = if !is_unknown {
            Some(now + self.draws.below(length + 1))
        } else if self.draws.chance(400_000) {
            None
        } else {
            Some(now + self.draws.below(5 * length))
        };
        let due = 1 + u32::from(executed.is_some());
        let open = Open { client, id, request: request.clone(), response: None, is_unknown, due };
        let place = if let Some(place) = self.free.pop() {
            self.open[place as usize] = open;
            place
        } else {
            self.open.push(open);
            u32::try_from(self.open.len() - 1).expect("as many as are open")
        };
        if let Some(at) = executed {
            self.schedule(at, place, Phase::Execute);
        }
        self.schedule(now + length, place, Phase::Complete);
        Some(Event::Invoked(id, SimTime(now), request))
    }

    fn complete(&mut self, now: u64, place: u32) -> Event {
        let open = &mut self.open[place as usize];
        let (client, id, is_unknown) = (open.client, open.id, open.is_unknown);
        let completion = match open.response.take() {
            Some(response) if !is_unknown => Completion::Ok(response),
            Some(_) | None => Completion::Info(Error::TimedOut),
        };
        self.done(place);
        if is_unknown {
            self.clients[client as usize] = (self.processes, 0);
            self.processes += 1;
        } else {
            self.clients[client as usize].1 += 1;
        }
        let pause = 1 + self.draws.below(LENGTH);
        self.schedule(now + pause, client, Phase::Invoke);
        Event::Completed(id, SimTime(now), completion)
    }

    fn done(&mut self, place: u32) {
        let open = &mut self.open[place as usize];
        open.due -= 1;
        if open.due == 0 {
            self.free.push(place);
        }
    }
}

impl Iterator for Traffic {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while let Some(Reverse((now, _, place, phase))) = self.due.pop() {
            match phase {
                Phase::Invoke => {
                    if let Some(event) = self.invoke(now, place) {
                        return Some(event);
                    }
                }
                Phase::Execute => {
                    let open = &mut self.open[place as usize];
                    open.response = Some(self.store.execute(&open.request));
                    self.done(place);
                }
                Phase::Complete => return Some(self.complete(now, place)),
            }
        }
        None
    }
}

/// A store in the simplest words that are fast enough.
struct Store {
    shape: Shape,
    names: Vec<Key>,
    /// By key: all states since the last compaction, with their revisions.
    states: Vec<Vec<(u64, Option<KeyValue>)>>,
    revision: u64,
    compacted: u64,
}

impl Store {
    fn new(shape: Shape) -> Self {
        let name = |key: usize| Key::from(format!("k/{:05}/{key:07}", key / shape.group));
        Self {
            shape,
            names: (0..shape.keys).map(name).collect(),
            states: vec![Vec::new(); shape.keys],
            revision: 1,
            compacted: 0,
        }
    }

    fn request(&self, draws: &mut Stream, number: u64) -> Request {
        if number % self.shape.compaction == self.shape.compaction - 1 {
            let revision = Revision(self.revision - (self.revision - self.compacted) / 10);
            return Request::Compact(CompactRequest { revision, physical: false });
        }
        let below = draws.below(self.shape.keys as u64);
        let key = usize::try_from(below).expect("there are so many keys");
        let name = || self.names[key].clone();
        let value = || Value::from(format!("value-{number:010}"));
        let get = || RangeRequest::new(KeyRange::single(name()));
        let prefix = KeyRange::prefix(format!("k/{:05}/", key / self.shape.group));
        match draws.below(1_000) {
            0..300 => Request::Put(PutRequest {
                prev_kv: number.is_multiple_of(16),
                ..PutRequest::new(name(), value())
            }),
            300..500 => Request::Range(get()),
            500..560 => Request::Range(RangeRequest { serializable: true, ..get() }),
            560..620 => {
                let limit = if number.is_multiple_of(2) { 0 } else { 10 };
                Request::Range(RangeRequest { limit, ..RangeRequest::new(prefix) })
            }
            620..660 => {
                let back = draws.below(1 + (self.revision - self.compacted).min(1_000) / 2);
                let revision = Revision(self.revision - back);
                Request::Range(RangeRequest { revision, ..get() })
            }
            660..740 => {
                let range = KeyRange::single(name());
                Request::DeleteRange(DeleteRangeRequest {
                    range,
                    prev_kv: number.is_multiple_of(4),
                })
            }
            740..742 => Request::DeleteRange(DeleteRangeRequest { range: prefix, prev_kv: false }),
            _ => {
                let seen = self.newest(key).map_or(Revision(0), |kv| kv.mod_revision);
                Request::Txn(TxnRequest {
                    compares: vec![Compare {
                        range: KeyRange::single(name()),
                        relation: Relation::Equal,
                        target: CompareTarget::Mod(seen),
                    }],
                    success: vec![TxnOp::Put(PutRequest::new(name(), value()))],
                    failure: vec![TxnOp::Range(get())],
                })
            }
        }
    }

    fn newest(&self, key: usize) -> Option<&KeyValue> {
        self.states[key].last().and_then(|(_, kv)| kv.as_ref())
    }

    fn at(&self, key: usize, revision: u64) -> Option<&KeyValue> {
        let states = &self.states[key];
        let end = states.partition_point(|(at, _)| *at <= revision);
        states[..end].last().and_then(|(_, kv)| kv.as_ref())
    }

    fn keys(&self, range: &KeyRange) -> std::ops::Range<usize> {
        let from = self.names.partition_point(|name| *name < range.start);
        let count = self.names[from..].partition_point(|name| range.contains(name));
        from..from + count
    }

    fn execute(&mut self, request: &Request) -> Response {
        let body = match request {
            Request::Put(put) => Body::Put(self.put(put)),
            Request::Range(range) => Body::Range(self.range(range)),
            Request::DeleteRange(delete) => Body::DeleteRange(self.delete(delete)),
            Request::Txn(txn) => Body::Txn(self.txn(txn)),
            Request::Compact(compact) => {
                self.compact(compact.revision.0);
                Body::Compact
            }
            Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => {
                unreachable!("not asked for")
            }
        };
        let header =
            Header { node: NodeId(1), revision: Revision(self.revision), ..Header::default() };
        Response { header, body }
    }

    fn put(&mut self, put: &PutRequest) -> PutResponse {
        self.revision += 1;
        let key = self.keys(&KeyRange::single(put.key.clone())).start;
        let old = self.newest(key).cloned();
        let kv = KeyValue {
            key: put.key.clone(),
            value: put.value.clone(),
            create_revision: old.as_ref().map_or(Revision(self.revision), |kv| kv.create_revision),
            mod_revision: Revision(self.revision),
            version: old.as_ref().map_or(0, |kv| kv.version) + 1,
            ..KeyValue::default()
        };
        self.states[key].push((self.revision, Some(kv)));
        PutResponse { prev_kv: old.filter(|_| put.prev_kv) }
    }

    /// A read below a compaction that came in between is answered all the same: no client had been told of it.
    fn range(&self, range: &RangeRequest) -> RangeResponse {
        let at = if range.revision.0 == 0 { u64::MAX } else { range.revision.0 };
        let mut kvs = Vec::new();
        let mut count = 0;
        for key in self.keys(&range.range) {
            let Some(kv) = self.at(key, at) else { continue };
            count += 1;
            if range.limit == 0 || count <= range.limit {
                kvs.push(kv.clone());
            }
        }
        RangeResponse { more: (kvs.len() as u64) < count, kvs, count }
    }

    fn delete(&mut self, delete: &DeleteRangeRequest) -> DeleteRangeResponse {
        let next = self.revision + 1;
        let mut prev_kvs = Vec::new();
        let mut deleted = 0;
        for key in self.keys(&delete.range) {
            let Some(kv) = self.newest(key).cloned() else { continue };
            deleted += 1;
            self.states[key].push((next, None));
            if delete.prev_kv {
                prev_kvs.push(kv);
            }
        }
        self.revision += u64::from(deleted > 0);
        DeleteRangeResponse { deleted, prev_kvs }
    }

    fn txn(&mut self, txn: &TxnRequest) -> TxnResponse {
        let holds = |compare: &Compare| {
            let key = self.keys(&compare.range).start;
            let modified = self.newest(key).map_or(Revision(0), |kv| kv.mod_revision);
            compare.target == CompareTarget::Mod(modified)
        };
        let succeeded = txn.compares.iter().all(holds);
        let branch = if succeeded { &txn.success } else { &txn.failure };
        let answer = |op: &TxnOp| match op {
            TxnOp::Put(put) => TxnOpResponse::Put(self.put(put)),
            TxnOp::Range(range) => TxnOpResponse::Range(self.range(range)),
            TxnOp::DeleteRange(_) | TxnOp::Txn(_) => unreachable!("not asked for"),
        };
        TxnResponse { succeeded, responses: branch.iter().map(answer).collect() }
    }

    /// Keeps what reads that are on their way may still ask for.
    fn compact(&mut self, revision: u64) {
        let kept = self.compacted;
        self.compacted = self.compacted.max(revision);
        for states in &mut self.states {
            let end = states.partition_point(|(at, _)| *at <= kept);
            states.drain(..end.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_checkers::{Budget, Ruling, judge_by_revisions};

    #[test]
    fn every_history_is_right() {
        for (seed, has_bursts) in [(1, false), (2, true)] {
            let shape = Shape {
                operations: 20_000,
                unknown_ppm: 5_000,
                has_bursts,
                compaction: 1_000,
                ..Shape::default()
            };
            let history = Traffic::history(Seed(seed), shape);
            assert_eq!(history.operations.len(), 20_000);
            let unknown = |op: &&Operation| matches!(op.completion, Completion::Info(_));
            assert!(history.operations.iter().filter(unknown).count() > 20);
            let judgements = judge_by_revisions(&history, &Budget::default());
            assert!(judgements.iter().all(|j| j.ruling == Ruling::Holds), "{judgements:#?}");
        }
    }
}
