//! Ways to corrupt a history, each with the judges that must object.

use crate::generate::{Dice, shown};
use whitewater_api::{
    Body, Completion, Error, KeyValue, Request, Revision, Value,
    request::TxnOp,
    response::{PutResponse, TxnOpResponse},
};
use whitewater_record::{History, Operation, SimTime};

type Corruption =
    (&'static str, fn(&mut History, &mut Dice) -> Option<()>, &'static [&'static str]);

const BLACK: &str = "linearizable";
const WHITE: &str = "revision-order";
const DURABILITY: &str = "durability";
const SERIALIZABLE: &str = "serializable";
const MONOTONE: &str = "monotone";

pub(crate) const CORRUPTIONS: &[Corruption] = &[
    ("an old value in the final read", old_value_at_the_end, &[BLACK, WHITE, DURABILITY]),
    ("a stale read, header and all", stale_read, &[WHITE]),
    ("a key missing in the final read", key_missing, &[WHITE]),
    ("a deleted key in the final read", resurrected, &[BLACK, WHITE]),
    (
        "a value that nobody wrote",
        |h, d| kv(h, d, |kv| kv.value = "nobody".into()),
        &[BLACK, WHITE, DURABILITY],
    ),
    ("a wrong mod revision", |h, d| kv(h, d, |kv| kv.mod_revision.0 += 1), &[WHITE]),
    ("a wrong create revision", |h, d| kv(h, d, |kv| kv.create_revision.0 -= 1), &[BLACK, WHITE]),
    ("a wrong version", |h, d| kv(h, d, |kv| kv.version += 1), &[WHITE]),
    ("version zero", |h, d| kv(h, d, |kv| kv.version = 0), &[BLACK, WHITE]),
    ("a count too high", |h, d| list(h, d, |list| list.count += 1), &[BLACK, WHITE]),
    (
        "a count too low",
        |h, d| list(h, d, |list| list.count = list.count.saturating_sub(1)),
        &[WHITE],
    ),
    ("a wrong more flag", |h, d| list(h, d, |list| list.more = !list.more), &[BLACK, WHITE]),
    ("a list out of order", |h, d| list(h, d, |list| list.kvs.reverse()), &[BLACK, WHITE]),
    ("a list cut short", |h, d| list(h, d, |list| _ = list.kvs.pop()), &[BLACK, WHITE]),
    (
        "a key twice in a list",
        |h, d| {
            list(h, d, |l| {
                if let Some(kv) = l.kvs.first().cloned() {
                    l.kvs.insert(0, kv);
                    l.count += 1;
                }
            })
        },
        &[BLACK, WHITE],
    ),
    ("a write with the revision of another", revision_reused, &[BLACK, WHITE]),
    ("a revision from nowhere", |h, d| revision(h, d, true, 1000), &[WHITE]),
    ("two writes with exchanged revisions", exchanged, &[WHITE]),
    ("a read with an old revision", |h, d| last_revision(h, d), &[WHITE, MONOTONE]),
    ("a delete of nothing that deleted", |h, d| delete(h, d, false), &[WHITE]),
    ("a delete that deleted one more", |h, d| delete(h, d, true), &[WHITE]),
    ("a failed compare that succeeds", branch_to_success, &[WHITE]),
    ("an unknown write that happened twice", twice, &[BLACK, WHITE, DURABILITY]),
    ("a refused write that was read", aborted_read, &[BLACK, WHITE, DURABILITY]),
    ("a read of a later write", read_ahead, &[BLACK, WHITE, DURABILITY]),
    ("an acknowledged write that was refused", refused, &[WHITE]),
    ("an unknown write with an answer that it did not have", answered, &[WHITE]),
    ("two reads with exchanged answers", exchanged_reads, &[WHITE]),
    (
        "a serializable read with another version",
        |h, d| {
            serializable(h, d, |r, _| {
                if let Body::Range(range) = &mut r.body {
                    range.kvs.iter_mut().for_each(|kv| kv.version += 1);
                }
            })
        },
        &[SERIALIZABLE],
    ),
    (
        "a serializable read without its key",
        |h, d| {
            serializable(h, d, |r, _| match &mut r.body {
                Body::Range(range) if !range.kvs.is_empty() => {
                    range.kvs.clear();
                    range.count = 0;
                }
                _ => {}
            })
        },
        &[SERIALIZABLE],
    ),
    (
        "a serializable read of the future",
        |h, d| serializable(h, d, |r, n| r.header.revision.0 = n + 50),
        &[SERIALIZABLE],
    ),
    ("a compaction that nobody asked for", phantom_compaction, &[WHITE]),
];

fn ok(operation: &mut Operation) -> Option<&mut whitewater_api::Response> {
    match &mut operation.completion {
        Completion::Ok(response) => Some(response),
        _ => None,
    }
}

fn is_read(operation: &Operation) -> bool {
    matches!(&operation.request, Request::Range(range) if !range.serializable)
}

fn is_ok(operation: &Operation) -> bool {
    matches!(operation.completion, Completion::Ok(_))
}

fn body(operation: &Operation) -> Option<&Body> {
    match &operation.completion {
        Completion::Ok(response) => Some(&response.body),
        _ => None,
    }
}

fn header(operation: &Operation) -> u64 {
    match &operation.completion {
        Completion::Ok(response) => response.header.revision.0,
        _ => 0,
    }
}

/// Some answered operation.
fn some<'a>(
    history: &'a mut History,
    dice: &mut Dice,
    accept: impl Fn(&Operation) -> bool,
) -> Option<&'a mut Operation> {
    let places: Vec<usize> =
        (0..history.operations.len()).filter(|i| accept(&history.operations[*i])).collect();
    dice.pick(&places).map(|i| &mut history.operations[i])
}

