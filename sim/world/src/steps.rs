//! Steps of a plan as requests. Some depend on what the client saw last.

use std::collections::BTreeMap;
use whitewater_api::{
    Body, Key, KeyRange, LeaseId, LeaseRequest, LeaseResponse, Request, Response, Revision, Value,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, TxnOp, TxnRequest,
    },
    response::{RangeResponse, TxnOpResponse},
};
use whitewater_record::{LeaseChoice, LeaseStep, Step};

/// What one client has seen of the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// The mod revision of each key when it was last seen; zero for one that was absent.
    mods: BTreeMap<Key, Revision>,
    /// The newest revision in any answer.
    newest: Revision,
    /// The lease that it was granted last.
    own_lease: LeaseId,
    /// The lease that it saw last, on a key or in a list.
    seen_lease: LeaseId,
}

impl Sight {
    /// The request for a step.
    pub(crate) fn request(&self, step: &Step) -> Request {
        match step {
            Step::Put(key, value) => Request::Put(PutRequest::new(key.clone(), value.clone())),
            Step::Get(key) => Request::Range(get(key)),
            Step::StaleGet(key) => Request::Range(RangeRequest { serializable: true, ..get(key) }),
            Step::List(prefix, limit) => {
                let range = RangeRequest::new(KeyRange::prefix(prefix.clone()));
                Request::Range(RangeRequest { limit: *limit, ..range })
            }
            Step::Delete(key) => delete(KeyRange::single(key.clone())),
            Step::DeleteAll(prefix) => delete(KeyRange::prefix(prefix.clone())),
            Step::Swap(key, value) => self.swap(&[key], value),
            Step::Both(a, b, value) => self.swap(&[a, b], value),
            Step::Create(key, value) => {
                swap(&[key], vec![compare(key, CompareTarget::Create(Revision(0)))], value)
            }
            Step::PutPast(key, value, back) => {
                let past = RangeRequest { revision: self.back(*back), ..get(key) };
                Request::Txn(TxnRequest {
                    success: vec![
                        TxnOp::Put(PutRequest::new(key.clone(), value.clone())),
                        TxnOp::Range(past),
                    ],
                    ..TxnRequest::default()
                })
            }
            Step::Compact(keep) => {
                let revision = self.back(*keep);
                Request::Compact(CompactRequest { revision, physical: false })
            }
            Step::Lease(step) => self.lease_request(step),
        }
    }

    fn lease_request(&self, step: &LeaseStep) -> Request {
        let request = match step {
            LeaseStep::Put(lease, key, value) => {
                let put = PutRequest::new(key.clone(), value.clone());
                return Request::Put(PutRequest { lease: self.lease(*lease), ..put });
            }
            LeaseStep::Grant { ttl, lease } => LeaseRequest::Grant { lease: *lease, ttl: *ttl },
            LeaseStep::KeepAlive(lease) => LeaseRequest::KeepAlive(self.lease(*lease)),
            LeaseStep::Revoke(lease) => LeaseRequest::Revoke(self.lease(*lease)),
            LeaseStep::TimeToLive(lease) => {
                LeaseRequest::TimeToLive { lease: self.lease(*lease), keys: true }
            }
            LeaseStep::List => LeaseRequest::List,
        };
        Request::Lease(request)
    }

    const fn lease(&self, choice: LeaseChoice) -> LeaseId {
        match choice {
            LeaseChoice::Mine => self.own_lease,
            LeaseChoice::Seen => self.seen_lease,
            LeaseChoice::Id(lease) => lease,
        }
    }

    /// So many revisions before the newest that was seen.
    fn back(&self, revisions: u64) -> Revision {
        Revision(self.newest.0.saturating_sub(revisions).max(1))
    }

    /// Puts `value` under all `keys` if none was written since it was seen last, else gets them.
    fn swap(&self, keys: &[&Key], value: &Value) -> Request {
        let unchanged = |key: &&Key| {
            let seen = self.mods.get(*key).copied().unwrap_or(Revision(0));
            compare(key, CompareTarget::Mod(seen))
        };
        swap(keys, keys.iter().map(unchanged).collect(), value)
    }

