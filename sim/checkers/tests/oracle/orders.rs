//! Every order there is of a tiny history.

use crate::{generate::shown, spec::Spec};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{
    Body, Completion, Error, Header, Key, LeaseId, LeaseRequest, LeaseResponse, NodeId, Request,
    Response, Revision, Value,
    request::{CompareTarget, PutRequest, TxnOp, TxnRequest},
    response::TxnOpResponse,
};
use whitewater_record::{History, Operation};

/// Tokens to revisions, one to one.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    revisions: BTreeMap<u64, u64>,
    /// By token that named no revision when it was compared with: the newest one then.
    later: BTreeMap<u64, u64>,
}

impl Tokens {
    pub(crate) fn bind(&mut self, token: u64, revision: u64) -> bool {
        let is_new = !self.revisions.contains_key(&token);
        let is_taken = self.revisions.values().any(|other| *other == revision);
        let is_early = self.later.get(&token).is_some_and(|later| revision <= *later);
        if is_new && (is_taken || is_early) {
            return false;
        }
        *self.revisions.entry(token).or_insert(revision) == revision
    }

    /// What the tokens that a request compares with may name, up to the newest revision.
    fn readings(&self, request: &Request, newest: u64) -> Vec<Self> {
        let mut readings = vec![self.clone()];
        for token in compared(request).into_iter().map(|(_, token)| token) {
            if self.revisions.contains_key(&token) {
                continue;
            }
            for mut reading in std::mem::take(&mut readings) {
                for revision in 2..=newest {
                    let mut bound = reading.clone();
                    if bound.bind(token, revision) {
                        readings.push(bound);
                    }
                }
                if !reading.revisions.contains_key(&token) {
                    reading.later.insert(token, newest);
                }
                readings.push(reading);
            }
        }
        readings
    }
}

/// Whether some order of the operations, with leases that end in between, explains all answers: to the letter, or up to
/// the naming of revisions. Then reads of the past say nothing, and of what they and stale reads show only who put it.
pub(crate) fn explains(history: &History, is_exact: bool) -> bool {
    explained(history, is_exact, |_| false)
}

/// The same to the letter, and of refusals: of keys that were not there, and of revisions that did not exist yet.
pub(crate) fn explains_refusals(history: &History) -> bool {
    explained(history, true, |error| {
        matches!(error, Error::KeyNotFound | Error::FutureRevision { .. })
    })
}

fn explained(history: &History, is_exact: bool, is_asked: fn(&Error) -> bool) -> bool {
    let is_refused =
        |op: &Operation| matches!(&op.completion, Completion::Fail(error) if !is_asked(error));
    let is_past =
        |request: &Request| matches!(request, Request::Range(range) if range.revision.0 != 0);
    let open: Vec<usize> = (0..history.operations.len())
        .filter(|i| {
            let op = &history.operations[*i];
            (is_exact || !is_past(&op.request)) && !is_stale(op) && !is_refused(op)
        })
        .collect();
    let mut spec = Spec::new();
    spec.leases = from_before(history);
    let told = if is_exact { BTreeMap::new() } else { Told::new(history).aside };
    Orders { history, is_exact, told }.extend(&open, &spec, &Tokens::default())
}

struct Orders<'a> {
    history: &'a History,
    is_exact: bool,
    /// By operation of unknown outcome: the token that only reads of the past tell.
    told: BTreeMap<usize, u64>,
}

impl Orders<'_> {
    fn extend(&self, open: &[usize], spec: &Spec, tokens: &Tokens) -> bool {
        let operations = &self.history.operations;
        let returns = open.iter().map(|i| &operations[*i]).filter(|op| !is_unknown(op));
        let Some(first_return) = returns.map(|op| op.completed).min() else { return true };
        let next = open.iter().any(|i| {
            let op = &operations[*i];
            if op.invoked > first_return {
                return false;
            }
            let rest: Vec<usize> = open.iter().copied().filter(|other| other != i).collect();
            let readings = if self.is_exact {
                vec![tokens.clone()]
            } else {
                tokens.readings(&op.request, spec.revision())
            };
            readings.into_iter().any(|mut tokens| {
                let mut spec = spec.clone();
                self.fits(*i, &mut spec, &mut tokens) && self.extend(&rest, &spec, &tokens)
            })
        });
        next || spec.leases.iter().any(|lease| {
            let mut spec = spec.clone();
            spec.end(*lease);
            self.extend(open, &spec, tokens)
        })
    }

    /// Executes an operation. Whether it can have given its answer.
    fn fits(&self, i: usize, spec: &mut Spec, tokens: &mut Tokens) -> bool {
        let op = &self.history.operations[i];
        let before = spec.revision();
        let mut request =
            if self.is_exact { op.request.clone() } else { translate(&op.request, tokens) };
        if let Request::Lease(LeaseRequest::Grant { lease, .. }) = &mut request {
            // Where the cluster was to pick, it picked what it told, or what nobody knows.
            *lease = granted(op).unwrap_or(LeaseId(i64::MAX - spec.revision().cast_signed()));
        }
        let answer = match (attempt(spec, &request), &op.completion) {
            (Ok(answer), Completion::Ok(_) | Completion::Info(_)) => answer,
            (Err(error), Completion::Fail(told)) => return error == *told,
            (Ok(_), Completion::Fail(_)) | (Err(_), _) => return false,
        };
        let wrote = spec.revision() > before;
        match &op.completion {
            Completion::Ok(told) if self.is_exact => {
                let is_grant = matches!(op.request, Request::Lease(LeaseRequest::Grant { .. }));
                // The header of a grant may be of a later revision.
                let is_later = told.header.revision >= answer.header.revision;
                told.body == answer.body && (is_grant && is_later || told.header == answer.header)
            }
            Completion::Ok(told) => {
                let binds = wrote && !matches!(told.body, Body::Lease(_));
                same(told, &answer, binds, tokens)
            }
            _ => {
                let told = self.told.get(&i).filter(|_| wrote);
                told.is_none_or(|token| tokens.bind(*token, spec.revision()))
            }
        }
    }
}

