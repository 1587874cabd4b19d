//! One node's disk (D1-D9, D11): when a batch is done, and what is there after a crash.
//!
//! Batches wait in a queue and are done in order. Until [`Disk::complete`] nothing of a batch has happened; a crash
//! makes a random prefix of the oldest one happen. The caller asks [`Disk::due`] after each change, since a stall moves
//! what is under way too.
//!
//! Damage (D4, D5) is done to a disk at rest, between two lives of its process, by [`Disk::damage`]: a process reads its
//! disk only when it starts, so a write that went astray earlier cannot be told from one that does now.

mod contents;
mod files;
mod power;

pub use files::FileId;
pub use power::Loss;

use crate::{
    fault::{Active, FaultId, Faults},
    latency,
    limits::SECTOR_BYTES,
};
use files::{Files, Inode};
use std::collections::VecDeque;
use whitewater_api::{DiskError, DiskImage, DiskOp, FileName, NodeId, WriteId};
use whitewater_record::{Damage, DiskProfile, Seed, SimTime, Span, Stream};

/// The disk of one node.
#[derive(Clone, Debug)]
pub struct Disk {
    profile: DiskProfile,
    /// Draws of latencies.
    latency: Stream,
    /// Draws of what a crash or a failure leaves.
    luck: Stream,
    files: Files,
    /// Batches under way. Invariant: `done` does not decrease from front to back.
    queue: VecDeque<Batch>,
    faults: Faults<DiskFault>,
    /// While the disk is full: no more than this is in use.
    capacity: Option<u64>,
    /// While syncs lie: the files as they really are.
    truth: Option<Files>,
    /// Draws of damage.
    damage: Stream,
    /// A sector that is read wrongly: which file, where, and what is read there.
    misread: Option<(FileId, u64, Vec<u8>)>,
    /// Files that the last completed batch synced, each once.
    synced: Vec<FileId>,
    directory_synced: bool,
    counts: DiskCounts,
}

/// What a fault does to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// D8: each batch takes this much longer. Several add up.
    Slow(Span),
    /// D8: nothing is done before this moment, also of what is under way.
    Stall {
        /// The moment.
        until: SimTime,
    },
    /// D6: the next write fails, after some of its bytes. Once.
    FailWrite,
    /// D6: the next sync of a file fails, and what it should have synced is gone; a second one has nothing to do and
    /// succeeds, as on Linux (fsyncgate, 2018). Once.
    FailSync,
    /// D7: nothing that needs more space than is in use now succeeds. What is freed can be used again.
    Full,
    /// D6: each write is done in two parts, each of which takes its time.
    Short,
    /// D11: syncs change nothing that a power loss would not take.
    Lie,
}

/// What was seen on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Batches that were done, well or not.
    pub batches: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Syncs of files and of the directory that succeeded.
    pub syncs: u64,
    /// Operations that failed.
    pub failures: u64,
    /// Of these, for want of space.
    pub refused: u64,
}

#[derive(Clone, Debug)]
struct Batch {
    write: WriteId,
    ops: Vec<DiskOp>,
    /// When it is done, if nothing stalls.
    done: SimTime,
}

impl Disk {
    /// An empty disk, with draws of its own.
    pub fn new(profile: DiskProfile, seed: Seed, node: NodeId) -> Self {
        let [latency, luck, damage] = streams(seed, node);
        Self {
            profile,
            latency,
            luck,
            files: Files::default(),
            queue: VecDeque::new(),
            faults: Faults::new(),
            capacity: None,
            truth: None,
            damage,
            misread: None,
            synced: Vec::new(),
            directory_synced: false,
            counts: DiskCounts::default(),
        }
    }

    /// Throws by another root from now on.
    pub fn reseed(&mut self, seed: Seed, node: NodeId) {
        [self.latency, self.luck, self.damage] = streams(seed, node);
    }

