//! One key: the portfolio of engines, from cheap to complete.

use super::{
    depth, explain, frontier,
    meter::{Meter, Spent},
    problem::{Event, Problem},
    search::Search,
    short,
    step::Stepper,
    zones::{self, Zoned},
};
use crate::{
    doubt::{Doubt, Window},
    limits::{Budget, PLAIN_BEAMS, PLAIN_VISITS_MIN, PLAIN_VISITS_PER_EVENT},
    ruling::Anomaly,
};
use whitewater_record::{PlainHistory, SimTime};

/// The operations on one key, to be decided apart from all others.
#[derive(Clone, Debug)]
pub struct Partition<'h> {
    history: &'h PlainHistory,
    /// Positions in the history.
    operations: Vec<u32>,
    /// An order was seen when the history was gone through.
    has_order: bool,
}

/// Whether the operations on a key can be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is none.
    Broken(Anomaly),
    /// It cost too much to tell.
    Undecided(Doubt),
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
        Self { history, operations, has_order: false }
    }

    /// The same, after a glance that may have seen an order of them.
    pub(crate) const fn seen(
        history: &'h PlainHistory,
        operations: Vec<u32>,
        has_order: bool,
    ) -> Self {
        Self { history, operations, has_order }
    }

    /// Positions of its operations in the history.
    #[must_use]
    pub fn operations(&self) -> &[u32] {
        &self.operations
    }

    /// Decides, within the budget and until `stop` says so.
    #[must_use]
    pub fn decide(&self, budget: &Budget, stop: &dyn Fn() -> bool) -> (Decision, Effort) {
        if self.has_order {
            return (Decision::Linearizable, Effort::by("glance"));
        }
        // That there is no order has to be put in words, which the others find.
        if self.short(budget, stop) == Some(true) {
            return (Decision::Linearizable, Effort::by("short"));
        }
        self.solve(budget, stop, |solved| match solved {
            Solved::Zones(Zoned::Broken(clash)) => {
                Decision::Broken(explain::clash(self.history, clash))
            }
            Solved::Zones(_) => Decision::Linearizable,
            Solved::NeverWritten(position) => {
                Decision::Broken(explain::never_written(self.history, position))
            }
            Solved::Search(problem, course, spent) => match course.search {
                Search::Found => Decision::Linearizable,
                Search::Exhausted { event } => {
                    let position = returning(problem, event);
                    Decision::Broken(explain::stuck(self.history, &self.operations, position))
                }
                Search::GaveUp { .. } => Decision::Undecided(self.doubt(problem, course, spent)),
            },
        })
    }

    /// Whether the operations can be ordered, without a reason: [`None`] if it is not known within the budget.
    #[must_use]
    pub fn is_linearizable(&self, budget: &Budget, stop: &dyn Fn() -> bool) -> Option<bool> {
        if self.has_order {
            return Some(true);
        }
        if let Some(found) = self.short(budget, stop) {
            return Some(found);
        }
        let (found, _) = self.solve(budget, stop, |solved| match solved {
            Solved::Zones(zoned) => Some(matches!(zoned, Zoned::Linearizable)),
            Solved::NeverWritten(_) => Some(false),
            Solved::Search(_, course, _) => match course.search {
                Search::Found => Some(true),
                Search::Exhausted { .. } => Some(false),
                Search::GaveUp { .. } => None,
            },
        });
        found
    }

    fn short(&self, budget: &Budget, stop: &dyn Fn() -> bool) -> Option<bool> {
        let steps_max = if stop() { 0 } else { budget.plain_configurations_max };
        short::decide(self.history, &self.operations, steps_max)
    }

    fn solve<T>(
        &self,
        budget: &Budget,
        stop: &dyn Fn() -> bool,
        say: impl FnOnce(Solved<'_>) -> T,
    ) -> (T, Effort) {
        let zoned = zones::decide(self.history, &self.operations);
        if zoned != Zoned::Unknown {
            return (say(Solved::Zones(&zoned)), Effort::by("zones"));
        }
        let (problem, values) = Problem::new(self.history, &self.operations);
        if let Some(position) = problem.never_written() {
            return (say(Solved::NeverWritten(position)), Effort::by("values"));
        }
        let mut stepper = Stepper::new(values, problem.layout.clone());
        let mut meter = Meter::new(budget, stop);
        let course = search(&problem, &mut stepper, &mut meter);
        let engine = course.engine;
        let effort = Effort { configurations: meter.steps, bytes: meter.bytes, engine };
        (say(Solved::Search(&problem, &course, meter.spent())), effort)
    }

    /// What is open: from the oldest operation that was under way where the complete search stopped, to the first return
    /// that no search has passed.
    fn doubt(&self, problem: &Problem, course: &Course, spent: Option<Spent>) -> Doubt {
        let mut open: Vec<u32> = Vec::new();
        let mut operations = 0;
        for (at, event) in problem.events[..=course.furthest].iter().enumerate() {
            if at == course.known {
                operations = open.len();
            }
            match event {
                Event::Invoke(op) => {
                    operations += 1;
                    if at < course.known {
                        open.push(*op);
                    }
                }
                Event::Return(op) if at < course.known => open.retain(|other| other != op),
                Event::Return(_) | Event::Offer(_) | Event::Idle => {}
            }
        }
        let told = |position: u32| &self.history.operations[position as usize];
        let last = returning(problem, course.furthest);
        let first = open.first().map_or_else(
            || {
                let invoked = problem.events[course.known..].iter().find_map(|event| match event {
                    Event::Invoke(op) => Some(problem.ops[*op as usize].position),
                    Event::Return(_) | Event::Offer(_) | Event::Idle => None,
                });
                invoked.unwrap_or(last)
            },
            |op| problem.ops[*op as usize].position,
        );
        let window = Window {
            key: Some(told(first).key.clone()),
            revisions: None,
            first: first as usize,
            last: last as usize,
            from: told(first).invoked,
            until: told(last).completed.unwrap_or(SimTime::NEVER),
            operations,
        };
        super::doubt(window, spent)
    }
}

