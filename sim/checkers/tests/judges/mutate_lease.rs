//! Corruptions of what is told about leases and the keys that hang on them.

use crate::{generate::Dice, mutate_watch::Corruption, store::SECOND};
use whitewater_api::{
    Completion, Error, Key, LeaseId, LeaseRequest, LeaseResponse, NodeId, Process, Request,
    RequestId, Response, Revision,
    request::PutRequest,
    response::Body,
    watch::{EventKind, WatchBody},
};
use whitewater_record::{History, Operation, SimTime, WatchMessage};

pub(crate) const CORRUPTIONS: &[(&str, Corruption, &[&str])] = &[
    (
        "a keep-alive of a young lease finds nothing",
        early_keep_alive,
        &["early-expiry", "revived-lease"],
    ),
    (
        "a question for a young lease finds nothing",
        early_question,
        &["early-expiry", "revived-lease"],
    ),
    ("a put on a young lease is refused", early_refusal, &["early-expiry", "revived-lease"]),
    (
        "a key of a young lease vanishes for a read",
        early_absence,
        &["early-expiry", "revived-lease"],
    ),
    (
        "a watch tells that a key of a young lease vanished",
        early_delete,
        &["early-expiry", "revived-lease"],
    ),
    ("a keep-alive succeeds after the revocation", revived, &["revived-lease"]),
    ("a lease is found long after its end", late_question, &["late-expiry"]),
    ("a key is found long after its lease's end", late_key, &["late-expiry"]),
    ("a key is seen after the revocation", outlived, &["outlived"]),
    ("keys go at two revisions", split, &["split-revocation"]),
    ("a put succeeds after the revocation", attached_after, &["attached-after-end"]),
    ("a put on a lease that nobody made", attached_to_nothing, &["attached-to-nothing"]),
    ("a read shows another lease", other_lease, &["wrong-attachment"]),
    ("a keep-alive answers for another lease", other_answer, &["wrong-lease-answer"]),
    ("a grant is too short", short, &["short-grant"]),
    ("a keep-alive tells another time to live", other_ttl, &["wrong-granted"]),
    ("a question tells another granted time", other_granted, &["wrong-granted"]),
    ("too much time is left", too_long, &["wrong-time-to-live"]),
    ("too little time is left", too_little, &["wrong-time-to-live"]),
    ("a key is not listed", unlisted, &["wrong-keys"]),
    ("a key is listed that hangs elsewhere", wrongly_listed, &["wrong-keys"]),
    ("a grant is refused for nothing", refused, &["unexplained-lease-exists"]),
    ("an id is granted twice", twice, &["double-grant"]),
    ("a lease is listed that nobody made", listed, &["wrong-lease-answer"]),
];

fn lease_answer(operation: &Operation) -> Option<&LeaseResponse> {
    match &operation.completion {
        Completion::Ok(Response { body: Body::Lease(answer), .. }) => Some(answer),
        _ => None,
    }
}

fn answer(history: &mut History, position: usize) -> &mut Response {
    match &mut history.operations[position].completion {
        Completion::Ok(response) => response,
        _ => panic!("not answered"),
    }
}

fn pick(
    history: &History,
    dice: &mut Dice,
    is_wanted: impl Fn(&Operation) -> bool,
) -> Option<usize> {
    let found = history.operations.iter().enumerate().filter(|(_, op)| is_wanted(op));
    dice.pick(&found.map(|(position, _)| position).collect::<Vec<_>>())
}

/// Acknowledged grants of ids that are never granted again.
fn grants(history: &History) -> Vec<(usize, LeaseId, i64)> {
    let made = |(position, operation): (usize, &Operation)| match lease_answer(operation)? {
        LeaseResponse::Grant { lease, ttl } => Some((position, *lease, *ttl)),
        _ => None,
    };
    let all: Vec<_> = history.operations.iter().enumerate().filter_map(made).collect();
    let is_single = |(_, lease, _): &(usize, LeaseId, i64)| {
        let asks = |op: &&Operation| matches!(op.request, Request::Lease(LeaseRequest::Grant { lease: asked, .. }) if asked == *lease);
        all.iter().filter(|other| other.1 == *lease).count() == 1
            && history.operations.iter().filter(asks).count() == 0
    };
    all.iter().filter(|grant| is_single(grant)).copied().collect()
}

