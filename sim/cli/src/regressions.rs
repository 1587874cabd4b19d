//! The pinned plans of fixed bugs: a campaign replays them before it draws anything.

use crate::{
    artefacts,
    exit::CliError,
    job::{Trial, Work},
    lab,
    pool::{Recruiter, Worker},
};
use std::{fs, io::Write as _, path::Path};
use whitewater_record::{Plan, Signature};
use whitewater_reports::Failure;
use whitewater_scenarios::{Pinned, regressions};

/// Plays each pinned plan in a worker as patient as those of the campaign. Returns how many there are, and those that fail
/// again; their plans are then in `out`.
pub(crate) fn replay(recruiter: &Recruiter, out: &Path) -> Result<(u64, Vec<Failure>), CliError> {
    let recruiter = Recruiter { job: Work::Plans.line()?, ..recruiter.clone() };
    let mut worker = None;
    let (mut replayed, mut failed) = (0, Vec::new());
    for pinned in regressions() {
        replayed += 1;
        failed.extend(play(pinned, &recruiter, &mut worker, out)?);
    }
    worker.into_iter().for_each(Worker::dismiss);
    Ok((replayed, failed))
}

fn play(
    pinned: Pinned,
    recruiter: &Recruiter,
    worker: &mut Option<Worker>,
    out: &Path,
) -> Result<Option<Failure>, CliError> {
    let Pinned { name, text } = pinned;
    let plan = Plan::from_toml(name, text)
        .map_err(|error| CliError::Internal(format!("the pinned plan {name}: {error}")))?;
    let seed = plan.seed;
    let trial = Trial { plan, until: None, wanted: None, has_twin: false };
    let Some(mut violation) = lab::ask(recruiter, worker, &trial)?.violation else {
        return Ok(None);
    };
    let signature = Signature::of_violation(&violation);
    violation.sentence =
        format!("the pinned plan {name} of a fixed bug fails again: {}", violation.sentence);
    let folder = out.join("regressions");
    fs::create_dir_all(&folder).map_err(CliError::io(folder.display().to_string()))?;
    let file = folder.join(format!("{name}.toml"));
    artefacts::write(&file, |out| out.write_all(text.as_bytes()))?;
    let repro = artefacts::replay_line(&file);
    Ok(Some(Failure { seed, signature, violation, folder: None, repro, shrunk: None }))
}
