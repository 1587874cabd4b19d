//! The hash over revisions, bit for bit the one of etcd (`server/storage/mvcc/hash.go`): the cheapest exact comparison of
//! two stores there is, with another member or with a real etcd.
//!
//! CRC-32C of the name of etcd's bucket, `key`, then of every version by revision: the 17 bytes of its revision (18 in a
//! tombstone), then its `mvccpb.KeyValue` as protobuf. What a compaction has given up does not count, however far the
//! physical one has come; nor do tombstones at the compaction revision, which older releases of etcd do not keep.

use crate::{history::Version, store::Store};
use std::{collections::BTreeMap, ops::Bound};
use whitewater_api::{Error, Key, KvHash, Revision};
use whitewater_mutation::Mutation;

/// The name of the bucket in which etcd keeps versions.
const BUCKET: &[u8] = b"key";

/// A hash over revisions in the making, some rows at a time.
///
/// It is of the store as it was at the beginning: whoever goes on applying meanwhile holds a [`crate::View`] open, so that
/// physical compaction waits.
///
/// ```text
///  keys in their order ─▶ what the compaction has left of each, sorted by revision ─▶ hashed
///                                       changes since the compaction, as the journal has them ─▶ hashed
/// ```
#[derive(Debug)]
pub struct KvHasher {
    revision: Revision,
    compacted: Revision,
    hash: u32,
    stage: Stage,
    /// Versions at or before the compaction, by place, and whether each is what its key was at `revision`.
    old: BTreeMap<(Revision, u32), (Key, bool)>,
    /// Whether any key was there at `revision`.
    keeps_any: bool,
}

#[derive(Debug)]
enum Stage {
    /// Looks for old versions, behind this key.
    Gathering(Option<Key>),
    /// Hashes those.
    Old,
    /// Hashes the changes behind this place.
    New((Revision, u32)),
}

impl KvHasher {
    /// Begins the hash as of `revision`; [`Revision::LATEST`] for the newest.
    pub fn new(store: &Store, revision: Revision) -> Result<Self, Error> {
        if revision > store.revision {
            return Err(Error::FutureRevision { current: store.revision });
        }
        if revision != Revision::LATEST && revision < store.compacted {
            return Err(Error::Compacted { compacted: store.compacted });
        }
        Ok(Self {
            revision: if revision == Revision::LATEST { store.revision } else { revision },
            compacted: store.compacted,
            hash: crc32c::crc32c(BUCKET),
            stage: Stage::Gathering(None),
            old: BTreeMap::new(),
            keeps_any: false,
        })
    }

    /// Looks at up to `left` more keys or versions, and takes them off. Answers when it has looked at all.
    pub fn step(&mut self, store: &Store, left: &mut usize) -> Option<KvHash> {
        while *left > 0 {
            let done = match self.stage {
                Stage::Gathering(_) => self.gather(store, left),
                Stage::Old => self.hash_old(store, left),
                Stage::New(place) => self.hash_new(store, place, left),
            };
            if done {
                let Self { hash, revision, compacted, .. } = *self;
                return Some(KvHash { hash, revision, compacted });
            }
        }
        None
    }

    fn gather(&mut self, store: &Store, left: &mut usize) -> bool {
        let Stage::Gathering(after) = &self.stage else { return false };
        let counts_doomed = store.mutations.has(Mutation::HashKvCountsDoomed);
        let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut last: Option<&Key> = None;
        for (key, history) in store.keys.range::<Key, _>((start, Bound::Unbounded)) {
            if *left == 0 {
                self.stage = Stage::Gathering(last.cloned());
                return false;
            }
            *left -= 1;
            last = Some(key);
            let kept = history.at(self.revision).map(Version::place);
            self.keeps_any |= kept.is_some();
            let survivors = history.survivors(self.compacted, self.revision);
            let start = if counts_doomed { 0 } else { survivors.start };
            let end = history.position(|version| version.modified <= self.compacted);
            for position in start..end {
                let version = history.get(position).expect("a survivor is held");
                let is_kept = kept == Some(version.place());
                self.old.insert(version.place(), (key.clone(), is_kept));
                *left = left.saturating_sub(1);
            }
        }
        self.stage = Stage::Old;
        false
    }

