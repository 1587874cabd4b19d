//! A plan: everything that is special about a run, thrown by the planner, printable and editable.

mod text;

use crate::{
    ClockProfile, DiskProfile, NetworkProfile, PlannedFault, PlannedOperation, Seed, SimTime, Span,
    WatcherPlan, profile,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use whitewater_api::{NodeId, Tuning, release::Release};

/// The version of the plan's text form.
pub const PLAN_VERSION: u32 = 1;

/// What happens in a run. A run is a function of (commit, plan).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// The scenario that it was drawn from.
    pub scenario: String,
    /// Root of the draws that the world still throws: latencies and disk luck.
    pub seed: Seed,
    /// Length of the safety phase. All faults end within it; then the cluster is healed and must recover.
    pub duration: Span,
    /// Names of the mutations that are on.
    #[serde(default)]
    pub mutations: Vec<String>,
    /// The cluster.
    pub cluster: ClusterPlan,
    /// The network in fair weather; `"calm"` stands for [`NetworkProfile::calm`].
    #[serde(default, deserialize_with = "profile::network")]
    pub network: NetworkProfile,
    /// The disks; `"calm"` stands for [`DiskProfile::calm`].
    #[serde(default, deserialize_with = "profile::disk")]
    pub disk: DiskProfile,
    /// Client request timeout.
    pub timeout: Span,
    /// From when on the draws are others than the seed's, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// The faults, by start.
    #[serde(default, rename = "fault")]
    pub faults: Vec<PlannedFault>,
    /// The clients.
    #[serde(default, rename = "client")]
    pub clients: Vec<ClientPlan>,
    /// The clients that watch.
    #[serde(default, rename = "watcher", skip_serializing_if = "Vec::is_empty")]
    pub watchers: Vec<WatcherPlan>,
}

/// Another future of the same past: up to `at` the run is that of the plan without the fork, event by event; from then on
/// what the world throws (latencies, loss, the luck of disks and timers) is thrown anew. What the plan says, such as its
/// faults, stays, and a process that runs keeps its own draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// From this moment on.
    pub at: SimTime,
    /// Which of the futures.
    pub salt: u64,
}

/// The machines of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterPlan {
    /// Members at the start, `n1` to `nN`: all voters. 1 to 7.
    pub nodes: u64,
    /// Clocks of the nodes by id; missing ones are true.
    #[serde(default)]
    pub clocks: Vec<ClockProfile>,
    /// The replicas' settings.
    #[serde(default)]
    pub tuning: Tuning,
    /// As which release all members start. `compatible` if it is not said.
    #[serde(default = "compatible", skip_serializing_if = "is_compatible")]
    pub release: Release,
    /// How long the host of a node waits for more requests, once one has come, before it hands them over together. 0: it hands each
    /// over when it comes.
    #[serde(default, skip_serializing_if = "is_none")]
    pub gather: Span,
    /// What it holds at the start, if it does not begin empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupPlan>,
}

/// The backup of another cluster, for a run to begin with: its keys with their history, and neither leases nor users. The
/// clients of the plan live beside them, in a namespace of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupPlan {
    /// The file, as `etcdctl snapshot save` writes it.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal digits: a run is a function of the plan, and so of these bytes.
    pub sha256: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_none(span: &Span) -> bool {
    span.0 == 0
}

/// What plans meant before they said it.
const fn compatible() -> Release {
    Release::Compatible
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_compatible(release: &Release) -> bool {
    *release == compatible()
}

/// One client: a chain of processes, the next one starting when the last one retires after an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPlan {
    /// The node that it asks first.
    pub home: NodeId,
    /// Whether it goes where `NotLeader` points. Otherwise it stays with its home.
    #[serde(default = "yes")]
    pub follows_hints: bool,
    /// What it does, in order.
    pub operations: Vec<PlannedOperation>,
}

const fn yes() -> bool {
    true
}

/// Whether a field need not be written.
pub(crate) fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A plan that cannot be played.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The text is not a plan.
    #[error("{place}: {reason}")]
    Syntax {
        /// File, line and column.
        place: String,
        /// What is wrong there, and what was expected.
        reason: String,
    },
    /// A field has a value that cannot be played.
    #[error("{field}: {reason}")]
    Field {
        /// The path of the field, such as `fault[3].at`.
        field: String,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
}