    /// Puts a batch into the queue and says when it will be done, as far as is known now: see [`Self::due`].
    pub fn submit(&mut self, now: SimTime, write: WriteId, ops: Vec<DiskOp>) -> SimTime {
        let mut takes = latency::draw(&self.profile.write, &mut self.latency);
        let mut bytes = 0;
        for op in &ops {
            bytes += contents::as_u64(op.bytes());
            let is_write = matches!(op, DiskOp::Write { .. });
            let short = |a: &&mut Active<DiskFault>| is_write && a.effect == DiskFault::Short;
            if let Some(active) = self.faults.iter_mut().find(short) {
                takes = takes + latency::draw(&self.profile.write, &mut self.latency);
                active.touched += 1;
            }
            if matches!(op, DiskOp::Sync { .. } | DiskOp::SyncDirectory) {
                takes = takes + latency::draw(&self.profile.sync, &mut self.latency);
            }
        }
        // No limit is written as 0 bytes a second.
        let nanos = bytes.saturating_mul(1_000_000_000).checked_div(self.profile.bytes_per_second);
        takes = takes + Span(nanos.unwrap_or(0));
        for active in self.faults.iter_mut() {
            if let DiskFault::Slow(extra) = active.effect {
                takes = takes + extra;
                active.touched += 1;
            }
        }
        let start = self.queue.back().map_or(now, |last| last.done.max(now));
        let done = start + takes;
        for active in self.faults.iter_mut() {
            active.touched += u64::from(active.effect.stalls(done));
        }
        self.queue.push_back(Batch { write, ops, done });
        done.max(self.stalled_until())
    }

    /// When the oldest batch is done, and which one it is. A moment that has passed, because a stall has ended, means
    /// now.
    pub fn due(&self) -> Option<(SimTime, WriteId)> {
        let oldest = self.queue.front()?;
        Some((oldest.done.max(self.stalled_until()), oldest.write))
    }

    /// Does the oldest batch, which must be `write`: its operations in order, up to the first error. What was done
    /// before the error stays done.
    pub fn complete(&mut self, write: WriteId) -> Result<(), DiskError> {
        let batch = self.queue.pop_front().expect("only a batch that is under way can be done");
        assert_eq!(batch.write, write, "batches are done in order");
        self.counts.batches += 1;
        self.forget_synced();
        batch.ops.into_iter().try_for_each(|op| self.perform(op))
    }

    /// The process dies; with `power`, the machine does. Of the oldest batch under way a random part has happened, of
    /// the others nothing. Without `power` everything that was written is still in the page cache, not more durable
    /// than before. Faults go on.
    pub fn crash(&mut self, power: bool) -> Loss {
        let batches = contents::as_u64(self.queue.len());
        self.forget_synced();
        if let Some(oldest) = self.queue.pop_front() {
            self.perform_part(oldest.ops);
        }
        self.queue.clear();
        let is_betrayed = power && self.truth.is_some();
        if power && let Some(truth) = self.truth.take() {
            self.files = truth;
        }
        let loss = if power {
            power::lose(&mut self.files, &self.profile, &mut self.luck)
        } else {
            Loss::default()
        };
        if is_betrayed {
            // The fault goes on: what is synced from now on is as little there.
            self.truth = Some(self.files.clone());
        }
        Loss { batches, is_betrayed, ..loss }
    }

    /// D4, D5: damages a sector of what was promised. Whether there was one. Only where more was written behind it since:
    /// no reader can tell a damaged end from one that was never promised.
    pub fn damage(&mut self, how: Damage) -> bool {
        let sectors = |inode: &Inode| inode.proven() / SECTOR_BYTES;
        let files: Vec<(FileId, u64)> = self
            .files
            .durable_names
            .values()
            .map(|id| (*id, sectors(&self.files.inodes[id])))
            .collect();
        let total: u64 = files.iter().map(|(_, sectors)| sectors).sum();
        if total == 0 {
            return false;
        }
        let locate = |mut place: u64| {
            for (file, sectors) in &files {
                if place < *sectors {
                    return (*file, place * SECTOR_BYTES);
                }
                place -= sectors;
            }
            unreachable!("{place} is past all sectors")
        };
        let place = self.damage.below(total);
        // Another one, if there is another one.
        let other = place + 1 + self.damage.below(total.saturating_sub(1).max(1));
        let ((file, at), other) = (locate(place), locate(other % total));
        let before = self.files.inodes[&file].durable.sector(at);
        let mut after = match how {
            Damage::Rot => before.clone(),
            Damage::Phantom | Damage::Unreadable => vec![0; before.len()],
            Damage::Misdirected | Damage::Misread => {
                self.files.inodes[&other.0].durable.sector(other.1)
            }
        };
        let flips = if how == Damage::Rot { self.damage.between(1, 8) } else { 0 };
        for _ in 0..flips {
            let bit = self.damage.below(8 * SECTOR_BYTES);
            after[contents::index(bit / 8)] ^= 1 << (bit % 8);
        }
        if after == before {
            return false;
        }
        if how == Damage::Misread {
            self.misread = Some((file, at, after));
        } else {
            let inode = self.files.inodes.get_mut(&file).expect("it was picked among them");
            inode.durable.write(at, &after);
        }
        true
    }

