//! `whitewater replay`: plays a plan again.

use crate::{
    args::ReplayArgs,
    artefacts,
    browse::{self, Start},
    console::Console,
    engine,
    exit::{CliError, Exit},
    report::Means,
    view::{self, Until},
};
use std::{io, path::Path};
use whitewater_reports::{Plays, lines, text};

/// The verb.
pub(crate) fn replay(args: &ReplayArgs, console: Console) -> Result<Exit, CliError> {
    if args.browse {
        browse::needs_terminal()?;
    }
    let plan = args.source.read()?;
    let until = match args.until {
        Some(Until::Time(time)) => Some(time),
        Some(Until::Event(_) | Until::Condition(_)) | None => None,
    };
    let finished = engine::run(&plan, true, until)?;
    let outcome = &finished.outcome;
    let repro = args.source.repro();
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
