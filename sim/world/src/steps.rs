//! Steps of a plan as requests. Some depend on what the client saw last.

mod digest;
mod learning;
mod locks;
mod observing;

pub(crate) use self::digest::digest;
pub use self::{
    locks::{Belief, Held},
    observing::Observed,
};
pub use crate::{
    limits::{ATTEMPTS_MAX, BACKOFF},
    mirrors::next_page,
};

use self::{locks::Place, observing::Observing};
use crate::limits;
use std::collections::BTreeMap;
use whitewater_api::{
    Alarm, AlarmAction, Error, Key, KeyRange, LeaseId, LeaseRequest, MaintenanceRequest, NodeId,
    Request, Revision, Value,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, Sort, SortTarget, TxnOp, TxnRequest,
    },
};
use whitewater_mutation::Mutations;
use whitewater_record::{
    Aspect, COMPACTION_KEY, Condition, LeaseChoice, LeaseStep, MaintenanceStep, OptionStep, Step,
};

/// Whether the refusal may be over when asked again, there or elsewhere.
pub const fn is_worth_another(error: &Error) -> bool {
    matches!(
        error,
        Error::NotLeader { .. } | Error::NoLeader | Error::TooManyRequests | Error::Learner
    )
}

/// What one client has seen of the store.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// Each key as it was when it was last seen.
    keys: BTreeMap<Key, Seen>,
    /// The newest revision in any answer.
    newest: Revision,
    /// The lease that it was granted last.
    own_lease: LeaseId,
    /// The lease that it saw last, on a key or in a list.
    seen_lease: LeaseId,
    turn: Turn,
    /// The locks that it is in line for, or holds, by their names.
    locks: BTreeMap<Key, Place>,
    /// The request of a call about one of them that is under way.
    asked: Option<(Key, Request)>,
    /// What it has begun and ceased to believe, for the record.
    beliefs: Vec<Belief>,
    /// The elections that it observes.
    observers: BTreeMap<Key, Observing>,
    /// The request of one of them that is under way.
    watched: Option<(Key, Request)>,
    /// What they have learned, for the record.
    observed: Vec<Observed>,
}

/// A key as it was seen; the default for one that was absent.
#[derive(Clone, Debug, Default)]
struct Seen {
    value: Value,
    create: Revision,
    modified: Revision,
    version: u64,
    lease: LeaseId,
}

/// Where a client is in the contest for compactions.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    /// The version of the key that it saw last.
    version: u64,
    /// The revision at which it saw it.
    revision: Revision,
    /// What it may compact.
    won: Option<Revision>,
}

impl Sight {
    /// The request for a step.
    pub fn request(&mut self, step: &Step, mutations: Mutations) -> Request {
        match step {
            Step::Put(key, value) => Request::Put(PutRequest::new(key.clone(), value.clone())),
            Step::Get(key) => Request::Range(get(key)),
            Step::StaleGet(key) => Request::Range(RangeRequest { serializable: true, ..get(key) }),
            Step::List(prefix, limit) => {
                let range = RangeRequest::new(KeyRange::prefix(prefix.clone()));
                Request::Range(RangeRequest { limit: *limit, ..range })
            }
            Step::Delete(key) => Request::DeleteRange(delete(KeyRange::single(key.clone()))),
            Step::DeleteAll(prefix) => {
                Request::DeleteRange(delete(KeyRange::prefix(prefix.clone())))
            }
            Step::Swap(key, value) => self.swap(&[key], value),
            Step::Both(a, b, value) => self.swap(&[a, b], value),
            Step::Create(key, value) => {
                swap(&[key], vec![compare(key, CompareTarget::Create(Revision(0)))], value)
            }
            Step::PutPast(key, value, back) => {
                let past = RangeRequest { revision: self.back(*back), ..get(key) };
                txn(Vec::new(), vec![put(key, value), TxnOp::Range(past)], Vec::new())
            }
            Step::Nest(key, value) => {
                let success = vec![TxnOp::Range(get(key))];
                let inner = TxnRequest {
                    compares: vec![self.is_unchanged(key)],
                    success,
                    failure: Vec::new(),
                };
                let success = vec![put(key, value), TxnOp::Txn(inner)];
                txn(vec![self.is_unchanged(key)], success, vec![TxnOp::Range(get(key))])
            }
            Step::ByVersion(prefix, limit) => {
                let range = RangeRequest::new(KeyRange::prefix(prefix.clone()));
                let sort = Some(Sort { target: SortTarget::Version, descending: false });
                Request::Range(RangeRequest { limit: *limit, sort, ..range })
            }
            Step::Compact(keep) => compact(self.back(*keep)),
            Step::Option(step) => self.optional_request(step),
            Step::Lease(step) => self.lease_request(step),
            Step::Remove(key) => {
                let gone = TxnOp::DeleteRange(delete(KeyRange::single(key.clone())));
                txn(vec![self.is_unchanged(key)], vec![gone], vec![TxnOp::Range(get(key))])
            }
            Step::Append(key, element) => self.swap(&[key], &self.appended(key, element)),
            Step::If(condition, key, value) => self.conditional(condition, key, value),
            Step::Turn(value) => {
                let key = Key::from(COMPACTION_KEY);
                let is_mine = compare(&key, CompareTarget::Version(self.turn.version));
                swap(&[&key], vec![is_mine], value)
            }
            Step::CompactTurned => match self.turn.won.take() {
                Some(revision) => compact(revision),
                None => Request::Range(get(&COMPACTION_KEY.into())),
            },
            Step::Maintain(step) => Request::Maintenance(self.maintenance_request(*step)),
            Step::Cluster(request) => Request::Cluster(request.clone()),
            Step::Lock(step) => self.lock_request(step, mutations),
            Step::Auth(step) => unreachable!("the session has a request for {step}"),
        }
    }

