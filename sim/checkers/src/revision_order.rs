//! The white-box judge: every answer of etcd carries the revision that it saw or made, so the order of the writes is
//! given, and linearizability is a matter of one sort, one sweep and one replay, O(n log n).
//!
//! 1. All acknowledged writes have a revision of their own ([`Timeline`]).
//! 2. The order agrees with real time ([`Bounds`](crate::bounds::Bounds)): whatever was told before an operation was
//!    invoked lies before it. A write that changed nothing leaves the revision and counts as a read.
//! 3. Each operation, replayed at its revision on the [`Model`](crate::model::Model), gives the answer that was given.
//! 4. Each revision that nobody acknowledged was made by one operation of unknown outcome.
//! 5. Compaction errors name a compaction that was asked for, and reads that were answered were not compacted.
//!
//! The idea is old: with a given order of the writes of each variable, checking is easy (Gibbons and Korach, Testing
//! Shared Memories, 1997). It is exact here, not a heuristic, because a store that breaks the order of its own
//! revisions has broken its promise as well.
//!
//! Evaluations: operations about keys that were answered. Discriminating: those for which real time alone left more
//! than one revision.

use crate::{
    bounds::tells,
    case::{Case, Op, Status, Step},
    ruling::{Judgement, Ruling},
    timeline::Timeline,
};
use std::collections::BTreeMap;
use whitewater_api::{Completion, Error, Revision};
use whitewater_record::{Checked, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "revision-order";

/// Judges a history whose timeline was found, or not.
pub(crate) fn judge(case: &Case, timeline: Result<&Timeline, &Ruling>) -> Judgement {
    let told = (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op));
    let mut checked = Checked { evaluations: told.count() as u64, discriminating: 0 };
    let ruling = match timeline {
        Err(ruling) => ruling.clone(),
        Ok(timeline) => {
            checked.discriminating = discriminating(case, timeline);
            compactions(case, timeline).err().unwrap_or(Ruling::Holds)
        }
    };
    Judgement { judge: JUDGE, ruling, checked }
}

fn discriminating(case: &Case, timeline: &Timeline) -> u64 {
    let told = (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op));
    told.filter(|(operation, op)| had_choice(timeline, *operation, op)).count() as u64
}

/// Whether an operation could have taken effect at another revision, as far as time says.
pub(crate) fn had_choice(timeline: &Timeline, operation: u32, op: &Op) -> bool {
    let bounds = &timeline.bounds;
    let (floor, _) = bounds.floor[operation as usize];
    let first = if op.has_effect { floor + 1 } else { floor };
    bounds.ceiling[operation as usize] > first
}

/// The compactions that were asked for.
#[derive(Debug, Default)]
struct Compactions {
    /// By revision: when the first was asked for.
    asked: BTreeMap<u64, SimTime>,
    /// Those that were done, by the time of the answer: up to then the highest revision, and who compacted it.
    done: Vec<(SimTime, u64, u32)>,
}

impl Compactions {
    fn new(case: &Case) -> Self {
        let mut compactions = Self::default();
        let is_asked = |op: &Op| op.is_of_past && op.status != Status::Refused;
        for (id, op) in (0..).zip(&case.operations).filter(|(_, op)| is_asked(op)) {
            let Step::Compact(revision) = *op.step else { continue };
            let first = compactions.asked.entry(revision).or_insert(op.invoked);
            *first = op.invoked.min(*first);
            if op.status == Status::Known {
                compactions.done.push((op.completed, revision, id));
            }
        }
        compactions.done.sort_unstable();
        let mut highest = (0, 0);
        for (_, revision, id) in &mut compactions.done {
            highest = highest.max((*revision, *id));
            (*revision, *id) = highest;
        }
        compactions
    }

    /// The highest that was done before `moment`.
    fn before(&self, moment: SimTime) -> Option<(u64, u32)> {
        let end = self.done.partition_point(|(completed, ..)| *completed < moment);
        end.checked_sub(1).map(|last| (self.done[last].1, self.done[last].2))
    }
}

