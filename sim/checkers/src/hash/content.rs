//! What a hash over revisions is of, worked out from the history.
//!
//! CRC-32C of the word `key`, then of each version that counts, by revision: its revision as etcd keys it, 17 bytes and a
//! `t` behind those of a deletion, and its `mvccpb.KeyValue` as protobuf. As of revision `r`, after a compaction at `c`,
//! these count (etcd, `server/storage/mvcc/hash.go`, `kvHasher`):
//!
//! - of those after `c`, all up to `r`;
//! - of those up to `c`, what its key holds at `r`; but if no key holds anything at `r`, what its key held at `c`.

use crate::{
    case::Case,
    model::{Cell, Version},
    timeline::Timeline,
};
use whitewater_api::Revision;

/// More versions than this are not looked at, over all hashes of a history.
const VERSIONS_MAX: usize = 50_000_000;

/// All versions of all keys, of a history whose writes are all known.
pub(super) struct Content<'a> {
    case: &'a Case<'a>,
    versions: &'a [Version],
    /// By version: the revision of the next one of its key.
    next: Vec<u64>,
    /// Behind this revision something is not known.
    newest: u64,
    /// Versions that were looked at so far.
    looked_at: usize,
}

impl<'a> Content<'a> {
    /// Nothing, if something may have been there before the writes of the history.
    pub(super) fn new(case: &'a Case<'a>, timeline: &'a Timeline<'a>) -> Option<Self> {
        if timeline.first > 0 || !case.epochs.is_empty() {
            return None;
        }
        let versions = timeline.model.versions.as_slice();
        let mut next = vec![u64::MAX; versions.len()];
        let mut newest_of = vec![u64::MAX; case.keys.len()];
        for (version, next) in versions.iter().zip(&mut next).rev() {
            *next = std::mem::replace(&mut newest_of[version.key as usize], version.revision);
        }
        let last = (timeline.writes.len() as u64).saturating_sub(1).max(Revision::FIRST.0);
        let doubt = timeline.guessed.iter().min().map_or(u64::MAX, |guessed| guessed - 1);
        Some(Self { case, versions, next, newest: last.min(doubt), looked_at: 0 })
    }

    /// The hash as of `revision` after a compaction at `compacted`, if all that it is of is known.
    pub(super) fn hash(&mut self, revision: u64, compacted: u64) -> Option<u32> {
        self.looked_at += self.versions.len();
        if revision > self.newest || compacted > revision || self.looked_at > VERSIONS_MAX {
            return None;
        }
        let end = self.versions.partition_point(|version| version.revision <= revision);
        let of_old = if self.holds_any(end, revision) { revision } else { compacted };
        let mut hash = crc32c::crc32c(b"key");
        let (mut at, mut sub) = (0, 0);
        for (place, version) in self.versions[..end].iter().enumerate() {
            sub = if version.revision == at { sub + 1 } else { 0 };
            at = version.revision;
            if at > compacted || self.holds(place, of_old) {
                hash = crc32c::crc32c_append(hash, &self.row(version, sub));
            }
        }
        Some(hash)
    }

    fn holds_any(&self, end: usize, revision: u64) -> bool {
        (0..end).any(|place| self.holds(place, revision))
    }

    /// Whether a version is what its key held at `revision`, which is not before it.
    fn holds(&self, place: usize, revision: u64) -> bool {
        self.versions[place].cell.is_some() && self.next[place] > revision
    }

    fn row(&self, version: &Version, sub: u64) -> Vec<u8> {
        #![expect(clippy::big_endian_bytes, reason = "etcd's keys sort by their bytes")]
        let mut row = version.revision.to_be_bytes().to_vec();
        row.push(b'_');
        row.extend_from_slice(&sub.to_be_bytes());
        if version.cell.is_none() {
            row.push(b't');
        }
        bytes_field(&mut row, 1, self.case.keys[version.key as usize].as_slice());
        if let Some(Cell { value, create, modified, version, lease }) = version.cell {
            number_field(&mut row, 2, create);
            number_field(&mut row, 3, modified);
            number_field(&mut row, 4, version);
            bytes_field(&mut row, 5, self.case.values[value as usize]);
            number_field(&mut row, 6, lease.cast_unsigned());
        }
        row
    }
}

/// A field of a protobuf message whose wire type is a length and bytes. Empty ones are left out.
fn bytes_field(row: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        row.push(number << 3 | 2);
        varint(row, bytes.len() as u64);
        row.extend_from_slice(bytes);
    }
}

/// The same of a number. Zeros are left out.
fn number_field(row: &mut Vec<u8>, number: u8, value: u64) {
    if value != 0 {
        row.push(number << 3);
        varint(row, value);
    }
}

fn varint(row: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        row.push(u8::try_from(value & 0x7f).expect("seven bits are left") | 0x80);
        value >>= 7;
    }
    row.push(u8::try_from(value).expect("seven bits are left"));
}
