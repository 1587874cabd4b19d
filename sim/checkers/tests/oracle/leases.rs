//! Leases make revisions of their own: when they are revoked, and when they expire, which is no client's operation.

use crate::{
    config, dice,
    generate::{Dice, Draft, SMALL, Shape, drafts, shown},
    in_turn,
    orders::{attempt, explains},
    spec::Spec,
    text,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use whitewater_api::{
    Body, Completion, Error, Header, Key, KeyRange, KeyValue, LeaseId, LeaseRequest, LeaseResponse,
    NodeId, Process, Request, RequestId, Response, Revision,
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Relation, TxnOp,
        TxnRequest,
    },
    response::{PutResponse, RangeResponse},
};
use whitewater_checkers::{Budget, Judgement, Ruling, judge, search};
use whitewater_record::{History, Operation, SimTime};

/// Of 1000 operations, how many find that a lease has expired meanwhile.
const EXPIRIES: u64 = 120;

/// A history with leases, right by construction.
pub(crate) fn history(shape: Shape, dice: &mut Dice) -> History {
    history_of(shape, dice, Client::request)
}

/// The same of other requests.
pub(crate) fn history_of(
    shape: Shape,
    dice: &mut Dice,
    request: fn(&mut Client, Shape, usize, &mut Dice) -> Request,
) -> History {
    let mut drafts = drafts(shape, dice);
    drafts.sort_by_key(|draft| draft.at.unwrap_or(draft.invoked));
    let mut client = Client { spec: Spec::new(), granted: Vec::new(), last: BTreeMap::new() };
    let mut operations = Vec::new();
    for (i, draft) in drafts.iter().enumerate() {
        if dice.chance(EXPIRIES)
            && let Some(lease) = dice.pick(&client.granted)
        {
            client.spec.end(lease);
        }
        let request = request(&mut client, shape, i, dice);
        operations.push(client.perform(request, draft, dice));
    }
    if shape.has_final_read {
        let end = operations.iter().map(|op| op.completed.0).max().unwrap_or(0) + 10;
        let draft = Draft {
            id: RequestId { process: Process(1_000_000), sequence: 0 },
            invoked: end,
            at: Some(end),
            completed: end + 10,
            refused: false,
            unknown: false,
        };
        let request = Request::Range(RangeRequest::new(KeyRange::prefix("k")));
        operations.push(client.perform(request, &draft, dice));
    }
    operations.sort_by_key(|operation| (operation.invoked, operation.id));
    History { operations, ..History::default() }
}

pub(crate) struct Client {
    pub(crate) spec: Spec,
    pub(crate) granted: Vec<i64>,
    last: BTreeMap<Key, u64>,
}

impl Client {
    fn perform(&mut self, request: Request, draft: &Draft, dice: &mut Dice) -> Operation {
        let response = draft.at.map(|_| match &request {
            Request::Range(range) if range.serializable => {
                let back = dice.below(4).min(self.spec.revision() - 1);
                Ok(self.spec.read_at(range, self.spec.revision() - back))
            }
            request => attempt(&mut self.spec, request),
        });
        let completion = match response {
            _ if draft.unknown => Completion::Info(Error::TimedOut),
            _ if draft.refused => Completion::Fail(Error::NoLeader),
            Some(Ok(response)) => {
                for kv in shown(&response.body) {
                    self.last.insert(kv.key.clone(), kv.mod_revision.0);
                }
                Completion::Ok(response)
            }
            Some(Err(error)) => Completion::Fail(error),
            None => unreachable!("an answered operation was executed"),
        };
        Operation {
            id: draft.id,
            node: NodeId(1),
            invoked: SimTime(draft.invoked),
            completed: SimTime(draft.completed),
            request,
            completion,
            witness: None,
        }
    }

