//! A scenario: everything that a plan has, as distributions.

use crate::{
    auth::Permissions,
    catalog,
    dist::{Numbers, OneOf, Percent, Spans},
    error::{Complaint, ScenarioError, unreadable},
    fault_group::FaultGroup,
    leases::Leases,
    locks::Locks,
    operators::Operators,
    profiles::{ClockRanges, DiskRanges, NetworkRanges, TuningRanges},
    watchers::Watchers,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use whitewater_api::release::Release;
use whitewater_record::Seed;

/// The version of the scenarios' text form.
pub const SCENARIO_VERSION: u32 = 1;

/// What a family of runs has in common. A plan is a function of (scenario, seed).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// [`SCENARIO_VERSION`].
    pub version: u32,
    /// Its name in plans, reports and on the command line.
    pub name: String,
    /// What it is for, in a sentence.
    pub summary: String,
    /// Members at the start.
    pub nodes: Numbers,
    /// Length of the safety phase.
    pub duration: Spans,
    /// At least this share of the run, in a hundred, is left free of faults that can stop the service; faults that
    /// would take more are left out.
    #[serde(default)]
    pub calm_percent: Percent,
    /// In this share of the seeds, in a hundred, no class of faults is off.
    #[serde(default)]
    pub whole_percent: Percent,
    /// What the clients do.
    pub workload: Workload,
    /// Who watches; nobody if it is not said.
    pub watchers: Option<Watchers>,
    /// The network in fair weather.
    #[serde(default)]
    pub network: NetworkRanges,
    /// The disks.
    #[serde(default)]
    pub disk: DiskRanges,
    /// The clocks.
    #[serde(default)]
    pub clock: ClockRanges,
    /// The replicas' settings.
    #[serde(default)]
    pub tuning: TuningRanges,
    /// As which release all members of a seed start. Not said: the newest.
    pub release: Option<OneOf<Release>>,
    /// How long hosts wait for more requests before they hand them over together. Not said: not at all.
    pub gather: Option<Spans>,
    /// The classes of faults.
    #[serde(default, rename = "fault")]
    pub faults: Vec<FaultGroup>,
    /// A mixture: each seed is one of these instead, as often as its weight says.
    #[serde(skip)]
    pub mixture: Vec<(u64, Self)>,
}

/// The text of a scenario that is a mixture of others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MixtureText {
    version: u32,
    name: String,
    summary: String,
    /// Scenarios of the catalogue, with their weights.
    mixture: BTreeMap<String, u64>,
}

/// What the clients do. They are closed loops: each waits for its answer, thinks, and asks again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// How many clients.
    pub clients: Numbers,
    /// How many keys they share, named `k0`, `k1` and so on.
    pub keys: Numbers,
    /// Operations of each client. Either this or `operations_per_second`.
    pub operations: Option<Numbers>,
    /// Operations of each client in a second of the run.
    pub operations_per_second: Option<Numbers>,
    /// The thinking of a client adds up to this share of the run, in a hundred; the rest is left for waiting.
    pub think_percent: Percent,
    /// How long a client waits for an answer.
    pub timeout: Spans,
    /// Chance, in a hundred, that an operation goes to the first key.
    #[serde(default)]
    pub hot_percent: Percent,
    /// Chance, in a hundred, that a client stays with its home instead of going where `NotLeader` points.
    #[serde(default)]
    pub stays_percent: Percent,
    /// Length of a value at least; shorter ones are filled up. Not said: as short as they come.
    pub value_bytes: Option<Numbers>,
    /// How often each operation comes, as weights.
    pub mix: Mix,
    /// What the clients do with leases; nothing if it is not said.
    pub leases: Option<Leases>,
    /// What they do with locks; nothing if it is not said.
    pub locks: Option<Locks>,
    /// Who may do what, who changes it and who tries to get round it; everybody everything if it is not said.
    pub permissions: Option<Permissions>,
    /// What they do about the members; nothing if it is not said.
    pub operators: Option<Operators>,
}

/// Weights of the operations. See [`Step`](whitewater_record::Step) for what each does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Weight of `put`.
    pub put: u32,
    /// Weight of `get`.
    pub get: u32,
    /// Weight of `stale-get`.
    pub stale_get: u32,
    /// Weight of `list`.
    pub list: u32,
    /// Weight of `delete`.
    pub delete: u32,
    /// Weight of `delete-all`.
    pub delete_all: u32,
    /// Weight of `swap`.
    pub swap: u32,
    /// Weight of `create`.
    pub create: u32,
    /// Weight of `both`.
    pub both: u32,
    /// Weight of `put-past`.
    pub put_past: u32,
    /// Weight of `nest`.
    pub nest: u32,
    /// Weight of `by-version`.
    pub by_version: u32,
    /// Weight of requests with options that few clients give, such as `touch` and `past`.
    pub options: u32,
    /// Weight of `compact`.
    pub compact: u32,
    /// Weight of `remove`.
    pub remove: u32,
    /// Weight of `append`.
    pub append: u32,
    /// Weight of `if`, with any condition.
    pub conditional: u32,
    /// Weight of `create` with a key of its own: an element that is added to the set of all keys.
    pub add: u32,
    /// Weight of `turn`.
    pub turn: u32,
    /// Weight of `compact-turned`.
    pub compact_turned: u32,
    /// Weight of `defragment`.
    pub defragment: u32,
    /// Weight of `hash-kv`.
    pub hash_kv: u32,
    /// Weight of `status`.
    pub status: u32,
    /// Weight of `alarm-list`.
    pub alarm_list: u32,
    /// Weight of `alarm-raise`, of one of the first three members.
    pub alarm_raise: u32,
    /// Weight of `alarm-disarm`, of one of the first three members.
    pub alarm_disarm: u32,
    /// Weight of `sneak`: a put in a transaction in a transaction.
    pub nested_put: u32,
}

