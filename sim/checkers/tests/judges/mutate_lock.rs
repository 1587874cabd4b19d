//! Corruptions of what holders of locks believe, and of their writes.

use crate::{generate::Dice, mutate_watch::Corruption};
use whitewater_api::{
    Completion, LeaseId, Request, Revision,
    request::{CompareTarget, TxnRequest},
    response::Body,
};
use whitewater_record::{History, HoldRow};

pub(crate) const CORRUPTIONS: &[(&str, Corruption, &[&str])] = &[
    ("a fence of another revision", other_revision, &["holds-nothing"]),
    ("held on another lease", other_lease, &["wrong-lease"]),
    ("held before the key was there", before_creation, &["holds-nothing"]),
    (
        "held after the key was gone",
        after_deletion,
        &["holds-nothing", "jumped-queue", "two-owners"],
    ),
    ("held while another one holds", two_owners, &["two-owners", "jumped-queue"]),
    ("held out of turn", out_of_turn, &["jumped-queue", "two-owners"]),
    ("a write succeeds after its fence is gone", broken_fence, &["fence-broken"]),
    (
        "a write succeeds after one of a later holder",
        interleaved,
        &["interleaved-fences", "fence-broken"],
    ),
    ("two hold at once", overlap, &["two-holders"]),
];

fn pick(history: &History, dice: &mut Dice, is_wanted: impl Fn(&HoldRow) -> bool) -> Option<usize> {
    let found = history.holds.iter().enumerate().filter(|(_, hold)| is_wanted(hold));
    dice.pick(&found.map(|(place, _)| place).collect::<Vec<_>>())
}

/// The revision at which an answer says that the holder's key went.
fn deleted(history: &History, hold: &HoldRow) -> Option<Revision> {
    history.operations.iter().find_map(|operation| {
        match (&operation.request, &operation.completion) {
            (Request::DeleteRange(delete), Completion::Ok(response))
                if delete.range.start == hold.key =>
            {
                matches!(&response.body, Body::DeleteRange(answer) if answer.deleted == 1)
                    .then_some(response.header.revision)
            }
            _ => None,
        }
    })
}

fn other_revision(history: &mut History, dice: &mut Dice) -> Option<()> {
    let place = pick(history, dice, |hold| hold.seen > hold.revision)?;
    history.holds[place].revision.0 += 1;
    Some(())
}

fn other_lease(history: &mut History, dice: &mut Dice) -> Option<()> {
    let place = pick(history, dice, |hold| hold.lease != LeaseId::NONE)?;
    history.holds[place].lease.0 += 1_000_000;
    Some(())
}

fn before_creation(history: &mut History, dice: &mut Dice) -> Option<()> {
    let place = pick(history, dice, |_| true)?;
    history.holds[place].seen.0 = history.holds[place].revision.0 - 1;
    Some(())
}

fn after_deletion(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let place = pick(history, dice, |hold| deleted(&copy, hold).is_some())?;
    history.holds[place].seen = deleted(history, &history.holds[place])?;
    Some(())
}

/// A holder, and another one whose key is younger and was there before the first one's went.
fn pair(history: &History, dice: &mut Dice) -> Option<(usize, usize, Revision)> {
    let mut found = Vec::new();
    for (a, first) in history.holds.iter().enumerate() {
        let Some(end) = deleted(history, first) else { continue };
        for (b, second) in history.holds.iter().enumerate() {
            if first.revision < second.revision && second.revision < end && first.seen < end {
                found.push((a, b, end));
            }
        }
    }
    dice.pick(&found)
}

fn two_owners(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, second, end) = pair(history, dice)?;
    history.holds[second].seen.0 = end.0 - 1;
    Some(())
}

fn out_of_turn(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (first, second, _) = pair(history, dice)?;
    history.holds[second].seen = history.holds[second].revision;
    history.holds.remove(first);
    Some(())
}

fn fence(txn: &TxnRequest) -> Option<Revision> {
    match txn.compares[..] {
        [ref compare] => match compare.target {
            CompareTarget::Create(revision) if revision.0 > 0 => Some(revision),
            _ => None,
        },
        _ => None,
    }
}

/// A fenced write that succeeded, and a hold whose fence it may have instead.
fn write_under(
    history: &mut History,
    dice: &mut Dice,
    is_wanted: impl Fn(&History, &HoldRow, Revision, Revision) -> bool,
) -> Option<()> {
    let mut found = Vec::new();
    for (position, operation) in history.operations.iter().enumerate() {
        let (Request::Txn(txn), Completion::Ok(response)) =
            (&operation.request, &operation.completion)
        else {
            continue;
        };
        let (Some(own), Body::Txn(answer)) = (fence(txn), &response.body) else { continue };
        for (place, hold) in history.holds.iter().enumerate() {
            let wanted = is_wanted(history, hold, own, response.header.revision);
            if answer.succeeded && hold.revision != own && wanted {
                found.push((position, place));
            }
        }
    }
    let (position, place) = dice.pick(&found)?;
    let (key, revision) = (history.holds[place].key.clone(), history.holds[place].revision);
    let Request::Txn(txn) = &mut history.operations[position].request else { return None };
    txn.compares[0].range.start = key;
    txn.compares[0].target = CompareTarget::Create(revision);
    Some(())
}

fn broken_fence(history: &mut History, dice: &mut Dice) -> Option<()> {
    write_under(history, dice, |history, hold, _, at| {
        deleted(history, hold).is_some_and(|end| end < at)
    })
}

/// Of a holder whose key went with its lease, which no answer tells.
fn interleaved(history: &mut History, dice: &mut Dice) -> Option<()> {
    write_under(history, dice, |history, hold, own, at| {
        let others = history.operations.iter().any(|operation| {
            match (&operation.request, &operation.completion) {
                (Request::Txn(txn), Completion::Ok(response)) => {
                    let is_fenced = fence(txn) == Some(own) && response.header.revision < at;
                    is_fenced && matches!(&response.body, Body::Txn(answer) if answer.succeeded)
                }
                _ => false,
            }
        });
        hold.revision < own && others
    })
}

fn overlap(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let mut found = Vec::new();
    for (a, first) in history.holds.iter().enumerate() {
        for (b, second) in history.holds.iter().enumerate() {
            // Just as the first one has begun, nothing has been done about its end.
            let deletes = copy.operations.iter().any(|operation| {
                let named = format!("{}", operation.request);
                operation.invoked <= first.from
                    && (named.contains("delete") || named.contains("revoke"))
                    && (named.contains(&first.key.to_string())
                        || named.contains(&first.lease.to_string()))
            });
            if first.revision < second.revision && !deletes && first.to > first.from {
                found.push((a, b));
            }
        }
    }
    let (first, second) = dice.pick(&found)?;
    let from = history.holds[first].from;
    // The lease must have been granted not long before.
    let granted = copy.operations.iter().find(|operation| match &operation.completion {
        Completion::Ok(response) => matches!(
            &response.body,
            Body::Lease(whitewater_api::LeaseResponse::Grant { lease, .. })
                if *lease == history.holds[first].lease
        ),
        _ => false,
    })?;
    if from.since(granted.invoked).0 > crate::store::SECOND {
        return None;
    }
    let second = &mut history.holds[second];
    second.from = from;
    Some(())
}
