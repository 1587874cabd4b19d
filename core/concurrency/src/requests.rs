//! The requests that the services are made of.

use whitewater_api::{
    Key, KeyRange, KeyValue, Request, Response, Revision,
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Relation, Sort,
        SortTarget, TxnOp, TxnRequest,
    },
    response::{Body, RangeResponse, TxnOpResponse, TxnResponse},
};

/// "If the key was created at this revision"; at 0 for "if it is absent".
pub(crate) fn created(key: &Key, revision: Revision) -> Compare {
    Compare {
        range: KeyRange::single(key.clone()),
        relation: Relation::Equal,
        target: CompareTarget::Create(revision),
    }
}

/// The oldest key of a prefix, or the newest, by creation.
pub(crate) fn by_creation(prefix: Key, newest: bool) -> RangeRequest {
    let sort = Some(Sort { target: SortTarget::Create, descending: newest });
    RangeRequest { limit: 1, sort, ..RangeRequest::new(KeyRange::prefix(prefix)) }
}

/// Puts if the key was created at this revision.
pub(crate) fn put_if(put: PutRequest, revision: Revision) -> Request {
    let compares = vec![created(&put.key, revision)];
    Request::Txn(TxnRequest { compares, success: vec![TxnOp::Put(put)], failure: Vec::new() })
}

/// Deletes a key if it was created at this revision.
pub(crate) fn delete_if(key: &Key, revision: Revision) -> Request {
    let compares = vec![created(key, revision)];
    let success = vec![TxnOp::DeleteRange(delete(key))];
    Request::Txn(TxnRequest { compares, success, failure: Vec::new() })
}

/// Deletes a key.
pub(crate) fn delete(key: &Key) -> DeleteRangeRequest {
    DeleteRangeRequest { range: KeyRange::single(key.clone()), prev_kv: false }
}

/// The answer to a transaction.
#[expect(clippy::wildcard_enum_match_arm, reason = "a transaction is answered by a transaction")]
pub(crate) fn txn(response: &Response) -> &TxnResponse {
    match &response.body {
        Body::Txn(txn) => txn,
        other => panic!("a transaction was answered by {other:?}"),
    }
}

/// The first key that the how-manieth operation of a transaction found.
pub(crate) fn found(txn: &TxnResponse, place: usize) -> Option<&KeyValue> {
    match txn.responses.get(place) {
        Some(TxnOpResponse::Range(RangeResponse { kvs, .. })) => kvs.first(),
        _ => None,
    }
}
