//! A disk in memory: what a process sees, and what a power loss leaves of it.

use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{DiskImage, DiskOp, FileName, WriteId};

/// The files of one node.
#[derive(Default)]
pub(crate) struct Disk {
    files: BTreeMap<u64, File>,
    created: u64,
    /// The directory as the process sees it, and as a power loss leaves it.
    names: BTreeMap<FileName, u64>,
    durable_names: BTreeMap<FileName, u64>,
    /// Batches that were asked for and are not done.
    pub(crate) queue: VecDeque<(WriteId, Vec<DiskOp>)>,
    pub(crate) mode: Mode,
}

#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is done at once.
    #[default]
    Works,
    /// It waits until the script says what becomes of it.
    Stalls,
    /// It fails for want of space if it writes anything.
    Full,
    /// Its first operation fails.
    Fails,
}

impl Disk {
    /// Carries out one operation.
    pub(crate) fn perform(&mut self, op: &DiskOp) {
        match op {
            DiskOp::Create { file } => {
                if !self.names.contains_key(file) {
                    self.created += 1;
                    self.names.insert(file.clone(), self.created);
                    self.files.insert(self.created, File::default());
                }
                self.file(file).bytes.clear();
            }
            DiskOp::SetLength { file, length } => {
                let length = usize::try_from(*length).unwrap();
                self.file(file).bytes.resize(length, 0);
            }
            DiskOp::Write { file, offset, bytes } => self.write(file, *offset, bytes),
            DiskOp::Sync { file } => {
                let file = self.file(file);
                file.durable.clone_from(&file.bytes);
            }
            DiskOp::Rename { from, to } => {
                let id = self.names.remove(from).expect("a file that is renamed is there");
                self.names.insert(to.clone(), id);
            }
            DiskOp::Remove { file } => {
                self.names.remove(file);
            }
            DiskOp::SyncDirectory => self.durable_names.clone_from(&self.names),
        }
    }

    fn write(&mut self, file: &FileName, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).unwrap();
        let file = self.file(file);
        let end = offset + bytes.len();
        if file.bytes.len() < end {
            file.bytes.resize(end, 0);
        }
        file.bytes[offset..end].copy_from_slice(bytes);
    }

    fn file(&mut self, name: &FileName) -> &mut File {
        let id = self.names.get(name).unwrap_or_else(|| panic!("{name} is not there"));
        self.files.get_mut(id).unwrap()
    }

    /// Tears the oldest write under way: only its first bytes reach the platter.
    pub(crate) fn tear(&mut self, kept: usize) {
        let Some((_, ops)) = self.queue.pop_front() else { panic!("no write is under way") };
        let write = ops.iter().find(|op| matches!(op, DiskOp::Write { .. }));
        let Some(DiskOp::Write { file, offset, bytes }) = write else { panic!("nothing to tear") };
        self.write(file, *offset, &bytes[..kept.min(bytes.len())]);
        self.perform(&DiskOp::Sync { file: file.clone() });
    }

    /// The process is gone; with `power`, so is all that was not synced.
    pub(crate) fn crash(&mut self, power: bool) {
        self.queue.clear();
        if power {
            self.names.clone_from(&self.durable_names);
            for file in self.files.values_mut() {
                file.bytes.clone_from(&file.durable);
            }
        }
    }

    /// Everything is gone.
    pub(crate) fn wipe(&mut self) {
        *self = Self::default();
    }

    /// What a starting process reads.
    pub(crate) fn image(&self) -> DiskImage {
        let read = |id: &u64| self.files[id].bytes.clone().into();
        self.names.iter().map(|(name, id)| (name.clone(), read(id))).collect()
    }

    /// What it would read after a power loss now.
    pub(crate) fn durable_image(&self) -> DiskImage {
        let read = |id: &u64| self.files[id].durable.clone().into();
        self.durable_names.iter().map(|(name, id)| (name.clone(), read(id))).collect()
    }

    /// Changes one byte on the platter.
    pub(crate) fn corrupt(&mut self, name: &FileName, offset: usize) {
        let file = self.file(name);
        file.bytes[offset] ^= 0x40;
        file.durable[offset] ^= 0x40;
    }
}
