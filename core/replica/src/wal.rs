//! The write-ahead log: what a replica promised, in order, in files that only grow.
//!
//! Start with [`Wal`], which writes. [`Wal::recover`] reads what a crash left, [`Follower`] what an observer is shown.
//!
//! # The format, versions 1 and 2
//!
//! A log is a run of segments, `wal-<16 hex digits>.log`, numbered from 1 without gaps. All numbers are little endian,
//! all checksums CRC-32C. A segment is a run of frames at multiples of 8 bytes, then zeros up to its preallocated length:
//!
//! ```text
//! segment   | head | batch | batch | ... | batch | 0 0 0 0 0 ... |
//!
//! frame      0      4         6      8        16        24       28         32         36         40
//!            +------+---------+------+--------+---------+--------+----------+----------+----------+---------+-----+
//!            | WWAL | version | kind | number | durable | length | previous | checksum | checksum | payload | pad |
//!            |      | 1, 2    | 1, 2 | u64    | u64     | u32    | frame    | payload  | header   |         |     |
//!            +------+---------+------+--------+---------+--------+----------+----------+----------+---------+-----+
//!
//! head  (1)  owner incarnation u64, preallocated length u64, last index u64, then records: hard state, [mark], peers
//! batch (2)  records; all of one flush, so that a batch is there or is not
//!
//! record  1 entry       type u8, term u64, index u64, data, context           (length u32, then bytes)
//!                       in version 2 term, index and lengths as varints: 19 bytes fewer for most
//!         2 hard state  term u64, vote u64 or 0, commit u64
//!         3 snapshot    index u64, term u64, voters, outgoing voters, learners, next learners (count u32, then u64s),
//!                       auto leave u8, file name, file length u64, file checksum u32, installed u8
//!         4 peer        node u64, incarnation u64
//!         5 renewal     barrier u64
//! ```
//!
//! *number* counts frames through the whole log. *previous* is the header checksum of the frame before, also across
//! segments. *durable* is the highest number that was known durable when the frame was written. The header's checksum
//! also covers the place: the segment's number for a head, the head's checksum and the offset for a batch.
//!
//! A segment is of one version throughout. A release that writes another one goes on in a new segment: the release before
//! would take a batch that it cannot read for a torn tail, but the head of a segment for what it is, and refuse.
//!
//! # Invariants
//!
//! 1. A frame verifies only in its place, behind the frame that it was written behind. A file that was renamed, a stale
//!    byte behind a cut, a misdirected write: none of them continues the chain.
//! 2. A segment has its name only when its head and everything in the segments before it is durable.
//! 3. Every flush ends with a sync of the file that it wrote; a batch is promised when its flush is reported done.
//! 4. Bytes behind the last frame are zero, and durably so before anything is written there.
//! 5. A head says all that the log before it says, but for the entries. So the log may start at any segment whose last
//!    index at the cut is at or below the newest snapshot mark.
//! 6. An entry replaces all entries at or after its index, wherever the snapshot stands (etcd #22442). An installed
//!    snapshot replaces all entries. Terms never go back.
//!
//! The host carries out what it is handed in order: a sync, a rename or a sync of the directory waits for everything
//! before it, and nothing that comes after one of them overtakes it. After an error it carries out nothing more.
//!
//! # What recovery tells apart
//!
//! | what it finds where the next frame should start | in the last segment | before it |
//! |---|---|---|
//! | zeros to the end | the end of the log | damage, unless the next head continues the chain |
//! | no frame that continues the chain, and no proof | torn tail: zeroed, reported | damage |
//! | the same, and behind it a header whose *durable* reaches the missing frame | damage | damage |
//!
//! A header behind the gap proves nothing by being there: of one unsynced write any sector may survive. Only what it says was
//! durable counts. What stays open is the very last promise: with no frame behind it, its damage looks like a torn write.
//! [`Wal::seal`] closes the gap when a replica comes to rest.
//!
//! Damage is refused, never repaired by cutting: the member promised those bytes (Alagappan et al., FAST 2018). When the
//! members have taken back what it promised, [`Wal::begin`] starts the log over in a segment behind all the damaged ones.
//! A segment of the run that is missing, or shorter than it was preallocated, is damage too. Temporary files are removed;
//! segments older than needed are left for [`Wal::retire`], whatever they hold, since a removal may be undone by a crash.
//! What recovery has read may still sit in a cache only, so it syncs the last segment and the directory before anything
//! else happens.

pub(crate) mod codec;
mod error;
mod follower;
mod frame;
mod record;
mod recover;
mod replay;
mod segment;

pub use self::{
    error::WalError,
    follower::Follower,
    record::{Record, Renewal, SnapshotMark},
    recover::{Recovered, TornTail, is_fresh, knows_peers, readable_peers},
};

