//! How much of the space of abstract states a campaign has reached, and what one more seed would add.
//!
//! A run keeps one state in sixteen, by hash, so all numbers here are estimates, and are the same on every machine. What
//! the next seed would add is the estimate of Good and Turing (Biometrika 1953), by seeds: of n seeds, the states that
//! only one of them has seen, divided by n.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use whitewater_record::Coverage;

/// The abstract states of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct States {
    /// Seeds so far.
    seeds: u64,
    /// About how many were seen.
    pub seen: u64,
    /// About how many were seen by one seed only.
    pub seen_once: u64,
    /// How many there were after 1, 2, 4, 8, .. seeds.
    pub growth: Vec<(u64, u64)>,
    #[serde(skip)]
    times: BTreeMap<u32, u32>,
}

impl States {
    /// Counts the states of one more seed.
    pub(crate) fn add(&mut self, coverage: &Coverage) {
        self.seeds += 1;
        for state in &coverage.sample {
            let times = self.times.entry(*state).or_default();
            *times = times.saturating_add(1);
            match *times {
                1 => {
                    self.seen += Coverage::ONE_IN;
                    self.seen_once += Coverage::ONE_IN;
                }
                2 => self.seen_once -= Coverage::ONE_IN,
                _ => {}
            }
        }
        if self.seeds.is_power_of_two() {
            self.growth.push((self.seeds, self.seen));
        }
    }

    /// About how many new ones the next seed would see, in hundredths.
    pub fn next_hundredths(&self) -> u64 {
        (100 * self.seen_once).checked_div(self.seeds).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_seed_adds_what_single_seeds_have_seen_alone() {
        let mut states = States::default();
        for sample in [vec![1, 2, 3], vec![2, 3], vec![3], vec![4]] {
            states.add(&Coverage { sample });
        }
        assert_eq!((states.seen, states.seen_once), (64, 32), "four of them, 1 and 4 only once");
        assert_eq!(states.next_hundredths(), 800);
        assert_eq!(states.growth, [(1, 48), (2, 48), (4, 64)]);
        assert_eq!(States::default().next_hundredths(), 0);
    }
}
