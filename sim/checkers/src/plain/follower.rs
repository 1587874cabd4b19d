//! One key of a stream: the frontier follows the events as soon as it is known what they were.

use super::{
    act::{Act, Bytes},
    frontier::Frontier,
    meter::{Meter, Spent},
    row::{self, Layout},
    step::{Offer, Open, Stepper},
    values::{ABSENT, Values},
};
use crate::{
    doubt::{Doubt, Window},
    intern::Table,
    limits::{Budget, STREAM_VALUES_MIN, STREAM_WIDTH},
    ruling::Anomaly,
};
use std::collections::VecDeque;
use whitewater_api::{Key, Value};
use whitewater_record::{PlainAction, SimTime};

/// One key of a stream.
#[derive(Debug)]
pub(crate) struct Follower {
    key: Key,
    /// What the frontier has not seen yet, in the order of time.
    events: VecDeque<Event>,
    /// Operations from number `first` on: those that are in `events`, or open for the frontier.
    operations: VecDeque<Told>,
    first: u64,
    stepper: Stepper<'static>,
    frontier: Frontier,
    classes: Table<Act, u32>,
    /// By lane: how many unknown operations.
    lanes: Vec<u32>,
    lane_numbers: Table<Act, u32>,
    free: Vec<u32>,
    slots: u32,
    returns: u64,
    /// At this many values it is worth looking for those that are gone.
    values_max: usize,
    /// The first operation since nothing was open.
    since: Option<(usize, SimTime)>,
    open: u32,
    /// How many operations began since nothing was open.
    opened: usize,
    has_stopped: bool,
}

/// A moment in the life of an operation.
#[derive(Clone, Copy, Debug)]
struct Event {
    at: SimTime,
    is_return: bool,
    number: u64,
}

#[derive(Debug)]
struct Told {
    position: usize,
    invoked: SimTime,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    /// Not known yet; what was asked.
    Waiting(PlainAction),
    /// Nobody will know; what was asked.
    Lost(PlainAction),
    /// When it returned, the how-manieth, and what it saw.
    Answered(SimTime, u64, PlainAction),
    /// Nothing is left to know.
    Done,
}

/// Why a key is not followed any further.
pub(crate) enum Stop {
    Broken(Anomaly),
    Undecided(Doubt),
}

impl Follower {
    pub(crate) fn new(key: Key, initial: Option<&Value>) -> Self {
        let mut values = Values::open();
        let layout = Layout::new(1, []);
        let mut start = vec![0; layout.stride()];
        let state = initial.map_or(ABSENT, |value| values.value(value.as_slice()));
        row::set_state(&mut start, state);
        Self {
            key,
            events: VecDeque::new(),
            operations: VecDeque::new(),
            first: 0,
            stepper: Stepper::new(values, layout),
            frontier: Frontier::new(&start, STREAM_WIDTH),
            classes: Table::default(),
            lanes: Vec::new(),
            lane_numbers: Table::default(),
            free: Vec::new(),
            slots: 0,
            returns: 0,
            values_max: STREAM_VALUES_MIN,
            since: None,
            open: 0,
            opened: 0,
            has_stopped: false,
        }
    }

    /// An operation is invoked; the number by which it is known here.
    pub(crate) fn invoke(&mut self, at: SimTime, position: usize, request: PlainAction) -> u64 {
        let number = self.first + self.operations.len() as u64;
        if self.has_stopped {
            return number;
        }
        // Intervals are closed: what returned at this moment overlaps it.
        let is_before = |event: &Event| event.at < at || !event.is_return;
        let place = self.events.iter().rposition(is_before).map_or(0, |place| place + 1);
        self.events.insert(place, Event { at, is_return: false, number });
        let outcome = Outcome::Waiting(request);
        self.operations.push_back(Told { position, invoked: at, outcome });
        number
    }

    pub(crate) fn complete(&mut self, number: u64, at: SimTime, answered: PlainAction) {
        if self.has_stopped {
            return;
        }
        self.events.push_back(Event { at, is_return: true, number });
        self.returns += 1;
        self.settle(number, Outcome::Answered(at, self.returns, answered));
    }

