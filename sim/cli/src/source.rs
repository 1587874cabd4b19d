//! The plan that a verb is about: one in a file, or that of a scenario's seed.

use crate::{args, artefacts, exit::CliError, job::Job};
use clap::ArgGroup;
use std::{
    fs,
    path::{Path, PathBuf},
};
use whitewater_record::{Plan, Seed};

/// Where a plan comes from.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("source").required(true).args(["plan", "scenario"]))]
pub(crate) struct PlanSource {
    /// The plan.
    #[arg(value_name = "PLAN.toml")]
    pub(crate) plan: Option<PathBuf>,
    /// Instead of a plan: a scenario, with `--seed`.
    #[arg(long, requires = "seed")]
    scenario: Option<String>,
    /// The seed of the scenario, decimal or 0x.
    #[arg(long, value_parser = args::seed, requires = "scenario")]
    seed: Option<Seed>,
    /// What the command line says instead of the scenario.
    #[command(flatten)]
    overrides: args::OverrideArgs,
}

impl PlanSource {
    /// The plan.
    pub(crate) fn read(&self) -> Result<Plan, CliError> {
        if let Some(path) = &self.plan {
            return read(path);
        }
        let (scenario, seed) = self.drawn();
        let job = Job::new(scenario, &self.overrides, seed)?;
        job.plan(&job.scenario()?, seed)
    }

    /// The line that plays it again.
    pub(crate) fn repro(&self) -> String {
        if let Some(path) = &self.plan {
            return artefacts::replay_line(path);
        }
        let (scenario, seed) = self.drawn();
        let words = self.overrides.words();
        format!("{} replay --scenario {scenario} --seed {seed}{words}", artefacts::called())
    }

    /// What to call it.
    pub(crate) fn name(&self) -> String {
        let (scenario, seed) = self.drawn();
        self.plan
            .as_ref()
            .map_or_else(|| format!("{scenario}, seed {seed}"), |path| path.display().to_string())
    }

    /// Scenario and seed, which are there if there is no file.
    fn drawn(&self) -> (&str, Seed) {
        (self.scenario.as_deref().unwrap_or_default(), self.seed.unwrap_or(Seed(0)))
    }
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
