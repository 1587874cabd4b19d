//! Ranges of keys, as etcd writes them with `key` and `range_end`.

use crate::Key;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Keys from `start` up to `end`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyRange {
    /// The first key of the range.
    pub start: Key,
    /// Where it ends.
    pub end: End,
}

/// Where a [`KeyRange`] ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum End {
    /// The range is the one key `start`. etcd: an empty `range_end`.
    Single,
    /// Up to this key, without it.
    Before(Key),
    /// All keys from `start` on. etcd: a `range_end` of one zero byte.
    Unbounded,
}

impl KeyRange {
    /// One key.
    pub fn single(key: impl Into<Key>) -> Self {
        Self { start: key.into(), end: End::Single }
    }

    /// `start <= key < end`.
    pub fn span(start: impl Into<Key>, end: impl Into<Key>) -> Self {
        Self { start: start.into(), end: End::Before(end.into()) }
    }

    /// `start <= key`.
    pub fn from_key(start: impl Into<Key>) -> Self {
        Self { start: start.into(), end: End::Unbounded }
    }

    /// Every key. etcd writes it as from the smallest key, one zero byte, on; an empty key is refused.
    #[must_use]
    pub fn all() -> Self {
        Self { start: vec![0].into(), end: End::Unbounded }
    }

    /// The keys that begin with `prefix`. A prefix of nothing but `0xff` bytes has no end.
    pub fn prefix(prefix: impl Into<Key>) -> Self {
        let start = prefix.into();
        let mut end = start.as_slice().to_vec();
        while let Some(last) = end.pop() {
            if last < 0xff {
                end.push(last + 1);
                return Self { start, end: End::Before(end.into()) };
            }
        }
        Self { start, end: End::Unbounded }
    }

    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        match &self.end {
            End::Single => *key == self.start,
            End::Before(end) => *key >= self.start && key < end,
            End::Unbounded => *key >= self.start,
        }
    }

    /// Whether no key at all can lie in the range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.end, End::Before(end) if *end <= self.start)
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.end {
            End::Single => write!(f, "{}", self.start),
            End::Before(end) => write!(f, "[{},{})", self.start, end),
            End::Unbounded => write!(f, "[{},)", self.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_exactly_the_keys_that_begin_with_it() {
        let range = KeyRange::prefix(vec![b'a', 0xff]);
        assert_eq!(range.end, End::Before(Key::from(vec![b'b'])));
        assert!(range.contains(&vec![b'a', 0xff, 7].into()));
        assert!(!range.contains(&"b".into()));
        assert_eq!(KeyRange::prefix(vec![0xff, 0xff]).end, End::Unbounded);
    }
}
