//! Histories of registers of any size that are known to be right, or wrong at one place: closed loops of clients, each
//! operation executed at one moment between its invocation and its return, those of unknown outcome later or never.

use whitewater_api::{Key, Process, Value};
use whitewater_record::{PlainAction, PlainHistory, PlainOperation, Seed, SimTime, Stream};

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many operations.
    pub operations: usize,
    /// Who ask for them, each one at a time.
    pub clients: u32,
    /// How many keys there are.
    pub keys: u64,
    /// How many values there are; 0, if none is written twice.
    pub values: u64,
    /// Of a million operations, how many compare and swap. The others are reads and writes, as many of each.
    pub cas_ppm: u32,
    /// How many writes and swaps end without an answer.
    pub pending: usize,
    /// These come together in the middle, as an outage makes them, instead of from time to time.
    pub is_burst: bool,
    /// A read after nine tenths of the operations sees what was overwritten long before.
    pub is_stale: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            operations: 1_000,
            clients: 10,
            keys: 1,
            values: 0,
            cas_ppm: 0,
            pending: 0,
            is_burst: false,
            is_stale: false,
        }
    }
}

/// Mean length of an operation, and of the pause after it.
const LENGTH: u64 = 1_000;

/// A read is stale by so many writes.
const STALE_BY: usize = 30;

/// Of few values: it is looked for among so many, and so many writes came after it.
const OLD_AMONG: usize = 100;
/// See [`OLD_AMONG`].
const OVERWRITTEN_BY: usize = 12;

/// One operation before it is known what it did.
struct Draft {
    process: u32,
    key: usize,
    invoked: u64,
    completed: Option<u64>,
    /// Of one of unknown outcome it may be never.
    executed: Option<u64>,
    action: PlainAction,
}

/// The history of a seed.
#[must_use]
pub fn history(seed: Seed, shape: Shape) -> PlainHistory {
    let mut draws = seed.stream("registers", 0);
    let mut drafts = drafts(&mut draws, shape);
    execute(&mut draws, shape, &mut drafts);
    let operation = |draft: Draft| PlainOperation {
        process: Process(draft.process),
        key: Key::from(format!("k{}", draft.key)),
        invoked: SimTime(draft.invoked),
        completed: draft.completed.map(SimTime),
        action: draft.action,
        line: 0,
    };
    PlainHistory { initial: None, operations: drafts.into_iter().map(operation).collect() }
}

/// In the order of invocation.
fn drafts(draws: &mut Stream, shape: Shape) -> Vec<Draft> {
    let mut next: Vec<u64> = (0..shape.clients).map(|_| draws.below(LENGTH)).collect();
    let mut drafts = Vec::with_capacity(shape.operations);
    let mut pending = 0;
    for number in 0..shape.operations {
        let (client, invoked) = (0..)
            .zip(&next)
            .min_by_key(|(_, at)| **at)
            .map_or((0, 0), |(client, at)| (client, *at));
        let length = 1 + draws.exponential(LENGTH);
        let completed = invoked + length;
        next[client] = completed + 1 + draws.exponential(LENGTH);
        let action = if draws.chance(shape.cas_ppm) {
            PlainAction::Cas { from: None, to: value(draws, shape, number), swapped: None }
        } else if draws.chance(500_000) {
            PlainAction::Write(value(draws, shape, number))
        } else {
            PlainAction::Read(None)
        };
        let due = if shape.is_burst {
            number.saturating_sub(shape.operations / 2)
        } else {
            shape.pending * number / shape.operations
        };
        let is_lost = pending < shape.pending.min(due + 1)
            && (number >= shape.operations / 2 || !shape.is_burst)
            && !matches!(action, PlainAction::Read(_));
        pending += usize::from(is_lost);
        let (completed, executed) = match is_lost {
            false => (Some(completed), Some(invoked + draws.below(length + 1))),
            true if draws.chance(400_000) => (None, None),
            true => (None, Some(invoked + draws.below(5 * length))),
        };
        let process = u32::try_from(client).unwrap_or_default();
        let key = usize::try_from(draws.below(shape.keys)).unwrap_or_default();
        drafts.push(Draft { process, key, invoked, completed, executed, action });
    }
    drafts
}

fn value(draws: &mut Stream, shape: Shape, number: usize) -> Value {
    let value = if shape.values == 0 { number as u64 } else { draws.below(shape.values) };
    Value::from(value.to_string().as_str())
}

/// Plays all operations and writes down what they saw. What a swap compares with was there when it was asked, or before.
fn execute(draws: &mut Stream, shape: Shape, drafts: &mut [Draft]) {
    let mut moments: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * drafts.len());
    for (number, draft) in drafts.iter().enumerate() {
        moments.push((draft.invoked, false, number));
        moments.extend(draft.executed.map(|at| (at, true, number)));
    }
    moments.sort_unstable();
    let keys = usize::try_from(shape.keys).unwrap_or_default();
    // By key: all that it held, the newest last.
    let mut held: Vec<Vec<Option<Value>>> = vec![vec![None]; keys];
    let mut is_stale = shape.is_stale;
    for (_, is_execution, number) in moments {
        let draft = &mut drafts[number];
        let past = &mut held[draft.key];
        let newest = past[past.len() - 1].clone();
        match &mut draft.action {
            PlainAction::Cas { from, .. } if !is_execution => {
                let back = usize::try_from(draws.below(3)).unwrap_or_default();
                from.clone_from(&past[past.len().saturating_sub(1 + back)]);
            }
            _ if !is_execution => {}
            PlainAction::Read(seen) => {
                *seen = newest;
                if is_stale
                    && number >= shape.operations / 10 * 9
                    && let Some(old) = oldest(past, shape)
                {
                    seen.clone_from(old);
                    is_stale = false;
                }
            }
            PlainAction::Write(value) => past.push(Some(value.clone())),
            PlainAction::Cas { from, to, swapped } => {
                let is_there = *from == newest;
                if is_there {
                    past.push(Some(to.clone()));
                }
                *swapped = draft.completed.map(|_| is_there);
            }
            PlainAction::Append(_) | PlainAction::Delete => {}
        }
    }
}

/// A value that was overwritten long ago. Of few values it is the one that was there last the longest time ago.
fn oldest(past: &[Option<Value>], shape: Shape) -> Option<&Option<Value>> {
    if shape.values == 0 {
        return past.len().checked_sub(STALE_BY).map(|place| &past[place]);
    }
    let last = |value: &&Option<Value>| past.iter().rposition(|other| other == *value);
    let recent = &past[past.len().saturating_sub(OLD_AMONG)..];
    let old = recent.iter().filter(|value| value.is_some()).min_by_key(last)?;
    (last(&old)? + OVERWRITTEN_BY < past.len()).then_some(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_checkers::{Budget, Ruling, plain};

    #[test]
    fn a_history_is_right_unless_a_read_is_stale() {
        for (seed, values, is_burst) in [(1, 0, false), (2, 5, false), (3, 5, true)] {
            let shape =
                Shape { values, cas_ppm: 300_000, pending: 8, is_burst, ..Shape::default() };
            let told = history(Seed(seed), shape);
            let lost = told.operations.iter().filter(|op| op.completed.is_none()).count();
            assert_eq!(lost, 8);
            assert_eq!(plain::judge(&told, &Budget::default()).ruling, Ruling::Holds);
        }
        let stale = history(Seed(1), Shape { is_stale: true, ..Shape::default() });
        let ruling = plain::judge(&stale, &Budget::default()).ruling;
        assert!(matches!(ruling, Ruling::Broken(_)), "{ruling:?}");
    }
}
