//! A small disk that loses what was not synced, as unkindly as the contract allows.

use crate::wal::segment::Name;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{DiskImage, DiskOp, FileName};

const SECTOR_BYTES: usize = 512;

/// A source of luck for one test case.
pub(super) struct Luck(u64);

impl Luck {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

#[derive(Clone, Default)]
struct File {
    cached: Vec<u8>,
    durable: Vec<u8>,
}

/// Files behind a cache, and a directory behind a cache of its own.
#[derive(Clone, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    names: BTreeMap<FileName, usize>,
    names_durable: BTreeMap<FileName, usize>,
}

impl Disk {
    /// A disk that holds just this.
    pub(super) fn of(image: &DiskImage) -> Self {
        let mut disk = Self::default();
        for (file, bytes) in image {
            disk.perform_all(&[
                DiskOp::Create { file: file.clone() },
                DiskOp::Write { file: file.clone(), offset: 0, bytes: bytes.clone() },
                DiskOp::Sync { file: file.clone() },
                DiskOp::SyncDirectory,
            ]);
        }
        disk
    }

    /// Carries out one operation.
    pub(super) fn perform(&mut self, op: &DiskOp) {
        match op {
            DiskOp::Create { file } => {
                self.files.push(File::default());
                self.names.insert(file.clone(), self.files.len() - 1);
            }
            DiskOp::SetLength { file, length } => {
                let length = usize::try_from(*length).unwrap();
                self.file(file).cached.resize(length, 0);
            }
            DiskOp::Write { file, offset, bytes } => {
                let start = usize::try_from(*offset).unwrap();
                let cached = &mut self.file(file).cached;
                if cached.len() < start + bytes.len() {
                    cached.resize(start + bytes.len(), 0);
                }
                cached[start..start + bytes.len()].copy_from_slice(bytes);
            }
            DiskOp::Sync { file } => {
                let file = self.file(file);
                file.durable.clone_from(&file.cached);
            }
            DiskOp::Rename { from, to } => {
                let inode = self.names.remove(from).expect("a file to rename");
                self.names.insert(to.clone(), inode);
            }
            DiskOp::Remove { file } => {
                self.names.remove(file).expect("a file to remove");
            }
            DiskOp::SyncDirectory => self.names_durable.clone_from(&self.names),
        }
    }

    pub(super) fn perform_all(&mut self, ops: &[DiskOp]) {
        for op in ops {
            self.perform(op);
        }
    }

    fn file(&mut self, name: &FileName) -> &mut File {
        &mut self.files[self.names[name]]
    }

    /// The power goes. Every sector and every name is kept, lost or, for sectors, torn, each on its own.
    pub(super) fn lose_power(&mut self, luck: &mut Luck) {
        for file in &mut self.files {
            let durable = lose_sectors(file, luck);
            *file = File { cached: durable.clone(), durable };
        }
        let names: BTreeSet<_> =
            self.names.keys().chain(self.names_durable.keys()).cloned().collect();
        let mut kept = BTreeMap::new();
        for name in names {
            let from = if luck.below(2) == 0 { &self.names } else { &self.names_durable };
            if let Some(inode) = from.get(&name) {
                kept.insert(name, *inode);
            }
        }
        self.names_durable.clone_from(&kept);
        self.names = kept;
    }

    /// What a starting process reads.
    pub(super) fn image(&self) -> DiskImage {
        let read = |inode: &usize| Bytes::copy_from_slice(&self.files[*inode].cached);
        self.names.iter().map(|(name, inode)| (name.clone(), read(inode))).collect()
    }

    /// The newest file whose name is durable, and its durable bytes.
    pub(super) fn newest_durable(&self) -> Option<(&FileName, &[u8])> {
        let named =
            self.names_durable.iter().rfind(|(name, _)| matches!(Name::of(name), Name::Segment(_)));
        named.map(|(name, inode)| (name, self.files[*inode].durable.as_slice()))
    }
}

fn lose_sectors(file: &File, luck: &mut Luck) -> Vec<u8> {
    let File { cached, durable } = file;
    if cached == durable {
        return durable.clone();
    }
    let length = if luck.below(2) == 0 { cached.len() } else { durable.len() };
    let mut after = durable.clone();
    after.resize(length, 0);
    let cached: Vec<u8> = cached.iter().copied().chain(std::iter::repeat(0)).take(length).collect();
    // Now and then all or nothing, so that long prefixes survive too.
    let mood = luck.below(4);
    for start in (0..length).step_by(SECTOR_BYTES) {
        let end = length.min(start + SECTOR_BYTES);
        let torn = start + luck.below(end - start);
        let kept = match (mood, luck.below(4)) {
            (0, _) | (1 | 2, 0 | 1) => start..end,
            (1 | 2, 2) => start..torn,
            (1 | 2, 3) => torn..end,
            _ => start..start,
        };
        after[kept.clone()].copy_from_slice(&cached[kept]);
    }
    after
}