    /// Learns from an answer.
    pub(crate) fn learn(&mut self, request: &Request, response: &Response) {
        let revision = response.header.revision;
        self.newest = self.newest.max(revision);
        match (request, &response.body) {
            (Request::Put(put), Body::Put(_)) => self.see(&put.key, revision),
            (Request::Range(range), Body::Range(found)) => self.see_range(&range.range, found),
            (Request::DeleteRange(delete), Body::DeleteRange(_)) => {
                let gone = |(key, seen): (&Key, &mut Revision)| {
                    if delete.range.contains(key) {
                        *seen = Revision(0);
                    }
                };
                self.mods.iter_mut().for_each(gone);
            }
            (Request::Txn(txn), Body::Txn(answer)) => {
                let branch = if answer.succeeded { &txn.success } else { &txn.failure };
                for pair in branch.iter().zip(&answer.responses) {
                    match pair {
                        (TxnOp::Put(put), TxnOpResponse::Put(_)) => self.see(&put.key, revision),
                        (TxnOp::Range(range), TxnOpResponse::Range(found))
                            if range.revision == Revision::LATEST =>
                        {
                            self.see_range(&range.range, found);
                        }
                        _ => {}
                    }
                }
            }
            (Request::Lease(_), Body::Lease(LeaseResponse::Grant { lease, .. })) => {
                self.own_lease = *lease;
            }
            (Request::Lease(_), Body::Lease(LeaseResponse::List(leases))) => {
                self.seen_lease = leases.last().copied().unwrap_or(self.seen_lease);
            }
            _ => {}
        }
    }

    fn see(&mut self, key: &Key, revision: Revision) {
        match self.mods.get_mut(key) {
            Some(seen) => *seen = revision,
            None => {
                self.mods.insert(key.clone(), revision);
            }
        }
    }

    fn see_range(&mut self, range: &KeyRange, found: &RangeResponse) {
        if found.kvs.is_empty() && range.end == whitewater_api::End::Single {
            self.see(&range.start, Revision(0));
        }
        for kv in &found.kvs {
            self.see(&kv.key, kv.mod_revision);
            if kv.lease != LeaseId::NONE {
                self.seen_lease = kv.lease;
            }
        }
    }
}

fn get(key: &Key) -> RangeRequest {
    RangeRequest::new(KeyRange::single(key.clone()))
}

fn delete(range: KeyRange) -> Request {
    Request::DeleteRange(DeleteRangeRequest { range, prev_kv: false })
}

fn compare(key: &Key, target: CompareTarget) -> Compare {
    Compare { range: KeyRange::single(key.clone()), relation: Relation::Equal, target }
}

fn swap(keys: &[&Key], compares: Vec<Compare>, value: &Value) -> Request {
    let put = |key: &&Key| TxnOp::Put(PutRequest::new((*key).clone(), value.clone()));
    Request::Txn(TxnRequest {
        compares,
        success: keys.iter().map(put).collect(),
        failure: keys.iter().map(|key| TxnOp::Range(get(key))).collect(),
    })
}

/// A few words of a request for the trace.
pub(crate) fn digest(request: &Request) -> u64 {
    let mut mixer = whitewater_record::Mixer::default();
    let mut add = |word: u64, bytes: &[u8]| {
        mixer.add(word);
        for chunk in bytes.chunks(8) {
            mixer.add(chunk.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
        }
    };
    match request {
        Request::Put(put) => {
            add(1, put.key.as_slice());
            add(1, put.value.as_slice());
        }
        Request::Range(range) => {
            add(2 + u64::from(range.serializable), range.range.start.as_slice());
        }
        Request::DeleteRange(delete) => add(4, delete.range.start.as_slice()),
        Request::Txn(txn) => {
            for compare in &txn.compares {
                let target = match &compare.target {
                    CompareTarget::Mod(revision) | CompareTarget::Create(revision) => revision.0,
                    CompareTarget::Version(version) => *version,
                    CompareTarget::Value(_) | CompareTarget::Lease(_) => 0,
                };
                add(5, compare.range.start.as_slice());
                add(target, &[]);
            }
        }
        Request::Compact(compact) => add(6, &compact.revision.0.to_le_bytes()),
        Request::Lease(lease) => add(9, lease.to_string().as_bytes()),
        Request::Member(_) => add(7, &[]),
        Request::MoveLeader(to) => add(8, &to.0.to_le_bytes()),
        Request::Maintenance(maintenance) => add(10, maintenance.to_string().as_bytes()),
    }
    mixer.finish()
}
