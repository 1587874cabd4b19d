//! A log, a disk and a plain model of both, driven by random actions.

use super::disk::{Disk, Luck};
use super::settings;
use crate::wal::{
    Batch, Follower, Record, Recovered, Renewal, Settings, SnapshotMark, Wal, WalError, is_fresh,
};
use bytes::Bytes;
use raft::eraftpb::{ConfState, Entry};
use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{DiskOp, Incarnation, Index, NodeId, Term, release::Release};
use whitewater_mutation::Mutations;

pub(super) const OWNER: Incarnation = Incarnation(77);
pub(super) const SEGMENT_BYTES: u64 = 1500;
const RELEASES: [Release; 3] = [Release::Previous, Release::Compatible, Release::Newest];
const SEGMENT_BYTES_CHOICES: [u64; 3] = [400, SEGMENT_BYTES, 30_000];

/// What records amount to, said another way than the replay says it.
pub(super) fn amount_to<'a>(records: impl IntoIterator<Item = &'a Record>) -> Recovered {
    let mut recovered = Recovered::default();
    let mut entries: BTreeMap<u64, Entry> = BTreeMap::new();
    for record in records {
        match record {
            Record::Entry(entry) => {
                entries.split_off(&entry.index);
                entries.insert(entry.index, entry.clone());
            }
            Record::HardState { term, vote, commit } => {
                (recovered.term, recovered.vote, recovered.commit) = (*term, *vote, *commit);
            }
            Record::Snapshot(mark) => {
                if mark.installed {
                    entries.clear();
                }
                recovered.snapshot = Some(mark.clone());
            }
            Record::Peer { node, incarnation } => {
                recovered.peers.insert(*node, *incarnation);
            }
            Record::Renewal(renewal) => recovered.renewal = Some(*renewal),
        }
    }
    let mark = recovered.snapshot.as_ref().map_or(Index(0), |mark| mark.index);
    recovered.commit = recovered.commit.max(mark);
    recovered.entries = entries.split_off(&(mark.0 + 1)).into_values().collect();
    recovered
}

/// A batch on its way to the disk.
struct Flight {
    ops: VecDeque<DiskOp>,
    batch: Option<Batch>,
}

/// The log under test and what is known about it.
pub(super) struct Bench {
    settings: Settings,
    /// Whether a process wrote the newest form.
    has_newest: bool,
    pub(super) wal: Wal,
    pub(super) disk: Disk,
    pub(super) luck: Luck,
    /// All batches that were flushed and not lost.
    pub(super) history: Vec<(Batch, Vec<Record>)>,
    buffered: Vec<Record>,
    flights: VecDeque<Flight>,
    /// Done on the disk, not yet reported to the log.
    unreported: Option<Batch>,
    /// How much of the history was reported durable.
    promised: usize,
    follower: Follower,
    followed: Vec<Record>,
}

