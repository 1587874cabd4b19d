//! A sequential store in the plainest words, to make histories that are right by construction.

use std::collections::BTreeMap;
use whitewater_api::{
    Body, Header, Key, KeyValue, NodeId, Request, Response, Revision,
    request::{Compare, CompareTarget, RangeRequest, Relation, TxnOp},
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
};

/// The state of the store after one revision.
pub(crate) type State = BTreeMap<Key, KeyValue>;

/// All states, the first at revision 1.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) states: Vec<State>,
}

impl Spec {
    pub(crate) fn new() -> Self {
        Self { states: vec![State::new()] }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.states.len() as u64
    }

    pub(crate) fn execute(&mut self, request: &Request) -> Response {
        let mut state = self.states.last().unwrap().clone();
        let next = self.revision() + 1;
        let op = match request {
            Request::Put(put) => TxnOp::Put(put.clone()),
            Request::Range(range) => TxnOp::Range(range.clone()),
            Request::DeleteRange(delete) => TxnOp::DeleteRange(delete.clone()),
            Request::Txn(txn) => TxnOp::Txn(txn.clone()),
            _ => unreachable!("not generated"),
        };
        let (changed, answer) = run(&mut state, &op, next);
        if changed {
            self.states.push(state);
        }
        let body = match answer {
            TxnOpResponse::Put(answer) => Body::Put(answer),
            TxnOpResponse::Range(answer) => Body::Range(answer),
            TxnOpResponse::DeleteRange(answer) => Body::DeleteRange(answer),
            TxnOpResponse::Txn(answer) => Body::Txn(answer),
        };
        Response { header: header(self.revision()), body }
    }

    /// A stale read.
    pub(crate) fn read_at(&self, range: &RangeRequest, revision: u64) -> Response {
        let state = &self.states[revision as usize - 1];
        Response { header: header(revision), body: Body::Range(read(state, range)) }
    }
}

fn header(revision: u64) -> Header {
    Header { node: NodeId(1), revision: Revision(revision), ..Header::default() }
}

fn read(state: &State, range: &RangeRequest) -> RangeResponse {
    let mut kvs: Vec<KeyValue> =
        state.values().filter(|kv| range.range.contains(&kv.key)).cloned().collect();
    let count = kvs.len() as u64;
    if range.limit > 0 {
        kvs.truncate(range.limit as usize);
    }
    RangeResponse { more: (kvs.len() as u64) < count, kvs, count }
}

fn run(state: &mut State, op: &TxnOp, next: u64) -> (bool, TxnOpResponse) {
    match op {
        TxnOp::Put(put) => {
            let old = state.get(&put.key).cloned();
            let kv = KeyValue {
                key: put.key.clone(),
                value: put.value.clone(),
                create_revision: old.as_ref().map_or(Revision(next), |kv| kv.create_revision),
                mod_revision: Revision(next),
                version: old.as_ref().map_or(0, |kv| kv.version) + 1,
                ..KeyValue::default()
            };
            state.insert(put.key.clone(), kv);
            (true, TxnOpResponse::Put(PutResponse { prev_kv: old.filter(|_| put.prev_kv) }))
        }
        TxnOp::Range(range) => (false, TxnOpResponse::Range(read(state, range))),
        TxnOp::DeleteRange(delete) => {
            let gone: Vec<KeyValue> =
                state.values().filter(|kv| delete.range.contains(&kv.key)).cloned().collect();
            state.retain(|key, _| !delete.range.contains(key));
            let deleted = gone.len() as u64;
            let prev_kvs = if delete.prev_kv { gone } else { Vec::new() };
            (deleted > 0, TxnOpResponse::DeleteRange(DeleteRangeResponse { deleted, prev_kvs }))
        }
        TxnOp::Txn(txn) => {
            let succeeded = txn.compares.iter().all(|compare| holds(state, compare));
            let ops = if succeeded { &txn.success } else { &txn.failure };
            let mut changed = false;
            let mut responses = Vec::new();
            for op in ops {
                let (wrote, response) = run(state, op, next);
                changed |= wrote;
                responses.push(response);
            }
            (changed, TxnOpResponse::Txn(TxnResponse { succeeded, responses }))
        }
    }
}

fn holds(state: &State, compare: &Compare) -> bool {
    let kv = state.get(&compare.range.start);
    let ordering = match &compare.target {
        CompareTarget::Version(n) => kv.map_or(0, |kv| kv.version).cmp(n),
        CompareTarget::Create(r) => kv.map_or(0, |kv| kv.create_revision.0).cmp(&r.0),
        CompareTarget::Mod(r) => kv.map_or(0, |kv| kv.mod_revision.0).cmp(&r.0),
        CompareTarget::Value(v) => match kv {
            Some(kv) => kv.value.cmp(v),
            None => return false,
        },
        CompareTarget::Lease(_) => unreachable!("not generated"),
    };
    match compare.relation {
        Relation::Equal => ordering.is_eq(),
        Relation::NotEqual => ordering.is_ne(),
        Relation::Less => ordering.is_lt(),
        Relation::Greater => ordering.is_gt(),
    }
}
