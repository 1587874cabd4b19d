//! A store in its simplest form: one moment after the other, everything kept. Written for these tests alone.

use std::collections::BTreeMap;
use whitewater_api::{
    Body, ClusterId, Error, Header, Key, KeyRange, KeyValue, LeaseId, LeaseRequest, LeaseResponse,
    NodeId, Request, Response, Revision, Term,
    request::{
        CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Relation, TxnOp, TxnRequest,
    },
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
    watch::{EventKind, WatchEvent},
};

pub(crate) const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) ttl: i64,
    pub(crate) expires: u64,
}

#[derive(Default)]
pub(crate) struct Store {
    /// All events, each with what was there before, if there was something.
    pub(crate) log: Vec<WatchEvent>,
    pub(crate) live: BTreeMap<Key, KeyValue>,
    pub(crate) leases: BTreeMap<i64, Lease>,
    pub(crate) writes: u64,
    pub(crate) compacted: u64,
    pub(crate) now: u64,
    /// Of a thousand, how much too fast or too slow the clock of the leader is.
    pub(crate) drift: i64,
    pub(crate) next_lease: i64,
}

impl Store {
    pub(crate) fn revision(&self) -> u64 {
        self.writes + 1
    }

    pub(crate) fn header(&self) -> Header {
        let revision = Revision(self.revision());
        Header { cluster: ClusterId(1), node: NodeId(1), term: Term(1), revision }
    }

    pub(crate) fn execute(&mut self, request: &Request) -> Result<Response, Error> {
        let before = self.log.len();
        let body = match request {
            Request::Put(put) => {
                self.check(put)?;
                Body::Put(self.put(put, self.revision() + 1))
            }
            Request::Range(range) => Body::Range(self.range(range)),
            Request::DeleteRange(delete) => {
                Body::DeleteRange(self.delete(delete, self.revision() + 1))
            }
            Request::Txn(txn) => Body::Txn(self.txn(txn)?),
            Request::Compact(compact) => {
                if compact.revision.0 <= self.compacted {
                    return Err(Error::Compacted { compacted: Revision(self.compacted) });
                }
                self.compacted = compact.revision.0;
                Body::Compact
            }
            Request::Lease(lease) => Body::Lease(self.lease(*lease)?),
            other => panic!("not in these tests: {other}"),
        };
        self.writes += u64::from(self.log.len() > before);
        Ok(Response { header: self.header(), body })
    }

    fn check(&self, put: &PutRequest) -> Result<(), Error> {
        let is_known = put.lease == LeaseId::NONE || self.leases.contains_key(&put.lease.0);
        if is_known { Ok(()) } else { Err(Error::LeaseNotFound) }
    }

    fn put(&mut self, put: &PutRequest, revision: u64) -> PutResponse {
        let old = self.live.get(&put.key).cloned();
        let kv = KeyValue {
            key: put.key.clone(),
            value: put.value.clone(),
            create_revision: old.as_ref().map_or(Revision(revision), |old| old.create_revision),
            mod_revision: Revision(revision),
            version: old.as_ref().map_or(1, |old| old.version + 1),
            lease: put.lease,
        };
        self.live.insert(put.key.clone(), kv.clone());
        self.log.push(WatchEvent { kind: EventKind::Put, kv, prev_kv: old.clone() });
        PutResponse { prev_kv: old.filter(|_| put.prev_kv) }
    }

    fn remove(&mut self, key: &Key, revision: u64) -> KeyValue {
        let old = self.live.remove(key).unwrap();
        let kv =
            KeyValue { key: key.clone(), mod_revision: Revision(revision), ..KeyValue::default() };
        self.log.push(WatchEvent { kind: EventKind::Delete, kv, prev_kv: Some(old.clone()) });
        old
    }

    fn delete(&mut self, delete: &DeleteRangeRequest, revision: u64) -> DeleteRangeResponse {
        let keys: Vec<Key> =
            self.live.keys().filter(|key| delete.range.contains(key)).cloned().collect();
        let kvs: Vec<KeyValue> = keys.iter().map(|key| self.remove(key, revision)).collect();
        let deleted = kvs.len() as u64;
        DeleteRangeResponse { deleted, prev_kvs: if delete.prev_kv { kvs } else { Vec::new() } }
    }

    pub(crate) fn range(&self, range: &RangeRequest) -> RangeResponse {
        let kvs: Vec<KeyValue> = self.inside(&range.range).cloned().collect();
        let count = kvs.len() as u64;
        RangeResponse { kvs, more: false, count }
    }