impl Bench {
    pub(super) fn new(seed: u64, mutations: Mutations) -> Self {
        let (mut disk, mut ops) = (Disk::default(), Vec::new());
        let segment_bytes = SEGMENT_BYTES_CHOICES[Luck::new(seed).below(3)];
        let release = RELEASES[Luck::new(!seed).below(3)];
        let settings = Settings { segment_bytes, release, ..settings(mutations) };
        let wal = Wal::create(settings, &mut ops);
        disk.perform_all(&ops);
        Self {
            settings,
            has_newest: release == Release::Newest,
            wal,
            disk,
            luck: Luck::new(seed),
            history: Vec::new(),
            buffered: Vec::new(),
            flights: VecDeque::new(),
            unreported: None,
            promised: 0,
            follower: Follower::new(),
            followed: Vec::new(),
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.history.iter().flat_map(|(_, records)| records)
    }

    /// What the log says, what is buffered included.
    pub(super) fn now(&self) -> Recovered {
        amount_to(self.records().chain(&self.buffered))
    }

    pub(super) fn act_all(&mut self, actions: &[(u8, u16)]) {
        for action in actions {
            self.act(*action);
        }
    }

    /// One action. The numbers choose what it is.
    pub(super) fn act(&mut self, (what, size): (u8, u16)) {
        match what % 32 {
            0..=9 => self.append_entries(usize::from(size)),
            10 => self.append_hard_state(),
            12 => self.append(Record::Peer {
                node: NodeId(u64::from(size % 5)),
                incarnation: Incarnation(u64::from(size)),
            }),
            11 => self.append(Record::Renewal(Renewal { barrier: Index(u64::from(size)) })),
            13 => {
                self.append_hard_state();
                self.append_mark(false);
            }
            14 => self.append_mark(true),
            15..=20 => self.flush(),
            21..=26 => self.perform(usize::from(size % 12)),
            27 => self.report(),
            28 => self.retire(),
            29 => self.seal(),
            30 => self.crash(true),
            _ => self.crash(false),
        }
    }

    fn append(&mut self, record: Record) {
        self.wal.append(&record);
        self.buffered.push(record);
    }

    fn append_entries(&mut self, size: usize) {
        let now = self.now();
        let mark = now.snapshot.as_ref().map_or(0, |mark| mark.index.0);
        let last = mark + now.entries.len() as u64;
        // Usually behind the last one, at times over the uncommitted ones.
        let back = if size.is_multiple_of(5) { last - now.commit.0 } else { 0 };
        let first = last + 1 - back.min(size as u64 % 7);
        let term = now.term.0 + u64::from(first <= last);
        for index in first..=first + size as u64 % 3 {
            let data = vec![u8::try_from(self.luck.below(250)).unwrap() + 1; size % 700];
            let data = Bytes::from(data);
            self.append(Record::Entry(Entry { term, index, data, ..Entry::default() }));
        }
    }

    fn append_hard_state(&mut self) {
        let now = self.now();
        let mark = now.snapshot.as_ref().map_or(0, |mark| mark.index.0);
        let last = mark + now.entries.len() as u64;
        let open = usize::try_from(last - now.commit.0).unwrap();
        // Often all that is there.
        let more = self.luck.below(2 * open + 1).min(open) as u64;
        let commit = Index(now.commit.0 + more);
        let vote = [None, Some(NodeId(2))][self.luck.below(2)];
        let term = Term(now.term.0 + self.luck.below(2) as u64);
        self.append(Record::HardState { term, vote, commit });
    }

    fn append_mark(&mut self, installed: bool) {
        let now = self.now();
        let index = now.commit.0 + if installed { self.luck.below(9) as u64 } else { 0 };
        let conf_state = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
        self.append(Record::Snapshot(SnapshotMark {
            index: Index(index),
            term: now.term,
            conf_state,
            file: "snapshot".into(),
            file_bytes: index,
            file_checksum: 5,
            installed,
        }));
    }

    pub(super) fn flush(&mut self) {
        let mut ops = Vec::new();
        let batch = self.wal.flush(&mut ops);
        assert_eq!(batch.is_none(), self.buffered.is_empty());
        if let Some(batch) = batch {
            self.history.push((batch, std::mem::take(&mut self.buffered)));
        }
        self.flights.push_back(Flight { ops: ops.into(), batch });
    }

    fn seal(&mut self) {
        let mut ops = Vec::new();
        self.wal.seal(&mut ops);
        self.flights.push_back(Flight { ops: ops.into(), batch: None });
    }

    /// Retires behind the newest mark that was promised.
    fn retire(&mut self) {
        let promised = amount_to(self.history[..self.promised].iter().flat_map(|(_, r)| r));
        let mut ops = Vec::new();
        self.wal.retire(promised.snapshot.map_or(Index(0), |mark| mark.index), &mut ops);
        self.flights.push_back(Flight { ops: ops.into(), batch: None });
    }

    /// Carries out some operations.
    fn perform(&mut self, count: usize) {
        for _ in 0..count {
            let Some(flight) = self.flights.front_mut() else { return };
            if let Some(op) = flight.ops.pop_front() {
                self.carry_out(&[op]);
            }
            if self.flights.front().is_some_and(|flight| flight.ops.is_empty()) {
                let flight = self.flights.pop_front().unwrap();
                self.unreported = flight.batch.or(self.unreported);
            }
        }
    }

    fn follow(&mut self) {
        let Some((file, bytes)) = self.disk.newest_durable() else { return };
        let followed = &mut self.followed;
        self.follower.advance(file, bytes, &mut |record| followed.push(record)).unwrap();
    }

    fn report(&mut self) {
        if let Some(batch) = self.unreported.take() {
            self.wal.on_durable(batch);
            self.promised = self.history.partition_point(|(flushed, _)| *flushed <= batch);
        }
    }

    /// Carries out and reports everything, so that all of the history is promised and the frames prove it.
    pub(super) fn settle(&mut self) {
        self.flush();
        self.perform(100_000);
        self.report();
        self.seal();
        self.perform(100_000);
    }

    /// The process dies, or the whole machine does; it starts again and must know all that it promised.
    pub(super) fn crash(&mut self, power: bool) {
        self.flights.clear();
        self.buffered.clear();
        self.unreported = None;
        if power {
            self.disk.lose_power(&mut self.luck);
        }
        let mut ops = Vec::new();
        let image = self.disk.image();
        assert!(!is_fresh(&image), "the whole log is gone");
        self.settings.release = RELEASES[self.luck.below(3)];
        let mut read = Wal::recover(self.settings, &image, &mut ops);
        if self.settings.release == Release::Previous && self.has_newest {
            // It reads all or it refuses by the name of the reason; and then the next one reads all.
            if let Err(error) = &read {
                assert!(matches!(error, WalError::Version { found: 2, newest: 1, .. }), "{error}");
                self.settings.release = Release::Compatible;
                read = Wal::recover(self.settings, &image, &mut ops);
            }
        }
        self.has_newest |= self.settings.release == Release::Newest;
        let (wal, mut recovered) = read.unwrap();
        let survived = self.history.partition_point(|(batch, _)| *batch <= wal.last_batch());
        let (survived, promised) = (survived, self.promised);
        assert!(survived >= promised, "{promised} batches were promised, {survived} are left");
        self.history.truncate(survived);
        // Recovery itself may be interrupted anywhere and is then simply repeated. A new segment takes the next number.
        if self.luck.below(4) == 0 {
            let done = self.luck.below(ops.len());
            self.carry_out(&ops[..done]);
            let power = self.luck.below(2) == 0;
            return self.crash(power);
        }
        self.carry_out(&ops);
        recovered.torn = None;
        assert_eq!(recovered, amount_to(self.records()));
        // What the observer saw is what the log holds, from the start.
        let seen = self.followed.len();
        assert!(self.records().take(seen).eq(&self.followed), "the observer saw something else");
        let owed: usize = self.history[..promised].iter().map(|(_, records)| records.len()).sum();
        assert!(seen >= owed, "the observer saw {seen} records, {owed} were promised");
        self.wal = wal;
        self.wal.on_durable(self.wal.last_batch());
        self.promised = survived;
    }

    /// Before the eyes of the observer.
    fn carry_out(&mut self, ops: &[DiskOp]) {
        for op in ops {
            self.disk.perform(op);
            if matches!(op, DiskOp::Sync { .. } | DiskOp::SyncDirectory) {
                self.follow();
            }
        }
    }
}
