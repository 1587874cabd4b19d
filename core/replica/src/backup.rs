//! Backups: the store at one moment as a file that a new cluster can start from (etcd, `server/etcdserver/api/v3rpc/maintenance.go`
//! and `etcdutl/snapshot/v3_snapshot.go`).
//!
//! ```text
//!  file: a snapshot as in `snapshot.rs`, or a database of etcd | SHA-256 of it
//!
//!  host: part 0 of a new backup ──▶ a view is opened ──▶ the first bytes, and the number of the backup
//!        part 1, 2 ..           ──▶ the next bytes; with the last ones the view is closed
//! ```
//!
//! Whoever takes the backup asks for one part after the other, so that the step stays short and the slow hold nobody up; a
//! part whose answer was lost can be asked for once more. All parts are of the moment of the first. A view holds physical
//! compaction up, so a backup that nobody goes on with is given up.
//!
//! A restored cluster is another one: it has the content and nothing else, neither the log nor the members nor the
//! identity, so that no old member can ever talk to it. Its revisions can go on far behind those of the backup, so that no
//! client that saw what the backup does not hold takes an old revision for a new one (etcd's `--bump-revision`).

use crate::{
    config::Restoration,
    limits,
    recovery::OpenError,
    replica::Replica,
    snapshot::{self, Framer, SnapshotMeta},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};
use whitewater_api::{
    Body, Error, FileName, Index, KvHash, MaintenanceResponse, Monotonic, RequestId, Revision,
    Value,
};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_store::{Cursor, EtcdFile, EtcdFileBuilder, Store, View};

/// Bytes of the checksum at the end of the file.
const CHECKSUM_BYTES: usize = 32;

/// The backups that are being taken.
#[derive(Default)]
pub(crate) struct Backups {
    open: BTreeMap<u64, Backup>,
    started: u64,
}

struct Backup {
    /// The moment, and where the next part starts; nothing when all parts were given.
    rest: Option<(View, Cursor)>,
    framer: Framer,
    checksum: Sha256,
    /// The number of the next part.
    next: u64,
    /// The part before it, in case that its answer was lost.
    last: Value,
    /// About how many bytes are left.
    remaining: u64,
    /// When it was last asked for.
    asked: Monotonic,
}

impl Replica {
    /// Somebody wants a part of a backup; of a new one if `number` is 0.
    pub(crate) fn on_backup(&mut self, id: RequestId, number: u64, part: u64) {
        let result = if number == 0 {
            self.begin_backup().and_then(|number| self.backup_part(number, 0))
        } else {
            self.backup_part(number, part)
        };
        self.reply(id, result.map(Body::Maintenance));
    }

    fn begin_backup(&mut self) -> Result<u64, Error> {
        if self.raft.store().applied().0 == 0 {
            return Err(Error::NoLeader); // A member that was added and has nothing yet.
        }
        if self.backups.open.len() >= limits::BACKUPS_MAX {
            return Err(Error::TooManyRequests);
        }
        let meta = self.snapshot_meta();
        self.backups.started += 1;
        // Never 0, and no number of another life of this process.
        let number = self.booted.0.rotate_left(20) ^ self.backups.started | 1 << 63;
        let (framer, start) = Framer::start(&meta);
        let backup = Backup {
            rest: Some((self.store.open_view(), Cursor::start())),
            framer,
            checksum: Sha256::new_with_prefix(&start),
            next: 0,
            last: Value::from(start.to_vec()),
            remaining: self.store.bytes(),
            asked: self.now,
        };
        self.backups.open.insert(number, backup);
        self.sometimes("backup begun");
        Ok(number)
    }

    fn backup_part(&mut self, number: u64, part: u64) -> Result<MaintenanceResponse, Error> {
        let now = self.now;
        // It is not known here, or not any more: the stream is broken.
        let backup = self.backups.open.get_mut(&number).ok_or(Error::Stopped)?;
        backup.asked = now;
        if part.checked_add(1) == Some(backup.next) {
            let (bytes, remaining) = (backup.last.clone(), backup.remaining);
            return Ok(MaintenanceResponse::Backup { backup: number, bytes, remaining });
        }
        let (mut view, cursor) =
            backup.rest.take_if(|_| part == backup.next).ok_or(Error::Stopped)?;
        let bytes_max =
            usize::try_from(self.config.tuning.snapshot_part_bytes).unwrap_or(usize::MAX);
        if self.config.mutations.has(Mutation::BackupOfManyMoments) {
            self.store.close_view(&view);
            view = self.store.open_view();
        }
        let cut = self.store.part(&view, &cursor, bytes_max);
        let mut bytes = backup.framer.part(&cut.bytes);
        backup.checksum.update(&bytes);
        if part == 0 {
            bytes = [backup.last.as_slice(), &bytes].concat().into();
        }
        backup.next += 1;
        backup.remaining = backup.remaining.saturating_sub(bytes.len() as u64).max(1);
        if let Some(next) = cut.next {
            backup.rest = Some((view, next));
        } else {
            self.store.close_view(&view);
            let end = backup.framer.end();
            backup.checksum.update(&end);
            bytes = [&bytes, &end, &backup.checksum.finalize_reset()[..]].concat().into();
            backup.remaining = 0;
        }
        let (bytes, remaining) = (Value(bytes), backup.remaining);
        backup.last = bytes.clone();
        Ok(MaintenanceResponse::Backup { backup: number, bytes, remaining })
    }

