//! The other way: requests of the core as etcd's messages, and its answers as responses of the core.

mod operators;
mod watch;

pub(super) use self::{
    operators::{alarm_type, alarms, hash, members, permissions, status, user_add, user_passwd},
    watch::{watch, watch_response},
};

use crate::convert::{key_and_end, signed};
use crate::proto::{
    etcdserverpb::{
        self as pb,
        compare::{CompareResult, CompareTarget as Target, TargetUnion},
        range_request::{SortOrder, SortTarget as By},
        request_op, response_op,
    },
    mvccpb,
};
use tonic::Status;
use whitewater_api::{
    ClusterId, Error, Header, Key, KeyValue, LeaseId, NodeId, Revision, Term, Value,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, SortTarget, TxnOp, TxnRequest,
    },
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
};

pub(super) fn put(put: &PutRequest) -> pb::PutRequest {
    pb::PutRequest {
        key: put.key.0.clone(),
        value: put.value.0.clone(),
        lease: put.lease.0,
        prev_kv: put.prev_kv,
        ignore_value: put.ignore_value,
        ignore_lease: put.ignore_lease,
    }
}

pub(super) fn range(range: &RangeRequest) -> pb::RangeRequest {
    let (key, range_end) = key_and_end(range.range.clone());
    let (order, by) = match range.sort {
        None => (SortOrder::None, By::Key),
        Some(sort) => {
            let by = match sort.target {
                SortTarget::Key => By::Key,
                SortTarget::Version => By::Version,
                SortTarget::Create => By::Create,
                SortTarget::Mod => By::Mod,
                SortTarget::Value => By::Value,
            };
            (if sort.descending { SortOrder::Descend } else { SortOrder::Ascend }, by)
        }
    };
    pb::RangeRequest {
        key,
        range_end,
        limit: signed(range.limit),
        revision: signed(range.revision.0),
        sort_order: order.into(),
        sort_target: by.into(),
        serializable: range.serializable,
        keys_only: range.keys_only,
        count_only: range.count_only,
        min_mod_revision: signed(range.min_mod_revision.0),
        max_mod_revision: signed(range.max_mod_revision.0),
        min_create_revision: signed(range.min_create_revision.0),
        max_create_revision: signed(range.max_create_revision.0),
    }
}

pub(super) fn delete(delete: &DeleteRangeRequest) -> pb::DeleteRangeRequest {
    let (key, range_end) = key_and_end(delete.range.clone());
    pb::DeleteRangeRequest { key, range_end, prev_kv: delete.prev_kv }
}

pub(super) fn txn(txn: &TxnRequest) -> pb::TxnRequest {
    let branch = |ops: &[TxnOp]| ops.iter().map(op).collect();
    pb::TxnRequest {
        compare: txn.compares.iter().map(compare).collect(),
        success: branch(&txn.success),
        failure: branch(&txn.failure),
    }
}

pub(super) fn compact(compact: &CompactRequest) -> pb::CompactionRequest {
    pb::CompactionRequest { revision: signed(compact.revision.0), physical: compact.physical }
}

fn op(op: &TxnOp) -> pb::RequestOp {
    use request_op::Request;
    let request = match op {
        TxnOp::Put(one) => Request::RequestPut(put(one)),
        TxnOp::Range(one) => Request::RequestRange(range(one)),
        TxnOp::DeleteRange(one) => Request::RequestDeleteRange(delete(one)),
        TxnOp::Txn(one) => Request::RequestTxn(txn(one)),
    };
    pb::RequestOp { request: Some(request) }
}

