//! What the log claims, one test a claim; the laws by random sequences at the end.

mod disk;
mod laws;
mod model;

use self::{
    disk::Disk,
    model::{OWNER, SEGMENT_BYTES},
};
use super::*;
use raft::eraftpb::ConfState;
use std::collections::BTreeMap;
use whitewater_api::{NodeId, Term};

const CLEAN: Mutations = Mutations::none();

const fn settings(mutations: Mutations) -> Settings {
    Settings { owner: OWNER, segment_bytes: SEGMENT_BYTES, release: Release::Newest, mutations }
}

fn entry(term: u64, index: u64) -> Record {
    entry_of(term, index, 60)
}

fn entry_of(term: u64, index: u64, bytes: usize) -> Record {
    let data = Bytes::from(vec![u8::try_from(index % 251).unwrap() + 1; bytes]);
    Record::Entry(Entry { term, index, data, ..Entry::default() })
}

fn hard_state(term: u64, commit: u64) -> Record {
    Record::HardState { term: Term(term), vote: Some(NodeId(1)), commit: Index(commit) }
}

fn mark(index: u64, installed: bool) -> Record {
    Record::Snapshot(SnapshotMark {
        index: Index(index),
        term: Term(1),
        conf_state: ConfState { voters: vec![1, 2, 3], ..ConfState::default() },
        file: "snapshot".into(),
        file_bytes: 1,
        file_checksum: 2,
        installed,
    })
}

/// A log whose flushes reach the disk at once and are reported at once.
struct Rig {
    wal: Wal,
    disk: Disk,
    mutations: Mutations,
}

impl Rig {
    fn new(mutations: Mutations) -> Self {
        let (mut disk, mut ops) = (Disk::default(), Vec::new());
        let wal = Wal::create(settings(mutations), &mut ops);
        disk.perform_all(&ops);
        Self { wal, disk, mutations }
    }

    /// Writes a batch and gives it back with what it asked of the disk.
    fn write(&mut self, records: &[Record]) -> (Batch, Vec<DiskOp>) {
        for record in records {
            self.wal.append(record);
        }
        let mut ops = Vec::new();
        let batch = self.wal.flush(&mut ops).unwrap();
        self.disk.perform_all(&ops);
        (batch, ops)
    }

    fn promise(&mut self, records: &[Record]) -> Vec<DiskOp> {
        let (batch, ops) = self.write(records);
        self.wal.on_durable(batch);
        ops
    }

    fn seal(&mut self) -> bool {
        let mut ops = Vec::new();
        let sealed = self.wal.seal(&mut ops);
        self.disk.perform_all(&ops);
        sealed
    }

    fn recover(&self, image: &DiskImage) -> Result<Recovered, WalError> {
        recover(image, self.mutations)
    }
}

fn recover(image: &DiskImage, mutations: Mutations) -> Result<Recovered, WalError> {
    Wal::recover(settings(mutations), image, &mut Vec::new()).map(|(_, found)| found)
}

fn indexes(recovered: &Recovered) -> Vec<(u64, u64)> {
    recovered.entries.iter().map(|entry| (entry.term, entry.index)).collect()
}

/// Changes one byte.
fn flip(image: &mut DiskImage, file: &FileName, offset: usize) {
    let mut bytes = image[file].to_vec();
    bytes[offset] ^= 0x40;
    image.insert(file.clone(), Bytes::from(bytes));
}

#[test]
fn a_log_says_after_a_restart_what_it_was_told() {
    let mut rig = Rig::new(CLEAN);
    let peer = Record::Peer { node: NodeId(2), incarnation: Incarnation(5) };
    rig.promise(&[entry(1, 1), entry(1, 2), hard_state(1, 1), peer]);
    let recovered = rig.recover(&rig.disk.image()).unwrap();
    assert_eq!(indexes(&recovered), [(1, 1), (1, 2)]);
    assert_eq!((recovered.term, recovered.vote), (Term(1), Some(NodeId(1))));
    assert_eq!(recovered.commit, Index(1));
    assert_eq!(recovered.peers[&NodeId(2)], Incarnation(5));
    assert_eq!(recovered.torn, None);
}

