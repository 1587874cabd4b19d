//! Files of bbolt, the database in which etcd keeps its content and by which it hands out snapshots.
//!
//! ```text
//!  page 0, 1: meta, two generations, the newer valid one counts ──▶ root bucket ──▶ buckets ──▶ keys and values
//!  page     : id u64 | kind u16 | count u16 | further pages u32 | elements                    (little endian)
//!  leaf     : (flags u32 | offset u32 | key length u32 | value length u32)*  keys and values behind them
//!  branch   : (offset u32 | key length u32 | page u64)*                      first keys behind them
//! ```
//!
//! [`Database`] reads a file that may come from anywhere, so nothing in it is trusted: every place is held against the bounds,
//! no page is visited twice, keys must rise. [`Writer`] writes one page by page, full and without free pages. There
//! is no changing of files here. After bbolt's `page.go`, `node.go`, `bucket.go` and `db.go`.

#![forbid(unsafe_code)]

mod page;
mod read;
mod write;

pub use self::{
    read::{BoltError, Database, Visitor},
    write::{Layout, Writer},
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeMap, io::Write};

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    fn written(buckets: &BTreeMap<Vec<u8>, Rows>) -> Vec<u8> {
        let mut file = Vec::new();
        let measured = fill(Writer::measure(), buckets);
        fill(Writer::new(measured, &mut file).unwrap(), buckets);
        assert_eq!(file.len() as u64, measured.bytes());
        file
    }

    fn fill<W: Write>(mut writer: Writer<W>, buckets: &BTreeMap<Vec<u8>, Rows>) -> Layout {
        for (name, rows) in buckets {
            writer.bucket(name, rows.iter()).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(file: &[u8], name: &[u8]) -> Result<Option<Rows>, BoltError> {
        let mut rows = Rows::new();
        let is_there = Database::open(file)?.bucket(name, &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
        })?;
        Ok(is_there.then_some(rows))
    }

    fn rows(count: u32) -> Rows {
        (0..count).map(|n| (format!("{n:08}").into_bytes(), vec![7; n as usize % 300])).collect()
    }

    #[test]
    fn many_rows_take_branches_of_branches_and_large_ones_pages_of_their_own() {
        let large = Rows::from([(b"large".to_vec(), vec![9; 100_000]), (b"m".to_vec(), vec![])]);
        let buckets = BTreeMap::from([
            (b"a".to_vec(), rows(40_000)),
            (b"b".to_vec(), large),
            (b"c".to_vec(), Rows::new()),
        ]);
        let file = written(&buckets);
        assert_eq!(file.len() % 4096, 0);
        for (name, rows) in &buckets {
            assert_eq!(read(&file, name).unwrap().as_ref(), Some(rows));
        }
        assert_eq!(read(&file, b"d").unwrap(), None);
    }

    #[test]
    fn a_damaged_generation_is_passed_over_and_two_are_refused() {
        let mut file = written(&BTreeMap::from([(b"a".to_vec(), rows(10))]));
        file[4096 + 40] ^= 1;
        assert_eq!(read(&file, b"a").unwrap(), Some(rows(10)));
        file[40] ^= 1;
        assert_eq!(read(&file, b"a"), Err(BoltError::NoMeta));
        assert_eq!(read(b"", b"a"), Err(BoltError::NoMeta));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            rows in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 1..40), prop::collection::vec(any::<u8>(), 0..3000), 0..60),
        ) {
            let file = written(&BTreeMap::from([(b"key".to_vec(), rows.clone())]));
            prop_assert_eq!(read(&file, b"key").unwrap(), Some(rows));
        }

        /// Whatever is flipped or cut off, it is refused or read, and nothing panics, loops or reads out of bounds.
        #[test]
        fn damage_is_no_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..8),
            cut: prop::sample::Index,
            is_cut: bool,
        ) {
            let mut file = written(&BTreeMap::from([(b"a".to_vec(), rows(500)), (b"b".to_vec(), rows(3))]));
            for (place, bits) in flips {
                let place = place.index(file.len());
                file[place] ^= bits;
            }
            if is_cut {
                file.truncate(cut.index(file.len()));
            }
            for name in [b"a", b"b"] {
                drop(read(&file, name));
            }
        }
    }
}
