//! Operations of a plan, one a line: `+1.5ms put k3 v9`, or `@3.2s put k3 v9`.

use crate::{SimTime, Span, Step};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// What a client does next, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlannedOperation {
    /// When to do it.
    pub when: When,
    /// What to do.
    pub step: Step,
}

/// When a client does its next operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `+1.5ms`: so long after the last completion.
    After(Span),
    /// `@3.2s`: at this moment, or at the last completion if that is later. Taking an earlier operation away does not
    /// move it.
    At(SimTime),
}

impl When {
    /// How long a client waits that has nothing to do from `now` on.
    pub fn wait(self, now: SimTime) -> Span {
        match self {
            Self::After(span) => span,
            Self::At(at) => at.since(now),
        }
    }
}

/// A line of a plan is not an operation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{line}` is not an operation: expected {expected}")]
pub struct StepError {
    line: String,
    expected: &'static str,
}

impl fmt::Display for PlannedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::After(span) => write!(f, "+{span} {}", self.step),
            When::At(at) => write!(f, "@{at} {}", self.step),
        }
    }
}

impl FromStr for PlannedOperation {
    type Err = StepError;

    fn from_str(line: &str) -> Result<Self, StepError> {
        let fail = |expected| StepError { line: line.to_owned(), expected };
        let (when, step) =
            line.split_once(' ').ok_or_else(|| fail("an operation after the time"))?;
        let when = parse_when(when).ok_or_else(|| fail("a time, as in +1.5ms or @3.2s"))?;
        let step = step.parse().map_err(fail)?;
        Ok(Self { when, step })
    }
}

fn parse_when(text: &str) -> Option<When> {
    match text.strip_prefix('+') {
        Some(span) => span.parse().ok().map(When::After),
        None => text.strip_prefix('@')?.parse().ok().map(When::At),
    }
}

impl TryFrom<String> for PlannedOperation {
    type Error = StepError;

    fn try_from(line: String) -> Result<Self, StepError> {
        line.parse()
    }
}

impl From<PlannedOperation> for String {
    fn from(operation: PlannedOperation) -> Self {
        operation.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was_written() {
        for line in [
            "+1.5ms put k3 v9",
            "@3.2s get k3",
            "+0ns both a b v1",
            "+2s compact 20",
            "+1us list k 0",
            "+0ns put-past k v 9",
            "+0ns nest k v",
            "+0ns by-version k 3",
            "+0ns lease-grant 5s",
            "+0ns lease-grant 5s l7",
            "@1s lease-put mine k v",
            "+0ns lease-put l7 k v",
            "+0ns lease-keep-alive seen",
            "+0ns lease-revoke mine",
            "+0ns lease-time-to-live l7",
            "+0ns lease-list",
            "+0ns remove k",
            "+0ns append k v",
            "+0ns if mod k0 = put k1 v",
            "+0ns if version k* > put k1 v",
            "+0ns turn v",
            "+0ns compact-turned",
            "+0ns lock-join m v",
            "+0ns lock-look m",
            "+0ns lock-write m k v",
            "+0ns lock-proclaim m v",
            "+0ns lock-leave m",
            "+0ns lock-observe m",
            "+0ns cluster-list",
            "+0ns stale-cluster-list",
            "+0ns cluster-add n4 http://n4:2380",
            "+0ns cluster-add n4 http://n4:2380,http://a:1 as learner",
            "+0ns cluster-promote n4",
            "+0ns cluster-update n4 http://n1:2380",
            "+0ns cluster-remove n63",
        ] {
            assert_eq!(line.parse::<PlannedOperation>().unwrap().to_string(), line);
        }
        let error = "+1ms push k v".parse::<PlannedOperation>().unwrap_err();
        assert!(error.to_string().contains("push k v"), "{error}");
        let error = "+1ms lease-revoke hers".parse::<PlannedOperation>().unwrap_err();
        assert!(error.to_string().contains("mine, seen"), "{error}");
        assert!("+1ms cluster-remove n64".parse::<PlannedOperation>().is_err());
        assert!("1ms get k".parse::<PlannedOperation>().is_err());
        assert!("@soon get k".parse::<PlannedOperation>().is_err());
    }
}
