//! Answers and messages of watches in a few words.

use whitewater_api::{
    Body, Completion, End, Error, KeyRange, KeyValue, Request, Response, WatchResponse,
    auth::AuthResponse,
    lease::LeaseResponse,
    maintenance::MaintenanceResponse,
    request::{TxnOp, TxnRequest},
    response::TxnOpResponse,
    watch::{EventKind, WatchBody},
};

/// Keys of an answer that are shown.
const KEYS_MAX: usize = 8;

/// What came of an operation.
pub(super) fn answer(completion: &Completion<Response, Error>) -> String {
    match completion {
        Completion::Ok(response) => body(&response.body),
        Completion::Fail(error) => format!("refused: {error}"),
        Completion::Info(error) => format!("unknown: {error}"),
    }
}

fn body(body: &Body) -> String {
    match body {
        Body::Put(_) => "done".to_owned(),
        Body::Range(range) if range.kvs.is_empty() => format!("{} keys", range.count),
        Body::Range(range) => kvs(&range.kvs),
        Body::DeleteRange(delete) => format!("deleted {}", delete.deleted),
        Body::Txn(txn) => {
            let word = if txn.succeeded { "succeeded" } else { "failed" };
            let parts: Vec<String> = txn.responses.iter().filter_map(part).collect();
            if parts.is_empty() { word.to_owned() } else { format!("{word}; {}", parts.join("; ")) }
        }
        Body::Compact => "compacted".to_owned(),
        Body::Lease(answer) => lease(answer),
        Body::Maintenance(answer) => maintenance(answer),
        Body::Member(members) => format!("voters {:?}", members.voters),
        Body::MoveLeader => "moved".to_owned(),
        Body::Auth(answer) => auth(answer),
        Body::Cluster(members) => {
            let ids: Vec<String> = members.iter().map(|member| member.id.to_string()).collect();
            format!("members {}", ids.join(", "))
        }
    }
}

fn lease(answer: &LeaseResponse) -> String {
    match answer {
        LeaseResponse::Grant { lease, ttl } => format!("{lease} for {ttl}s"),
        LeaseResponse::Revoke => "revoked".to_owned(),
        // As etcd says it.
        LeaseResponse::KeepAlive { ttl: ..=0, .. } | LeaseResponse::TimeToLive { ttl: ..0, .. } => {
            "no such lease".to_owned()
        }
        LeaseResponse::KeepAlive { ttl, .. } => format!("for {ttl}s"),
        LeaseResponse::TimeToLive { ttl, granted, keys, .. } => {
            format!("{ttl}s of {granted}s are left, keys: {}", words(keys))
        }
        LeaseResponse::List(leases) => words(leases),
    }
}

fn maintenance(answer: &MaintenanceResponse) -> String {
    match answer {
        MaintenanceResponse::Defragment { before, after } => {
            format!("{after} bytes instead of {before}")
        }
        MaintenanceResponse::Hash(hash) => format!("{hash:08x}"),
        MaintenanceResponse::Backup { bytes, remaining, .. } => {
            format!("{} bytes, {remaining} to follow", bytes.len())
        }
        MaintenanceResponse::Alarm(alarms) if alarms.is_empty() => "no alarm".to_owned(),
        MaintenanceResponse::Status(_)
        | MaintenanceResponse::Alarm(_)
        | MaintenanceResponse::HashKv(_)
        | MaintenanceResponse::CheckCorruption { .. } => format!("{answer:?}"),
    }
}

fn auth(answer: &AuthResponse) -> String {
    match answer {
        AuthResponse::Done => "done".to_owned(),
        AuthResponse::Status { enabled, revision } => {
            format!("{} at {revision:?}", if *enabled { "enabled" } else { "disabled" })
        }
        AuthResponse::Token(_) => "a token".to_owned(),
        AuthResponse::Users(names) | AuthResponse::Roles(names) => words(names),
        AuthResponse::Permissions(_) => format!("{answer:?}"),
    }
}

