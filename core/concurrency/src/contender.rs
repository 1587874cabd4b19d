//! A contender for a lock or an election (etcd, `client/v3/concurrency`, `mutex.go`, `election.go` and `key.go`).

use crate::{
    call::Step,
    requests::{by_creation, created, delete_if, found, put_if, txn},
};
use std::mem;
use whitewater_api::{
    Body, Error, Header, Key, KeyRange, LeaseId, LeaseRequest, LeaseResponse, Request, Response,
    Revision, Value, WatchResponse,
    concurrency::{LeaderKey, SESSION_TTL, ServiceError, ServiceResponse},
    request::{PutRequest, RangeRequest, TxnOp, TxnRequest},
    watch::{CancelReason, EventKind, WatchBody, WatchCreate},
};
use whitewater_mutation::{Mutation, Mutations};

/// Who waits for its turn.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// What it proclaims, if this is an election.
    value: Option<Value>,
    /// Its key. The revision is known once it has entered.
    own: LeaderKey,
    stage: Stage,
    /// The caller does not want it any more.
    is_canceled: bool,
    mutations: Mutations,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Asks for a lease.
    Granting,
    /// Puts its key.
    Entering,
    /// Takes up a key of its own that was there, with another value.
    Proclaiming,
    /// Asks who is before it.
    Looking,
    /// Watches the one before it.
    Waiting,
    /// Takes its key back. Then the call ends so.
    Leaving(ServiceError),
}

impl Contender {
    pub(crate) fn lock(name: Key, lease: LeaseId, mutations: Mutations) -> (Self, Vec<Step>) {
        Self::begin(name, lease, None, mutations)
    }

    pub(crate) fn campaign(
        name: Key,
        lease: LeaseId,
        value: Value,
        mutations: Mutations,
    ) -> (Self, Vec<Step>) {
        Self::begin(name, lease, Some(value), mutations)
    }

    fn begin(
        name: Key,
        lease: LeaseId,
        value: Option<Value>,
        mutations: Mutations,
    ) -> (Self, Vec<Step>) {
        let own = LeaderKey { name, ..LeaderKey::default() };
        let stage = Stage::Granting;
        let mut contender = Self { value, own, stage, is_canceled: false, mutations };
        let step = if lease == LeaseId::NONE {
            Step::Ask(Request::Lease(LeaseRequest::Grant { lease, ttl: SESSION_TTL }))
        } else {
            contender.enter(lease)
        };
        (contender, vec![step])
    }

    pub(crate) fn on_answer(&mut self, answer: Result<&Response, Error>) -> Vec<Step> {
        let stage = mem::replace(&mut self.stage, Stage::Granting);
        let step = match (stage, answer) {
            (Stage::Leaving(why), _) => Step::Done(Err(why)),
            (Stage::Granting, Ok(response)) => self.on_granted(response),
            (Stage::Entering, Ok(response)) => self.on_entered(response),
            (Stage::Proclaiming | Stage::Looking, Ok(_)) if self.is_canceled => {
                self.leave(ServiceError::Canceled)
            }
            (Stage::Proclaiming, Ok(response)) => {
                if txn(response).succeeded {
                    self.look()
                } else {
                    Step::Done(Err(self.expired()))
                }
            }
            (Stage::Looking, Ok(response)) => self.on_seen(response),
            // Whether the key is there is not known; if it is, it goes with its lease.
            (Stage::Granting | Stage::Entering, Err(error)) => Step::Done(Err(error.into())),
            (Stage::Proclaiming | Stage::Looking, Err(error)) => self.leave(error.into()),
            (Stage::Waiting, _) => {
                self.stage = Stage::Waiting;
                return Vec::new(); // Nothing was asked.
            }
        };
        vec![step]
    }

    pub(crate) fn on_watch(&mut self, message: &WatchResponse) -> Vec<Step> {
        if !matches!(self.stage, Stage::Waiting) {
            return Vec::new();
        }
        let is_gone = match &message.body {
            WatchBody::Created | WatchBody::Progress => false,
            WatchBody::Events { events, .. } => {
                events.iter().any(|event| event.kind == EventKind::Delete)
            }
            WatchBody::Canceled(CancelReason::Refused(why)) => {
                return vec![self.leave(ServiceError::WatchRefused(why.clone()))];
            }
            // What it may have missed, the next look tells.
            WatchBody::Canceled(_) => return vec![self.look()],
        };
        if !is_gone {
            return Vec::new();
        }
        if self.mutations.has(Mutation::LockSkipsQueue) {
            return vec![self.own(message.header)];
        }
        vec![self.look()]
    }

