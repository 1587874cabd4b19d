//! Watchers of a plan: clients that hold a stream of watches open, and go on elsewhere when it breaks.

use crate::Span;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;
use whitewater_api::{End, Key, KeyRange, NodeId, Revision, watch::WatchCreate};

/// A client that does nothing but watch. When its stream breaks it opens another one, at the next member, and goes on at
/// the revision after the last that it has seen whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatcherPlan {
    /// The node that it opens its first stream at.
    pub home: NodeId,
    /// What it watches, all on one stream: `k prev progress`.
    pub watches: Vec<PlannedWatch>,
    /// When it opens its first stream.
    #[serde(default)]
    pub starts: Span,
    /// Messages that may be on their way to it or wait for it.
    #[serde(default = "window")]
    pub window: u64,
    /// How long it takes over each message.
    #[serde(default)]
    pub pace: Span,
    /// How often it asks how far its watches have come; zero for never.
    #[serde(default)]
    pub asks: Span,
    /// How often it leaves for another node without need; zero for never.
    #[serde(default)]
    pub moves: Span,
    /// How often it cancels one of its watches, each in turn, and opens it anew once that is answered; zero for never.
    #[serde(default)]
    pub cancels: Span,
    /// It would rather lose its stream than stay at a node without a leader.
    #[serde(default)]
    pub require_leader: bool,
    /// It keeps mirrors: it lists what it is going to watch, so many keys a page, 0 for all at once, and watches from the
    /// next revision on; when a compaction has overtaken it, it lists anew. Not said: it lists nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<u64>,
    /// Its user and password: it asks for a token, and opens its streams with it. Whether it may watch is asked once, when a
    /// watch is opened; who is refused gets another token and tries again. Then it has one watch only, and lists nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<(String, String)>,
}

const fn window() -> u64 {
    16
}

impl Default for WatcherPlan {
    /// Watches nothing, from member 1, without haste.
    fn default() -> Self {
        Self {
            home: NodeId(1),
            watches: Vec::new(),
            starts: Span(0),
            window: window(),
            pace: Span(0),
            asks: Span(0),
            moves: Span(0),
            cancels: Span(0),
            require_leader: false,
            lists: None,
            user: None,
        }
    }
}

/// A watch in one line: a prefix (`*` for all keys, `k3+` for those from a key on), an optional revision to start from, and what else is wanted, as in
/// `k from=5 prev progress no-put no-delete fragment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlannedWatch(pub WatchCreate);

/// A line of a plan is not a watch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{line}` is not a watch: expected {expected}")]
pub struct WatchError {
    line: String,
    expected: &'static str,
}

impl PlannedWatch {
    /// A watch of all keys with a prefix.
    #[must_use]
    pub fn prefix(prefix: impl Into<Key>) -> Self {
        Self(WatchCreate::new(KeyRange::prefix(prefix)))
    }
}

impl FromStr for PlannedWatch {
    type Err = WatchError;

    fn from_str(line: &str) -> Result<Self, WatchError> {
        let fail = |expected| WatchError { line: line.to_owned(), expected };
        let mut words = line.split_whitespace();
        let prefix = words.next().ok_or_else(|| fail("a prefix, or * for all keys"))?;
        let range = match prefix.strip_suffix('+') {
            _ if prefix == "*" => everything(),
            Some(key) => KeyRange::from_key(key),
            None => KeyRange::prefix(prefix),
        };
        let mut create = WatchCreate::new(range);
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("from", revision) => {
                    let revision = revision.parse();
                    create.start = Revision(revision.map_err(|_| fail("from=REVISION"))?);
                }
                ("prev", "") => create.prev_kv = true,
                ("progress", "") => create.progress = true,
                ("fragment", "") => create.fragment = true,
                ("no-put", "") => create.no_put = true,
                ("no-delete", "") => create.no_delete = true,
                _ => {
                    return Err(fail(
                        "from=REVISION, prev, progress, fragment, no-put or no-delete",
                    ));
                }
            }
        }
        Ok(Self(create))
    }
}

impl fmt::Display for PlannedWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let create = &self.0;
        if create.range == everything() {
            f.write_str("*")?;
        } else {
            write!(f, "{}", create.range.start)?;
            if create.range.end == End::Unbounded {
                f.write_str("+")?;
            }
        }
        if create.start != Revision::LATEST {
            write!(f, " from={}", create.start.0)?;
        }
        let words = [
            (create.prev_kv, " prev"),
            (create.progress, " progress"),
            (create.fragment, " fragment"),
            (create.no_put, " no-put"),
            (create.no_delete, " no-delete"),
        ];
        words.into_iter().filter(|(is_wanted, _)| *is_wanted).try_for_each(|(_, w)| f.write_str(w))
    }
}

impl TryFrom<String> for PlannedWatch {
    type Error = WatchError;

    fn try_from(line: String) -> Result<Self, WatchError> {
        line.parse()
    }
}

impl From<PlannedWatch> for String {
    fn from(watch: PlannedWatch) -> Self {
        watch.to_string()
    }
}

fn everything() -> KeyRange {
    KeyRange { start: Key::from(vec![0]), end: End::Unbounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was_written() {
        for line in ["k", "* prev", "k3+", "k1 from=7 prev progress fragment no-put no-delete"] {
            assert_eq!(line.parse::<PlannedWatch>().unwrap().to_string(), line);
        }
        for line in ["", "k from=x", "k quickly"] {
            let error = line.parse::<PlannedWatch>().unwrap_err();
            assert!(error.to_string().contains("is not a watch"), "{error}");
        }
    }
}