    pub(crate) fn request(&mut self, shape: Shape, i: usize, dice: &mut Dice) -> Request {
        let key = Key::from(format!("k{}", dice.below(shape.keys)));
        let value = format!("v{i}");
        let lease = LeaseId(dice.pick(&self.granted).unwrap_or_default());
        let get = RangeRequest::new(KeyRange::single(key.clone()));
        let put = PutRequest::new(key.clone(), value.as_str());
        let on_lease = PutRequest { lease, ..put.clone() };
        let other = PutRequest { value: format!("w{i}").as_str().into(), ..on_lease.clone() };
        let compare = |target| Compare {
            range: KeyRange::single(key.clone()),
            relation: Relation::Equal,
            target,
        };
        match dice.below(100) {
            0..12 => {
                // Now and then an id that was used before.
                let is_again = dice.chance(150) && lease != LeaseId::NONE;
                let id = if is_again { lease } else { LeaseId(1 + i64::try_from(i).unwrap()) };
                if !is_again {
                    self.granted.push(id.0);
                }
                Request::Lease(LeaseRequest::Grant { lease: id, ttl: 10 })
            }
            12..20 if lease != LeaseId::NONE => Request::Lease(LeaseRequest::Revoke(lease)),
            20..42 => Request::Put(PutRequest { prev_kv: dice.chance(200), ..on_lease }),
            42..48 => Request::Put(put),
            48..52 => Request::Put(PutRequest { ignore_lease: true, ..put }),
            52..56 => Request::Range(RangeRequest { serializable: true, ..get }),
            56..64 => Request::Range(RangeRequest::new(KeyRange::prefix("k"))),
            64..68 => Request::DeleteRange(DeleteRangeRequest {
                range: KeyRange::single(key),
                prev_kv: dice.chance(300),
            }),
            68..74 => Request::Txn(TxnRequest {
                compares: vec![compare(CompareTarget::Lease(lease))],
                success: vec![TxnOp::Put(put)],
                failure: vec![TxnOp::Put(other)],
            }),
            74..82 => Request::Txn(TxnRequest {
                compares: vec![compare(CompareTarget::Mod(Revision(
                    self.last.get(&key).copied().unwrap_or(0),
                )))],
                success: vec![TxnOp::Put(on_lease)],
                failure: vec![TxnOp::Range(get)],
            }),
            _ => Request::Range(get),
        }
    }
}

fn tiny(operations: usize) -> Shape {
    Shape { operations, clients: 3, keys: 2, unknown: 200, refused: 20, ..SMALL }
}

pub(crate) fn ruling<'a>(judgements: &'a [Judgement], judge: &str) -> &'a Ruling {
    &judgements.iter().find(|j| j.judge == judge).unwrap().ruling
}

fn assert_right(history: &History) {
    let judgements = judge(history, &Budget::default());
    for judgement in &judgements {
        // The times of these histories are not those of leases.
        let is_timed = ["lease", "lock"].contains(&judgement.judge);
        let is_open = |ruling: &Ruling| match judgement.judge {
            "serializable" => matches!(ruling, Ruling::Undecided(_)),
            _ => false,
        };
        let is_fine = match &judgement.ruling {
            Ruling::Holds | Ruling::NotApplicable(_) => true,
            ruling => is_timed || is_open(ruling),
        };
        assert!(is_fine, "{judgement:#?}\n{}", text(history));
    }
    let searched = search(history, &Budget::default());
    assert!(searched.ruling.anomaly().is_none(), "{searched:#?}\n{}", text(history));
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_right_history_with_leases_is_accepted(seed: u64, clients in 1_usize..7, keys in 1_u64..7) {
        assert_right(&history(Shape { clients, keys, ..SMALL }, &mut dice(seed)));
    }
}