#[test]
fn an_empty_disk_is_fresh_and_a_log_is_not() {
    let mut image = DiskImage::from([(segment::temporary_name(1), Bytes::new())]);
    assert!(is_fresh(&image));
    assert_eq!(recover(&image, CLEAN), Err(WalError::Absent));
    image.extend(Rig::new(CLEAN).disk.image());
    assert!(!is_fresh(&image));
}

#[test]
fn a_full_segment_is_followed_by_another_and_gets_its_name_last() {
    let mut rig = Rig::new(CLEAN);
    let ops = rig.promise(&[entry_of(1, 1, 2000)]);
    assert_eq!(rig.wal.segments(), 2);
    let place = |wanted: fn(&DiskOp) -> bool| ops.iter().position(wanted).unwrap();
    assert!(
        place(|op| matches!(op, DiskOp::Sync { .. }))
            < place(|op| matches!(op, DiskOp::Create { .. }))
    );
    assert!(matches!(
        ops[ops.len() - 3..],
        [DiskOp::Sync { .. }, DiskOp::Rename { .. }, DiskOp::SyncDirectory]
    ));
    rig.promise(&[entry(1, 2)]);
    assert_eq!(indexes(&rig.recover(&rig.disk.image()).unwrap()), [(1, 1), (1, 2)]);
}

#[test]
fn segments_behind_a_snapshot_go_and_may_come_back_in_any_number() {
    let mut rig = Rig::new(CLEAN);
    for index in 1..=4 {
        rig.promise(&[entry_of(1, index, 2000), hard_state(1, index)]);
    }
    let whole = rig.disk.image();
    rig.promise(&[mark(3, false), entry(1, 5)]);
    let mut ops = Vec::new();
    rig.wal.retire(Index(3), &mut ops);
    rig.disk.perform_all(&ops);
    assert_eq!(ops.len(), 3, "{ops:?}");
    let expected = rig.recover(&rig.disk.image()).unwrap();
    assert_eq!(indexes(&expected), [(1, 4), (1, 5)]);
    for back in [&[1][..], &[2], &[1, 3], &[1, 2, 3]] {
        let mut image = rig.disk.image();
        image.extend(back.iter().map(|sequence| {
            let file = segment::file_name(*sequence);
            (file.clone(), whole[&file].clone())
        }));
        assert_eq!(rig.recover(&image).unwrap(), expected, "{back:?}");
    }
}

#[test]
fn a_missing_segment_is_refused_by_name() {
    let mut rig = Rig::new(CLEAN);
    for index in 1..=3 {
        rig.promise(&[entry_of(1, index, 2000)]);
    }
    let mut image = rig.disk.image();
    image.remove(&segment::file_name(2));
    let missing = WalError::MissingSegment { file: segment::file_name(2), snapshot: Index(0) };
    assert_eq!(rig.recover(&image), Err(missing));
}

#[test]
fn foreign_files_are_refused() {
    let rig = Rig::new(CLEAN);
    let image = rig.disk.image();
    let other = Wal::recover(
        Settings { owner: Incarnation(78), ..settings(CLEAN) },
        &image,
        &mut Vec::new(),
    );
    assert!(matches!(other.err(), Some(WalError::Foreign { found: OWNER, .. })));

    let mut image = rig.disk.image();
    image.insert("wal-1.bak".into(), Bytes::new());
    assert_eq!(rig.recover(&image), Err(WalError::ForeignName { file: "wal-1.bak".into() }));

    let mut image = rig.disk.image();
    let file = segment::file_name(1);
    let mut bytes = image[&file].to_vec();
    bytes[4] = 9;
    image.insert(file.clone(), Bytes::from(bytes.clone()));
    let damaged = rig.recover(&image);
    assert!(matches!(damaged, Err(WalError::Damaged { offset: 0, .. })), "all else is ours");
    // The checksum of another release covers its own version.
    bytes[36] ^= 1;
    image.insert(file.clone(), Bytes::from(bytes));
    assert_eq!(rig.recover(&image), Err(WalError::Version { file, found: 9, newest: 2 }));
}

