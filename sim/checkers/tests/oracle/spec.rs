//! A sequential store in the plainest words, to make histories that are right by construction.

use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{
    Body, Error, Header, Key, KeyValue, LeaseRequest, LeaseResponse, NodeId, Request, Response,
    Revision, Value,
    request::{Compare, CompareTarget, RangeRequest, Relation, SortTarget, TxnOp, TxnRequest},
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
};

/// The state of the store after one revision.
pub(crate) type State = BTreeMap<Key, KeyValue>;

/// All states, the first at revision 1.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) states: Vec<State>,
    /// The leases that are there now.
    pub(crate) leases: BTreeSet<i64>,
}

impl Spec {
    pub(crate) fn new() -> Self {
        Self { states: vec![State::new()], leases: BTreeSet::new() }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.states.len() as u64
    }

    /// What etcd would answer, refusals included.
    pub(crate) fn attempt(&mut self, request: &Request) -> Result<Response, Error> {
        let Request::Lease(lease) = request else {
            self.expect_leases(request)?;
            return Ok(self.execute(request));
        };
        let answer = match lease {
            LeaseRequest::Grant { lease, ttl } => {
                if !self.leases.insert(lease.0) {
                    return Err(Error::LeaseExists);
                }
                LeaseResponse::Grant { lease: *lease, ttl: *ttl }
            }
            LeaseRequest::Revoke(lease) => {
                if !self.end(lease.0) {
                    return Err(Error::LeaseNotFound);
                }
                LeaseResponse::Revoke
            }
            _ => unreachable!("not generated"),
        };
        Ok(Response { header: header(self.revision()), body: Body::Lease(answer) })
    }

    /// A lease ends, and takes its keys with it. Whether it was there.
    pub(crate) fn end(&mut self, lease: i64) -> bool {
        let was_there = self.leases.remove(&lease);
        let mut state = self.states.last().unwrap().clone();
        let before = state.len();
        state.retain(|_, kv| kv.lease.0 != lease);
        if state.len() < before {
            self.states.push(state);
        }
        was_there
    }

    /// A write that names a lease that is not there, or keeps what is not there, is refused as a whole.
    fn expect_leases(&self, request: &Request) -> Result<(), Error> {
        let before = self.states.last().unwrap();
        let op = match request {
            Request::Put(put) => TxnOp::Put(put.clone()),
            Request::Txn(txn) => TxnOp::Txn(txn.clone()),
            _ => return Ok(()),
        };
        self.check(before, &mut before.clone(), &op)
    }

    fn check(&self, before: &State, state: &mut State, op: &TxnOp) -> Result<(), Error> {
        match op {
            TxnOp::Put(put) => {
                if put.lease.0 != 0 && !self.leases.contains(&put.lease.0) {
                    return Err(Error::LeaseNotFound);
                }
                if (put.ignore_lease || put.ignore_value) && !state.contains_key(&put.key) {
                    return Err(Error::KeyNotFound);
                }
            }
            TxnOp::Txn(txn) => {
                let holds = txn.compares.iter().all(|compare| holds(before, compare));
                let branch = if holds { &txn.success } else { &txn.failure };
                return branch.iter().try_for_each(|op| self.check(before, state, op));
            }
            TxnOp::Range(_) | TxnOp::DeleteRange(_) => {}
        }
        run(before, state, op, 0);
        Ok(())
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
        let (changed, answer) = run(self.states.last().unwrap(), &mut state, &op, next);
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
    let all: Vec<&KeyValue> = state.values().filter(|kv| range.range.contains(&kv.key)).collect();
    let count = all.len() as u64;
    if range.count_only {
        return RangeResponse { kvs: Vec::new(), more: false, count };
    }
    let within = |revision: Revision, low: Revision, high: Revision| {
        low <= revision && (high.0 == 0 || revision <= high)
    };
    let mut kvs: Vec<KeyValue> = all
        .into_iter()
        .filter(|kv| within(kv.mod_revision, range.min_mod_revision, range.max_mod_revision))
        .filter(|kv| {
            within(kv.create_revision, range.min_create_revision, range.max_create_revision)
        })
        .cloned()
        .collect();
    if let Some(sort) = range.sort {
        kvs.sort_by(|a, b| match sort.target {
            SortTarget::Key => a.key.cmp(&b.key),
            SortTarget::Version => a.version.cmp(&b.version),
            SortTarget::Create => a.create_revision.cmp(&b.create_revision),
            SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
            SortTarget::Value => a.value.cmp(&b.value),
        });
        if sort.descending {
            kvs.reverse();
        }
    }
    let matching = kvs.len();
    if range.limit > 0 {
        kvs.truncate(range.limit as usize);
    }
    let more = kvs.len() < matching;
    if range.keys_only {
        for kv in &mut kvs {
            kv.value = Value::default();
        }
    }
    RangeResponse { more, kvs, count }
}

/// `before` is the state before the whole request, which all conditions are about.
fn run(before: &State, state: &mut State, op: &TxnOp, next: u64) -> (bool, TxnOpResponse) {
    match op {
        TxnOp::Put(put) => {
            let old = state.get(&put.key).cloned();
            let kv = KeyValue {
                key: put.key.clone(),
                value: match &old {
                    Some(old) if put.ignore_value => old.value.clone(),
                    _ => put.value.clone(),
                },
                lease: match &old {
                    Some(old) if put.ignore_lease => old.lease,
                    _ => put.lease,
                },
                create_revision: old.as_ref().map_or(Revision(next), |kv| kv.create_revision),
                mod_revision: Revision(next),
                version: old.as_ref().map_or(0, |kv| kv.version) + 1,
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
            let (changed, answer) = transact(before, state, txn, next);
            (changed, TxnOpResponse::Txn(answer))
        }
    }
}

fn transact(before: &State, state: &mut State, txn: &TxnRequest, next: u64) -> (bool, TxnResponse) {
    let succeeded = txn.compares.iter().all(|compare| holds(before, compare));
    let ops = if succeeded { &txn.success } else { &txn.failure };
    let mut changed = false;
    let mut responses = Vec::new();
    for op in ops {
        let (wrote, response) = run(before, state, op, next);
        changed |= wrote;
        responses.push(response);
    }
    (changed, TxnResponse { succeeded, responses })
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
        CompareTarget::Lease(lease) => kv.map_or(0, |kv| kv.lease.0).cmp(&lease.0),
    };
    match compare.relation {
        Relation::Equal => ordering.is_eq(),
        Relation::NotEqual => ordering.is_ne(),
        Relation::Less => ordering.is_lt(),
        Relation::Greater => ordering.is_gt(),
    }
}