/// Seeds at which the search, or what was asked of it, was wrong once: a key on a lease that was granted only later, leases
/// that were granted more than once.
#[test]
fn what_was_wrong_of_leases_once_is_right_now() {
    let mut other = dice(16_523_045_293_663_366_826);
    let mut wrong = history(tiny(5), &mut other);
    crate::mutate::anything(&mut wrong, &mut other).unwrap();
    assert!(!explains(&wrong, false));
    let judgements = judge(&wrong, &Budget::default());
    let searched = search(&wrong, &Budget::default());
    for ruling in [ruling(&judgements, "linearizable"), &searched.ruling] {
        assert!(ruling.anomaly().is_some(), "{ruling:#?}");
    }
    let shapes = [
        (14_702_947_981_162_938_204, 4, 1),
        (1_358_620_909_351_205_057, 4, 1),
        (1_358_620_909_351_205_358, 4, 1),
        (6_268_547_100_669_256_978, 1, 1),
    ];
    for (seed, clients, keys) in shapes {
        let shape = Shape { clients, keys, ..SMALL };
        assert_right(&history(shape, &mut dice(seed)));
    }
    assert_right(&history(tiny(5), &mut dice(9_156_131_146_342_454_403)));
}

/// By the order of the revisions; the search alone may not come to an end, but is never wrong.
#[test]
fn a_long_history_with_leases_is_followed_by_the_black_box() {
    for seed in 0..5 {
        let shape = Shape { operations: 3000, clients: 8, keys: 20, unknown: 13, ..SMALL };
        let history = history(shape, &mut dice(seed));
        let judgements = judge(&history, &Budget::default());
        for name in ["linearizable", "revision-order", "agreement"] {
            assert_eq!(*ruling(&judgements, name), Ruling::Holds, "seed {seed}");
        }
        let budget = Budget { configurations_max: 5_000, ..Budget::default() };
        let searched = search(&history, &budget).ruling;
        assert!(searched.anomaly().is_none(), "seed {seed}: {searched:?}");
    }
}

/// The lease ended before anybody but those who grant and those who read the past told so, and was revoked once more later.
#[test]
fn the_end_of_a_lease_that_only_a_stale_read_tells_of_is_not_taken_for_a_later_one() {
    let shape = Shape { clients: 4, keys: 1, ..SMALL };
    assert_right(&history(shape, &mut dice(8_838_582_258_645_037_509)));
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn revision_order_with_leases_agrees_with_all_orders(seed: u64, operations in 2_usize..8, corrupt: bool) {
        let mut dice = dice(seed);
        let mut history = history(tiny(operations), &mut dice);
        if !corrupt {
            prop_assert!(explains(&history, true), "{}", text(&history));
            prop_assert!(explains(&history, false), "{}", text(&history));
            assert_right(&history);
            return Ok(());
        }
        let _applied = crate::mutate::anything(&mut history, &mut dice);
        let judgements = judge(&history, &Budget::default());
        if *ruling(&judgements, "assumptions") != Ruling::Holds {
            return Ok(());
        }
        let truth = explains(&history, true);
        let is_right = match ruling(&judgements, "revision-order") {
            Ruling::Holds => truth,
            Ruling::Broken(_) => !truth,
            _ => false,
        };
        prop_assert!(is_right, "{truth} {:#?}\n{}", judgements, text(&history));
        let truth = explains(&history, false);
        let searched = search(&history, &Budget::default());
        for black in [ruling(&judgements, "linearizable"), &searched.ruling] {
            let is_right = match black {
                Ruling::Broken(_) => !truth,
                Ruling::Holds => truth,
                _ => false,
            };
            prop_assert!(is_right, "{truth} {:#?}\n{:#?}\n{}", judgements, searched, text(&history));
        }
        let is_contradiction = ruling(&judgements, "agreement").anomaly().is_some();
        prop_assert!(!is_contradiction, "{:#?}\n{}", judgements, text(&history));
    }
}

