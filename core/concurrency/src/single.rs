//! Calls that are one request.

use crate::{
    call::Step,
    requests::{by_creation, delete, delete_if, put_if, txn},
};
use whitewater_api::{
    Body, Error, Request, Response,
    concurrency::{LeaderKey, ServiceError, ServiceRequest, ServiceResponse},
    request::PutRequest,
};
use whitewater_mutation::{Mutation, Mutations};

/// Which call it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Single {
    Unlock,
    Proclaim,
    Leader,
    Resign,
}

impl Single {
    pub(crate) fn begin(request: ServiceRequest, mutations: Mutations) -> (Self, Vec<Step>) {
        let missing = Step::Done(Err(ServiceError::MissingLeader));
        let (single, step) = match request {
            ServiceRequest::Unlock { key } => {
                (Self::Unlock, Step::Ask(Request::DeleteRange(delete(&key))))
            }
            ServiceRequest::Proclaim { leader, value } => {
                let proclaim = |leader: LeaderKey| {
                    let put = PutRequest::new(leader.key, value);
                    let put = PutRequest { lease: leader.lease, ..put };
                    Step::Ask(put_if(put, leader.revision))
                };
                (Self::Proclaim, leader.map_or(missing, proclaim))
            }
            ServiceRequest::Leader { name } => {
                let first = by_creation(LeaderKey::prefix(&name), false);
                (Self::Leader, Step::Ask(Request::Range(first)))
            }
            ServiceRequest::Resign { leader } => {
                let blind = mutations.has(Mutation::ResignDeletesOther);
                let resign = |leader: LeaderKey| {
                    Step::Ask(if blind {
                        Request::DeleteRange(delete(&leader.key))
                    } else {
                        delete_if(&leader.key, leader.revision)
                    })
                };
                (Self::Resign, leader.map_or(missing, resign))
            }
            ServiceRequest::Lock { .. }
            | ServiceRequest::Campaign { .. }
            | ServiceRequest::Observe { .. } => panic!("more than one request: {request}"),
        };
        (single, vec![step])
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a range is answered by a range")]
    pub(crate) fn on_answer(
        self,
        answer: Result<&Response, Error>,
    ) -> Result<ServiceResponse, ServiceError> {
        let response = answer?;
        let header = response.header;
        match self {
            Self::Unlock => Ok(ServiceResponse::Unlock(header)),
            Self::Proclaim if !txn(response).succeeded => Err(ServiceError::NotLeader),
            Self::Proclaim => Ok(ServiceResponse::Proclaim(header)),
            Self::Leader => match &response.body {
                Body::Range(range) => {
                    let kv = range.kvs.first().cloned().ok_or(ServiceError::NoLeader)?;
                    Ok(ServiceResponse::Leader { header, kv })
                }
                other => panic!("a range was answered by {other:?}"),
            },
            // Whether there was something to step down from makes no difference, as in etcd.
            Self::Resign => Ok(ServiceResponse::Resign(header)),
        }
    }
}
