//! The disk: carries out what the replica asks, in order, on real files.
//!
//! It decides nothing. Several requests share a sync because the replica gathers records while a batch is under way.

mod line;
mod writer;

pub(crate) use self::writer::Writer;

use crate::{limits, metrics::Metrics};
use rustix::{
    fs::{FallocateFlags, FlockOperation, fallocate, flock},
    io::Errno,
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use whitewater_api::{DiskError, DiskImage, DiskOp, FileName};

/// Where the replica's files are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Snapshots and the identity.
    pub(crate) member: PathBuf,
    /// The log; the same folder unless the operator wants it on another disk.
    pub(crate) wal: PathBuf,
    /// Leave syncs out. For tests only: a crash of the machine loses what was promised.
    pub(crate) unsafe_no_fsync: bool,
}

/// A data directory that no other process uses.
pub(crate) struct Locked(#[expect(dead_code, reason = "holds the lock until it is dropped")] File);

impl Places {
    /// Makes the folders and keeps other processes out of them.
    pub(crate) fn open(&self, data: &Path) -> io::Result<Locked> {
        for folder in [data, &self.member, &self.wal] {
            fs::create_dir_all(folder)?;
        }
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(data.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        // The folder's own name must survive a crash too.
        if let Some(parent) = data.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        File::open(data)?.sync_all()?;
        Ok(Locked(lock))
    }

    /// Reads all files of the replica.
    pub(crate) fn read(&self) -> io::Result<DiskImage> {
        let mut image = DiskImage::new();
        for folder in self.folders() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    image.insert(FileName(name), read_file(&entry.path())?.into());
                }
            }
        }
        Ok(image)
    }

    fn folders(&self) -> Vec<&Path> {
        let mut folders = vec![self.member.as_path()];
        if self.wal != self.member {
            folders.push(&self.wal);
        }
        folders
    }

    fn path(&self, file: &FileName) -> PathBuf {
        let folder = if is_of_log(file) { &self.wal } else { &self.member };
        folder.join(&file.0)
    }
}

/// What a file holds, with zeros in the place of sectors that the disk does not give back: what they held the replica finds
/// missing by its checksums, and has it repaired by the others.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if is_unreadable(&error) => {}
        result => return result,
    }
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let (bytes, lost) = read_around(length, |sector, at| file.read_exact_at(sector, at))?;
    tracing::error!(file = %path.display(), sectors = lost, "the disk does not give these back");
    Ok(bytes)
}

/// Reads sector by sector, and counts those that cannot be read.
fn read_around(
    length: usize,
    read_at: impl Fn(&mut [u8], u64) -> io::Result<()>,
) -> io::Result<(Vec<u8>, usize)> {
    let (mut bytes, mut lost, mut at) = (vec![0; length], 0, 0);
    for sector in bytes.chunks_mut(limits::SECTOR_BYTES) {
        match read_at(sector, at) {
            Ok(()) => {}
            Err(error) if is_unreadable(&error) => {
                sector.fill(0);
                lost += 1;
            }
            Err(error) => return Err(error),
        }
        at += limits::SECTOR_BYTES as u64;
    }
    Ok((bytes, lost))
}

fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

struct Disk {
    places: Places,
    metrics: Arc<Metrics>,
    open: BTreeMap<FileName, File>,
}

impl Disk {
    fn perform(&mut self, ops: &[DiskOp]) -> Result<(), DiskError> {
        let start = Instant::now();
        for op in ops {
            self.carry_out(op).map_err(|error| {
                tracing::error!(%error, operation = %describe(op), "the disk failed");
                let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
                if full.contains(&error.kind()) { DiskError::NoSpace } else { DiskError::Io }
            })?;
        }
        self.metrics.batch_commit.observe(start.elapsed().as_secs_f64());
        Ok(())
    }

    fn carry_out(&mut self, op: &DiskOp) -> io::Result<()> {
        match op {
            DiskOp::Create { file } => {
                let path = self.places.path(file);
                let created = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .open(path)?;
                self.open.insert(file.clone(), created);
            }
            DiskOp::SetLength { file, length } => set_length(self.file(file)?, *length)?,
            DiskOp::Write { file, offset, bytes } => {
                self.file(file)?.write_all_at(bytes, *offset)?;
                if is_of_log(file) {
                    let bytes = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
                    self.metrics.wal_bytes.add(bytes);
                }
            }
            DiskOp::Sync { file } => {
                if !self.places.unsafe_no_fsync {
                    let start = Instant::now();
                    self.file(file)?.sync_data()?;
                    self.metrics.wal_fsync.observe(start.elapsed().as_secs_f64());
                }
            }
            DiskOp::Rename { from, to } => {
                fs::rename(self.places.path(from), self.places.path(to))?;
                self.open.remove(to);
                if let Some(file) = self.open.remove(from) {
                    self.open.insert(to.clone(), file);
                }
            }
            DiskOp::Remove { file } => {
                self.open.remove(file);
                match fs::remove_file(self.places.path(file)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    result => result?,
                }
            }
            DiskOp::SyncDirectory => {
                if !self.places.unsafe_no_fsync {
                    for folder in self.places.folders() {
                        File::open(folder)?.sync_all()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, name: &FileName) -> io::Result<&File> {
        if !self.open.contains_key(name) {
            let path = self.places.path(name);
            self.open.insert(name.clone(), OpenOptions::new().read(true).write(true).open(path)?);
        }
        Ok(&self.open[name])
    }
}

/// Whether it is a segment of the log.
fn is_of_log(file: &FileName) -> bool {
    file.0.starts_with("wal-")
}

/// Space that is wanted is taken at once, so that it cannot run out in the middle of what is written into it.
fn set_length(file: &File, length: u64) -> io::Result<()> {
    if length > file.metadata()?.len() {
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            result => return Ok(result?),
        }
    }
    file.set_len(length)
}

fn describe(op: &DiskOp) -> String {
    match op {
        DiskOp::Create { file } => format!("create {file}"),
        DiskOp::SetLength { file, length } => format!("set the length of {file} to {length}"),
        DiskOp::Write { file, offset, bytes } => {
            format!("write {} bytes at {offset} of {file}", bytes.len())
        }
        DiskOp::Sync { file } => format!("sync {file}"),
        DiskOp::Rename { from, to } => format!("rename {from} to {to}"),
        DiskOp::Remove { file } => format!("remove {file}"),
        DiskOp::SyncDirectory => "sync the directory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_that_cannot_be_read_is_zeros_and_the_others_are_there() {
        let whole: Vec<u8> = (0..1_300_u32).map(|n| u8::try_from(n % 250 + 1).unwrap()).collect();
        let read = |sector: &mut [u8], at: u64| {
            if at == 512 {
                return Err(Errno::IO.into());
            }
            let at = usize::try_from(at).unwrap();
            sector.copy_from_slice(&whole[at..at + sector.len()]);
            Ok(())
        };
        let (bytes, lost) = read_around(whole.len(), read).unwrap();
        assert_eq!(lost, 1);
        assert_eq!(bytes[..512], whole[..512]);
        assert_eq!(bytes[512..1024], [0; 512]);
        assert_eq!(bytes[1024..], whole[1024..]);
        let refused = read_around(10, |_, _| Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
