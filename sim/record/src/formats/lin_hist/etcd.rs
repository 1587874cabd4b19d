//! `lin-hist/1` of the kind etcd. `rev` is the revision in the header of the answer, `res` what was seen, one for each
//! operation of the branch that was taken. Creation revisions are not in the file, and 0 in the history.

use super::{Header, Ids, Row, Scalar, Verb, needed, timely, whole};
use crate::{
    History, Operation, SimTime,
    formats::{object::list, pairing::Names},
    lines::{Lines, Malformed, parse_json},
};
use serde::Deserialize;
use std::{collections::BTreeMap, io::BufRead};
use whitewater_api::{
    Body, Completion, Error, Key, KeyRange, KeyValue, NodeId, Request, RequestId, Response,
    Revision, Value,
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Relation, TxnOp,
        TxnRequest,
    },
    response::{
        DeleteRangeResponse, Header as ResponseHeader, PutResponse, RangeResponse, TxnOpResponse,
        TxnResponse,
    },
};

/// What one request, or one operation of a transaction, saw.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default, deserialize_with = "list")]
    kvs: Vec<Seen>,
    #[serde(default)]
    del: u64,
}

#[derive(Deserialize)]
struct Seen {
    k: Scalar,
    v: Scalar,
    #[serde(rename = "mod")]
    modified: u64,
    #[serde(default)]
    ver: u64,
}

/// A condition on the mod revision of a key.
#[derive(Deserialize)]
pub(super) struct Test {
    k: Scalar,
    #[serde(rename = "mod")]
    modified: u64,
}

/// An operation of a transaction.
#[derive(Deserialize)]
pub(super) struct Branch {
    f: Verb,
    k: Scalar,
    kend: Option<Scalar>,
    v: Option<Scalar>,
}

/// Keys are numbers, and ranges go by number: with zeros in front the bytes are in the same order.
#[derive(Clone, Copy)]
struct Keys {
    width: usize,
}

pub(super) fn read(lines: &mut Lines<impl BufRead>, header: &Header) -> Result<History, Malformed> {
    let keys = Keys { width: header.keys.map_or(1, |keys| keys.to_string().len()) };
    let (mut rows, mut ids) = (Vec::new(), Ids::default());
    while let Some((line, text)) = lines.next_full()? {
        let row: Row = parse_json(line, text)?;
        ids.note(&row, line, text)?;
        timely(&row, line, text)?;
        let request = request(&row, keys, line, text)?;
        let completion = completion(&row, &request, keys, line, text)?;
        rows.push((row.p, row.t0, row.t1, request, completion));
    }
    whole(header.ops, rows.len())?;
    rows.sort_by_key(|(_, invoked, ..)| *invoked);
    let mut names = Names::new(rows.iter().map(|(process, ..)| *process));
    let end = rows.iter().map(|(_, t0, t1, ..)| t1.unwrap_or(*t0)).max().unwrap_or(0);
    let mut sequences = BTreeMap::new();
    let mut history = History::default();
    for (asker, invoked, returned, request, completion) in rows {
        let process = names.now(asker);
        if returned.is_none() {
            names.retire(asker);
            // A read that nobody answered says nothing.
            if request.is_read() {
                continue;
            }
        }
        let sequence = sequences.entry(process).or_insert(0);
        history.operations.push(Operation {
            id: RequestId { process, sequence: *sequence },
            node: NodeId::default(),
            invoked: SimTime(invoked),
            completed: SimTime(returned.unwrap_or(end)),
            request,
            completion,
            witness: None,
        });
        *sequence += 1;
    }
    Ok(history)
}

fn request(row: &Row, keys: Keys, line: usize, text: &str) -> Result<Request, Malformed> {
    if row.f == Verb::Txn {
        let branch = |operations: &[Branch]| -> Result<Vec<TxnOp>, Malformed> {
            operations.iter().map(|op| op.operation(keys, line, text)).collect()
        };
        let compares = row.cmp.iter().map(|test| Compare {
            range: KeyRange::single(keys.key(&test.k)),
            relation: Relation::Equal,
            target: CompareTarget::Mod(Revision(test.modified)),
        });
        return Ok(Request::Txn(TxnRequest {
            compares: compares.collect(),
            success: branch(&row.then)?,
            failure: branch(&row.otherwise)?,
        }));
    }
    let k = needed(row.k.as_ref(), "k", line, text)?.clone();
    let single = Branch { f: row.f, k, kend: row.kend.clone(), v: row.v.clone() };
    Ok(match single.operation(keys, line, text)? {
        TxnOp::Put(put) => Request::Put(put),
        TxnOp::Range(range) => Request::Range(range),
        TxnOp::DeleteRange(delete) => Request::DeleteRange(delete),
        TxnOp::Txn(txn) => Request::Txn(txn),
    })
}

