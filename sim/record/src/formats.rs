//! Everybody's histories. Open [`Format`] first.
//!
//! ```text
//!  bytes --detect--> Format --+-- lines of JSON: ours, lin-hist/1, etcd's robustness tests
//!                             '-- EDN: Jepsen, Porcupine --events--> pairs of invocation and completion
//! ```
//!
//! ```
//! use whitewater_record::formats::{Recorded, read};
//!
//! let text = "{\"format\":\"lin-hist/1\",\"kind\":\"reg\"}\n{\"p\":0,\"f\":\"put\",\"k\":\"x\",\"v\":1,\"t0\":5,\"t1\":9}\n";
//! let Ok((_, Recorded::Plain(history))) = read("stdin", None, text.as_bytes()) else { panic!() };
//! assert_eq!(history.operations[0].to_string(), "p0 put x 1");
//! ```

mod edn;
mod jepsen;
mod lin_hist;
mod object;
mod pairing;
mod robustness;

pub use robustness::merge;

use crate::{
    History, HistoryError, PlainHistory,
    limits::HEAD_BYTES_MAX,
    lines::{Lines, Malformed, UNKNOWN_FORMAT, unreadable},
};
use std::{
    fmt,
    io::{BufRead, Cursor, Read},
    str::FromStr,
};
use thiserror::Error;

/// How a history is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON lines of this project, with revisions, leases and watches: [`History::write`].
    Whitewater,
    /// JSON lines of one operation each with two times: the simplest to write by hand.
    LinHist,
    /// Jepsen's log: a line for each event, with tabs.
    JepsenLog,
    /// Jepsen's `history.edn`: a map for each event, `:value [key value]` for independent keys.
    JepsenEdn,
    /// Porcupine's histories of keys: maps with a `:key`; an empty value and none are the same.
    PorcupineKv,
    /// `operations.json` of a client of etcd's robustness tests.
    EtcdRobustness,
}

/// A history that was read, with the model that it is to be held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Of registers, or of keys that have nothing to do with each other.
    Plain(PlainHistory),
    /// Of a store with etcd's requests and revisions.
    Etcd(History),
}

/// A name that no format has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a format: expected whitewater, lin-hist, jepsen-log, jepsen-edn, porcupine-kv or etcd-robustness"
)]
pub struct FormatError(String);

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Whitewater,
        Self::LinHist,
        Self::JepsenLog,
        Self::JepsenEdn,
        Self::PorcupineKv,
        Self::EtcdRobustness,
    ];

    /// What the first bytes of a file look like.
    #[must_use]
    pub fn detect(head: &[u8]) -> Option<Self> {
        let head = &head[..head.len().min(HEAD_BYTES_MAX)];
        let text = String::from_utf8_lossy(head);
        let is_log = |line: &str| line.contains("jepsen.util") || line.contains("\t:invoke\t");
        if text.lines().any(is_log) && !text.trim_start().starts_with(['{', '[']) {
            return Some(Self::JepsenLog);
        }
        let first =
            text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(';'))?;
        let inside = first.trim_start_matches(['{', '[', '(', ' ']);
        if first.starts_with('{') && inside.starts_with('"') {
            let has = |word: &str| first.contains(word);
            return if has("\"whitewater-history/") {
                Some(Self::Whitewater)
            } else if has("\"lin-hist/") {
                Some(Self::LinHist)
            } else {
                (has("\"Input\"") && has("\"Type\"")).then_some(Self::EtcdRobustness)
            };
        }
        if !first.starts_with(['{', '[', '(', '#']) {
            return None;
        }
        let has = |word: &str| text.contains(word);
        let is_edn = has(":process") && has(":type") && has(":f");
        let with_keys = [":f :get", ":f :put", ":f :append"].into_iter().any(has) && has(":key");
        is_edn.then_some(if with_keys { Self::PorcupineKv } else { Self::JepsenEdn })
    }

    /// The name that [`FromStr`] understands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whitewater => "whitewater",
            Self::LinHist => "lin-hist",
            Self::JepsenLog => "jepsen-log",
            Self::JepsenEdn => "jepsen-edn",
            Self::PorcupineKv => "porcupine-kv",
            Self::EtcdRobustness => "etcd-robustness",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let named = Self::ALL.into_iter().find(|format| format.name() == text);
        named.ok_or_else(|| FormatError(text.to_owned()))
    }
}

impl Recorded {
    /// How many operations.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(history) => history.operations.len(),
            Self::Etcd(history) => history.operations.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads a history; `name` is for error messages. Without a format, the one that it looks like. Says which it was.
pub fn read(
    name: &str,
    format: Option<Format>,
    mut input: impl BufRead,
) -> Result<(Format, Recorded), HistoryError> {
    let mut head = Vec::new();
    let format = format.map_or_else(|| sniff(&mut input, &mut head), Ok);
    let input = Cursor::new(head).chain(input);
    format
        .and_then(|format| read_as(format, input).map(|recorded| (format, recorded)))
        .map_err(|malformed| malformed.in_file(name))
}

/// Reads the first bytes, and says what they look like.
fn sniff(input: &mut impl BufRead, head: &mut Vec<u8>) -> Result<Format, Malformed> {
    let read = input.by_ref().take(HEAD_BYTES_MAX as u64).read_to_end(head);
    read.map_err(|error| {
        let (line, column) = end(head);
        unreadable(line, column, &error)
    })?;
    if head.iter().all(u8::is_ascii_whitespace) {
        return Err(Malformed::new(1, 1, "the file is empty"));
    }
    Format::detect(head).ok_or_else(|| Malformed::new(1, 1, UNKNOWN_FORMAT))
}

/// The line in which some bytes end, from 1, and how many of them are in it.
fn end(bytes: &[u8]) -> (usize, usize) {
    let line = bytes.split(|byte| *byte == b'\n').count();
    let start = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (line, bytes.len() - start)
}

fn read_as(format: Format, input: impl BufRead) -> Result<Recorded, Malformed> {
    match format {
        Format::Whitewater => History::read_lines(&mut Lines::new(input)).map(Recorded::Etcd),
        Format::LinHist => lin_hist::read(&mut Lines::new(input)),
        Format::JepsenLog => jepsen::read_log(input).map(Recorded::Plain),
        Format::JepsenEdn => jepsen::read_edn(input, false).map(Recorded::Plain),
        Format::PorcupineKv => jepsen::read_edn(input, true).map(Recorded::Plain),
        Format::EtcdRobustness => robustness::read(&mut Lines::new(input)).map(Recorded::Etcd),
    }
}

#[cfg(test)]
mod tests;
