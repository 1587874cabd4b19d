//! Histories that are right by construction: closed loops of clients, each operation executed at one moment between
//! its invocation and its return, operations of unknown outcome at any later moment or never.

use crate::spec::Spec;
use std::collections::BTreeMap;
use whitewater_api::{
    Body, Completion, Error, Key, KeyRange, KeyValue, NodeId, Process, Request, RequestId,
    Revision,
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Relation, TxnOp,
        TxnRequest,
    },
    response::TxnOpResponse,
};
use whitewater_record::{History, Operation, SimTime, Stream};

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) operations: usize,
    pub(crate) clients: usize,
    pub(crate) keys: u64,
    /// Of 1000 operations, how many end without an answer.
    pub(crate) unknown: u64,
    /// Of 1000 operations, how many are refused.
    pub(crate) refused: u64,
    /// Lists and delete-alls.
    pub(crate) has_ranges: bool,
    /// Seconds-long breaks in which everything is lost.
    pub(crate) has_bursts: bool,
    /// A full read by a fresh process at the end.
    pub(crate) has_final_read: bool,
}

pub(crate) const SMALL: Shape = Shape {
    operations: 60,
    clients: 4,
    keys: 4,
    unknown: 60,
    refused: 30,
    has_ranges: true,
    has_bursts: false,
    has_final_read: true,
};

pub(crate) struct Draft {
    pub(crate) id: RequestId,
    pub(crate) invoked: u64,
    pub(crate) at: Option<u64>,
    pub(crate) completed: u64,
    pub(crate) refused: bool,
    pub(crate) unknown: bool,
}

pub(crate) struct Dice(pub(crate) Stream);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }

    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() { None } else { Some(items[self.below(items.len() as u64) as usize]) }
    }
}

pub(crate) fn history(shape: Shape, dice: &mut Dice) -> History {
    let mut drafts = drafts(shape, dice);
    drafts.sort_by_key(|draft| draft.at.unwrap_or(draft.invoked));
    let mut spec = Spec::new();
    let mut last: BTreeMap<(u32, Key), u64> = BTreeMap::new();
    let mut operations = Vec::new();
    for (i, draft) in drafts.into_iter().enumerate() {
        let process = draft.id.process.0;
        let request =
            request(shape, dice, i, |key| last.get(&(process, key.clone())).copied().unwrap_or(0));
        let response = draft.at.map(|_| match &request {
            Request::Range(range) if range.serializable => {
                let back = dice.below(4).min(spec.revision() - 1);
                spec.read_at(range, spec.revision() - back)
            }
            request => spec.execute(request),
        });
        let completion = match response {
            _ if draft.unknown => Completion::Info(Error::TimedOut),
            _ if draft.refused => Completion::Fail(Error::NoLeader),
            Some(response) => {
                for kv in shown(&response.body) {
                    last.insert((process, kv.key.clone()), kv.mod_revision.0);
                }
                Completion::Ok(response)
            }
            None => unreachable!("an answered operation was executed"),
        };
        operations.push(Operation {
            id: draft.id,
            node: NodeId(1),
            invoked: SimTime(draft.invoked),
            completed: SimTime(draft.completed),
            request,
            completion,
            witness: None,
        });
    }
    if shape.has_final_read {
        let end = operations.iter().map(|op| op.completed.0).max().unwrap_or(0) + 10;
        let request = Request::Range(RangeRequest::new(KeyRange::prefix("k")));
        let response = spec.execute(&request);
        operations.push(Operation {
            id: RequestId { process: Process(1_000_000), sequence: 0 },
            node: NodeId(1),
            invoked: SimTime(end),
            completed: SimTime(end + 10),
            request,
            completion: Completion::Ok(response),
            witness: None,
        });
    }
    operations.sort_by_key(|operation| (operation.invoked, operation.id));
    History { operations, ..History::default() }
}

/// The keys that an answer shows, those of transactions within transactions too.
pub(crate) fn shown(body: &Body) -> Vec<&KeyValue> {
    match body {
        Body::Range(range) => range.kvs.iter().collect(),
        Body::Txn(txn) => txn.responses.iter().flat_map(shown_within).collect(),
        Body::Put(put) => put.prev_kv.iter().collect(),
        Body::DeleteRange(delete) => delete.prev_kvs.iter().collect(),
        _ => Vec::new(),
    }
}

