//! A failing seed, as it is shown.

use serde::{Deserialize, Serialize};
use whitewater_record::{Outcome, Seed, Signature, Violation};

/// The first seed that failed with a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The seed.
    pub seed: Seed,
    /// What it has in common with other failures of the same kind.
    pub signature: Signature,
    /// The promise that was broken first.
    pub violation: Violation,
    /// The folder with the plan, the history, the trace and the outcome, if it could be written.
    pub folder: Option<String>,
    /// The line that plays it again.
    pub repro: String,
    /// What is left of its plan, if it was shrunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrunk: Option<ShrunkPlan>,
}

/// What is left of a failing plan. A function of the plan, unless the budget was spent: then it depends on the machine,
/// and the proof says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShrunkPlan {
    /// What the plan held, such as `4 faults, 10 operations`.
    pub before: String,
    /// What is left of it.
    pub after: String,
    /// Whether removing any one item ends the failure, in a sentence.
    pub proof: String,
    /// The line that plays it.
    pub repro: String,
}

impl Failure {
    /// The failure of `outcome`, if it is one.
    pub fn of(outcome: &Outcome, folder: Option<String>, repro: String) -> Option<Self> {
        let violation = outcome.violations.first()?.clone();
        let signature = Signature::of_violation(&violation);
        Some(Self { seed: outcome.seed, signature, violation, folder, repro, shrunk: None })
    }
}