/// The same disk under another release, with its recovery carried out.
fn reopened(rig: &mut Rig, release: Release) -> Result<Recovered, WalError> {
    let settings = Settings { release, ..settings(rig.mutations) };
    let mut ops = Vec::new();
    let (wal, recovered) = Wal::recover(settings, &rig.disk.image(), &mut ops)?;
    rig.disk.perform_all(&ops);
    rig.wal = wal;
    rig.wal.on_durable(rig.wal.last_batch());
    Ok(recovered)
}

#[test]
fn an_upgrade_goes_on_in_a_new_segment_which_the_previous_release_refuses_by_name() {
    let mut rig = Rig::new(CLEAN);
    let previous = Settings { release: Release::Previous, ..settings(CLEAN) };
    let (mut disk, mut ops) = (Disk::default(), Vec::new());
    rig.wal = Wal::create(previous, &mut ops);
    disk.perform_all(&ops);
    rig.disk = disk;
    rig.promise(&[entry(1, 1)]);
    assert_eq!(indexes(&reopened(&mut rig, Release::Compatible).unwrap()), [(1, 1)]);
    assert_eq!(rig.wal.segments(), 1, "the same form in the same segment");
    assert_eq!(indexes(&reopened(&mut rig, Release::Newest).unwrap()), [(1, 1)]);
    assert_eq!(rig.wal.segments(), 2);
    rig.promise(&[entry(1, 2)]);
    let refused = reopened(&mut rig, Release::Previous).unwrap_err();
    let file = segment::file_name(2);
    assert_eq!(refused, WalError::Version { file, found: 2, newest: 1 });
}

#[test]
fn a_log_can_be_read_by_the_previous_release_when_a_snapshot_reaches_the_form_of_before() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1), entry(1, 2)]);
    assert_eq!(rig.wal.newer_until(), None, "nobody is to read it");
    reopened(&mut rig, Release::Compatible).unwrap();
    assert_eq!(rig.wal.newer_until(), Some(Index(2)));
    rig.promise(&[entry(1, 3)]);
    rig.promise(&[mark(1, false)]);
    assert_eq!(rig.wal.newer_until(), Some(Index(2)), "entry 2 is still in the newer form");
    assert!(reopened(&mut rig, Release::Previous).is_err());
    rig.promise(&[mark(2, false)]);
    assert_eq!(rig.wal.newer_until(), None);
    assert_eq!(indexes(&reopened(&mut rig, Release::Previous).unwrap()), [(1, 3)]);
}

#[test]
fn what_was_written_into_the_segment_of_the_previous_release_is_lost_to_it() {
    let mut rig = Rig::new(CLEAN.with(Mutation::LogUpgradedInPlace));
    let previous = Settings { release: Release::Previous, ..settings(rig.mutations) };
    let (mut disk, mut ops) = (Disk::default(), Vec::new());
    rig.wal = Wal::create(previous, &mut ops);
    disk.perform_all(&ops);
    rig.disk = disk;
    rig.promise(&[entry(1, 1)]);
    reopened(&mut rig, Release::Newest).unwrap();
    rig.promise(&[entry(1, 2)]);
    rig.promise(&[entry(1, 3)]);
    let read = reopened(&mut rig, Release::Previous).unwrap();
    assert_eq!(indexes(&read), [(1, 1)], "two entries that were promised");
    assert!(read.torn.is_some(), "and it takes them for a torn write");
}

#[test]
fn a_renamed_segment_is_refused() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1)]);
    let bytes = rig.disk.image()[&segment::file_name(1)].clone();
    let image = DiskImage::from([(segment::file_name(2), bytes)]);
    assert!(matches!(rig.recover(&image), Err(WalError::Damaged { offset: 0, .. })));
}

