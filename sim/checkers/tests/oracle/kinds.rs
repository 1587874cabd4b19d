//! Every way to be wrong that the judge by revisions knows, each with the codes that it may have.

use crate::{config, dice, generate::Dice, leases, page::assert_listed, rich, text};
use proptest::prelude::*;
use whitewater_api::{
    Body, Completion, Error, KeyValue, LeaseId, Request, Response, Revision,
    response::{PutResponse, RangeResponse, TxnOpResponse},
};
use whitewater_checkers::{Budget, Judgement, Ruling, judge_by_revisions};
use whitewater_record::{History, Operation};

type Kind = (&'static str, fn(&mut History, &mut Dice) -> Option<()>, &'static [&'static str]);

/// What a wrong key may look like, if more than one thing about it is wrong.
const READ: &[&str] =
    &["wrong-read", "missing-key", "phantom-key", "wrong-value", "wrong-mod", "wrong-create"];

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    ("a stale read, header and all", stale_read, &["stale-read"]),
    ("a stale read under a new header", stale_content, READ),
    ("a lost update", lost_update, &["revision-reused", "wrong-read", "wrong-branch", "wrong-version", "wrong-effect", "missing-key", "phantom-key", "wrong-count", "wrong-mod"]),
    ("a phantom key", |h, d| list(h, d, plain, phantom), READ),
    ("a key missing from a list", |h, d| list(h, d, plain, |l| { l.kvs.remove(0); l.count -= 1; }), READ),
    ("a key missing from a list, with its count", |h, d| list(h, d, plain, |l| { l.kvs.remove(0); }), READ),
    ("a list in the wrong order", |h, d| list(h, d, |r| r.sort.is_none() && !r.keys_only, |l| l.kvs.reverse()), &["wrong-read", "wrong-order"]),
    ("a sorted list in the wrong order", |h, d| list(h, d, by_mod, |l| l.kvs.reverse()), &["wrong-order"]),
    ("a sorted list with the wrong end cut off", wrong_cut, &["wrong-order"]),
    ("a key twice in a list", |h, d| list(h, d, plain, |l| { let kv = l.kvs[0].clone(); l.kvs.insert(0, kv); l.count += 1; }), &["wrong-read"]),
    ("a limit not kept", |h, d| list(h, d, |r| r.limit == 1 && r.sort.is_none(), |l| { let mut kv = l.kvs[0].clone(); kv.key = "k99".into(); l.kvs.push(kv); }), &["wrong-read", "phantom-key", "missing-key"]),
    ("a list cut too early", |h, d| list(h, d, |r| r.limit > 1, |l| { l.kvs.pop(); }), &["missing-key", "wrong-read"]),
    ("a filter that lets a key through", filtered, &["wrong-read"]),
    ("a filter that keeps a key back", |h, d| list(h, d, |r| r.min_mod_revision.0 > 1 || r.max_create_revision.0 > 1, |l| { l.kvs.remove(0); }), &["wrong-read", "wrong-order"]),
    ("a count too high", |h, d| list(h, d, |_| true, |l| l.count += 1), &["wrong-count"]),
    ("a count too low", |h, d| list(h, d, |_| true, |l| l.count -= 1), &["wrong-count"]),
    ("a count-only count too high", |h, d| range(h, d, |r| r.count_only, |l| l.count += 1), &["wrong-count"]),
    ("a count-only read with keys", count_with_keys, &["wrong-read"]),
    ("a keys-only read with a value", |h, d| list(h, d, |r| r.keys_only, |l| l.kvs[0].value = "there".into()), &["wrong-value"]),
    ("a wrong more flag", |h, d| range(h, d, |r| !r.count_only, |l| l.more = !l.more), &["wrong-more"]),
    ("more, of a count-only read", |h, d| range(h, d, |r| r.count_only, |l| l.more = true), &["wrong-more"]),
    ("a value that nobody wrote", |h, d| kv(h, d, |kv| kv.value = "nobody".into()), &["wrong-value"]),
    ("a wrong mod revision", |h, d| kv(h, d, |kv| kv.mod_revision.0 += 1), &["wrong-mod", "duplicate-effect"]),
    ("a wrong create revision", |h, d| kv(h, d, |kv| kv.create_revision.0 -= 1), &["wrong-create"]),
    ("no create revision", |h, d| kv(h, d, |kv| kv.create_revision.0 = 0), &["wrong-create"]),
    ("a wrong version", |h, d| kv(h, d, |kv| kv.version += 1), &["wrong-version"]),
    ("no version", |h, d| kv(h, d, |kv| kv.version = 0), &["wrong-version"]),
    ("a wrong lease", |h, d| kv(h, d, |kv| kv.lease = LeaseId(7)), &["wrong-lease"]),
    ("a wrong value before a put", |h, d| prev_of_put(h, d, |kv| kv.value = "nobody".into()), &["wrong-value"]),
    ("a wrong version before a put", |h, d| prev_of_put(h, d, |kv| kv.version += 1), &["wrong-version"]),
    ("nothing before a put, but there was", |h, d| put(h, d, |r, p| { r.then(|| p.take())?.map(drop) }), &["missing-key"]),
    ("something before a put, unasked", unasked_prev, &["phantom-key"]),
    ("a wrong value before a delete", |h, d| delete(h, d, |a| { a.prev_kvs.first_mut()?.value = "nobody".into(); Some(()) }), &["wrong-value"]),
    ("a key missing before a delete", |h, d| delete(h, d, |a| a.prev_kvs.pop().map(drop)), &["missing-key"]),
    ("one deleted too many", |h, d| delete(h, d, |a| (a.deleted > 0).then(|| a.deleted += 1)), &["wrong-count"]),
    ("one deleted too few", |h, d| delete(h, d, |a| (a.deleted > 1).then(|| a.deleted -= 1)), &["wrong-count"]),
    ("a delete of nothing that deleted", |h, d| delete(h, d, |a| (a.deleted == 0).then(|| a.deleted = 1)), &["revision-reused", "wrong-revision", "wrong-count", "write-out-of-order"]),
    ("a delete that deleted nothing", |h, d| delete(h, d, |a| (a.deleted > 0).then(|| { a.deleted = 0; a.prev_kvs.clear(); })), &["unexplained-revision", "wrong-count", "wrong-read", "phantom-key", "wrong-version"]),
    ("a transaction that took the wrong branch", wrong_branch, &["wrong-branch", "revision-reused", "wrong-revision", "write-out-of-order"]),
    ("a wrong read in a transaction", |h, d| inside(h, d, |l| l.kvs.first_mut().map(|kv| kv.version += 1)), &["wrong-version"]),
    ("a wrong nested transaction", nested, &["wrong-branch", "revision-reused", "wrong-revision", "write-out-of-order"]),
    ("a resurrected delete", resurrected, &["phantom-key", "wrong-read"]),
    ("two writes at one revision", reused, &["revision-reused"]),
    ("two writes with exchanged revisions", exchanged, &["write-out-of-order"]),
    ("a revision from nowhere", |h, d| header(h, d, is_put, |r| r + 1000), &["unexplained-revision"]),
    ("a write at the revision of an empty store", |h, d| header(h, d, is_put, |_| 1), &["wrong-revision"]),
    ("a read that was told an old revision", |h, d| header(h, d, is_plain_get, |_| 1), &["stale-read"]),
    ("a read of a later write", read_ahead, &["wrong-value", "wrong-read", "wrong-mod", "phantom-key", "wrong-version"]),
    ("a read of a refused write", aborted_read, &["wrong-value"]),
    ("an acknowledged write that was refused", |h, d| { some(h, d, |op| is_put(op) && told(op) < 20)?.completion = Completion::Fail(Error::NoLeader); Some(()) }, &["unexplained-revision", "wrong-read", "phantom-key", "wrong-version", "wrong-count", "wrong-branch"]),
    ("a read below a compaction", below_compaction, &["read-below-compaction"]),
    ("refused as compacted, but it was not", early_compacted, &["wrong-error", "phantom-compaction"]),
    ("refused as compacted at a revision that nobody compacted", |h, d| refusal(h, d, |e| if let Error::Compacted { compacted } = e { compacted.0 -= 1; true } else { false }), &["phantom-compaction"]),
    ("refused as compacted, not told where, but nobody compacted so far", untold_compacted, &["phantom-compaction"]),
    ("refused as in the future, but it was not", |h, d| refusal(h, d, |e| if let Error::FutureRevision { current } = e { current.0 += 1; true } else { false }), &["wrong-error"]),
    ("refused as in the future, by a node of the past", |h, d| refusal(h, d, |e| if let Error::FutureRevision { current } = e { current.0 = current.0.saturating_sub(9); true } else { false }), &["wrong-error"]),
    ("a read of the future that was answered", future_read, &["future-read"]),
    ("a compaction of the future", |h, d| compaction(h, d, |r| r + 1000), &["future-compaction"]),
    ("a compaction that was done before", repeated_compaction, &["repeated-compaction"]),
    ("a wrong read of the past", |h, d| list(h, d, |r| r.revision.0 != 0, |l| l.kvs[0].version += 1), &["wrong-version"]),
    ("a stale read that never was", |h, d| stale(h, d, |r| { if let Body::Range(l) = &mut r.body { l.kvs.first_mut()?.version += 1; } Some(()) }), &["wrong-version"]),
    ("a stale read of the future", |h, d| stale(h, d, |r| { r.header.revision.0 += 500; Some(()) }), &["future-read"]),
];

/// On etcd's wire a refusal is a text, which does not say where the store was.
fn leave_out_what_the_wire_does(history: &mut History) {
    for operation in &mut history.operations {
        if let Completion::Fail(
            Error::Compacted { compacted: revision } | Error::FutureRevision { current: revision },
        ) = &mut operation.completion
        {
            *revision = Revision(0);
        }
    }
}

fn objections(judgements: &[Judgement]) -> Vec<(&'static str, String)> {
    let found = judgements.iter().filter_map(|j| Some((j.judge, j.ruling.anomaly()?.code.clone())));
    found.collect()
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_right_history_with_every_option_is_accepted(seed: u64, operations in 1_u64..120, is_told: bool) {
        let mut history = rich::history(operations, &mut dice(seed));
        if !is_told {
            leave_out_what_the_wire_does(&mut history);
        }
        let judgements = judge_by_revisions(&history, &Budget::default());
        let is_fine = |j: &Judgement| match &j.ruling {
            Ruling::Holds | Ruling::NotApplicable(_) => true,
            // Nobody tells what the last writes were.
            Ruling::Undecided(_) => j.judge == "serializable",
            _ => false,
        };
        prop_assert!(judgements.iter().all(is_fine), "{judgements:#?}\n{}", text(&history));
    }
}

#[test]
fn the_page_lists_every_kind_with_its_codes() {
    let kinds = |kinds: &'static [Kind]| kinds.iter().map(|(name, _, codes)| (*name, *codes));
    assert!(KINDS.len() >= 40);
    assert_listed("Answers to reads, writes and transactions", kinds(KINDS));
    assert_listed("Keys on leases", kinds(leases::KINDS));
}

#[test]
fn every_kind_of_corruption_is_rejected_by_its_code() {
    let mut wrong = Vec::new();
    for (name, corrupt, codes) in KINDS {
        let mut applied = 0;
        for seed in 0..600 {
            let mut dice = dice(seed);
            let mut history = rich::history(100, &mut dice);
            let clean = text(&history);
            if corrupt(&mut history, &mut dice).is_none() || text(&history) == clean {
                continue;
            }
            applied += 1;
            let judgements = judge_by_revisions(&history, &Budget::default());
            let found = objections(&judgements);
            let is_right = found.iter().any(|(judge, code)| {
                ["revision-order", "serializable"].contains(judge) && codes.contains(&code.as_str())
            });
            if !is_right {
                wrong.push(format!("{name}, seed {seed}: {found:?}"));
            }
            if applied == 20 {
                break;
            }
        }
        if applied < 5 {
            wrong.push(format!("{name} applied {applied} times only"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn ok(operation: &mut Operation) -> Option<&mut Response> {
    match &mut operation.completion {
        Completion::Ok(response) => Some(response),
        _ => None,
    }
}

fn told(operation: &Operation) -> u64 {
    match &operation.completion {
        Completion::Ok(response) => response.header.revision.0,
        _ => 0,
    }
}

fn some<'a>(
    history: &'a mut History,
    dice: &mut Dice,
    accept: impl Fn(&Operation) -> bool,
) -> Option<&'a mut Operation> {
    let places: Vec<usize> =
        (0..history.operations.len()).filter(|i| accept(&history.operations[*i])).collect();
    dice.pick(&places).map(|i| &mut history.operations[i])
}

type RangeRequest = whitewater_api::request::RangeRequest;

fn range(
    history: &mut History,
    dice: &mut Dice,
    accept: fn(&RangeRequest) -> bool,
    change: fn(&mut RangeResponse),
) -> Option<()> {
    let operation = some(history, dice, |op| {
        matches!((&op.request, &op.completion), (Request::Range(range), Completion::Ok(_))
            if accept(range) && !range.serializable)
    })?;
    let Body::Range(answer) = &mut ok(operation)?.body else { return None };
    change(answer);
    Some(())
}

/// An answer with two keys at least.
fn list(
    history: &mut History,
    dice: &mut Dice,
    accept: fn(&RangeRequest) -> bool,
    change: fn(&mut RangeResponse),
) -> Option<()> {
    let operation = some(history, dice, |op| {
        let is_long = matches!(&op.completion, Completion::Ok(Response { body: Body::Range(l), .. })
            if l.kvs.len() > 1 || (l.kvs.len() == 1 && l.more));
        is_long
            && matches!(&op.request, Request::Range(range) if accept(range) && !range.serializable)
    })?;
    let Body::Range(answer) = &mut ok(operation)?.body else { return None };
    change(answer);
    Some(())
}

fn plain(range: &RangeRequest) -> bool {
    let has_filter = range.min_mod_revision.0 + range.max_create_revision.0 > 0;
    !has_filter && !range.keys_only && range.limit == 0 && range.sort.is_none()
}

fn by_mod(range: &RangeRequest) -> bool {
    use whitewater_api::request::SortTarget;
    range.sort.is_some_and(|sort| matches!(sort.target, SortTarget::Mod | SortTarget::Key))
}

fn is_put(operation: &Operation) -> bool {
    matches!((&operation.request, &operation.completion), (Request::Put(_), Completion::Ok(_)))
}

fn is_plain_get(operation: &Operation) -> bool {
    matches!((&operation.request, &operation.completion), (Request::Range(range), Completion::Ok(_))
        if !range.serializable && range.revision.0 == 0)
        && told(operation) > 8
}

/// Some key that a plain read shows, with its value.
fn kv(history: &mut History, dice: &mut Dice, change: fn(&mut KeyValue)) -> Option<()> {
    let operation = some(history, dice, |op| {
        rich::has_kvs(op)
            && matches!(&op.request, Request::Range(range) if plain(range) && !range.serializable)
    })?;
    let Body::Range(answer) = &mut ok(operation)?.body else { return None };
    let place = dice.below(answer.kvs.len() as u64) as usize;
    change(&mut answer.kvs[place]);
    Some(())
}

fn phantom(answer: &mut RangeResponse) {
    let mut kv = answer.kvs[answer.kvs.len() - 1].clone();
    kv.key = "k99".into();
    answer.kvs.push(kv);
    answer.count += 1;
}

fn header(
    history: &mut History,
    dice: &mut Dice,
    accept: fn(&Operation) -> bool,
    change: fn(u64) -> u64,
) -> Option<()> {
    let revision = &mut ok(some(history, dice, accept)?)?.header.revision;
    revision.0 = change(revision.0);
    Some(())
}

fn stale_read(history: &mut History, dice: &mut Dice) -> Option<()> {
    let early = some(history, dice, is_plain_get)?.clone();
    let newer = history.operations.iter().filter(|op| is_put(op) && told(op) > told(&early));
    let after = newer.map(|op| op.completed).min()?;
    let late = some(history, dice, |op| {
        is_plain_get(op) && op.request == early.request && op.invoked > after
    })?;
    late.completion = early.completion;
    Some(())
}

/// The content of a read before the last write of its key.
fn stale_content(history: &mut History, dice: &mut Dice) -> Option<()> {
    let early = some(history, dice, |op| {
        rich::has_kvs(op) && matches!(&op.request, Request::Range(r) if plain(r) && r.revision.0 == 0 && !r.serializable)
    })?
    .clone();
    let Completion::Ok(before) = early.completion else { return None };
    let late = some(history, dice, |op| {
        op.request == early.request
            && matches!(&op.completion, Completion::Ok(after) if after.body != before.body
                && after.header.revision > before.header.revision)
    })?;
    ok(late)?.body = before.body;
    Some(())
}

/// A put is acknowledged at the revision of the next write, as if that had not seen it.
fn lost_update(history: &mut History, dice: &mut Dice) -> Option<()> {
    let lost = told(some(history, dice, |op| is_put(op) && told(op) > 5)?);
    for operation in &mut history.operations {
        let is_lost = is_put(operation) && told(operation) == lost;
        let is_later = told(operation) > lost || is_lost;
        if let Some(response) = ok(operation).filter(|_| is_later) {
            response.header.revision.0 -= 1;
        }
    }
    Some(())
}

fn wrong_cut(history: &mut History, dice: &mut Dice) -> Option<()> {
    let all: Vec<KeyValue> =
        history.operations.iter().find_map(|op| match (&op.request, &op.completion) {
            (Request::Range(range), Completion::Ok(Response { body: Body::Range(answer), .. }))
                if by_mod(range) && answer.more && answer.kvs.len() > 1 =>
            {
                Some(answer.kvs.clone())
            }
            _ => None,
        })?;
    let target = some(history, dice, |op| {
        matches!(&op.completion, Completion::Ok(Response { body: Body::Range(answer), .. }) if answer.kvs == all)
            && matches!(&op.request, Request::Range(range) if by_mod(range))
    })?;
    let Body::Range(answer) = &mut ok(target)?.body else { return None };
    let last = answer.kvs.len() - 1;
    answer.kvs.swap(0, last);
    Some(())
}

fn filtered(history: &mut History, dice: &mut Dice) -> Option<()> {
    let donors: Vec<(u64, KeyValue)> = history
        .operations
        .iter()
        .filter_map(|op| match (&op.request, &op.completion) {
            (
                Request::Range(range),
                Completion::Ok(Response { body: Body::Range(answer), header }),
            ) if plain(range) && range.revision.0 == 0 && !range.serializable => Some(
                answer.kvs.iter().map(|kv| (header.revision.0, kv.clone())).collect::<Vec<_>>(),
            ),
            _ => None,
        })
        .flatten()
        .collect();
    let target = some(history, dice, |op| {
        let Request::Range(range) = &op.request else { return false };
        let Completion::Ok(Response { body: Body::Range(answer), .. }) = &op.completion else {
            return false;
        };
        range.min_mod_revision.0 > 1
            && answer.kvs.len() == 1
            && donors
                .iter()
                .any(|(at, kv)| *at == told(op) && kv.mod_revision < range.min_mod_revision)
    })?;
    let at = told(target);
    let Request::Range(range) = target.request.clone() else { return None };
    let kv =
        donors.iter().find(|(told, kv)| *told == at && kv.mod_revision < range.min_mod_revision)?;
    let Body::Range(answer) = &mut ok(target)?.body else { return None };
    answer.kvs[0] = kv.1.clone();
    Some(())
}

fn count_with_keys(history: &mut History, dice: &mut Dice) -> Option<()> {
    range(
        history,
        dice,
        |r| r.count_only,
        |l| {
            if l.count > 0 {
                l.kvs.push(KeyValue {
                    key: "k0".into(),
                    version: 1,
                    mod_revision: Revision(2),
                    create_revision: Revision(2),
                    ..KeyValue::default()
                });
            }
        },
    )
}

fn put(
    history: &mut History,
    dice: &mut Dice,
    change: fn(bool, &mut Option<KeyValue>) -> Option<()>,
) -> Option<()> {
    let accept = |op: &Operation| {
        matches!((&op.request, &op.completion), (Request::Put(put), Completion::Ok(Response { body: Body::Put(answer), .. }))
            if put.prev_kv && answer.prev_kv.is_some())
    };
    let Body::Put(answer) = &mut ok(some(history, dice, accept)?)?.body else { return None };
    change(true, &mut answer.prev_kv)
}

fn prev_of_put(history: &mut History, dice: &mut Dice, change: fn(&mut KeyValue)) -> Option<()> {
    let accept = |op: &Operation| matches!(&op.completion, Completion::Ok(Response { body: Body::Put(answer), .. }) if answer.prev_kv.is_some());
    let Body::Put(answer) = &mut ok(some(history, dice, accept)?)?.body else { return None };
    change(answer.prev_kv.as_mut()?);
    Some(())
}

fn unasked_prev(history: &mut History, dice: &mut Dice) -> Option<()> {
    let donor = some(
        history,
        dice,
        |op| matches!(&op.completion, Completion::Ok(Response { body: Body::Put(answer), .. }) if answer.prev_kv.is_some()),
    )?;
    let Body::Put(answer) = ok(donor)?.body.clone() else { return None };
    let kv = answer.prev_kv?;
    let accept = |op: &Operation| {
        is_put(op) && matches!(&op.request, Request::Put(put) if !put.prev_kv && put.key == kv.key)
    };
    let Body::Put(answer) = &mut ok(some(history, dice, accept)?)?.body else { return None };
    answer.prev_kv = Some(kv);
    Some(())
}

fn delete(
    history: &mut History,
    dice: &mut Dice,
    change: fn(&mut whitewater_api::response::DeleteRangeResponse) -> Option<()>,
) -> Option<()> {
    let accept = |op: &Operation| {
        matches!((&op.request, &op.completion), (Request::DeleteRange(_), Completion::Ok(_)))
    };
    match &mut ok(some(history, dice, accept)?)?.body {
        Body::DeleteRange(answer) => change(answer),
        _ => None,
    }
}

fn txn_with(operation: &Operation, succeeded: bool, is_nested: bool) -> bool {
    match &operation.completion {
        Completion::Ok(Response { body: Body::Txn(txn), .. }) => {
            let inner = txn.responses.iter().find_map(|response| match response {
                TxnOpResponse::Txn(inner) => Some(inner.succeeded),
                _ => None,
            });
            if is_nested {
                inner == Some(succeeded)
            } else {
                inner.is_none() && txn.succeeded == succeeded
            }
        }
        _ => false,
    }
}

/// A failed compare that succeeds; what was read after the put is what was put.
fn wrong_branch(history: &mut History, dice: &mut Dice) -> Option<()> {
    let target = some(history, dice, |op| txn_with(op, false, false))?;
    let Body::Txn(txn) = &mut ok(target)?.body else { return None };
    txn.succeeded = true;
    txn.responses = vec![
        TxnOpResponse::Put(PutResponse::default()),
        TxnOpResponse::Range(RangeResponse::default()),
    ];
    Some(())
}

fn nested(history: &mut History, dice: &mut Dice) -> Option<()> {
    let target = some(history, dice, |op| txn_with(op, false, true))?;
    let Body::Txn(txn) = &mut ok(target)?.body else { return None };
    let TxnOpResponse::Txn(inner) = txn.responses.first_mut()? else { return None };
    inner.succeeded = true;
    inner.responses = vec![TxnOpResponse::Put(PutResponse::default())];
    Some(())
}

fn inside(
    history: &mut History,
    dice: &mut Dice,
    change: fn(&mut RangeResponse) -> Option<()>,
) -> Option<()> {
    let target =
        some(history, dice, |op| rich::has_kvs(op) && matches!(op.request, Request::Txn(_)))?;
    let Body::Txn(txn) = &mut ok(target)?.body else { return None };
    txn.responses.iter_mut().find_map(|response| match response {
        TxnOpResponse::Range(range) => change(range),
        _ => None,
    })
}

/// A key that somebody deleted is in a later list again, as it was.
fn resurrected(history: &mut History, dice: &mut Dice) -> Option<()> {
    let deleted: Vec<(u64, KeyValue)> = history
        .operations
        .iter()
        .filter_map(|op| match &op.completion {
            Completion::Ok(Response { body: Body::DeleteRange(answer), header }) => {
                Some((header.revision.0, answer.prev_kvs.first()?.clone()))
            }
            _ => None,
        })
        .collect();
    let (at, kv) = deleted.first()?.clone();
    let target = some(history, dice, |op| {
        let Completion::Ok(Response { body: Body::Range(answer), .. }) = &op.completion else {
            return false;
        };
        matches!(&op.request, Request::Range(r) if plain(r) && r.revision.0 == 0 && !r.serializable && r.range.contains(&kv.key))
            && told(op) >= at
            && !answer.kvs.iter().any(|other| other.key == kv.key)
    })?;
    let Body::Range(answer) = &mut ok(target)?.body else { return None };
    let place = answer.kvs.partition_point(|other| other.key < kv.key);
    answer.kvs.insert(place, kv);
    answer.count += 1;
    Some(())
}

fn reused(history: &mut History, dice: &mut Dice) -> Option<()> {
    let other = told(some(history, dice, is_put)?);
    ok(some(history, dice, |op| is_put(op) && told(op) != other)?)?.header.revision =
        Revision(other);
    Some(())
}

fn exchanged(history: &mut History, dice: &mut Dice) -> Option<()> {
    let first = some(history, dice, is_put)?.clone();
    let second = some(history, dice, |op| is_put(op) && op.invoked > first.completed)?;
    let late = std::mem::replace(&mut ok(second)?.header.revision, Revision(told(&first)));
    let early = some(history, dice, |op| op.id == first.id)?;
    ok(early)?.header.revision = late;
    Some(())
}

fn read_ahead(history: &mut History, dice: &mut Dice) -> Option<()> {
    let later = some(history, dice, is_put)?.clone();
    let Request::Put(put) = later.request else { return None };
    let target = some(history, dice, |op| {
        op.completed < later.invoked
            && matches!(&op.request, Request::Range(r) if plain(r) && !r.serializable && r.range.contains(&put.key))
            && rich::has_kvs(op)
    })?;
    let Body::Range(answer) = &mut ok(target)?.body else { return None };
    answer.kvs.iter_mut().find(|kv| kv.key == put.key)?.value = put.value;
    Some(())
}

fn aborted_read(history: &mut History, dice: &mut Dice) -> Option<()> {
    let mut refused = some(history, dice, is_put)?.clone();
    let Request::Put(put) = &mut refused.request else { return None };
    put.value = "refused".into();
    let key = put.key.clone();
    refused.completion = Completion::Fail(Error::NoLeader);
    refused.id.process.0 += 5_000;
    let target = some(history, dice, |op| {
        rich::has_kvs(op)
            && matches!(&op.request, Request::Range(r) if plain(r) && !r.serializable && r.range.contains(&key))
    })?;
    let Body::Range(answer) = &mut ok(target)?.body else { return None };
    answer.kvs.iter_mut().find(|kv| kv.key == key)?.value = "refused".into();
    history.operations.push(refused);
    Some(())
}

fn compacted(history: &History) -> Option<(u64, whitewater_record::SimTime)> {
    history.operations.iter().find_map(|op| match (&op.request, &op.completion) {
        (Request::Compact(compact), Completion::Ok(_)) => Some((compact.revision.0, op.completed)),
        _ => None,
    })
}

fn below_compaction(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (revision, done) = compacted(history)?;
    let target = some(history, dice, |op| is_plain_get(op) && op.invoked > done)?;
    let Request::Range(range) = &mut target.request else { return None };
    range.revision = Revision(revision - 1);
    let Body::Range(answer) = &mut ok(target)?.body else { return None };
    // Whatever it shows: it should have shown nothing. What it shows is right only by chance.
    answer.kvs.clear();
    (answer.count, answer.more) = (0, false);
    // So that nothing else is wrong, it reads a key that never was.
    let Request::Range(range) = &mut target.request else { return None };
    *range = RangeRequest {
        revision: Revision(revision - 1),
        ..RangeRequest::new(whitewater_api::KeyRange::single("none"))
    };
    Some(())
}

fn early_compacted(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (revision, done) = compacted(history)?;
    let target = some(history, dice, |op| {
        matches!((&op.request, &op.completion), (Request::Range(r), Completion::Ok(_)) if r.revision.0 >= revision)
            && op.invoked > done
    })?;
    target.completion = Completion::Fail(Error::Compacted { compacted: Revision(revision) });
    Some(())
}

/// As etcd's wire refuses: without the revision.
fn untold_compacted(history: &mut History, dice: &mut Dice) -> Option<()> {
    let asked = |op: &Operation| match &op.request {
        Request::Compact(compact) => Some(compact.revision.0),
        _ => None,
    };
    let highest = history.operations.iter().filter_map(asked).max().unwrap_or(0);
    let target = some(
        history,
        dice,
        |op| matches!((&op.request, &op.completion), (Request::Range(r), Completion::Ok(_)) if r.revision.0 > highest),
    )?;
    target.completion = Completion::Fail(Error::Compacted { compacted: Revision(0) });
    Some(())
}

fn refusal(history: &mut History, dice: &mut Dice, change: fn(&mut Error) -> bool) -> Option<()> {
    let changes = |op: &Operation| match &op.completion {
        Completion::Fail(error) => change(&mut error.clone()),
        _ => false,
    };
    // Late, so that there is a past.
    let late = history.operations.len() / 2;
    let id = history.operations[late..].iter().find(|op| changes(op))?.id;
    match &mut some(history, dice, |op| op.id == id)?.completion {
        Completion::Fail(error) => change(error).then_some(()),
        _ => None,
    }
}

fn future_read(history: &mut History, dice: &mut Dice) -> Option<()> {
    let target = some(history, dice, is_plain_get)?;
    let revision = Revision(told(target) + 3);
    let Request::Range(range) = &mut target.request else { return None };
    range.revision = revision;
    Some(())
}

fn compaction(history: &mut History, dice: &mut Dice, change: fn(u64) -> u64) -> Option<()> {
    let target = some(history, dice, |op| matches!(op.request, Request::Compact(_)))?;
    let Request::Compact(compact) = &mut target.request else { return None };
    compact.revision.0 = change(compact.revision.0);
    // What was refused because of it is another matter.
    history
        .operations
        .retain(|op| !matches!(op.completion, Completion::Fail(Error::Compacted { .. })));
    Some(())
}

fn repeated_compaction(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (revision, done) = compacted(history)?;
    let target = some(history, dice, |op| {
        matches!((&op.request, &op.completion), (Request::Compact(_), Completion::Ok(_)))
            && op.invoked > done
    })?;
    let Request::Compact(compact) = &mut target.request else { return None };
    compact.revision.0 = revision;
    history
        .operations
        .retain(|op| !matches!(op.completion, Completion::Fail(Error::Compacted { .. })));
    Some(())
}

fn stale(
    history: &mut History,
    dice: &mut Dice,
    change: fn(&mut Response) -> Option<()>,
) -> Option<()> {
    let target = some(history, dice, |op| {
        rich::has_kvs(op) && matches!(&op.request, Request::Range(range) if range.serializable)
    })?;
    change(ok(target)?)
}
