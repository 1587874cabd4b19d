//! What a judge says about a history.

use crate::doubt::Doubt;
use serde::{Deserialize, Serialize};
use whitewater_record::{Checked, SimTime, Violation};

/// What one judge says about a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The judge, such as `linearizable`.
    pub judge: &'static str,
    /// What it says.
    pub ruling: Ruling,
    /// How much it had to look at. Each judge documents what it counts as discriminating.
    pub checked: Checked,
}

/// The answer of a judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// The promise holds in this history.
    Holds,
    /// The promise is broken.
    Broken(Anomaly),
    /// It could not be decided, and why. Never a pass.
    Undecided(Doubt),
    /// The history holds nothing that this judge can judge, or something that it cannot, and what.
    NotApplicable(String),
    /// Not judged, because another judge objected first: an answer would mean nothing.
    Withheld(String),
}

/// A broken promise, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The kind, such as `stale-read`.
    pub code: String,
    /// What happened, for a person, with the values.
    pub sentence: String,
    /// Positions in the history of the operations that are the evidence; the one that cannot be explained first.
    pub operations: Vec<usize>,
    /// Positions among the rows of watches of those that are the evidence, the one that cannot be explained first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<usize>,
    /// When the broken promise could be seen: the completion of the first of `operations`, or the moment of the first of
    /// `rows`.
    pub at: SimTime,
}

impl Anomaly {
    /// With operations as evidence.
    #[must_use]
    pub fn new(code: &str, sentence: String, operations: Vec<usize>, at: SimTime) -> Self {
        Self { code: code.to_owned(), sentence, operations, rows: Vec::new(), at }
    }
}

impl Ruling {
    /// The anomaly, if there is one.
    #[must_use]
    pub fn anomaly(&self) -> Option<&Anomaly> {
        match self {
            Self::Broken(anomaly) => Some(anomaly),
            Self::Holds | Self::Undecided(_) | Self::NotApplicable(_) | Self::Withheld(_) => None,
        }
    }
}

impl Judgement {
    /// The judgement as a row of an outcome, if it is an objection.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        self.ruling.anomaly().map(|anomaly| Violation {
            code: self.judge.to_owned(),
            at: anomaly.at,
            event: None,
            node: None,
            sentence: format!("{}: {}", anomaly.code, anomaly.sentence),
        })
    }
}
