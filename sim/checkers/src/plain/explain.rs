//! Sentences about broken promises. The verdict is the searches'; what is said here only has to be true and short.

use super::zones::Clash;
use crate::ruling::Anomaly;
use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainHistory, PlainOperation, SimTime};

/// What the zones stand on in place of an operation: the start.
const START: u32 = u32::MAX;

/// The anomaly that the zones found.
pub(crate) fn clash(history: &PlainHistory, clash: &Clash) -> Anomaly {
    let told = |position: u32| &history.operations[position as usize];
    match *clash {
        Clash::NeverWritten(read) => never_written(history, read),
        Clash::FromFuture(read, write) => from_future(history, read, write),
        Clash::SwappedTwice(one, other) => swapped_twice(history, one, other),
        Clash::Circle(swap) => {
            let sentence = format!(
                "`{}` found a value that only swaps made, each of them from what the next one made",
                told(swap)
            );
            anomaly(history, "never-written", sentence, &[swap])
        }
        Clash::OutOfTurn { swap, after, before } => {
            let sentence = format!(
                "`{}` was invoked after `{}` had returned, which comes after `{}` had put an end to that value",
                told(before),
                told(after),
                told(swap)
            );
            anomaly(history, stale(told(before)), sentence, &[before, after, swap])
        }
        Clash::Crossed([one, two], [three, four]) => crossed(history, [one, two], [three, four]),
    }
}

/// Two values each have to come before the other: the first of a pair returned before the second was invoked, and the
/// first of one pair has the same value as the second of the other.
fn crossed(history: &PlainHistory, one: [u32; 2], other: [u32; 2]) -> Anomaly {
    let told = |position: u32| &history.operations[position as usize];
    let end = |position: u32| told(position).completed.unwrap_or(SimTime::NEVER);
    let rank = |pair: &[u32; 2]| (told(pair[1]).action.is_observer(), end(pair[1]));
    // The later observer is the one that can be called stale.
    let ([early, late], [between, stuck]) =
        if rank(&one) > rank(&other) { (other, one) } else { (one, other) };
    let place = |position: u32| {
        if position == START { "the start".to_owned() } else { format!("`{}`", told(position)) }
    };
    let sentence = format!(
        "`{}` was invoked after {} had returned, though {} returned before {} was invoked: their values replace each \
         other",
        told(stuck),
        place(between),
        place(early),
        place(late),
    );
    anomaly(history, stale(told(stuck)), sentence, &[stuck, between, early, late])
}

/// No order gets past the return of the operation at `position`; `operations` are those on its key.
pub(crate) fn stuck(history: &PlainHistory, operations: &[u32], position: u32) -> Anomaly {
    let stuck = &history.operations[position as usize];
    let sources = Sources::new(history, operations, stuck);
    if let Some(sources) = &sources {
        if !sources.is_initial && sources.writers.is_empty() {
            return never_written(history, position);
        }
        if let Some(write) = sources.only_later(history, stuck) {
            return from_future(history, position, write);
        }
        if let Some(rival) = sources.rival(history, operations, position) {
            return swapped_twice(history, rival, position);
        }
        if let Some(by) = sources.overwritten(history, operations, stuck) {
            let by_whom = &history.operations[by as usize];
            let sentence = format!(
                "`{stuck}` was invoked after `{by_whom}` had returned, which replaced every value like that"
            );
            return anomaly(history, stale(stuck), sentence, &[position, by]);
        }
    }
    let sentence = format!(
        "no order of the operations on key {} explains every answer up to `{stuck}`",
        stuck.key
    );
    anomaly(history, "not-linearizable", sentence, &[position])
}

/// Who can have made what an operation saw.
struct Sources {
    is_initial: bool,
    writers: Vec<u32>,
}

impl Sources {
    /// [`None`] if the operation saw nothing in particular, or if it is not that simple.
    fn new(history: &PlainHistory, operations: &[u32], stuck: &PlainOperation) -> Option<Self> {
        let seen = seen(&stuck.action)?;
        let makes = |position: &u32| made(history, *position) == Some(seen);
        let has_appends = operations.iter().any(|position| {
            matches!(history.operations[*position as usize].action, PlainAction::Append(_))
        });
        (!has_appends).then(|| Self {
            is_initial: Held(history.initial.as_ref()) == seen,
            writers: operations.iter().copied().filter(makes).collect(),
        })
    }

    /// One of the writers, if all of them were invoked too late.
    fn only_later(&self, history: &PlainHistory, stuck: &PlainOperation) -> Option<u32> {
        let is_later = |write: &u32| {
            stuck.completed.is_some_and(|end| end < history.operations[*write as usize].invoked)
        };
        let is_late = !self.is_initial && self.writers.iter().all(is_later);
        is_late.then(|| self.writers.first().copied()).flatten()
    }