    fn inside(&self, range: &KeyRange) -> impl Iterator<Item = &KeyValue> {
        self.live.values().filter(|kv| range.contains(&kv.key))
    }

    fn txn(&mut self, txn: &TxnRequest) -> Result<TxnResponse, Error> {
        let succeeded = txn.compares.iter().all(|compare| {
            let kv = self.live.get(&compare.range.start);
            assert_eq!(compare.relation, Relation::Equal);
            match compare.target {
                CompareTarget::Create(r) => kv.map_or(0, |kv| kv.create_revision.0) == r.0,
                CompareTarget::Mod(r) => kv.map_or(0, |kv| kv.mod_revision.0) == r.0,
                _ => panic!("not in these tests"),
            }
        });
        let branch = if succeeded { &txn.success } else { &txn.failure };
        for op in branch {
            if let TxnOp::Put(put) = op {
                self.check(put)?;
            }
        }
        let revision = self.revision() + 1;
        let responses = branch.iter().map(|op| match op {
            TxnOp::Put(put) => TxnOpResponse::Put(self.put(put, revision)),
            TxnOp::Range(range) => TxnOpResponse::Range(self.range(range)),
            TxnOp::DeleteRange(delete) => TxnOpResponse::DeleteRange(self.delete(delete, revision)),
            TxnOp::Txn(_) => panic!("not in these tests"),
        });
        Ok(TxnResponse { succeeded, responses: responses.collect() })
    }

    fn lease(&mut self, request: LeaseRequest) -> Result<LeaseResponse, Error> {
        match request {
            LeaseRequest::Grant { lease, ttl } => {
                self.next_lease += 1;
                let id = if lease == LeaseId::NONE { 1000 + self.next_lease } else { lease.0 };
                if self.leases.contains_key(&id) {
                    return Err(Error::LeaseExists);
                }
                let ttl = ttl.max(2);
                self.leases.insert(id, Lease { ttl, expires: 0 });
                self.renew(id);
                Ok(LeaseResponse::Grant { lease: LeaseId(id), ttl })
            }
            LeaseRequest::Revoke(lease) => {
                if !self.leases.contains_key(&lease.0) {
                    return Err(Error::LeaseNotFound);
                }
                self.end(lease, self.revision() + 1);
                Ok(LeaseResponse::Revoke)
            }
            LeaseRequest::KeepAlive(lease) => {
                self.renew(lease.0);
                let ttl = self.leases.get(&lease.0).map_or(0, |lease| lease.ttl);
                Ok(LeaseResponse::KeepAlive { lease, ttl })
            }
            LeaseRequest::TimeToLive { lease, keys } => {
                let Some(known) = self.leases.get(&lease.0) else {
                    return Ok(LeaseResponse::TimeToLive {
                        lease,
                        ttl: -1,
                        granted: 0,
                        keys: vec![],
                    });
                };
                // The leader's seconds.
                let left = known.expires.saturating_sub(self.now) as i64;
                let ttl = left * 1000 / (1000 + self.drift) / SECOND as i64;
                let granted = known.ttl;
                let hanging = self.live.values().filter(|kv| keys && kv.lease == lease);
                let keys = hanging.map(|kv| kv.key.clone()).collect();
                Ok(LeaseResponse::TimeToLive { lease, ttl, granted, keys })
            }
            LeaseRequest::List => {
                Ok(LeaseResponse::List(self.leases.keys().map(|id| LeaseId(*id)).collect()))
            }
        }
    }

    fn renew(&mut self, id: i64) {
        let (now, drift) = (self.now, self.drift);
        if let Some(lease) = self.leases.get_mut(&id) {
            let length = lease.ttl * (SECOND / 1000) as i64 * (1000 + drift);
            lease.expires = now + length as u64;
        }
    }

    /// Deletes what hangs on a lease.
    fn end(&mut self, lease: LeaseId, revision: u64) {
        self.leases.remove(&lease.0);
        let hanging = self.live.values().filter(|kv| kv.lease == lease);
        let keys: Vec<Key> = hanging.map(|kv| kv.key.clone()).collect();
        for key in &keys {
            self.remove(key, revision);
        }
    }

    /// Ends leases whose time is over.
    pub(crate) fn expire(&mut self) {
        let over: Vec<i64> =
            self.leases.iter().filter(|(_, l)| l.expires <= self.now).map(|(id, _)| *id).collect();
        for id in over {
            let before = self.log.len();
            self.end(LeaseId(id), self.revision() + 1);
            self.writes += u64::from(self.log.len() > before);
        }
    }
}
