use super::*;
use crate::limits::SECTOR_BYTES;
use bytes::Bytes;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use std::collections::{BTreeMap, BTreeSet};

mod model;
use model::Model;

const NODE: NodeId = NodeId(1);

fn config() -> Config {
    Config { rng_seed: RngSeed::Fixed(2), failure_persistence: None, ..Config::default() }
}

fn disk_that_keeps(keep_ppm: u32, torn_ppm: u32, seed: u64) -> Disk {
    let profile =
        DiskProfile { keep_ppm, torn_ppm, directory_keep_ppm: keep_ppm, ..DiskProfile::default() };
    Disk::new(profile, Seed(seed), NODE)
}

fn disk() -> Disk {
    disk_that_keeps(500_000, 100_000, 1)
}

fn create(name: &str) -> DiskOp {
    DiskOp::Create { file: name.into() }
}

fn write(name: &str, offset: u64, bytes: &[u8]) -> DiskOp {
    DiskOp::Write { file: name.into(), offset, bytes: Bytes::copy_from_slice(bytes) }
}

fn set_length(name: &str, length: u64) -> DiskOp {
    DiskOp::SetLength { file: name.into(), length }
}

fn sync(name: &str) -> DiskOp {
    DiskOp::Sync { file: name.into() }
}

fn rename(from: &str, to: &str) -> DiskOp {
    DiskOp::Rename { from: from.into(), to: to.into() }
}

fn remove(name: &str) -> DiskOp {
    DiskOp::Remove { file: name.into() }
}

/// Submits a batch and completes it at once.
fn run(disk: &mut Disk, ops: Vec<DiskOp>) -> Result<(), DiskError> {
    disk.submit(SimTime::ZERO, WriteId(0), ops);
    disk.complete(WriteId(0))
}

fn read(disk: &Disk, name: &str) -> Option<Bytes> {
    disk.image().remove(&FileName::from(name))
}

/// A disk with one durable file.
fn disk_with(mut disk: Disk, name: &str, bytes: &[u8]) -> Disk {
    run(&mut disk, vec![create(name), write(name, 0, bytes), sync(name), DiskOp::SyncDirectory])
        .unwrap();
    disk
}

#[test]
fn batches_are_done_in_the_order_in_which_they_were_submitted() {
    let mut disk = disk();
    let slow = vec![create("a"), write("a", 0, &[1; 100_000]), sync("a")];
    let first = disk.submit(SimTime(5), WriteId(1), slow);
    let second = disk.submit(SimTime(6), WriteId(2), vec![]);
    assert!(first > SimTime(200_000) && second > first);
    assert_eq!(disk.due(), Some((first, WriteId(1))));
    assert_eq!(disk.image().len(), 0, "nothing has happened before it is done");
    disk.complete(WriteId(1)).unwrap();
    assert_eq!(disk.due(), Some((second, WriteId(2))));
    assert_eq!(read(&disk, "a").unwrap().len(), 100_000);
}

#[test]
fn a_slow_disk_adds_its_delay_to_each_batch_and_several_add_up() {
    let times = |faults: u32| {
        let mut disk = disk();
        for fault in 0..faults {
            disk.begin(FaultId(fault), DiskFault::Slow(Span::millis(10)));
        }
        let done = disk.submit(SimTime::ZERO, WriteId(0), vec![]);
        assert_eq!(disk.witnessed(FaultId(0)), u64::from(faults > 0));
        done
    };
    assert_eq!(times(2), times(0) + Span::millis(20));
}

#[test]
fn a_stall_holds_what_is_under_way_until_its_end() {
    let mut disk = disk();
    let done = disk.submit(SimTime::ZERO, WriteId(0), vec![]);
    let until = SimTime(1_000_000_000);
    disk.begin(FaultId(0), DiskFault::Stall { until });
    assert_eq!(disk.due(), Some((until, WriteId(0))));
    assert_eq!(disk.submit(SimTime(1), WriteId(1), vec![]), until);
    assert_eq!(disk.witnessed(FaultId(0)), 2);
    disk.end(FaultId(0));
    assert_eq!(disk.due(), Some((done, WriteId(0))));
    assert_eq!(disk.witnessed(FaultId(0)), 2);
}