pub(crate) type Kind =
    (&'static str, fn(&mut History, &mut Dice) -> Option<()>, &'static [&'static str]);

/// What a wrong state of a key looks like, whichever answer is met first.
const STATE: &[&str] = &[
    "phantom-key",
    "missing-key",
    "wrong-read",
    "wrong-count",
    "wrong-create",
    "wrong-version",
    "wrong-mod",
    "wrong-value",
    "wrong-branch",
    "unexplained-revision",
];

/// Ways to corrupt a history with leases, each with the codes of the judge by revisions.
pub(crate) const KINDS: &[Kind] = &[
    ("a key that outlives its lease", outlived, STATE),
    ("a key that is gone for a moment", |h, d| gone(h, d, true), STATE),
    ("a key without a lease that is gone for a moment", |h, d| gone(h, d, false), STATE),
    ("a wrong lease", |h, d| lease(h, d, |kv| kv.lease.0 += 1000), &["wrong-lease"]),
    ("no lease, though it hangs on one", |h, d| lease(h, d, |kv| kv.lease.0 = 0), &["wrong-lease"]),
    ("a lease compare that took the wrong branch", wrong_branch, &["wrong-branch"]),
    (
        "a key attached to a lease that was revoked",
        attached_after_end,
        &["attached-after-end", "wrong-lease"],
    ),
    ("a key attached to a lease that was granted later", granted_late, &["attached-to-nothing"]),
    ("a lease revoked twice", revoked_twice, &["attached-after-end"]),
    ("a lease granted while keys hang on it", granted_twice, &["granted-twice"]),
    ("a revocation that was told of the past", |h, d| revoked_at(h, d, |_| 1), &["stale-read"]),
    (
        "a revocation from nowhere",
        |h, d| revoked_at(h, d, |told| told + 1000),
        &["unexplained-revision"],
    ),
];

fn some<'a>(
    history: &'a mut History,
    dice: &mut Dice,
    accept: impl Fn(&Operation) -> bool,
) -> Option<&'a mut Operation> {
    let places: Vec<usize> =
        (0..history.operations.len()).filter(|i| accept(&history.operations[*i])).collect();
    dice.pick(&places).map(|i| &mut history.operations[i])
}

fn told(operation: &Operation) -> u64 {
    match &operation.completion {
        Completion::Ok(response) => response.header.revision.0,
        _ => 0,
    }
}

/// The answer to a read of the newest state.
fn read(operation: &Operation) -> Option<&RangeResponse> {
    match (&operation.request, &operation.completion) {
        (Request::Range(range), Completion::Ok(response)) if !range.serializable => {
            match &response.body {
                Body::Range(answer) => Some(answer),
                _ => None,
            }
        }
        _ => None,
    }
}

fn read_mut(operation: &mut Operation) -> &mut RangeResponse {
    match &mut operation.completion {
        Completion::Ok(Response { body: Body::Range(answer), .. }) => answer,
        _ => unreachable!("a read was picked"),
    }
}

fn revoked(operation: &Operation) -> Option<LeaseId> {
    match (&operation.request, &operation.completion) {
        (Request::Lease(LeaseRequest::Revoke(lease)), Completion::Ok(_)) => Some(*lease),
        _ => None,
    }
}

/// A key is shown once more after a list without it.
fn outlived(history: &mut History, dice: &mut Dice) -> Option<()> {
    let list = |op: &Operation| read(op).is_some_and(|answer| answer.kvs.is_empty());
    let lists = history.operations.iter().filter(|op| list(op)).cloned().collect::<Vec<_>>();
    let shown = history.operations.iter().filter_map(read).flat_map(|answer| answer.kvs.clone());
    let leased: Vec<KeyValue> = shown.filter(|kv| kv.lease != LeaseId::NONE).collect();
    let first = dice.pick(&(0..lists.len()).collect::<Vec<_>>()).map(|i| lists[i].clone())?;
    let covers = |op: &Operation, kv: &KeyValue| matches!(&op.request, Request::Range(range) if range.range.contains(&kv.key));
    let kv =
        leased.into_iter().find(|kv| kv.mod_revision.0 <= told(&first) && covers(&first, kv))?;
    let later =
        some(history, dice, |op| list(op) && op.invoked > first.completed && covers(op, &kv))?;
    *read_mut(later) = RangeResponse { kvs: vec![kv], more: false, count: 1 };
    Some(())
}

