//! `whitewater replay`: plays a plan again.

use crate::{
    args::ReplayArgs,
    artefacts,
    browse::{self, Start},
    console::Console,
    engine,
    exit::{CliError, Exit},
    job::Job,
    report::Means,
    view::{self, Until},
};
use std::{fs, io, path::Path};
use whitewater_record::{Plan, Seed};
use whitewater_reports::{Plays, lines, text};

/// The verb.
pub(crate) fn replay(args: &ReplayArgs, console: Console) -> Result<Exit, CliError> {
    if args.browse {
        browse::needs_terminal()?;
    }
    let plan = plan(args)?;
    let until = match args.until {
        Some(Until::Time(time)) => Some(time),
        Some(Until::Event(_) | Until::Condition(_)) | None => None,
    };
    let finished = engine::run(&plan, true, until);
    let outcome = &finished.outcome;
    let repro = repro(args);
    let plays = Plays { of: 1, same: 1 };
    let means = Means {
        plan: &plan,
        repro: &repro,
        plays,
        shrunk: None,
        other: None,
        anatomy: None,
        redact: args.redact,
    };
    if let Some(file) = &args.report {
        means.write(file, &finished)?;
    }
    if args.browse {
        let until = args.until.as_ref();
        let start = Start { until, follow: args.follow.as_deref(), color: console.color };
        browse::browse(&plan, &finished, &means.moments(&finished), start)?;
    }
    let shown = if console.json {
        format!("{}\n", lines::seed(outcome))
    } else {
        let events = if args.browse { String::new() } else { view::text(args, &plan, &finished)? };
        let gap = if events.is_empty() { "" } else { "\n" };
        format!("{events}{gap}{}", text::outcome(outcome, console.color))
    };
    match args.trace.as_deref() {
        Some(path) if path == Path::new("-") => {
            finished
                .trace
                .write(io::BufWriter::new(io::stdout().lock()))
                .map_err(CliError::writing_result)?;
            console.remark(shown.trim_end());
        }
        Some(path) => {
            artefacts::write_trace(path, &finished.trace)?;
            console.result(&shown)?;
        }
        None => console.result(&shown)?,
    }
    Ok(outcome.verdict.into())
}

/// The line that plays it again.
fn repro(args: &ReplayArgs) -> String {
    if let Some(path) = &args.plan {
        return artefacts::replay_line(path);
    }
    let scenario = args.scenario.as_deref().unwrap_or_default();
    let seed = args.seed.unwrap_or(Seed(0));
    let words = args.overrides.words();
    format!("{} replay --scenario {scenario} --seed {seed}{words}", artefacts::called())
}

fn plan(args: &ReplayArgs) -> Result<Plan, CliError> {
    if let Some(path) = &args.plan {
        return read(path);
    }
    let scenario = args.scenario.as_deref().unwrap_or_default();
    let seed = args.seed.unwrap_or(Seed(0));
    let job = Job::new(scenario, &args.overrides, seed)?;
    job.plan(&job.scenario()?, seed)
}

/// The plan in a file.
pub(crate) fn read(path: &Path) -> Result<Plan, CliError> {
    let name = path.display().to_string();
    let text =
        fs::read_to_string(path).map_err(|error| CliError::Usage(format!("{name}: {error}")))?;
    Plan::from_toml(&name, &text)
        .map_err(|error| CliError::Usage(locate(&name, &error.to_string())))
}

/// A complaint about a field does not name its file; one about syntax does.
fn locate(name: &str, complaint: &str) -> String {
    if complaint.starts_with(name) { complaint.to_owned() } else { format!("{name}: {complaint}") }
}