fn kvs(operation: &mut Operation) -> Option<&mut Vec<KeyValue>> {
    match &mut ok(operation)?.body {
        Body::Range(range) => Some(&mut range.kvs),
        _ => None,
    }
}

fn kv(history: &mut History, dice: &mut Dice, change: fn(&mut KeyValue)) -> Option<()> {
    let operation =
        some(history, dice, |op| is_read(op) && body(op).is_some_and(|b| !shown(b).is_empty()))?;
    let kvs = kvs(operation)?;
    let i = dice.below(kvs.len() as u64) as usize;
    change(&mut kvs[i]);
    Some(())
}

fn list(
    history: &mut History,
    dice: &mut Dice,
    change: fn(&mut whitewater_api::response::RangeResponse),
) -> Option<()> {
    let operation = some(history, dice, |op| {
        is_read(op) && body(op).is_some_and(|body| shown(body).len() > 1)
    })?;
    match &mut ok(operation)?.body {
        Body::Range(range) => change(range),
        _ => return None,
    }
    Some(())
}

/// What was shown of some key before the last answer about it: earlier state, and the final one.
pub(crate) fn old_value_at_the_end(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (last, before) = history.operations.split_last_mut()?;
    let kvs = kvs(last)?;
    let i = dice.below(kvs.len().max(1) as u64) as usize;
    let now = kvs.get(i)?.clone();
    // The new value was acknowledged long after the old one was.
    let put =
        before.iter().find(|op| header(op) == now.mod_revision.0 && is_ok(op) && !is_read(op))?;
    let invoked = put.invoked;
    let old = before
        .iter()
        .filter(|op| is_ok(op) && op.completed < invoked && op.process_is_linearizable())
        .filter_map(body)
        .flat_map(shown)
        .find(|kv| kv.key == now.key && kv.mod_revision != now.mod_revision)?
        .clone();
    let written =
        before.iter().find(|op| header(op) == old.mod_revision.0 && is_ok(op) && !is_read(op))?;
    if written.completed >= invoked {
        return None;
    }
    kvs[i] = old;
    Some(())
}

trait Linearizable {
    fn process_is_linearizable(&self) -> bool;
}

impl Linearizable for Operation {
    fn process_is_linearizable(&self) -> bool {
        !matches!(&self.request, Request::Range(range) if range.serializable)
    }
}

fn stale_read(history: &mut History, dice: &mut Dice) -> Option<()> {
    let source = some(history, dice, is_read)?.clone();
    let told = header(&source);
    let newer = history
        .operations
        .iter()
        .filter(|op| header(op) > told && op.process_is_linearizable())
        .map(|op| op.completed)
        .min()?;
    let target =
        some(history, dice, |op| op.request == source.request && is_ok(op) && op.invoked > newer)?;
    target.completion = source.completion;
    is_ok(target).then_some(())
}

fn key_missing(history: &mut History, dice: &mut Dice) -> Option<()> {
    let last = history.operations.last_mut()?;
    let Body::Range(range) = &mut ok(last)?.body else { return None };
    if range.kvs.is_empty() {
        return None;
    }
    range.kvs.remove(dice.below(range.kvs.len() as u64) as usize);
    range.count -= 1;
    Some(())
}