/// A key is missing in one read, and there again, unchanged, in a later one.
fn gone(history: &mut History, dice: &mut Dice, is_leased: bool) -> Option<()> {
    let reads: Vec<(u64, Vec<KeyValue>)> = history
        .operations
        .iter()
        .filter_map(|op| read(op).map(|answer| (op.invoked.0, answer.kvs.clone())))
        .collect();
    let last = |kv: &KeyValue| {
        let same = |kvs: &[KeyValue]| kvs.iter().any(|other| other.mod_revision == kv.mod_revision);
        reads.iter().filter(|(_, kvs)| same(kvs)).map(|(invoked, _)| *invoked).max().unwrap_or(0)
    };
    let is_it = |op: &Operation, kv: &KeyValue| {
        (kv.lease != LeaseId::NONE) == is_leased && op.completed.0 < last(kv)
    };
    let target = some(history, dice, |op| {
        read(op).is_some_and(|answer| answer.kvs.iter().any(|kv| is_it(op, kv)))
    })?;
    let place = read(target)?.kvs.iter().position(|kv| is_it(target, kv))?;
    let answer = read_mut(target);
    answer.kvs.remove(place);
    answer.count -= 1;
    Some(())
}

fn lease(history: &mut History, dice: &mut Dice, change: fn(&mut KeyValue)) -> Option<()> {
    let hangs = |kv: &KeyValue| kv.lease != LeaseId::NONE;
    let target =
        some(history, dice, |op| read(op).is_some_and(|answer| answer.kvs.iter().any(hangs)))?;
    read_mut(target).kvs.iter_mut().find(|kv| hangs(kv)).map(change)
}

fn wrong_branch(history: &mut History, dice: &mut Dice) -> Option<()> {
    let target = some(history, dice, |op| {
        let Request::Txn(txn) = &op.request else { return false };
        let is_lease = matches!(txn.compares[0].target, CompareTarget::Lease(_));
        // Either branch puts the key, so that all else stays as it was.
        is_lease && matches!(op.completion, Completion::Ok(_))
    })?;
    match &mut target.completion {
        Completion::Ok(Response { body: Body::Txn(txn), .. }) => txn.succeeded = !txn.succeeded,
        _ => return None,
    }
    Some(())
}

/// A put after the revocation of a lease names it.
fn attached_after_end(history: &mut History, dice: &mut Dice) -> Option<()> {
    let used = |lease: LeaseId| {
        let grants = history.operations.iter().filter(|op| {
            matches!(&op.request, Request::Lease(LeaseRequest::Grant { lease: other, .. }) if *other == lease)
        });
        grants.count() == 1
    };
    let ends: Vec<(LeaseId, SimTime)> = history
        .operations
        .iter()
        .filter_map(|op| revoked(op).map(|lease| (lease, op.completed)))
        .filter(|(lease, _)| used(*lease))
        .collect();
    let (lease, end) = ends.first().copied()?;
    let put = some(history, dice, |op| {
        op.invoked > end
            && matches!(&op.request, Request::Put(put) if !put.ignore_lease)
            && matches!(op.completion, Completion::Ok(_))
    })?;
    let Request::Put(put) = &mut put.request else { return None };
    put.lease = lease;
    Some(())
}

/// The only grant of a lease is told a revision behind a put that names it.
fn granted_late(history: &mut History, dice: &mut Dice) -> Option<()> {
    let puts: Vec<LeaseId> = history
        .operations
        .iter()
        .filter_map(|op| match (&op.request, &op.completion) {
            (Request::Put(put), Completion::Ok(_)) if put.lease != LeaseId::NONE => Some(put.lease),
            _ => None,
        })
        .collect();
    let named = |op: &Operation, lease: LeaseId| matches!(&op.request, Request::Lease(LeaseRequest::Grant { lease: other, .. }) if *other == lease);
    let lease = puts
        .into_iter()
        .find(|lease| history.operations.iter().filter(|op| named(op, *lease)).count() == 1)?;
    let newest = history.operations.iter().map(told).max()?;
    let grant = some(history, dice, |op| named(op, lease))?;
    let Completion::Ok(response) = &mut grant.completion else { return None };
    response.header.revision = Revision(newest);
    // Its header alone may be of a later revision: it counts when it was asked for.
    (grant.invoked, grant.completed) = (SimTime(1_000_000_000), SimTime(1_000_000_001));
    grant.id = RequestId { process: Process(2_000_000), sequence: 0 };
    Some(())
}

