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
    if history.operations.is_sorted_by_key(|operation| operation.invoked) {
        return one_at_a_time(history.operations.iter());
    }
    let mut order: Vec<&PlainOperation> = history.operations.iter().collect();
    order.sort_by_key(|operation| operation.invoked);
    one_at_a_time(order.into_iter())
}

/// `order` is that of the invocations.
fn one_at_a_time<'h>(order: impl Iterator<Item = &'h PlainOperation>) -> Result<(), String> {
    // By process: its latest operation that was answered.
    let mut latest: Table<u32, &PlainOperation> = Table::default();
    for operation in order.filter(|operation| operation.completed.is_some()) {
        if let Some(before) = latest.insert(operation.process.0, operation)
            && before.completed > Some(operation.invoked)
        {
            return Err(format!("`{operation}` was invoked before `{before}` had returned"));
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
