//! What every other judge takes for granted. A history that breaks it was recorded wrongly; nothing else is said about
//! it then. The exception is an answer that does not fit its question, which is the store's doing.
//!
//! Evaluations and discriminating: operations.

use crate::{
    case::{Case, Status},
    intern::Table,
    ruling::{Judgement, Ruling},
    writers::Writers,
};
use whitewater_record::Checked;

/// The name of the judge.
pub(crate) const JUDGE: &str = "assumptions";

/// What a record of two operations of one process at a time breaks.
pub(crate) const ONE_AT_A_TIME: &str = "a process has one operation open at a time";

/// Judges the history as a record.
pub(crate) fn judge(case: &Case, writers: &Writers) -> Judgement {
    let operations = case.history.operations.len() as u64;
    let checked = Checked { evaluations: operations, discriminating: operations };
    let ruling = match record(case, writers) {
        Err(reason) => Ruling::Undecided(reason.into()),
        Ok(()) => answers(case),
    };
    Judgement { judge: JUDGE, ruling, checked }
}

fn answers(case: &Case) -> Ruling {
    let Some((position, reason)) = case.malformed.first() else { return Ruling::Holds };
    let operation = u32::try_from(*position).expect("operations are numbered by u32");
    let sentence = format!("{}: {reason}", case.operation(operation));
    case.broken("malformed-answer", sentence, &[operation])
}

fn record(case: &Case, writers: &Writers) -> Result<(), String> {
    if let Some(op) = case.backwards {
        let op = u32::try_from(op).expect("operations are numbered by u32");
        return Err(format!("{} was completed before it was invoked", case.operation(op)));
    }
    if !in_order(case)? {
        sorted(case)?;
    }
    if let Some([first, second]) = writers.duplicate {
        return Err(format!(
            "values are not unique: {} and {}",
            case.operation(first),
            case.operation(second)
        ));
    }
    Ok(())
}

/// Judges the operations in the order of the record; stops and says so if that is not the order of each process.
fn in_order(case: &Case) -> Result<bool, String> {
    // By process: its latest operation so far.
    let mut latest: Table<u32, u32> = Table::default();
    for (op, this) in (0..).zip(case.recorded_operations()) {
        if let Some(before) = latest.insert(this.id.process.0, op) {
            if case.operations[before as usize].id > this.id {
                return Ok(false);
            }
            between(case, before, op)?;
        }
    }
    Ok(true)
}

/// The same in any order.
fn sorted(case: &Case) -> Result<(), String> {
    let mut order: Vec<u32> = (0..).zip(case.recorded_operations()).map(|(op, _)| op).collect();
    let id = |op: u32| case.operations[op as usize].id;
    order.sort_unstable_by_key(|op| (id(*op), *op));
    for pair in order.windows(2) {
        let [before, op] = pair else { continue };
        if id(*before).process == id(*op).process {
            between(case, *before, *op)?;
        }
    }
    Ok(())
}

/// Two operations of one process, by their ids.
fn between(case: &Case, before: u32, op: u32) -> Result<(), String> {
    let [first, second] = [before, op].map(|op| &case.operations[op as usize]);
    if first.id == second.id {
        return Err(format!("two operations have the id {}", second.id));
    }
    if first.status == Status::Unknown {
        return Err(format!(
            "{} follows {}: a process is retired after an unknown outcome",
            case.operation(op),
            case.operation(before)
        ));
    }
    if second.invoked < first.completed {
        return Err(format!(
            "{} was invoked before {} had returned: {ONE_AT_A_TIME}",
            case.operation(op),
            case.operation(before)
        ));
    }
    Ok(())
}
