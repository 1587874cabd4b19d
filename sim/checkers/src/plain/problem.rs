//! One key's operations, made ready for the searches.

use super::{
    act::Act,
    naming::{self, Named},
    row::Layout,
    values::{ABSENT, FOREVER, OTHER, State, Values},
};
use crate::{
    intern::{Seen, Table},
    nearly,
};
use whitewater_record::{PlainAction, PlainHistory, PlainOperation};

/// The operations of one key as events in the order of time.
#[derive(Debug)]
pub(crate) struct Problem {
    /// What the key holds at the start.
    pub(crate) initial: State,
    /// The answered operations, and in the order of their invocation.
    pub(crate) ops: Vec<Op>,
    /// Invocations and returns. At one moment the invocations come first, because intervals are closed.
    pub(crate) events: Vec<Event>,
    /// Different acts.
    pub(crate) classes: Vec<Act>,
    /// The classes of which there are operations without an answer.
    pub(crate) lanes: Vec<Lane>,
    /// In order.
    pub(crate) retirements: Vec<Retirement>,
    /// How rows are laid out.
    pub(crate) layout: Layout,
}

/// An answered operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) act: Act,
    pub(crate) class: u32,
    /// Its place while it is open.
    pub(crate) slot: u32,
    /// The event of its return.
    pub(crate) deadline: u32,
    /// Its position in the history.
    pub(crate) position: u32,
}

/// Operations without an answer that do the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    pub(crate) class: u32,
    /// How many.
    pub(crate) count: u32,
    /// The last event at which something can depend on them.
    pub(crate) last: u32,
}

/// The value that a lane makes is not named any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Retirement {
    /// After the return at this event.
    pub(crate) event: u32,
    pub(crate) lane: u32,
    /// The lane that goes on with what is left of it: all that such values are good for is not to be another one.
    pub(crate) heir: Option<u32>,
}

/// Something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// An answered operation begins.
    Invoke(u32),
    /// It ends.
    Return(u32),
    /// An operation that nobody answered begins: one more in this lane.
    Offer(u32),
    /// Nothing that can matter.
    Idle,
}

/// A moment in the life of an operation.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) is_return: bool,
    /// The how-manieth of the operations it is.
    pub(super) index: u32,
}

impl Problem {
    /// The problem of `operations`, which are positions in the history and name the same key.
    pub(crate) fn new<'h>(history: &'h PlainHistory, operations: &[u32]) -> (Self, Values<'h>) {
        let told = |index: u32| &history.operations[operations[index as usize] as usize];
        let moments = moments(number(operations.len()), told);
        let initial = history.initial.as_ref();
        let Named { values, acts, initial } =
            naming::name(&moments, operations.len(), initial, told);
        let mut builder = Builder::new(operations.len(), moments.len());
        for (event, moment) in (0..).zip(&moments) {
            let index = moment.index as usize;
            if moment.is_return {
                builder.close(event, moment.index);
            } else if told(moment.index).completed.is_some() {
                builder.open(acts[index], moment.index, operations[index]);
            } else {
                builder.offer(event, acts[index], &values);
            }
        }
        let returns = moments.iter().filter(|moment| moment.is_return).count();
        assert!(builder.ops.len() == returns, "an operation without an end");
        (builder.finish(initial, &values), values)
    }

    /// The position of the first answered operation that found what nobody makes, if there is one: no order explains it, and
    /// no search is needed to see that. Where something is appended it takes one.
    pub(crate) fn never_written(&self) -> Option<u32> {
        let acts = || self.ops.iter().map(|op| &op.act).chain(&self.classes);
        let mut made = Seen::default();
        made.insert(self.initial);
        for act in acts() {
            match *act {
                Act::Append(_) => return None,
                Act::Set(to) | Act::Swap(_, to) => _ = made.insert(to),
                Act::Is(_) | Act::Not(_) => {}
            }
        }
        let is_foreign = |op: &&Op| match op.act {
            Act::Is(found) | Act::Swap(found, _) => !made.contains(&found),
            Act::Not(_) | Act::Set(_) | Act::Append(_) => false,
        };
        self.ops.iter().filter(is_foreign).min_by_key(|op| op.deadline).map(|op| op.position)
    }
}

/// The events of so many operations, those of unknown outcome without a return. The positions of the events are final
/// only because what cannot matter leaves no moment.
fn moments<'h>(count: u32, told: impl Fn(u32) -> &'h PlainOperation) -> Vec<Moment> {
    let mut asked = Vec::with_capacity(count as usize);
    let mut answered = Vec::with_capacity(count as usize);
    for index in 0..count {
        let operation = told(index);
        match operation.completed {
            None if is_idle(&operation.action) => continue,
            None => {}
            Some(completed) => answered.push((completed.0, index)),
        }
        asked.push((operation.invoked.0, index));
    }
    // Records are in the order of invocation, most of them.
    nearly::sort(&mut asked);
    nearly::sort(&mut answered);
    let mut moments = Vec::with_capacity(asked.len() + answered.len());
    let mut answered = answered.into_iter().peekable();
    for (time, index) in asked {
        while let Some((_, index)) = answered.next_if(|(end, _)| *end < time) {
            moments.push(Moment { is_return: true, index });
        }
        moments.push(Moment { is_return: false, index });
    }
    moments.extend(answered.map(|(_, index)| Moment { is_return: true, index }));
    moments
}

