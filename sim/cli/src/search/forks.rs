//! Forks at rare moments: what led there is played again, and another future follows.

use super::{
    policy::{Deck, Policy},
    rarity::Rarity,
};
use crate::{exit::CliError, job::Sighting};
use std::collections::VecDeque;
use whitewater_record::{Fork, Plan};

/// Plays a seed, and then other futures of its rarest moments.
pub(crate) struct Forks {
    deck: Deck,
    rarity: Rarity,
    waiting: VecDeque<Plan>,
    salt: u64,
}

/// Futures of a seed, each from another moment.
const FUTURES: usize = 2;

impl Forks {
    pub(crate) const fn new(deck: Deck) -> Self {
        Self { deck, rarity: Rarity::new(), waiting: VecDeque::new(), salt: 0 }
    }
}

impl Policy for Forks {
    fn plan(&mut self, _: u64) -> Result<Plan, CliError> {
        self.waiting.pop_front().map_or_else(|| self.deck.deal(), Ok)
    }

    fn learn(&mut self, plan: &Plan, sighting: &Sighting) {
        if plan.fork.is_some() {
            return;
        }
        self.rarity.learn(sighting);
        for at in self.rarity.rarest(sighting, FUTURES) {
            if at.0 < plan.duration.0 {
                self.salt += 1;
                let fork = Some(Fork { at, salt: self.salt });
                self.waiting.push_back(Plan { fork, ..plan.clone() });
            }
        }
    }
}
