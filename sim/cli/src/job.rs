//! What is said between the command and its workers: what to do, as the first line that a worker reads, then one line
//! for each seed or plan, and one answer for each.

use crate::{args::OverrideArgs, backup, exit::CliError};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use whitewater_record::{
    BackupPlan, Outcome, Plan, Seed, Signature, SimTime, Span, Verdict, Violation,
};
use whitewater_reports::Campaign;
use whitewater_scenarios::{Overrides, Scenario};

/// The version of what is said between the command and its workers.
pub(crate) const PROTOCOL: u32 = 3;

/// The first line that a worker reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// [`PROTOCOL`].
    pub(crate) protocol: u32,
    /// What the lines that follow are.
    pub(crate) work: Work,
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Every line is a seed of this job; the answer is an [`Answer`].
    Seeds(Box<Job>),
    /// Every line is a [`Trial`]; the answer is a [`Finding`].
    Plans,
    /// Every line is a plan; the answer is a [`Sighting`].
    Sightings,
}

/// A plan to be played, and the failure that is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// The plan.
    pub(crate) plan: Plan,
    /// Stop here.
    pub(crate) until: Option<SimTime>,
    /// The failure; nothing to be told of whatever fails.
    pub(crate) wanted: Option<Signature>,
    /// The plan must pass without its mutations.
    pub(crate) has_twin: bool,
}

/// What became of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// What was broken first.
    pub(crate) violation: Option<Violation>,
    /// Whether that is the failure that was looked for, and the bug that was switched on is to blame.
    pub(crate) is_wanted: bool,
    /// When each operation of each client was invoked, if it fails as wanted, or nothing was wanted.
    pub(crate) began: Vec<Vec<SimTime>>,
    /// CPU time that it took, in microseconds.
    pub(crate) cpu_us: u64,
}

/// What was seen of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sighting {
    /// What came out.
    pub(crate) outcome: Outcome,
    /// When each rare moment was first reached.
    pub(crate) reached: BTreeMap<String, SimTime>,
    /// CPU time that it took, in microseconds.
    pub(crate) cpu_us: u64,
}

/// A scenario, as text, and what the command line says instead of it. The text travels, not the path, so that all
/// workers play the same even if the file changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The file that the scenario is from, for error messages.
    pub(crate) file: String,
    /// The scenario.
    pub(crate) text: String,
    mutations: Vec<String>,
    nodes: Option<u64>,
    clients: Option<u64>,
    keys: Option<u64>,
    operations: Option<u64>,
    duration: Option<Span>,
    calm: bool,
    #[serde(default)]
    backup: Option<BackupPlan>,
    /// Write trace, history and outcome of each seed into this folder.
    pub(crate) keep: Option<PathBuf>,
    /// Reports show hashes instead of values. Workers write none.
    #[serde(skip)]
    pub(crate) redact: bool,
}

/// The answer of a worker: one line a seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// What came out.
    pub(crate) outcome: Outcome,
    /// CPU time that it took, in microseconds.
    pub(crate) cpu_us: u64,
    /// The most memory that the worker has had so far, in bytes.
    pub(crate) peak_bytes: u64,
}

impl Work {
    /// The first line that a worker reads.
    pub(crate) fn line(self) -> Result<String, CliError> {
        line(&Hello { protocol: PROTOCOL, work: self })
    }
}

/// Anything as a line of JSON.
pub(crate) fn line(what: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string(what)
        .map_err(|error| CliError::Internal(format!("no JSON form: {error}")))
}

impl Job {
    /// Reads the scenario and checks that it can be planned for `seed`, so that a wrong command line is refused before
    /// anything runs.
    pub(crate) fn new(
        scenario: &str,
        overrides: &OverrideArgs,
        seed: Seed,
    ) -> Result<Self, CliError> {
        let (file, text) = find(scenario)?;
        let OverrideArgs { mutations, nodes, clients, keys, operations, duration, calm, backup } =
            overrides.clone();
        let backup = backup.as_deref().map(backup::named).transpose()?;
        let job = Self {
            file,
            text,
            mutations,
            nodes,
            clients,
            keys,
            operations,
            duration,
            calm,
            backup,
            keep: None,
            redact: false,
        };
        job.plan(&job.scenario()?, seed)?;
        Ok(job)
    }

    /// The same job, whose reports show hashes instead of values if that was asked for.
    pub(crate) fn redacting(self, redact: bool) -> Self {
        Self { redact, ..self }
    }

    /// The same job, which writes what comes out of each seed into a folder.
    pub(crate) fn keeping(&self, folder: PathBuf) -> Self {
        Self { keep: Some(folder), ..self.clone() }
    }

    /// The scenario.
    pub(crate) fn scenario(&self) -> Result<Scenario, CliError> {
        Scenario::parse(&self.file, &self.text).map_err(|error| CliError::Usage(error.to_string()))
    }

    /// The plan of `seed`, checked.
    pub(crate) fn plan(&self, scenario: &Scenario, seed: Seed) -> Result<Plan, CliError> {
        let plan = whitewater_scenarios::plan(scenario, seed, &self.overrides());
        plan.check().map_err(|error| {
            CliError::Usage(format!("the plan of seed {seed} cannot be played: {error}"))
        })?;
        Ok(plan)
    }

    /// The header of a campaign of this job.
    pub(crate) fn campaign(
        &self,
        scenario: &Scenario,
        first_seed: Seed,
        seeds_asked: Option<u64>,
    ) -> Campaign {
        let number = |n: Option<u64>| n.map(|n| n.to_string());
        let changes = [
            ("nodes", number(self.nodes)),
            ("clients", number(self.clients)),
            ("keys", number(self.keys)),
            ("operations", number(self.operations)),
            ("duration", self.duration.map(|duration| duration.to_string())),
            ("calm", self.calm.then(|| "yes".to_owned())),
            ("backup", self.backup.as_ref().map(|backup| backup.sha256.clone())),
        ];
        let overrides: BTreeMap<String, String> = changes
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
        Campaign {
            scenario: scenario.name.clone(),
            first_seed,
            seeds_asked,
            mutations: self.mutations.clone(),
            overrides,
            whole: None,
        }
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            nodes: self.nodes,
            clients: self.clients,
            keys: self.keys,
            operations: self.operations,
            duration: self.duration,
            mutations: self.mutations.clone(),
            calm: self.calm,
            backup: self.backup.clone(),
        }
    }
}

/// File name and text of a scenario: a path if it looks like one, else a name of the catalogue.
fn find(scenario: &str) -> Result<(String, String), CliError> {
    let has_ending = Path::new(scenario).extension().is_some_and(|ending| ending == "toml");
    if has_ending || scenario.contains('/') {
        let text = fs::read_to_string(scenario)
            .map_err(|error| CliError::Usage(format!("{scenario}: {error}")))?;
        return Ok((scenario.to_owned(), text));
    }
    let known = whitewater_scenarios::catalog().find(|(name, _)| *name == scenario);
    let Some((name, text)) = known else {
        let names: Vec<&str> = whitewater_scenarios::catalog().map(|(name, _)| name).collect();
        return Err(CliError::Usage(format!(
            "`{scenario}` is not a scenario: give a file that ends in .toml, or one of {}",
            names.join(", ")
        )));
    };
    Ok((format!("scenarios/catalog/{name}.toml"), text.to_owned()))
}
