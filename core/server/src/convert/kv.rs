//! Keys: ranges, puts, deletes, transactions, compactions.

use super::{header, revision, signed};
use crate::proto::{
    etcdserverpb::{
        self as pb,
        compare::{CompareResult, CompareTarget as Target, TargetUnion},
        range_request, request_op, response_op,
    },
    mvccpb,
};
use bytes::Bytes;
use tonic::Status;
use whitewater_api::{
    End, Error, Header, Key, KeyRange, KeyValue, LeaseId, Revision, Value,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, Sort, SortTarget, TxnOp, TxnRequest,
    },
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
};

/// A range as etcd writes it.
pub(crate) fn key_range(key: Bytes, range_end: Bytes) -> KeyRange {
    let end = match range_end.as_ref() {
        [] => End::Single,
        [0] => End::Unbounded,
        _ => End::Before(Key(range_end)),
    };
    KeyRange { start: Key(key), end }
}

/// The inverse: `key` and `range_end`.
pub(crate) fn key_and_end(range: KeyRange) -> (Bytes, Bytes) {
    let end = match range.end {
        End::Single => Bytes::new(),
        End::Before(end) => end.0,
        End::Unbounded => Bytes::from_static(&[0]),
    };
    (range.start.0, end)
}

pub(crate) fn range_request(request: pb::RangeRequest) -> Result<RangeRequest, Status> {
    use range_request::{SortOrder, SortTarget as Wire};
    let unsorted = || Status::invalid_argument("etcdserver: invalid sort option");
    let order = SortOrder::try_from(request.sort_order).map_err(|_| unsorted())?;
    let target = match Wire::try_from(request.sort_target).map_err(|_| unsorted())? {
        Wire::Key => SortTarget::Key,
        Wire::Version => SortTarget::Version,
        Wire::Create => SortTarget::Create,
        Wire::Mod => SortTarget::Mod,
        Wire::Value => SortTarget::Value,
    };
    let is_plain = order == SortOrder::None && target == SortTarget::Key;
    let descending = order == SortOrder::Descend;
    Ok(RangeRequest {
        range: key_range(request.key, request.range_end),
        limit: u64::try_from(request.limit).unwrap_or(0),
        revision: revision(request.revision),
        sort: (!is_plain).then_some(Sort { target, descending }),
        serializable: request.serializable,
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod_revision: revision(request.min_mod_revision),
        max_mod_revision: revision(request.max_mod_revision),
        min_create_revision: revision(request.min_create_revision),
        max_create_revision: revision(request.max_create_revision),
    })
}

pub(crate) fn put_request(request: pb::PutRequest) -> PutRequest {
    PutRequest {
        key: Key(request.key),
        value: Value(request.value),
        lease: LeaseId(request.lease),
        prev_kv: request.prev_kv,
        ignore_value: request.ignore_value,
        ignore_lease: request.ignore_lease,
    }
}

pub(crate) fn delete_request(request: pb::DeleteRangeRequest) -> DeleteRangeRequest {
    DeleteRangeRequest {
        range: key_range(request.key, request.range_end),
        prev_kv: request.prev_kv,
    }
}

pub(crate) fn compact_request(request: &pb::CompactionRequest) -> CompactRequest {
    CompactRequest { revision: revision(request.revision), physical: request.physical }
}

pub(crate) fn txn_request(request: pb::TxnRequest) -> Result<TxnRequest, Status> {
    let compares = request.compare.into_iter().map(compare).collect::<Result<_, _>>()?;
    let branch = |ops: Vec<pb::RequestOp>| ops.into_iter().map(txn_op).collect::<Result<_, _>>();
    Ok(TxnRequest {
        compares,
        success: branch(request.success)?,
        failure: branch(request.failure)?,
    })
}

fn txn_op(op: pb::RequestOp) -> Result<TxnOp, Status> {
    Ok(match op.request {
        Some(request_op::Request::RequestRange(range)) => TxnOp::Range(range_request(range)?),
        Some(request_op::Request::RequestPut(put)) => TxnOp::Put(put_request(put)),
        Some(request_op::Request::RequestDeleteRange(delete)) => {
            TxnOp::DeleteRange(delete_request(delete))
        }
        Some(request_op::Request::RequestTxn(txn)) => TxnOp::Txn(txn_request(txn)?),
        // etcd says it so (`v3rpc/key.go`, `checkRequestOp`).
        None => return Err(super::refusal(&Error::KeyNotFound)),
    })
}

fn compare(compare: pb::Compare) -> Result<Compare, Status> {
    let unknown = || Status::invalid_argument("etcdserver: unknown compare");
    let relation = match CompareResult::try_from(compare.result).map_err(|_| unknown())? {
        CompareResult::Equal => Relation::Equal,
        CompareResult::Greater => Relation::Greater,
        CompareResult::Less => Relation::Less,
        CompareResult::NotEqual => Relation::NotEqual,
    };
    let number = match &compare.target_union {
        Some(
            TargetUnion::Version(number)
            | TargetUnion::CreateRevision(number)
            | TargetUnion::ModRevision(number)
            | TargetUnion::Lease(number),
        ) => *number,
        Some(TargetUnion::Value(_)) | None => 0,
    };
    let target = Target::try_from(compare.target).map_err(|_| unknown())?;
    let (relation, count) = natural(relation, number);
    let target = match target {
        Target::Version => CompareTarget::Version(count),
        Target::Create => CompareTarget::Create(Revision(count)),
        Target::Mod => CompareTarget::Mod(Revision(count)),
        Target::Lease => CompareTarget::Lease(LeaseId(number)),
        Target::Value => match compare.target_union {
            Some(TargetUnion::Value(value)) => CompareTarget::Value(Value(value)),
            _ => CompareTarget::Value(Value::default()),
        },
    };
    Ok(Compare { range: key_range(compare.key, compare.range_end), relation, target })
}

