//! From events, in the order in which they were recorded, to operations: each invocation with its completion.

use crate::{PlainAction, PlainHistory, PlainOperation, SimTime, lines::Malformed};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{Key, Process, Value};

/// What a process did at one moment.
pub(super) struct Event {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) process: u32,
    pub(super) kind: Kind,
    pub(super) verb: Verb,
    /// On which key; nothing on a completion that does not repeat it.
    pub(super) key: Option<Key>,
    pub(super) argument: Argument,
    /// In nanoseconds, if the recorder says.
    pub(super) time: Option<u64>,
    /// The recorder gives a reason for the failure, so that it was more than a no.
    pub(super) has_error: bool,
}

/// Jepsen's four types of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    Write,
    Append,
    Delete,
    Cas,
}

/// With what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Not looked at: the invocation of a read, or a completion that tells nothing new.
    Nothing,
    /// What was seen, or is to be written.
    One(Option<Value>),
    /// What must be there, and what is then written.
    Two(Option<Value>, Option<Value>),
}

/// Pairs events.
pub(super) struct Pairing {
    /// An empty value and none are the same (Porcupine's model of a map of strings).
    empty_is_absent: bool,
    operations: Vec<Half>,
    /// By process: its operation that was not answered yet.
    open: BTreeMap<u32, usize>,
    events: u64,
    is_timed: bool,
}

/// An operation that may still be open.
struct Half {
    invocation: Event,
    invoked: Moment,
    end: Option<(Kind, Moment, Argument, bool)>,
}

/// By its place among the events, and by the recorder's clock.
#[derive(Clone, Copy)]
struct Moment {
    place: u64,
    time: u64,
}

impl Pairing {
    pub(super) fn new(empty_is_absent: bool) -> Self {
        let (operations, open) = (Vec::new(), BTreeMap::new());
        Self { empty_is_absent, operations, open, events: 0, is_timed: true }
    }

    pub(super) fn event(&mut self, event: Event) -> Result<(), Malformed> {
        self.events += 1;
        self.is_timed &= event.time.is_some();
        let now = Moment { place: self.events, time: event.time.unwrap_or(0) };
        if event.kind == Kind::Invoke {
            // Without a completion before, the outcome of that one stays unknown.
            self.open.insert(event.process, self.operations.len());
            self.operations.push(Half { invocation: event, invoked: now, end: None });
            return Ok(());
        }
        let (line, column) = (event.line, event.column);
        let object = |reason: String| Err(Malformed::new(line, column, reason));
        let Some(position) = self.open.remove(&event.process) else {
            return object(format!(
                "process {} completes an operation that it did not invoke",
                event.process
            ));
        };
        let half = &mut self.operations[position];
        let asked = &half.invocation;
        if asked.verb != event.verb
            || event.key.as_ref().is_some_and(|key| asked.key.as_ref() != Some(key))
        {
            return object(format!(
                "the completion does not fit what process {} invoked in line {}",
                event.process, asked.line
            ));
        }
        if event.time.is_some_and(|time| asked.time.is_some_and(|invoked| time < invoked)) {
            return object(format!("completed before it was invoked in line {}", asked.line));
        }
        half.end = Some((event.kind, now, event.argument, event.has_error));
        Ok(())
    }

    pub(super) fn finish(self) -> Result<PlainHistory, Malformed> {
        let Self { empty_is_absent, operations: halves, is_timed, .. } = self;
        let at = |moment: Moment| SimTime(if is_timed { moment.time } else { moment.place });
        let mut names = Names::new(halves.iter().map(|half| half.invocation.process));
        let mut operations = Vec::with_capacity(halves.len());
        for Half { invocation, invoked, end } in halves {
            let process = names.now(invocation.process);
            let completed = match &end {
                Some((Kind::Ok | Kind::Fail, moment, ..)) => Some(at(*moment)),
                Some((Kind::Info | Kind::Invoke, ..)) | None => {
                    names.retire(invocation.process);
                    None
                }
            };
            let (line, invoked) = (invocation.line, at(invoked));
            let key = invocation.key.clone().unwrap_or_default();
            if let Some(action) = action(invocation, end, empty_is_absent)? {
                operations.push(PlainOperation { process, key, invoked, completed, action, line });
            }
        }
        operations.sort_by_key(|operation| operation.invoked);
        Ok(PlainHistory { initial: None, operations })
    }
}

/// What the operation says about the key, if anything.
fn action(
    asked: Event,
    end: Option<(Kind, Moment, Argument, bool)>,
    empty_is_absent: bool,
) -> Result<Option<PlainAction>, Malformed> {
    let kept = |value: Option<Value>| value.filter(|v| !(empty_is_absent && v.is_empty()));
    let (kind, seen, has_error) = match end {
        Some((kind, _, seen, has_error)) => (kind, seen, has_error),
        None => (Kind::Info, Argument::Nothing, false),
    };
    let (is_ok, is_failed) = (kind == Kind::Ok, kind == Kind::Fail);
    let lacking = |what: &str| Err(Malformed::new(asked.line, asked.column, what));
    Ok(match (asked.verb, asked.argument) {
        (Verb::Read, _) => match seen {
            Argument::One(value) if is_ok => Some(PlainAction::Read(kept(value))),
            Argument::Nothing | Argument::One(_) | Argument::Two(..) => None,
        },
        // What failed did not happen.
        (Verb::Write | Verb::Append | Verb::Delete, _) if is_failed => None,
        (Verb::Write, Argument::One(value)) => {
            Some(kept(value).map_or(PlainAction::Delete, PlainAction::Write))
        }
        (Verb::Append, Argument::One(Some(value))) => {
            // Nothing was added, to a value that counts as empty if it is not there.
            (!value.is_empty()).then_some(PlainAction::Append(value))
        }
        (Verb::Delete, _) => Some(PlainAction::Delete),
        // With a reason it failed before it could compare.
        (Verb::Cas, _) if is_failed && has_error => None,
        (Verb::Cas, Argument::Two(from, Some(to))) => {
            let swapped = (kind != Kind::Info).then_some(is_ok);
            Some(PlainAction::Cas { from: kept(from), to, swapped })
        }
        (Verb::Write, _) => return lacking("a write without a value"),
        (Verb::Append, _) => return lacking("an append without a value"),
        (Verb::Cas, _) => return lacking("a cas without the values `[from to]`"),
    })
}

/// Names of processes: one that goes on after an unknown outcome is another process from then on, as in Jepsen.
pub(super) struct Names {
    next: u32,
    now: BTreeMap<u32, u32>,
    retired: BTreeSet<u32>,
}

impl Names {
    pub(super) fn new(processes: impl Iterator<Item = u32>) -> Self {
        Self {
            next: processes.max().map_or(0, |last| last.saturating_add(1)),
            now: BTreeMap::new(),
            retired: BTreeSet::new(),
        }
    }

    pub(super) fn now(&mut self, process: u32) -> Process {
        if self.retired.remove(&process) {
            self.now.insert(process, self.next);
            self.next = self.next.saturating_add(1);
        }
        Process(*self.now.get(&process).unwrap_or(&process))
    }

    pub(super) fn retire(&mut self, process: u32) {
        self.retired.insert(process);
    }
}
