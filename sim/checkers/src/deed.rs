//! What a request did to keys, as its answer tells, or what it may have done, if nothing is known.

use whitewater_api::{
    Body, Completion, Effect, Error, Key, KeyRange, LeaseId, LeaseRequest, Request, Response,
    Value,
    request::{DeleteRangeRequest, PutRequest, TxnOp, TxnRequest},
    response::{DeleteRangeResponse, TxnOpResponse, TxnResponse},
};
use whitewater_record::Operation;

/// One write of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed<'h> {
    /// A put.
    Put {
        key: &'h Key,
        /// Nothing where the old value was to be kept.
        value: Option<&'h Value>,
        /// Nothing where the old lease was to be kept.
        lease: Option<LeaseId>,
    },
    /// A deletion.
    Delete {
        range: &'h KeyRange,
        /// What came of it, if that is known.
        answer: Option<&'h DeleteRangeResponse>,
        /// The answer names the keys.
        has_keys: bool,
    },
}

/// What is known about the outcome of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate<'h> {
    /// It happened.
    Done(&'h Response),
    /// It may have happened, or may yet.
    Open,
    /// It did not happen.
    Refused(&'h Error),
}

/// What came of an operation. An error says best itself what it did, whatever it was filed under.
pub(crate) fn fate(operation: &Operation) -> Fate<'_> {
    match &operation.completion {
        Completion::Ok(response) => Fate::Done(response),
        Completion::Fail(error) if error.effect() == Effect::None => Fate::Refused(error),
        Completion::Fail(_) | Completion::Info(_) => Fate::Open,
    }
}

/// Whether an answer tells by its header the newest revision there was at some moment since the request. That of a stale
/// read is of one member's past, and what says nothing of keys is answered without asking the others.
pub(crate) fn tells_newest(request: &Request) -> bool {
    match request {
        Request::Range(_) | Request::Txn(_) => !request.is_serializable(),
        Request::Put(_)
        | Request::DeleteRange(_)
        | Request::Compact(_)
        | Request::Lease(LeaseRequest::Revoke(_)) => true,
        Request::Lease(_)
        | Request::Member(_)
        | Request::MoveLeader(_)
        | Request::Maintenance(_)
        | Request::Auth(_)
        | Request::Cluster(_) => false,
    }
}

/// Calls `look` on everything that an operation wrote, if it happened, or may have written, if that is open.
pub(crate) fn deeds<'h>(operation: &'h Operation, look: &mut impl FnMut(Deed<'h>)) {
    match fate(operation) {
        Fate::Done(response) => done(&operation.request, &response.body, look),
        Fate::Open => possible(&operation.request, look),
        Fate::Refused(_) => {}
    }
}

impl Deed<'_> {
    /// Whether it changed anything, as far as its answer tells. A put always does.
    pub(crate) fn has_effect(&self) -> bool {
        match self {
            Self::Put { .. } => true,
            Self::Delete { answer, .. } => answer.is_some_and(|answer| answer.deleted > 0),
        }
    }

    /// Whether it can have changed nothing but this key.
    pub(crate) fn is_of(&self, own: &Key) -> bool {
        match self {
            Self::Put { key, .. } => *key == own,
            Self::Delete { range, .. } => **range == KeyRange::single(own.clone()),
        }
    }
}

fn put(request: &PutRequest) -> Deed<'_> {
    Deed::Put {
        key: &request.key,
        value: (!request.ignore_value).then_some(&request.value),
        lease: (!request.ignore_lease).then_some(request.lease),
    }
}

fn delete<'h>(
    request: &'h DeleteRangeRequest,
    answer: Option<&'h DeleteRangeResponse>,
) -> Deed<'h> {
    Deed::Delete { range: &request.range, answer, has_keys: request.prev_kv && answer.is_some() }
}

fn done<'h>(request: &'h Request, body: &'h Body, look: &mut impl FnMut(Deed<'h>)) {
    match (request, body) {
        (Request::Put(request), _) => look(put(request)),
        (Request::DeleteRange(request), Body::DeleteRange(answer)) => {
            look(delete(request, Some(answer)));
        }
        (Request::Txn(request), Body::Txn(answer)) => done_txn(request, answer, look),
        (
            Request::Range(_)
            | Request::DeleteRange(_)
            | Request::Txn(_)
            | Request::Compact(_)
            | Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_),
            _,
        ) => {}
    }
}

fn done_txn<'h>(request: &'h TxnRequest, answer: &'h TxnResponse, look: &mut impl FnMut(Deed<'h>)) {
    let branch = if answer.succeeded { &request.success } else { &request.failure };
    for (op, response) in branch.iter().zip(&answer.responses) {
        match (op, response) {
            (TxnOp::Put(request), _) => look(put(request)),
            (TxnOp::DeleteRange(request), TxnOpResponse::DeleteRange(answer)) => {
                look(delete(request, Some(answer)));
            }
            (TxnOp::Txn(request), TxnOpResponse::Txn(answer)) => done_txn(request, answer, look),
            (TxnOp::Range(_) | TxnOp::DeleteRange(_) | TxnOp::Txn(_), _) => {}
        }
    }
}

fn possible<'h>(request: &'h Request, look: &mut impl FnMut(Deed<'h>)) {
    match request {
        Request::Put(request) => look(put(request)),
        Request::DeleteRange(request) => look(delete(request, None)),
        Request::Txn(request) => possible_txn(request, look),
        Request::Range(_)
        | Request::Compact(_)
        | Request::Lease(_)
        | Request::Member(_)
        | Request::MoveLeader(_)
        | Request::Maintenance(_)
        | Request::Auth(_)
        | Request::Cluster(_) => {}
    }
}

fn possible_txn<'h>(request: &'h TxnRequest, look: &mut impl FnMut(Deed<'h>)) {
    for op in request.success.iter().chain(&request.failure) {
        match op {
            TxnOp::Put(request) => look(put(request)),
            TxnOp::DeleteRange(request) => look(delete(request, None)),
            TxnOp::Txn(request) => possible_txn(request, look),
            TxnOp::Range(_) => {}
        }
    }
}
