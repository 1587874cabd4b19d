//! A campaign against an earlier one: what is new, what is known, what is gone, and what is no longer seen.

use crate::{
    CampaignResult,
    number::{count, ratio},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Work and speed of two campaigns over other seeds differ by as much without anybody's doing.
pub const NOISE_PERCENT: u64 = 20;

/// What has changed from one campaign to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// What the earlier one was, in words.
    pub earlier: String,
    /// Both played the same seeds of the same scenario with the same changes. If not, what is gone may be luck.
    pub same_seeds: bool,
    /// Signatures that only this one has.
    pub new: Vec<String>,
    /// Signatures that both have.
    pub known: Vec<String>,
    /// Signatures that only the earlier one has.
    pub gone: Vec<String>,
    /// Checks that were evaluated before, and now never.
    pub checks_lost: Vec<String>,
    /// Rare states that were reached before, and now never.
    pub states_lost: Vec<String>,
    /// Kinds of faults whose effect was seen before, and now never.
    pub faults_lost: Vec<String>,
    /// CPU time a simulated second now, in hundredths of what it was; nothing if either is not known.
    pub cost_percent: Option<u64>,
}

impl Comparison {
    /// Compares a campaign with an earlier one.
    #[must_use]
    pub fn new(earlier: &CampaignResult, now: &CampaignResult) -> Self {
        let (old, new) = (&earlier.totals, &now.totals);
        let same_seeds = earlier.campaign == now.campaign && old.seeds == new.seeds;
        Self {
            earlier: format!(
                "{}, {} from {}",
                earlier.campaign.scenario,
                count(old.seeds, "seed"),
                earlier.campaign.first_seed
            ),
            same_seeds,
            new: missing(&new.signatures, &old.signatures),
            known: new
                .signatures
                .keys()
                .filter(|it| old.signatures.contains_key(*it))
                .cloned()
                .collect(),
            gone: missing(&old.signatures, &new.signatures),
            checks_lost: lost(&old.checks, &new.checks, |checked| checked.evaluations),
            states_lost: lost(&old.sometimes, &new.sometimes, |reached| *reached),
            faults_lost: lost(&old.faults, &new.faults, |count| count.witnessed),
            cost_percent: cost_percent(earlier, now),
        }
    }

    /// Why this campaign is worse than the earlier one; empty if it is not. `slower_percent`: how much more CPU time a
    /// simulated second may take.
    #[must_use]
    pub fn gates(&self, slower_percent: u64) -> Vec<String> {
        let mut gates: Vec<String> =
            self.new.iter().map(|signature| format!("new failure: {signature}")).collect();
        let mut lose = |what: &str, names: &[String]| {
            gates.extend(names.iter().map(|name| format!("{what}: {name}")));
        };
        lose("no longer evaluated", &self.checks_lost);
        lose("no longer reached", &self.states_lost);
        lose("no longer witnessed", &self.faults_lost);
        if let Some(cost) = self.cost_percent.filter(|cost| *cost > 100 + slower_percent) {
            gates.push(format!(
                "a simulated second takes {cost} % of the CPU time of before, at most {} % may be",
                100 + slower_percent
            ));
        }
        gates
    }

    /// The same for people.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let list = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join("; "),
        };
        let seeds = if self.same_seeds { "the same seeds" } else { "other seeds" };
        let mut lines = vec![format!(
            "against {} ({seeds}): {} new, {} known, {} gone",
            self.earlier,
            self.new.len(),
            self.known.len(),
            self.gone.len()
        )];
        for (what, names) in [("new", &self.new), ("known", &self.known)] {
            if !names.is_empty() {
                lines.push(format!("{what}: {}", list(names)));
            }
        }
        if !self.gone.is_empty() {
            let doubt = if self.same_seeds { "" } else { " (other seeds: it may be luck)" };
            lines.push(format!("gone: {}{doubt}", list(&self.gone)));
        }
        for (what, names) in [
            ("checks no longer evaluated", &self.checks_lost),
            ("states no longer reached", &self.states_lost),
            ("faults no longer witnessed", &self.faults_lost),
        ] {
            if !names.is_empty() {
                lines.push(format!("{what}: {}", list(names)));
            }
        }
        if let Some(cost) = self.cost_percent {
            let is_noise = cost.abs_diff(100) <= NOISE_PERCENT;
            let noise = if is_noise { ", which is within the noise" } else { "" };
            lines.push(format!("CPU time a simulated second: {cost} % of before{noise}"));
        }
        lines
    }
}

fn missing(from: &BTreeMap<String, u64>, others: &BTreeMap<String, u64>) -> Vec<String> {
    from.keys().filter(|it| !others.contains_key(*it)).cloned().collect()
}

fn lost<T>(
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    number: impl Fn(&T) -> u64,
) -> Vec<String> {
    let had = old.iter().filter(|(_, value)| number(value) > 0);
    had.filter(|(name, _)| new.get(*name).is_none_or(|value| number(value) == 0))
        .map(|(name, _)| name.clone())
        .collect()
}

fn cost_percent(earlier: &CampaignResult, now: &CampaignResult) -> Option<u64> {
    let known = |it: &CampaignResult| {
        let (cpu, simulated) = (it.effort.cpu_us, it.totals.simulated_ns / 1_000_000);
        (cpu > 0 && simulated > 0).then_some((u128::from(cpu), u128::from(simulated)))
    };
    let ((old_cpu, old_simulated), (cpu, simulated)) = (known(earlier)?, known(now)?);
    ratio_of(cpu * old_simulated * 100, simulated * old_cpu)
}

fn ratio_of(n: u128, d: u128) -> Option<u64> {
    u64::try_from((n + d / 2).checked_div(d)?).ok()
}

/// How many of a hundred seeds fail, with two decimals.
#[must_use]
pub fn failure_percent(result: &CampaignResult) -> String {
    ratio(u128::from(result.totals.failed) * 100, u128::from(result.totals.seeds), 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_new_failure_fails_the_gate_and_a_known_one_does_not() {
        let (good, bad) = (sample::passed(), sample::failed());
        let worse = Comparison::new(&good, &bad);
        assert!(worse.same_seeds);
        let signature = "election-safety: # and # both lead term #";
        assert_eq!(worse.new, [signature]);
        assert_eq!(worse.gates(50), [format!("new failure: {signature}")]);
        let same = Comparison::new(&bad, &bad);
        assert_eq!((same.known.len(), same.gates(50)), (1, Vec::new()));
        assert_eq!(same.cost_percent, Some(100));
        let better = Comparison::new(&bad, &good);
        assert_eq!((better.gone.len(), better.gates(50)), (1, Vec::new()));
    }

    #[test]
    fn what_is_no_longer_seen_and_a_higher_cost_fail_the_gate() {
        let old = sample::passed();
        let mut new = sample::passed();
        new.totals.checks.clear();
        new.totals.sometimes.clear();
        new.totals.faults.get_mut("crash").unwrap().witnessed = 0;
        new.effort.cpu_us *= 2;
        let gates = Comparison::new(&old, &new).gates(50);
        assert_eq!(
            gates,
            [
                "no longer evaluated: election-safety",
                "no longer reached: leader crashed",
                "no longer witnessed: crash",
                "a simulated second takes 200 % of the CPU time of before, at most 150 % may be",
            ]
        );
        assert_eq!(Comparison::new(&old, &new).gates(100).len(), 3);
    }
}