use self::{
    frame::{Cursor, HEADER_BYTES},
    segment::{Head, Name, State},
};
use bytes::Bytes;
use raft::eraftpb::Entry;
use std::{collections::VecDeque, mem};
use whitewater_api::{DiskImage, DiskOp, FileName, Incarnation, Index, Term, release::Release};
use whitewater_mutation::{Mutation, Mutations};

/// One flush. Numbers rise through the whole log, over restarts too, but not without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Batch(pub u64);

/// What a log is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The disk. A segment of another one is refused.
    pub owner: Incarnation,
    /// How long segments are made.
    pub segment_bytes: u64,
    /// Which forms are read and written.
    pub release: Release,
    /// Deliberate bugs.
    pub mutations: Mutations,
}

/// A segment that is on the disk.
#[derive(Clone, Copy, Debug)]
struct Segment {
    sequence: u64,
    /// Its form; 0 where nobody needs to know.
    version: u16,
    /// The last index of the log when the segment was cut.
    last_index: Index,
}

impl Segment {
    /// One that holds nothing that is needed: the next retirement takes it.
    const fn unneeded(sequence: u64) -> Self {
        Self { sequence, version: 0, last_index: Index(0) }
    }
}

/// The writing end of the log.
pub struct Wal {
    settings: Settings,
    /// The segments on the disk, oldest first; the last one is written.
    /// Invariant: never empty; sequences rise.
    segments: VecDeque<Segment>,
    /// The file of the last segment.
    file: FileName,
    /// Where the next frame goes.
    tip: Cursor,
    /// The frame being built: room for a header, then records. Empty when nothing is buffered.
    buffer: Vec<u8>,
    /// Whether the frame being built holds entries and nothing else.
    entries_only: bool,
    /// What the log says, the frame being built included.
    state: State,
    /// The last flush.
    flushed: u64,
    /// The last flush that had a sync behind it.
    /// Invariant: `durable <= synced <= flushed`, and equal to `flushed` in the clean program.
    synced: u64,
    /// The last flush that was reported done.
    durable: u64,
    /// The highest promise that the frames themselves prove.
    proven: u64,
    bytes_since_snapshot: u64,
}

/// Whether an operation writes to the log, or makes it durable.
#[must_use]
pub fn is_log_write(op: &DiskOp) -> bool {
    match op {
        DiskOp::Write { file, .. } | DiskOp::Sync { file } => {
            matches!(Name::of(file), Name::Segment(_) | Name::Temporary)
        }
        DiskOp::Create { .. }
        | DiskOp::SetLength { .. }
        | DiskOp::Rename { .. }
        | DiskOp::Remove { .. }
        | DiskOp::SyncDirectory => false,
    }
}

impl Wal {
    /// Starts a log on a disk that has none.
    pub fn create(settings: Settings, ops: &mut Vec<DiskOp>) -> Self {
        let mut wal = Self::empty(settings);
        wal.start_segment(1, ops);
        wal
    }

    /// A log that is to start over, on a disk whose log counts no more. Nothing is written before [`Wal::begin`].
    pub fn start_over(settings: Settings, image: &DiskImage) -> Result<Self, WalError> {
        let mut wal = Self::empty(settings);
        wal.segments = recover::survey(image)?.into_iter().map(Segment::unneeded).collect();
        Ok(wal)
    }

    /// Starts the log over with these records, none of them an entry: in a segment behind all others, whose head says them
    /// and that nothing before it is needed. So the old log counts until the segment has its name, and the new one from
    /// then on, whatever comes between. The old files are left for [`Wal::retire`].
    pub fn begin(&mut self, records: &[Record], ops: &mut Vec<DiskOp>) -> Batch {
        assert!(self.tip.number == 0, "a log begins once");
        for record in records {
            assert!(!matches!(record, Record::Entry(_)), "a head holds no entry: {record:?}");
            self.state.absorb(record);
        }
        self.cut(ops);
        (self.flushed, self.synced) = (self.tip.number, self.tip.number);
        self.check_invariants();
        self.last_batch()
    }

    fn empty(settings: Settings) -> Self {
        Self {
            settings,
            segments: VecDeque::new(),
            file: segment::file_name(1),
            tip: Cursor::origin(frame::version_read(settings.release)),
            buffer: Vec::new(),
            entries_only: true,
            state: State::default(),
            flushed: 0,
            synced: 0,
            durable: 0,
            proven: 0,
            bytes_since_snapshot: 0,
        }
    }

