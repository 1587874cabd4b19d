//! Operations of a plan, one a line: `+1.5ms put k3 v9`, or `@3.2s put k3 v9`.

use crate::{SimTime, Span};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;
use whitewater_api::{Key, Value};

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

/// What a client does. Some depend on what the client saw before, so that optimistic transactions can succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `put KEY VALUE`
    Put(Key, Value),
    /// `get KEY`: a linearizable read.
    Get(Key),
    /// `stale-get KEY`: a serializable read.
    StaleGet(Key),
    /// `list PREFIX LIMIT`: a linearizable read of a prefix; limit 0 means none.
    List(Key, u64),
    /// `delete KEY`
    Delete(Key),
    /// `delete-all PREFIX`
    DeleteAll(Key),
    /// `swap KEY VALUE`: a transaction that puts if the mod revision is the one that this client saw last, else gets.
    Swap(Key, Value),
    /// `create KEY VALUE`: a transaction that puts if the key is absent, else gets.
    Create(Key, Value),
    /// `both KEY KEY VALUE`: a transaction that puts the value under both keys if they are equal in mod revision to
    /// what this client saw last, else gets both.
    Both(Key, Key, Value),
    /// `put-past KEY VALUE BACK`: a transaction that puts, then gets the key as it was so many revisions before the newest
    /// that this client has seen. If that revision is compacted, the transaction must leave nothing behind.
    PutPast(Key, Value, u64),
    /// `compact KEEP`: forgets all but the last so many revisions that this client has seen.
    Compact(u64),
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

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(key, value) => write!(f, "put {key} {value}"),
            Self::Get(key) => write!(f, "get {key}"),
            Self::StaleGet(key) => write!(f, "stale-get {key}"),
            Self::List(prefix, limit) => write!(f, "list {prefix} {limit}"),
            Self::Delete(key) => write!(f, "delete {key}"),
            Self::DeleteAll(prefix) => write!(f, "delete-all {prefix}"),
            Self::Swap(key, value) => write!(f, "swap {key} {value}"),
            Self::Create(key, value) => write!(f, "create {key} {value}"),
            Self::Both(a, b, value) => write!(f, "both {a} {b} {value}"),
            Self::PutPast(key, value, back) => write!(f, "put-past {key} {value} {back}"),
            Self::Compact(keep) => write!(f, "compact {keep}"),
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
        let step = parse_step(step).map_err(fail)?;
        Ok(Self { when, step })
    }
}

fn parse_when(text: &str) -> Option<When> {
    match text.strip_prefix('+') {
        Some(span) => span.parse().ok().map(When::After),
        None => text.strip_prefix('@')?.parse().ok().map(When::At),
    }
}

fn parse_step(text: &str) -> Result<Step, &'static str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |word: &str| word.parse::<u64>().map_err(|_| "a whole number");
    match words[..] {
        ["put", key, value] => Ok(Step::Put(key.into(), value.into())),
        ["get", key] => Ok(Step::Get(key.into())),
        ["stale-get", key] => Ok(Step::StaleGet(key.into())),
        ["list", prefix, limit] => Ok(Step::List(prefix.into(), number(limit)?)),
        ["delete", key] => Ok(Step::Delete(key.into())),
        ["delete-all", prefix] => Ok(Step::DeleteAll(prefix.into())),
        ["swap", key, value] => Ok(Step::Swap(key.into(), value.into())),
        ["create", key, value] => Ok(Step::Create(key.into(), value.into())),
        ["both", a, b, value] => Ok(Step::Both(a.into(), b.into(), value.into())),
        ["put-past", key, value, back] => {
            Ok(Step::PutPast(key.into(), value.into(), number(back)?))
        }
        ["compact", keep] => Ok(Step::Compact(number(keep)?)),
        _ => Err(
            "put K V, get K, stale-get K, list P N, delete K, delete-all P, swap K V, create K V, both K K V, \
             put-past K V N or compact N",
        ),
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
        ] {
            assert_eq!(line.parse::<PlannedOperation>().unwrap().to_string(), line);
        }
        let error = "+1ms push k v".parse::<PlannedOperation>().unwrap_err();
        assert!(error.to_string().contains("push k v"), "{error}");
        assert!("1ms get k".parse::<PlannedOperation>().is_err());
        assert!("@soon get k".parse::<PlannedOperation>().is_err());
    }
}
