//! The files of a disk: what is durable, and every change since, in order.
//!
//! The page cache is not kept: it is what is durable plus the changes that are not, and is put together when a process
//! starts. A write then costs one entry in a list, a sync one copy of the bytes, and each way in which a power loss
//! can mix old and new is a choice among the changes (see [`super::power`]).

use super::contents::{Contents, end};
use crate::limits::{FILE_BYTES_MAX, SECTOR_BYTES, UNSYNCED_CHANGES_MAX};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use whitewater_api::{DiskError, DiskImage, DiskOp, FileName};

/// One file of a disk, under whatever name. Never used again on that disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}", self.0)
    }
}

/// All files of a disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// The names as a process sees them. Invariant: no file has two names, here or below.
    pub(super) names: BTreeMap<FileName, FileId>,
    /// The names as they are after a power loss that takes every change.
    pub(super) durable_names: BTreeMap<FileName, FileId>,
    /// Changes from the durable names to the others, in order.
    pub(super) name_changes: Vec<NameChange>,
    /// Every file that has a name, or had one and may get it back.
    pub(super) inodes: BTreeMap<FileId, Inode>,
    /// Orders changes across files. Never goes back.
    sequence: u64,
    next_file: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Inode {
    pub(super) durable: Contents,
    /// What was done since, in order.
    pub(super) changes: Vec<Change>,
    /// The length with all changes.
    pub(super) length: u64,
    /// Where the last two writes began that were synced; the same place counts once.
    ends: [u64; 2],
}

/// A change of a file that is not synced.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(super) sequence: u64,
    pub(super) kind: ChangeKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ChangeKind {
    Write { offset: u64, bytes: Bytes },
    Length(u64),
}

/// A change of the directory that is not synced: the file's name is now this, or none.
#[derive(Clone, Debug)]
pub(crate) struct NameChange {
    pub(super) sequence: u64,
    pub(super) file: FileId,
    pub(super) name: Option<FileName>,
}

impl Inode {
    /// The bytes as a process sees them.
    fn view(&self) -> Contents {
        let mut view = self.durable.clone();
        for change in &self.changes {
            change.apply(&mut view);
        }
        view
    }

    fn add(&mut self, sequence: u64, kind: ChangeKind) {
        if self.changes.len() == UNSYNCED_CHANGES_MAX {
            self.sync();
        }
        self.length = match &kind {
            ChangeKind::Write { offset, bytes } => self.length.max(end(*offset, bytes)),
            ChangeKind::Length(length) => *length,
        };
        self.changes.push(Change { sequence, kind });
    }

    fn sync(&mut self) {
        for change in self.changes.drain(..) {
            change.apply(&mut self.durable);
            if let ChangeKind::Write { offset, .. } = change.kind {
                let [before, last] = self.ends;
                self.ends = [if offset > last { last } else { before.min(offset) }, offset];
            }
        }
        assert_eq!(self.durable.length(), self.length, "a sync changed a file's length");
    }

    /// So many bytes from the start were durable before something was written behind them that is durable, too.
    pub(super) fn proven(&self) -> u64 {
        let [before, _] = self.ends;
        before.min(self.durable.length())
    }

    /// Forgets what is not durable.
    pub(super) fn drop_changes(&mut self) {
        self.changes.clear();
        self.length = self.durable.length();
    }
}

impl Change {
    pub(super) fn apply(&self, contents: &mut Contents) {
        match &self.kind {
            ChangeKind::Write { offset, bytes } => contents.write(*offset, bytes),
            ChangeKind::Length(length) => contents.set_length(*length),
        }
    }
}

impl NameChange {
    /// A file has at most one name, and a name at most one file: what had it loses it.
    pub(super) fn apply(&self, names: &mut BTreeMap<FileName, FileId>) {
        names.retain(|_, file| *file != self.file);
        if let Some(name) = &self.name {
            names.insert(name.clone(), self.file);
        }
    }
}

impl Files {
    /// Carries out one operation in the page cache, or on the durable state if it is a sync. `capacity` bounds
    /// [`Self::used_bytes`]; an operation that needs more does nothing.
    pub(crate) fn perform(&mut self, op: DiskOp, capacity: Option<u64>) -> Result<(), DiskError> {
        match op {
            DiskOp::Create { file } => self.create(file, capacity),
            DiskOp::SetLength { file, length } => {
                self.reserve(&file, length, capacity)?;
                self.change(&file, ChangeKind::Length(length))
            }
            // Nothing written at an offset is nothing, not a longer file.
            DiskOp::Write { file, bytes, .. } if bytes.is_empty() => self.inode(&file).map(|_| ()),
            DiskOp::Write { file, offset, bytes } => {
                self.reserve(&file, end(offset, &bytes), capacity)?;
                self.change(&file, ChangeKind::Write { offset, bytes })
            }
            DiskOp::Sync { file } => self.inode(&file).map(Inode::sync),
            DiskOp::Rename { from, to } => {
                let file = self.file(&from).ok_or(DiskError::Io)?;
                self.change_name(file, Some(to));
                Ok(())
            }
            // Nothing to do if it is not there, so that a batch may be repeated.
            DiskOp::Remove { file } => {
                if let Some(file) = self.file(&file) {
                    self.change_name(file, None);
                }
                Ok(())
            }
            DiskOp::SyncDirectory => {
                self.sync_directory();
                Ok(())
            }
        }
    }

