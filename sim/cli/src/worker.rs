//! The other side of the pool: a process that plays one seed or plan after the other for its parent.
//!
//! ```text
//!  stdin:  what to do as one line of JSON, then one seed or plan a line
//!  stdout: one answer a line, as JSON
//! ```

use crate::{
    artefacts,
    console::Console,
    engine,
    exit::{CliError, Exit},
    job::{self, Answer, Finding, Hello, Job, PROTOCOL, Sighting, Trial, Work},
    resources,
};
use std::io::{self, BufRead};
use whitewater_record::{Plan, Seed, Signature, Verdict};
use whitewater_scenarios::Scenario;

/// Works until stdin ends.
pub(crate) fn work() -> Result<Exit, CliError> {
    resources::confine_worker();
    let console = Console { json: true, color: false };
    let mut lines = io::stdin().lock().lines();
    let Some(hello) = lines.next() else { return Ok(Exit::NothingRan) };
    let hello: Hello = serde_json::from_str(&hello.map_err(CliError::io("reading what to do"))?)
        .map_err(|error| CliError::Usage(format!("what to do cannot be read: {error}")))?;
    if hello.protocol != PROTOCOL {
        let theirs = hello.protocol;
        return Err(CliError::Usage(format!(
            "this worker speaks protocol {PROTOCOL}, its parent {theirs}"
        )));
    }
    let scenario = match &hello.work {
        Work::Seeds(job) => Some(job.scenario()?),
        Work::Plans | Work::Sightings => None,
    };
    for line in lines {
        let line = line.map_err(CliError::io("reading the next line"))?;
        let answer = match (&hello.work, &scenario) {
            (Work::Seeds(job), Some(scenario)) => job::line(&seed(job, scenario, &line)?)?,
            (Work::Sightings, _) => job::line(&sighting(&line)?)?,
            (Work::Seeds(_) | Work::Plans, _) => job::line(&trial(&line)?)?,
        };
        console.line(&answer)?;
    }
    Ok(Exit::Ok)
}

fn seed(job: &Job, scenario: &Scenario, line: &str) -> Result<Answer, CliError> {
    let seed: Seed =
        line.parse().map_err(|_| CliError::Usage(format!("`{line}` is not a seed")))?;
    let plan = job.plan(scenario, seed)?;
    let before = resources::used();
    let finished = engine::run(&plan, job.keep.is_some(), None)?;
    let after = resources::used();
    if let Some(folder) = &job.keep {
        artefacts::keep_all(&folder.join(seed.to_string()), &finished)?;
    }
    Ok(Answer {
        outcome: finished.outcome,
        cpu_us: after.cpu_us.saturating_sub(before.cpu_us),
        peak_bytes: after.peak_bytes,
    })
}

fn sighting(line: &str) -> Result<Sighting, CliError> {
    let plan: Plan = serde_json::from_str(line)
        .map_err(|error| CliError::Usage(format!("the plan cannot be read: {error}")))?;
    let before = resources::used();
    let finished = engine::run(&plan, false, None)?;
    Ok(Sighting {
        outcome: finished.outcome,
        reached: finished.reached,
        cpu_us: resources::used().cpu_us.saturating_sub(before.cpu_us),
    })
}

fn trial(line: &str) -> Result<Finding, CliError> {
    let trial: Trial = serde_json::from_str(line)
        .map_err(|error| CliError::Usage(format!("the trial cannot be read: {error}")))?;
    let before = resources::used();
    let finished = engine::run(&trial.plan, false, trial.until)?;
    let signature = Signature::of(&finished.outcome);
    let is_same = signature.is_some() && signature == trial.wanted;
    // The twin is dearer, and few plans get that far.
    let is_wanted = is_same && (!trial.has_twin || twin_passes(trial.plan)?);
    Ok(Finding {
        verdict: finished.outcome.verdict,
        violation: finished.outcome.violations.into_iter().next(),
        is_wanted,
        began: if trial.wanted.is_none() || is_wanted { finished.began } else { Vec::new() },
        cpu_us: resources::used().cpu_us.saturating_sub(before.cpu_us),
    })
}

/// Whether the plan passes to its end if no bug is switched on.
fn twin_passes(mut plan: Plan) -> Result<bool, CliError> {
    plan.mutations.clear();
    Ok(engine::run(&plan, false, None)?.outcome.verdict == Verdict::Passed)
}
