//! Snapshot files: the store at one index, in checksummed chunks.
//!
//! ```text
//!  magic "WWSNAP04" | meta chunk | part chunk ... | end chunk
//!  chunk: length u32 | kind u8 | crc32c u32 of kind and payload | payload          (little endian)
//! ```
//!
//! A file is written under a temporary name, synced, renamed, its directory synced; only then does a mark in the WAL
//! point to it. So a file that a mark names is whole, or the disk is damaged and the replica says so.

use crate::{members::sorted, membership::Membership, recovery::OpenError};
use bytes::Bytes;
use raft::eraftpb::ConfState;
use serde::{Deserialize, Serialize};
use whitewater_api::{FileName, Index, NodeId, Term};
use whitewater_mutation::Mutations;
use whitewater_store::{Cursor, Restore, RestoreError, Store};

const MAGIC: &[u8; 8] = b"WWSNAP04";
const META: u8 = 1;
const PART: u8 = 2;
const END: u8 = 3;
const CHUNK_HEADER: usize = 9;

/// Bytes of a part of the first snapshot.
const PART_BYTES: usize = 1 << 20;

/// What a snapshot covers, beside the store itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last index.
    pub index: Index,
    /// Its term.
    pub term: Term,
    /// Members that vote.
    pub voters: Vec<NodeId>,
    /// Voters of the outgoing half of a joint configuration.
    pub outgoing: Vec<NodeId>,
    /// Members that follow.
    pub learners: Vec<NodeId>,
    /// Voters of the outgoing half that become learners.
    pub learners_next: Vec<NodeId>,
    /// Whether raft leaves the joint configuration by itself.
    pub auto_leave: bool,
    /// What is known of the members besides.
    pub membership: Membership,
}

impl SnapshotMeta {
    /// Of this configuration at this index.
    pub(crate) fn new((index, term): (u64, u64), conf: &ConfState, membership: Membership) -> Self {
        Self {
            index: Index(index),
            term: Term(term),
            voters: sorted(&conf.voters),
            outgoing: sorted(&conf.voters_outgoing),
            learners: sorted(&conf.learners),
            learners_next: sorted(&conf.learners_next),
            auto_leave: conf.auto_leave,
            membership,
        }
    }

    /// The configuration as raft has it.
    pub(crate) fn conf_state(&self) -> ConfState {
        let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
        let mut conf = ConfState::default();
        conf.set_voters(ids(&self.voters));
        conf.set_voters_outgoing(ids(&self.outgoing));
        conf.set_learners(ids(&self.learners));
        conf.set_learners_next(ids(&self.learners_next));
        conf.set_auto_leave(self.auto_leave);
        conf
    }

    /// The name of its file.
    pub(crate) fn file(&self) -> FileName {
        FileName(format!("snapshot-{:016x}-{:x}", self.index.0, self.term.0))
    }

    /// The name of its file while it is being written.
    pub(crate) fn temporary(&self) -> FileName {
        FileName(format!("{}.tmp", self.file()))
    }
}