    /// The file of this name, as a process sees it.
    pub(crate) fn file(&self, name: &FileName) -> Option<FileId> {
        // A log is written at its end, and the names of its segments rise: most often it is the last one.
        match self.names.last_key_value() {
            Some((last, file)) if last == name => Some(*file),
            Some(_) | None => self.names.get(name).copied(),
        }
    }

    /// D6: a sync has failed. The pages are dropped and count as clean, so that the next sync has nothing to do.
    pub(crate) fn drop_unsynced(&mut self, name: &FileName) -> Result<(), DiskError> {
        self.inode(name).map(Inode::drop_changes)
    }

    /// Everything as a process sees it.
    pub(crate) fn image(&self) -> DiskImage {
        let view = |file| self.inodes[file].view().to_bytes();
        self.names.iter().map(|(name, file)| (name.clone(), view(file))).collect()
    }

    /// Bytes that a process sees in use: whole sectors, and one for each file itself.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.names.values().map(|file| SECTOR_BYTES + sectors(self.inodes[file].length)).sum()
    }

    /// How many changes are not synced.
    pub(crate) fn unsynced_changes(&self) -> usize {
        self.name_changes.len()
            + self.inodes.values().map(|inode| inode.changes.len()).sum::<usize>()
    }

    /// Loses everything. Numbers of files go on, so that nobody mistakes a new file for an old one.
    pub(crate) fn wipe(&mut self) {
        let (sequence, next_file) = (self.sequence, self.next_file);
        *self = Self { sequence, next_file, ..Self::default() };
    }

    /// Drops the files that no process and no power loss can bring back, once the names are durable.
    pub(super) fn forget_nameless(&mut self) {
        assert_eq!(self.names, self.durable_names, "names differ with no change between them");
        let alive: BTreeSet<FileId> = self.names.values().copied().collect();
        self.inodes.retain(|file, _| alive.contains(file));
    }

    fn create(&mut self, name: FileName, capacity: Option<u64>) -> Result<(), DiskError> {
        if self.names.contains_key(&name) {
            return self.change(&name, ChangeKind::Length(0));
        }
        if capacity.is_some_and(|capacity| self.used_bytes() + SECTOR_BYTES > capacity) {
            return Err(DiskError::NoSpace);
        }
        let file = FileId(self.next_file);
        self.next_file += 1;
        self.inodes.insert(file, Inode::default());
        self.change_name(file, Some(name));
        Ok(())
    }

    /// Whether the file can have this length, if that is longer than it is.
    fn reserve(
        &mut self,
        name: &FileName,
        length: u64,
        capacity: Option<u64>,
    ) -> Result<(), DiskError> {
        if length > FILE_BYTES_MAX {
            return Err(DiskError::NoSpace);
        }
        let Some(capacity) = capacity else { return Ok(()) };
        let has = sectors(self.inode(name)?.length);
        let grows = sectors(length).saturating_sub(has);
        if grows > 0 && self.used_bytes() + grows > capacity {
            return Err(DiskError::NoSpace);
        }
        Ok(())
    }

    fn change(&mut self, name: &FileName, kind: ChangeKind) -> Result<(), DiskError> {
        let sequence = self.sequence;
        self.inode(name)?.add(sequence, kind);
        self.sequence += 1;
        Ok(())
    }

    fn change_name(&mut self, file: FileId, name: Option<FileName>) {
        if self.name_changes.len() == UNSYNCED_CHANGES_MAX {
            self.sync_directory();
        }
        let change = NameChange { sequence: self.sequence, file, name };
        self.sequence += 1;
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn sync_directory(&mut self) {
        for change in self.name_changes.drain(..) {
            change.apply(&mut self.durable_names);
        }
        self.forget_nameless();
    }

    /// A name that is not there is an error and no bug: the batch that should have created it may have failed.
    fn inode(&mut self, name: &FileName) -> Result<&mut Inode, DiskError> {
        let file = self.file(name).ok_or(DiskError::Io)?;
        Ok(self.inodes.get_mut(&file).expect("a file that has a name is kept"))
    }
}

fn sectors(length: u64) -> u64 {
    length.div_ceil(SECTOR_BYTES) * SECTOR_BYTES
}