/// A revocation that was refused, because another came before, succeeded as well.
fn revoked_twice(history: &mut History, dice: &mut Dice) -> Option<()> {
    let ends: Vec<(LeaseId, SimTime)> = history
        .operations
        .iter()
        .filter_map(|op| revoked(op).map(|lease| (lease, op.completed)))
        .collect();
    let granted: Vec<LeaseId> = history
        .operations
        .iter()
        .filter_map(|op| match op.request {
            Request::Lease(LeaseRequest::Grant { lease, .. }) => Some(lease),
            _ => None,
        })
        .collect();
    let newest = history.operations.iter().map(told).max()?;
    let is_again = |op: &Operation| {
        let Request::Lease(LeaseRequest::Revoke(lease)) = &op.request else { return false };
        let was_before = |(other, end): &(LeaseId, SimTime)| other == lease && *end < op.invoked;
        op.completion == Completion::Fail(Error::LeaseNotFound)
            && ends.iter().any(was_before)
            && granted.iter().filter(|other| *other == lease).count() == 1
    };
    let target = some(history, dice, is_again)?;
    // At the end, so that no order of revisions stands against it.
    (target.invoked, target.completed) = (SimTime(1_000_000_000), SimTime(1_000_000_001));
    target.id = RequestId { process: Process(2_000_000), sequence: 0 };
    let header = Header { node: NodeId(1), revision: Revision(newest), ..Header::default() };
    let body = Body::Lease(LeaseResponse::Revoke);
    target.completion = Completion::Ok(Response { header, body });
    Some(())
}

/// A grant that was refused, because the lease was there, succeeded, though a key hung on the lease before and after.
fn granted_twice(history: &mut History, _: &mut Dice) -> Option<()> {
    let reads: Vec<(SimTime, SimTime, Vec<KeyValue>)> = history
        .operations
        .iter()
        .filter_map(|op| read(op).map(|answer| (op.invoked, op.completed, answer.kvs.clone())))
        .collect();
    let newest = |op: &Operation| {
        let before = history.operations.iter().filter(|other| other.completed < op.invoked);
        before.map(told).max().unwrap_or_default()
    };
    let refused = |op: &Operation| match op.request {
        Request::Lease(LeaseRequest::Grant { lease, ttl })
            if op.completion == Completion::Fail(Error::LeaseExists) =>
        {
            Some((lease, ttl))
        }
        _ => None,
    };
    let (place, lease, ttl, revision) = (0..history.operations.len()).find_map(|place| {
        let op = &history.operations[place];
        let (lease, ttl) = refused(op)?;
        let before = reads.iter().filter(|(_, completed, _)| *completed < op.invoked);
        let mut kept = before.flat_map(|(_, _, kvs)| kvs).filter(|kv| kv.lease == lease);
        let is_kept = kept.any(|kv| {
            let mut after = reads.iter().filter(|(invoked, ..)| *invoked > op.completed);
            after.any(|(_, _, kvs)| kvs.contains(kv))
        });
        is_kept.then(|| (place, lease, ttl, newest(op)))
    })?;
    let header = Header { node: NodeId(1), revision: Revision(revision), ..Header::default() };
    let body = Body::Lease(LeaseResponse::Grant { lease, ttl });
    history.operations[place].completion = Completion::Ok(Response { header, body });
    Some(())
}