#[test]
fn a_torn_tail_is_cut_zeroed_and_reported() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1)]);
    let (offset, file) = (rig.wal.tip.end, rig.wal.file.clone());
    // Two flushes in flight: the second one is whole, and proves nothing for the first.
    rig.write(&[entry(1, 2)]);
    rig.write(&[entry(1, 3)]);
    let mut image = rig.disk.image();
    flip(&mut image, &file, offset + 50);

    let mut ops = Vec::new();
    let (_, recovered) = Wal::recover(settings(CLEAN), &image, &mut ops).unwrap();
    assert_eq!(indexes(&recovered), [(1, 1)]);
    let torn = recovered.torn.unwrap();
    assert_eq!((torn.file, torn.offset), (file, offset as u64));
    let zeros =
        matches!(&ops[0], DiskOp::Write { bytes, .. } if bytes.iter().all(|byte| *byte == 0));
    assert!(zeros && matches!(ops[1..], [DiskOp::Sync { .. }, DiskOp::SyncDirectory]), "{ops:?}");

    let refused = recover(&image, CLEAN.with(Mutation::TornTailRefused));
    assert!(matches!(refused, Err(WalError::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_first_start_that_was_cut_short_knows_nobody() {
    let mut rig = Rig::new(CLEAN);
    let (offset, file) = (rig.wal.tip.end, rig.wal.file.clone());
    let (first, _) = rig.write(&[mark(1, true), hard_state(1, 1)]);
    let mut torn = rig.disk.image();
    flip(&mut torn, &file, offset + 50);
    assert_eq!(knows_peers(&torn, Release::Newest), Ok(false), "it was never promised");

    rig.wal.on_durable(first);
    rig.promise(&[Record::Peer { node: NodeId(2), incarnation: Incarnation(5) }]);
    assert_eq!(knows_peers(&rig.disk.image(), Release::Newest), Ok(true));
    let mut damaged = rig.disk.image();
    flip(&mut damaged, &file, offset + 50);
    assert!(matches!(knows_peers(&damaged, Release::Newest), Err(WalError::Damaged { .. })));
}

#[test]
fn a_stale_frame_in_the_right_place_does_not_continue_another_chain() {
    let written = |first: Record| {
        let mut rig = Rig::new(CLEAN);
        rig.write(&[first]);
        let end = rig.wal.tip.end;
        rig.write(&[entry(1, 2)]);
        (rig.disk.image()[&rig.wal.file].to_vec(), end)
    };
    let ((mut bytes, end), (other, _)) = (written(entry(1, 1)), written(entry(2, 1)));
    bytes[..end].copy_from_slice(&other[..end]);
    let image = DiskImage::from([(segment::file_name(1), Bytes::from(bytes))]);
    let recovered = recover(&image, CLEAN).unwrap();
    assert_eq!(indexes(&recovered), [(2, 1)]);
    assert_eq!(recovered.torn.unwrap().offset, end as u64);
}

#[test]
fn damage_in_what_was_promised_is_refused_at_its_place() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1)]);
    let (offset, file) = (rig.wal.tip.end, rig.wal.file.clone());
    rig.promise(&[entry(1, 2)]);
    rig.promise(&[entry(1, 3)]);
    let mut image = rig.disk.image();
    flip(&mut image, &file, offset + 50);
    match rig.recover(&image) {
        Err(WalError::Damaged { file: found, offset: at, .. }) => {
            assert_eq!((found, at), (file, offset as u64));
        }
        other => panic!("{other:?}"),
    }
    let cut = recover(&image, CLEAN.with(Mutation::CorruptionAsTail)).unwrap();
    assert_eq!(indexes(&cut), [(1, 1)], "what was promised is gone without a word");
}