fn compare(compare: &Compare) -> pb::Compare {
    let (target, union) = match &compare.target {
        CompareTarget::Version(n) => (Target::Version, TargetUnion::Version(signed(*n))),
        CompareTarget::Create(r) => (Target::Create, TargetUnion::CreateRevision(signed(r.0))),
        CompareTarget::Mod(r) => (Target::Mod, TargetUnion::ModRevision(signed(r.0))),
        CompareTarget::Value(value) => (Target::Value, TargetUnion::Value(value.0.clone())),
        CompareTarget::Lease(lease) => (Target::Lease, TargetUnion::Lease(lease.0)),
    };
    let result = match compare.relation {
        Relation::Equal => CompareResult::Equal,
        Relation::NotEqual => CompareResult::NotEqual,
        Relation::Less => CompareResult::Less,
        Relation::Greater => CompareResult::Greater,
    };
    let (key, range_end) = key_and_end(compare.range.clone());
    pb::Compare {
        result: result.into(),
        target: target.into(),
        key,
        target_union: Some(union),
        range_end,
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn header(header: Option<pb::ResponseHeader>) -> Header {
    let header = header.unwrap_or_default();
    Header {
        cluster: ClusterId(header.cluster_id),
        node: NodeId(header.member_id),
        term: Term(header.raft_term),
        revision: Revision(unsigned(header.revision)),
    }
}

pub(super) fn key_value(kv: mvccpb::KeyValue) -> KeyValue {
    KeyValue {
        key: Key(kv.key),
        value: Value(kv.value),
        create_revision: Revision(unsigned(kv.create_revision)),
        mod_revision: Revision(unsigned(kv.mod_revision)),
        version: unsigned(kv.version),
        lease: LeaseId(kv.lease),
    }
}

pub(super) fn put_response(prev_kv: Option<mvccpb::KeyValue>) -> PutResponse {
    PutResponse { prev_kv: prev_kv.map(key_value) }
}

pub(super) fn range_response(range: pb::RangeResponse) -> RangeResponse {
    RangeResponse {
        kvs: range.kvs.into_iter().map(key_value).collect(),
        more: range.more,
        count: unsigned(range.count),
    }
}

pub(super) fn delete_response(delete: pb::DeleteRangeResponse) -> DeleteRangeResponse {
    DeleteRangeResponse {
        deleted: unsigned(delete.deleted),
        prev_kvs: delete.prev_kvs.into_iter().map(key_value).collect(),
    }
}

pub(super) fn txn_response(txn: pb::TxnResponse) -> Result<TxnResponse, Status> {
    let responses = txn.responses.into_iter().map(op_response).collect::<Result<_, _>>()?;
    Ok(TxnResponse { succeeded: txn.succeeded, responses })
}

fn op_response(op: pb::ResponseOp) -> Result<TxnOpResponse, Status> {
    use response_op::Response;
    Ok(match op.response {
        Some(Response::ResponsePut(put)) => TxnOpResponse::Put(put_response(put.prev_kv)),
        Some(Response::ResponseRange(range)) => TxnOpResponse::Range(range_response(range)),
        Some(Response::ResponseDeleteRange(delete)) => {
            TxnOpResponse::DeleteRange(delete_response(delete))
        }
        Some(Response::ResponseTxn(txn)) => TxnOpResponse::Txn(txn_response(txn)?),
        None => return Err(Status::internal("an answer without content")),
    })
}

/// The refusal with this text, if it is one of those that clients tell apart. What was compacted, or is newest, the text does
/// not say.
pub(super) fn error(text: &str) -> Option<Error> {
    let known = [
        Error::EmptyKey,
        Error::KeyNotFound,
        Error::ValueProvided,
        Error::LeaseProvided,
        Error::LeaseNotFound,
        Error::LeaseExists,
        Error::LeaseTtlTooLarge,
        Error::TooManyOps,
        Error::DuplicateKey,
        Error::Compacted { compacted: Revision(0) },
        Error::FutureRevision { current: Revision(0) },
        Error::RequestTooLarge,
        Error::TooManyRequests,
        Error::NotLeader { hint: None },
        Error::NoLeader,
        Error::LeaderChanged,
        Error::TimedOut,
        Error::Stopped,
        Error::Learner,
        Error::NoSpace,
        Error::Corrupt,
        Error::ChangeInProgress,
        Error::MemberNotFound,
        Error::MemberExists,
        Error::LearnerNotReady,
        Error::NotEnoughMembers,
        Error::BadTransferee,
        Error::PeerUrlsExist,
        Error::BadPeerUrls,
        Error::TooManyLearners,
        Error::NotLearner,
        Error::Unhealthy,
        Error::RootUserMissing,
        Error::RootRoleMissing,
        Error::UserExists,
        Error::UserEmpty,
        Error::UserNotFound,
        Error::RoleExists,
        Error::RoleNotFound,
        Error::RoleEmpty,
        Error::AuthFailed,
        Error::PermissionMissing,
        Error::PermissionDenied,
        Error::RoleNotGranted,
        Error::PermissionNotGranted,
        Error::AuthNotEnabled,
        Error::InvalidToken,
        Error::InvalidAuthManagement,
        Error::AuthOldRevision,
        Error::NoPasswordUser,
    ];
    known.into_iter().find(|error| error.to_string() == text)
}
