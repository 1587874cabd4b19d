//! Steps with options that few clients give: `touch k`, `past k 3`.

use std::fmt;
use whitewater_api::{Key, Value};

/// A request with options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionStep {
    /// `touch KEY`: a put that keeps the value and the lease, and asks for what was there before.
    Touch(Key),
    /// `rewrite KEY VALUE`: a put that keeps the lease, and asks for what was there before.
    Rewrite(Key, Value),
    /// `take KEY`: a delete that asks for what was there.
    Take(Key),
    /// `count PREFIX`: a linearizable read that asks how many keys there are.
    Count(Key),
    /// `recent PREFIX BACK`: a linearizable read of the keys, without values, that were written in the last so many revisions
    /// that this client has seen.
    Recent(Key, u64),
    /// `past PREFIX BACK`: a linearizable read of the keys as they were so many revisions before the newest that this client
    /// has seen, the last one created first.
    Past(Key, u64),
}

impl OptionStep {
    /// Its key or prefix.
    pub const fn key(&self) -> &Key {
        match self {
            Self::Touch(key)
            | Self::Rewrite(key, _)
            | Self::Take(key)
            | Self::Count(key)
            | Self::Recent(key, _)
            | Self::Past(key, _) => key,
        }
    }

    /// Its key or prefix, to be another one.
    pub const fn key_mut(&mut self) -> &mut Key {
        match self {
            Self::Touch(key)
            | Self::Rewrite(key, _)
            | Self::Take(key)
            | Self::Count(key)
            | Self::Recent(key, _)
            | Self::Past(key, _) => key,
        }
    }

    /// Reads a step; nothing if the words are of another kind of steps.
    pub(super) fn parse(words: &[&str]) -> Option<Self> {
        match *words {
            ["touch", key] => Some(Self::Touch(key.into())),
            ["rewrite", key, value] => Some(Self::Rewrite(key.into(), value.into())),
            ["take", key] => Some(Self::Take(key.into())),
            ["count", prefix] => Some(Self::Count(prefix.into())),
            ["recent", prefix, back] => Some(Self::Recent(prefix.into(), back.parse().ok()?)),
            ["past", prefix, back] => Some(Self::Past(prefix.into(), back.parse().ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for OptionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Touch(key) => write!(f, "touch {key}"),
            Self::Rewrite(key, value) => write!(f, "rewrite {key} {value}"),
            Self::Take(key) => write!(f, "take {key}"),
            Self::Count(prefix) => write!(f, "count {prefix}"),
            Self::Recent(prefix, back) => write!(f, "recent {prefix} {back}"),
            Self::Past(prefix, back) => write!(f, "past {prefix} {back}"),
        }
    }
}
