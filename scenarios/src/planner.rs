//! The planner: throws the dice of a scenario and writes a plan.
//!
//! Every purpose and entity has a stream of its own, so that one more draw in the workload does not move the faults, one
//! more group of faults does not move the others, and another number of operations changes the pace and nothing else.

use crate::{faults, scenario::Scenario, settle, workload};
use whitewater_api::release::Release;
use whitewater_record::{BackupPlan, ClusterPlan, Plan, Seed, Span, plan::PLAN_VERSION};

/// What the command line says instead of the scenario. What is not said is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Members at the start.
    pub nodes: Option<u64>,
    /// How many clients.
    pub clients: Option<u64>,
    /// How many keys.
    pub keys: Option<u64>,
    /// Operations of each client.
    pub operations: Option<u64>,
    /// Length of the safety phase.
    pub duration: Option<Span>,
    /// Names of the mutations that are on.
    pub mutations: Vec<String>,
    /// No faults at all: the same cluster and workload, as a placebo.
    pub calm: bool,
    /// What the cluster holds at the start.
    pub backup: Option<BackupPlan>,
}

/// The numbers that the rest of a plan hangs on.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) nodes: u64,
    pub(crate) clients: u64,
    pub(crate) keys: u64,
    /// Of each client.
    pub(crate) operations: u64,
    pub(crate) duration: Span,
}

impl Size {
    fn draw(scenario: &Scenario, seed: Seed, overrides: &Overrides) -> Self {
        let workload = &scenario.workload;
        let duration = scenario.duration.wide(&mut seed.stream("plan/duration", 0));
        let duration = overrides.duration.unwrap_or(duration);
        let stream = |what| seed.stream("plan/size", what);
        let operations = match (&workload.operations, &workload.operations_per_second) {
            (Some(count), _) => count.0.wide(&mut stream(3)),
            (None, Some(rate)) => {
                let rate = rate.0.wide(&mut stream(3));
                let wide = u128::from(rate) * u128::from(duration.0) / 1_000_000_000;
                u64::try_from(wide).unwrap_or(u64::MAX)
            }
            (None, None) => 0,
        };
        Self {
            nodes: overrides.nodes.unwrap_or_else(|| scenario.nodes.0.flat(&mut stream(0))),
            clients: overrides.clients.unwrap_or_else(|| workload.clients.0.flat(&mut stream(1))),
            keys: overrides.keys.unwrap_or_else(|| workload.keys.0.wide(&mut stream(2))).max(1),
            operations: overrides.operations.unwrap_or(operations),
            duration,
        }
    }
}

/// Draws the plan of a seed. A function of its arguments and nothing else.
///
/// Overrides are taken as they come: a plan with nine nodes is written, and [`Plan::check`] refuses it with a sentence.
pub fn plan(scenario: &Scenario, seed: Seed, overrides: &Overrides) -> Plan {
    let scenario = scenario.part(seed);
    let mut size = Size::draw(scenario, seed, overrides);
    let wanted_nodes = size.nodes;
    size.nodes = size.nodes.clamp(1, 7);
    let tuning = scenario.tuning.draw(seed);
    let faults = if overrides.calm {
        Vec::new()
    } else {
        let is_whole = scenario.whole_percent.draw(&mut seed.stream("plan/whole", 0));
        let drafts = faults::draw(&scenario.faults, is_whole, seed, &size, &tuning);
        settle::settle(drafts, scenario.calm_percent, &size, &tuning)
    };
    let newcomers = faults.iter().filter_map(|planned| planned.fault.newcomer());
    let taken = newcomers.map(|node| node.0).max().unwrap_or(0).max(size.nodes);
    Plan {
        version: PLAN_VERSION,
        scenario: scenario.name.clone(),
        seed,
        duration: size.duration,
        mutations: overrides.mutations.clone(),
        network: scenario.network.draw(seed),
        disk: scenario.disk.draw(seed),
        timeout: scenario.workload.timeout.wide(&mut seed.stream("plan/timeout", 0)),
        fork: None,
        faults,
        clients: workload::draw(&scenario.workload, seed, &size, taken),
        watchers: scenario.watchers.as_ref().map_or_else(Vec::new, |watchers| {
            watchers.draw(seed, &size, scenario.workload.permissions.as_ref())
        }),
        cluster: ClusterPlan {
            nodes: wanted_nodes,
            clocks: scenario.clock.draw(seed, size.nodes, tuning.drift_ppm_max),
            tuning,
            release: scenario.release.as_ref().map_or(Release::Newest, |releases| {
                releases.draw(&mut seed.stream("plan/release", 0))
            }),
            backup: overrides.backup.clone(),
            gather: scenario
                .gather
                .as_ref()
                .map_or(Span(0), |gather| gather.wide(&mut seed.stream("plan/gather", 0))),
        },
    }
}
