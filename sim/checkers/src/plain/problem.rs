//! One key's operations, made ready for the searches.

use super::{
    act::Act,
    row::Layout,
    values::{ABSENT, FOREVER, Named, OTHER, State, Values},
};
use crate::intern::{Interner, Table};
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
struct Moment {
    is_return: bool,
    /// The how-manieth of the operations it is.
    index: u32,
}

impl Problem {
    /// The problem of `operations`, which are positions in the history and name the same key.
    pub(crate) fn new<'h>(history: &'h PlainHistory, operations: &[u32]) -> (Self, Values<'h>) {
        let told = |index: u32| &history.operations[operations[index as usize] as usize];
        let moments = moments(number(operations.len()), told);
        let (mut values, chunks) = name(&moments, told);
        let initial =
            history.initial.as_ref().map_or(ABSENT, |value| values.value(value.as_slice()));
        let mut builder = Builder::new(operations.len(), moments.len());
        let mut chunk =
            |_: &mut Values, bytes: &[u8]| *chunks.get(bytes).expect("every chunk was numbered");
        for (event, moment) in (0..).zip(&moments) {
            if moment.is_return {
                builder.close(event, moment.index);
                continue;
            }
            let operation = told(moment.index);
            let is_answered = operation.completed.is_some();
            let act = Act::new(&operation.action, is_answered, &mut values, &mut chunk)
                .expect("idle operations left no moment");
            if is_answered {
                builder.open(act, moment.index, operations[moment.index as usize]);
            } else {
                builder.offer(event, act, &values);
            }
        }
        let returns = moments.iter().filter(|moment| moment.is_return).count();
        assert!(builder.ops.len() == returns, "an operation without an end");
        (builder.finish(initial, &values), values)
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
    if !asked.is_sorted() {
        asked.sort_unstable();
    }
    answered.sort_unstable();
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

/// The values that observers name, and the numbers of what is appended.
fn name<'h>(
    moments: &[Moment],
    told: impl Fn(u32) -> &'h PlainOperation,
) -> (Values<'h>, Table<&'h [u8], u32>) {
    let mut named = Named::default();
    let mut chunks = Interner::default();
    let mut chain = Vec::new();
    for (event, moment) in (0..).zip(moments) {
        let operation = told(moment.index);
        match (&operation.action, operation.completed.is_some()) {
            (PlainAction::Append(value), _) => {
                chunks.number(value.as_slice());
            }
            (PlainAction::Cas { from, to, .. }, false) => {
                chain.push((from.as_ref(), to));
            }
            (PlainAction::Read(value), true) if moment.is_return => {
                named.add(value.as_ref(), event);
            }
            (PlainAction::Cas { from, swapped, .. }, true) if moment.is_return => {
                named.add(from.as_ref(), event);
                if *swapped == Some(false) {
                    named.other = event;
                }
            }
            (
                PlainAction::Read(_)
                | PlainAction::Write(_)
                | PlainAction::Delete
                | PlainAction::Cas { .. },
                _,
            ) => {}
        }
    }
    // An unanswered swap asks for a value too, as long as what it makes of it is asked for.
    let has_appends = !chunks.strings.is_empty();
    for (from, _) in &chain {
        named.add(from.map(|value| value), if has_appends { FOREVER } else { 0 });
    }
    let numbers = (0..).zip(&chunks.strings).map(|(number, chunk)| (*chunk, number)).collect();
    if has_appends {
        return (Values::trie(named, chunks), numbers);
    }
    let mut values = Values::exact(named);
    let edges: Vec<(State, State)> = chain
        .iter()
        .map(|(from, to)| {
            let from = from.map_or(ABSENT, |value| values.value(value.as_slice()));
            (from, values.value(to.as_slice()))
        })
        .collect();
    values.carry_back(edges);
    (values, numbers)
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
        let class = self.class(act);
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
