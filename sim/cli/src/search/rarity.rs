//! How rare the rare moments are.

use crate::job::Sighting;
use std::collections::BTreeMap;
use whitewater_record::SimTime;

/// In how many runs each moment was reached.
#[derive(Debug, Default)]
pub(crate) struct Rarity {
    runs: BTreeMap<String, u64>,
}

impl Rarity {
    pub(crate) const fn new() -> Self {
        Self { runs: BTreeMap::new() }
    }

    /// A run was seen.
    pub(crate) fn learn(&mut self, sighting: &Sighting) {
        for name in sighting.reached.keys() {
            *self.runs.entry(name.clone()).or_default() += 1;
        }
    }

    /// When the run first reached the rarest of its moments, rarest first: so many of them.
    pub(crate) fn rarest(&self, sighting: &Sighting, many: usize) -> Vec<SimTime> {
        let runs = |name: &String| self.runs.get(name).copied().unwrap_or(0);
        let mut moments: Vec<(u64, &String, SimTime)> =
            sighting.reached.iter().map(|(name, at)| (runs(name), name, *at)).collect();
        moments.sort_unstable();
        moments.into_iter().take(many).map(|(_, _, at)| at).collect()
    }
}
