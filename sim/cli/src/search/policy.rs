//! What is played next: the small interface behind which all seed policies stand, and the draws that they share.

use crate::{
    exit::CliError,
    job::{Job, Sighting},
};
use whitewater_record::{Plan, Seed, Stream};
use whitewater_scenarios::Scenario;

/// Chooses what is played next.
pub(crate) trait Policy {
    /// The plan at a place in the order, from 0. Depends on nothing but the deck, the place and what was learnt.
    fn plan(&mut self, place: u64) -> Result<Plan, CliError>;

    /// What came of a plan. A policy is told of a whole generation, in order, before it is asked for the next one: so what it
    /// chooses does not depend on how many play at once.
    fn learn(&mut self, plan: &Plan, sighting: &Sighting);
}

/// Where plans come from: a scenario, and its seeds in order.
#[derive(Clone)]
pub(crate) struct Deck {
    pub(crate) job: Job,
    pub(crate) scenario: Scenario,
    pub(crate) first: Seed,
    dealt: u64,
}

impl Deck {
    pub(crate) fn new(job: Job, first: Seed) -> Result<Self, CliError> {
        Ok(Self { scenario: job.scenario()?, job, first, dealt: 0 })
    }

    /// The plan of the next seed.
    pub(crate) fn deal(&mut self) -> Result<Plan, CliError> {
        let seed = Seed(self.first.0.wrapping_add(self.dealt));
        self.dealt += 1;
        self.job.plan(&self.scenario, seed)
    }

    /// The draws of a policy for one place.
    pub(crate) fn luck(&self, policy: &str, place: u64) -> Stream {
        self.first.stream(&format!("policy/{policy}"), place)
    }
}

/// A changed plan, with its faults in order again; the plan that was there if the change cannot be played.
pub(crate) fn valid(mut changed: Plan, otherwise: Plan) -> Plan {
    changed.faults.sort_by_key(|planned| planned.at);
    changed.faults.retain(|planned| planned.end().0 <= changed.duration.0);
    if changed.check().is_ok() { changed } else { otherwise }
}
