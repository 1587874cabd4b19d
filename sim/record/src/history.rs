//! What the clients saw, as JSON lines: a header, then one operation a line, then one message of a watch a line,
//! then one belief to hold a lock a line, then whose operations they were, then where the cluster started over, then what
//! observers of elections learned, then which revisions were made by leases that ended.

mod rows;

pub use self::rows::{
    CallerRow, EndRow, EpochRow, HoldRow, ObservedRow, Operation, Proclamation, WatchMessage,
    WatchRow,
};

use crate::{
    SimTime,
    lines::{HistoryError, Lines, Malformed, parse_json},
    plan::is_usual,
};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};

/// Everything that the clients of a run did and saw, in the order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The operations.
    pub operations: Vec<Operation>,
    /// What went over the streams of watches, in the order of time.
    pub watches: Vec<WatchRow>,
    /// When clients believed that they held a lock or led an election, in the order of beginning.
    pub holds: Vec<HoldRow>,
    /// As whom operations were asked, where that was not nobody, in the order of invocation.
    pub callers: Vec<CallerRow>,
    /// When the cluster was started over from a backup, in the order of time.
    pub epochs: Vec<EpochRow>,
    /// What observers of elections learned, in the order of time.
    pub observed: Vec<ObservedRow>,
    /// The revisions that leases made when they ended by themselves, by the replicas' own log, in the order of time.
    pub ends: Vec<EndRow>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    operations: usize,
    #[serde(default)]
    watches: usize,
    #[serde(default)]
    holds: usize,
    #[serde(default, skip_serializing_if = "is_usual")]
    callers: usize,
    #[serde(default, skip_serializing_if = "is_usual")]
    epochs: usize,
    #[serde(default, skip_serializing_if = "is_usual")]
    observed: usize,
    #[serde(default, skip_serializing_if = "is_usual")]
    ends: usize,
}

impl Header {
    /// Rows of each kind, in the order in which they stand.
    const fn counts(&self) -> [usize; 7] {
        let Self { format: _, operations, watches, holds, callers, epochs, observed, ends } = self;
        [*operations, *watches, *holds, *callers, *epochs, *observed, *ends]
    }

    /// Rows in all.
    fn promised(&self) -> usize {
        self.counts().into_iter().fold(0, usize::saturating_add)
    }
}

const FORMAT: &str = "whitewater-history/1";

impl History {
    /// Operations that ended ok, failed, and with an unknown outcome.
    #[must_use]
    pub fn outcomes(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for operation in &self.operations {
            counts[usize::from(operation.completion.place())] += 1;
        }
        counts
    }

    /// Writes the JSON lines.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let header = self.header();
        write_line(&mut out, &header)?;
        self.operations.iter().try_for_each(|operation| write_line(&mut out, operation))?;
        self.watches.iter().try_for_each(|row| write_line(&mut out, row))?;
        self.holds.iter().try_for_each(|row| write_line(&mut out, row))?;
        self.callers.iter().try_for_each(|row| write_line(&mut out, row))?;
        self.epochs.iter().try_for_each(|row| write_line(&mut out, row))?;
        self.observed.iter().try_for_each(|row| write_line(&mut out, row))?;
        self.ends.iter().try_for_each(|row| write_line(&mut out, row))
    }

    fn header(&self) -> Header {
        Header {
            format: FORMAT.to_owned(),
            operations: self.operations.len(),
            watches: self.watches.len(),
            holds: self.holds.len(),
            callers: self.callers.len(),
            epochs: self.epochs.len(),
            observed: self.observed.len(),
            ends: self.ends.len(),
        }
    }

    /// Reads the JSON lines; `name` is for error messages.
    pub fn read(name: &str, input: impl BufRead) -> Result<Self, HistoryError> {
        Self::read_lines(&mut Lines::new(input)).map_err(|malformed| malformed.in_file(name))
    }

    pub(crate) fn read_lines(lines: &mut Lines<impl BufRead>) -> Result<Self, Malformed> {
        let header = read_header(lines)?;
        let mut history = Self::default();
        while let Some((line, text)) = lines.next()? {
            if history.operations.len() < header.operations {
                history.operations.push(parse_json(line, text)?);
            } else if history.watches.len() < header.watches {
                history.watches.push(parse_json(line, text)?);
            } else if history.holds.len() < header.holds {
                history.holds.push(parse_json(line, text)?);
            } else if history.callers.len() < header.callers {
                history.callers.push(parse_json(line, text)?);
            } else if history.epochs.len() < header.epochs {
                history.epochs.push(parse_json(line, text)?);
            } else if history.observed.len() < header.observed {
                history.observed.push(parse_json(line, text)?);
            } else {
                history.ends.push(parse_json(line, text)?);
            }
        }
        let (promised, found) = (header.promised(), history.header().promised());
        if promised != found {
            return Err(Malformed::cut_off(promised, found));
        }
        Ok(history)
    }
}

