//! What the clients saw, as JSON lines: a header, then one operation a line.

use crate::SimTime;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use thiserror::Error;
use whitewater_api::{
    Completion, Error as ApiError, NodeId, Request, RequestId, Response, Revision,
};

/// Everything that the clients of a run did and saw, in the order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The operations.
    pub operations: Vec<Operation>,
}

/// One operation: asked at one moment, answered at another or never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Which request of which process.
    pub id: RequestId,
    /// The node that was asked.
    pub node: NodeId,
    /// When it was asked, before anything was sent. Nanoseconds.
    #[serde(with = "nanos")]
    pub invoked: SimTime,
    /// When the answer, or the client's giving up, was recorded. Nanoseconds. An operation that is still open at the
    /// end of the run has the end of the run here and [`Completion::Info`].
    #[serde(with = "nanos")]
    pub completed: SimTime,
    /// What was asked.
    pub request: Request,
    /// What came of it.
    pub completion: Completion<Response, ApiError>,
    /// The revision that it made by the replicas' own log, where the client never learned of it. A witness: a judge may
    /// take it for a hint where to look for the order that proves a history right, and must not object because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Revision>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    operations: usize,
}

const FORMAT: &str = "whitewater-history/1";

/// A history that cannot be read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The bytes cannot be had.
    #[error("{name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("{name}:{line}:{column}: {reason}")]
    Line {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// Operations are missing at the end.
    #[error(
        "{name}: the header promises {promised} operations, the file has {found}: it was cut off"
    )]
    Truncated {
        /// The file.
        name: String,
        /// How many the header promises.
        promised: usize,
        /// How many there are.
        found: usize,
    },
}

impl History {
    /// Writes the JSON lines.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let header = Header { format: FORMAT.to_owned(), operations: self.operations.len() };
        write_line(&mut out, &header)?;
        self.operations.iter().try_for_each(|operation| write_line(&mut out, operation))
    }

    /// Reads the JSON lines; `name` is for error messages.
    pub fn read(name: &str, input: impl BufRead) -> Result<Self, HistoryError> {
        let mut lines = input.lines().enumerate();
        let mut next = || {
            lines.next().map(|(i, line)| match line {
                Ok(line) => Ok((i + 1, line)),
                Err(source) => Err(HistoryError::Io { name: name.to_owned(), source }),
            })
        };
        let Some((line, text)) = next().transpose()? else {
            let reason = "the file is empty: expected a header".to_owned();
            return Err(HistoryError::Line { name: name.to_owned(), line: 1, column: 1, reason });
        };
        let header: Header = parse_line(name, line, &text)?;
        if header.format != FORMAT {
            let reason = format!("the format is `{}`, expected `{FORMAT}`", header.format);
            return Err(HistoryError::Line { name: name.to_owned(), line, column: 1, reason });
        }
        let mut operations = Vec::new();
        while let Some((line, text)) = next().transpose()? {
            operations.push(parse_line(name, line, &text)?);
        }
        if operations.len() != header.operations {
            let (promised, found) = (header.operations, operations.len());
            return Err(HistoryError::Truncated { name: name.to_owned(), promised, found });
        }
        Ok(Self { operations })
    }
}

fn write_line(out: &mut impl Write, item: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, item)?;
    out.write_all(b"\n")
}

fn parse_line<'de, T: Deserialize<'de>>(
    name: &str,
    line: usize,
    text: &'de str,
) -> Result<T, HistoryError> {
    serde_json::from_str(text).map_err(|error| HistoryError::Line {
        name: name.to_owned(),
        line,
        column: error.column().max(1),
        reason: error.to_string(),
    })
}

mod nanos {
    use crate::SimTime;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(
        time: &SimTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SimTime, D::Error> {
        u64::deserialize(deserializer).map(SimTime)
    }
}
