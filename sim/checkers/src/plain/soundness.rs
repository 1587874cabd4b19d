//! What is taken for granted of a record. One that breaks it was recorded wrongly, and nothing is said about it.

use crate::intern::Table;
use whitewater_record::{PlainAction, PlainHistory, PlainOperation};

/// Why the record is unsound, if it is.
///
/// No operation ends before it begins, an outcome is known exactly if there was an answer, and a process has one
/// operation open at a time. A process that never got an answer may go on: whoever recorded it gave up waiting.
pub(crate) fn check(history: &PlainHistory) -> Result<(), String> {
    for operation in &history.operations {
        alone(operation)?;
    }
    let is_sorted = history.operations.is_sorted_by_key(|operation| operation.invoked);
    let mut order: Vec<u32> =
        (0..).zip(&history.operations).map(|(position, _)| position).collect();
    if !is_sorted {
        order.sort_by_key(|position| history.operations[*position as usize].invoked);
    }
    // By process: its latest operation that was answered.
    let mut latest: Table<u32, u32> = Table::default();
    for position in order {
        let operation = &history.operations[position as usize];
        if operation.completed.is_none() {
            continue;
        }
        if let Some(before) = latest.insert(operation.process.0, position) {
            let before = &history.operations[before as usize];
            if before.completed > Some(operation.invoked) {
                return Err(format!("`{operation}` was invoked before `{before}` had returned"));
            }
        }
    }
    Ok(())
}

fn alone(operation: &PlainOperation) -> Result<(), String> {
    if operation.completed.is_some_and(|completed| completed < operation.invoked) {
        return Err(format!("`{operation}` returned before it was invoked"));
    }
    if let PlainAction::Cas { swapped, .. } = operation.action
        && swapped.is_some() != operation.completed.is_some()
    {
        return Err(format!(
            "`{operation}` has an outcome without an answer, or the other way round"
        ));
    }
    Ok(())
}