/// Errors that are answers, and compactions.
pub(crate) fn compactions(case: &Case, timeline: &Timeline) -> Result<(), Ruling> {
    let compactions = Compactions::new(case);
    for (operation, op) in (0..).zip(case.recorded_operations()) {
        if op.status == Status::Known {
            if op.is_of_past {
                readable(case, &compactions, operation)?;
                compactable(case, timeline, &compactions, operation)?;
            }
            continue;
        }
        match &case.history.operations[operation as usize].completion {
            Completion::Fail(Error::Compacted { compacted: Revision(0) }) => {
                explain_untold(case, &compactions, operation)?;
            }
            // The wire does not say how far the store was.
            Completion::Fail(Error::FutureRevision { current: Revision(0) }) => {}
            Completion::Fail(Error::Compacted { compacted }) => {
                explain_compacted(case, &compactions, operation, compacted.0)?;
            }
            // Asked for a hash, a member speaks for itself, and may be behind.
            Completion::Fail(Error::FutureRevision { .. })
                if matches!(*case.operations[operation as usize].step, Step::Other) => {}
            Completion::Fail(Error::FutureRevision { current }) => {
                explain_future(case, timeline, operation, current.0)?;
            }
            Completion::Fail(Error::KeyNotFound) => explain_absent(case, timeline, operation)?,
            Completion::Ok(_) | Completion::Fail(_) | Completion::Info(_) => {}
        }
    }
    Ok(())
}

/// The same where the refusal does not say to which revision, as on etcd's wire: some compaction must explain it.
fn explain_untold(case: &Case, compactions: &Compactions, operation: u32) -> Result<(), Ruling> {
    let op = &case.operations[operation as usize];
    let explains = |compacted: u64| match &*op.step {
        Step::Range(range) => range.past < compacted,
        Step::Compact(revision) => *revision <= compacted,
        Step::Put(_) | Step::Delete(_) | Step::Txn(_) | Step::Revoke(_) | Step::Other => true,
    };
    let mut asked = compactions.asked.iter();
    if asked.any(|(compacted, asked)| *asked <= op.completed && explains(*compacted)) {
        return Ok(());
    }
    let sentence = format!(
        "{} was refused as compacted, but nobody had asked for such a compaction",
        case.operation(operation)
    );
    Err(case.broken("phantom-compaction", sentence, &[operation]))
}

/// A refusal because of a compaction needs a compaction to that revision, asked for before.
fn explain_compacted(
    case: &Case,
    compactions: &Compactions,
    operation: u32,
    compacted: u64,
) -> Result<(), Ruling> {
    let op = &case.operations[operation as usize];
    if compactions.asked.get(&compacted).is_none_or(|asked| *asked > op.completed) {
        let sentence = format!(
            "{} was refused as compacted at {}, but nobody had asked for that compaction",
            case.operation(operation),
            Revision(compacted)
        );
        return Err(case.broken("phantom-compaction", sentence, &[operation]));
    }
    let is_readable = match &*op.step {
        Step::Range(range) => range.past >= compacted,
        Step::Compact(revision) => *revision > compacted,
        Step::Put(_) | Step::Delete(_) | Step::Txn(_) | Step::Revoke(_) | Step::Other => false,
    };
    if is_readable {
        let sentence = format!(
            "{} was refused as compacted at {}, but asked for nothing below it",
            case.operation(operation),
            Revision(compacted)
        );
        return Err(case.broken("wrong-error", sentence, &[operation]));
    }
    Ok(())
}