impl Plan {
    /// Reads a plan from TOML; `name` is for error messages.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|error| syntax_error(name, text, &error))?;
        plan.check().map(|()| plan)
    }

    /// The plan as TOML: a fault a line, an operation a line, and nothing that is as usual. Read back, it is equal.
    pub fn to_toml(&self) -> String {
        text::write(self)
    }

    /// Whether a run of the plan ever has this node: a member of the start, or one that comes later.
    pub fn has_node(&self, node: NodeId) -> bool {
        (1..=self.cluster.nodes).contains(&node.0) || self.newcomers().any(|other| other == node)
    }

    /// The nodes that faults and clients add, perhaps more than once each.
    pub fn newcomers(&self) -> impl Iterator<Item = NodeId> {
        let by_faults = self.faults.iter().filter_map(|planned| planned.fault.newcomer());
        let steps = self.clients.iter().flat_map(|client| &client.operations);
        by_faults.chain(steps.filter_map(|planned| planned.step.newcomer()))
    }

    /// Whether the plan can be played at all.
    pub fn check(&self) -> Result<(), PlanError> {
        let field = |field: String, reason: String| Err(PlanError::Field { field, reason });
        if self.version != PLAN_VERSION {
            return field(
                "version".into(),
                format!("{} is not {PLAN_VERSION}, the one that this program plays", self.version),
            );
        }
        if !(1..=7).contains(&self.cluster.nodes) {
            return field(
                "cluster.nodes".into(),
                format!("{} is not between 1 and 7", self.cluster.nodes),
            );
        }
        if self.duration.0 == 0 || self.duration > Span::seconds(86_400) {
            return field(
                "duration".into(),
                format!("{} is not between 1ns and a day", self.duration),
            );
        }
        if let Some(Fork { at, .. }) = self.fork
            && at.0 > self.duration.0
        {
            return field("fork.at".into(), format!("{at} is after the run's {}", self.duration));
        }
        if let Some(backup) = &self.cluster.backup
            && (backup.sha256.len() != 64 || !backup.sha256.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return field(
                "cluster.backup.sha256".into(),
                format!("`{}` is not 64 hexadecimal digits", backup.sha256),
            );
        }
        for (i, fault) in self.faults.iter().enumerate() {
            if fault.end().0 > self.duration.0 {
                return field(
                    format!("fault[{i}]"),
                    format!("ends at {}, after the run's {}", fault.end(), self.duration),
                );
            }
            if let Some(reason) = fault.fault.unplayable() {
                return field(format!("fault[{i}]"), reason.to_owned());
            }
            if let Some(node) = fault.fault.nodes().into_iter().find(|node| !self.has_node(*node)) {
                return field(
                    format!("fault[{i}]"),
                    format!("{node} is no member of the start, and nothing adds it"),
                );
            }
        }
        for (i, client) in self.clients.iter().enumerate() {
            if client.home.0 == 0 || client.home.0 > self.cluster.nodes {
                return field(
                    format!("client[{i}].home"),
                    format!("{} is not a member", client.home),
                );
            }
        }
        self.check_watchers()?;
        for name in &self.mutations {
            if whitewater_mutation::Mutation::from_name(name).is_none() {
                return field(
                    "mutations".into(),
                    format!("`{name}` is not a mutation; `whitewater zoo --list` names them"),
                );
            }
        }
        Ok(())
    }

    fn check_watchers(&self) -> Result<(), PlanError> {
        for (i, watcher) in self.watchers.iter().enumerate() {
            let wrong = if watcher.home.0 == 0 || watcher.home.0 > self.cluster.nodes {
                Some(("home", format!("{} is not a member", watcher.home)))
            } else if watcher.window == 0 {
                Some(("window", "0 lets nothing through".into()))
            } else if watcher.user.is_some()
                && (watcher.watches.len() > 1 || watcher.lists.is_some())
            {
                Some(("user", "it has one watch at most, and no lists".into()))
            } else {
                None
            };
            if let Some((field, reason)) = wrong {
                return Err(PlanError::Field { field: format!("watcher[{i}].{field}"), reason });
            }
        }
        Ok(())
    }
}

/// Turns a TOML error into `file:line:column` and a sentence.
pub fn syntax_error(name: &str, text: &str, error: &toml::de::Error) -> PlanError {
    let offset = error.span().map_or(0, |span| span.start).min(text.len());
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    PlanError::Syntax {
        place: format!("{name}:{line}:{column}"),
        reason: error.message().to_owned(),
    }
}