    /// Reads what is there and goes on behind it, in a new segment if this release writes another form. `ops` must be
    /// carried out before anything else is written; when they are done, [`Wal::last_batch`] is durable.
    pub fn recover(
        settings: Settings,
        image: &DiskImage,
        ops: &mut Vec<DiskOp>,
    ) -> Result<(Self, Recovered), WalError> {
        let found = recover::recover(settings, image, ops)?;
        let version = frame::version_written(settings.release);
        let mut wal = Self {
            settings,
            file: found.file,
            segments: found.segments,
            tip: found.tip,
            buffer: Vec::new(),
            entries_only: true,
            bytes_since_snapshot: recover::entry_bytes(&found.recovered.entries, version),
            state: found.state,
            flushed: found.tip.number,
            synced: found.tip.number,
            durable: found.proven,
            proven: found.proven,
        };
        if wal.version() != version {
            wal.change_form(version, ops);
        }
        Ok((wal, found.recovered))
    }

    /// Goes on in another form, behind what is there in the one of before.
    fn change_form(&mut self, version: u16, ops: &mut Vec<DiskOp>) {
        if self.settings.mutations.has(Mutation::LogUpgradedInPlace)
            && let Some(last) = self.segments.back_mut()
        {
            last.version = version;
            return;
        }
        self.cut(ops);
    }

    /// Adds a record to the batch being built. Nothing reaches the disk before [`Wal::flush`].
    pub fn append(&mut self, record: &Record) {
        match record {
            Record::Entry(entry) => return self.append_entry(entry),
            Record::HardState { term, .. } => {
                let before = self.state.term;
                assert!(*term >= before, "the term went back: {before} to {term}");
            }
            Record::Snapshot(mark) => {
                let before = self.state.mark_index();
                assert!(mark.index >= before, "the mark went back: {before} to {}", mark.index);
            }
            Record::Peer { .. } | Record::Renewal(_) => {}
        }
        self.open_batch();
        record.encode(self.version(), &mut self.buffer);
        self.state.absorb(record);
        self.entries_only = false;
        if matches!(record, Record::Snapshot(_)) {
            self.bytes_since_snapshot = 0;
        }
    }

    /// The same for an entry, without a copy of it.
    pub fn append_entry(&mut self, entry: &Entry) {
        let last = self.state.last_index;
        assert!(entry.index <= last.0 + 1, "entry {} behind last index {last}", entry.index);
        assert!(entry.index > 0, "an entry has no index");
        self.open_batch();
        let before = self.buffer.len();
        record::encode_entry(entry, self.version(), &mut self.buffer);
        self.state.last_index = Index(entry.index);
        self.bytes_since_snapshot += (self.buffer.len() - before) as u64;
    }

    fn open_batch(&mut self) {
        if self.buffer.is_empty() {
            self.buffer.reserve(256);
            self.buffer.resize(HEADER_BYTES, 0);
            self.entries_only = true;
        }
    }

    /// Hands out the batch: one write and a sync, and a new segment behind them when this one is full. `None` if
    /// nothing was buffered. Report it with [`Wal::on_durable`] when the last of these operations is done.
    pub fn flush(&mut self, ops: &mut Vec<DiskOp>) -> Option<Batch> {
        if self.buffer.is_empty() {
            return None;
        }
        let frame = mem::take(&mut self.buffer);
        self.write_batch(frame, ops);
        self.flushed = self.tip.number;
        if !(self.entries_only && self.settings.mutations.has(Mutation::EntriesNotSynced)) {
            self.sync(ops);
        }
        let batch = Batch(self.flushed);
        if self.tip.end as u64 >= self.settings.segment_bytes {
            self.cut(ops);
        }
        self.check_invariants();
        Some(batch)
    }

    /// All flushes up to `batch` are done.
    pub fn on_durable(&mut self, batch: Batch) {
        assert!(batch.0 <= self.flushed, "{batch:?} was never flushed, only {}", self.flushed);
        // Done is durable only with a sync behind it.
        self.durable = self.durable.max(batch.0.min(self.synced));
        self.check_invariants();
    }

    /// Writes down, unsynced, that the last batch was promised, so that damage to it is not taken for a torn tail. For
    /// when a replica comes to rest; a busy one says the same with its next batch. False if there is nothing to say.
    pub fn seal(&mut self, ops: &mut Vec<DiskOp>) -> bool {
        let at_rest = self.buffer.is_empty() && self.durable == self.flushed;
        if !at_rest || self.proven >= self.durable {
            return false;
        }
        self.write_batch(vec![0; HEADER_BYTES], ops);
        true
    }

