//! `operations.json` of etcd's robustness tests (etcd, `tests/robustness/report/client.go` and `model/types.go`): Go's
//! JSON of one `porcupine.Operation` a line, with an `EtcdRequest` and a `MaybeEtcdResponse`.
//!
//! A client of those tests writes puts and deletes down as transactions of one operation; here they are puts and deletes
//! again. Long values are hashed there, in requests and answers alike, and stay what they are. Not in the file, and 0
//! in the history: creation revisions, and in older files versions. Times to live of leases are not in it either. Left out, because they say nothing about keys:
//! defragmentations, and requests that were refused.

mod shape;

use self::shape::{Condition, Input, Kv, OpInput, OpOutput, Output, Range, Row, Txn};
use super::pairing::Names;
use crate::{
    History, Operation, SimTime,
    lines::{Lines, Malformed, parse_json},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead,
};
use whitewater_api::{
    Body, Completion, End, Error, Key, KeyRange, KeyValue, LeaseId, LeaseRequest, LeaseResponse,
    NodeId, Process, Request, RequestId, Response, Revision,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, TxnOp, TxnRequest,
    },
    response::{
        DeleteRangeResponse, Header, PutResponse, RangeResponse, TxnOpResponse, TxnResponse,
    },
};

/// Seconds that the leases of the robustness tests live, by their traffic: longer than any test.
const LEASE_SECONDS: i64 = 7_200;

/// Reads the operations of one client.
pub(super) fn read(lines: &mut Lines<impl BufRead>) -> Result<History, Malformed> {
    let mut rows = Vec::new();
    while let Some((line, text)) = lines.next_full()? {
        let row: Row = parse_json(line, text)?;
        let object = |token: &str, reason: &str| Err(Malformed::at(line, text, token, reason));
        let (Ok(process), Ok(call)) = (u32::try_from(row.client), u64::try_from(row.call)) else {
            return object("\"Call\"", "process and call must not be negative");
        };
        let Some((request, completion, witness)) = exchange(&row.input, &row.output)
            .map_err(|(token, reason)| Malformed::at(line, text, token, reason))?
        else {
            continue;
        };
        // Of what failed nobody knows when it ended; the file has 0, -1 or a second after everything else.
        let returned = u64::try_from(row.returned).unwrap_or(0);
        if returned < call && matches!(completion, Completion::Ok(_)) {
            return object("\"Return\"", "the operation returns before it is called");
        }
        rows.push(Operation {
            id: RequestId { process: Process(process), sequence: 0 },
            node: NodeId::default(),
            invoked: SimTime(call),
            completed: SimTime(returned.max(call)),
            request,
            completion,
            witness,
        });
    }
    Ok(in_order(rows))
}

/// Puts the histories of several clients together.
#[must_use]
pub fn merge(histories: Vec<History>) -> History {
    let mut taken = BTreeSet::new();
    let mut merged = History::default();
    for mut history in histories {
        let processes = |history: &History| -> BTreeSet<u32> {
            history.operations.iter().map(|operation| operation.id.process.0).collect()
        };
        if !taken.is_disjoint(&processes(&history)) {
            let above = taken.last().map_or(0, |last| last + 1);
            for operation in &mut history.operations {
                operation.id.process.0 = operation.id.process.0.saturating_add(above);
            }
        }
        taken.extend(processes(&history));
        merged.operations.append(&mut history.operations);
        merged.watches.append(&mut history.watches);
    }
    merged.watches.sort_by_key(|row| row.at);
    History { watches: merged.watches, ..in_order(merged.operations) }
}

/// In the order of invocation, numbered anew, and no process after an unknown outcome of its own.
fn in_order(mut operations: Vec<Operation>) -> History {
    operations.sort_by_key(|operation| operation.invoked);
    let mut names = Names::new(operations.iter().map(|operation| operation.id.process.0));
    let mut sequences = BTreeMap::new();
    for operation in &mut operations {
        let asker = operation.id.process.0;
        let process = names.now(asker);
        if matches!(operation.completion, Completion::Info(_)) {
            names.retire(asker);
        }
        let sequence = sequences.entry(process).or_insert(0);
        operation.id = RequestId { process, sequence: *sequence };
        *sequence += 1;
    }
    History { operations, ..History::default() }
}

type Exchange = (Request, Completion<Response, Error>, Option<Revision>);
type Wrong = (&'static str, &'static str);