/// The operations of a history, one at a time, for histories that do not fit into memory. What watches and locks told
/// stands behind them, and is not read.
#[derive(Debug)]
pub struct Operations<R> {
    name: String,
    lines: Lines<R>,
    promised: usize,
    behind: usize,
    read: usize,
    newest: SimTime,
}

impl<R: BufRead> Operations<R> {
    /// Reads the header; `name` is for error messages.
    pub fn new(name: &str, input: R) -> Result<Self, HistoryError> {
        let mut lines = Lines::new(input);
        let header = read_header(&mut lines).map_err(|malformed| malformed.in_file(name))?;
        let (promised, newest) = (header.operations, SimTime::ZERO);
        // The ends of leases are hints: who does not read them judges as well.
        let behind = header.promised().saturating_sub(promised.saturating_add(header.ends));
        Ok(Self { name: name.to_owned(), lines, promised, behind, read: 0, newest })
    }

    /// How many rows of other kinds stand behind the operations, as the header says.
    pub fn rows_behind(&self) -> usize {
        self.behind
    }

    fn read(&mut self) -> Result<Option<Operation>, Malformed> {
        if self.read == self.promised {
            return Ok(None);
        }
        let Some((line, text)) = self.lines.next()? else {
            return Err(Malformed::cut_off(self.promised, self.read));
        };
        let operation: Operation = parse_json(line, text)?;
        if operation.invoked < self.newest {
            let reason = "it was invoked before the line above: expected the order of invocation";
            return Err(Malformed::at(line, text, "\"invoked\"", reason));
        }
        self.newest = operation.invoked;
        self.read += 1;
        Ok(Some(operation))
    }
}

impl<R: BufRead> Iterator for Operations<R> {
    type Item = Result<Operation, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(|malformed| malformed.in_file(&self.name)).transpose()
    }
}

fn read_header(lines: &mut Lines<impl BufRead>) -> Result<Header, Malformed> {
    let Some((line, text)) = lines.next()? else {
        return Err(Malformed::new(1, 1, "the file is empty: expected a header"));
    };
    let header: Header = parse_json(line, text)?;
    if header.format != FORMAT {
        let reason = format!("the format is `{}`, expected `{FORMAT}`", header.format);
        return Err(Malformed::new(line, 1, reason));
    }
    Ok(header)
}

fn write_line(out: &mut impl Write, item: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, item)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_api::{KvHash, LeaseId, NodeId, Process, RequestId, Revision, WatchRequest};

    #[test]
    fn all_kinds_of_rows_are_read_back_as_they_were_written() {
        let (process, at) = (Process(1), SimTime(7));
        let message = WatchMessage::Sent(WatchRequest::Progress);
        let hold = HoldRow {
            process,
            prefix: "lock/".into(),
            key: "lock/1".into(),
            lease: LeaseId(3),
            revision: Revision(4),
            seen: Revision(5),
            resigned: Some(RequestId { process, sequence: 3 }),
            from: at,
            to: SimTime(9),
        };
        let history = History {
            operations: Vec::new(),
            watches: vec![WatchRow { process, stream: 0, node: NodeId(2), at, message }],
            holds: vec![hold],
            callers: vec![CallerRow {
                id: RequestId { process, sequence: 0 },
                user: "alice".into(),
                login: Some(RequestId { process, sequence: 9 }),
            }],
            epochs: vec![EpochRow {
                at: SimTime(8),
                backup: KvHash { hash: 7, revision: Revision(5), compacted: Revision(0) },
                revision_bump: 100,
                mark_compacted: true,
                from_elsewhere: true,
                kept: vec![RequestId { process, sequence: 0 }],
            }],
            observed: vec![ObservedRow {
                call: RequestId { process, sequence: 4 },
                prefix: "lock/".into(),
                at,
                revision: Revision(6),
                told: Some(Proclamation {
                    key: "lock/1".into(),
                    create: Revision(4),
                    modified: Revision(5),
                }),
            }],
            ends: vec![EndRow { lease: LeaseId(3), revision: Revision(7), at: SimTime(9) }],
        };
        let mut bytes = Vec::new();
        history.write(&mut bytes).unwrap();
        assert_eq!(History::read("memory", bytes.as_slice()).unwrap(), history);
        let cut = bytes.len() - bytes.iter().rev().skip(1).position(|b| *b == b'\n').unwrap() - 1;
        let error = History::read("memory", &bytes[..cut]).unwrap_err();
        assert!(error.to_string().contains("promises 6 rows, the file has 5"), "{error}");
    }
}