#[test]
fn an_observer_sees_which_files_a_batch_made_durable() {
    let mut disk = disk();
    run(&mut disk, vec![create("a"), write("a", 0, b"one"), create("b")]).unwrap();
    assert!(disk.synced().is_empty() && !disk.is_directory_synced());
    run(&mut disk, vec![sync("a"), rename("a", "c"), sync("c")]).unwrap();
    let [file] = *disk.synced() else { panic!("{:?}", disk.synced()) };
    assert_eq!(disk.name(file), Some(&"c".into()));
    assert_eq!(disk.durable_bytes(file), Some(&b"one"[..]));
    assert_eq!(disk.durable(&"c".into()), None, "its name is not durable");
    run(&mut disk, vec![DiskOp::SyncDirectory]).unwrap();
    assert!(disk.synced().is_empty() && disk.is_directory_synced());
    assert_eq!(disk.durable(&"c".into()), Some(&b"one"[..]));
    assert_eq!(disk.durable_file(&"a".into()), None);
}

#[test]
fn preallocated_bytes_are_zero_and_take_no_memory() {
    let mut disk = disk();
    run(&mut disk, vec![create("a"), set_length("a", 1 << 20), write("a", 3, b"x"), sync("a")])
        .unwrap();
    let file = disk.synced()[0];
    assert_eq!(disk.durable_bytes(file), Some(&b"\0\0\0x"[..]));
    assert_eq!(disk.durable_length(file), Some(1 << 20));
    assert_eq!(read(&disk, "a").unwrap().len(), 1 << 20);
    assert_eq!(disk.used_bytes(), (1 << 20) + SECTOR_BYTES);
}

#[test]
fn a_failed_write_leaves_some_first_bytes_and_fails_once() {
    let mut disk = disk_with(disk(), "a", b"");
    disk.begin(FaultId(0), DiskFault::FailWrite);
    assert_eq!(run(&mut disk, vec![write("a", 0, b"lost"), create("b")]), Err(DiskError::Io));
    assert!(b"lost".starts_with(&read(&disk, "a").unwrap()));
    assert_eq!(read(&disk, "b"), None, "the batch has stopped");
    assert_eq!(disk.witnessed(FaultId(0)), 1);
    run(&mut disk, vec![write("a", 0, b"kept")]).unwrap();
    assert_eq!(read(&disk, "a").unwrap(), "kept");
}

#[test]
fn after_a_failed_sync_the_pages_are_gone_and_the_next_sync_succeeds_without_them() {
    let mut disk = disk_with(disk_that_keeps(1_000_000, 0, 1), "a", b"old");
    disk.begin(FaultId(0), DiskFault::FailSync);
    assert_eq!(run(&mut disk, vec![write("a", 0, b"newer"), sync("a")]), Err(DiskError::Io));
    assert!(disk.synced().is_empty());
    assert_eq!(run(&mut disk, vec![sync("a")]), Ok(()));
    assert_eq!(read(&disk, "a").unwrap(), "old");
    disk.crash(true);
    assert_eq!(read(&disk, "a").unwrap(), "old");
}

#[test]
fn a_full_disk_refuses_what_needs_space_and_keeps_what_it_has() {
    let mut disk = disk_with(disk(), "a", &[1; 600]);
    disk.begin(FaultId(0), DiskFault::Full);
    for op in [create("b"), write("a", 1_000, &[2; 25]), set_length("a", 1_025)] {
        assert_eq!(run(&mut disk, vec![op]), Err(DiskError::NoSpace));
    }
    assert_eq!(disk.witnessed(FaultId(0)), 3);
    assert_eq!(read(&disk, "a").unwrap(), vec![1; 600]);
    run(&mut disk, vec![write("a", 0, &[3; 1_024]), sync("a"), rename("a", "b")]).unwrap();
    assert_eq!(read(&disk, "b").unwrap(), vec![3; 1_024]);
    run(&mut disk, vec![remove("b"), create("c"), write("c", 0, &[4; 1_024])]).unwrap();
    disk.end(FaultId(0));
    run(&mut disk, vec![create("d")]).unwrap();
}

