//! The hash over revisions, bit for bit the one of etcd (`server/storage/mvcc/hash.go`): the cheapest exact comparison of
//! two stores there is, with another member or with a real etcd.
//!
//! CRC-32C of the name of etcd's bucket, `key`, then of every version by revision: the 17 bytes of its revision (18 in a
//! tombstone), then its `mvccpb.KeyValue` as protobuf. What a compaction has given up does not count, however far the
//! physical one has come; nor do tombstones at the compaction revision, which older releases of etcd do not keep.

use crate::{history::Version, store::Store};
use whitewater_api::{Error, Key, KvHash, Revision};
use whitewater_mutation::Mutation;

/// The name of the bucket in which etcd keeps versions.
const BUCKET: &[u8] = b"key";

impl Store {
    /// The hash as of `revision`; [`Revision::LATEST`] for the newest. Looks at everything.
    pub fn hash_kv(&self, revision: Revision) -> Result<KvHash, Error> {
        if revision > self.revision {
            return Err(Error::FutureRevision { current: self.revision });
        }
        if revision != Revision::LATEST && revision < self.compacted {
            return Err(Error::Compacted { compacted: self.compacted });
        }
        let revision = if revision == Revision::LATEST { self.revision } else { revision };
        let mut bytes = Vec::new();
        let mut hash = crc32c::crc32c(BUCKET);
        for (key, version) in self.hashed_versions(revision) {
            bytes.clear();
            put_revision(&mut bytes, version);
            put_key_value(&mut bytes, key, version);
            hash = crc32c::crc32c_append(hash, &bytes);
        }
        Ok(KvHash { hash, revision, compacted: self.compacted })
    }

    /// A hash of all that is here, leases too. Of this program only: etcd's is one of its files' contents.
    #[must_use]
    pub fn hash(&self) -> u32 {
        crc32c::crc32c(&self.digest().to_le_bytes())
    }

    /// The versions that count, by revision.
    fn hashed_versions(&self, revision: Revision) -> Vec<(&Key, &Version)> {
        let counts_doomed = self.mutations.has(Mutation::HashKvCountsDoomed);
        let counts_buried = self.mutations.has(Mutation::HashKvCountsBuried);
        // etcd asks what a compaction at `revision` would keep of the versions at or before the last one; if that is
        // nothing at all, it takes them all.
        let keeps_any = self.keys.values().any(|history| history.at(revision).is_some());
        let mut versions = Vec::new();
        for (key, history) in &self.keys {
            let survivors = history.survivors(self.compacted, revision);
            let start = if counts_doomed { 0 } else { survivors.start };
            let kept = history.at(revision).map(Version::place);
            for position in start..survivors.end {
                let version = history.get(position).expect("a survivor is held");
                let is_old = version.modified <= self.compacted;
                let is_buried = version.is_tombstone() && version.modified == self.compacted;
                let is_replaced = is_old && keeps_any && kept != Some(version.place());
                if counts_doomed || counts_buried && is_buried || !(is_buried || is_replaced) {
                    versions.push((key, version));
                }
            }
        }
        versions.sort_unstable_by_key(|(_, version)| version.place());
        versions
    }
}

/// A revision as etcd writes it, in the order of its bytes (`server/storage/mvcc/revision.go`).
fn put_revision(bytes: &mut Vec<u8>, version: &Version) {
    #![expect(clippy::big_endian_bytes, reason = "etcd's keys sort by their bytes")]
    bytes.extend_from_slice(&version.modified.0.to_be_bytes());
    bytes.push(b'_');
    bytes.extend_from_slice(&u64::from(version.sub).to_be_bytes());
    if version.is_tombstone() {
        bytes.push(b't');
    }
}

/// `mvccpb.KeyValue` (`api/mvccpb/kv.proto`): fields in the order of their numbers, without those that are zero. Of a
/// tombstone only the key is written.
fn put_key_value(bytes: &mut Vec<u8>, key: &Key, version: &Version) {
    put_bytes(bytes, 1, key.as_slice());
    if version.is_tombstone() {
        return;
    }
    put_number(bytes, 2, version.created.0);
    put_number(bytes, 3, version.modified.0);
    put_number(bytes, 4, version.version);
    put_bytes(bytes, 5, version.value.as_slice());
    put_number(bytes, 6, version.lease.0.cast_unsigned());
}

fn put_bytes(bytes: &mut Vec<u8>, field: u8, content: &[u8]) {
    if !content.is_empty() {
        bytes.push(field << 3 | 2);
        put_varint(bytes, content.len() as u64);
        bytes.extend_from_slice(content);
    }
}

fn put_number(bytes: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        bytes.push(field << 3);
        put_varint(bytes, number);
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}
