//! `whitewater diff`: where two runs differ. A run is a plan, which is played, a packed trace, or the folder of a failure.

use crate::{
    args::DiffArgs,
    artefacts,
    console::Console,
    engine,
    exit::{CliError, Exit},
    job, limits,
    neighbour::Neighbour,
    report::Means,
    source,
};
use std::{fs, path::Path};
use whitewater_record::{Plan, Trace, Verdict};
use whitewater_reports::{
    Plays,
    diff::{self, Side},
    page::Other,
};

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
    if let Some(file) = &args.report {
        first.report(file, &args.first, &other, args.redact)?;
    }
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
            let plan = source::read(path)?;
            let trace = engine::run(&plan, true, None)?.trace;
            return Ok(Self { name, plan, trace });
        }
        let (trace, plan) = if path.is_dir() {
            (path.join("trace.wwt"), path.join("plan.toml"))
        } else {
            (path.to_owned(), path.with_file_name("plan.toml"))
        };
        let plan = source::read(&plan).map_err(|error| {
            CliError::Usage(format!("{error}; the plan beside a trace names its faults"))
        })?;
        Ok(Self { name, plan, trace: read_trace(&trace)? })
    }

    /// Writes the page of this run, with the other one beside it. The plan is played, for the page shows more than events.
    fn report(&self, file: &Path, path: &Path, other: &Self, redact: bool) -> Result<(), CliError> {
        let finished = engine::run(&self.plan, true, None)?;
        if finished.trace.hash() != self.trace.hash() {
            return Err(CliError::Usage(format!(
                "{}: its plan gives other events today than the trace has; name the plan instead",
                self.name
            )));
        }
        let plan = if path.is_dir() { path.join("plan.toml") } else { path.to_owned() };
        let is_plan = plan.extension().is_some_and(|ending| ending == "toml");
        let plan = if is_plan { plan } else { plan.with_file_name("plan.toml") };
        let means = Means {
            plan: &self.plan,
            repro: &artefacts::replay_line(&plan),
            plays: Plays { of: 1, same: 1 },
            shrunk: None,
            other: Some(Other { name: &other.name, side: other.side() }),
            anatomy: None,
            redact,
        };
        means.write(file, &finished)
    }

    fn side(&self) -> Side<'_> {
        Side { rows: self.trace.rows(), plan: &self.plan }
    }

    /// The nearest plan that passes: without its bug, or without one of its faults or operations.
    fn neighbour(&self, console: Console) -> Result<Self, CliError> {
        if engine::run(&self.plan, false, None)?.outcome.verdict != Verdict::Failed {
            let name = &self.name;
            let reason = "it does not fail, so it has no passing neighbour; name another run";
            return Err(CliError::Usage(format!("{name}: {reason}")));
        }
        if let Some(Neighbour { name, plan, trace }) =
            Neighbour::nearest(&self.plan, limits::NEIGHBOURS_MAX)?
        {
            console.remark(&format!("the nearest run that passes: {name}"));
            return Ok(Self { name, plan, trace });
        }
        Err(CliError::Usage(format!(
            "{}: none of its nearest {} neighbours passes; shrink it first",
            self.name,
            limits::NEIGHBOURS_MAX
        )))
    }
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
