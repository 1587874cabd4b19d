//! What the log remembers, and its bytes.

use crate::wal::codec::{Reader, put_blob, put_numbers, put_short_blob, put_varint};
use bytes::Bytes;
use raft::eraftpb::{ConfState, Entry, EntryType};
use whitewater_api::{FileName, Incarnation, Index, NodeId, Term};

const ENTRY: u8 = 1;
const HARD_STATE: u8 = 2;
const SNAPSHOT: u8 = 3;
const PEER: u8 = 4;
const RENEWAL: u8 = 5;

/// The first version whose entries have numbers and lengths in as few bytes as they take.
const SHORT_ENTRIES: u16 = 2;

/// One thing that the log remembers. In a batch: snapshot first, then entries, then hard state.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// An entry. It replaces every earlier entry at or after its index.
    Entry(Entry),
    /// What raft must not forget beside its entries.
    HardState {
        /// The term.
        term: Term,
        /// Whom this member voted for in that term.
        vote: Option<NodeId>,
        /// The highest index known committed.
        commit: Index,
    },
    /// A snapshot whose file is durable.
    Snapshot(SnapshotMark),
    /// A peer, and which life of its disk this member knows.
    Peer {
        /// Who.
        node: NodeId,
        /// Which life of its disk.
        incarnation: Incarnation,
    },
    /// The log has started over.
    Renewal(Renewal),
}

/// What a log remembers that has started over behind one that was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The entry by which the members took this one's vote away. It votes for nobody before it holds it.
    pub barrier: Index,
}

/// Points from the log to a snapshot file that is already durable under its name.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotMark {
    /// The last entry that the snapshot covers.
    pub index: Index,
    /// The term of that entry.
    pub term: Term,
    /// The membership as of that entry, joint halves included.
    pub conf_state: ConfState,
    /// The file.
    pub file: FileName,
    /// The length of the file.
    pub file_bytes: u64,
    /// The CRC-32C of the file.
    pub file_checksum: u32,
    /// Whether it came from a leader. Such a snapshot replaces the whole log before it.
    pub installed: bool,
}

impl Record {
    /// Writes the record behind what `out` holds, in the form of a version.
    pub(super) fn encode(&self, version: u16, out: &mut Vec<u8>) {
        match self {
            Self::Entry(entry) => encode_entry(entry, version, out),
            Self::HardState { term, vote, commit } => {
                out.push(HARD_STATE);
                out.extend_from_slice(&term.0.to_le_bytes());
                out.extend_from_slice(&vote.unwrap_or_default().0.to_le_bytes());
                out.extend_from_slice(&commit.0.to_le_bytes());
            }
            Self::Snapshot(mark) => {
                out.push(SNAPSHOT);
                mark.encode(out);
            }
            Self::Peer { node, incarnation } => {
                out.push(PEER);
                out.extend_from_slice(&node.0.to_le_bytes());
                out.extend_from_slice(&incarnation.0.to_le_bytes());
            }
            Self::Renewal(Renewal { barrier }) => {
                out.push(RENEWAL);
                out.extend_from_slice(&barrier.0.to_le_bytes());
            }
        }
    }

    /// Takes a record off the reader; `None` if it is none.
    pub(super) fn decode(reader: &mut Reader, version: u16) -> Option<Self> {
        match reader.u8()? {
            ENTRY => decode_entry(reader, version).map(Self::Entry),
            HARD_STATE => {
                let term = Term(reader.u64()?);
                let vote = NodeId(reader.u64()?);
                let vote = (vote != NodeId::default()).then_some(vote);
                Some(Self::HardState { term, vote, commit: Index(reader.u64()?) })
            }
            SNAPSHOT => SnapshotMark::decode(reader).map(Self::Snapshot),
            PEER => Some(Self::Peer {
                node: NodeId(reader.u64()?),
                incarnation: Incarnation(reader.u64()?),
            }),
            RENEWAL => Some(Self::Renewal(Renewal { barrier: Index(reader.u64()?) })),
            _ => None,
        }
    }

    /// Takes all records off `payload`; `None` if it holds anything else.
    pub(super) fn decode_all(payload: &[u8], version: u16, records: &mut Vec<Self>) -> Option<()> {
        let mut reader = Reader::new(payload);
        while !reader.is_empty() {
            records.push(Self::decode(&mut reader, version)?);
        }
        Some(())
    }
}