/// The first of them.
fn words(all: &[impl ToString]) -> String {
    let mut words: Vec<String> = all.iter().take(KEYS_MAX).map(ToString::to_string).collect();
    match all.len().saturating_sub(KEYS_MAX) {
        0 if words.is_empty() => words.push("none".to_owned()),
        0 => {}
        more => words.push(format!("{more} more")),
    }
    words.join(", ")
}

fn part(response: &TxnOpResponse) -> Option<String> {
    match response {
        TxnOpResponse::Put(_) => None,
        TxnOpResponse::Range(range) => Some(kvs(&range.kvs)),
        TxnOpResponse::DeleteRange(delete) => Some(format!("deleted {}", delete.deleted)),
        TxnOpResponse::Txn(txn) => Some(body(&Body::Txn(txn.clone()))),
    }
}

fn kvs(kvs: &[KeyValue]) -> String {
    let mut words: Vec<String> = kvs.iter().take(KEYS_MAX).map(kv).collect();
    match kvs.len().saturating_sub(KEYS_MAX) {
        0 if words.is_empty() => words.push("nothing".to_owned()),
        0 => {}
        more => words.push(format!("{more} more")),
    }
    words.join(", ")
}

fn kv(kv: &KeyValue) -> String {
    format!("{} = {} ({})", kv.key, kv.value, kv.mod_revision)
}

/// What a member says on a stream of watches.
pub(super) fn told(response: &WatchResponse) -> String {
    let watch = response.watch;
    match &response.body {
        WatchBody::Created => format!("{watch} is open"),
        WatchBody::Events { events, .. } => {
            let word = |kind| if kind == EventKind::Put { "put" } else { "delete" };
            let shown = events.iter().take(KEYS_MAX);
            let mut words: Vec<String> =
                shown.map(|event| format!("{} {}", word(event.kind), kv(&event.kv))).collect();
            if let Some(more @ 1..) = events.len().checked_sub(KEYS_MAX) {
                words.push(format!("{more} more"));
            }
            format!("{watch}: {}", words.join(", "))
        }
        WatchBody::Progress => format!("{watch}: all is told up to {}", response.header.revision),
        WatchBody::Canceled(reason) => format!("{watch} has ended: {reason:?}"),
    }
}

/// The revisions that a message on a stream of watches tells of.
pub(super) fn revisions(response: &WatchResponse) -> Vec<u64> {
    let WatchBody::Events { events, .. } = &response.body else { return Vec::new() };
    let mut revisions: Vec<u64> = events.iter().map(|event| event.kv.mod_revision.0).collect();
    revisions.dedup();
    revisions
}

/// The keys that a request names, as they are printed; a range by its first one.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are about no key")]
pub(super) fn keys(request: &Request) -> Vec<String> {
    match request {
        Request::Put(put) => vec![put.key.to_string()],
        Request::Range(range) => vec![first(&range.range)],
        Request::DeleteRange(delete) => vec![first(&delete.range)],
        Request::Txn(txn) => {
            let mut keys = Vec::new();
            of_txn(txn, &mut keys);
            keys.sort();
            keys.dedup();
            keys
        }
        _ => Vec::new(),
    }
}

fn of_txn(txn: &TxnRequest, keys: &mut Vec<String>) {
    keys.extend(txn.compares.iter().map(|compare| first(&compare.range)));
    for operation in txn.success.iter().chain(&txn.failure) {
        match operation {
            TxnOp::Put(put) => keys.push(put.key.to_string()),
            TxnOp::Range(range) => keys.push(first(&range.range)),
            TxnOp::DeleteRange(delete) => keys.push(first(&delete.range)),
            TxnOp::Txn(txn) => of_txn(txn, keys),
        }
    }
}

fn first(range: &KeyRange) -> String {
    match range.end {
        End::Single => range.start.to_string(),
        End::Before(_) | End::Unbounded => format!("{}\u{2026}", range.start),
    }
}
