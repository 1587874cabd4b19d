//! Why something was not decided, and where.

use crate::case::Case;
use serde::{Deserialize, Serialize};
use std::fmt;
use whitewater_api::{Key, Revision};
use whitewater_record::SimTime;

/// Why a judge came to no decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// In words.
    pub reason: String,
    /// The smallest part of the history that is open, if a search ran out of what it was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// The part of a history that a search left open. All orders were followed to the invocation of `first`, and at least one
/// explains every answer before the return of `last`; nothing is known of what comes after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Which key, if keys are judged one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The first and the last revision of which it is not known who made them, where the judge goes by revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revisions: Option<[Revision; 2]>,
    /// Position of the first operation in it.
    pub first: usize,
    /// Position of the operation whose return was not explained.
    pub last: usize,
    /// When the first was invoked.
    pub from: SimTime,
    /// When the last returned.
    pub until: SimTime,
    /// How many operations were open in it at some time, as far as the judge looks at them.
    pub operations: usize,
}

impl Window {
    /// From one moment to another: `last` is not explained, and `operations` are those that the judge looks at.
    pub(crate) fn of(
        case: &Case,
        last: u32,
        [from, until]: [SimTime; 2],
        operations: impl Iterator<Item = u32>,
    ) -> Option<Self> {
        let recorded = case.recorded_operations();
        let is_within = |op: &u32| {
            let told = recorded.get(*op as usize);
            told.is_some_and(|op| op.invoked <= until && op.completed >= from)
        };
        let mut within: Vec<u32> = operations.filter(is_within).collect();
        within.sort_unstable_by_key(|op| (recorded[*op as usize].invoked, *op));
        within.dedup();
        // Operations of unknown outcome may be much older.
        let is_new = |op: &&u32| recorded[**op as usize].invoked >= from;
        let first = *within.iter().find(is_new).or(within.first())?;
        let last = if recorded.len() > last as usize { last } else { *within.last()? };
        Some(Self {
            key: None,
            revisions: None,
            first: first as usize,
            last: last as usize,
            from,
            until,
            operations: within.len(),
        })
    }

    /// In words: between whom, and how many they are.
    pub(crate) fn span(&self) -> String {
        let Self { first, last, from, until, operations, .. } = self;
        format!(
            "between operations {first} and {last} ({from} to {until}, {operations} operations)"
        )
    }
}

impl Doubt {
    /// For comparing: how long the window is, in time and in operations. Without a window it is everything.
    pub(crate) fn length(&self) -> (u64, usize) {
        self.window.as_ref().map_or((u64::MAX, usize::MAX), |window| {
            (window.until.0.saturating_sub(window.from.0), window.operations)
        })
    }
}

impl From<String> for Doubt {
    fn from(reason: String) -> Self {
        Self { reason, window: None }
    }
}

impl From<&str> for Doubt {
    fn from(reason: &str) -> Self {
        Self::from(reason.to_owned())
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