/// A refusal because of a future revision must tell a revision that was the newest at some time of the operation.
fn explain_future(
    case: &Case,
    timeline: &Timeline,
    operation: u32,
    current: u64,
) -> Result<(), Ruling> {
    let op = &case.operations[operation as usize];
    let wanted = match &*op.step {
        Step::Range(range) => range.past,
        Step::Compact(revision) => *revision,
        Step::Put(_) | Step::Delete(_) | Step::Txn(_) | Step::Revoke(_) | Step::Other => u64::MAX,
    };
    let (floor, _) = timeline.bounds.floor[operation as usize];
    let floor = if op.is_serializable { 0 } else { floor };
    // Unknown writes that nobody saw may have raised the revision past the newest that is known.
    let newest = timeline.bounds.ceiling[operation as usize] + timeline.unused.len() as u64;
    if current < floor || current > newest || wanted <= current {
        let sentence = format!(
            "{} was refused because the newest revision was {}, but it lay between {} and {}",
            case.operation(operation),
            Revision(current),
            Revision(floor),
            Revision(newest)
        );
        return Err(case.broken("wrong-error", sentence, &[operation]));
    }
    Ok(())
}

/// A put that keeps the value was refused: the key must have been absent at some time of the operation.
fn explain_absent(case: &Case, timeline: &Timeline, operation: u32) -> Result<(), Ruling> {
    let op = &case.operations[operation as usize];
    let Step::Put(put) = &*op.step else { return Ok(()) };
    let (floor, _) = timeline.bounds.floor[operation as usize];
    let ceiling = timeline.bounds.ceiling[operation as usize];
    // What was guessed may have been otherwise, and if the next revision was, it may have been made before the return.
    let is_in_doubt = timeline.guessed.iter().any(|guessed| *guessed <= ceiling + 1);
    let is_absent = |revision| timeline.model.at(put.key, revision).is_none();
    // Of the newest revision a compaction alone may tell, and nobody of its maker.
    if is_in_doubt || (floor.min(ceiling)..=ceiling).any(is_absent) {
        return Ok(());
    }
    // Something may have deleted it at a revision that nobody has told yet.
    let may_delete = |unused: &u32| {
        let unused = &case.operations[*unused as usize];
        let mut deletes = false;
        unused.step.deletes(&mut |keys| deletes |= keys.contains(put.key));
        deletes && unused.invoked <= op.completed
    };
    if ceiling >= timeline.newest() && timeline.unused.iter().any(may_delete) {
        return Ok(());
    }
    let sentence = format!(
        "{} was refused because the key was not found, but it was there all the time",
        case.operation(operation)
    );
    Err(case.broken("wrong-error", sentence, &[operation]))
}

/// A read of the past that was answered must not lie below a compaction that was acknowledged before.
fn readable(case: &Case, compactions: &Compactions, operation: u32) -> Result<(), Ruling> {
    let op = &case.operations[operation as usize];
    let Some(past) = op.step.oldest_read() else { return Ok(()) };
    // A stale node may not have heard of the compaction.
    if op.is_serializable {
        return Ok(());
    }
    let Some((revision, id)) = compactions.before(op.invoked) else { return Ok(()) };
    if revision <= past {
        return Ok(());
    }
    let sentence = format!(
        "{} read {}, but {} had compacted at {}",
        case.operation(operation),
        Revision(past),
        case.operation(id),
        Revision(revision)
    );
    Err(case.broken("read-below-compaction", sentence, &[operation, id]))
}

/// A compaction that was done lies above the one before, and not in the future.
fn compactable(
    case: &Case,
    timeline: &Timeline,
    compactions: &Compactions,
    operation: u32,
) -> Result<(), Ruling> {
    let op = &case.operations[operation as usize];
    let Step::Compact(revision) = *op.step else { return Ok(()) };
    let newest = timeline.bounds.ceiling[operation as usize] + timeline.unused.len() as u64;
    let who = case.operation(operation);
    if revision > newest {
        let sentence = format!("{who} was done, but the newest revision was {}", Revision(newest));
        return Err(case.broken("future-compaction", sentence, &[operation]));
    }
    match compactions.before(op.invoked) {
        Some((before, id)) if before >= revision => {
            let sentence = format!("{who} was done, but {} was before", case.operation(id));
            Err(case.broken("repeated-compaction", sentence, &[operation, id]))
        }
        Some(_) | None => Ok(()),
    }
}
