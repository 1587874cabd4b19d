//! Compares what two runs of one plan left behind, byte for byte.

use crate::{artefacts, exit::CliError};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// The first place in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The file: the trace, the history or the outcome.
    pub(crate) file: &'static str,
    /// The line, from 1. In a trace, the event is two less.
    pub(crate) line: usize,
    /// What the first run says there; nothing if its file has ended.
    pub(crate) first: Option<String>,
    /// What the other run says there.
    pub(crate) other: Option<String>,
}

impl Difference {
    /// For a person.
    pub(crate) fn describe(&self, first: &str, other: &str) -> String {
        let ended = || "(the file has ended)".to_owned();
        let width = first.len().max(other.len());
        let event = match self.file {
            // The first line is the header.
            artefacts::TRACE => self
                .line
                .checked_sub(2)
                .map_or_else(String::new, |event| format!(", first at event {event}")),
            _ => String::new(),
        };
        format!(
            "{}:{}: the runs differ{event}\n  {first:>width$}: {}\n  {other:>width$}: {}",
            self.file,
            self.line,
            self.first.clone().unwrap_or_else(ended),
            self.other.clone().unwrap_or_else(ended),
        )
    }
}

/// The first difference between two folders of one seed, if there is one. The trace comes first: it knows why.
pub(crate) fn first_difference(first: &Path, other: &Path) -> Result<Option<Difference>, CliError> {
    for file in [artefacts::TRACE, artefacts::HISTORY, artefacts::OUTCOME] {
        let open = |folder: &Path| {
            let path = folder.join(file);
            File::open(&path).map(BufReader::new).map_err(CliError::io(path.display().to_string()))
        };
        let (first, other) = (open(first)?, open(other)?);
        if let Some(difference) = in_lines(file, first, other)? {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

fn in_lines(
    file: &'static str,
    first: impl BufRead,
    other: impl BufRead,
) -> Result<Option<Difference>, CliError> {
    let (mut first, mut other) = (first.lines(), other.lines());
    // The header of a trace has its hash: it differs whenever anything does, and tells nothing. It is kept for the end.
    let mut header = None;
    for line in 1.. {
        let next = (first.next().transpose(), other.next().transpose());
        let (Ok(a), Ok(b)) = next else {
            return Err(CliError::Internal(format!("{file}: not text, or unreadable")));
        };
        if a == b {
            if a.is_none() {
                break;
            }
            continue;
        }
        let difference = Difference { file, line, first: a, other: b };
        if file == artefacts::TRACE && line == 1 {
            header = Some(difference);
        } else {
            return Ok(Some(difference));
        }
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_event_is_named_with_both_versions() {
        let first = "{\"hash\":1}\n{\"event\":0}\n{\"event\":1,\"at\":5}\n".as_bytes();
        let other = "{\"hash\":2}\n{\"event\":0}\n{\"event\":1,\"at\":6}\n".as_bytes();
        let difference = in_lines(artefacts::TRACE, first, other).unwrap().unwrap();
        let text = difference.describe("alone", "after others");
        let expected = "trace.jsonl:3: the runs differ, first at event 1
         alone: {\"event\":1,\"at\":5}
  after others: {\"event\":1,\"at\":6}";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_longer_file_differs_where_the_shorter_one_ends() {
        let difference =
            in_lines("history.jsonl", "a\n".as_bytes(), "a\nb\n".as_bytes()).unwrap().unwrap();
        assert_eq!((difference.line, difference.first), (2, None));
        assert_eq!(in_lines("history.jsonl", "a\n".as_bytes(), "a\n".as_bytes()).unwrap(), None);
    }

    #[test]
    fn a_trace_that_differs_in_its_hash_alone_still_differs() {
        let difference = in_lines(artefacts::TRACE, "h1\n".as_bytes(), "h2\n".as_bytes()).unwrap();
        assert_eq!(difference.unwrap().line, 1);
    }
}
