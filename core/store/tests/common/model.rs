//! The model: every state that ever was, in full. It shares nothing with the store but the plain data.

use std::{cmp::Ordering, collections::BTreeMap};
use whitewater_api::{
    Body, Error, Key, KeyRange, KeyValue, LeaseCheckpoint, LeaseId, LeaseRequest, LeaseResponse,
    Request, Revision,
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Relation, SortTarget,
        TxnOp, TxnRequest,
    },
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
    watch::{EventKind, WatchEvent},
};

type State = BTreeMap<Key, KeyValue>;

/// All states, by revision less one, and the leases of now.
#[derive(Clone)]
pub(crate) struct Model {
    states: Vec<State>,
    /// Granted and left, in seconds.
    leases: BTreeMap<LeaseId, (i64, i64)>,
    /// What happened at each revision but the first, in order.
    pub(crate) events: Vec<Vec<WatchEvent>>,
    pub(crate) compacted: Revision,
}

/// A request under way.
struct Run {
    before: State,
    now: State,
    events: Vec<WatchEvent>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            states: vec![State::new()],
            events: Vec::new(),
            leases: BTreeMap::new(),
            compacted: Revision(0),
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision(self.events.len() as u64 + 1)
    }

    fn newest(&self) -> &State {
        self.states.last().expect("there is always a state")
    }

    pub(crate) fn apply(&mut self, request: &Request) -> Result<Body, Error> {
        let now = self.newest().clone();
        let mut run = Run { before: now.clone(), now, events: Vec::new() };
        let body = match request {
            // Alone, a put looks for its lease first; in a transaction, for its key.
            Request::Put(put) if !self.may_hang(put) => return Err(Error::LeaseNotFound),
            Request::Put(put) => Body::Put(self.put(&mut run, put)?),
            Request::Range(range) => Body::Range(self.range(range)?),
            Request::DeleteRange(delete) => Body::DeleteRange(self.delete(&mut run, delete)),
            Request::Txn(txn) => Body::Txn(self.txn(&mut run, txn)?),
            Request::Compact(compact) => {
                if compact.revision > self.revision() {
                    return Err(Error::FutureRevision { current: self.revision() });
                }
                if compact.revision <= self.compacted {
                    return Err(Error::Compacted { compacted: self.compacted });
                }
                self.compacted = compact.revision;
                Body::Compact
            }
            Request::Lease(LeaseRequest::Grant { lease, .. })
                if self.leases.contains_key(lease) =>
            {
                return Err(Error::LeaseExists);
            }
            Request::Lease(LeaseRequest::Grant { lease, ttl }) => {
                self.leases.insert(*lease, (*ttl, *ttl));
                Body::Lease(LeaseResponse::Grant { lease: *lease, ttl: *ttl })
            }
            Request::Lease(LeaseRequest::Revoke(lease)) => {
                if self.leases.remove(lease).is_none() {
                    return Err(Error::LeaseNotFound);
                }
                let gone = run.now.extract_if(.., |_, kv| kv.lease == *lease);
                for key in gone.map(|(key, _)| key).collect::<Vec<_>>() {
                    let mod_revision = self.revision().next();
                    let kv = KeyValue { key, mod_revision, ..KeyValue::default() };
                    run.happens(EventKind::Delete, kv);
                }
                Body::Lease(LeaseResponse::Revoke)
            }
            Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => {
                unreachable!("not generated")
            }
        };
        if !run.events.is_empty() {
            self.states.push(run.now);
            self.events.push(run.events);
        }
        Ok(body)
    }

    pub(crate) fn checkpoint(&mut self, checkpoint: LeaseCheckpoint) {
        if let Some((granted, left)) = self.leases.get_mut(&checkpoint.lease) {
            let is_cut = (1..*granted).contains(&checkpoint.remaining);
            *left = if is_cut { checkpoint.remaining } else { *granted };
        }
    }

    /// Every lease: granted, left, keys.
    pub(crate) fn leases(&self) -> Vec<(LeaseId, i64, i64, Vec<Key>)> {
        let keys = |id: LeaseId| {
            let hanging = self.newest().values().filter(|kv| kv.lease == id);
            hanging.map(|kv| kv.key.clone()).collect()
        };
        self.leases.iter().map(|(id, (granted, left))| (*id, *granted, *left, keys(*id))).collect()
    }

    fn may_hang(&self, put: &PutRequest) -> bool {
        put.lease == LeaseId::NONE || self.leases.contains_key(&put.lease)
    }

    pub(crate) fn range(&self, request: &RangeRequest) -> Result<RangeResponse, Error> {
        self.range_of(self.newest(), request)
    }

    fn range_of(&self, newest: &State, request: &RangeRequest) -> Result<RangeResponse, Error> {
        let state = if request.revision == Revision(0) {
            newest
        } else if request.revision > self.revision() {
            return Err(Error::FutureRevision { current: self.revision() });
        } else if request.revision < self.compacted {
            return Err(Error::Compacted { compacted: self.compacted });
        } else {
            &self.states[usize::try_from(request.revision.0).expect("a small number") - 1]
        };
        let mut kvs = select(state, &request.range);
        let count = kvs.len() as u64;
        let zero = Revision(0);
        kvs.retain(|kv| {
            (request.min_mod_revision == zero || kv.mod_revision >= request.min_mod_revision)
                && (request.max_mod_revision == zero || kv.mod_revision <= request.max_mod_revision)
                && (request.min_create_revision == zero
                    || kv.create_revision >= request.min_create_revision)
                && (request.max_create_revision == zero
                    || kv.create_revision <= request.max_create_revision)
        });
        if let Some(sort) = request.sort {
            let by = |a: &KeyValue, b: &KeyValue| match sort.target {
                SortTarget::Key => a.key.cmp(&b.key),
                SortTarget::Version => a.version.cmp(&b.version),
                SortTarget::Create => a.create_revision.cmp(&b.create_revision),
                SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
                SortTarget::Value => a.value.cmp(&b.value),
            };
            if sort.descending {
                kvs.sort_by(|a, b| by(b, a));
            } else {
                kvs.sort_by(by);
            }
        }
        if request.count_only {
            kvs.clear();
        }
        let limit = usize::try_from(request.limit).expect("a small number");
        let more = limit > 0 && kvs.len() > limit;
        if more {
            kvs.truncate(limit);
        }
        if request.keys_only {
            for kv in &mut kvs {
                kv.value = "".into();
            }
        }
        Ok(RangeResponse { kvs, more, count })
    }

    fn put(&self, run: &mut Run, put: &PutRequest) -> Result<PutResponse, Error> {
        let old = run.now.get(&put.key).cloned();
        if (put.ignore_value || put.ignore_lease) && old.is_none() {
            return Err(Error::KeyNotFound);
        }
        if !self.may_hang(put) {
            return Err(Error::LeaseNotFound);
        }
        let revision = self.revision().next();
        let mut new = KeyValue {
            key: put.key.clone(),
            value: put.value.clone(),
            create_revision: revision,
            mod_revision: revision,
            version: 1,
            lease: put.lease,
        };
        if let Some(old) = &old {
            new.create_revision = old.create_revision;
            new.version = old.version + 1;
            if put.ignore_value {
                new.value = old.value.clone();
            }
            if put.ignore_lease {
                new.lease = old.lease;
            }
        }
        run.happens(EventKind::Put, new.clone());
        run.now.insert(put.key.clone(), new);
        Ok(PutResponse { prev_kv: if put.prev_kv { old } else { None } })
    }

    fn delete(&self, run: &mut Run, delete: &DeleteRangeRequest) -> DeleteRangeResponse {
        let gone = select(&run.now, &delete.range);
        for kv in &gone {
            run.now.remove(&kv.key);
            let (key, mod_revision) = (kv.key.clone(), self.revision().next());
            run.happens(EventKind::Delete, KeyValue { key, mod_revision, ..KeyValue::default() });
        }
        let deleted = gone.len() as u64;
        DeleteRangeResponse { deleted, prev_kvs: if delete.prev_kv { gone } else { Vec::new() } }
    }

    fn txn(&self, run: &mut Run, txn: &TxnRequest) -> Result<TxnResponse, Error> {
        let succeeded = txn.compares.iter().all(|compare| holds(&run.before, compare));
        let mut responses = Vec::new();
        for op in if succeeded { &txn.success } else { &txn.failure } {
            responses.push(match op {
                TxnOp::Put(put) => TxnOpResponse::Put(self.put(run, put)?),
                TxnOp::Range(range) => TxnOpResponse::Range(self.range_of(&run.now, range)?),
                TxnOp::DeleteRange(delete) => TxnOpResponse::DeleteRange(self.delete(run, delete)),
                TxnOp::Txn(nested) => TxnOpResponse::Txn(self.txn(run, nested)?),
            });
        }
        Ok(TxnResponse { succeeded, responses })
    }
}

