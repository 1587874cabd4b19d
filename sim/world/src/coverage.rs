//! Abstract states of the cluster: what is left of one when names, times and contents are forgotten.
//!
//! Two states are the same if some renaming of the nodes makes the roles, the order of their terms and the order of their
//! commit indexes equal, with as many voters and learners, under as many configurations, and as many cut links.

use crate::{machine::Life, world::World};
use std::collections::BTreeSet;
use whitewater_api::{Index, Term};
use whitewater_record::{Coverage, Mixer};

/// The states of a run, as far as they are kept.
#[derive(Debug, Default)]
pub(crate) struct States {
    sample: BTreeSet<u32>,
    /// Kept from state to state, so that nothing is allocated.
    words: Vec<u64>,
    heights: Vec<(Term, Index)>,
}

impl States {
    pub(crate) fn finish(&mut self) -> Coverage {
        Coverage { sample: std::mem::take(&mut self.sample).into_iter().collect() }
    }
}

impl World {
    /// The cluster has come to another state, perhaps.
    pub(crate) fn note_state(&mut self) {
        let mut words = std::mem::take(&mut self.states.words);
        words.clear();
        let mut heights = std::mem::take(&mut self.states.heights);
        heights.clear();
        let present = || self.machines.iter().filter(|m| m.life != Life::Absent);
        heights.extend(present().map(|machine| (machine.status.term, machine.status.commit)));
        for machine in present() {
            let status = &machine.status;
            let life = match machine.life {
                Life::Absent | Life::Down { .. } => 0,
                Life::Retired => 1,
                Life::Up => 2 + u64::from(!machine.pauses.is_empty()),
            };
            let (mut terms, mut commits) = (0, 0);
            for (term, commit) in &heights {
                terms += u64::from(*term < status.term);
                commits += u64::from(*commit < status.commit);
            }
            words.push(life | (status.role as u64) << 2 | terms << 4 | commits << 10);
        }
        words.sort_unstable();
        let members = self.observer.members();
        let counts = [&members.voters, &members.outgoing, &members.learners].map(Vec::len);
        let mut mixer = Mixer::default();
        for word in &words {
            mixer.add(*word);
        }
        for count in counts.into_iter().chain([self.network.cut_links()]) {
            mixer.add(u64::try_from(count).expect("a length fits 64 bits"));
        }
        let hash = mixer.finish();
        if hash.is_multiple_of(Coverage::ONE_IN) {
            self.states.sample.insert(u32::try_from(hash >> 32).expect("32 bits are left"));
        }
        (self.states.words, self.states.heights) = (words, heights);
    }
}
