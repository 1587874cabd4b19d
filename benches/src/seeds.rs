//! One seed, as the command runs it: planned, played, judged, and the CPU time of each.

use crate::usage;
use std::time::Duration;
use whitewater_checkers::{Budget, Judgement, Ruling};
use whitewater_record::{History, Plan, Seed, Span};
use whitewater_scenarios::{Overrides, Scenario};
use whitewater_world::{Options, Run};

/// What is the same for all seeds of a measurement.
#[derive(Clone, Debug)]
pub struct Course {
    scenario: Scenario,
    overrides: Overrides,
}

/// CPU time of the three parts of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Split {
    /// Throwing the dice.
    pub planning: Duration,
    /// Playing, with the invariants that are checked at every event.
    pub world: Duration,
    /// Judging the history.
    pub judging: Duration,
}

/// What one seed was and took.
#[derive(Clone, Debug)]
pub struct Lap {
    /// The CPU time.
    pub split: Split,
    /// What the clients saw.
    pub history: History,
    /// Operations in the history, however they ended.
    pub operations: u64,
    /// Of those, the ones that ended ok.
    pub operations_ok: u64,
    /// Simulated time, both phases.
    pub simulated: Duration,
    /// Messages between nodes.
    pub messages: u64,
    /// Events in the trace.
    pub events: u64,
    /// Faults that were seen to matter.
    pub witnessed: u64,
    /// What invariants and judges objected to, each as its code and a sentence.
    pub objections: Vec<String>,
    /// The black-box judge reached the end within its budget.
    pub is_cross_checked: bool,
}

impl Split {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.planning + self.world + self.judging
    }
}

impl Course {
    /// A scenario of the catalogue, with something else here and there.
    pub fn new(scenario: &str, overrides: Overrides) -> Self {
        let scenario = whitewater_scenarios::load(scenario).expect("it is in the catalogue");
        Self { scenario, overrides }
    }

    /// The clients do nothing, and nothing is done to the cluster.
    pub fn idle(nodes: u64, duration: Span) -> Self {
        let overrides = Overrides {
            nodes: Some(nodes),
            operations: Some(0),
            duration: Some(duration),
            ..Overrides::default()
        };
        Self::new("quiet", overrides)
    }

    /// The plan of a seed.
    pub fn plan(&self, seed: Seed) -> Plan {
        let plan = whitewater_scenarios::plan(&self.scenario, seed, &self.overrides);
        plan.check().expect("the overrides can be played");
        plan
    }

    /// What the clients of a seed saw.
    pub fn history(&self, seed: Seed) -> History {
        play(&self.plan(seed)).history
    }

    /// Plans, plays and judges a seed.
    pub fn run(&self, seed: Seed) -> Lap {
        let (planning, plan) = usage::timed(|| self.plan(seed));
        let (world, run) = usage::timed(|| play(&plan));
        let (judging, judgements) =
            usage::timed(|| whitewater_checkers::judge(&run.history, &Budget::default()));
        lap(Split { planning, world, judging }, run, &judgements)
    }
}

/// Plays a plan as a campaign does, without keeping the trace.
pub fn play(plan: &Plan) -> Run {
    whitewater_world::play(plan, &Options::default())
}

fn lap(split: Split, run: Run, judgements: &[Judgement]) -> Lap {
    let Run { outcome, history, trace: _, began: _, reached: _ } = run;
    let seen = outcome.violations.iter().cloned();
    let violations = seen.chain(judgements.iter().filter_map(Judgement::violation));
    let is_undecided = |judgement: &Judgement| matches!(judgement.ruling, Ruling::Undecided(_));
    Lap {
        split,
        operations: history.operations.len() as u64,
        operations_ok: outcome.operations[0],
        simulated: Duration::from_nanos(outcome.simulated.0),
        messages: outcome.messages,
        events: outcome.events,
        witnessed: outcome.faults.values().map(|count| count.witnessed).sum(),
        objections: violations.map(|v| format!("{}: {}", v.code, v.sentence)).collect(),
        is_cross_checked: !judgements.iter().any(is_undecided),
        history,
    }
}