/// Acknowledged revocations of such leases.
fn revokes(history: &History) -> Vec<(usize, LeaseId)> {
    let singles = grants(history);
    let found = history.operations.iter().enumerate().filter_map(|(position, operation)| {
        let Request::Lease(LeaseRequest::Revoke(lease)) = operation.request else { return None };
        lease_answer(operation)?;
        singles.iter().any(|(_, single, _)| *single == lease).then_some((position, lease))
    });
    found.collect()
}

fn is_revoked(history: &History, lease: LeaseId) -> bool {
    history.operations.iter().any(|op| op.request == Request::Lease(LeaseRequest::Revoke(lease)))
}

/// An operation of a process of its own at this moment.
fn insert(
    history: &mut History,
    at: u64,
    request: Request,
    completion: Completion<Response, Error>,
) {
    let process = Process(90_000 + history.operations.len() as u32);
    history.operations.push(Operation {
        id: RequestId { process, sequence: 0 },
        node: NodeId(1),
        invoked: SimTime(at),
        completed: SimTime(at + 1),
        request,
        completion,
        witness: None,
    });
}

fn ok(body: LeaseResponse, history: &History, at: u64) -> Completion<Response, Error> {
    Completion::Ok(Response { header: header(history, at), body: Body::Lease(body) })
}

/// The header that an answer would have at this moment.
fn header(history: &History, at: u64) -> whitewater_api::Header {
    let told = history.operations.iter().filter_map(|operation| match &operation.completion {
        Completion::Ok(response) if operation.completed.0 < at => Some(response.header),
        _ => None,
    });
    told.max_by_key(|header| header.revision).unwrap_or_default()
}

/// A lease that nobody revokes, and the moment just after its grant.
fn young(history: &History, dice: &mut Dice) -> Option<(LeaseId, u64)> {
    let all = grants(history).into_iter().filter(|(_, lease, _)| !is_revoked(history, *lease));
    let (grant, lease, _) = dice.pick(&all.collect::<Vec<_>>())?;
    Some((lease, history.operations[grant].completed.0 + SECOND / 10))
}

fn early_keep_alive(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (lease, at) = young(history, dice)?;
    let completion = ok(LeaseResponse::KeepAlive { lease, ttl: 0 }, history, at);
    insert(history, at, Request::Lease(LeaseRequest::KeepAlive(lease)), completion);
    Some(())
}

fn early_question(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (lease, at) = young(history, dice)?;
    let body = LeaseResponse::TimeToLive { lease, ttl: -1, granted: 0, keys: vec![] };
    let completion = ok(body, history, at);
    insert(
        history,
        at,
        Request::Lease(LeaseRequest::TimeToLive { lease, keys: false }),
        completion,
    );
    Some(())
}

fn early_refusal(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (lease, at) = young(history, dice)?;
    let put = PutRequest { lease, ..PutRequest::new("other", "refused") };
    insert(history, at, Request::Put(put), Completion::Fail(Error::LeaseNotFound));
    Some(())
}

/// A put on a young lease: its key, its revision and its completion.
fn attached(history: &History, dice: &mut Dice) -> Option<(LeaseId, Key, Revision, u64)> {
    let grants = grants(history);
    let puts = history.operations.iter().filter_map(|operation| {
        let (Request::Put(put), Completion::Ok(response)) =
            (&operation.request, &operation.completion)
        else {
            return None;
        };
        let (grant, lease, _) = *grants.iter().find(|(_, lease, _)| *lease == put.lease)?;
        let is_young = operation.completed.0 < history.operations[grant].completed.0 + SECOND / 2;
        (is_young && !is_revoked(history, lease))
            .then(|| (lease, put.key.clone(), response.header.revision, operation.completed.0))
    });
    dice.pick(&puts.collect::<Vec<_>>())
}

