//! Random histories: what a store does, and what a broken one might say it did.

use whitewater_api::{Key, Process, Value};
use whitewater_record::{PlainAction, PlainHistory, PlainOperation, SimTime, Stream};

/// What kind of history.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) clients: u32,
    pub(super) operations: usize,
    /// Different values; 0 if no value is written twice.
    pub(super) values: u64,
    /// Weights of reads, writes, swaps, deletes and appends.
    pub(super) weights: [u64; 5],
    /// Chance in a million that nobody learns of the outcome.
    pub(super) unknown: u32,
    /// Wrong answers put in.
    pub(super) lies: usize,
    pub(super) has_initial: bool,
}

struct Draft {
    action: u64,
    process: u32,
    invoked: u64,
    point: Option<u64>,
    completed: Option<u64>,
    value: Value,
    from: Option<Value>,
}

/// A history of one key.
pub(super) fn generate(stream: &mut Stream, shape: &Shape) -> PlainHistory {
    let initial = (shape.has_initial && stream.chance(500_000)).then(|| Value::from("0"));
    let mut drafts = drafts(stream, shape);
    let mut order: Vec<usize> = (0..drafts.len()).filter(|i| drafts[*i].point.is_some()).collect();
    order.sort_by_key(|i| drafts[*i].point);
    let mut state = initial.clone();
    let mut seen: Vec<(Option<Value>, bool)> = vec![(None, false); drafts.len()];
    for i in order {
        let draft = &mut drafts[i];
        if draft.action == 2 && stream.chance(600_000) {
            draft.from.clone_from(&state);
        }
        seen[i] = (state.clone(), draft.from == state);
        state = match draft.action {
            1 => Some(draft.value.clone()),
            2 if draft.from == state => Some(draft.value.clone()),
            0 | 2 => state,
            3 => None,
            _ => {
                let held = state.map(|held| held.as_slice().to_vec()).unwrap_or_default();
                Some(Value::from([&held, draft.value.as_slice()].concat()))
            }
        };
    }
    let mut operations: Vec<PlainOperation> = drafts
        .iter()
        .zip(seen)
        .filter(|(draft, _)| draft.action != 0 || draft.completed.is_some())
        .map(|(draft, (held, is_equal))| finish(draft, held, is_equal))
        .collect();
    operations.sort_by_key(|operation| operation.invoked);
    for _ in 0..shape.lies {
        lie(stream, &mut operations);
    }
    PlainHistory { initial, operations }
}

fn finish(draft: &Draft, held: Option<Value>, is_equal: bool) -> PlainOperation {
    let completed = draft.completed.map(SimTime);
    let value = draft.value.clone();
    let action = match draft.action {
        0 => PlainAction::Read(held),
        1 => PlainAction::Write(value),
        2 => PlainAction::Cas {
            from: draft.from.clone(),
            to: value,
            swapped: completed.map(|_| is_equal),
        },
        3 => PlainAction::Delete,
        _ => PlainAction::Append(value),
    };
    PlainOperation {
        process: Process(draft.process),
        key: Key::from("k"),
        invoked: SimTime(draft.invoked),
        completed,
        action,
        line: 0,
    }
}

fn drafts(stream: &mut Stream, shape: &Shape) -> Vec<Draft> {
    let mut free = vec![0; shape.clients as usize];
    let mut process: Vec<u32> = (0..shape.clients).collect();
    let mut fresh = shape.clients;
    let mut drafts = Vec::new();
    for number in 0..shape.operations {
        let client = (0..free.len()).min_by_key(|i| free[*i]).unwrap();
        let invoked = free[client] + stream.below(6);
        let point = invoked + stream.below(8);
        let completed = point + stream.below(8);
        // Ties matter: intervals are closed.
        free[client] = completed + stream.below(3);
        let is_unknown = stream.chance(shape.unknown);
        let has_point = !is_unknown || stream.chance(500_000);
        let value = |stream: &mut Stream| match shape.values {
            0 => format!("v{number}"),
            values => format!("{}", stream.below(values)),
        };
        let (to, from) = (value(stream), value(stream));
        drafts.push(Draft {
            action: choose(stream, &shape.weights),
            process: process[client],
            invoked,
            point: has_point.then(|| if is_unknown { point + stream.below(60) } else { point }),
            completed: (!is_unknown).then_some(completed),
            value: Value::from(to),
            from: (!stream.chance(200_000)).then(|| Value::from(from)),
        });
        if is_unknown {
            process[client] = fresh;
            fresh += 1;
        }
    }
    drafts
}

fn choose(stream: &mut Stream, weights: &[u64]) -> u64 {
    let mut draw = stream.below(weights.iter().sum());
    for (choice, weight) in (0..).zip(weights) {
        if draw < *weight {
            return choice;
        }
        draw -= weight;
    }
    unreachable!("the draw is below the sum")
}

/// Makes an answer another one.
fn lie(stream: &mut Stream, operations: &mut [PlainOperation]) {
    let values: Vec<Option<Value>> = operations
        .iter()
        .map(|operation| match &operation.action {
            PlainAction::Read(value) => value.clone(),
            PlainAction::Write(value) | PlainAction::Append(value) => Some(value.clone()),
            PlainAction::Delete => None,
            PlainAction::Cas { to, .. } => Some(to.clone()),
        })
        .collect();
    if operations.is_empty() {
        return;
    }
    let any = values[usize::try_from(stream.below(values.len() as u64)).unwrap()].clone();
    let liar = usize::try_from(stream.below(operations.len() as u64)).unwrap();
    let operation = &mut operations[liar];
    match &mut operation.action {
        PlainAction::Read(value) => *value = any,
        PlainAction::Cas { swapped: Some(swapped), .. } => *swapped = !*swapped,
        PlainAction::Write(_)
        | PlainAction::Append(_)
        | PlainAction::Delete
        | PlainAction::Cas { .. } => {
            // It was answered earlier than it was.
            operation.completed = operation.completed.map(|_| operation.invoked);
        }
    }
}