    pub(crate) fn on_watch_lost(&mut self) -> Vec<Step> {
        if matches!(self.stage, Stage::Waiting) { vec![self.look()] } else { Vec::new() }
    }

    pub(crate) fn cancel(&mut self) -> Vec<Step> {
        self.is_canceled = true;
        match self.stage {
            Stage::Waiting => vec![self.leave(ServiceError::Canceled)],
            // The answer comes first: it says what there is to take back.
            Stage::Granting
            | Stage::Entering
            | Stage::Proclaiming
            | Stage::Looking
            | Stage::Leaving(_) => Vec::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a grant is answered by a grant")]
    fn on_granted(&mut self, response: &Response) -> Step {
        match &response.body {
            _ if self.is_canceled => Step::Done(Err(ServiceError::Canceled)),
            Body::Lease(LeaseResponse::Grant { lease, .. }) => self.enter(*lease),
            other => panic!("a grant was answered by {other:?}"),
        }
    }

    /// Puts the key unless it is there, and asks who is first. A key of ours that is there counts as it is: who asks twice
    /// with one lease has one place.
    fn enter(&mut self, lease: LeaseId) -> Step {
        self.own.lease = lease;
        self.own.key = LeaderKey::key(&self.own.name, lease);
        self.stage = Stage::Entering;
        let first = TxnOp::Range(by_creation(LeaderKey::prefix(&self.own.name), false));
        let get = TxnOp::Range(RangeRequest::new(KeyRange::single(self.own.key.clone())));
        Step::Ask(Request::Txn(TxnRequest {
            compares: vec![created(&self.own.key, Revision(0))],
            success: vec![TxnOp::Put(self.put()), first.clone()],
            failure: vec![get, first],
        }))
    }

    fn put(&self) -> PutRequest {
        let detached = self.mutations.has(Mutation::LockOutlivesLease);
        PutRequest {
            lease: if detached { LeaseId::NONE } else { self.own.lease },
            ..PutRequest::new(self.own.key.clone(), self.value.clone().unwrap_or_default())
        }
    }

    fn on_entered(&mut self, response: &Response) -> Step {
        let answer = txn(response);
        let former = if answer.succeeded { None } else { found(answer, 0) };
        self.own.revision = former.map_or(response.header.revision, |kv| kv.create_revision);
        if self.is_canceled {
            return self.leave(ServiceError::Canceled);
        }
        if let (Some(former), Some(value)) = (former, &self.value)
            && former.value != *value
        {
            self.stage = Stage::Proclaiming;
            return Step::Ask(put_if(self.put(), self.own.revision));
        }
        let is_first = found(answer, 1).is_none_or(|kv| kv.create_revision == self.own.revision);
        if is_first { self.own(response.header) } else { self.look() }
    }

    /// Asks, if our key is still the one that we put, for the youngest of those that are older.
    fn look(&mut self) -> Step {
        self.stage = Stage::Looking;
        let newest = !self.mutations.has(Mutation::LockSkipsQueue);
        let older = RangeRequest {
            max_create_revision: Revision(self.own.revision.0 - 1),
            ..by_creation(LeaderKey::prefix(&self.own.name), newest)
        };
        let mut compares = vec![created(&self.own.key, self.own.revision)];
        if self.mutations.has(Mutation::LockNotRechecked) {
            compares.clear();
        }
        let success = vec![TxnOp::Range(older)];
        Step::Ask(Request::Txn(TxnRequest { compares, success, failure: Vec::new() }))
    }

    fn on_seen(&mut self, response: &Response) -> Step {
        let answer = txn(response);
        if !answer.succeeded {
            return Step::Done(Err(self.expired()));
        }
        let Some(before) = found(answer, 0) else { return self.own(response.header) };
        self.stage = Stage::Waiting;
        let mut watch = WatchCreate::new(KeyRange::single(before.key.clone()));
        watch.start = response.header.revision.next();
        watch.no_put = true;
        Step::Watch(watch)
    }

    /// It is our turn.
    fn own(&self, header: Header) -> Step {
        let leader = self.own.clone();
        Step::Done(Ok(match self.value {
            None => ServiceResponse::Lock { header, leader },
            Some(_) => ServiceResponse::Campaign { header, leader },
        }))
    }

    /// Our key is gone.
    fn expired(&self) -> ServiceError {
        if self.value.is_some() { ServiceError::NotLeader } else { ServiceError::SessionExpired }
    }

    /// Takes our key back, so that nobody waits for it until its lease ends.
    fn leave(&mut self, why: ServiceError) -> Step {
        self.stage = Stage::Leaving(why);
        Step::Ask(delete_if(&self.own.key, self.own.revision))
    }
}