impl Branch {
    fn operation(&self, keys: Keys, line: usize, text: &str) -> Result<TxnOp, Malformed> {
        let key = keys.key(&self.k);
        Ok(match self.f {
            Verb::Put => {
                let value = needed(self.v.as_ref(), "v", line, text)?.clone().value();
                TxnOp::Put(PutRequest::new(key, value))
            }
            Verb::Get => TxnOp::Range(RangeRequest::new(KeyRange::single(key))),
            Verb::Range => {
                let end = keys.key(needed(self.kend.as_ref(), "kend", line, text)?);
                TxnOp::Range(RangeRequest::new(KeyRange::span(key, end)))
            }
            Verb::Del => TxnOp::DeleteRange(DeleteRangeRequest {
                range: KeyRange::single(key),
                prev_kv: false,
            }),
            Verb::Cas | Verb::Append | Verb::Txn => {
                let reason = "expected put, get, range, del or txn: the kind is etcd";
                return Err(Malformed::at(line, text, "\"f\"", reason));
            }
        })
    }
}

fn completion(
    row: &Row,
    request: &Request,
    keys: Keys,
    line: usize,
    text: &str,
) -> Result<Completion<Response, Error>, Malformed> {
    if row.t1.is_none() {
        return Ok(Completion::Info(Error::TimedOut));
    }
    let revision = Revision(*needed(row.rev.as_ref(), "rev", line, text)?);
    let seen = &row.res;
    let operation = |op: &TxnOp, seen: Option<&Answer>| -> TxnOpResponse {
        match op {
            TxnOp::Put(_) => TxnOpResponse::Put(PutResponse::default()),
            TxnOp::Range(_) => {
                let kvs: Vec<KeyValue> =
                    seen.map_or(&[][..], |seen| &seen.kvs).iter().map(|kv| keys.seen(kv)).collect();
                let count = kvs.len() as u64;
                TxnOpResponse::Range(RangeResponse { kvs, more: false, count })
            }
            TxnOp::DeleteRange(_) => {
                let deleted = seen.map_or(0, |seen| seen.del);
                TxnOpResponse::DeleteRange(DeleteRangeResponse { deleted, prev_kvs: Vec::new() })
            }
            TxnOp::Txn(_) => TxnOpResponse::Txn(TxnResponse::default()),
        }
    };
    let single = |op: TxnOp| operation(&op, seen.first());
    let body = match request {
        Request::Txn(txn) => {
            let succeeded = *needed(row.ok.as_ref(), "ok", line, text)?;
            let branch = if succeeded { &txn.success } else { &txn.failure };
            let responses = branch.iter().enumerate().map(|(i, op)| operation(op, seen.get(i)));
            Body::Txn(TxnResponse { succeeded, responses: responses.collect() })
        }
        Request::Range(range) => body_of(single(TxnOp::Range(range.clone()))),
        Request::DeleteRange(delete) => body_of(single(TxnOp::DeleteRange(delete.clone()))),
        Request::Put(_)
        | Request::Compact(_)
        | Request::Lease(_)
        | Request::Member(_)
        | Request::MoveLeader(_)
        | Request::Maintenance(_)
        | Request::Auth(_)
        | Request::Cluster(_) => Body::Put(PutResponse::default()),
    };
    let header = ResponseHeader { revision, ..ResponseHeader::default() };
    Ok(Completion::Ok(Response { header, body }))
}

fn body_of(response: TxnOpResponse) -> Body {
    match response {
        TxnOpResponse::Put(put) => Body::Put(put),
        TxnOpResponse::Range(range) => Body::Range(range),
        TxnOpResponse::DeleteRange(delete) => Body::DeleteRange(delete),
        TxnOpResponse::Txn(txn) => Body::Txn(txn),
    }
}

impl Keys {
    fn key(self, Scalar(text): &Scalar) -> Key {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let width = if is_number { self.width } else { 0 };
        Key::from(format!("{text:0>width$}"))
    }

    fn seen(self, seen: &Seen) -> KeyValue {
        KeyValue {
            key: self.key(&seen.k),
            value: Value::from(seen.v.0.clone()),
            mod_revision: Revision(seen.modified),
            version: seen.ver,
            ..KeyValue::default()
        }
    }
}