    pub(crate) fn give_up(&mut self, number: u64) {
        if self.has_stopped {
            return;
        }
        let told = &mut self.operations[place(self.first, number)];
        let outcome = std::mem::replace(&mut told.outcome, Outcome::Done);
        let Outcome::Waiting(request) = outcome else { unreachable!("it was not open any more") };
        told.outcome = Outcome::Lost(request);
    }

    pub(crate) fn give_up_all(&mut self) {
        for number in (self.first..).take(self.operations.len()) {
            if matches!(self.operations[place(self.first, number)].outcome, Outcome::Waiting(_)) {
                self.give_up(number);
            }
        }
    }

    /// Bytes held, roughly.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.events.capacity() * size_of::<Event>()
            + self.operations.capacity() * size_of::<Told>()
            + self.frontier.bytes()
            + self.stepper.values.len() * 64
    }

    /// Goes on as far as everything is known, and to before `until`: more may be told of that moment.
    pub(crate) fn follow(&mut self, until: Option<SimTime>, budget: &Budget) -> Result<(), Stop> {
        while let Some(&event) = self.events.front() {
            let is_known = !matches!(
                self.operations[place(self.first, event.number)].outcome,
                Outcome::Waiting(_)
            );
            if until.is_some_and(|until| event.at >= until) || !is_known {
                break;
            }
            self.events.pop_front();
            if event.is_return {
                if let Err(stop) = self.on_return(event.number, budget) {
                    self.has_stopped = true;
                    self.events.clear();
                    self.operations.clear();
                    return Err(stop);
                }
                self.settle(event.number, Outcome::Done);
            } else {
                self.on_invoke(event.number);
            }
            self.forget();
        }
        Ok(())
    }

    fn settle(&mut self, number: u64, outcome: Outcome) {
        self.operations[place(self.first, number)].outcome = outcome;
    }

    fn forget(&mut self) {
        while let Some(Told { outcome: Outcome::Done, .. }) = self.operations.front() {
            self.operations.pop_front();
            self.first += 1;
        }
    }

    fn on_invoke(&mut self, number: u64) {
        let told = &self.operations[place(self.first, number)];
        let (position, invoked) = (told.position, told.invoked);
        let values = &mut self.stepper.values;
        let numbers = |bytes: Bytes<'_>| match bytes {
            Bytes::Value(value) => values.value(value),
            Bytes::Chunk(chunk) => values.chunk(chunk),
        };
        match &told.outcome {
            Outcome::Answered(_, deadline, action) => {
                let deadline = *deadline;
                let act = Act::new(action, true, numbers).expect("answers say something");
                self.since.get_or_insert((position, invoked));
                self.open(number, act, deadline);
            }
            Outcome::Lost(action) => {
                if let Some(act) = Act::new(action, false, numbers) {
                    self.offer(act);
                }
                self.settle(number, Outcome::Done);
            }
            Outcome::Waiting(_) | Outcome::Done => unreachable!("its outcome is known"),
        }
    }

    fn open(&mut self, number: u64, act: Act, deadline: u64) {
        let class = class(&mut self.classes, act);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        if slot as usize >= 64 * self.stepper.layout.slot_words {
            self.widen();
        }
        self.open += 1;
        self.opened += 1;
        let op = u32::try_from(number % u64::from(u32::MAX)).expect("it is smaller");
        self.stepper.open(Open { op, act, class, slot, deadline });
        let stepper = &mut self.stepper;
        self.frontier.each(|row| stepper.enter(row, act, slot));
    }

    fn offer(&mut self, act: Act) {
        let class = class(&mut self.classes, act);
        let next = u32::try_from(self.lanes.len()).expect("lanes are numbered by u32");
        let lane = *self.lane_numbers.entry(act).or_insert(next);
        if lane == next {
            self.lanes.push(0);
        }
        self.lanes[lane as usize] += 1;
        let count = self.lanes[lane as usize];
        let layout = &self.stepper.layout;
        if lane == next || layout.capacity(lane) < count {
            self.widen();
        }
        self.stepper.offer(Offer { lane, class, act, count, last: u64::MAX });
    }

    /// Makes room in the rows.
    fn widen(&mut self) {
        let wider = Layout::new(self.slots as usize, self.lanes.iter().copied());
        let mut words = Vec::new();
        for row in self.frontier.rows() {
            self.stepper.layout.convert(row, &wider, &mut words);
        }
        self.frontier.replace(wider.stride(), words);
        self.stepper.set_layout(wider);
    }

    fn on_return(&mut self, number: u64, budget: &Budget) -> Result<(), Stop> {
        let goal = self.stepper.present().0[0];
        let mut meter = Meter::new(budget, &|| false);
        let is_enough = self.frontier.settle(&mut self.stepper, &mut meter, goal.deadline);
        self.stepper.close(goal.op);
        self.free.push(goal.slot);
        self.open -= 1;
        if !is_enough {
            return Err(Stop::Undecided(self.doubt(number, meter.spent())));
        }
        self.frontier.prune(&self.stepper);
        if self.frontier.is_empty() {
            return Err(if self.frontier.was_cut {
                Stop::Undecided(self.doubt(number, None))
            } else {
                Stop::Broken(self.anomaly(number))
            });
        }
        if self.open == 0 {
            self.since = None;
            self.opened = 0;
        }
        if self.stepper.values.len() > self.values_max {
            self.collect();
        }
        Ok(())
    }

    /// Numbers anew the values that are still held, or can still come.
    fn collect(&mut self) {
        let mut values = Values::open();
        let Self { stepper, frontier, classes, lane_numbers, .. } = self;
        frontier.each(|row| {
            let state = stepper.values.carry(row::state(row), &mut values);
            row::set_state(row, state);
        });
        let old = std::mem::replace(&mut stepper.values, Values::open());
        let mut carry = |act: Act| match act {
            Act::Is(state) => Act::Is(old.carry(state, &mut values)),
            Act::Not(state) => Act::Not(old.carry(state, &mut values)),
            Act::Set(state) => Act::Set(old.carry(state, &mut values)),
            Act::Append(chunk) => Act::Append(old.carry_chunk(chunk, &mut values)),
            Act::Swap(from, to) => {
                Act::Swap(old.carry(from, &mut values), old.carry(to, &mut values))
            }
        };
        classes.clear();
        lane_numbers.clear();
        stepper.renumber(|act| {
            let act = carry(act);
            (act, class(classes, act))
        });
        for offer in stepper.present().1 {
            lane_numbers.insert(offer.act, offer.lane);
        }
        self.values_max = STREAM_VALUES_MIN.max(2 * values.len());
        stepper.values = values;
    }

    fn anomaly(&self, number: u64) -> Anomaly {
        let told = &self.operations[place(self.first, number)];
        let Outcome::Answered(at, _, action) = &told.outcome else {
            unreachable!("only an answer can be wrong")
        };
        let sentence = format!(
            "no order of the operations on key {} explains every answer up to operation {}: {action:?}",
            self.key, told.position
        );
        Anomaly::new("not-linearizable", sentence, vec![told.position], *at)
    }

    fn doubt(&self, number: u64, spent: Option<Spent>) -> Doubt {
        let told = &self.operations[place(self.first, number)];
        let until = match told.outcome {
            Outcome::Answered(at, ..) => at,
            Outcome::Waiting(_) | Outcome::Lost(_) | Outcome::Done => SimTime::NEVER,
        };
        let (first, from) = self.since.unwrap_or((told.position, told.invoked));
        let window = Window {
            key: Some(self.key.clone()),
            revisions: None,
            first,
            last: told.position,
            from,
            until,
            operations: self.opened,
        };
        super::doubt(window, spent)
    }
}

fn class(classes: &mut Table<Act, u32>, act: Act) -> u32 {
    let next = u32::try_from(classes.len()).expect("classes are numbered by u32");
    *classes.entry(act).or_insert(next)
}

/// Where an operation is among those that are held, from number `first` on.
fn place(first: u64, number: u64) -> usize {
    usize::try_from(number - first).expect("what is held fits in memory")
}