    /// etcd asks what a compaction at `revision` would keep of the versions at or before the last one; if that is nothing
    /// at all, it takes them all.
    fn hash_old(&mut self, store: &Store, left: &mut usize) -> bool {
        let counts_doomed = store.mutations.has(Mutation::HashKvCountsDoomed);
        let counts_buried = store.mutations.has(Mutation::HashKvCountsBuried);
        while *left > 0 {
            let Some((place, (key, is_kept))) = self.old.pop_first() else {
                self.stage = Stage::New((self.compacted, u32::MAX));
                return false;
            };
            *left -= 1;
            let version = version_at(store, &key, place);
            let is_buried = version.is_tombstone() && version.modified == self.compacted;
            let is_replaced = self.keeps_any && !is_kept;
            if counts_doomed || counts_buried && is_buried || !(is_buried || is_replaced) {
                self.add(&key, version);
            }
        }
        false
    }

    fn hash_new(&mut self, store: &Store, after: (Revision, u32), left: &mut usize) -> bool {
        let changes = &store.journal.changes;
        let start = changes.partition_point(|change| (change.revision, change.sub) <= after);
        let mut last = after;
        for change in changes.range(start..) {
            if change.revision > self.revision {
                return true;
            }
            if *left == 0 {
                self.stage = Stage::New(last);
                return false;
            }
            *left -= 1;
            last = (change.revision, change.sub);
            self.add(&change.key, version_at(store, &change.key, last));
        }
        true
    }

    fn add(&mut self, key: &Key, version: &Version) {
        let mut bytes = Vec::new();
        put_revision(&mut bytes, version.place(), version.is_tombstone());
        put_key_value(&mut bytes, key, version);
        self.hash = crc32c::crc32c_append(self.hash, &bytes);
    }
}

fn version_at<'a>(store: &'a Store, key: &Key, place: (Revision, u32)) -> &'a Version {
    let history = store.keys.get(key).expect("what is not compacted is held");
    let position = history.position(|version| version.place() < place);
    history.get(position).expect("what is not compacted is held")
}

impl Store {
    /// The hash as of `revision`; [`Revision::LATEST`] for the newest. Looks at everything at once.
    pub fn hash_kv(&self, revision: Revision) -> Result<KvHash, Error> {
        let mut hasher = KvHasher::new(self, revision)?;
        Ok(hasher.step(self, &mut usize::MAX.clone()).expect("it looks at everything"))
    }
}

/// A revision as etcd writes it, in the order of its bytes (`server/storage/mvcc/revision.go`).
pub(crate) fn put_revision(
    bytes: &mut Vec<u8>,
    (revision, sub): (Revision, u32),
    is_tombstone: bool,
) {
    #![expect(clippy::big_endian_bytes, reason = "etcd's keys sort by their bytes")]
    bytes.extend_from_slice(&revision.0.to_be_bytes());
    bytes.push(b'_');
    bytes.extend_from_slice(&u64::from(sub).to_be_bytes());
    if is_tombstone {
        bytes.push(b't');
    }
}

/// `mvccpb.KeyValue` (`api/mvccpb/kv.proto`): fields in the order of their numbers, without those that are zero. Of a
/// tombstone only the key is written.
pub(crate) fn put_key_value(bytes: &mut Vec<u8>, key: &Key, version: &Version) {
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

pub(crate) fn put_bytes(bytes: &mut Vec<u8>, field: u8, content: &[u8]) {
    if !content.is_empty() {
        bytes.push(field << 3 | 2);
        put_varint(bytes, content.len() as u64);
        bytes.extend_from_slice(content);
    }
}

pub(crate) fn put_number(bytes: &mut Vec<u8>, field: u8, number: u64) {
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
