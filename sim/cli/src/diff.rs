//! `whitewater diff`: where two runs differ. A run is a plan, which is played, a packed trace, or the folder of a failure.

use crate::{
    args::DiffArgs,
    console::Console,
    engine,
    exit::{CliError, Exit},
    job, limits, replay,
};
use std::{fs, path::Path};
use whitewater_record::{Plan, Trace, Verdict};
use whitewater_reports::diff::{self, Side};

/// One side: what was played, and what happened.
struct Run {
    name: String,
    plan: Plan,
    trace: Trace,
}

/// The verb.
pub(crate) fn verb(args: &DiffArgs, console: Console) -> Result<Exit, CliError> {
    let first = Run::read(&args.first)?;
    let other = match &args.other {
        Some(path) => Run::read(path)?,
        None => first.neighbour(console)?,
    };
    let difference = diff::diff(first.side(), other.side());
    if console.json {
        console.line(&job::line(&difference)?)?;
    } else {
        console.result(&diff::text(&difference, [&first.name, &other.name]))?;
    }
    Ok(Exit::Ok)
}

impl Run {
    fn read(path: &Path) -> Result<Self, CliError> {
        let name = path.display().to_string();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let plan = replay::read(path)?;
            let trace = engine::run(&plan, true, None).trace;
            return Ok(Self { name, plan, trace });
        }
        let (trace, plan) = if path.is_dir() {
            (path.join("trace.wwt"), path.join("plan.toml"))
        } else {
            (path.to_owned(), path.with_file_name("plan.toml"))
        };
        let plan = replay::read(&plan).map_err(|error| {
            CliError::Usage(format!("{error}; the plan beside a trace names its faults"))
        })?;
        Ok(Self { name, plan, trace: read_trace(&trace)? })
    }

    fn side(&self) -> Side<'_> {
        Side { rows: self.trace.rows(), plan: &self.plan }
    }

    /// The nearest plan that passes: without its bug, or without one of its faults or operations.
    fn neighbour(&self, console: Console) -> Result<Self, CliError> {
        if engine::run(&self.plan, false, None).outcome.verdict != Verdict::Failed {
            let name = &self.name;
            let reason = "it does not fail, so it has no passing neighbour; name another run";
            return Err(CliError::Usage(format!("{name}: {reason}")));
        }
        for (what, plan) in neighbours(&self.plan).into_iter().take(limits::NEIGHBOURS_MAX) {
            if plan.check().is_err() {
                continue;
            }
            let finished = engine::run(&plan, true, None);
            if finished.outcome.verdict == Verdict::Passed {
                console.remark(&format!("the nearest run that passes: {what}"));
                return Ok(Self { name: what, plan, trace: finished.trace });
            }
        }
        Err(CliError::Usage(format!(
            "{}: none of its nearest {} neighbours passes; shrink it first",
            self.name,
            limits::NEIGHBOURS_MAX
        )))
    }
}

/// Plans that lack one thing, the nearest first: the deliberate bugs, then each fault, then each operation.
fn neighbours(plan: &Plan) -> Vec<(String, Plan)> {
    let mut all = Vec::new();
    if !plan.mutations.is_empty() {
        let clean = Plan { mutations: Vec::new(), ..plan.clone() };
        all.push((format!("without {}", plan.mutations.join(", ")), clean));
    }
    for (place, planned) in plan.faults.iter().enumerate() {
        let mut without = plan.clone();
        without.faults.remove(place);
        all.push((format!("without fault {place}, {}", planned.fault.name()), without));
    }
    for (client, planned) in plan.clients.iter().enumerate() {
        for (place, operation) in planned.operations.iter().enumerate() {
            let mut without = plan.clone();
            without.clients[client].operations.remove(place);
            all.push((format!("without `{operation}` of client {client}"), without));
        }
    }
    all
}

/// Reads a packed trace.
pub(crate) fn read_trace(path: &Path) -> Result<Trace, CliError> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| CliError::Usage(format!("{name}: {error}")))?;
    Trace::unpack(&name, &bytes).map_err(|error| CliError::Usage(error.to_string()))
}

/// What `export` and `diff` take: the trace with its plan.
pub(crate) fn read_run(path: &Path) -> Result<(Plan, Trace), CliError> {
    let Run { plan, trace, .. } = Run::read(path)?;
    Ok((plan, trace))
}