/// Question and answer; nothing where they say nothing about keys.
fn exchange(input: &Input, output: &Output) -> Result<Option<Exchange>, Wrong> {
    let Some(request) = request(input)? else { return Ok(None) };
    if !output.client_error.is_empty() {
        return Ok(None);
    }
    let is_unknown = !output.error.is_empty() || output.persisted;
    if is_unknown {
        let is_told = output.error.is_empty();
        let revision = output.persisted_revision.max(output.revision);
        let witness = u64::try_from(revision).ok().filter(|revision| is_told && *revision > 0);
        let completion = Completion::Info(Error::TimedOut);
        let says = !request.is_read() && !is_failed_grant(&request);
        return Ok(says.then_some((request, completion, witness.map(Revision))));
    }
    // A compaction answers with -1: its revision is not one of a moment in its interval.
    let revision = Revision(u64::try_from(output.revision).unwrap_or(0));
    if revision == Revision(0) && !matches!(request, Request::Compact(_)) {
        return Err(("\"Revision\"", "an answer without a revision"));
    }
    let (request, body) = answer(request, output)?;
    let header = Header { revision, ..Header::default() };
    Ok(Some((request, Completion::Ok(Response { header, body }), None)))
}

/// A grant that failed leaves a lease that nobody knows and nobody uses.
fn is_failed_grant(request: &Request) -> bool {
    matches!(request, Request::Lease(LeaseRequest::Grant { .. }))
}

fn request(input: &Input) -> Result<Option<Request>, Wrong> {
    Ok(match input.kind.as_str() {
        "range" => {
            let range = input.range.as_ref().ok_or(("\"Range\"", "a range without `Range`"))?;
            Some(Request::Range(range_request(range)))
        }
        "txn" => {
            let txn = input.txn.as_ref().ok_or(("\"Txn\"", "a txn without `Txn`"))?;
            Some(txn_request(txn)?)
        }
        "leaseGrant" => {
            let lease = input.lease_grant.as_ref();
            let lease = lease.ok_or(("\"LeaseGrant\"", "a grant without `LeaseGrant`"))?;
            let grant = LeaseRequest::Grant { lease: LeaseId(lease.id), ttl: LEASE_SECONDS };
            (lease.id != 0).then_some(Request::Lease(grant))
        }
        "leaseRevoke" => {
            let lease = input.lease_revoke.as_ref();
            let lease = lease.ok_or(("\"LeaseRevoke\"", "a revocation without `LeaseRevoke`"))?;
            Some(Request::Lease(LeaseRequest::Revoke(LeaseId(lease.id))))
        }
        "compact" => {
            let compact = input.compact.as_ref();
            let compact = compact.ok_or(("\"Compact\"", "a compaction without `Compact`"))?;
            let revision = Revision(u64::try_from(compact.revision).unwrap_or(0));
            Some(Request::Compact(CompactRequest { revision, physical: false }))
        }
        "defragment" => None,
        _ => {
            return Err((
                "\"Type\"",
                "expected the type range, txn, leaseGrant, leaseRevoke, defragment or compact",
            ));
        }
    })
}

fn key_range(start: &str, end: &str) -> KeyRange {
    let end = match end {
        "" => End::Single,
        "\0" => End::Unbounded,
        end => End::Before(Key::from(end)),
    };
    KeyRange { start: Key::from(start), end }
}

fn range_request(range: &Range) -> RangeRequest {
    RangeRequest {
        limit: u64::try_from(range.limit).unwrap_or(0),
        revision: Revision(u64::try_from(range.revision).unwrap_or(0)),
        ..RangeRequest::new(key_range(&range.start, &range.end))
    }
}

/// A transaction; a put or delete without a condition is one of its own.
fn txn_request(txn: &Txn) -> Result<Request, Wrong> {
    let branch = |ops: &[OpInput]| ops.iter().map(operation).collect::<Result<Vec<_>, _>>();
    let (success, failure) = (branch(&txn.on_success)?, branch(&txn.on_failure)?);
    if txn.conditions.is_empty() && failure.is_empty() {
        match &success[..] {
            [TxnOp::Put(put)] => return Ok(Request::Put(put.clone())),
            [TxnOp::DeleteRange(delete)] => return Ok(Request::DeleteRange(delete.clone())),
            [] | [TxnOp::Range(_) | TxnOp::Txn(_)] | [_, _, ..] => {}
        }
    }
    let compares = txn.conditions.iter().map(compare).collect();
    Ok(Request::Txn(TxnRequest { compares, success, failure }))
}

/// As etcd's own model has it: a version, if there is one, or else a mod revision.
fn compare(condition: &Condition) -> Compare {
    let target = match u64::try_from(condition.expected_version) {
        Ok(version) if version > 0 => CompareTarget::Version(version),
        Ok(_) | Err(_) => {
            CompareTarget::Mod(Revision(u64::try_from(condition.expected_revision).unwrap_or(0)))
        }
    };
    Compare { range: KeyRange::single(condition.key.as_str()), relation: Relation::Equal, target }
}