fn early_absence(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, key, revision, at) = attached(history, dice)?;
    let read =
        pick(history, dice, |operation| match (&operation.request, &operation.completion) {
            (Request::Range(_), Completion::Ok(Response { body: Body::Range(range), .. })) => {
                operation.completed.0 < at + SECOND / 2
                    && range.kvs.iter().any(|kv| kv.key == key && kv.mod_revision == revision)
            }
            _ => false,
        })?;
    if let Body::Range(range) = &mut answer(history, read).body {
        range.kvs.retain(|kv| kv.key != key);
        range.count -= 1;
    }
    Some(())
}

/// A watch is told that a key went with its lease; and just before, the lease was prolonged.
fn early_delete(history: &mut History, dice: &mut Dice) -> Option<()> {
    let grants = grants(history);
    let mut found = Vec::new();
    for row in &history.watches {
        let WatchMessage::Received(response) = &row.message else { continue };
        let WatchBody::Events { events, .. } = &response.body else { continue };
        for event in events.iter().filter(|event| event.kind == EventKind::Delete) {
            let revision = event.kv.mod_revision;
            if found.iter().any(|(_, _, _, other)| *other == revision) || made(history, revision) {
                continue;
            }
            let Some(prev) = &event.prev_kv else { continue };
            let grant = grants.iter().find(|(_, lease, _)| *lease == prev.lease);
            if let Some((_, lease, ttl)) =
                grant.filter(|(_, lease, _)| !is_revoked(history, *lease))
            {
                found.push((row.at.0 - SECOND / 20, *lease, *ttl, revision));
            }
        }
    }
    let (at, lease, ttl, _) = dice.pick(&found)?;
    let completion = ok(LeaseResponse::KeepAlive { lease, ttl }, history, at);
    insert(history, at, Request::Lease(LeaseRequest::KeepAlive(lease)), completion);
    Some(())
}

/// Whether an answer says that its request made this revision.
fn made(history: &History, revision: Revision) -> bool {
    history.operations.iter().any(|operation| match &operation.completion {
        Completion::Ok(response) => {
            response.header.revision == revision && !operation.request.is_read()
        }
        _ => false,
    })
}

fn revived(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (revoke, lease) = dice.pick(&revokes(history))?;
    let at = history.operations[revoke].completed.0 + 1;
    let (_, _, ttl) = *grants(history).iter().find(|(_, single, _)| *single == lease)?;
    let completion = ok(LeaseResponse::KeepAlive { lease, ttl }, history, at);
    insert(history, at, Request::Lease(LeaseRequest::KeepAlive(lease)), completion);
    Some(())
}

const LATE: u64 = 1_000 * SECOND;

fn late_question(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, lease, granted) = dice.pick(&grants(history))?;
    if is_revoked(history, lease) {
        return None;
    }
    let body = LeaseResponse::TimeToLive { lease, ttl: 1, granted, keys: vec![] };
    let completion = ok(body, history, LATE);
    insert(
        history,
        LATE,
        Request::Lease(LeaseRequest::TimeToLive { lease, keys: false }),
        completion,
    );
    Some(())
}

/// A read of a key on a lease: position, lease, and place of the key.
fn leased(
    history: &History,
    dice: &mut Dice,
    leases: &[LeaseId],
) -> Option<(usize, LeaseId, usize)> {
    let mut found = Vec::new();
    for (position, operation) in history.operations.iter().enumerate() {
        let (Request::Range(request), Completion::Ok(response)) =
            (&operation.request, &operation.completion)
        else {
            continue;
        };
        let Body::Range(range) = &response.body else { continue };
        for (place, kv) in range.kvs.iter().enumerate() {
            if leases.contains(&kv.lease) && !request.serializable {
                found.push((position, kv.lease, place));
            }
        }
    }
    dice.pick(&found)
}

fn late_key(history: &mut History, dice: &mut Dice) -> Option<()> {
    let all = grants(history).into_iter().map(|(_, lease, _)| lease);
    let free: Vec<LeaseId> = all.filter(|lease| !is_revoked(history, *lease)).collect();
    let (read, _, _) = leased(history, dice, &free)?;
    let late = history.operations[read].clone();
    insert(history, LATE, late.request, late.completion);
    Some(())
}

fn outlived(history: &mut History, dice: &mut Dice) -> Option<()> {
    let revokes = revokes(history);
    let leases: Vec<LeaseId> = revokes.iter().map(|(_, lease)| *lease).collect();
    let (read, lease, _) = leased(history, dice, &leases)?;
    let (revoke, _) = revokes.iter().find(|(_, other)| *other == lease)?;
    let revision = answer(history, *revoke).header.revision;
    answer(history, read).header.revision = revision;
    Some(())
}