#[test]
fn a_wiped_disk_is_empty_and_does_not_reuse_the_numbers_of_files() {
    let mut disk = disk_with(disk(), "a", b"x");
    let before = disk.durable_file(&"a".into()).unwrap();
    disk.submit(SimTime::ZERO, WriteId(7), vec![]);
    disk.wipe();
    assert_eq!((disk.image().len(), disk.due(), disk.used_bytes()), (0, None, 0));
    let disk = disk_with(disk, "a", b"y");
    assert!(disk.durable_file(&"a".into()).unwrap() > before);
}

#[test]
fn an_operation_on_a_file_that_is_not_there_is_an_error() {
    let mut disk = disk();
    for op in [write("a", 0, b"x"), set_length("a", 1), sync("a"), rename("a", "b")] {
        assert_eq!(run(&mut disk, vec![op]), Err(DiskError::Io));
    }
    let too_long = write("a", u64::MAX, b"x");
    assert_eq!(run(&mut disk, vec![create("a"), too_long]), Err(DiskError::NoSpace));
}

#[test]
fn removing_a_file_that_is_not_there_changes_nothing() {
    let mut disk = disk_with(disk(), "a", b"x");
    run(&mut disk, vec![remove("b"), remove("a"), remove("a")]).unwrap();
    assert_eq!((disk.image().len(), disk.unsynced_changes()), (0, 1));
}

#[test]
fn a_lost_rename_leaves_the_old_names_and_the_old_bytes() {
    let mut disk = disk_with(disk_with(disk_that_keeps(0, 0, 1), "a", b"old"), "tmp", b"new");
    run(&mut disk, vec![rename("tmp", "a")]).unwrap();
    assert_eq!(disk.image(), DiskImage::from([("a".into(), "new".into())]));
    assert_eq!(disk.crash(true).names_lost, 1);
    let both = [("a".into(), "old".into()), ("tmp".into(), "new".into())];
    assert_eq!(disk.image(), DiskImage::from(both));
}

#[test]
fn what_a_process_left_in_the_page_cache_a_later_power_loss_still_takes() {
    let mut disk = disk_with(disk_that_keeps(0, 0, 1), "a", b"old");
    run(&mut disk, vec![write("a", 0, b"new!")]).unwrap();
    assert_eq!(disk.crash(false), Loss::default());
    assert_eq!(read(&disk, "a").unwrap(), "new!");
    assert_eq!(disk.crash(true), Loss { bytes: 4, ..Loss::default() });
    assert_eq!(read(&disk, "a").unwrap(), "old");
}

#[test]
fn of_the_batches_under_way_a_prefix_of_the_oldest_happens() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let mut disk = disk_with(disk_that_keeps(0, 0, seed), "a", b"");
        let ops = vec![write("a", 0, b"ab"), write("a", 2, b"c"), create("b")];
        disk.submit(SimTime::ZERO, WriteId(0), ops);
        disk.submit(SimTime::ZERO, WriteId(1), vec![create("never")]);
        assert_eq!(disk.crash(false).batches, 2);
        assert_eq!(disk.due(), None);
        assert_eq!(read(&disk, "never"), None);
        let bytes = read(&disk, "a").unwrap();
        assert!(b"abc".starts_with(&bytes));
        let is_whole = bytes.len() == 3;
        assert!(is_whole || read(&disk, "b").is_none());
        seen.insert((bytes.len(), read(&disk, "b").is_some()));
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}