    /// A sector that was read wrongly is read rightly from now on.
    pub fn reread(&mut self) {
        self.misread = None;
    }

    /// D9: the disk is replaced by an empty one.
    pub fn wipe(&mut self) {
        self.queue.clear();
        self.forget_synced();
        self.files.wipe();
        self.misread = None;
    }

    /// All files as a process reads them now.
    pub fn image(&self) -> DiskImage {
        let mut image = self.files.image();
        if let Some((file, at, bytes)) = &self.misread
            && let Some(name) = self.name(*file)
            && let Some(read) = image.get_mut(name)
        {
            let mut wrong = read.to_vec();
            let at = contents::index(*at);
            wrong[at..at + bytes.len()].copy_from_slice(bytes);
            *read = wrong.into();
        }
        image
    }

    /// The files that the last completed batch made durable, each once, also if a later operation of it failed.
    pub fn synced(&self) -> &[FileId] {
        &self.synced
    }

    /// Whether the last completed batch made the directory durable.
    pub fn is_directory_synced(&self) -> bool {
        self.directory_synced
    }

    /// What is durable of the file that durably has this name: its bytes up to the last one that was ever written.
    /// From there to [`Self::durable_length`] all are zero.
    pub fn durable(&self, name: &FileName) -> Option<&[u8]> {
        self.durable_bytes(self.durable_file(name)?)
    }

    /// The file that durably has this name.
    pub fn durable_file(&self, name: &FileName) -> Option<FileId> {
        self.files.durable_names.get(name).copied()
    }

    /// What is durable of a file, whether its name is or not; as [`Self::durable`].
    pub fn durable_bytes(&self, file: FileId) -> Option<&[u8]> {
        self.files.inodes.get(&file).map(|inode| inode.durable.written())
    }

    /// The durable length of a file.
    pub fn durable_length(&self, file: FileId) -> Option<u64> {
        self.files.inodes.get(&file).map(|inode| inode.durable.length())
    }

    /// The name of a file as processes see it.
    pub fn name(&self, file: FileId) -> Option<&FileName> {
        self.files.names.iter().find_map(|(name, id)| (*id == file).then_some(name))
    }

    /// The names of all files as processes see them.
    pub fn names(&self) -> impl Iterator<Item = &FileName> {
        self.files.names.keys()
    }

    /// The names that are durable, and their files.
    pub fn durable_names(&self) -> impl Iterator<Item = (&FileName, FileId)> {
        self.files.durable_names.iter().map(|(name, file)| (name, *file))
    }

    /// A fault begins. Faults may overlap.
    pub fn begin(&mut self, fault: FaultId, effect: DiskFault) {
        let stalled = self.queue.iter().filter(|batch| effect.stalls(batch.done)).count();
        self.faults.begin(fault, effect).touched += contents::as_u64(stalled);
        if matches!(effect, DiskFault::Full) && self.capacity.is_none() {
            self.capacity = Some(self.files.used_bytes());
        }
        if matches!(effect, DiskFault::Lie) && self.truth.is_none() {
            self.truth = Some(self.files.clone());
        }
    }

    /// Everything that began under this id ends. Nothing happens if nothing did.
    pub fn end(&mut self, fault: FaultId) {
        self.faults.end(fault);
        if !self.faults.iter().any(|active| matches!(active.effect, DiskFault::Full)) {
            self.capacity = None;
        }
        if !self.faults.iter().any(|active| matches!(active.effect, DiskFault::Lie)) {
            self.truth = None;
        }
    }

    /// How often the fault was seen to matter: batches that it made later, operations that it made fail.
    pub fn witnessed(&self, fault: FaultId) -> u64 {
        self.faults.witnessed(fault)
    }

    /// What was seen so far.
    pub fn counts(&self) -> DiskCounts {
        self.counts
    }