    fn maintenance_request(&self, step: MaintenanceStep) -> MaintenanceRequest {
        let no_space = |action, member| MaintenanceRequest::Alarm {
            action,
            member,
            alarm: Some(Alarm::NoSpace),
        };
        match step {
            MaintenanceStep::Defragment => MaintenanceRequest::Defragment,
            MaintenanceStep::HashKv(0) => MaintenanceRequest::HashKv { revision: Revision::LATEST },
            MaintenanceStep::HashKv(back) => {
                MaintenanceRequest::HashKv { revision: self.back(back) }
            }
            MaintenanceStep::Status => MaintenanceRequest::Status,
            MaintenanceStep::Alarms => no_space(AlarmAction::Get, NodeId(0)),
            MaintenanceStep::Raise(node) => no_space(AlarmAction::Activate, node),
            MaintenanceStep::Disarm(node) => no_space(AlarmAction::Deactivate, node),
        }
    }

    fn optional_request(&self, step: &OptionStep) -> Request {
        let range = RangeRequest::new(KeyRange::prefix(step.key().clone()));
        match step {
            OptionStep::Touch(key) => Request::Put(PutRequest {
                prev_kv: true,
                ignore_value: true,
                ignore_lease: true,
                ..PutRequest::new(key.clone(), Value::default())
            }),
            OptionStep::Rewrite(key, value) => Request::Put(PutRequest {
                prev_kv: true,
                ignore_lease: true,
                ..PutRequest::new(key.clone(), value.clone())
            }),
            OptionStep::Take(key) => Request::DeleteRange(DeleteRangeRequest {
                range: KeyRange::single(key.clone()),
                prev_kv: true,
            }),
            OptionStep::Count(_) => Request::Range(RangeRequest { count_only: true, ..range }),
            OptionStep::Recent(_, back) => Request::Range(RangeRequest {
                keys_only: true,
                min_mod_revision: self.back(*back),
                ..range
            }),
            OptionStep::Past(_, back) => Request::Range(RangeRequest {
                revision: self.back(*back),
                sort: Some(Sort { target: SortTarget::Create, descending: true }),
                ..range
            }),
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

    /// Nobody has written the key since it was seen last.
    fn is_unchanged(&self, key: &Key) -> Compare {
        let seen = self.keys.get(key).map_or(Revision(0), |seen| seen.modified);
        compare(key, CompareTarget::Mod(seen))
    }

    /// Puts `value` under all `keys` if none was written since it was seen last, else gets them.
    fn swap(&self, keys: &[&Key], value: &Value) -> Request {
        swap(keys, keys.iter().map(|key| self.is_unchanged(key)).collect(), value)
    }

    /// What was seen last with an element behind it, unless that was long.
    fn appended(&self, key: &Key, element: &Value) -> Value {
        let seen = self.keys.get(key).map(|seen| seen.value.as_slice()).unwrap_or_default();
        if seen.is_empty() || seen.len() > limits::APPENDED_BYTES_MAX {
            return element.clone();
        }
        Value::from([seen, b",", element.as_slice()].concat())
    }

    fn conditional(&self, condition: &Condition, key: &Key, value: &Value) -> Request {
        let Condition { aspect, key: of, is_prefix, relation } = condition;
        let seen = if *is_prefix {
            let first = self.keys.range(of..).next();
            first.filter(|(key, _)| key.as_slice().starts_with(of.as_slice())).map(|(_, seen)| seen)
        } else {
            self.keys.get(of)
        };
        let seen = seen.cloned().unwrap_or_default();
        let target = match aspect {
            Aspect::Value => CompareTarget::Value(seen.value),
            Aspect::Version => CompareTarget::Version(seen.version),
            Aspect::Create => CompareTarget::Create(seen.create),
            Aspect::Mod => CompareTarget::Mod(seen.modified),
            Aspect::Lease => CompareTarget::Lease(seen.lease),
        };
        let single = KeyRange::single(of.clone());
        let range = if *is_prefix { KeyRange::prefix(of.clone()) } else { single };
        let failure = if *is_prefix || of == key {
            TxnOp::Range(RangeRequest::new(range.clone()))
        } else {
            TxnOp::Txn(TxnRequest {
                compares: vec![compare(of, CompareTarget::Create(Revision(0)))],
                success: vec![put(of, value)],
                failure: vec![TxnOp::Range(get(of))],
            })
        };
        let compare = Compare { range, relation: *relation, target };
        txn(vec![compare], vec![put(key, value), TxnOp::Range(get(key))], vec![failure])
    }
}

fn get(key: &Key) -> RangeRequest {
    RangeRequest::new(KeyRange::single(key.clone()))
}

fn put(key: &Key, value: &Value) -> TxnOp {
    TxnOp::Put(PutRequest::new(key.clone(), value.clone()))
}

const fn delete(range: KeyRange) -> DeleteRangeRequest {
    DeleteRangeRequest { range, prev_kv: false }
}

const fn compact(revision: Revision) -> Request {
    Request::Compact(CompactRequest { revision, physical: false })
}

fn compare(key: &Key, target: CompareTarget) -> Compare {
    Compare { range: KeyRange::single(key.clone()), relation: Relation::Equal, target }
}

const fn txn(compares: Vec<Compare>, success: Vec<TxnOp>, failure: Vec<TxnOp>) -> Request {
    Request::Txn(TxnRequest { compares, success, failure })
}

fn swap(keys: &[&Key], compares: Vec<Compare>, value: &Value) -> Request {
    let puts = keys.iter().map(|key| put(key, value)).collect();
    txn(compares, puts, keys.iter().map(|key| TxnOp::Range(get(key))).collect())
}
