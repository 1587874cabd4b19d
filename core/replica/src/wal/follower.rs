//! Reading a log from outside while it is written.

use crate::wal::{
    WalError,
    frame::{self, Cursor},
    record::Record,
    segment::{Head, Name, State},
};
use whitewater_api::FileName;

/// An observer's place in a log. It is shown durable bytes again and again and tells what is new in them.
///
/// Show a segment under its own name only: what a temporary one holds does not count yet.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    /// The newest segment that was shown, and the place behind its last frame.
    place: Option<(u64, Cursor)>,
}

impl Follower {
    /// An observer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `each` with every record of `segment` that was not shown before, and with what its head says if the log
    /// starts over there, for nothing else says it. Files that are no segments, and segments
    /// older than the newest shown, hold nothing new. The cost is that of the new bytes.
    ///
    /// An error says that what was shown before is gone, or that behind it lies what is neither a batch nor zero.
    pub fn advance(
        &mut self,
        file: &FileName,
        segment: &[u8],
        each: &mut impl FnMut(Record),
    ) -> Result<(), WalError> {
        let Name::Segment(sequence) = Name::of(file) else { return Ok(()) };
        if self.place.is_some_and(|(newest, _)| sequence < newest) {
            return Ok(());
        }
        let known = self.place.filter(|(newest, place)| {
            // Another segment may come under the same name, after a crash took the name back.
            sequence == *newest && place.is_of(segment, sequence)
        });
        let mut cursor = if let Some((_, place)) = known {
            place
        } else {
            let (cursor, head) = open(file, segment, sequence)?;
            if cursor.number == 1 && head.state != State::default() {
                head.state.records().for_each(&mut *each);
            }
            cursor
        };
        if !cursor.is_behind(segment, sequence) {
            return Err(damaged(file, cursor.start, "the frame that was shown before"));
        }
        let mut records = Vec::new();
        while let Some((header, payload)) = cursor.read(segment) {
            Record::decode_all(payload, header.version, &mut records)
                .ok_or_else(|| damaged(file, cursor.start, "a list of records"))?;
            records.drain(..).for_each(&mut *each);
            self.place = Some((sequence, cursor));
        }
        self.place = Some((sequence, cursor));
        // A header's length is enough: what is written next is written here.
        let behind = segment.get(cursor.end..).unwrap_or_default();
        if behind.iter().take(frame::HEADER_BYTES).any(|byte| *byte != 0) {
            return Err(damaged(file, cursor.end, "a batch or zeros"));
        }
        Ok(())
    }
}

fn open(file: &FileName, segment: &[u8], sequence: u64) -> Result<(Cursor, Head), WalError> {
    let opened =
        Cursor::open(segment, sequence, frame::VERSION).and_then(|(cursor, header, payload)| {
            Some((cursor, Head::decode(payload, header.version)?))
        });
    opened.ok_or_else(|| damaged(file, 0, "the head of a segment"))
}

fn damaged(file: &FileName, offset: usize, expected: &str) -> WalError {
    let (expected, proof) = (expected.to_owned(), "the bytes were synced".to_owned());
    WalError::Damaged { file: file.clone(), offset: offset as u64, expected, proof }
}
