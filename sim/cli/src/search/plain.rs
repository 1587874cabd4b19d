//! Policies that learn nothing: the seeds of the scenario as they are, and with every class of faults in every seed.

use super::policy::{Deck, Policy};
use crate::{exit::CliError, job::Sighting};
use whitewater_record::Plan;

/// One seed after the other.
pub(crate) struct Plain {
    deck: Deck,
}

impl Plain {
    /// As the scenario draws them: in swarm, most classes of faults are off in a seed (Groce et al., ISSTA 2012).
    pub(crate) const fn swarm(deck: Deck) -> Self {
        Self { deck }
    }

    /// With no class ever off: what a fuzzer does that was told of all features and leaves none out.
    pub(crate) fn uniform(mut deck: Deck) -> Self {
        deck.scenario = deck.scenario.with_all_faults();
        Self { deck }
    }
}

impl Policy for Plain {
    fn plan(&mut self, _: u64) -> Result<Plan, CliError> {
        self.deck.deal()
    }

    fn learn(&mut self, _: &Plan, _: &Sighting) {}
}