fn split(history: &mut History, _: &mut Dice) -> Option<()> {
    let revokes = revokes(history);
    let made: Vec<Revision> = history
        .operations
        .iter()
        .filter_map(|operation| match &operation.completion {
            Completion::Ok(response) if !operation.request.is_read() => {
                Some(response.header.revision)
            }
            _ => None,
        })
        .collect();
    // The revocation says another revision than watches do.
    for (revoke, _) in revokes {
        let revision = answer(history, revoke).header.revision;
        let tells = |row: &whitewater_record::WatchRow| match &row.message {
            WatchMessage::Received(response) => match &response.body {
                WatchBody::Events { events, .. } => events.iter().any(|event| {
                    event.kv.mod_revision == revision && event.kind == EventKind::Delete
                }),
                _ => false,
            },
            _ => false,
        };
        if history.watches.iter().any(tells) && made.iter().filter(|r| **r == revision).count() == 1
        {
            answer(history, revoke).header.revision = Revision(revision.0 - 1);
            return Some(());
        }
    }
    None
}

fn attached_after(history: &mut History, dice: &mut Dice) -> Option<()> {
    let revokes = revokes(history);
    let (revoke, lease) = dice.pick(&revokes)?;
    let revision = answer(history, revoke).header.revision;
    let put = pick(history, dice, |operation| match (&operation.request, &operation.completion) {
        (Request::Put(put), Completion::Ok(response)) => {
            put.lease == LeaseId::NONE && response.header.revision > revision
        }
        _ => false,
    })?;
    let Request::Put(put) = &mut history.operations[put].request else { return None };
    put.lease = lease;
    // No answer may show it: that would be another corruption.
    let value = put.value.clone();
    let shows = |operation: &Operation| {
        format!("{:?}", operation.completion).contains(&format!(" {value},"))
    };
    (!history.operations.iter().any(shows)).then_some(())
}

fn attached_to_nothing(history: &mut History, dice: &mut Dice) -> Option<()> {
    let put = pick(history, dice, |operation| {
        matches!((&operation.request, &operation.completion), (Request::Put(_), Completion::Ok(_)))
    })?;
    let Request::Put(put) = &mut history.operations[put].request else { return None };
    put.lease = LeaseId(666);
    let value = put.value.clone();
    let shows = |operation: &Operation| {
        format!("{:?}", operation.completion).contains(&format!(" {value},"))
    };
    (!history.operations.iter().any(shows)).then_some(())
}

fn other_lease(history: &mut History, dice: &mut Dice) -> Option<()> {
    let all: Vec<LeaseId> = grants(history).into_iter().map(|(_, lease, _)| lease).collect();
    let (read, _, place) = leased(history, dice, &all)?;
    if let Body::Range(range) = &mut answer(history, read).body {
        range.kvs[place].lease = LeaseId::NONE;
    }
    Some(())
}

fn kept(history: &History, dice: &mut Dice) -> Option<usize> {
    let singles = grants(history);
    pick(history, dice, |operation| match lease_answer(operation) {
        Some(LeaseResponse::KeepAlive { lease, ttl }) => {
            *ttl > 0 && singles.iter().any(|(_, single, _)| single == lease)
        }
        _ => false,
    })
}

fn other_answer(history: &mut History, dice: &mut Dice) -> Option<()> {
    let keep = kept(history, dice)?;
    if let Body::Lease(LeaseResponse::KeepAlive { lease, .. }) = &mut answer(history, keep).body {
        *lease = LeaseId(lease.0 + 1);
    }
    Some(())
}

fn short(history: &mut History, dice: &mut Dice) -> Option<()> {
    let grant =
        pick(history, dice, |op| matches!(lease_answer(op), Some(LeaseResponse::Grant { .. })))?;
    if let Body::Lease(LeaseResponse::Grant { ttl, .. }) = &mut answer(history, grant).body {
        *ttl = 0;
    }
    Some(())
}