/// The same question about a number that has no sign. What is stored never has one, and never is the largest.
fn natural(relation: Relation, number: i64) -> (Relation, u64) {
    match (relation, u64::try_from(number)) {
        (relation, Ok(number)) => (relation, number),
        (Relation::Greater | Relation::NotEqual, Err(_)) => (Relation::NotEqual, u64::MAX),
        (Relation::Equal | Relation::Less, Err(_)) => (Relation::Equal, u64::MAX),
    }
}

pub(crate) fn key_value(kv: KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: kv.key.0,
        create_revision: signed(kv.create_revision.0),
        mod_revision: signed(kv.mod_revision.0),
        version: signed(kv.version),
        value: kv.value.0,
        lease: kv.lease.0,
    }
}

pub(crate) fn range_response(at: &Header, range: RangeResponse) -> pb::RangeResponse {
    pb::RangeResponse { header: header(at), ..bare_range(range) }
}

fn bare_range(range: RangeResponse) -> pb::RangeResponse {
    pb::RangeResponse {
        header: None,
        kvs: range.kvs.into_iter().map(key_value).collect(),
        more: range.more,
        count: signed(range.count),
    }
}

pub(crate) fn put_response(at: &Header, put: PutResponse) -> pb::PutResponse {
    pb::PutResponse { header: header(at), prev_kv: put.prev_kv.map(key_value) }
}

pub(crate) fn delete_response(at: &Header, delete: DeleteRangeResponse) -> pb::DeleteRangeResponse {
    pb::DeleteRangeResponse { header: header(at), ..bare_delete(delete) }
}

fn bare_delete(delete: DeleteRangeResponse) -> pb::DeleteRangeResponse {
    pb::DeleteRangeResponse {
        header: None,
        deleted: signed(delete.deleted),
        prev_kvs: delete.prev_kvs.into_iter().map(key_value).collect(),
    }
}

pub(crate) fn txn_response(at: &Header, txn: TxnResponse) -> pb::TxnResponse {
    let end = signed(at.revision.0);
    let mut walk = Walk { revision: if has_changed(&txn) { end - 1 } else { end }, end };
    pb::TxnResponse { header: header(at), ..walk.txn(txn) }
}

fn has_changed(txn: &TxnResponse) -> bool {
    txn.responses.iter().any(|response| match response {
        TxnOpResponse::Put(_) => true,
        TxnOpResponse::DeleteRange(delete) => delete.deleted > 0,
        TxnOpResponse::Txn(txn) => has_changed(txn),
        TxnOpResponse::Range(_) => false,
    })
}

/// Walks through the answers of a transaction: each tells the revision at which it stood, and nothing else in its header
/// (etcd, `server/etcdserver/txn`).
struct Walk {
    revision: i64,
    end: i64,
}

impl Walk {
    fn txn(&mut self, txn: TxnResponse) -> pb::TxnResponse {
        let responses = txn.responses.into_iter().map(|response| self.op(response)).collect();
        pb::TxnResponse { header: self.header(), succeeded: txn.succeeded, responses }
    }

    fn op(&mut self, response: TxnOpResponse) -> pb::ResponseOp {
        use response_op::Response;
        let response = match response {
            TxnOpResponse::Put(put) => {
                self.revision = self.end;
                let prev_kv = put.prev_kv.map(key_value);
                Response::ResponsePut(pb::PutResponse { header: self.header(), prev_kv })
            }
            TxnOpResponse::Range(range) => {
                let header = self.header();
                Response::ResponseRange(pb::RangeResponse { header, ..bare_range(range) })
            }
            TxnOpResponse::DeleteRange(delete) => {
                if delete.deleted > 0 {
                    self.revision = self.end;
                }
                let header = self.header();
                let delete = bare_delete(delete);
                Response::ResponseDeleteRange(pb::DeleteRangeResponse { header, ..delete })
            }
            TxnOpResponse::Txn(txn) => Response::ResponseTxn(self.txn(txn)),
        };
        pb::ResponseOp { response: Some(response) }
    }

    #[expect(clippy::unnecessary_wraps, reason = "a header is an optional field of every message")]
    fn header(&self) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader { revision: self.revision, ..pb::ResponseHeader::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_survives_the_way_to_the_wire_and_back() {
        for range in
            [KeyRange::single("k"), KeyRange::prefix("k"), KeyRange::from_key("k"), KeyRange::all()]
        {
            let (key, end) = key_and_end(range.clone());
            assert_eq!(key_range(key, end), range);
        }
    }

    #[test]
    fn a_negative_number_compares_as_on_a_line() {
        assert_eq!(natural(Relation::Greater, -1), (Relation::NotEqual, u64::MAX));
        assert_eq!(natural(Relation::Less, -1), (Relation::Equal, u64::MAX));
        assert_eq!(natural(Relation::Less, 7), (Relation::Less, 7));
    }

    #[test]
    fn answers_in_a_transaction_tell_where_they_stood() {
        let put = TxnOpResponse::Put(PutResponse::default());
        let range = || TxnOpResponse::Range(RangeResponse::default());
        let txn = TxnResponse { succeeded: true, responses: vec![range(), put, range()] };
        let at = Header { revision: Revision(7), ..Header::default() };
        let revisions = txn_response(&at, txn).responses.into_iter().map(|op| match op.response {
            Some(response_op::Response::ResponseRange(range)) => range.header.unwrap().revision,
            Some(response_op::Response::ResponsePut(put)) => put.header.unwrap().revision,
            other => panic!("{other:?}"),
        });
        assert_eq!(revisions.collect::<Vec<_>>(), [6, 7, 7]);
    }
}
