//! What a user brings in: a backup that the cluster of a run begins with.
//!
//! Its keys are bystanders. The clients of the plan live in a [`Namespace`] beside them and can neither see nor change them; so
//! they go through every snapshot, transfer, crash and compaction of the run, and must come out as they went in
//! (`bystanders.rs`). What would change them by itself, or keep the plan's clients out, stays behind: leases, users, alarms.

use crate::{limits, namespace::Namespace};
use bytes::Bytes;
use std::sync::Arc;
use whitewater_api::{
    Body, Key, KeyRange, KeyValue, KvHash, Request, Revision, Tuning, request::RangeRequest,
};
use whitewater_record::{DiskProfile, EpochRow, SimTime, Span};
use whitewater_replica::{OpenError, Restoration, read_backup, write_backup};
use whitewater_store::Store;

/// A backup, ready for runs to begin with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Import(Arc<Content>);

#[derive(Debug)]
struct Content {
    backup: Bytes,
    /// Revision, compaction and hash of what is brought in.
    hash: KvHash,
    /// What it weighs by the measure of quotas.
    weight_bytes: u64,
    keys: Vec<KeyValue>,
    namespace: Namespace,
}

impl Import {
    /// Reads a backup, of this program or of etcd.
    pub fn read(file: &[u8]) -> Result<Self, OpenError> {
        let mut store = read_backup(file)?.keys_alone();
        let hash = store.hash_kv(Revision::LATEST).expect("a store has its newest revision");
        let keys = kvs(&store, KeyRange::all());
        let mut prefix = String::from("whitewater/");
        while !kvs(&store, KeyRange::prefix(prefix.clone())).is_empty() {
            prefix.push('/');
        }
        let namespace = Namespace::new(Key::from(prefix));
        let (weight_bytes, backup) = (store.bytes(), write_backup(&mut store).into());
        Ok(Self(Arc::new(Content { backup, hash, weight_bytes, keys, namespace })))
    }

    /// The newest revision that it holds.
    pub(crate) fn revision(&self) -> Revision {
        self.0.hash.revision
    }

    /// What a plan says of sizes, it says of what its clients put: the rest comes on top.
    pub(crate) fn widen(&self, tuning: &mut Tuning) {
        let weight = self.0.weight_bytes;
        tuning.quota_bytes = tuning.quota_bytes.saturating_add(weight);
        let part = tuning.snapshot_part_bytes.max(weight / limits::IMPORT_PARTS_MAX);
        tuning.snapshot_part_bytes = part;
    }

    /// How much longer a recovery may take: as long as the slowest disk takes for some copies.
    pub(crate) fn allowance(&self, disk: &DiskProfile) -> Span {
        let nanos = self.0.weight_bytes.saturating_mul(1_000_000_000 * limits::IMPORT_COPIES);
        Span(nanos.checked_div(disk.bytes_per_second).unwrap_or(0))
    }

    pub(crate) fn restoration(&self) -> Restoration {
        let backup = self.0.backup.clone();
        Restoration { backup, revision_bump: 0, mark_compacted: false }
    }

    /// How it is told in the history.
    pub(crate) fn epoch(&self) -> EpochRow {
        EpochRow {
            at: SimTime::ZERO,
            backup: self.0.hash,
            revision_bump: 0,
            mark_compacted: false,
            from_elsewhere: true,
            kept: Vec::new(),
        }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// What it holds in a range.
    pub(crate) fn range<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a KeyValue> {
        self.0.keys.iter().filter(|kv| range.contains(&kv.key))
    }
}

fn kvs(store: &Store, range: KeyRange) -> Vec<KeyValue> {
    match store.read(&Request::Range(RangeRequest::new(range))) {
        Ok(Body::Range(found)) => found.kvs,
        other => unreachable!("the newest can be read by anybody: {other:?}"),
    }
}

#[cfg(test)]
mod tests;