fn resurrected(history: &mut History, _: &mut Dice) -> Option<()> {
    let (last, before) = history.operations.split_last_mut()?;
    let Body::Range(range) = &mut ok(last)?.body else { return None };
    let is_there = |kv: &KeyValue| range.kvs.iter().any(|other| other.key == kv.key);
    let gone = before
        .iter()
        .filter(|op| op.process_is_linearizable())
        .filter_map(body)
        .flat_map(shown)
        .find(|kv| {
            !is_there(kv)
                && before.iter().any(|op| {
                    let is_delete =
                        matches!(&op.request, Request::DeleteRange(d) if d.range.contains(&kv.key));
                    is_delete
                        && is_ok(op)
                        && header(op) > kv.mod_revision.0
                        && before.iter().any(|put| {
                            header(put) == kv.mod_revision.0
                                && !is_read(put)
                                && put.completed < op.invoked
                        })
                })
        })?
        .clone();
    let place = range.kvs.partition_point(|kv| kv.key < gone.key);
    range.kvs.insert(place, gone);
    range.count += 1;
    Some(())
}

fn is_put(operation: &Operation) -> bool {
    matches!(operation.request, Request::Put(_)) && is_ok(operation)
}

fn revision_reused(history: &mut History, dice: &mut Dice) -> Option<()> {
    let other = header(some(history, dice, is_put)?);
    let target = some(history, dice, |op| is_put(op) && header(op) != other)?;
    ok(target)?.header.revision = Revision(other);
    Some(())
}

fn revision(history: &mut History, dice: &mut Dice, put: bool, add: u64) -> Option<()> {
    let target = some(history, dice, |op| is_ok(op) && is_put(op) == put)?;
    ok(target)?.header.revision.0 += add;
    Some(())
}

fn last_revision(history: &mut History, _: &mut Dice) -> Option<()> {
    let place = (1..history.operations.len()).rev().find(|i| {
        let op = &history.operations[*i];
        is_read(op)
            && is_ok(op)
            && history.operations.iter().any(|other| {
                other.id.process == op.id.process
                    && other.completed < op.invoked
                    && header(other) > 2
                    && other.process_is_linearizable()
            })
    })?;
    ok(&mut history.operations[place])?.header.revision = Revision(1);
    Some(())
}

fn exchanged(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (first, end) = {
        let op = some(history, dice, is_put)?;
        (header(op), op.completed)
    };
    let second = some(history, dice, |op| is_put(op) && op.invoked > end)?;
    let other = std::mem::replace(&mut ok(second)?.header.revision, Revision(first));
    let place = history
        .operations
        .iter()
        .position(|op| header(op) == first && is_put(op) && op.completed == end)?;
    ok(&mut history.operations[place])?.header.revision = other;
    Some(())
}

fn delete(history: &mut History, dice: &mut Dice, had_effect: bool) -> Option<()> {
    let accept = |op: &Operation| {
        matches!((&op.request, body(op)), (Request::DeleteRange(d), Some(Body::DeleteRange(a)))
            if !d.prev_kv && (a.deleted > 0) == had_effect)
    };
    match &mut ok(some(history, dice, accept)?)?.body {
        Body::DeleteRange(answer) => answer.deleted += 1,
        _ => return None,
    }
    Some(())
}

fn branch_to_success(history: &mut History, dice: &mut Dice) -> Option<()> {
    let target =
        some(history, dice, |op| matches!(body(op), Some(Body::Txn(txn)) if !txn.succeeded))?;
    match &mut ok(target)?.body {
        Body::Txn(txn) => {
            txn.succeeded = true;
            for response in &mut txn.responses {
                *response = TxnOpResponse::Put(PutResponse::default());
            }
        }
        _ => return None,
    }
    Some(())
}

fn twice(history: &mut History, _: &mut Dice) -> Option<()> {
    // The final read shows a write of unknown outcome again, that others saw gone.
    let (last, before) = history.operations.split_last_mut()?;
    let revision = header(last);
    let Body::Range(range) = &mut ok(last)?.body else { return None };
    let written = |kv: &KeyValue| {
        before.iter().any(|op| {
            matches!(op.completion, Completion::Info(_))
                && matches!(&op.request, Request::Put(put) if put.key == kv.key && put.value == kv.value)
        })
    };
    let seen = before
        .iter()
        .filter(|op| op.process_is_linearizable())
        .filter_map(body)
        .flat_map(shown)
        .find(|kv| written(kv) && kv.mod_revision.0 < revision)?
        .clone();
    let now = range
        .kvs
        .iter_mut()
        .find(|kv| kv.key == seen.key && kv.mod_revision != seen.mod_revision)?;
    now.value = seen.value;
    Some(())
}

fn aborted_read(history: &mut History, dice: &mut Dice) -> Option<()> {
    let put = some(history, dice, |op| {
        matches!(op.completion, Completion::Fail(_)) && matches!(op.request, Request::Put(_))
    })?;
    let Request::Put(put) = put.request.clone() else { return None };
    set_value(history, dice, SimTime::ZERO, &put.key, put.value)
}