impl Scenario {
    /// Reads a scenario from TOML; `name` is for error messages, which say the line, the column, the field, and what
    /// was expected there.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let is_mixture =
            toml::from_str::<toml::Table>(text).is_ok_and(|table| table.contains_key("mixture"));
        let scenario: Self = if is_mixture {
            let read = toml::from_str(text).map_err(|error| unreadable(name, text, &error))?;
            Self::mix(read).map_err(|complaint| complaint.at(name, text))?
        } else {
            toml::from_str(text).map_err(|error| unreadable(name, text, &error))?
        };
        scenario.check().map_err(|complaint| complaint.at(name, text))?;
        Ok(scenario)
    }

    /// All of its own is that of its most frequent part, for whoever wants to know what a run is like.
    fn mix(text: MixtureText) -> Result<Self, Complaint> {
        let mut mixture = Vec::new();
        for (part, weight) in text.mixture {
            let field = format!("mixture.{part}");
            let other = catalog::load(&part)
                .map_err(|error| Complaint::new(field.clone(), error.to_string()))?;
            if weight == 0 || !other.mixture.is_empty() {
                let reason = "expected a weight above 0, of a scenario that is no mixture itself";
                return Err(Complaint::new(field, reason));
            }
            mixture.push((weight, other));
        }
        let most = mixture.iter().max_by_key(|(weight, _)| *weight);
        let (_, base) =
            most.ok_or_else(|| Complaint::new("mixture", "nothing in it, expected scenarios"))?;
        Ok(Self {
            version: text.version,
            name: text.name,
            summary: text.summary,
            mixture: mixture.clone(),
            ..base.clone()
        })
    }

    /// What a seed is drawn from: the scenario itself, or one of its parts.
    pub(crate) fn part(&self, seed: Seed) -> &Self {
        let all: u64 = self.mixture.iter().map(|(weight, _)| weight).sum();
        let mut place = if all == 0 { 0 } else { seed.stream("plan/part", 0).below(all) };
        for (weight, part) in &self.mixture {
            if place < *weight {
                return part;
            }
            place -= weight;
        }
        self
    }

    /// The same with no class of faults ever off.
    #[must_use]
    pub fn with_all_faults(mut self) -> Self {
        for group in &mut self.faults {
            group.off_percent = Percent::default();
        }
        let parts = self.mixture.into_iter();
        self.mixture = parts.map(|(weight, part)| (weight, part.with_all_faults())).collect();
        self
    }

    fn check(&self) -> Result<(), Complaint> {
        if self.version != SCENARIO_VERSION {
            let reason = format!("{} is not known, expected {SCENARIO_VERSION}", self.version);
            return Err(Complaint::new("version", reason));
        }
        if self.name.is_empty() || self.name.contains(char::is_whitespace) {
            return Err(Complaint::new("name", format!("`{}`, expected one word", self.name)));
        }
        within("nodes", &self.nodes, 1, 7)?;
        let (second, hour) = (1_000_000_000, 3_600_000_000_000);
        if self.duration.0.low() < second || self.duration.0.high() > hour {
            return Err(Complaint::new("duration", "expected 1s to 3600s"));
        }
        self.workload.check()?;
        self.watchers.as_ref().map_or(Ok(()), Watchers::check)?;
        self.tuning.check()?;
        self.faults
            .iter()
            .enumerate()
            .try_for_each(|(i, group)| group.check(&format!("fault[{i}]")))
    }
}

impl Workload {
    fn check(&self) -> Result<(), Complaint> {
        within("workload.clients", &self.clients, 1, 100)?;
        within("workload.keys", &self.keys, 1, 100_000)?;
        if self.operations.is_some() == self.operations_per_second.is_some() {
            let reason = "expected either `operations` or `operations_per_second`";
            return Err(Complaint::new("workload", reason));
        }
        if let Some(operations) = &self.operations {
            within("workload.operations", operations, 0, 1_000_000)?;
        }
        if let Some(rate) = &self.operations_per_second {
            within("workload.operations_per_second", rate, 1, 10_000)?;
        }
        if let Some(bytes) = &self.value_bytes {
            within("workload.value_bytes", bytes, 0, 1 << 20)?;
        }
        if self.timeout.0.low() == 0 {
            return Err(Complaint::new("workload.timeout", "it may be 0, expected more"));
        }
        self.leases.as_ref().map_or(Ok(()), Leases::check)?;
        self.locks.as_ref().map_or(Ok(()), Locks::check)?;
        self.permissions.as_ref().map_or(Ok(()), Permissions::check)?;
        self.operators.as_ref().map_or(Ok(()), Operators::check)?;
        if self.mix == Mix::default() {
            return Err(Complaint::new(
                "workload.mix",
                "all weights are 0, expected at least one more",
            ));
        }
        Ok(())
    }
}

pub(crate) fn within(field: &str, range: &Numbers, low: u64, high: u64) -> Result<(), Complaint> {
    if (low..=high).contains(&range.0.low()) && range.0.high() <= high {
        return Ok(());
    }
    let found = if range.0.low() < low { range.0.low() } else { range.0.high() };
    Err(Complaint::new(field, format!("it may be {found}, expected {low} to {high}")))
}