fn other_ttl(history: &mut History, dice: &mut Dice) -> Option<()> {
    let keep = kept(history, dice)?;
    if let Body::Lease(LeaseResponse::KeepAlive { ttl, .. }) = &mut answer(history, keep).body {
        *ttl += 1;
    }
    Some(())
}

fn question(
    history: &History,
    dice: &mut Dice,
    is_wanted: impl Fn(LeaseId, i64, &[Key]) -> bool,
) -> Option<usize> {
    let singles = grants(history);
    pick(history, dice, |operation| match lease_answer(operation) {
        Some(LeaseResponse::TimeToLive { lease, ttl, keys, .. }) => {
            *ttl >= 0
                && singles.iter().any(|(_, single, _)| single == lease)
                && is_wanted(*lease, *ttl, keys)
        }
        _ => false,
    })
}

fn other_granted(history: &mut History, dice: &mut Dice) -> Option<()> {
    let asked = question(history, dice, |_, _, _| true)?;
    if let Body::Lease(LeaseResponse::TimeToLive { granted, .. }) = &mut answer(history, asked).body
    {
        *granted += 1;
    }
    Some(())
}

fn too_long(history: &mut History, dice: &mut Dice) -> Option<()> {
    let asked = question(history, dice, |_, _, _| true)?;
    if let Body::Lease(LeaseResponse::TimeToLive { ttl, .. }) = &mut answer(history, asked).body {
        *ttl = 100_000;
    }
    Some(())
}

fn too_little(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (grant, lease, granted) = dice.pick(&grants(history))?;
    if granted < 4 || is_revoked(history, lease) {
        return None;
    }
    let at = history.operations[grant].completed.0 + SECOND / 10;
    let body = LeaseResponse::TimeToLive { lease, ttl: 1, granted, keys: vec![] };
    let completion = ok(body, history, at);
    insert(
        history,
        at,
        Request::Lease(LeaseRequest::TimeToLive { lease, keys: false }),
        completion,
    );
    Some(())
}

fn unlisted(history: &mut History, dice: &mut Dice) -> Option<()> {
    let asked = question(history, dice, |lease, ttl, keys| {
        ttl > 1 && !keys.is_empty() && !is_revoked(history, lease)
    })?;
    // Only if nobody works on the keys at the time.
    let (from, to) = (history.operations[asked].invoked, history.operations[asked].completed);
    let busy = history
        .operations
        .iter()
        .any(|op| !op.request.is_read() && op.invoked <= to && op.completed >= from);
    if busy {
        return None;
    }
    if let Body::Lease(LeaseResponse::TimeToLive { keys, .. }) = &mut answer(history, asked).body {
        keys.pop();
    }
    Some(())
}

fn wrongly_listed(history: &mut History, dice: &mut Dice) -> Option<()> {
    let asked =
        question(history, dice, |_, _, keys| !keys.iter().any(|key| *key == Key::from("zz")))?;
    if let Body::Lease(LeaseResponse::TimeToLive { keys, .. }) = &mut answer(history, asked).body {
        keys.push("zz".into());
    }
    let Request::Lease(LeaseRequest::TimeToLive { keys, .. }) =
        &mut history.operations[asked].request
    else {
        return None;
    };
    *keys = true;
    Some(())
}

fn refused(history: &mut History, dice: &mut Dice) -> Option<()> {
    let at = dice.pick(&[2 * SECOND, 3 * SECOND])?;
    let request = Request::Lease(LeaseRequest::Grant { lease: LeaseId(31_337), ttl: 3 });
    insert(history, at, request, Completion::Fail(Error::LeaseExists));
    Some(())
}

fn twice(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (lease, at) = young(history, dice)?;
    let completion = ok(LeaseResponse::Grant { lease, ttl: 3 }, history, at);
    insert(history, at, Request::Lease(LeaseRequest::Grant { lease, ttl: 3 }), completion);
    Some(())
}

fn listed(history: &mut History, dice: &mut Dice) -> Option<()> {
    let list = pick(history, dice, |op| matches!(lease_answer(op), Some(LeaseResponse::List(_))))?;
    if let Body::Lease(LeaseResponse::List(leases)) = &mut answer(history, list).body {
        leases.push(LeaseId(31_337));
    }
    Some(())
}