#[test]
fn a_log_starts_over_behind_a_damaged_one_and_survives_on_its_own() {
    let mut rig = Rig::new(CLEAN);
    let peer = Record::Peer { node: NodeId(2), incarnation: Incarnation(5) };
    rig.promise(&[peer, entry(7, 1), hard_state(7, 1)]);
    let offset = rig.wal.tip.end;
    for index in 2..=4 {
        rig.promise(&[entry_of(7, index, 700)]);
    }
    let mut image = rig.disk.image();
    flip(&mut image, &segment::file_name(1), offset + 50);
    assert!(rig.recover(&image).is_err());
    assert_eq!(
        readable_peers(&image, Release::Newest),
        BTreeMap::from([(NodeId(2), Incarnation(5))])
    );

    let mut wal = Wal::start_over(settings(CLEAN), &image).unwrap();
    let old = rig.wal.segments();
    let renewal = Renewal { barrier: Index(9) };
    let mut ops = Vec::new();
    wal.begin(&[Record::Renewal(renewal), hard_state(3, 0)], &mut ops);
    assert_eq!(wal.segments(), old + 1, "behind all that is there");
    for done in 0..ops.len() {
        let mut disk = Disk::of(&image);
        disk.perform_all(&ops[..done]);
        match rig.recover(&disk.image()) {
            Ok(cut_short) => {
                assert_eq!(cut_short.renewal, Some(renewal), "after {done} operations");
            }
            Err(error) => assert!(matches!(error, WalError::Damaged { .. }), "{error}"),
        }
    }
    let mut disk = Disk::of(&image);
    disk.perform_all(&ops);
    let recovered = rig.recover(&disk.image()).unwrap();
    assert_eq!((indexes(&recovered), recovered.term), (Vec::new(), Term(3)), "the term goes back");
    assert_eq!(recovered.renewal, Some(renewal));

    let mut ops = Vec::new();
    wal.retire(Index(0), &mut ops);
    assert_eq!(ops.len(), old, "the old segments hold nothing that is needed: {ops:?}");
}

#[test]
fn a_sealed_log_knows_that_its_last_batch_was_promised() {
    let mut rig = Rig::new(CLEAN);
    let offset = rig.wal.tip.end;
    rig.promise(&[entry(1, 1)]);
    let mut image = rig.disk.image();
    flip(&mut image, &rig.wal.file, offset + 50);
    assert_eq!(indexes(&rig.recover(&image).unwrap()), [], "a torn write looks just so");

    assert!(rig.seal());
    assert!(!rig.seal(), "there is nothing more to say");
    let mut image = rig.disk.image();
    flip(&mut image, &rig.wal.file, offset + 50);
    assert!(matches!(rig.recover(&image), Err(WalError::Damaged { .. })));
}

#[test]
fn damage_before_the_last_segment_is_refused_even_at_the_end_of_a_segment() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1)]);
    rig.promise(&[entry_of(1, 2, 2000)]);
    let first = segment::file_name(1);
    let mut image = rig.disk.image();
    let offset = image[&first].len() - 100;
    flip(&mut image, &first, offset);
    assert!(matches!(rig.recover(&image), Err(WalError::Damaged { .. })));
    let cut = recover(&image, CLEAN.with(Mutation::CorruptionAsTail)).unwrap();
    assert_eq!(indexes(&cut), [(1, 1)]);
}

#[test]
fn a_segment_that_got_shorter_is_refused() {
    let rig = Rig::new(CLEAN);
    let mut image = rig.disk.image();
    let file = segment::file_name(1);
    let bytes = image[&file].slice(..1000);
    image.insert(file, bytes);
    assert!(matches!(rig.recover(&image), Err(WalError::Damaged { offset: 1000, .. })));
}

#[test]
fn an_overwritten_tail_does_not_come_back() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1), entry(1, 2), entry(1, 3)]);
    rig.promise(&[entry(2, 2)]);
    let image = rig.disk.image();
    assert_eq!(indexes(&rig.recover(&image).unwrap()), [(1, 1), (2, 2)]);
    let kept = recover(&image, CLEAN.with(Mutation::ConflictKept)).unwrap();
    assert_eq!(indexes(&kept), [(1, 1), (1, 2), (1, 3)]);
}

