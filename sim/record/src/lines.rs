//! Lines of a file with their numbers, and what is said about a line that is not what it should be.

use crate::limits::LINE_BYTES_MAX;
use serde::Deserialize;
use std::io::{BufRead, ErrorKind, Read};
use thiserror::Error;

/// A history that cannot be read, with the place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}:{line}:{column}: {reason}")]
pub struct HistoryError {
    /// The file.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub reason: String,
}

impl HistoryError {
    /// Whether the file may not be a history at all: it looks like none of the formats.
    #[must_use]
    pub fn is_of_unknown_format(&self) -> bool {
        self.reason == UNKNOWN_FORMAT
    }
}

/// The same, before anybody said which file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) reason: String,
}

impl Malformed {
    pub(crate) fn new(line: usize, column: usize, reason: impl Into<String>) -> Self {
        Self { line, column, reason: reason.into() }
    }

    /// At the word `token` of a line; at its start if the word is not there.
    pub(crate) fn at(line: usize, text: &str, token: &str, reason: impl Into<String>) -> Self {
        Self::new(line, text.find(token).map_or(1, |at| at + 1), reason)
    }

    /// A header that promised another number of rows, in a file of so many.
    pub(crate) fn cut_off(promised: usize, found: usize) -> Self {
        let reason = format!(
            "the header promises {promised} rows, the file has {found}: it was cut off or added to"
        );
        // The header, the rows that are there, and then nothing.
        Self::new(found + 2, 1, reason)
    }

    pub(crate) fn in_file(self, name: &str) -> HistoryError {
        let Self { line, column, reason } = self;
        HistoryError { name: name.to_owned(), line, column, reason }
    }
}

/// The lines of a file, one at a time.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    number: usize,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, number: 0, bytes: Vec::new() }
    }

    /// The next line with its number from 1, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, &str)>, Malformed> {
        self.bytes.clear();
        self.number += 1;
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.bytes);
        read.map_err(|error| unreadable(self.number, self.bytes.len(), &error))?;
        if self.bytes.is_empty() {
            return Ok(None);
        }
        if self.bytes.len() > LINE_BYTES_MAX {
            let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
            return Err(Malformed::new(self.number, LINE_BYTES_MAX, reason));
        }
        let line = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match str::from_utf8(line) {
            Ok(text) => Ok(Some((self.number, text))),
            Err(error) => Err(Malformed::new(self.number, error.valid_up_to() + 1, NOT_TEXT)),
        }
    }

    /// Whether the line that was read last had an end of its own. If not, the file may have been cut off in it.
    pub(crate) fn has_end(&self) -> bool {
        self.bytes.ends_with(b"\n")
    }

    /// The next line that is not blank.
    pub(crate) fn next_full(&mut self) -> Result<Option<(usize, &str)>, Malformed> {
        // In two steps, because a loop that returns what it borrows does not pass the borrow checker.
        loop {
            match self.next()? {
                None => return Ok(None),
                Some((_, text)) if text.trim().is_empty() => {}
                Some(_) => break,
            }
        }
        let line = str::from_utf8(&self.bytes).map(str::trim_end).unwrap_or_default();
        Ok(Some((self.number, line)))
    }
}

pub(crate) const UNKNOWN_FORMAT: &str = "the format is not known: expected a header of whitewater-history or lin-hist, \
                                         events of Jepsen or Porcupine in EDN, a log of Jepsen, or operations of \
                                         etcd's robustness tests";

pub(crate) const NOT_TEXT: &str = "the bytes are not UTF-8 text";

/// What is said where bytes cannot be had. A compressed file that was cut off ends like this.
pub(crate) fn unreadable(line: usize, column: usize, error: &std::io::Error) -> Malformed {
    let reason = if error.kind() == ErrorKind::UnexpectedEof {
        "the file ends too early: it was cut off".to_owned()
    } else {
        format!("the file cannot be read further: {error}")
    };
    Malformed::new(line, column + 1, reason)
}

/// Reads a line of JSON.
pub(crate) fn parse_json<'de, T: Deserialize<'de>>(
    line: usize,
    text: &'de str,
) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|error| {
        // serde_json ends its texts with a place of its own, in which every line is the first.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = error.to_string();
        let mut reason = text.strip_suffix(&place).unwrap_or(&text).to_owned();
        if error.is_eof() {
            reason.push_str(": the line was cut off");
        }
        Malformed::new(line, error.column().max(1), reason)
    })
}