/// What a sector was after each write, the durable one first.
fn versions(sector: usize, base: &[u8], writes: &[(u64, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut file = base.to_vec();
    let mut all = Vec::new();
    let at = sector * 512;
    all.push(file[at..at + 512].to_vec());
    for (offset, bytes) in writes {
        let start = usize::try_from(*offset).unwrap();
        file[start..start + bytes.len()].copy_from_slice(bytes);
        all.push(file[at..at + 512].to_vec());
    }
    all
}

fn is_torn_between(found: &[u8], new: &[u8], old: &[u8]) -> bool {
    (0..=found.len()).any(|at| found[..at] == new[..at] && found[at..] == old[at..])
}

#[test]
fn unsynced_sectors_are_kept_lost_and_torn_each_on_its_own() {
    let (mut kept, mut lost, mut torn, mut mixed) = (0, 0, 0, 0);
    for seed in 0..100 {
        let base = vec![1; 4 * 512];
        let mut disk = disk_with(disk_that_keeps(500_000, 200_000, seed), "a", &base);
        run(&mut disk, vec![write("a", 0, &[2; 4 * 512])]).unwrap();
        let loss = disk.crash(true);
        let after = read(&disk, "a").unwrap();
        let new: usize = after.iter().map(|byte| usize::from(*byte == 2)).sum();
        assert_eq!(loss.bytes, u64::try_from(4 * 512 - new).unwrap());
        let states: Vec<_> = after.chunks(512).map(|s| (s[0], s[511])).collect();
        kept += states.iter().filter(|state| **state == (2, 2)).count();
        lost += states.iter().filter(|state| **state == (1, 1)).count();
        torn += states.iter().filter(|state| **state == (2, 1)).count();
        assert!(!states.contains(&(1, 2)), "a torn sector has its new bytes first");
        mixed += u32::from(states.windows(2).any(|w| w[0] == (1, 1) && w[1] == (2, 2)));
    }
    assert!(kept > 80 && lost > 80 && torn > 10 && mixed > 10, "{kept} {lost} {torn} {mixed}");
}

#[test]
fn a_grown_file_may_lose_its_length_or_keep_zeros_where_its_bytes_were_lost() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let mut disk = disk_with(disk_that_keeps(500_000, 0, seed), "a", b"");
        run(&mut disk, vec![write("a", 0, &[2; 512])]).unwrap();
        disk.crash(true);
        let after = read(&disk, "a").unwrap();
        assert!(after.is_empty() || after == vec![0; 512] || after == vec![2; 512]);
        seen.insert((after.len(), after.first().copied()));
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn unsynced_names_are_kept_or_lost_each_on_its_own_or_as_a_prefix() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let mut disk = disk_with(disk_that_keeps(500_000, 0, seed), "old", b"x");
        run(&mut disk, vec![create("new"), rename("new", "newer"), remove("old")]).unwrap();
        let loss = disk.crash(true);
        let names: Vec<_> = disk.image().into_keys().map(|name| name.0).collect();
        seen.insert((loss.names_lost, names.join(" ")));
    }
    let possible = [
        (0, "newer"),
        (1, "newer"), // The creation was lost: the file has its last name.
        (1, "new"),
        (1, "newer old"),
        (2, ""),
        (2, "new old"),
        (2, "newer old"),
        (3, "old"),
    ];
    assert_eq!(seen, possible.map(|(lost, names)| (lost, names.to_owned())).into());
}

#[test]
fn a_file_with_too_many_unsynced_changes_is_written_back() {
    let mut disk = disk_with(disk_that_keeps(0, 0, 1), "a", b"");
    let ops = (0..=crate::limits::UNSYNCED_CHANGES_MAX).map(|_| write("a", 0, b"x")).collect();
    run(&mut disk, ops).unwrap();
    assert_eq!(disk.unsynced_changes(), 1);
    disk.crash(true);
    assert_eq!(read(&disk, "a").unwrap(), "x");
}

