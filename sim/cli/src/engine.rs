//! Plays a plan and judges it. The one place where the command meets the world.

use crate::{backup, exit::CliError, judge};
use std::collections::BTreeMap;
use whitewater_checkers::{Budget, Judgement};
use whitewater_record::{
    FaultCount, History, Outcome, Plan, SimTime, Span, Trace, Verdict, Violation,
};
use whitewater_world::{Options, play_on};

/// A run that was played and judged.
pub(crate) struct Finished {
    /// What came out, with the judges' word in it.
    pub(crate) outcome: Outcome,
    /// What the clients saw.
    pub(crate) history: History,
    /// The events; only their hash if they were not kept.
    pub(crate) trace: Trace,
    /// When each operation of each client was invoked.
    pub(crate) began: Vec<Vec<SimTime>>,
    /// When each rare moment was first reached.
    pub(crate) reached: BTreeMap<String, SimTime>,
    /// What the judges of the history said.
    pub(crate) judgements: Vec<Judgement>,
}

/// Plays a plan in this process and judges it.
pub(crate) fn run(
    plan: &Plan,
    keep_trace: bool,
    until: Option<SimTime>,
) -> Result<Finished, CliError> {
    let import = backup::of(plan)?;
    let run = play_on(import.as_ref(), plan, &Options { keep_trace, until });
    let judgements = whitewater_checkers::judge(&run.history, &Budget::of(plan));
    let outcome = judge::verdict(run.outcome, &judgements);
    Ok(Finished {
        outcome,
        history: run.history,
        trace: run.trace,
        began: run.began,
        reached: run.reached,
        judgements,
    })
}

/// The outcome of a run of which nothing else is known: its process died, or had to be stopped.
pub(crate) fn without_result(plan: &Plan, code: &str, sentence: String) -> Outcome {
    let mut faults = BTreeMap::<String, FaultCount>::new();
    for planned in &plan.faults {
        faults.entry(planned.fault.name().to_owned()).or_default().requested += 1;
    }
    let violation =
        Violation { code: code.to_owned(), at: SimTime::ZERO, event: None, node: None, sentence };
    Outcome {
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        verdict: Verdict::Failed,
        violations: vec![violation],
        doubts: Vec::new(),
        trace_hash: 0,
        events: 0,
        simulated: Span(0),
        operations: [0; 3],
        messages: 0,
        faults,
        checks: BTreeMap::new(),
        sometimes: BTreeMap::new(),
        victims: BTreeMap::new(),
        coverage: whitewater_record::Coverage::default(),
    }
}
