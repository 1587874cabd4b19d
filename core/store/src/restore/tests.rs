use super::*;
use crate::Cursor;
use bytes::Bytes;
use whitewater_api::{Request, request::PutRequest};

fn parts(keys: u32) -> Vec<Bytes> {
    let mut store = Store::new(Mutations::none());
    for n in 0..keys {
        store.apply(&Request::Put(PutRequest::new(format!("k{n}"), "v"))).unwrap();
    }
    let view = store.open_view();
    let mut parts = Vec::new();
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        let part = store.part(&view, &at, 150);
        parts.push(part.bytes);
        cursor = part.next;
    }
    parts
}

fn restore<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Store, RestoreError> {
    let mut restore = Restore::new(Mutations::none());
    for part in parts {
        restore.push(part)?;
    }
    restore.finish()
}

/// A part with a correct frame and checksum around `body`.
fn framed(header: [u64; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = b"WWSTORE\x03".to_vec();
    for word in header {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(body);
    let checksum = Hash::new(2).bytes(&bytes).value();
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let parts = parts(6);
    assert!(restore(parts.iter().map(|part| &part[..])).is_ok());
    for (index, part) in parts.iter().enumerate() {
        let with = |bytes: &[u8]| {
            restore(parts.iter().enumerate().map(|(i, part)| if i == index { bytes } else { part }))
                .err()
        };
        for bit in 0..part.len() * 8 {
            let mut damaged = part.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(with(&damaged).is_some(), "part {index} bit {bit}");
        }
        for length in 0..part.len() {
            assert!(with(&part[..length]).is_some(), "part {index} cut to {length}");
        }
    }
}

#[test]
fn parts_left_out_repeated_or_swapped_are_refused() {
    let parts = parts(6);
    assert!(parts.len() >= 3);
    let order = |order: &[usize]| restore(order.iter().map(|index| &parts[*index][..])).err();
    assert_eq!(order(&[]), Some(RestoreError::Incomplete { parts: 0 }));
    assert_eq!(order(&[0, 1]), Some(RestoreError::Incomplete { parts: 2 }));
    assert_eq!(order(&[1]), Some(RestoreError::Misplaced { expected: 0, found: 1 }));
    assert_eq!(order(&[0, 0]), Some(RestoreError::Misplaced { expected: 1, found: 0 }));
    assert_eq!(order(&[0, 2, 1]), Some(RestoreError::Misplaced { expected: 1, found: 2 }));
    let mut all: Vec<_> = (0..parts.len()).collect();
    all.push(0);
    assert_eq!(order(&all), Some(RestoreError::AfterLast { found: 0 }));
}

#[test]
fn parts_of_two_snapshots_do_not_mix() {
    let (one, other) = (parts(6), parts(7));
    assert_eq!(restore([&one[0][..], &other[1][..]]).err(), Some(RestoreError::Mixed));
}

#[test]
fn a_refusal_is_final() {
    let parts = parts(1);
    let mut restore = Restore::new(Mutations::none());
    assert_eq!(restore.push(b"not a part"), Err(RestoreError::Foreign));
    assert_eq!(restore.push(&parts[0]), Err(RestoreError::Foreign));
    assert_eq!(restore.finish().err(), Some(RestoreError::Foreign));
}

#[test]
fn what_is_well_framed_but_makes_no_sense_is_refused() {
    let record = |tag: u8, key: &[u8], modified: u64, created: u64| {
        let mut record = vec![tag];
        if tag == 1 {
            record.extend_from_slice(&u32::try_from(key.len()).unwrap().to_le_bytes());
            record.extend_from_slice(key);
        }
        record.extend_from_slice(&modified.to_le_bytes());
        record.extend_from_slice(&0_u32.to_le_bytes());
        record.extend_from_slice(&created.to_le_bytes());
        if created > 0 {
            record.extend_from_slice(&[0; 8 + 8 + 4]);
        }
        record
    };
    let lease = |numbers: [i64; 3]| {
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        [5].into_iter().chain(numbers).collect::<Vec<u8>>()
    };
    let refused = |header, body: Vec<u8>| restore([&framed(header, &body)[..]]).err();
    let header = [0, 5, 1, 0];
    let malformed = |what| Some(RestoreError::Malformed { what });
    let two = |one: Vec<u8>, other: Vec<u8>| [one, other].concat();
    let cases = [
        (record(9, b"", 2, 2), malformed("unknown tag")),
        (record(2, b"", 2, 2), malformed("version of no key")),
        (record(1, b"", 2, 2), malformed("empty key")),
        (record(1, b"a", 6, 2), malformed("version from the future")),
        (record(1, b"a", 2, 3), malformed("version from the future")),
        (two(record(1, b"a", 3, 3), record(2, b"", 2, 2)), malformed("versions out of order")),
        (two(record(1, b"b", 2, 2), record(1, b"a", 3, 3)), malformed("keys out of order")),
        (lease([0, 5, 0]), malformed("impossible lease")),
        (lease([1, 0, 0]), malformed("impossible lease")),
        (lease([1, 5, 5]), malformed("impossible lease")),
        (two(lease([2, 5, 0]), lease([2, 5, 0])), malformed("leases out of order")),
        (two(record(1, b"a", 2, 2), lease([1, 5, 0])), malformed("lease behind keys")),
        (vec![3, 0], malformed("bytes after the end")),
        ([4, 1].into_iter().chain([0; 8]).chain([7]).collect(), malformed("unknown alarm")),
        (record(1, b"a", 2, 2), Some(RestoreError::Truncated)),
        (vec![1, 255, 255, 255, 255], Some(RestoreError::Truncated)),
    ];
    for (body, expected) in cases {
        assert_eq!(refused(header, body), expected);
    }
    assert_eq!(refused([0, 5, 6, 0], vec![3]), malformed("impossible revisions"));
    assert_eq!(refused([0, 0, 0, 0], vec![3]), malformed("impossible revisions"));
    let mut end = vec![4, 0];
    end.extend_from_slice(&[1; 16]);
    assert!(matches!(refused(header, end), Some(RestoreError::Miscounted { found: 0, .. })));
    let mut end = vec![4, 0];
    end.extend_from_slice(&[0; 16]);
    assert!(matches!(refused(header, end), Some(RestoreError::Digest { expected: 0, .. })));
}

#[test]
fn another_format_is_refused_by_its_number() {
    let mut part = parts(1)[0].to_vec();
    part[7] = 9;
    assert_eq!(restore([&part[..]]).err(), Some(RestoreError::Format { found: 9 }));
}
