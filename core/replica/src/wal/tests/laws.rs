//! Laws that hold for any sequence of actions, any crash and any damage.

use super::{disk::Luck, model::Bench, recover};
use crate::wal::{
    Follower, Record, Wal,
    codec::Reader,
    segment,
    segment::{Head, Name},
};
use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any, prop_assert_eq, proptest},
    test_runner::RngSeed,
};
use whitewater_api::{DiskImage, FileName};
use whitewater_mutation::{Mutation, Mutations};

const CLEAN: Mutations = Mutations::none();

fn config(cases: u32) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(0x57a1);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// Hurts a file: a flipped bit, an overwritten range, bytes from elsewhere.
fn damage(bytes: &mut [u8], how: u8, luck: &mut Luck) {
    let start = luck.below(bytes.len());
    let end = start + 1 + luck.below(600.min(bytes.len() - start));
    match how % 4 {
        0 => bytes[start] ^= 1 << luck.below(8),
        1 => bytes[start..end].fill(0),
        2 => bytes[start..end].fill_with(|| u8::try_from(luck.below(256)).unwrap()),
        _ => {
            let from = luck.below(bytes.len() - (end - start) + 1);
            bytes.copy_within(from..from + (end - start), start);
        }
    }
}

/// The pick-th segment of an image.
fn segment_of(image: &DiskImage, pick: usize) -> FileName {
    let is_segment = |file: &&FileName| matches!(Name::of(file), Name::Segment(_));
    let segments: Vec<_> = image.keys().filter(is_segment).collect();
    segments[pick % segments.len()].clone()
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn what_was_promised_survives_and_nothing_else_comes_back(
        actions in vec((any::<u8>(), any::<u16>()), 1..300),
        seed in any::<u64>(),
    ) {
        let mut bench = Bench::new(seed, CLEAN);
        bench.act_all(&actions);
        bench.crash(true);
    }

    #[test]
    fn damage_in_what_was_promised_is_refused_or_changes_nothing(
        actions in vec((any::<u8>(), any::<u16>()), 1..120),
        seed in any::<u64>(),
        how in any::<u8>(),
    ) {
        let mut bench = Bench::new(seed, CLEAN);
        bench.act_all(&actions);
        bench.settle();
        let mut image = bench.disk.image();
        let file = segment_of(&image, bench.luck.below(1000));
        let mut bytes = image[&file].to_vec();
        // The last frame says that all before it was promised; it was not promised itself.
        let end = if file == bench.wal.file { bench.wal.tip.start } else { bytes.len() };
        damage(&mut bytes[..end.max(1)], how, &mut bench.luck);
        image.insert(file, Bytes::from(bytes));
        if let Ok(mut recovered) = recover(&image, CLEAN) {
            recovered.torn = None;
            prop_assert_eq!(recovered, bench.now());
        }
    }

    #[test]
    fn a_lost_segment_is_refused_or_was_not_needed(
        actions in vec((any::<u8>(), any::<u16>()), 1..200),
        seed in any::<u64>(),
    ) {
        let mut bench = Bench::new(seed, CLEAN);
        bench.act_all(&actions);
        bench.settle();
        let mut image = bench.disk.image();
        let file = segment_of(&image, bench.luck.below(1000));
        if file != bench.wal.file {
            image.remove(&file);
            if let Ok(recovered) = recover(&image, CLEAN) {
                prop_assert_eq!(recovered, bench.now());
            }
        }
    }

    #[test]
    fn no_bytes_make_recovery_panic(
        actions in vec((any::<u8>(), any::<u16>()), 1..60),
        seed in any::<u64>(),
        wounds in vec(any::<u8>(), 1..6),
        mutation in 0..Mutation::ALL.len(),
    ) {
        let mut bench = Bench::new(seed, CLEAN);
        bench.act_all(&actions);
        bench.settle();
        let mut image = bench.disk.image();
        for how in wounds {
            let file = segment_of(&image, bench.luck.below(1000));
            let mut bytes = image[&file].to_vec();
            if !bytes.is_empty() {
                damage(&mut bytes, how, &mut bench.luck);
                let length = if how % 8 == 7 { bench.luck.below(bytes.len()) } else { bytes.len() };
                bytes.truncate(length);
            }
            image.insert(file, Bytes::from(bytes));
        }
        let mutations = CLEAN.with(Mutation::ALL[mutation]);
        let mut ops = Vec::new();
        let again = Wal::recover(super::settings(mutations), &image, &mut ops);
        assert!(again.is_ok() || ops.is_empty(), "a refused log is not touched");
        let mut follower = Follower::new();
        for (file, bytes) in &image {
            drop(follower.advance(file, bytes, &mut drop));
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in vec(any::<u8>(), 0..400)) {
        let image = DiskImage::from([(segment::file_name(1), Bytes::from(bytes.clone()))]);
        assert!(recover(&image, CLEAN).is_err());
        for version in [1, 2] {
            drop(Head::decode(&bytes, version));
        }
        for kind in 0..6 {
            let record: Vec<u8> = [kind].into_iter().chain(bytes.iter().copied()).collect();
            for version in [1, 2] {
                drop(Record::decode(&mut Reader::new(&record), version));
            }
        }
    }
}

/// The model must be able to object: each of these bugs is found by the same random sequences.
#[test]
fn the_model_finds_the_planted_bugs() {
    let found = |mutation| {
        (0..400).any(|seed| {
            std::panic::catch_unwind(|| {
                let mut luck = Luck::new(seed * 0x9e37_79b9 + 7);
                let mut bench = Bench::new(seed, CLEAN.with(mutation));
                for _ in 0..200 {
                    let size = u16::try_from(luck.below(65536)).unwrap();
                    bench.act((u8::try_from(luck.below(256)).unwrap(), size));
                }
                bench.crash(true);
            })
            .is_err()
        })
    };
    for mutation in [
        Mutation::EntriesNotSynced,
        Mutation::ConflictKept,
        Mutation::GhostTail,
        Mutation::TornTailRefused,
        Mutation::DirectoryNotSynced,
    ] {
        assert!(found(mutation), "{} was not found", mutation.name());
    }
}