#[test]
fn a_cut_that_is_lost_takes_the_writes_after_it_along() {
    for seed in 0..200 {
        let mut disk = disk_with(disk_that_keeps(500_000, 0, seed), "a", &[1; 512]);
        run(&mut disk, vec![create("a"), write("a", 0, b"xy")]).unwrap();
        disk.crash(true);
        let after = read(&disk, "a").unwrap();
        let possible: [&[u8]; 4] = [&[1; 512], b"", b"\0\0", b"xy"];
        assert!(possible.contains(&&after[..]), "{after:?}");
    }
}

fn unsynced_writes() -> impl Strategy<Value = Vec<(u64, Vec<u8>)>> {
    let write = (0..2_000_u64, 1..2_000_usize, 2..=255_u8).prop_map(|(offset, length, byte)| {
        let length = length.min(2_048 - usize::try_from(offset).unwrap());
        (offset, vec![byte; length])
    });
    prop::collection::vec(write, 0..6)
}

/// A disk with a log of so many synced writes of one size.
fn disk_with_log(disk: Disk, writes: u64, size: usize) -> Disk {
    let mut disk = disk_with(disk, "log", &[]);
    for n in 0..writes {
        let at = n * contents::as_u64(size);
        let byte = u8::try_from(n % 250 + 1).unwrap();
        run(&mut disk, vec![write("log", at, &vec![byte; size]), sync("log")]).unwrap();
    }
    disk
}

#[test]
fn a_sector_that_is_read_wrongly_is_right_the_next_time() {
    let mut disk = disk_with_log(disk(), 20, 700);
    let good = disk.image();
    assert!(disk.damage(Damage::Misread));
    assert_ne!(disk.image(), good);
    disk.reread();
    assert_eq!(disk.image(), good);
}

#[test]
fn nothing_is_damaged_that_no_reader_could_tell_from_an_end() {
    for (writes, size) in [(0, 0), (1, 5_000), (2, 400)] {
        let mut disk = disk_with_log(disk(), writes, size);
        let good = disk.image();
        for how in
            [Damage::Rot, Damage::Phantom, Damage::Misdirected, Damage::Misread, Damage::Unreadable]
        {
            assert!(!disk.damage(how));
        }
        assert_eq!(disk.image(), good);
    }
}

#[test]
fn a_sync_that_lies_holds_until_the_power_goes() {
    let mut disk = disk_with_log(disk_that_keeps(0, 0, 1), 3, 100);
    let before = disk.image();
    disk.begin(FaultId(4), DiskFault::Lie);
    run(&mut disk, vec![write("log", 300, b"promised"), sync("log")]).unwrap();
    let promised = disk.image();
    assert_eq!(disk.witnessed(FaultId(4)), 1);
    assert!(!disk.crash(false).is_betrayed);
    assert_eq!(disk.image(), promised);
    assert!(disk.crash(true).is_betrayed);
    assert_eq!(disk.image(), before);
    run(&mut disk, vec![write("log", 300, b"promised"), sync("log")]).unwrap();
    disk.end(FaultId(4));
    assert!(!disk.crash(true).is_betrayed);
    assert_eq!(disk.image(), promised);
}

#[test]
fn a_short_write_takes_as_long_as_two() {
    let calm = || Disk::new(DiskProfile::calm(), Seed(1), NODE);
    let batch = || vec![create("a"), write("a", 0, &[1; 900]), sync("a")];
    let whole = calm().submit(SimTime::ZERO, WriteId(0), batch());
    let mut disk = calm();
    disk.begin(FaultId(0), DiskFault::Short);
    let parts = disk.submit(SimTime::ZERO, WriteId(0), batch());
    assert_eq!(parts, whole + DiskProfile::calm().write.min);
    assert_eq!(disk.witnessed(FaultId(0)), 1);
}