impl Run {
    fn happens(&mut self, kind: EventKind, kv: KeyValue) {
        let prev_kv = self.before.get(&kv.key).cloned();
        self.events.push(WatchEvent { kind, kv, prev_kv });
    }
}

fn select(state: &State, range: &KeyRange) -> Vec<KeyValue> {
    state.values().filter(|kv| range.contains(&kv.key)).cloned().collect()
}

fn holds(state: &State, compare: &Compare) -> bool {
    let mut kvs = select(state, &compare.range);
    if kvs.is_empty() {
        if matches!(compare.target, CompareTarget::Value(_)) {
            return false;
        }
        kvs.push(KeyValue::default());
    }
    kvs.iter().all(|kv| {
        let order = match &compare.target {
            CompareTarget::Version(version) => kv.version.cmp(version),
            CompareTarget::Create(revision) => kv.create_revision.cmp(revision),
            CompareTarget::Mod(revision) => kv.mod_revision.cmp(revision),
            CompareTarget::Value(value) => kv.value.cmp(value),
            CompareTarget::Lease(lease) => kv.lease.cmp(lease),
        };
        match compare.relation {
            Relation::Equal => order == Ordering::Equal,
            Relation::NotEqual => order != Ordering::Equal,
            Relation::Less => order == Ordering::Less,
            Relation::Greater => order == Ordering::Greater,
        }
    })
}
