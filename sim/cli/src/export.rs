//! `whitewater export`: a window of a run for other people's viewers.

use crate::{
    args::{ExportArgs, Viewer},
    artefacts,
    console::Console,
    diff,
    exit::{CliError, Exit},
};
use std::io::{self, Write};
use whitewater_record::{Plan, SimTime, Trace};
use whitewater_reports::export::{Window, perfetto, shiviz};

/// The verb.
pub(crate) fn verb(args: &ExportArgs, console: Console) -> Result<Exit, CliError> {
    let (plan, trace) = diff::read_run(&args.run)?;
    let window =
        Window { from: args.from.unwrap_or(SimTime::ZERO), to: args.to.unwrap_or(SimTime::NEVER) };
    if !trace.rows().iter().any(|row| window.holds(row)) {
        let (from, to) = (window.from, window.to);
        return Err(CliError::Usage(format!("--from {from} --to {to}: nothing happens there")));
    }
    if let Some(file) = &args.output {
        artefacts::write(file, |out| write(args.viewer, &plan, &trace, window, out))?;
        console.remark(&format!("{}: {}", file.display(), advice(args.viewer)));
    } else {
        let out = io::BufWriter::new(io::stdout().lock());
        write(args.viewer, &plan, &trace, window, out).map_err(CliError::writing_result)?;
    }
    Ok(Exit::Ok)
}

fn write(
    viewer: Viewer,
    plan: &Plan,
    trace: &Trace,
    window: Window,
    mut out: impl Write,
) -> io::Result<()> {
    match viewer {
        Viewer::Perfetto => perfetto::write(trace.rows(), plan, window, &mut out)?,
        Viewer::Shiviz => shiviz::write(trace.rows(), plan, window, &mut out)?,
    }
    out.flush()
}

const fn advice(viewer: Viewer) -> &'static str {
    match viewer {
        Viewer::Perfetto => "open it at ui.perfetto.dev",
        Viewer::Shiviz => {
            "paste it into ShiViz with the expression (?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})"
        }
    }
}