/// Whether these bytes begin like a snapshot.
pub(crate) fn is_snapshot(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Whether a file is a snapshot or the beginning of one.
pub(crate) fn is_snapshot_file(name: &FileName) -> bool {
    name.0.starts_with("snapshot-")
}

/// Frames the chunks of one file and keeps its length and checksum.
pub(crate) struct Framer {
    /// Bytes so far.
    pub(crate) length: u64,
    /// CRC-32C of the bytes so far.
    pub(crate) checksum: u32,
    parts: u64,
}

impl Framer {
    /// Starts a file: the bytes to write first.
    pub(crate) fn start(meta: &SnapshotMeta) -> (Self, Bytes) {
        let mut framer = Self { length: 0, checksum: 0, parts: 0 };
        let mut bytes = MAGIC.to_vec();
        let payload = postcard::to_allocvec(meta).expect("plain data has an encoding");
        put_chunk(&mut bytes, META, &payload);
        let bytes = framer.count(bytes);
        (framer, bytes)
    }

    /// The bytes of the next part.
    pub(crate) fn part(&mut self, payload: &[u8]) -> Bytes {
        self.parts += 1;
        let mut bytes = Vec::with_capacity(CHUNK_HEADER + payload.len());
        put_chunk(&mut bytes, PART, payload);
        self.count(bytes)
    }

    /// The bytes that end the file.
    pub(crate) fn end(&mut self) -> Bytes {
        let mut bytes = Vec::new();
        put_chunk(&mut bytes, END, &self.parts.to_le_bytes());
        self.count(bytes)
    }

    fn count(&mut self, bytes: Vec<u8>) -> Bytes {
        self.length += u64::try_from(bytes.len()).expect("a length fits 64 bits");
        self.checksum = crc32c::crc32c_append(self.checksum, &bytes);
        Bytes::from(bytes)
    }
}

fn put_chunk(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a part is far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// A whole snapshot file.
pub(crate) fn write_whole(meta: &SnapshotMeta, store: &mut Store) -> (Framer, Vec<u8>) {
    let (mut framer, start) = Framer::start(meta);
    let mut bytes = start.to_vec();
    let view = store.open_view();
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        let part = store.part(&view, &at, PART_BYTES);
        bytes.extend_from_slice(&framer.part(&part.bytes));
        cursor = part.next;
    }
    store.close_view(&view);
    bytes.extend_from_slice(&framer.end());
    (framer, bytes)
}

/// Reads a whole file.
pub(crate) fn read(
    name: &FileName,
    bytes: &[u8],
    mutations: Mutations,
) -> Result<(SnapshotMeta, Store), OpenError> {
    let mut restore = Restore::new(mutations);
    let mut reader = Reader::new(name.clone());
    reader.take(bytes, |part| restore.push(part))?;
    let meta = reader.finish()?;
    let store = restore.finish().map_err(|error| damage(name, bytes.len(), &error))?;
    Ok((meta, store))
}

/// Goes through a file part by part, while it comes in.
#[derive(Debug)]
pub(crate) struct Reader {
    name: FileName,
    /// Bytes of the chunks so far.
    offset: usize,
    meta: Option<SnapshotMeta>,
    is_over: bool,
}

impl Reader {
    pub(crate) fn new(name: FileName) -> Self {
        Self { name, offset: 0, meta: None, is_over: false }
    }

    /// Takes the next bytes: whole chunks, and the magic before the first. What comes behind the end is not looked at.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        mut on_part: impl FnMut(&[u8]) -> Result<(), RestoreError>,
    ) -> Result<(), OpenError> {
        let mut rest = bytes;
        if self.offset == 0 {
            rest = rest.strip_prefix(MAGIC).ok_or_else(|| self.damage("the magic WWSNAP04"))?;
            self.offset = MAGIC.len();
        }
        while !self.is_over && !rest.is_empty() {
            let (kind, payload) = chunk(rest).ok_or_else(|| self.damage("a whole chunk"))?;
            match (kind, &self.meta) {
                (META, None) => {
                    let decoded = postcard::from_bytes::<SnapshotMeta>(payload);
                    let meta = decoded.map_err(|_| self.damage("meta data of this version"))?;
                    self.meta = Some(meta);
                }
                (PART, Some(_)) => on_part(payload).map_err(|error| self.damage(&error))?,
                (END, Some(_)) => self.is_over = true,
                _ => return Err(self.damage("a meta, part or end chunk in its place")),
            }
            let length = CHUNK_HEADER + payload.len();
            rest = &rest[length..];
            self.offset += length;
        }
        Ok(())
    }

    /// What the file covers, if it came to its end.
    pub(crate) fn finish(self) -> Result<SnapshotMeta, OpenError> {
        let cut_off = self.damage("a whole chunk");
        self.meta.filter(|_| self.is_over).ok_or(cut_off)
    }

    fn damage(&self, expected: &(impl ToString + ?Sized)) -> OpenError {
        damage(&self.name, self.offset, expected)
    }
}

fn damage(file: &FileName, offset: usize, expected: &(impl ToString + ?Sized)) -> OpenError {
    OpenError::DamagedSnapshot {
        file: file.clone(),
        offset: u64::try_from(offset).expect("a length fits 64 bits"),
        expected: expected.to_string(),
    }
}

fn chunk(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let header = bytes.get(..CHUNK_HEADER)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?);
    let kind = header[4];
    let checksum = u32::from_le_bytes(header[5..].try_into().ok()?);
    let payload = bytes.get(CHUNK_HEADER..)?.get(..usize::try_from(length).ok()?)?;
    let found = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
    (found == checksum || cfg!(fuzzing)).then_some((kind, payload))
}