    /// Gives up what nobody goes on with, or what was all given.
    pub(crate) fn on_backup_tick(&mut self) {
        let patience = self.election_nanos() * limits::BACKUP_PATIENCE_ELECTIONS;
        let now = self.now;
        let is_over = |backup: &Backup| now.since(backup.asked) > patience;
        while let Some((number, _)) = self.backups.open.iter().find(|(_, backup)| is_over(backup)) {
            let number = *number;
            let backup = self.backups.open.remove(&number).expect("it was just found");
            if let Some((view, _)) = backup.rest {
                self.store.close_view(&view);
            }
        }
    }

    /// The store was replaced, and its views with it.
    pub(crate) fn forget_backups(&mut self) {
        self.backups.open.clear();
    }

    pub(crate) fn is_backing_up(&self) -> bool {
        !self.backups.open.is_empty()
    }
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupStatus {
    /// The newest revision, the compacted one, and the hash over revisions, which is that of `etcdctl endpoint hashkv`.
    pub content: KvHash,
    /// Bytes of the file.
    pub bytes: u64,
    /// The last entry of the old cluster's log that the content holds; not known of a database of etcd.
    pub index: Option<Index>,
}

/// Reads a backup, of this program or of etcd, and says what it holds.
pub fn backup_status(backup: &[u8]) -> Result<BackupStatus, OpenError> {
    let (store, index) = read(backup, Mutations::none())?;
    let content = store.hash_kv(Revision::LATEST).expect("a store has its newest revision");
    Ok(BackupStatus { content, bytes: backup.len() as u64, index })
}

/// Reads a backup, of this program or of etcd: the store that it holds.
pub fn read_backup(backup: &[u8]) -> Result<Store, OpenError> {
    read(backup, Mutations::none()).map(|(store, _)| store)
}

/// A backup of all that a store holds, in our form.
#[must_use]
pub fn write_backup(store: &mut Store) -> Vec<u8> {
    let (_, mut backup) = snapshot::write_whole(&SnapshotMeta::default(), store);
    seal(&mut backup);
    backup
}

/// Takes a backup in our form in, piece by piece, to turn it into etcd's.
#[derive(Debug)]
pub struct EtcdExport {
    reader: snapshot::Reader,
    builder: EtcdFileBuilder,
}

impl Default for EtcdExport {
    fn default() -> Self {
        Self { reader: snapshot::Reader::new(name()), builder: EtcdFileBuilder::default() }
    }
}

impl EtcdExport {
    /// Takes the next piece, cut as the replica cuts a backup. Of the checksums only those of the parts are looked at.
    pub fn push(&mut self, piece: &Bytes) -> Result<(), OpenError> {
        let Self { reader, builder } = self;
        let taken = reader.take(piece, |part| builder.push(piece.slice_ref(part)));
        taken.map_err(|error| bad(error.to_string()))
    }

    /// The whole of it.
    pub fn finish(self) -> Result<EtcdSnapshot, OpenError> {
        self.reader.finish().map_err(|error| bad(error.to_string()))?;
        self.builder.finish().map(EtcdSnapshot).map_err(|error| bad(error.to_string()))
    }
}

/// A snapshot of etcd that can be written down: a database, and the SHA-256 of it behind (etcd, `v3rpc/maintenance.go`).
#[derive(Debug)]
pub struct EtcdSnapshot(EtcdFile);

impl EtcdSnapshot {
    /// How long it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes() + CHECKSUM_BYTES as u64
    }

    /// Writes it down.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut summed = Summed { out, checksum: Sha256::new() };
        self.0.write(&mut summed)?;
        let Summed { out, checksum } = summed;
        out.write_all(&checksum.finalize())
    }
}

/// What is written, and its SHA-256.
struct Summed<'a, W> {
    out: &'a mut W,
    checksum: Sha256,
}

impl<W: Write> Write for Summed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.checksum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Puts the SHA-256 behind a file that came without, such as the database of a member that was copied.
pub fn seal(file: &mut Vec<u8>) {
    let checksum = Sha256::digest(&*file);
    file.extend_from_slice(&checksum);
}

/// The store that a backup holds, made ready for a new cluster.
pub(crate) fn restore(from: &Restoration, mutations: Mutations) -> Result<Store, OpenError> {
    let (mut store, _) = read(&from.backup, mutations)?;
    if !mutations.has(Mutation::RestoreKeepsRevision) {
        let marks = from.mark_compacted && !mutations.has(Mutation::RestoreKeepsHistory);
        store.start_anew(from.revision_bump, marks);
    }
    Ok(store)
}

/// The store of a backup in our form, with the index that it was taken at, or in etcd's.
fn read(backup: &[u8], mutations: Mutations) -> Result<(Store, Option<Index>), OpenError> {
    let body = verified(backup)?;
    if !snapshot::is_snapshot(body) {
        let store = Store::from_etcd(body, mutations);
        return store.map(|store| (store, None)).map_err(|error| bad(error.to_string()));
    }
    let read = snapshot::read(&name(), body, mutations);
    read.map(|(meta, store)| (store, Some(meta.index))).map_err(|error| bad(error.to_string()))
}

/// A backup without the checksum at its end, if that is right.
fn verified(backup: &[u8]) -> Result<&[u8], OpenError> {
    let (body, checksum) = backup
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or_else(|| bad("it is shorter than its checksum".to_owned()))?;
    if Sha256::digest(body).as_slice() != checksum && !cfg!(fuzzing) {
        let reason = "its bytes are not those that the checksum at its end is of";
        return Err(bad(reason.to_owned()));
    }
    Ok(body)
}

/// What a backup is called where it is read as a snapshot.
fn name() -> FileName {
    FileName("backup".to_owned())
}

fn bad(reason: String) -> OpenError {
    OpenError::BadBackup { reason }
}
