//! What revisions may name, where no answer says it.
//!
//! A client may compare with a revision of which no answer tells, as it may have it from a watch; and a put of unknown outcome may
//! have kept the value beside which a revision stands. Then each operation of unknown outcome that nobody tells of may have
//! made it. Every way to say who did is a problem of its own. If one of them has an order, the history has one; if none has,
//! neither has the history.

use super::learn::Lore;
use crate::{
    case::{Case, Op, SeenKv, Status, Step, Txn},
    limits::WAYS_MAX,
    ruling::Ruling,
    writers::Writers,
};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::request::CompareTarget;

/// Who made each of the revisions that are in doubt; nobody, if it was nobody whose writes matter.
pub(super) type Way = Vec<(u64, Option<u32>)>;

/// All ways; one, if nothing is in doubt. An objection, if there is none.
pub(super) fn ways(case: &Case, writers: &Writers, lore: &Lore) -> Result<Vec<Way>, Ruling> {
    let keys = compared(case, lore);
    if keys.is_empty() && lore.kept.is_empty() {
        return Ok(vec![Way::new()]);
    }
    let mut ways = vec![Way::new()];
    for (token, makers) in makers(case, writers, lore, &keys)? {
        ways = longer(&ways, token, &makers);
        if ways.len() > WAYS_MAX {
            let reason = format!(
                "revisions may name writes in more than {WAYS_MAX} ways, for no answer tells who made them"
            );
            return Err(Ruling::NotApplicable(reason));
        }
    }
    if ways.is_empty() {
        let readers = lore.kept.values().flatten().map(|(reader, _)| *reader);
        let mut witnesses = readers
            .chain((0..).zip(&case.operations).filter_map(|(op, it)| it.tells.then_some(op)));
        let sentence = "answers tell of more revisions than operations can have made".to_owned();
        return Err(case.broken(
            "not-linearizable",
            sentence,
            &[witnesses.next().unwrap_or_default()],
        ));
    }
    Ok(ways)
}

/// Who may have made each revision that is in doubt.
fn makers(
    case: &Case,
    writers: &Writers,
    lore: &Lore,
    compared: &BTreeMap<u64, BTreeSet<u32>>,
) -> Result<BTreeMap<u64, Vec<Option<u32>>>, Ruling> {
    let mut all: BTreeMap<u64, Vec<Option<u32>>> = BTreeMap::new();
    let mut creations = BTreeSet::new();
    for op in case.operations.iter().filter(|op| op.tells && !compared.is_empty()) {
        op.step.seen_newest(&mut |kv| _ = creations.insert(kv.create));
    }
    for (token, keys) in compared {
        let puts = |op: &u32| keys.iter().any(|key| puts(case, *op, *key).is_some());
        let mut makers: Vec<Option<u32>> = dark(case, lore).filter(puts).map(Some).collect();
        // Somebody made what an answer shows as a creation.
        if makers.is_empty() || !creations.contains(token) {
            makers.push(None);
        }
        all.insert(*token, makers);
    }
    for (token, seen) in &lore.kept {
        let shows = |op: u32, kv: &SeenKv| {
            let is_own = writers.of(kv.key, kv.value);
            let is_own = is_own.is_some_and(|write| writers.writes[write as usize].operation == op);
            is_own || puts(case, op, kv.key) == Some(true)
        };
        let shown = |op: &u32| seen.iter().all(|(_, kv)| shows(*op, kv));
        // A stale read may have told after all whose it is.
        let told = lore.maker(*token);
        let perhaps = dark(case, lore).filter(|_| told.is_none());
        let makers: Vec<Option<u32>> =
            told.into_iter().chain(perhaps).filter(shown).map(Some).collect();
        if let (true, Some((reader, kv))) = (makers.is_empty(), seen.first()) {
            let (who, saw) = (case.operation(*reader), case.seen(kv));
            let sentence =
                format!("{who} saw {saw}, but nobody can have put that at that revision");
            return Err(case.broken("wrong-revision", sentence, &[*reader]));
        }
        all.insert(*token, makers);
    }
    Ok(all)
}

/// Each way, with each of those who may have made one more revision.
fn longer(ways: &[Way], token: u64, makers: &[Option<u32>]) -> Vec<Way> {
    let mut longer = Vec::new();
    for way in ways {
        let is_free =
            |maker: &Option<u32>| maker.is_none() || !way.iter().any(|(_, other)| other == maker);
        for maker in makers.iter().copied().filter(is_free) {
            longer.push(way.iter().copied().chain([(token, maker)]).collect());
        }
    }
    longer
}

/// Operations of unknown outcome of which no answer tells.
fn dark(case: &Case, lore: &Lore) -> impl Iterator<Item = u32> {
    let all = (0..).zip(&case.operations);
    let is_dark =
        |(op, it): &(u32, &Op)| it.status == Status::Unknown && it.can_write && !lore.is_told(*op);
    all.filter(is_dark).map(|(op, _)| op)
}

/// Whether an operation may put a key, and then, whether it may keep its value.
fn puts(case: &Case, operation: u32, key: u32) -> Option<bool> {
    let mut keeps = None;
    case.operations[operation as usize].step.puts(&mut |put| {
        if put.key == key {
            keeps = Some(keeps == Some(true) || put.ignore_value);
        }
    });
    keeps
}

/// Revisions of which no answer tells whose they are, with the keys that are compared with them, as far as an operation of which
/// no answer tells may put one.
fn compared(case: &Case, lore: &Lore) -> BTreeMap<u64, BTreeSet<u32>> {
    fn collect(txn: &Txn, look: &mut impl FnMut(u64, u32)) {
        for condition in &txn.compares {
            if let CompareTarget::Mod(token) | CompareTarget::Create(token) = condition.target {
                look(token.0, condition.keys.low);
            }
        }
        for step in txn.possible().into_iter().flatten() {
            if let Step::Txn(inner) = step {
                collect(inner, look);
            }
        }
    }
    let mut all: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    for op in case.operations.iter().filter(|op| op.status != Status::Refused) {
        let Step::Txn(txn) = &*op.step else { continue };
        collect(txn, &mut |token, key| {
            if token != 0 && lore.maker(token).is_none() && lore.has_untold[key as usize] {
                all.entry(token).or_default().insert(key);
            }
        });
    }
    all
}
