//! A campaign: one scenario, many seeds.

use crate::{Effort, Failure, Gate, Totals, gate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use whitewater_record::{Outcome, Seed};

/// What was asked for. It is known before the first seed runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// The scenario.
    pub scenario: String,
    /// The first seed; the others follow it.
    pub first_seed: Seed,
    /// How many seeds were asked for; nothing means until the time is up.
    pub seeds_asked: Option<u64>,
    /// The mutations that are on.
    pub mutations: Vec<String>,
    /// What the command line changed in the scenario, such as `nodes` = `5`.
    pub overrides: BTreeMap<String, String>,
    /// The first seed, and how many, of the whole that this is a part of, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<(Seed, u64)>,
}

/// Why a campaign ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every seed was run.
    #[default]
    Complete,
    /// At the first failure, as `--fail-fast` asks. How many seeds were run depends on the machine.
    FailFast,
    /// When the time was up, as `--time` asks. How many seeds were run depends on the machine.
    Time,
    /// By hand.
    Interrupted,
    /// Before the first seed: a bug that was fixed is back.
    Regression,
    /// Parts of it are lost. Never a pass.
    Missing,
}

/// The verdict on a campaign, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// All seeds passed, and what should be seen was seen.
    Passed,
    /// A seed, or the campaign as a whole, could not be decided. Never a pass.
    Inconclusive,
    /// Something was not checked that should be.
    GateFailed,
    /// A promise was broken.
    Violated,
    /// No seed was run.
    NothingRan,
    /// A seed gave another trace when it was played again. No verdict of this build can be trusted.
    Nondeterministic,
}

/// A campaign and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CampaignResult {
    /// What was asked for.
    pub campaign: Campaign,
    /// Pinned plans of fixed bugs that were replayed before the first seed.
    pub regressions: u64,
    /// The sums over all seeds.
    pub totals: Totals,
    /// One failing seed of each signature, the lowest, in the order of seeds; or the pinned plans that fail again.
    pub failures: Vec<Failure>,
    /// Why it ended.
    pub ending: Ending,
    /// Seeds that gave another trace when they were played again, and how they differ.
    pub nondeterminism: Vec<String>,
    /// What it cost. The only part that is not a function of the seeds.
    pub effort: Effort,
}

impl Ruling {
    /// The word for it in capitals, as reports begin with it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "PASS",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::GateFailed => "GATE FAILED",
            Self::Violated => "FAIL",
            Self::NothingRan => "NOTHING RAN",
            Self::Nondeterministic => "NONDETERMINISM",
        }
    }
}

impl CampaignResult {
    /// A campaign in which nothing has happened yet.
    pub fn new(campaign: Campaign) -> Self {
        Self {
            campaign,
            regressions: 0,
            totals: Totals::default(),
            failures: Vec::new(),
            ending: Ending::default(),
            nondeterminism: Vec::new(),
            effort: Effort::default(),
        }
    }

    /// Counts one more seed. Seeds must come in ascending order, or the digest depends on the order.
    /// Returns whether its signature was not seen before.
    pub fn add(&mut self, outcome: &Outcome) -> bool {
        self.totals.add(outcome)
    }

    /// The gates of this campaign that are not passed.
    pub fn gates(&self) -> Vec<Gate> {
        let mut gates = gate::failed(&self.totals);
        gates.extend(gate::unreached_gate(&self.campaign, &self.totals));
        gates
    }

    /// The verdict on the whole.
    pub fn ruling(&self) -> Ruling {
        let gates = self.gates();
        let totals = &self.totals;
        if !self.nondeterminism.is_empty() {
            Ruling::Nondeterministic
        } else if self.ending == Ending::Regression {
            Ruling::Violated
        } else if totals.seeds == 0 {
            Ruling::NothingRan
        } else if totals.failed > 0 {
            Ruling::Violated
        } else if gates.iter().any(|gate| gate.ruling() == Ruling::GateFailed) {
            Ruling::GateFailed
        } else if totals.inconclusive > 0 || !gates.is_empty() || self.ending == Ending::Missing {
            Ruling::Inconclusive
        } else {
            Ruling::Passed
        }
    }
}
