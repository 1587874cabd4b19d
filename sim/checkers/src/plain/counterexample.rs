//! Why a history of registers or keys is wrong, in as few operations as it takes.
//!
//! A part of a history explains something only if it cannot fail where the whole is right. So an operation may be in a
//! part only with everything that can have brought about what it saw: every write of the value that it read, every delete
//! if it saw nothing, every write if all that it says is that the key did *not* hold something. Of an order of the whole
//! the part then keeps a legal order: what an operation saw last was there last.

use super::{Decision, Partition};
use crate::{
    limits::{Budget, CHECKED_MAX},
    minimize::minimize,
    ruling::Anomaly,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainHistory, PlainOperation, Shown, SimTime};

/// Larger parts are shown without the places of the operation that has none: too many orders would have to be tried.
const PLACED_MAX: usize = 9;

/// A part of the operations on one key that cannot be, and from which nothing can be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainCounterexample {
    /// What the judge objects to in the part.
    pub anomaly: Anomaly,
    /// The part: positions in the whole history, in the order of invocation, with the operations as text.
    pub core: Vec<(usize, String)>,
    /// Whether leaving out any of the part, and all that saw it, was tried and made the rest legal.
    pub is_minimal: bool,
    /// Completions on this key, in the order of time, up to which it is legal: one more, and it is not.
    pub legal_completions: usize,
    /// When the next one came.
    pub legal_until: SimTime,
    /// The operation of the part that cannot be placed: its position in the whole history.
    pub unplaced: usize,
    /// The others of the part in a legal order: positions in the whole history. Empty if the part is too large.
    pub order: Vec<usize>,
    /// For each place in that order, from before the first to after the last, what forbids it.
    pub placements: Vec<String>,
    /// How often a part was judged.
    pub checks: u64,
}

/// Explains what is wrong on the key of an anomaly; none if a part of the history is too hard to judge.
#[must_use]
pub fn find(
    history: &PlainHistory,
    anomaly: &Anomaly,
    budget: &Budget,
) -> Option<PlainCounterexample> {
    let key = &history.operations.get(*anomaly.operations.first()?)?.key;
    let all: Vec<usize> =
        (0..history.operations.len()).filter(|op| history.operations[*op].key == *key).collect();
    let mut search = Search { history, budget, makers: Makers::new(history, &all), checks: 0 };
    let near = search.makers.close(&anomaly.operations);
    let start = if search.is_broken(&near) { near } else { all.clone() };
    let checks_max = CHECKED_MAX / (start.len() as u64 + 1);
    let makers = search.makers.clone();
    let minimal =
        minimize(&start, checks_max, |op| makers.needs(op), |part| search.is_broken(part));
    let anomaly = search.broken(&minimal.elements)?;
    let unplaced = *anomaly.operations.first()?;
    let (legal_completions, legal_until) = search.legal_prefix(&all);
    let core = || minimal.elements.iter().map(|op| (*op, &history.operations[*op]));
    let rest: Vec<(usize, &PlainOperation)> = core().filter(|(op, _)| *op != unplaced).collect();
    let order =
        if rest.len() < PLACED_MAX { legal_order(history.initial.as_ref(), &rest) } else { None };
    let placements = order.as_ref().map(|order| {
        let order: Vec<&PlainOperation> = order.iter().map(|op| &history.operations[*op]).collect();
        let place = |place| forbidden(history, &order, place, &history.operations[unplaced]);
        (0..=order.len()).map(place).collect()
    });
    Some(PlainCounterexample {
        core: core().map(|(op, operation)| (op, operation.to_string())).collect(),
        anomaly,
        is_minimal: minimal.is_minimal,
        legal_completions,
        legal_until,
        unplaced,
        order: order.unwrap_or_default(),
        placements: placements.unwrap_or_default(),
        checks: search.checks,
    })
}

struct Search<'h> {
    history: &'h PlainHistory,
    budget: &'h Budget,
    makers: Makers<'h>,
    checks: u64,
}

