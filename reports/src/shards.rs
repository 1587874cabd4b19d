//! The parts of a campaign that ran on several machines, put together again. Parts may be lost, there twice, or cut off
//! in the middle of a line; what is there counts once, and what is missing is named.

use crate::{
    Campaign, CampaignResult, Effort, Ending, Failure,
    lines::{self, Ended, File, LinesError},
};
use std::collections::BTreeMap;
use thiserror::Error;
use whitewater_record::{Outcome, Seed};

/// One part, as far as it was written.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its file, for messages.
    pub name: String,
    /// What it is a part of.
    pub campaign: Campaign,
    /// Its seeds.
    pub outcomes: Vec<Outcome>,
    /// What it says at its end, if it came there.
    pub ended: Option<Ended>,
    /// What it cost, if it came to its end.
    pub effort: Effort,
}

/// The whole.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The sums over every seed that is there.
    pub result: CampaignResult,
    /// Every outcome, in the order of seeds.
    pub outcomes: Vec<Outcome>,
    /// Ranges of seeds that are missing, each as its first and last one.
    pub missing: Vec<(Seed, Seed)>,
    /// Seeds that were there more than once.
    pub doubled: u64,
    /// Parts that end too early.
    pub cut_off: Vec<String>,
}

/// Parts that are of no whole.
#[derive(Debug, Error)]
pub enum ShardsError {
    /// There are none.
    #[error("no parts of a campaign there: expected files NAME.jsonl, as `run --to` writes them")]
    None,
    /// They are of different campaigns.
    #[error("{one} and {other} are parts of different campaigns; keep each in a folder of its own")]
    Strangers {
        /// The first file.
        one: String,
        /// The first file that does not fit.
        other: String,
    },
}

impl Shard {
    /// Reads a part. What stands behind the last end of a line was not written to its end, and does not count; nothing
    /// comes of a file that has not even its header.
    pub fn read(name: &str, text: &str) -> Result<Option<Self>, LinesError> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let file: Option<File<Outcome>> = lines::read_file(name, whole)?;
        Ok(file.map(|File { campaign, seeds: outcomes, ended, effort }| Self {
            name: name.to_owned(),
            campaign,
            outcomes,
            ended,
            effort,
        }))
    }

    /// The campaign that this is a part of.
    fn whole(&self) -> Campaign {
        match self.campaign.whole {
            Some((first_seed, seeds)) => Campaign {
                first_seed,
                seeds_asked: Some(seeds),
                whole: None,
                ..self.campaign.clone()
            },
            None => self.campaign.clone(),
        }
    }
}

/// Puts the parts together.
pub fn merge(shards: &[Shard]) -> Result<Merged, ShardsError> {
    let first = shards.first().ok_or(ShardsError::None)?;
    let campaign = first.whole();
    if let Some(other) = shards.iter().find(|shard| shard.whole() != campaign) {
        let (one, other) = (first.name.clone(), other.name.clone());
        return Err(ShardsError::Strangers { one, other });
    }
    let mut result = CampaignResult::new(campaign);
    let mut seeds: BTreeMap<u64, (&Outcome, &str)> = BTreeMap::new();
    let (mut doubled, begin) = (0, result.campaign.first_seed.0);
    for shard in shards {
        for outcome in &shard.outcomes {
            // By distance from the first seed, which may be near the end of all numbers.
            let place = outcome.seed.0.wrapping_sub(begin);
            if let Some((known, other)) = seeds.insert(place, (outcome, &shard.name)) {
                doubled += 1;
                if known != outcome {
                    let (seed, name) = (outcome.seed, &shard.name);
                    result.nondeterminism.push(format!("seed {seed}: {other} and {name} disagree"));
                }
            }
        }
        if let Some(ended) = &shard.ended {
            result.nondeterminism.extend(ended.nondeterminism.iter().cloned());
            result.regressions = result.regressions.max(ended.regressions);
        }
        result.effort.join(shard.effort);
    }
    let outcomes: Vec<Outcome> = seeds.values().map(|(outcome, _)| (*outcome).clone()).collect();
    let ends = || shards.iter().filter_map(|shard| shard.ended.as_ref());
    let mut failures: Vec<&Failure> = ends().flat_map(|ended| &ended.failures).collect();
    failures.sort_by_key(|failure| failure.seed.0.wrapping_sub(begin));
    for outcome in &outcomes {
        result.add(outcome);
    }
    for failure in failures {
        if !result.failures.iter().any(|known| known.signature == failure.signature) {
            result.failures.push(failure.clone());
        }
    }
    let missing = missing(&result.campaign, seeds.keys().copied());
    let is_regressed = ends().any(|ended| ended.ending == Ending::Regression);
    // When every seed is there it is complete, whatever came of single parts.
    result.ending = match (is_regressed, missing.is_empty()) {
        (true, _) => Ending::Regression,
        (false, true) => Ending::Complete,
        (false, false) => Ending::Missing,
    };
    let cut_off = shards.iter().filter(|shard| shard.ended.is_none());
    let cut_off = cut_off.map(|shard| shard.name.clone()).collect();
    Ok(Merged { result, outcomes, missing, doubled, cut_off })
}

/// The ranges that are not among these places, which come in order.
fn missing(campaign: &Campaign, places: impl Iterator<Item = u64>) -> Vec<(Seed, Seed)> {
    let Some(asked) = campaign.seeds_asked else { return Vec::new() };
    let seed = |place: u64| Seed(campaign.first_seed.0.wrapping_add(place));
    let mut holes = Vec::new();
    let mut next = 0;
    for place in places.chain([asked]) {
        if place > next {
            holes.push((seed(next), seed(place - 1)));
        }
        next = place + 1;
    }
    holes
}

/// The whole as one file of results.
#[must_use]
pub fn text(merged: &Merged) -> String {
    let mut text = lines::header(&merged.result.campaign) + "\n";
    for outcome in &merged.outcomes {
        text += &(lines::seed(outcome) + "\n");
    }
    text += &(lines::totals(&merged.result) + "\n");
    text + &lines::footer(merged.result.effort) + "\n"
}

#[cfg(test)]
mod tests;