fn shown_within(response: &TxnOpResponse) -> Vec<&KeyValue> {
    match response {
        TxnOpResponse::Range(range) => range.kvs.iter().collect(),
        TxnOpResponse::Txn(txn) => txn.responses.iter().flat_map(shown_within).collect(),
        TxnOpResponse::Put(put) => put.prev_kv.iter().collect(),
        TxnOpResponse::DeleteRange(delete) => delete.prev_kvs.iter().collect(),
    }
}

pub(crate) fn drafts(shape: Shape, dice: &mut Dice) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut next_process = 0;
    for client in 0..shape.clients {
        let mut now = dice.below(50);
        let (mut process, mut sequence) = (next_process, 0);
        next_process += 1;
        let share = shape.operations / shape.clients
            + usize::from(client < shape.operations % shape.clients);
        for _ in 0..share {
            let invoked = now + 1 + dice.below(40);
            let completed = invoked + dice.below(120);
            let in_burst = shape.has_bursts && (invoked / 400) % 10 == 9;
            let unknown = dice.chance(if in_burst { 700 } else { shape.unknown });
            let refused = !unknown && dice.chance(shape.refused);
            let at = match (unknown, refused) {
                (_, true) => None,
                (true, _) if dice.chance(400) => None,
                (true, _) if dice.chance(300) => Some(invoked + dice.below(4000)),
                (true, _) => Some(invoked + dice.below(200)),
                _ => Some(invoked + dice.below(completed - invoked + 1)),
            };
            let id = RequestId { process: Process(process), sequence };
            drafts.push(Draft { id, invoked, at, completed, refused, unknown });
            sequence += 1;
            now = completed;
            if unknown {
                (process, sequence) = (next_process, 0);
                next_process += 1;
            }
        }
    }
    drafts
}

fn request(shape: Shape, dice: &mut Dice, i: usize, last: impl Fn(&Key) -> u64) -> Request {
    let key = |dice: &mut Dice| Key::from(format!("k{}", dice.below(shape.keys)));
    let value = format!("v{i}");
    let k = key(dice);
    let get = |key: &Key| RangeRequest::new(KeyRange::single(key.clone()));
    let compare = |key: &Key, target| Compare {
        range: KeyRange::single(key.clone()),
        relation: Relation::Equal,
        target,
    };
    match dice.below(100) {
        0..25 => Request::Put(PutRequest {
            prev_kv: dice.chance(100),
            ..PutRequest::new(k, value.as_str())
        }),
        25..45 => Request::Range(get(&k)),
        45..52 => Request::Range(RangeRequest { serializable: true, ..get(&k) }),
        52..60 if shape.has_ranges => Request::Range(RangeRequest {
            limit: dice.below(3) * shape.keys / 3,
            ..RangeRequest::new(KeyRange::prefix("k"))
        }),
        60..70 => Request::DeleteRange(DeleteRangeRequest {
            range: KeyRange::single(k),
            prev_kv: dice.chance(300),
        }),
        70..72 if shape.has_ranges => Request::DeleteRange(DeleteRangeRequest {
            range: KeyRange::prefix("k"),
            prev_kv: dice.chance(300),
        }),
        72..85 => Request::Txn(TxnRequest {
            compares: vec![compare(&k, CompareTarget::Mod(Revision(last(&k))))],
            success: vec![TxnOp::Put(PutRequest::new(k.clone(), value.as_str()))],
            failure: vec![TxnOp::Range(get(&k))],
        }),
        85..92 => Request::Txn(TxnRequest {
            compares: vec![compare(&k, CompareTarget::Create(Revision(0)))],
            success: vec![TxnOp::Put(PutRequest::new(k.clone(), value.as_str()))],
            failure: vec![TxnOp::Range(get(&k))],
        }),
        92..100 => {
            let other = key(dice);
            if other == k {
                return Request::Range(get(&k));
            }
            let both = [&k, &other];
            Request::Txn(TxnRequest {
                compares: both.map(|k| compare(k, CompareTarget::Mod(Revision(last(k))))).to_vec(),
                success: both
                    .map(|k| TxnOp::Put(PutRequest::new(k.clone(), value.as_str())))
                    .to_vec(),
                failure: both.map(|k| TxnOp::Range(get(k))).to_vec(),
            })
        }
        _ => Request::Put(PutRequest::new(k, value.as_str())),
    }
}
