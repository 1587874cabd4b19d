//! A failing seed, as it is shown.

use serde::Serialize;
use whitewater_record::{Outcome, Seed, Violation};

/// The first seed that failed with a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: Seed,
    /// The promise that was broken first. Its code is the signature.
    pub violation: Violation,
    /// The folder with the plan, the history, the trace and the outcome, if it could be written.
    pub folder: Option<String>,
    /// The line that plays it again.
    pub repro: String,
}

impl Failure {
    /// The failure of `outcome`, if it is one.
    pub fn of(outcome: &Outcome, folder: Option<String>, repro: String) -> Option<Self> {
        let violation = outcome.violations.first()?.clone();
        Some(Self { seed: outcome.seed, violation, folder, repro })
    }
}