    /// Another swap from the same value, which was there once at most.
    fn rival(&self, history: &PlainHistory, operations: &[u32], position: u32) -> Option<u32> {
        let from = |position: u32| match &history.operations[position as usize].action {
            PlainAction::Cas { from, to, swapped: Some(true) } if from.as_ref() != Some(to) => {
                Some(from)
            }
            PlainAction::Read(_)
            | PlainAction::Write(_)
            | PlainAction::Append(_)
            | PlainAction::Delete
            | PlainAction::Cas { .. } => None,
        };
        let own = from(position)?;
        if usize::from(self.is_initial) + self.writers.len() > 1 {
            return None;
        }
        operations.iter().copied().find(|other| *other != position && from(*other) == Some(own))
    }

    /// An operation that replaced the value for sure after all writers had returned, and before the operation began.
    fn overwritten(
        &self,
        history: &PlainHistory,
        operations: &[u32],
        stuck: &PlainOperation,
    ) -> Option<u32> {
        let told = |position: u32| &history.operations[position as usize];
        let mut last = SimTime::ZERO;
        for writer in &self.writers {
            let writer = told(*writer);
            if stuck.completed.is_none_or(|end| writer.invoked <= end) {
                last = last.max(writer.completed?);
            }
        }
        let seen = seen(&stuck.action)?;
        operations.iter().copied().find(|other| {
            let by = told(*other);
            let is_answered = by.completed.is_some_and(|end| end < stuck.invoked);
            let is_after = by.invoked > last || self.writers.is_empty();
            is_answered && is_after && made(history, *other).is_some_and(|made| made != seen)
        })
    }
}

/// What a key may hold: a value, or nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Held<'h>(Option<&'h Value>);

/// What an operation saw.
fn seen(action: &PlainAction) -> Option<Held<'_>> {
    match action {
        PlainAction::Read(value) => Some(Held(value.as_ref())),
        PlainAction::Cas { from, swapped: Some(true), .. } => Some(Held(from.as_ref())),
        PlainAction::Write(_)
        | PlainAction::Append(_)
        | PlainAction::Delete
        | PlainAction::Cas { .. } => None,
    }
}

/// What an operation makes of the key, if it takes effect.
fn made(history: &PlainHistory, position: u32) -> Option<Held<'_>> {
    match &history.operations[position as usize].action {
        PlainAction::Write(value) => Some(Held(Some(value))),
        PlainAction::Cas { to, swapped: None | Some(true), .. } => Some(Held(Some(to))),
        PlainAction::Delete => Some(Held(None)),
        PlainAction::Read(_) | PlainAction::Append(_) | PlainAction::Cas { .. } => None,
    }
}

pub(crate) fn never_written(history: &PlainHistory, read: u32) -> Anomaly {
    let sentence = format!("`{}` saw a value that nobody wrote", history.operations[read as usize]);
    anomaly(history, "never-written", sentence, &[read])
}

fn from_future(history: &PlainHistory, read: u32, write: u32) -> Anomaly {
    let told = |position: u32| &history.operations[position as usize];
    let sentence = format!("`{}` had returned before `{}` was invoked", told(read), told(write));
    anomaly(history, "read-from-future", sentence, &[read, write])
}

fn swapped_twice(history: &PlainHistory, one: u32, other: u32) -> Anomaly {
    let told = |position: u32| &history.operations[position as usize];
    let ends = told(one).completed.unwrap_or(SimTime::NEVER);
    let (early, late) =
        if Some(ends) <= told(other).completed { (one, other) } else { (other, one) };
    let sentence = format!(
        "`{}` and `{}` both replaced the same value, which was there once",
        told(early),
        told(late)
    );
    anomaly(history, "lost-update", sentence, &[late, early])
}

fn stale(operation: &PlainOperation) -> &'static str {
    match operation.action {
        PlainAction::Read(_) => "stale-read",
        PlainAction::Cas { .. } => "stale-swap",
        PlainAction::Write(_) | PlainAction::Append(_) | PlainAction::Delete => "not-linearizable",
    }
}

fn anomaly(history: &PlainHistory, code: &str, sentence: String, operations: &[u32]) -> Anomaly {
    let evidence: Vec<usize> = operations
        .iter()
        .filter(|position| **position != START)
        .map(|position| *position as usize)
        .collect();
    let at = evidence.first().and_then(|first| history.operations[*first].completed);
    Anomaly::new(code, sentence, evidence, at.unwrap_or(SimTime::NEVER))
}
