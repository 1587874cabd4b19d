//! What is taken for granted of a record. One that breaks it was recorded wrongly, and nothing is said about it.

use crate::{assumptions::ONE_AT_A_TIME, intern::Table};
use whitewater_record::{PlainAction, PlainHistory, PlainOperation, SimTime};

/// Looks at the operations of a record one after the other, so that a long one is gone through once.
///
/// No operation ends before it begins, an outcome is known exactly if there was an answer, and a process has one
/// operation open at a time. A process that never got an answer may go on: whoever recorded it gave up waiting.
#[derive(Default)]
pub(crate) struct Soundness {
    latest: Latest,
    /// The latest invocation.
    invoked: SimTime,
    /// Some operation was invoked before the one in front of it.
    is_unsorted: bool,
    /// Two operations of a process that were open at a time, if the order is that of the invocations.
    overlap: Option<[u32; 2]>,
}

/// By process: when its latest operation that was answered returned, and its position.
#[derive(Default)]
struct Latest {
    /// Of processes with small numbers, as most of them have.
    small: Vec<Option<(SimTime, u32)>>,
    others: Table<u32, (SimTime, u32)>,
}

/// Numbers of processes below this are small.
const SMALL: u32 = 1 << 12;

impl Latest {
    fn replace(&mut self, process: u32, operation: (SimTime, u32)) -> Option<(SimTime, u32)> {
        if process >= SMALL {
            return self.others.insert(process, operation);
        }
        let place = process as usize;
        if self.small.len() <= place {
            self.small.resize(place + 1, None);
        }
        self.small[place].replace(operation)
    }
}

impl Soundness {
    /// Looks at the next operation. Why the record is unsound, if that is seen from it alone.
    pub(crate) fn add(&mut self, position: u32, operation: &PlainOperation) -> Result<(), String> {
        alone(operation)?;
        self.is_unsorted |= operation.invoked < self.invoked;
        self.invoked = operation.invoked;
        if self.overlap.is_none() {
            self.overlap = overlap(&mut self.latest, position, operation);
        }
        Ok(())
    }

    /// Why the record is unsound, if it is, after all operations.
    pub(crate) fn finish(mut self, history: &PlainHistory) -> Result<(), String> {
        let told = |position: u32| &history.operations[position as usize];
        if self.is_unsorted {
            let mut order: Vec<u32> = (0..).zip(&history.operations).map(|(at, _)| at).collect();
            order.sort_by_key(|position| told(*position).invoked);
            self.latest = Latest::default();
            self.overlap = order
                .into_iter()
                .find_map(|position| overlap(&mut self.latest, position, told(position)));
        }
        self.overlap.map_or(Ok(()), |[before, after]| {
            let (before, after) = (told(before), told(after));
            Err(format!("`{after}` was invoked before `{before}` had returned: {ONE_AT_A_TIME}"))
        })
    }
}

/// The operation of the same process that was open when this one was invoked, and this one. They come in the order of
/// invocation.
fn overlap(latest: &mut Latest, position: u32, operation: &PlainOperation) -> Option<[u32; 2]> {
    let returned = operation.completed?;
    let (end, before) = latest.replace(operation.process.0, (returned, position))?;
    (end > operation.invoked).then_some([before, position])
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