impl<'h> Search<'h> {
    fn part(&mut self, part: &[usize]) -> Partition<'h> {
        self.checks += 1;
        let position = |op: &usize| u32::try_from(*op).expect("operations are numbered by u32");
        Partition::new(self.history, part.iter().map(position).collect())
    }

    /// Whether a part is not legal. What is too hard may be.
    fn is_broken(&mut self, part: &[usize]) -> bool {
        self.part(part).is_linearizable(self.budget, &|| false) == Some(false)
    }

    /// What is wrong with a part; nothing if it is legal, or too hard.
    fn broken(&mut self, part: &[usize]) -> Option<Anomaly> {
        match self.part(part).decide(self.budget, &|| false).0 {
            Decision::Broken(anomaly) => Some(anomaly),
            Decision::Linearizable | Decision::Undecided(_) => None,
        }
    }

    /// The most completions with which the key is legal, and when the next one comes. What is legal is so after each of
    /// its completions, so halving finds it.
    fn legal_prefix(&mut self, all: &[usize]) -> (usize, SimTime) {
        let times = all.iter().filter_map(|op| self.history.operations[*op].completed);
        let mut times: Vec<SimTime> = times.collect();
        times.sort_unstable();
        let (mut legal, mut illegal) = (0, times.len());
        while legal + 1 < illegal {
            let probe = usize::midpoint(legal, illegal);
            let prefix = self.prefix(all, times[probe - 1]);
            self.checks += 1;
            let count = u32::try_from(prefix.operations.len()).expect("fewer than the whole");
            let prefix = Partition::new(&prefix, (0..count).collect());
            if prefix.is_linearizable(self.budget, &|| false) == Some(false) {
                illegal = probe;
            } else {
                legal = probe;
            }
        }
        (legal, times.get(legal).copied().unwrap_or(SimTime::NEVER))
    }

    /// What was known at a time: of what was open then, nothing.
    fn prefix(&self, all: &[usize], until: SimTime) -> PlainHistory {
        let known = |op: &usize| {
            let operation = &self.history.operations[*op];
            if operation.completed.is_some_and(|completed| completed <= until) {
                return Some(operation.clone());
            }
            let mut open = PlainOperation { completed: None, ..operation.clone() };
            match &mut open.action {
                PlainAction::Read(_) => return None,
                PlainAction::Cas { swapped, .. } => *swapped = None,
                PlainAction::Write(_) | PlainAction::Append(_) | PlainAction::Delete => {}
            }
            (operation.invoked <= until).then_some(open)
        };
        let operations = all.iter().filter_map(known).collect();
        PlainHistory { initial: self.history.initial.clone(), operations }
    }
}

/// Who can have brought about what, among the operations on one key.
#[derive(Clone, Debug)]
struct Makers<'h> {
    history: &'h PlainHistory,
    /// By value: who puts it there whole.
    whole: BTreeMap<&'h Value, Vec<usize>>,
    appends: Vec<(&'h Value, usize)>,
    deletes: Vec<usize>,
    /// Whoever may change the key.
    all: Vec<usize>,
}

impl<'h> Makers<'h> {
    fn new(history: &'h PlainHistory, operations: &[usize]) -> Self {
        let (whole, appends, deletes, all) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let mut makers = Self { history, whole, appends, deletes, all };
        for op in operations {
            let action = &history.operations[*op].action;
            if !action.is_observer() {
                makers.all.push(*op);
            }
            match action {
                PlainAction::Write(value)
                | PlainAction::Cas { to: value, swapped: None | Some(true), .. } => {
                    makers.whole.entry(value).or_default().push(*op);
                }
                PlainAction::Append(value) => makers.appends.push((value, *op)),
                PlainAction::Delete => makers.deletes.push(*op),
                PlainAction::Read(_) | PlainAction::Cas { .. } => {}
            }
        }
        makers
    }

    /// What an operation needs beside it.
    fn needs(&self, op: usize) -> Vec<usize> {
        let operation = &self.history.operations[op];
        let mut needs = match &operation.action {
            PlainAction::Read(seen) => self.of(seen.as_ref()),
            PlainAction::Cas { swapped: Some(false), .. } => self.all.clone(),
            PlainAction::Cas { from, .. } => self.of(from.as_ref()),
            PlainAction::Write(_) | PlainAction::Append(_) | PlainAction::Delete => Vec::new(),
        };
        // What began only after it had returned had no part in it.
        needs.retain(|maker| {
            *maker != op
                && operation
                    .completed
                    .is_none_or(|completed| self.history.operations[*maker].invoked <= completed)
        });
        needs
    }

    /// Who can have made the key hold this.
    fn of(&self, value: Option<&Value>) -> Vec<usize> {
        let Some(value) = value else { return self.deletes.clone() };
        let mut makers = self.whole.get(value).cloned().unwrap_or_default();
        if !self.appends.is_empty() {
            let is_in = |part: &[u8]| {
                part.is_empty() || value.as_slice().windows(part.len()).any(|window| window == part)
            };
            let written = self.whole.iter().filter(|(part, _)| is_in(part.as_slice()));
            makers.extend(written.flat_map(|(_, ops)| ops));
            makers.extend(
                self.appends.iter().filter(|(part, _)| is_in(part.as_slice())).map(|it| it.1),
            );
            makers.extend(&self.deletes);
        }
        makers
    }