/// The lease that was granted, or would have been, if anybody knows.
fn granted(op: &Operation) -> Option<LeaseId> {
    let Request::Lease(LeaseRequest::Grant { lease, .. }) = op.request else { return None };
    let picked = match &op.completion {
        Completion::Ok(Response {
            body: Body::Lease(LeaseResponse::Grant { lease, .. }), ..
        }) => *lease,
        _ => LeaseId::NONE,
    };
    [lease, picked].into_iter().find(|lease| *lease != LeaseId::NONE)
}

fn is_unknown(op: &Operation) -> bool {
    matches!(op.completion, Completion::Info(_))
}

fn is_stale(op: &Operation) -> bool {
    matches!(&op.request, Request::Range(range) if range.serializable)
}

/// What the store answers, to reads of the past and compactions as well.
pub(crate) fn attempt(spec: &mut Spec, request: &Request) -> Result<Response, Error> {
    let header =
        Header { node: NodeId(1), revision: Revision(spec.revision()), ..Header::default() };
    match request {
        Request::Range(range) if range.revision.0 > spec.revision() => {
            Err(Error::FutureRevision { current: header.revision })
        }
        Request::Range(range) if range.revision.0 != 0 => {
            Ok(Response { header, ..spec.read_at(range, range.revision.0) })
        }
        Request::Compact(_) => Ok(Response { header, body: Body::Compact }),
        request => spec.attempt(request),
    }
}

/// Compares speak in tokens. One that nobody has bound names no revision.
pub(crate) fn translate(request: &Request, tokens: &Tokens) -> Request {
    let mut request = request.clone();
    if let Request::Txn(txn) = &mut request {
        translate_txn(txn, tokens);
    }
    request
}

fn translate_txn(txn: &mut TxnRequest, tokens: &Tokens) {
    for compare in &mut txn.compares {
        if let CompareTarget::Mod(r) | CompareTarget::Create(r) = &mut compare.target
            && r.0 != 0
        {
            *r = Revision(tokens.revisions.get(&r.0).copied().unwrap_or(u64::MAX));
        }
    }
    for op in txn.success.iter_mut().chain(&mut txn.failure) {
        if let TxnOp::Txn(inner) = op {
            translate_txn(inner, tokens);
        }
    }
}

pub(crate) fn same(told: &Response, is: &Response, wrote: bool, tokens: &mut Tokens) -> bool {
    if wrote && !tokens.bind(told.header.revision.0, is.header.revision.0) {
        return false;
    }
    let (a, b) = (shown(&told.body), shown(&is.body));
    let is_bound = a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| {
            tokens.bind(a.mod_revision.0, b.mod_revision.0)
                && tokens.bind(a.create_revision.0, b.create_revision.0)
        });
    let blank = |response: &Response| {
        let mut response = response.clone();
        response.header.revision = Revision(0);
        let mut text = serde_json::to_value(&response.body).unwrap();
        erase(&mut text);
        text
    };
    is_bound && blank(told) == blank(is)
}

fn erase(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|name, _| name != "mod_revision" && name != "create_revision");
            fields.values_mut().for_each(erase);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(erase),
        _ => {}
    }
}

/// The puts of a request, in either branch.
fn puts(request: &Request) -> Vec<&PutRequest> {
    fn collect<'a>(txn: &'a TxnRequest, puts: &mut Vec<&'a PutRequest>) {
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Put(put) => puts.push(put),
                TxnOp::Txn(inner) => collect(inner, puts),
                TxnOp::Range(_) | TxnOp::DeleteRange(_) => {}
            }
        }
    }
    let mut puts = Vec::new();
    match request {
        Request::Put(put) => puts.push(put),
        Request::Txn(txn) => collect(txn, &mut puts),
        _ => {}
    }
    puts
}