#[test]
fn an_overwrite_below_the_snapshot_still_cuts_what_follows() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1), entry(1, 2), entry(1, 3), entry(1, 4)]);
    rig.promise(&[entry(2, 2), hard_state(2, 2)]);
    rig.promise(&[mark(2, false)]);
    let image = rig.disk.image();
    assert_eq!(indexes(&rig.recover(&image).unwrap()), []);
    let ghosts = recover(&image, CLEAN.with(Mutation::GhostTail)).unwrap();
    assert_eq!(indexes(&ghosts), [(1, 3), (1, 4)]);
}

#[test]
fn an_installed_snapshot_replaces_the_log_and_leaves_the_vote() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1), entry(1, 2), entry(1, 3), hard_state(4, 1)]);
    rig.promise(&[mark(2, true)]);
    let recovered = rig.recover(&rig.disk.image()).unwrap();
    assert_eq!(indexes(&recovered), []);
    assert_eq!((recovered.term, recovered.vote), (Term(4), Some(NodeId(1))));
    assert_eq!(recovered.commit, Index(2), "the snapshot is committed by what it is");
}

#[test]
fn a_commit_index_behind_the_log_is_refused() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1), hard_state(1, 2)]);
    let recovered = rig.recover(&rig.disk.image());
    assert!(matches!(recovered, Err(WalError::Inconsistent { .. })), "{recovered:?}");
}

#[test]
fn a_batch_of_entries_is_synced() {
    let syncs = |mutations, records: &[Record]| {
        let ops = Rig::new(mutations).promise(records);
        ops.iter().filter(|op| matches!(op, DiskOp::Sync { .. })).count()
    };
    assert_eq!(syncs(CLEAN, &[entry(1, 1)]), 1);
    let mutations = CLEAN.with(Mutation::EntriesNotSynced);
    assert_eq!(syncs(mutations, &[entry(1, 1)]), 0);
    assert_eq!(syncs(mutations, &[entry(1, 1), hard_state(1, 0)]), 1);
}

#[test]
fn a_new_segment_has_a_durable_name() {
    let lost_names = |mutations| {
        (0..50)
            .filter(|seed| {
                let mut rig = Rig::new(mutations);
                rig.promise(&[entry_of(1, 1, 2000)]);
                rig.promise(&[entry(1, 2)]);
                let mut disk = rig.disk.clone();
                // The very first segment gets its name in both.
                disk.lose_power(&mut disk::Luck::new(seed * 7919 + 1));
                rig.recover(&disk.image()).map_or(0, |recovered| recovered.entries.len()) < 2
            })
            .count()
    };
    assert_eq!(lost_names(CLEAN), 0);
    assert!(lost_names(CLEAN.with(Mutation::DirectoryNotSynced)) > 0);
}

#[test]
fn what_was_read_from_a_cache_is_synced_before_it_counts() {
    let mut rig = Rig::new(CLEAN);
    rig.promise(&[entry(1, 1)]);
    let mut ops = Vec::new();
    let image = rig.disk.image();
    Wal::recover(settings(CLEAN), &image, &mut ops).unwrap();
    assert_eq!(ops, [DiskOp::Sync { file: segment::file_name(1) }, DiskOp::SyncDirectory]);
}

#[test]
fn an_observer_is_told_every_record_once_and_misses_no_change() {
    let mut rig = Rig::new(CLEAN);
    let mut follower = Follower::new();
    let mut seen = Vec::new();
    let mut written = Vec::new();
    for index in 1..=40 {
        let records = [entry(1, index), hard_state(1, index)];
        rig.promise(&records);
        written.extend(records);
        for (file, bytes) in &rig.disk.image() {
            follower.advance(file, bytes, &mut |record| seen.push(record)).unwrap();
        }
    }
    assert!(rig.wal.segments() > 2);
    assert_eq!(seen, written);

    let mut image = rig.disk.image();
    let file = rig.wal.file.clone();
    flip(&mut image, &file, rig.wal.tip.start + 20);
    let changed = follower.advance(&file, &image[&file], &mut |record| panic!("{record:?}"));
    assert!(matches!(changed, Err(WalError::Damaged { .. })));
}