fn operation(op: &OpInput) -> Result<TxnOp, Wrong> {
    Ok(match op.kind.as_str() {
        "range-operation" => TxnOp::Range(range_request(&op.range)),
        "put-operation" => TxnOp::Put(PutRequest {
            lease: LeaseId(op.put.lease),
            ..PutRequest::new(op.put.key.as_str(), op.put.value.value())
        }),
        "delete-operation" => TxnOp::DeleteRange(DeleteRangeRequest {
            range: KeyRange::single(op.delete.key.as_str()),
            prev_kv: false,
        }),
        _ => return Err(("-operation\"", "expected range-, put- or delete-operation")),
    })
}

/// The answer in the shape that fits the request, which may have to stay a transaction for it.
fn answer(request: Request, output: &Output) -> Result<(Request, Body), Wrong> {
    let body = match &request {
        Request::Range(range) => {
            let seen = output.range.as_ref().ok_or(("\"Output\"", "an answer without `Range`"))?;
            Body::Range(range_response(range, &seen.kvs, seen.count))
        }
        Request::Put(_) | Request::DeleteRange(_) | Request::Txn(_) => {
            let txn = output.txn.as_ref().ok_or(("\"Output\"", "an answer without `Txn`"))?;
            return Ok(txn_answer(request, !txn.failure, &txn.results));
        }
        Request::Lease(LeaseRequest::Grant { lease, ttl }) => {
            Body::Lease(LeaseResponse::Grant { lease: *lease, ttl: *ttl })
        }
        Request::Lease(_) => Body::Lease(LeaseResponse::Revoke),
        Request::Compact(_)
        | Request::Member(_)
        | Request::MoveLeader(_)
        | Request::Maintenance(_)
        | Request::Auth(_)
        | Request::Cluster(_) => Body::Compact,
    };
    Ok((request, body))
}

fn txn_answer(request: Request, succeeded: bool, results: &[OpOutput]) -> (Request, Body) {
    match (&request, results) {
        (Request::Put(_), [_]) if succeeded => {
            return (request, Body::Put(PutResponse::default()));
        }
        (Request::DeleteRange(_), [result]) if succeeded => {
            let body = DeleteRangeResponse { deleted: result.deleted(), prev_kvs: Vec::new() };
            return (request, Body::DeleteRange(body));
        }
        _ => {}
    }
    // An answer that no put or delete gets is judged as one to the transaction that it is in the file.
    let txn = match request {
        Request::Txn(txn) => txn,
        Request::Put(put) => TxnRequest { success: vec![TxnOp::Put(put)], ..TxnRequest::default() },
        Request::DeleteRange(delete) => {
            TxnRequest { success: vec![TxnOp::DeleteRange(delete)], ..TxnRequest::default() }
        }
        other @ (Request::Range(_)
        | Request::Compact(_)
        | Request::Lease(_)
        | Request::Member(_)
        | Request::MoveLeader(_)
        | Request::Maintenance(_)
        | Request::Auth(_)
        | Request::Cluster(_)) => return (other, Body::Compact),
    };
    let branch = if succeeded { &txn.success } else { &txn.failure };
    let responses = branch.iter().zip(results).map(|(op, result)| match op {
        TxnOp::Put(_) => TxnOpResponse::Put(PutResponse::default()),
        TxnOp::Range(range) => {
            TxnOpResponse::Range(range_response(range, &result.kvs, result.count))
        }
        TxnOp::DeleteRange(_) => {
            let deleted = result.deleted();
            TxnOpResponse::DeleteRange(DeleteRangeResponse { deleted, prev_kvs: Vec::new() })
        }
        TxnOp::Txn(_) => TxnOpResponse::Txn(TxnResponse::default()),
    });
    let body = TxnResponse { succeeded, responses: responses.collect() };
    (Request::Txn(txn), Body::Txn(body))
}

/// `more` is not in the file; etcd sets it exactly if the limit cut something off.
fn range_response(request: &RangeRequest, kvs: &[Kv], count: i64) -> RangeResponse {
    let kvs: Vec<KeyValue> = kvs.iter().map(kv).collect();
    let count = u64::try_from(count).unwrap_or(0);
    RangeResponse { more: request.limit != 0 && count > request.limit, count, kvs }
}

fn kv(kv: &Kv) -> KeyValue {
    KeyValue {
        key: Key::from(kv.key.as_str()),
        value: kv.value.value(),
        mod_revision: Revision(u64::try_from(kv.mod_revision).unwrap_or(0)),
        version: u64::try_from(kv.version).unwrap_or(0),
        ..KeyValue::default()
    }
}
