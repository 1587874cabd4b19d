//! Histories of simple stores: registers and independent keys, without revisions. From other people's tests, mostly.

use crate::SimTime;
use std::fmt;
use whitewater_api::{Key, Process, Value};

/// What clients did to a register, or to keys that have nothing to do with each other, in the order of invocation.
///
/// A register is a history in which every operation names the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainHistory {
    /// What every key holds at the start: [`None`] if it is absent.
    pub initial: Option<Value>,
    /// The operations. Reads of unknown outcome say nothing and are left out.
    pub operations: Vec<PlainOperation>,
}

/// One operation on one key. The interval is closed: one that returns at the moment at which another is invoked
/// overlaps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainOperation {
    /// Who asked.
    pub process: Process,
    /// Which key.
    pub key: Key,
    /// When it was asked, in whatever unit the recorder used; only the order counts.
    pub invoked: SimTime,
    /// When it was answered. Without an answer it may take effect at any later time, or never.
    pub completed: Option<SimTime>,
    /// What was asked, and what was seen.
    pub action: PlainAction,
    /// The line of the file that invoked it, from 1; 0 if it comes from no file.
    pub line: usize,
}

/// What was asked of a key, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainAction {
    /// A read, and what it saw: [`None`] if the key was absent.
    Read(Option<Value>),
    /// A blind write.
    Write(Value),
    /// Adds to the end of what is there; an absent key counts as empty.
    Append(Value),
    /// Makes the key absent.
    Delete,
    /// Writes `to` if the key holds `from`.
    Cas {
        /// What must be there: [`None`] if the key must be absent.
        from: Option<Value>,
        /// What is there afterwards.
        to: Value,
        /// Whether it was; [`None`] if nobody knows. Known exactly if the operation completed.
        swapped: Option<bool>,
    },
}

impl PlainAction {
    /// Whether it changes nothing, whatever the key holds.
    #[must_use]
    pub const fn is_observer(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Cas { swapped: Some(false), .. })
    }
}

impl fmt::Display for PlainOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, key, .. } = self;
        match &self.action {
            PlainAction::Read(seen) => {
                write!(f, "{process} get {key} -> {}", Shown(seen.as_ref()))?;
            }
            PlainAction::Write(value) => write!(f, "{process} put {key} {}", Shown(Some(value)))?,
            PlainAction::Append(value) => {
                write!(f, "{process} append {key} {}", Shown(Some(value)))?;
            }
            PlainAction::Delete => write!(f, "{process} delete {key}")?,
            PlainAction::Cas { from, to, swapped } => {
                write!(f, "{process} cas {key} {} {}", Shown(from.as_ref()), Shown(Some(to)))?;
                if *swapped == Some(false) {
                    f.write_str(" -> not equal")?;
                }
            }
        }
        if self.completed.is_none() { f.write_str(" -> no answer") } else { Ok(()) }
    }
}

/// The most bytes of a value that are shown: nobody reads more of it in a sentence.
const SHOWN_MAX: usize = 256;

/// A value, the beginning of a long one, or the word for none.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub Option<&'a Value>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) if value.len() > SHOWN_MAX => {
                let start = Value::from(value.as_slice()[..SHOWN_MAX].to_vec());
                write!(f, "{start}.. ({} bytes)", value.len())
            }
            Some(value) => value.fmt(f),
            None => f.write_str("nothing"),
        }
    }
}