/// Writes an entry behind what `out` holds, in the form of a version.
pub(super) fn encode_entry(entry: &Entry, version: u16, out: &mut Vec<u8>) {
    out.reserve(2 + 16 + 8 + entry.data.len() + entry.context.len());
    out.push(ENTRY);
    out.push(match entry.entry_type {
        EntryType::EntryNormal => 0,
        EntryType::EntryConfChange => 1,
        EntryType::EntryConfChangeV2 => 2,
    });
    if version >= SHORT_ENTRIES {
        put_varint(out, entry.term);
        put_varint(out, entry.index);
        put_short_blob(out, &entry.data);
        put_short_blob(out, &entry.context);
    } else {
        out.extend_from_slice(&entry.term.to_le_bytes());
        out.extend_from_slice(&entry.index.to_le_bytes());
        put_blob(out, &entry.data);
        put_blob(out, &entry.context);
    }
}

fn decode_entry(reader: &mut Reader, version: u16) -> Option<Entry> {
    let entry_type = match reader.u8()? {
        0 => EntryType::EntryNormal,
        1 => EntryType::EntryConfChange,
        2 => EntryType::EntryConfChangeV2,
        _ => return None,
    };
    let (term, index, data, context) = if version >= SHORT_ENTRIES {
        (reader.varint()?, reader.varint()?, reader.short_blob()?, reader.short_blob()?)
    } else {
        (reader.u64()?, reader.u64()?, reader.blob()?, reader.blob()?)
    };
    // Copied: a slice would keep the whole segment in memory for as long as the entry lives.
    let (data, context) = (Bytes::copy_from_slice(data), Bytes::copy_from_slice(context));
    Some(Entry { entry_type, term, index, data, context, ..Entry::default() })
}

impl SnapshotMark {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.index.0.to_le_bytes());
        out.extend_from_slice(&self.term.0.to_le_bytes());
        put_numbers(out, &self.conf_state.voters);
        put_numbers(out, &self.conf_state.voters_outgoing);
        put_numbers(out, &self.conf_state.learners);
        put_numbers(out, &self.conf_state.learners_next);
        out.push(u8::from(self.conf_state.auto_leave));
        put_blob(out, self.file.0.as_bytes());
        out.extend_from_slice(&self.file_bytes.to_le_bytes());
        out.extend_from_slice(&self.file_checksum.to_le_bytes());
        out.push(u8::from(self.installed));
    }

    fn decode(reader: &mut Reader) -> Option<Self> {
        let index = Index(reader.u64()?);
        let term = Term(reader.u64()?);
        let conf_state = ConfState {
            voters: reader.numbers()?,
            voters_outgoing: reader.numbers()?,
            learners: reader.numbers()?,
            learners_next: reader.numbers()?,
            auto_leave: reader.bool()?,
            ..ConfState::default()
        };
        Some(Self {
            index,
            term,
            conf_state,
            file: reader.text()?.into(),
            file_bytes: reader.u64()?,
            file_checksum: reader.u32()?,
            installed: reader.bool()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> SnapshotMark {
        SnapshotMark {
            index: Index(9),
            term: Term(3),
            conf_state: ConfState {
                voters: vec![1, 2, 4],
                voters_outgoing: vec![1, 2, 3],
                learners: vec![5],
                learners_next: vec![3],
                auto_leave: true,
                ..ConfState::default()
            },
            file: "snapshot-9".into(),
            file_bytes: 77,
            file_checksum: 0xdead_beef,
            installed: true,
        }
    }

    #[test]
    fn every_record_comes_back_whole_and_in_no_shorter_form() {
        let entry = Entry {
            entry_type: EntryType::EntryConfChangeV2,
            term: 7,
            index: 8,
            data: Bytes::from_static(b"data"),
            context: Bytes::from_static(b"context"),
            ..Entry::default()
        };
        let records = [
            Record::Entry(entry),
            Record::HardState { term: Term(4), vote: Some(NodeId(2)), commit: Index(8) },
            Record::HardState { term: Term(5), vote: None, commit: Index(8) },
            Record::Snapshot(mark()),
            Record::Peer { node: NodeId(3), incarnation: Incarnation(99) },
            Record::Renewal(Renewal { barrier: Index(7) }),
        ];
        for (record, version) in records.iter().flat_map(|record| [(record, 1), (record, 2)]) {
            let mut bytes = Vec::new();
            record.encode(version, &mut bytes);
            let mut decoded = Vec::new();
            assert_eq!(Record::decode_all(&bytes, version, &mut decoded), Some(()));
            assert_eq!(decoded, std::slice::from_ref(record));
            for shorter in 1..bytes.len() {
                let read = Record::decode_all(&bytes[..shorter], version, &mut Vec::new());
                assert_eq!(read, None, "{record:?} {shorter}");
            }
        }
    }
}