    /// The operations with all that they need, ascending.
    fn close(&self, operations: &[usize]) -> Vec<usize> {
        let mut closed: BTreeSet<usize> = operations.iter().copied().collect();
        let mut open: Vec<usize> = closed.iter().copied().collect();
        while let Some(op) = open.pop() {
            open.extend(self.needs(op).into_iter().filter(|needed| closed.insert(*needed)));
        }
        closed.into_iter().collect()
    }
}

/// An order of a few operations that respects real time and explains every answer; those of unknown outcome may be left
/// out, and come last then.
fn legal_order(initial: Option<&Value>, rest: &[(usize, &PlainOperation)]) -> Option<Vec<usize>> {
    fn extend(
        state: Option<&Value>,
        rest: &[(usize, &PlainOperation)],
        order: &mut Vec<usize>,
    ) -> bool {
        if rest.iter().all(|(_, operation)| operation.completed.is_none()) {
            return true;
        }
        for (place, (op, operation)) in rest.iter().enumerate() {
            let is_late = rest.iter().any(|(_, other)| {
                other.completed.is_some_and(|completed| completed < operation.invoked)
            });
            let mut next = state.cloned();
            if is_late || !play(&mut next, &operation.action) {
                continue;
            }
            let mut others = rest.to_vec();
            others.remove(place);
            order.push(*op);
            if extend(next.as_ref(), &others, order) {
                return true;
            }
            order.pop();
        }
        false
    }
    let mut order = Vec::with_capacity(rest.len());
    extend(initial, rest, &mut order).then_some(order)
}

/// Does an operation; whether its answer is right.
fn play(state: &mut Option<Value>, action: &PlainAction) -> bool {
    match action {
        PlainAction::Read(seen) => return state == seen,
        PlainAction::Write(value) => *state = Some(value.clone()),
        PlainAction::Append(value) => {
            let mut bytes = state.as_ref().map_or_else(Vec::new, |it| it.as_slice().to_vec());
            bytes.extend_from_slice(value.as_slice());
            *state = Some(Value::from(bytes));
        }
        PlainAction::Delete => *state = None,
        PlainAction::Cas { from, to, swapped } => {
            let is_equal = state == from;
            if is_equal && *swapped != Some(false) {
                *state = Some(to.clone());
            }
            return swapped.is_none_or(|swapped| swapped == is_equal);
        }
    }
    true
}

/// Why an operation cannot stand at a place of an order.
fn forbidden(
    history: &PlainHistory,
    order: &[&PlainOperation],
    place: usize,
    unplaced: &PlainOperation,
) -> String {
    let (before, after) = order.split_at(place);
    let missed = after.iter().find(|other| other.completed.is_some_and(|it| it < unplaced.invoked));
    if let Some(other) = missed {
        return format!("`{other}` had returned before it was invoked");
    }
    let late = before.iter().find(|other| unplaced.completed.is_some_and(|it| it < other.invoked));
    if let Some(other) = late {
        return format!("it had returned before `{other}` was invoked");
    }
    let mut state = history.initial.clone();
    for other in before {
        play(&mut state, &other.action);
    }
    let held = state.clone();
    if !play(&mut state, &unplaced.action) {
        return format!("the key held {}", Shown(held.as_ref()));
    }
    let wrong = after.iter().find(|other| !play(&mut state, &other.action));
    wrong.map_or_else(
        || "another order of the others would be needed".to_owned(),
        |other| format!("`{other}` could not have followed"),
    )
}

impl fmt::Display for PlainCounterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.core.len() == 1 { "operation" } else { "operations" };
        writeln!(f, "{} {word} that cannot all be right:", self.core.len())?;
        let text = |op: usize| {
            self.core.iter().find(|(other, _)| *other == op).map_or("", |(_, text)| text.as_str())
        };
        for (op, text) in &self.core {
            writeln!(f, "  {} {text}", if *op == self.unplaced { '>' } else { ' ' })?;
        }
        if !self.is_minimal {
            writeln!(f, "    (there may be a smaller part)")?;
        }
        if !self.placements.is_empty() {
            writeln!(f, "`{}` has no place:", text(self.unplaced))?;
        }
        for (place, forbidden) in self.placements.iter().enumerate() {
            match place.checked_sub(1).and_then(|place| self.order.get(place)) {
                Some(op) => writeln!(f, "    after `{}`: {forbidden}", text(*op))?,
                None if self.order.is_empty() => writeln!(f, "    alone: {forbidden}")?,
                None => writeln!(f, "    first: {forbidden}")?,
            }
        }
        write!(
            f,
            "Completions on the key that are legal: {}; the next one comes at {}.",
            self.legal_completions, self.legal_until.0
        )
    }
}