/// What was found, before it is put in words.
enum Solved<'s> {
    /// By zones, which could tell.
    Zones(&'s Zoned),
    /// Without a search: this operation found what nobody makes.
    NeverWritten(u32),
    /// By a search, and what ran out in it.
    Search(&'s Problem, &'s Course, Option<Spent>),
}

/// How far the engines came.
struct Course {
    search: Search,
    engine: &'static str,
    /// All orders were followed to this event.
    known: usize,
    /// Some order gets to this event.
    furthest: usize,
}

impl Course {
    const fn start() -> Self {
        Self {
            search: Search::GaveUp { event: 0, known: 0 },
            engine: "none",
            known: 0,
            furthest: 0,
        }
    }

    /// An engine came to an end.
    fn add(&mut self, search: Search, engine: &'static str) {
        (self.search, self.engine) = (search, engine);
        if let Search::GaveUp { event, known } = search {
            self.furthest = self.furthest.max(event);
            self.known = self.known.max(known);
        }
    }
}

/// The portfolio: what finds an order fast, then what proves that there is none.
fn search(problem: &Problem, stepper: &mut Stepper, meter: &mut Meter) -> Course {
    let mut course = Course::start();
    if problem.ops.is_empty() {
        // Nothing was answered, so nothing is to be explained.
        course.add(Search::Found, "none");
        return course;
    }
    let visits_max = PLAIN_VISITS_MIN + PLAIN_VISITS_PER_EVENT * problem.events.len() as u64;
    course.add(depth::search(problem, stepper, meter, visits_max), "depth");
    for width in PLAIN_BEAMS.into_iter().chain([usize::MAX]) {
        meter.free();
        if is_final(course.search, meter) {
            return course;
        }
        let engine = if width == usize::MAX { "frontier" } else { "beam" };
        course.add(frontier::search(problem, stepper, meter, width), engine);
    }
    course
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
