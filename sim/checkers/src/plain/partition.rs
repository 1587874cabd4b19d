//! One key: the portfolio of engines, from cheap to complete.

use super::{
    depth, explain, frontier,
    meter::{Meter, Spent},
    problem::{Event, Problem},
    search::Search,
    step::Stepper,
    zones::{self, Zoned},
};
use crate::{
    limits::{Budget, PLAIN_BEAMS, PLAIN_VISITS_MIN, PLAIN_VISITS_PER_EVENT},
    ruling::Anomaly,
};
use std::fmt;
use whitewater_api::Key;
use whitewater_record::{PlainHistory, SimTime};

/// The operations on one key, to be decided apart from all others.
#[derive(Clone, Debug)]
pub struct Partition<'h> {
    history: &'h PlainHistory,
    /// Positions in the history.
    operations: Vec<u32>,
}

/// Whether the operations on a key can be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is none.
    Broken(Anomaly),
    /// It cost too much to tell.
    Undecided(Window),
}

/// The part of a history in which a search got stuck. Up to its end there may be an order; nothing is known of what
/// comes after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which key.
    pub key: Key,
    /// Position of the first operation in it.
    pub first: usize,
    /// Position of the operation whose return could not be explained within the budget.
    pub last: usize,
    /// When the first was invoked.
    pub from: SimTime,
    /// When the last returned.
    pub until: SimTime,
    /// What ran out.
    pub spent: &'static str,
}

/// What a decision cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Configurations visited.
    pub configurations: u64,
    /// The most bytes that the searches held at a time, beside the operations themselves.
    pub bytes: usize,
    /// The engine that decided.
    pub engine: &'static str,
}

impl<'h> Partition<'h> {
    /// The operations of `history` at the positions `operations`, which name the same key. A part of them does as well:
    /// a judge of fewer operations.
    #[must_use]
    pub const fn new(history: &'h PlainHistory, operations: Vec<u32>) -> Self {
        Self { history, operations }
    }

    /// Positions of its operations in the history.
    #[must_use]
    pub fn operations(&self) -> &[u32] {
        &self.operations
    }

    /// Decides, within the budget and until `stop` says so.
    #[must_use]
    pub fn decide(&self, budget: &Budget, stop: &dyn Fn() -> bool) -> (Decision, Effort) {
        match zones::decide(self.history, &self.operations) {
            Zoned::Linearizable => return (Decision::Linearizable, Effort::by("zones")),
            Zoned::Broken(clash) => {
                let anomaly = explain::clash(self.history, &clash);
                return (Decision::Broken(anomaly), Effort::by("zones"));
            }
            Zoned::Unknown => {}
        }
        let (problem, values) = Problem::new(self.history, &self.operations);
        let mut stepper = Stepper::new(values, problem.layout.clone());
        let mut meter = Meter::new(budget, stop);
        let (search, engine) = search(&problem, &mut stepper, &mut meter);
        let effort = Effort { configurations: meter.steps, bytes: meter.bytes, engine };
        let decision = match search {
            Search::Found => Decision::Linearizable,
            Search::Exhausted { event } => {
                let position = returning(&problem, event);
                Decision::Broken(explain::stuck(self.history, &self.operations, position))
            }
            Search::GaveUp { event } => {
                Decision::Undecided(self.window(&problem, event, meter.spent()))
            }
        };
        (decision, effort)
    }

    /// From the last moment before `event` at which nothing was open.
    fn window(&self, problem: &Problem, event: usize, spent: Option<Spent>) -> Window {
        let mut open = 0_u32;
        let mut start = 0;
        for (at, event) in problem.events[..event].iter().enumerate() {
            match event {
                Event::Invoke(_) => open += 1,
                Event::Return(_) => {
                    open -= 1;
                    if open == 0 {
                        start = at + 1;
                    }
                }
                Event::Offer(_) | Event::Idle => {}
            }
        }
        let invoked = problem.events[start..].iter().find_map(|event| match event {
            Event::Invoke(op) => Some(problem.ops[*op as usize].position),
            Event::Return(_) | Event::Offer(_) | Event::Idle => None,
        });
        let last = returning(problem, event);
        let first = invoked.unwrap_or(last);
        let told = |position: u32| &self.history.operations[position as usize];
        let until = told(last).completed.unwrap_or(SimTime::NEVER);
        let key = told(first).key.clone();
        Window::new(key, (first as usize, told(first).invoked), (last as usize, until), spent)
    }
}

impl Window {
    pub(crate) const fn new(
        key: Key,
        (first, from): (usize, SimTime),
        (last, until): (usize, SimTime),
        spent: Option<Spent>,
    ) -> Self {
        let spent = match spent {
            Some(Spent::Bytes) => "memory",
            Some(Spent::Time) => "time",
            Some(Spent::Steps) | None => "configurations",
        };
        Self { key, first, last, from, until, spent }
    }
}

/// The portfolio: what finds an order fast, then what proves that there is none.
fn search(problem: &Problem, stepper: &mut Stepper, meter: &mut Meter) -> (Search, &'static str) {
    if problem.ops.is_empty() {
        // Nothing was answered, so nothing is to be explained.
        return (Search::Found, "none");
    }
    let visits_max = PLAIN_VISITS_MIN + PLAIN_VISITS_PER_EVENT * problem.events.len() as u64;
    let deep = depth::search(problem, stepper, meter, visits_max);
    if is_final(deep, meter) {
        return (deep, "depth");
    }
    for width in PLAIN_BEAMS {
        let beam = frontier::search(problem, stepper, meter, width);
        if is_final(beam, meter) {
            return (beam, "beam");
        }
    }
    (frontier::search(problem, stepper, meter, usize::MAX), "frontier")
}

fn is_final(search: Search, meter: &Meter) -> bool {
    !matches!(search, Search::GaveUp { .. }) || meter.spent().is_some()
}

/// The operation that returns at an event, or next after it: a search that may do nothing stops before any return.
fn returning(problem: &Problem, event: usize) -> u32 {
    let op = problem.events[event..].iter().find_map(|event| match event {
        Event::Return(op) => Some(*op),
        Event::Invoke(_) | Event::Offer(_) | Event::Idle => None,
    });
    problem.ops[op.expect("where nothing returns no search is made") as usize].position
}

impl Effort {
    fn by(engine: &'static str) -> Self {
        Self { engine, ..Self::default() }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, first, last, from, until, spent } = self;
        write!(
            f,
            "the {spent} ran out on key {key}, between operations {first} and {last} ({from} to {until})"
        )
    }
}
