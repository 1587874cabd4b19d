//! Segments: their names, and what their heads carry.

use crate::wal::{
    codec::Reader,
    record::{Record, Renewal, SnapshotMark},
};
use std::collections::BTreeMap;
use whitewater_api::{FileName, Incarnation, Index, NodeId, Term};

const PREFIX: &str = "wal-";
const SUFFIX: &str = ".log";
const SUFFIX_TEMPORARY: &str = ".tmp";

/// No log gets there; counting on from it cannot overflow.
const SEQUENCE_MAX: u64 = 1 << 62;

/// What a file name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A segment and its number.
    Segment(u64),
    /// A segment that was being made.
    Temporary,
    /// No part of the log, although it says so.
    Foreign,
    /// A file of someone else.
    Other,
}

impl Name {
    /// What `file` is to the log.
    pub(super) fn of(file: &FileName) -> Self {
        let Some(rest) = file.0.strip_prefix(PREFIX) else { return Self::Other };
        if rest.strip_suffix(SUFFIX_TEMPORARY).and_then(sequence).is_some() {
            return Self::Temporary;
        }
        rest.strip_suffix(SUFFIX).and_then(sequence).map_or(Self::Foreign, Self::Segment)
    }
}

/// The number in a name; only the one form that we write counts, so that a number has one file.
fn sequence(digits: &str) -> Option<u64> {
    if digits.len() != 16 {
        return None;
    }
    let number = digits.bytes().try_fold(0, |number: u64, digit| match digit {
        b'0'..=b'9' => Some(number << 4 | u64::from(digit - b'0')),
        b'a'..=b'f' => Some(number << 4 | u64::from(digit - b'a' + 10)),
        _ => None,
    })?;
    (1..=SEQUENCE_MAX).contains(&number).then_some(number)
}

/// The file of segment `sequence`.
pub(super) fn file_name(sequence: u64) -> FileName {
    FileName(format!("{PREFIX}{sequence:016x}{SUFFIX}"))
}

/// The file in which segment `sequence` is made.
pub(super) fn temporary_name(sequence: u64) -> FileName {
    FileName(format!("{PREFIX}{sequence:016x}{SUFFIX_TEMPORARY}"))
}

/// What a segment's head carries, so that the segments before it can go: all that the log says but its entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) term: Term,
    pub(super) vote: Option<NodeId>,
    pub(super) commit: Index,
    /// The newest mark.
    pub(super) mark: Option<SnapshotMark>,
    pub(super) peers: BTreeMap<NodeId, Incarnation>,
    pub(super) renewal: Option<Renewal>,
    /// The last entry, or the mark's index if there is none after it.
    pub(super) last_index: Index,
}

impl State {
    /// The index of the newest mark, 0 without one.
    pub(super) fn mark_index(&self) -> Index {
        self.mark.as_ref().map_or(Index(0), |mark| mark.index)
    }

    /// Takes a record into account.
    pub(super) fn absorb(&mut self, record: &Record) {
        match record {
            Record::Entry(entry) => self.last_index = Index(entry.index),
            Record::HardState { term, vote, commit } => {
                (self.term, self.vote, self.commit) = (*term, *vote, *commit);
            }
            Record::Snapshot(mark) => {
                let last_index =
                    if mark.installed { mark.index } else { self.last_index.max(mark.index) };
                self.last_index = last_index;
                self.mark = Some(mark.clone());
            }
            Record::Peer { node, incarnation } => {
                self.peers.insert(*node, *incarnation);
            }
            Record::Renewal(renewal) => self.renewal = Some(*renewal),
        }
    }
}

/// The payload of a segment's first frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    /// The disk that the segment was written on.
    pub(super) owner: Incarnation,
    /// The length that the file was given before it got its name. It never gets shorter.
    pub(super) file_bytes: u64,
    /// What the log said when the segment was cut.
    pub(super) state: State,
}

impl State {
    /// As records: what the log starts over with first, and then what followed from it.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let Self { term, vote, commit, mark, peers, renewal, last_index: _ } = self;
        let peers = peers
            .iter()
            .map(|(node, incarnation)| Record::Peer { node: *node, incarnation: *incarnation });
        let hard_state = Record::HardState { term: *term, vote: *vote, commit: *commit };
        let renewal = renewal.map(Record::Renewal);
        let mark = mark.clone().map(Record::Snapshot);
        renewal.into_iter().chain([hard_state]).chain(mark).chain(peers)
    }
}

impl Head {
    /// Writes the payload behind what `out` holds, in the form of a version.
    pub(super) fn encode(&self, version: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.owner.0.to_le_bytes());
        out.extend_from_slice(&self.file_bytes.to_le_bytes());
        out.extend_from_slice(&self.state.last_index.0.to_le_bytes());
        for record in self.state.records() {
            record.encode(version, out);
        }
    }

    /// Reads a payload; `None` if it is none.
    pub(super) fn decode(payload: &[u8], version: u16) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let owner = Incarnation(reader.u64()?);
        let file_bytes = reader.u64()?;
        let last_index = Index(reader.u64()?);
        let mut state = State::default();
        while !reader.is_empty() {
            state.absorb(&Record::decode(&mut reader, version)?);
        }
        state.last_index = last_index;
        Some(Self { owner, file_bytes, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_that_we_write_are_segments() {
        assert_eq!(Name::of(&file_name(0x1f)), Name::Segment(0x1f));
        assert_eq!(Name::of(&temporary_name(0x1f)), Name::Temporary);
        assert_eq!(Name::of(&"snapshot-7".into()), Name::Other);
        for foreign in [
            "wal-1.log",
            "wal-000000000000001F.log",
            "wal-0000000000000000.log",
            "wal-ffffffffffffffff.log",
            "wal-",
        ] {
            assert_eq!(Name::of(&foreign.into()), Name::Foreign, "{foreign}");
        }
    }
}
