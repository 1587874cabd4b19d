//! The other side of the pool: a process that runs one seed after the other for its parent.
//!
//! ```text
//!  stdin:  the job as one line of JSON, then one seed a line
//!  stdout: one answer a line, as JSON
//! ```

use crate::{
    artefacts,
    console::Console,
    engine,
    exit::{CliError, Exit},
    job::{Answer, Job, PROTOCOL},
    resources,
};
use std::io::{self, BufRead};
use whitewater_record::Seed;

/// Works until stdin ends.
pub(crate) fn work() -> Result<Exit, CliError> {
    resources::confine_worker();
    let console = Console { json: true, color: false };
    let mut lines = io::stdin().lock().lines();
    let Some(job) = lines.next() else { return Ok(Exit::NothingRan) };
    let job: Job = serde_json::from_str(&job.map_err(CliError::io("reading the job"))?)
        .map_err(|error| CliError::Usage(format!("the job cannot be read: {error}")))?;
    if job.protocol != PROTOCOL {
        let theirs = job.protocol;
        return Err(CliError::Usage(format!(
            "this worker speaks protocol {PROTOCOL}, its parent {theirs}"
        )));
    }
    let scenario = job.scenario()?;
    for line in lines {
        let line = line.map_err(CliError::io("reading the next seed"))?;
        let seed: Seed =
            line.parse().map_err(|_| CliError::Usage(format!("`{line}` is not a seed")))?;
        let plan = job.plan(&scenario, seed)?;
        let before = resources::used();
        let finished = engine::run(&plan, job.keep.is_some(), None);
        let after = resources::used();
        if let Some(folder) = &job.keep {
            artefacts::keep_all(&folder.join(seed.to_string()), &finished)?;
        }
        let answer = Answer {
            outcome: finished.outcome,
            cpu_us: after.cpu_us.saturating_sub(before.cpu_us),
            peak_bytes: after.peak_bytes,
        };
        let text = serde_json::to_string(&answer)
            .map_err(|error| CliError::Internal(format!("an answer has no JSON form: {error}")))?;
        console.line(&text)?;
    }
    Ok(Exit::Ok)
}
