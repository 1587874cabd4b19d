//! What the clients saw, as JSON lines: a header, then one operation a line, then one message of a watch a line.

use crate::{
    SimTime,
    lines::{HistoryError, Lines, Malformed, parse_json},
};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use whitewater_api::{
    Completion, Error as ApiError, NodeId, Process, Request, RequestId, Response, Revision,
    WatchRequest, WatchResponse,
};

/// Everything that the clients of a run did and saw, in the order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The operations.
    pub operations: Vec<Operation>,
    /// What went over the streams of watches, in the order of time.
    pub watches: Vec<WatchRow>,
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

/// Something that a client sent, received or noticed on a stream of watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRow {
    /// Whose stream.
    pub process: Process,
    /// Which of its streams, from 0.
    pub stream: u32,
    /// The node at the other end.
    pub node: NodeId,
    /// When. Nanoseconds.
    #[serde(with = "nanos")]
    pub at: SimTime,
    /// What.
    pub message: WatchMessage,
}

/// What happened on a stream of watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchMessage {
    /// The client sent this.
    Sent(WatchRequest),
    /// The client received this.
    Received(WatchResponse),
    /// The stream broke; nothing more comes on it.
    Broken,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    operations: usize,
    #[serde(default)]
    watches: usize,
}

const FORMAT: &str = "whitewater-history/1";

impl History {
    /// Writes the JSON lines.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let (operations, watches) = (self.operations.len(), self.watches.len());
        write_line(&mut out, &Header { format: FORMAT.to_owned(), operations, watches })?;
        self.operations.iter().try_for_each(|operation| write_line(&mut out, operation))?;
        self.watches.iter().try_for_each(|row| write_line(&mut out, row))
    }

    /// Reads the JSON lines; `name` is for error messages.
    pub fn read(name: &str, input: impl BufRead) -> Result<Self, HistoryError> {
        Self::read_lines(&mut Lines::new(input)).map_err(|malformed| malformed.in_file(name))
    }

    pub(crate) fn read_lines(lines: &mut Lines<impl BufRead>) -> Result<Self, Malformed> {
        let Some((line, text)) = lines.next()? else {
            return Err(Malformed::new(1, 1, "the file is empty: expected a header"));
        };
        let header: Header = parse_json(line, text)?;
        if header.format != FORMAT {
            let reason = format!("the format is `{}`, expected `{FORMAT}`", header.format);
            return Err(Malformed::new(line, 1, reason));
        }
        let mut history = Self::default();
        while let Some((line, text)) = lines.next()? {
            if history.operations.len() < header.operations {
                history.operations.push(parse_json(line, text)?);
            } else {
                history.watches.push(parse_json(line, text)?);
            }
        }
        let promised = header.operations.saturating_add(header.watches);
        let found = history.operations.len() + history.watches.len();
        if promised != found {
            return Err(Malformed::cut_off(promised, found));
        }
        Ok(history)
    }
}

fn write_line(out: &mut impl Write, item: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, item)?;
    out.write_all(b"\n")
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