fn revoked_at(history: &mut History, dice: &mut Dice, change: fn(u64) -> u64) -> Option<()> {
    let target =
        some(history, dice, |op| revoked(op).is_some() && told(op) > 3 && op.invoked.0 > 900)?;
    let Completion::Ok(response) = &mut target.completion else { return None };
    response.header.revision.0 = change(response.header.revision.0);
    Some(())
}

#[test]
fn every_corruption_of_leases_is_rejected_by_its_code() {
    let mut wrong = Vec::new();
    for (name, corrupt, codes) in KINDS {
        let mut applied = 0;
        for seed in 0..600 {
            let mut dice = dice(seed);
            let shape = Shape { operations: 100, keys: 3, refused: 0, ..SMALL };
            let mut history = history(shape, &mut dice);
            let clean = history.clone();
            if corrupt(&mut history, &mut dice).is_none() || history == clean {
                continue;
            }
            applied += 1;
            let judgements = judge(&history, &Budget::default());
            let found = ruling(&judgements, "revision-order").anomaly();
            if found.is_none_or(|anomaly| !codes.contains(&anomaly.code.as_str())) {
                let other = found.map(|anomaly| (&anomaly.code, &anomaly.sentence));
                wrong.push(format!("{name}, seed {seed}: {other:?}"));
            }
            if applied == 12 {
                break;
            }
        }
        if applied < 5 {
            wrong.push(format!("{name} applied {applied} times only"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A lease ends with the key of a later answer on it, and is granted once more, before the key of an earlier answer is put on it.
#[test]
fn a_lease_may_end_and_come_back_before_the_operation_that_returns_first() {
    let mut dice = dice(1_052_201_424_322_725_918);
    let mut history = history(tiny(6), &mut dice);
    crate::mutate::anything(&mut history, &mut dice).unwrap();
    for op in &mut history.operations {
        let Completion::Ok(told) = &mut op.completion else { continue };
        let is_first = op.id.process == Process(3);
        let renamed = [0, 1, 4, if is_first { 2 } else { 4 }];
        let name = |revision: &mut Revision| {
            revision.0 = renamed[usize::try_from(revision.0).unwrap()];
        };
        name(&mut told.header.revision);
        if let Body::Range(range) = &mut told.body {
            for kv in &mut range.kvs {
                name(&mut kv.mod_revision);
                name(&mut kv.create_revision);
            }
        }
    }
    assert!(explains(&history, true), "{}", text(&history));
    assert_right(&history);
    assert_eq!(search(&history, &Budget::default()).ruling, Ruling::Holds, "{}", text(&history));
}

/// Who has no lease yet, and would give it back, names none. Puts on none need no grant.
#[test]
fn none_is_no_lease() {
    let ok = |revision, body| {
        let header = Header { revision: Revision(revision), ..Header::default() };
        Completion::Ok(Response { header, body })
    };
    let put = Request::Put(PutRequest::new("k", "v"));
    let revoke = Request::Lease(LeaseRequest::Revoke(LeaseId::NONE));
    let get = Request::Range(RangeRequest::new(KeyRange::single("k")));
    let kv = KeyValue {
        key: "k".into(),
        value: "v".into(),
        create_revision: Revision(2),
        mod_revision: Revision(2),
        version: 1,
        lease: LeaseId::NONE,
    };
    let found = RangeResponse { kvs: vec![kv], more: false, count: 1 };
    let again = Request::Put(PutRequest::new("k", "w"));
    let operations = vec![
        in_turn(1, put, ok(2, Body::Put(PutResponse::default()))),
        in_turn(2, revoke, Completion::Fail(Error::LeaseNotFound)),
        in_turn(3, get, ok(2, Body::Range(found))),
        in_turn(4, again, Completion::Info(Error::TimedOut)),
    ];
    let history = History { operations, ..History::default() };
    assert_right(&history);
    assert_eq!(search(&history, &Budget::default()).ruling, Ruling::Holds, "{}", text(&history));
}
