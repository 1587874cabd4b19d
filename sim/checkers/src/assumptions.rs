//! What every other judge takes for granted. A history that breaks it was recorded wrongly; nothing else is said about
//! it then. The exception is an answer that does not fit its question, which is the store's doing.
//!
//! Evaluations and discriminating: operations.

use crate::{
    case::{Case, Status},
    ruling::{Judgement, Ruling},
    writers::Writers,
};
use whitewater_record::Checked;

/// The name of the judge.
pub(crate) const JUDGE: &str = "assumptions";

/// Judges the history as a record.
pub(crate) fn judge(case: &Case, writers: &Writers) -> Judgement {
    let operations = case.history.operations.len() as u64;
    let checked = Checked { evaluations: operations, discriminating: operations };
    let ruling = match record(case, writers) {
        Err(reason) => Ruling::Undecided(reason),
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
    let mut order: Vec<u32> = (0..).zip(case.recorded_operations()).map(|(op, _)| op).collect();
    let told = |op: &u32| &case.history.operations[*op as usize];
    order.sort_unstable_by_key(|op| (told(op).id, *op));
    let mut previous: Option<u32> = None;
    for op in order {
        let this = told(&op);
        if this.completed < this.invoked {
            return Err(format!("{} was completed before it was invoked", case.operation(op)));
        }
        if let Some(before) = previous.filter(|before| told(before).id.process == this.id.process) {
            between(case, before, op)?;
        }
        previous = Some(op);
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

/// Two operations of one process, by their ids.
fn between(case: &Case, before: u32, op: u32) -> Result<(), String> {
    let told = |op: u32| &case.history.operations[op as usize];
    if told(before).id == told(op).id {
        return Err(format!("two operations have the id {}", told(op).id));
    }
    if case.operations[before as usize].status == Status::Unknown {
        return Err(format!(
            "{} follows {}: a process is retired after an unknown outcome",
            case.operation(op),
            case.operation(before)
        ));
    }
    if told(op).invoked < told(before).completed {
        return Err(format!(
            "{} was invoked before {} had returned",
            case.operation(op),
            case.operation(before)
        ));
    }
    Ok(())
}