    /// Removes the segments that hold nothing that is needed behind a snapshot at `upto`. Call it when the mark of that
    /// snapshot is durable. The removals may be undone by a crash; recovery does not mind.
    pub fn retire(&mut self, upto: Index, ops: &mut Vec<DiskOp>) {
        let needed = self.segments.iter().rposition(|segment| segment.last_index <= upto);
        for segment in self.segments.drain(..needed.unwrap_or(0)) {
            ops.push(DiskOp::Remove { file: segment::file_name(segment.sequence) });
        }
        self.check_invariants();
    }

    /// The last flush. Right after [`Wal::recover`]: all that was read, to be reported durable when its operations are done.
    pub const fn last_batch(&self) -> Batch {
        Batch(self.flushed)
    }

    /// Whether records wait for a flush.
    pub fn has_buffered(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The form of the segment that is written.
    fn version(&self) -> u16 {
        self.segments.back().map_or(0, |segment| segment.version)
    }

    /// Up to which entry a snapshot has to reach so that the log holds no newer form than this release writes, if it does:
    /// what the previous release waits for before it can read this disk.
    pub fn newer_until(&self) -> Option<Index> {
        let version = frame::version_written(self.settings.release);
        let mark = self.state.mark_index();
        let mut next = None;
        for segment in self.segments.iter().rev() {
            if segment.version > version {
                return next;
            }
            if segment.last_index <= mark {
                return None;
            }
            next = Some(segment.last_index);
        }
        None
    }

    /// Bytes of entries since the last snapshot mark.
    pub const fn bytes_since_snapshot(&self) -> u64 {
        self.bytes_since_snapshot
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The last index of the log, buffered entries included.
    pub const fn last_index(&self) -> Index {
        self.state.last_index
    }

    /// The term of the last hard state, buffered or not.
    pub const fn term(&self) -> Term {
        self.state.term
    }

    /// The newest snapshot mark, buffered or not.
    pub const fn mark(&self) -> Option<&SnapshotMark> {
        self.state.mark.as_ref()
    }

    fn write_batch(&mut self, mut frame: Vec<u8>, ops: &mut Vec<DiskOp>) {
        let offset = self.tip.end as u64;
        self.tip.write_batch(&mut frame, self.version(), self.durable);
        self.proven = self.proven.max(self.durable);
        ops.push(DiskOp::Write { file: self.file.clone(), offset, bytes: Bytes::from(frame) });
    }

    fn sync(&mut self, ops: &mut Vec<DiskOp>) {
        ops.push(DiskOp::Sync { file: self.file.clone() });
        self.synced = self.flushed;
    }

    /// Goes on in a new segment. Everything before it is synced first: a segment's name vouches for that.
    fn cut(&mut self, ops: &mut Vec<DiskOp>) {
        if self.synced < self.flushed {
            self.sync(ops);
        }
        let sequence = self.segments.back().map_or(1, |segment| segment.sequence + 1);
        self.start_segment(sequence, ops);
    }

    /// Makes a segment under a temporary name, with its head durable in it, and only then gives it its own.
    fn start_segment(&mut self, sequence: u64, ops: &mut Vec<DiskOp>) {
        assert!(
            self.buffer.is_empty(),
            "the head of segment {sequence} would say what is not written"
        );
        let Settings { owner, segment_bytes, release, mutations } = self.settings;
        let version = frame::version_written(release);
        let head = Head { owner, file_bytes: segment_bytes, state: self.state.clone() };
        let mut frame = vec![0; HEADER_BYTES];
        head.encode(version, &mut frame);
        self.tip.write_head(&mut frame, version, sequence);
        self.proven = self.tip.number;
        self.file = segment::file_name(sequence);
        let last_index = self.state.last_index;
        self.segments.push_back(Segment { sequence, version, last_index });
        let temporary = segment::temporary_name(sequence);
        ops.extend([
            DiskOp::Create { file: temporary.clone() },
            DiskOp::SetLength { file: temporary.clone(), length: segment_bytes },
            DiskOp::Write { file: temporary.clone(), offset: 0, bytes: Bytes::from(frame) },
            DiskOp::Sync { file: temporary.clone() },
            DiskOp::Rename { from: temporary, to: self.file.clone() },
        ]);
        if !mutations.has(Mutation::DirectoryNotSynced) {
            ops.push(DiskOp::SyncDirectory);
        }
    }

    fn check_invariants(&self) {
        assert!(!self.segments.is_empty(), "a log has a segment");
        assert!(self.durable <= self.synced, "durable {} > synced {}", self.durable, self.synced);
        assert!(self.synced <= self.flushed, "synced {} > flushed {}", self.synced, self.flushed);
        assert!(
            self.flushed <= self.tip.number,
            "flushed {} > written {}",
            self.flushed,
            self.tip.number
        );
    }
}

#[cfg(test)]
mod tests;