fn read_ahead(history: &mut History, dice: &mut Dice) -> Option<()> {
    let op = some(history, dice, is_put)?.clone();
    let Request::Put(put) = op.request else { return None };
    let target = some(history, dice, |read| {
        is_read(read)
            && read.completed < op.invoked
            && body(read).is_some_and(|b| shown(b).iter().any(|kv| kv.key == put.key))
    })?;
    kvs(target)?.iter_mut().find(|kv| kv.key == put.key)?.value = put.value;
    Some(())
}

fn set_value(
    history: &mut History,
    dice: &mut Dice,
    after: SimTime,
    key: &whitewater_api::Key,
    value: Value,
) -> Option<()> {
    let target = some(history, dice, |op| {
        is_read(op)
            && op.invoked >= after
            && body(op).is_some_and(|b| shown(b).iter().any(|kv| kv.key == *key))
    })?;
    kvs(target)?.iter_mut().find(|kv| kv.key == *key)?.value = value;
    Some(())
}

fn refused(history: &mut History, dice: &mut Dice) -> Option<()> {
    let newest = history.operations.iter().map(header).max()?;
    let has_unknown =
        history.operations.iter().any(|op| matches!(op.completion, Completion::Info(_)));
    let target = some(history, dice, |op| is_put(op) && header(op) < newest)?;
    if has_unknown {
        return None;
    }
    target.completion = Completion::Fail(Error::NoLeader);
    Some(())
}

fn answered(history: &mut History, dice: &mut Dice) -> Option<()> {
    let taken = header(some(history, dice, is_put)?);
    let target = some(history, dice, |op| {
        matches!(op.completion, Completion::Info(_))
            && matches!(&op.request, Request::Put(p) if !p.prev_kv)
    })?;
    target.completion = Completion::Ok(whitewater_api::Response {
        header: whitewater_api::Header { revision: Revision(taken), ..Default::default() },
        body: Body::Put(PutResponse::default()),
    });
    Some(())
}

fn exchanged_reads(history: &mut History, dice: &mut Dice) -> Option<()> {
    let first = some(history, dice, |op| is_read(op) && is_ok(op))?.clone();
    let second = some(history, dice, |op| {
        is_ok(op)
            && op.request == first.request
            && op.invoked > first.completed
            && header(op) > header(&first)
    })?;
    let completion = std::mem::replace(&mut second.completion, first.completion.clone());
    let place = history.operations.iter().position(|op| op.id == first.id)?;
    history.operations[place].completion = completion;
    Some(())
}

fn serializable(
    history: &mut History,
    dice: &mut Dice,
    change: fn(&mut whitewater_api::Response, u64),
) -> Option<()> {
    let newest = history.operations.iter().map(header).max()?;
    let target = some(history, dice, |op| is_ok(op) && !op.process_is_linearizable())?;
    change(ok(target)?, newest);
    Some(())
}

fn phantom_compaction(history: &mut History, dice: &mut Dice) -> Option<()> {
    let target = some(history, dice, |op| matches!(op.completion, Completion::Fail(_)))?;
    target.completion = Completion::Fail(Error::Compacted { compacted: Revision(5) });
    Some(())
}

/// One random change of one answer, for tiny histories.
pub(crate) fn anything(history: &mut History, dice: &mut Dice) -> Option<()> {
    let all: Vec<KeyValue> =
        history.operations.iter().filter_map(body).flat_map(shown).cloned().collect();
    let donor = dice.pick(&(0..all.len()).collect::<Vec<_>>()).map(|i| all[i].clone());
    let target = some(history, dice, |op| {
        is_ok(op) && (!matches!(op.request, Request::Put(_))) && op.process_is_linearizable()
    })?;
    let request = target.request.clone();
    match (&mut ok(target)?.body, request) {
        (Body::Range(range), Request::Range(request)) => match dice.below(3) {
            0 if !range.kvs.is_empty() => {
                range.kvs.pop();
                range.count -= 1;
            }
            1 if request.limit > 0 && range.more => range.count += 1,
            _ => {
                let donor = donor.filter(|kv| request.range.contains(&kv.key))?;
                let place = range.kvs.partition_point(|kv| kv.key < donor.key);
                if range.kvs.get(place).is_some_and(|kv| kv.key == donor.key) {
                    range.kvs[place] = donor;
                } else {
                    range.kvs.insert(place, donor);
                    range.count += 1;
                }
            }
        },
        (Body::DeleteRange(answer), Request::DeleteRange(request)) if !request.prev_kv => {
            answer.deleted = if answer.deleted == 0 { 1 } else { answer.deleted - 1 };
        }
        (Body::Txn(answer), Request::Txn(request)) if answer.succeeded => {
            if !request.failure.iter().all(|op| matches!(op, TxnOp::Range(_))) {
                return None;
            }
            return None;
        }
        _ => return None,
    }
    Some(())
}