    /// Bytes in use, in whole sectors and with one for each file itself.
    pub fn used_bytes(&self) -> u64 {
        self.files.used_bytes()
    }

    /// Changes that a power loss could take: writes, lengths and names that are not synced.
    pub fn unsynced_changes(&self) -> usize {
        self.files.unsynced_changes()
    }

    fn stalled_until(&self) -> SimTime {
        let until = |effect| match effect {
            DiskFault::Stall { until } => until,
            DiskFault::Slow(_)
            | DiskFault::FailWrite
            | DiskFault::FailSync
            | DiskFault::Full
            | DiskFault::Short
            | DiskFault::Lie => SimTime::ZERO,
        };
        self.faults.iter().map(|active| until(active.effect)).max().unwrap_or(SimTime::ZERO)
    }

    fn forget_synced(&mut self) {
        self.synced.clear();
        self.directory_synced = false;
    }

    fn perform(&mut self, op: DiskOp) -> Result<(), DiskError> {
        let result = self.attempt(op);
        if let Err(error) = result {
            self.counts.failures += 1;
            self.counts.refused += u64::from(error == DiskError::NoSpace);
        }
        result
    }

    fn attempt(&mut self, op: DiskOp) -> Result<(), DiskError> {
        match op {
            DiskOp::Write { file, offset, bytes } => {
                let fails = self.trip(DiskFault::FailWrite);
                let written = if fails { power::part_of(&bytes, &mut self.luck) } else { bytes };
                let length = contents::as_u64(written.len());
                self.change(DiskOp::Write { file, offset, bytes: written })?;
                self.counts.bytes += length;
                if fails { Err(DiskError::Io) } else { Ok(()) }
            }
            DiskOp::Sync { file } => {
                if self.trip(DiskFault::FailSync) {
                    return self.files.drop_unsynced(&file).and(Err(DiskError::Io));
                }
                for active in self.faults.iter_mut() {
                    active.touched += u64::from(active.effect == DiskFault::Lie);
                }
                let id = self.files.file(&file);
                self.change(DiskOp::Sync { file })?;
                self.synced.extend(id.filter(|id| !self.synced.contains(id)));
                self.counts.syncs += 1;
                Ok(())
            }
            DiskOp::SyncDirectory => {
                self.directory_synced = true;
                self.counts.syncs += 1;
                self.change(op)
            }
            DiskOp::Create { .. }
            | DiskOp::SetLength { .. }
            | DiskOp::Rename { .. }
            | DiskOp::Remove { .. } => self.change(op),
        }
    }

    fn change(&mut self, op: DiskOp) -> Result<(), DiskError> {
        let result = self.files.perform(op, self.capacity);
        if result == Err(DiskError::NoSpace) {
            for active in self.faults.iter_mut() {
                active.touched += u64::from(active.effect == DiskFault::Full);
            }
        }
        result
    }

    /// Whether a fault of this kind holds that has not struck yet; now it has.
    fn trip(&mut self, kind: DiskFault) -> bool {
        let armed = self.faults.iter_mut().find(|a| a.effect == kind && a.touched == 0);
        armed.map(|active| active.touched += 1).is_some()
    }

    /// The first operations of a batch, and perhaps a part of a write after them. Nobody is left to hear of an error.
    fn perform_part(&mut self, mut ops: Vec<DiskOp>) {
        let whole = contents::index(self.luck.between(0, contents::as_u64(ops.len())));
        let next = ops.drain(whole..).next();
        if let Some(DiskOp::Write { file, offset, bytes }) = next {
            let bytes = power::part_of(&bytes, &mut self.luck);
            ops.push(DiskOp::Write { file, offset, bytes });
        }
        for op in ops {
            if self.perform(op).is_err() {
                return;
            }
        }
    }
}

impl DiskFault {
    /// Whether a batch that would be done at `done` waits for it.
    fn stalls(self, done: SimTime) -> bool {
        matches!(self, Self::Stall { until } if until > done)
    }
}

/// The draws of a disk: how long it takes, what a power loss leaves, and what damage hits.
fn streams(seed: Seed, node: NodeId) -> [Stream; 3] {
    ["disk", "disk luck", "disk damage"].map(|purpose| seed.stream(purpose, node.0))
}

#[cfg(test)]
mod tests;
