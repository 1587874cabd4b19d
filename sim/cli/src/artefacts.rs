//! What a failure leaves behind: a folder with everything that it takes to see it again.
//!
//! `plan.toml`, `history.jsonl`, `trace.wwt`, `outcome.json`, and `report.html` or `verdict.txt` to start with. No wall clock: the same
//! failure leaves the same bytes.

use crate::{
    engine::{self, Finished},
    exit::CliError,
    report::Means,
};
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};
use whitewater_record::{Outcome, Plan, Trace};
use whitewater_reports::{Failure, Plays, text};

/// File of the history.
pub(crate) const HISTORY: &str = "history.jsonl";
/// File of the events, as JSON lines.
pub(crate) const TRACE: &str = "trace.jsonl";
/// File of the events, packed.
const TRACE_PACKED: &str = "trace.wwt";
/// File of the outcome.
pub(crate) const OUTCOME: &str = "outcome.json";
const PLAN: &str = "plan.toml";
const VERDICT: &str = "verdict.txt";
/// File of the report, for people.
pub(crate) const REPORT: &str = "report.html";

/// A failure that was kept.
pub(crate) struct Kept {
    /// What to show of it.
    pub(crate) failure: Option<Failure>,
    /// How the run differed when it was played again. It should not.
    pub(crate) difference: Option<String>,
}

/// How a failure is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    /// The run did not end its process: it can be played again in this one.
    pub(crate) survivable: bool,
    /// The report shows hashes instead of values.
    pub(crate) redact: bool,
}

/// Plays a failed plan again, now keeping its trace, and writes the folder.
pub(crate) fn keep_failure(
    out: &Path,
    plan: &Plan,
    outcome: &Outcome,
    Keeping { survivable, redact }: Keeping,
) -> Result<Kept, CliError> {
    let folder = out.join(folder_name(plan));
    fs::create_dir_all(&folder).map_err(CliError::io(folder.display().to_string()))?;
    let file = folder.join(PLAN);
    write(&file, |out| out.write_all(plan.to_toml().as_bytes()))?;
    let repro = replay_line(&file);
    let shown = folder.display().to_string();
    let failure = Failure::of(outcome, Some(shown), repro.clone());
    let verdict = format!("{}\nreplay: {repro}\n", text::outcome(outcome, false));
    write(&folder.join(VERDICT), |out| out.write_all(verdict.as_bytes()))?;
    let report = folder.join(REPORT);
    let plays = Plays { of: 1, same: 1 };
    let mut means =
        Means { plan, repro: &repro, plays, shrunk: None, other: None, anatomy: None, redact };
    if !survivable {
        write_outcome(&folder, outcome)?;
        means.write_outcome(&report, outcome)?;
        return Ok(Kept { failure, difference: None });
    }
    let again = engine::run(plan, true, None)?;
    let difference = difference(outcome, &again.outcome);
    means.plays = Plays { of: 2, same: if difference.is_none() { 2 } else { 1 } };
    if let Some(difference) = &difference {
        means.write_difference(&report, engine::run(plan, true, None)?, &again, difference)?;
    } else {
        means.write(&report, &again)?;
    }
    write(&folder.join(HISTORY), |out| again.history.write(out))?;
    write_trace(&folder.join(TRACE_PACKED), &again.trace)?;
    write_outcome(&folder, &again.outcome)?;
    Ok(Kept { failure, difference })
}

/// Writes a trace: as JSON lines if the file is named so, else packed.
pub(crate) fn write_trace(path: &Path, trace: &Trace) -> Result<(), CliError> {
    let is_text = path.extension().is_some_and(|extension| extension == "jsonl");
    write(path, |out| if is_text { trace.write(out) } else { trace.pack(out) })
}

/// Writes history, trace and outcome of a run as text, line by line, so that two runs can be compared.
pub(crate) fn keep_all(folder: &Path, finished: &Finished) -> Result<(), CliError> {
    fs::create_dir_all(folder).map_err(CliError::io(folder.display().to_string()))?;
    write(&folder.join(HISTORY), |out| finished.history.write(out))?;
    write(&folder.join(TRACE), |out| finished.trace.write(out))?;
    write_outcome(folder, &finished.outcome)
}

/// Writes a file through a buffer.
pub(crate) fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), CliError> {
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::new(file);
        fill(&mut out)?;
        out.flush()
    });
    written.map_err(CliError::io(path.display().to_string()))
}

/// How two outcomes of one plan differ, if they do.
pub(crate) fn difference(first: &Outcome, again: &Outcome) -> Option<String> {
    if first == again {
        return None;
    }
    let (seed, a, b) = (first.seed, first.trace_hash, again.trace_hash);
    Some(if a == b {
        format!(
            "seed {seed}: equal traces ({a:016x}), but unequal outcomes, when it was played again"
        )
    } else {
        let (events, events_again) = (first.events, again.events);
        format!(
            "seed {seed}: trace {a:016x} of {events} events, then trace {b:016x} of {events_again} events when it was \
             played again"
        )
    })
}

fn write_outcome(folder: &Path, outcome: &Outcome) -> Result<(), CliError> {
    write(&folder.join(OUTCOME), |out| {
        serde_json::to_writer_pretty(&mut *out, outcome)?;
        out.write_all(b"\n")
    })
}

/// The folder of a plan's failure.
pub(crate) fn folder_name(plan: &Plan) -> PathBuf {
    let mut name = format!("{}-{}", plan.scenario, plan.seed);
    for mutation in &plan.mutations {
        name.push('-');
        name.push_str(mutation);
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    PathBuf::from(name.trim_start_matches('.'))
}

/// The line that plays a plan again when it is pasted.
pub(crate) fn replay_line(file: &Path) -> String {
    format!("{} replay {}", called(), quoted(file))
}

/// How this command was called: what worked for the caller works again when it is pasted.
pub(crate) fn called() -> String {
    let name = std::env::args_os().next();
    quoted(&name.map_or_else(|| PathBuf::from("whitewater"), PathBuf::from))
}

/// A path that can be pasted into a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/-_.,:+@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_pasted() {
        assert_eq!(
            quoted(Path::new("reports/out/swarm-1/plan.toml")),
            "reports/out/swarm-1/plan.toml"
        );
        assert_eq!(quoted(Path::new("it's here/p")), "'it'\\''s here/p'");
    }
}
