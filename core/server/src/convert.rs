//! Between etcd's messages and the core's requests and responses. Nothing is decided here; what a message cannot mean is
//! refused in etcd's words.

mod auth;
mod cluster;
mod kv;
mod maintenance;
mod watch;

pub(crate) use self::{
    auth::{auth_request, permissions},
    cluster::members,
    kv::{
        compact_request, delete_request, delete_response, key_and_end, key_range, key_value,
        put_request, put_response, range_request, range_response, txn_request, txn_response,
    },
    maintenance::{alarm_request, alarms, status_response},
    watch::{watch_create, watch_response},
};
use crate::proto::etcdserverpb::ResponseHeader;
use tonic::{Code, Status};
use whitewater_api::{Error, Header, Revision};

/// Who answers, and when.
#[expect(clippy::unnecessary_wraps, reason = "a header is an optional field of every message")]
pub(crate) fn header(header: &Header) -> Option<ResponseHeader> {
    Some(ResponseHeader {
        cluster_id: header.cluster.0,
        member_id: header.node.0,
        revision: signed(header.revision.0),
        raft_term: header.term.0,
    })
}

/// A refusal as gRPC carries it.
pub(crate) fn refusal(error: &Error) -> Status {
    Status::new(Code::from_i32(error.code() as i32), error.to_string())
}

/// A number that etcd sends with a sign.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A revision in a request: what is not positive means the newest, or no bound.
fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or(0))
}

/// An answer of another kind than the question.
pub(crate) fn unexpected<T>() -> Result<T, Status> {
    Err(Status::internal("the member answered something else"))
}