/// Whether an operation does nothing to see, should it ever take effect.
fn is_idle(action: &PlainAction) -> bool {
    match action {
        PlainAction::Read(_) => true,
        PlainAction::Cas { from, to, .. } => from.as_ref() == Some(to),
        PlainAction::Write(_) | PlainAction::Append(_) | PlainAction::Delete => false,
    }
}

/// No operation.
const NONE: u32 = u32::MAX;

#[derive(Default)]
struct Builder {
    ops: Vec<Op>,
    events: Vec<Event>,
    classes: Vec<Act>,
    class_numbers: Table<Act, u32>,
    lanes: Vec<Lane>,
    lane_numbers: Table<u32, u32>,
    /// By index: the operation that is open.
    open: Vec<u32>,
    free: Vec<u32>,
    slots: u32,
}

impl Builder {
    fn new(operations: usize, events: usize) -> Self {
        Self {
            ops: Vec::with_capacity(operations),
            events: Vec::with_capacity(events),
            open: vec![NONE; operations],
            ..Self::default()
        }
    }

    fn class(&mut self, act: Act) -> u32 {
        let next = number(self.classes.len());
        let class = *self.class_numbers.entry(act).or_insert(next);
        if class == next {
            self.classes.push(act);
        }
        class
    }

    fn open(&mut self, act: Act, index: u32, position: u32) {
        // Of observers nobody asks which of them are alike.
        let class = if act.is_observer() { 0 } else { self.class(act) };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        let op = number(self.ops.len());
        self.ops.push(Op { act, class, slot, deadline: FOREVER, position });
        self.open[index as usize] = op;
        self.events.push(Event::Invoke(op));
    }

    fn close(&mut self, event: u32, index: u32) {
        let op = std::mem::replace(&mut self.open[index as usize], NONE);
        assert!(op != NONE, "what returns was invoked");
        let closed = &mut self.ops[op as usize];
        closed.deadline = event;
        self.free.push(closed.slot);
        self.events.push(Event::Return(op));
    }

    fn offer(&mut self, event: u32, act: Act, values: &Values) {
        let act = if last(act, values) <= event { anonymous(act) } else { act };
        let last = last(act, values);
        if last <= event {
            self.events.push(Event::Idle);
            return;
        }
        let lane = self.lane(act, last);
        self.lanes[lane as usize].count += 1;
        self.events.push(Event::Offer(lane));
    }

    fn lane(&mut self, act: Act, last: u32) -> u32 {
        let class = self.class(act);
        let next = number(self.lanes.len());
        let lane = *self.lane_numbers.entry(class).or_insert(next);
        if lane == next {
            self.lanes.push(Lane { class, count: 0, last });
        }
        lane
    }

    fn finish(mut self, initial: State, values: &Values) -> Problem {
        let mut retirements = Vec::new();
        for (number, lane) in (0..).zip(self.lanes.clone()) {
            let heir = anonymous(self.classes[lane.class as usize]);
            let heir_last = last(heir, values);
            let heir = (heir_last > lane.last).then(|| {
                let heir = self.lane(heir, heir_last);
                self.lanes[heir as usize].count += lane.count;
                heir
            });
            retirements.push(Retirement { event: lane.last, lane: number, heir });
        }
        retirements.sort_unstable();
        let counts = self.lanes.iter().map(|lane| lane.count);
        Problem {
            initial,
            layout: Layout::new(self.slots as usize, counts),
            ops: self.ops,
            events: self.events,
            classes: self.classes,
            lanes: self.lanes,
            retirements,
        }
    }
}

/// The last event at which something can depend on an unanswered operation as what it is.
fn last(act: Act, values: &Values) -> u32 {
    match act {
        Act::Set(to) | Act::Swap(_, to) => values.last_named(to),
        // Whatever it makes of a key begins with nothing.
        Act::Append(_) => values.last_named(ABSENT).max(values.last_named(OTHER)),
        Act::Is(_) | Act::Not(_) => unreachable!("observers without an answer are idle"),
    }
}

/// What an act comes to once nobody names the value that it makes.
fn anonymous(act: Act) -> Act {
    match act {
        Act::Set(_) => Act::Set(OTHER),
        Act::Swap(from, _) => Act::Swap(from, OTHER),
        Act::Is(_) | Act::Not(_) | Act::Append(_) => act,
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("operations are numbered by u32")
}