proptest! {
    #![proptest_config(config())]

    /// What was synced and is not damaged is there after any crash, and no more than one sector is damaged.
    #[test]
    fn damage_is_one_sector_of_what_was_proven(
        seed in any::<u64>(), writes in 0..30_u64, size in 1..900_usize, power in any::<bool>(),
        how in prop::sample::select(vec![Damage::Rot, Damage::Phantom, Damage::Misdirected]),
    ) {
        let mut disk = disk_with_log(disk_that_keeps(500_000, 100_000, seed), writes, size);
        let good = read(&disk, "log").unwrap();
        let did = disk.damage(how);
        disk.crash(power);
        let bad = read(&disk, "log").unwrap();
        prop_assert_eq!(did, good != bad);
        prop_assert_eq!(good.len(), bad.len());
        let wrong: Vec<usize> = (0..good.len()).filter(|at| good[*at] != bad[*at]).collect();
        if let (Some(first), Some(last)) = (wrong.first(), wrong.last()) {
            prop_assert_eq!(first / 512, last / 512);
            // The last write proves what is before the one before it.
            let proven = usize::try_from(writes - 2).unwrap() * size;
            prop_assert!(*last < proven, "{last} of {proven}");
        }
    }

    #[test]
    fn a_torn_sector_is_the_first_bytes_of_a_new_one_and_the_rest_of_an_old_one(
        seed in any::<u64>(), writes in unsynced_writes(), tears in any::<bool>(),
    ) {
        let base = vec![1; 2_048];
        let torn_ppm = if tears { 500_000 } else { 0 };
        let mut disk = disk_with(disk_that_keeps(500_000, torn_ppm, seed), "a", &base);
        for (offset, bytes) in &writes {
            run(&mut disk, vec![write("a", *offset, bytes)]).unwrap();
        }
        let loss = disk.crash(true);
        let after = read(&disk, "a").unwrap();
        prop_assert_eq!(after.len(), 2_048);
        for (sector, found) in after.chunks(512).enumerate() {
            let versions = versions(sector, &base, &writes);
            let is_whole = versions.iter().any(|version| version == found);
            let is_torn = versions.iter().enumerate().any(|(i, new)| {
                versions[..i].iter().any(|old| is_torn_between(found, new, old))
            });
            prop_assert!(is_whole || (is_torn && loss.sectors_torn > 0), "sector {}", sector);
        }
    }

    #[test]
    fn what_was_synced_is_there_after_any_crash_and_nothing_is_there_that_was_never_written(
        seed in any::<u64>(), keep in prop_oneof![Just(0), Just(1_000_000), 0..1_000_000_u32],
        lives in prop::collection::vec((model::operations(), any::<bool>()), 1..4),
    ) {
        let mut disk = disk_that_keeps(keep, 300_000, seed);
        let mut model = Model::default();
        for (ops, power) in lives {
            for op in ops {
                if run(&mut disk, vec![op.clone()]).is_ok() {
                    model.perform(op);
                }
            }
            model.check_durable(&disk)?;
            prop_assert_eq!(disk.image(), model.image());
            disk.crash(power);
            if power {
                model.check_power_loss(&disk.image())?;
                model = Model::durable(&disk.image());
                prop_assert_eq!(disk.unsynced_changes(), 0);
                prop_assert_eq!(disk.clone().crash(true), Loss::default());
            }
            prop_assert_eq!(disk.image(), model.image());
        }
    }

    #[test]
    fn the_same_seed_loses_the_same(seed in any::<u64>(), ops in model::operations()) {
        let lose = || {
            let mut disk = disk_that_keeps(500_000, 500_000, seed);
            let done: Vec<_> = ops.iter().map(|op| run(&mut disk, vec![op.clone()])).collect();
            let at = disk.submit(SimTime(9), WriteId(3), ops.clone());
            (done, at, disk.crash(true), disk.image())
        };
        prop_assert_eq!(lose(), lose());
    }
}
