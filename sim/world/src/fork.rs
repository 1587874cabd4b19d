//! Forks: the same past, and another future. See [`whitewater_record::Fork`].

use crate::{agenda::Due, world::World};

impl World {
    /// Puts the plan's fork on the agenda, if it has one. It waits for nobody's luck: no shuffle moves it, and until then
    /// the run is the one without it.
    pub(crate) fn plan_fork(&mut self) {
        if let Some(fork) = self.plan.fork {
            self.agenda.add((fork.at, 0), None, Due::Fork { salt: fork.salt });
        }
    }

    /// All that the world throws from now on is thrown by other streams.
    pub(crate) fn on_fork(&mut self, salt: u64) {
        self.seed = self.plan.seed.salted(salt);
        self.network.reseed(self.seed);
        self.machines.reseed(self.seed);
        self.shuffling.reseed(self.seed);
    }
}
