//! What came out of a run.

use crate::{Seed, SimTime, Span};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, iter::Sum};
use whitewater_api::NodeId;

/// The verdict on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was checked holds, and enough was checked.
    Passed,
    /// It could not be decided. Never a pass.
    Inconclusive,
    /// A promise was broken.
    Failed,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The check that objected, such as `election-safety` or `linearizability`.
    pub code: String,
    /// When it was first seen to be broken.
    pub at: SimTime,
    /// On which event of the trace, if it was seen inside the run.
    pub event: Option<u64>,
    /// Where, if it is a matter of one node.
    pub node: Option<NodeId>,
    /// Which promise, in a sentence with the values.
    pub sentence: String,
}

/// How often a check was evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Evaluations.
    pub evaluations: u64,
    /// Those in which more than one answer was possible.
    pub discriminating: u64,
}

/// How often a kind of fault was asked for, done, and seen to matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCount {
    /// In the plan.
    pub requested: u64,
    /// Carried out: the victim existed.
    pub applied: u64,
    /// Its effect was observed: a message lost across the cut, an unsynced byte lost, a timer at another true time.
    pub witnessed: u64,
}

/// The abstract states of the cluster that a run went through: who plays which role, in which order the terms and commit
/// indexes stand, how many vote under how many configurations, how many links are cut. Names of nodes do not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Of [`Self::ONE_IN`] states, by their hash, one is kept here. Sorted.
    pub sample: Vec<u32>,
}

impl Coverage {
    /// How many states stand behind one that is kept.
    pub const ONE_IN: u64 = 16;
}

/// The result of a run, without its history and trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: Seed,
    /// The verdict.
    pub verdict: Verdict,
    /// The broken promises, the first one first.
    pub violations: Vec<Violation>,
    /// Why the run is inconclusive.
    pub doubts: Vec<String>,
    /// The rolling hash of the trace.
    pub trace_hash: u64,
    /// Events in the trace.
    pub events: u64,
    /// Simulated time, both phases.
    pub simulated: Span,
    /// Client operations that ended ok, failed, and with an unknown outcome.
    pub operations: [u64; 3],
    /// Messages between nodes.
    pub messages: u64,
    /// By kind of fault.
    pub faults: BTreeMap<String, FaultCount>,
    /// By kind of fault, and by what the victim was when it was hit: `leader`, `follower`, `candidate`, `learner`,
    /// `receiver` of a snapshot, `starting`, `down`; `cluster` where there is no single victim.
    #[serde(default)]
    pub victims: BTreeMap<String, BTreeMap<String, FaultCount>>,
    /// By check.
    pub checks: BTreeMap<String, Checked>,
    /// Rare states that were reached, and how often.
    pub sometimes: BTreeMap<String, u64>,
    /// Which states the cluster went through.
    #[serde(default)]
    pub coverage: Coverage,
}

impl Outcome {
    /// So many faults of which none was witnessed make a run idle.
    pub const IDLE_FAULTS_MIN: u64 = 5;

    /// Whether none of its faults, of five or more, was seen to matter: it was judged, but it tried nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let all: FaultCount = self.faults.values().sum();
        all.requested >= Self::IDLE_FAULTS_MIN && all.witnessed == 0
    }
}

impl FaultCount {
    /// The sum of two counts.
    pub fn add(&mut self, other: Self) {
        self.requested += other.requested;
        self.applied += other.applied;
        self.witnessed += other.witnessed;
    }
}

impl<'a> Sum<&'a Self> for FaultCount {
    fn sum<I: Iterator<Item = &'a Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, count| {
            sum.add(*count);
            sum
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
        })
    }
}