/// The revisions that a request compares with those of keys.
fn compared(request: &Request) -> Vec<(&Key, u64)> {
    fn collect<'a>(txn: &'a TxnRequest, compared: &mut Vec<(&'a Key, u64)>) {
        for compare in &txn.compares {
            if let CompareTarget::Mod(r) | CompareTarget::Create(r) = &compare.target
                && r.0 != 0
            {
                compared.push((&compare.range.start, r.0));
            }
        }
        for op in txn.success.iter().chain(&txn.failure) {
            if let TxnOp::Txn(inner) = op {
                collect(inner, compared);
            }
        }
    }
    let mut all = Vec::new();
    if let Request::Txn(txn) = request {
        collect(txn, &mut all);
    }
    all
}

/// Whether an answer says that something was written.
fn has_written(body: &Body) -> bool {
    fn within(response: &TxnOpResponse) -> bool {
        match response {
            TxnOpResponse::Put(_) => true,
            TxnOpResponse::DeleteRange(delete) => delete.deleted > 0,
            TxnOpResponse::Txn(txn) => txn.responses.iter().any(within),
            TxnOpResponse::Range(_) => false,
        }
    }
    match body {
        Body::Put(_) => true,
        Body::DeleteRange(delete) => delete.deleted > 0,
        Body::Txn(txn) => txn.responses.iter().any(within),
        _ => false,
    }
}

/// The leases that are named, and that nobody asked for: they may be older than the record.
pub(crate) fn from_before(history: &History) -> BTreeSet<i64> {
    let happened = || {
        let all = history.operations.iter();
        all.filter(|op| !matches!(op.completion, Completion::Fail(_))).map(|op| &op.request)
    };
    let mut leases = BTreeSet::new();
    for request in happened() {
        leases.extend(puts(request).into_iter().map(|put| put.lease));
        if let Request::Lease(LeaseRequest::Revoke(lease)) = request {
            leases.insert(*lease);
        }
    }
    let is_happened = |op: &&Operation| !matches!(op.completion, Completion::Fail(_));
    for lease in history.operations.iter().filter(is_happened).filter_map(granted) {
        leases.remove(&lease);
    }
    leases.remove(&LeaseId::NONE);
    leases.into_iter().map(|lease| lease.0).collect()
}

/// Which answers tell the revision of a write.
struct Told {
    /// Operations of unknown outcome of which an answer of the newest state tells.
    seen: BTreeSet<usize>,
    /// Those of which only a read of the past does, and the token.
    aside: BTreeMap<usize, u64>,
    tokens: BTreeSet<u64>,
    /// By key: whether some put may have kept its value.
    kept: BTreeSet<Key>,
}

impl Told {
    fn new(history: &History) -> Self {
        let mut told = Self {
            seen: BTreeSet::new(),
            aside: BTreeMap::new(),
            tokens: BTreeSet::new(),
            kept: BTreeSet::new(),
        };
        let mut writers: BTreeMap<(&Key, &Value), usize> = BTreeMap::new();
        let (mut news, mut past) = (Vec::new(), Vec::new());
        for (i, op) in history.operations.iter().enumerate() {
            if matches!(op.completion, Completion::Fail(_)) {
                continue;
            }
            for put in puts(&op.request) {
                writers.insert((&put.key, &put.value), i);
                told.kept.extend(put.ignore_value.then(|| put.key.clone()));
            }
            let Completion::Ok(answer) = &op.completion else { continue };
            let is_past = matches!(&op.request, Request::Range(range) if range.revision.0 != 0);
            if is_stale(op) || is_past {
                past.extend(shown(&answer.body));
                continue;
            }
            news.extend(shown(&answer.body));
            if has_written(&answer.body) {
                told.tokens.insert(answer.header.revision.0);
            }
        }
        let writer = |key, value| {
            let writer: Option<usize> = writers.get(&(key, value)).copied();
            writer.filter(|i| is_unknown(&history.operations[*i]))
        };
        for kv in news {
            told.tokens.insert(kv.mod_revision.0);
            told.seen.extend(writer(&kv.key, &kv.value));
        }
        for kv in past {
            let Some(writer) = writer(&kv.key, &kv.value) else { continue };
            let is_told = told.seen.contains(&writer) || told.aside.contains_key(&writer);
            if !is_told && !told.kept.contains(&kv.key) && told.tokens.insert(kv.mod_revision.0) {
                told.aside.insert(writer, kv.mod_revision.0);
            }
        }
        told
    }
}
