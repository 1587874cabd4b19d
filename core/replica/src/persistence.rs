//! What is on its way to the disk, and what waits for it.
//!
//! Two lanes. The WAL lane holds one batch at a time: records gather while it is under way and leave together as the
//! next one (group commit). Every effect that needs the disk carries the number of the batch that it waits for. The file
//! lane writes snapshot files in small steps and never holds a promise up.

use crate::{
    door::{Output, Phase, StopReason},
    identity::Identity,
    limits,
    message::Envelope,
    replica::Replica,
    snapshot::SnapshotMeta,
    wal::{self, Record},
};
use raft::eraftpb::HardState;
use std::{collections::VecDeque, mem};
use whitewater_api::{DiskError, DiskOp, Index, Monotonic, NodeId, Term, WriteId};
use whitewater_mutation::Mutation;

/// The two lanes.
pub(crate) struct Persistence {
    next_write: u64,
    /// The number of the batch that gathers now.
    gathering: u64,
    /// Whether it holds anything.
    is_due: bool,
    /// The batch that is under way.
    flight: Option<Flight>,
    /// What waits, and for which batch. Invariant: numbers never fall.
    effects: VecDeque<(u64, Effect)>,
    /// The hard state that the WAL holds, batches under way included.
    written: HardState,
    /// Whether the disk had no space for the batch under way.
    is_full: bool,
    /// Whether nothing was being written at the last tick.
    is_at_rest: bool,
    /// The next batch leaves the hard state out ([`Mutation::SnapshotStateSplit`]).
    skips_hard_state: bool,
    files: VecDeque<(FileStep, Vec<DiskOp>)>,
    file_flight: Option<(WriteId, FileStep)>,
}

struct Flight {
    write: WriteId,
    batch: u64,
    wal_batch: Option<wal::Batch>,
    /// Kept to be tried again when space returns. All operations of a batch may be repeated.
    ops: Vec<DiskOp>,
    since: Monotonic,
    /// Whether the disk refused it for want of space and has not been asked again.
    is_refused: bool,
}

/// What waits for a batch.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A message that promises what the batch holds.
    Send(Envelope),
    /// Raft may count on what the Ready of this number wanted written.
    Persisted(u64),
    /// The mark of a snapshot from a peer is durable.
    Installed(Box<SnapshotMeta>),
    /// The mark of a snapshot of our own is durable.
    Marked(Index),
    /// The disk is as a start needs it.
    Started,
    /// This member's own proof is durable.
    Proven,
    /// The vote that this member gave itself in a term is durable, and nobody else votes.
    Elected(Term),
}

/// A step of the file lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileStep {
    /// A part of a snapshot of our own is written.
    OwnPart,
    /// A snapshot of our own has its name.
    OwnDone,
    /// A part of a snapshot from a peer is written.
    PeerPart,
    /// A snapshot from a peer has its name.
    PeerDone,
    /// Files that nobody needs are gone.
    Cleanup,
}

impl Persistence {
    /// The lanes after a start, with the batch that makes the disk as a start needs it.
    pub(crate) fn new(written: HardState) -> Self {
        Self {
            next_write: 1,
            gathering: 1,
            is_due: false,
            flight: None,
            effects: VecDeque::new(),
            written,
            is_full: false,
            is_at_rest: false,
            skips_hard_state: false,
            files: VecDeque::new(),
            file_flight: None,
        }
    }

    /// Whether a batch is under way or gathers.
    pub(crate) const fn is_writing(&self) -> bool {
        self.flight.is_some() || self.is_due
    }

    /// Whether the disk has no space for the log.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether the file lane has nothing to do.
    pub(crate) fn is_file_lane_idle(&self) -> bool {
        self.files.is_empty() && self.file_flight.is_none()
    }

    /// Lets `effect` wait for everything gathered so far.
    pub(crate) fn after_writes(&mut self, effect: Effect) {
        let batch = if self.is_due { self.gathering } else { self.gathering - 1 };
        self.effects.push_back((batch, effect));
    }

    /// Says that the gathering batch holds something that must reach the disk.
    pub(crate) const fn require(&mut self) {
        self.is_due = true;
    }

    /// Leaves the hard state out of the next batch.
    pub(crate) const fn skip_hard_state_once(&mut self) {
        self.skips_hard_state = true;
    }

    /// Adds a step to the file lane.
    pub(crate) fn file_step(&mut self, step: FileStep, ops: Vec<DiskOp>) {
        if !ops.is_empty() {
            self.files.push_back((step, ops));
        }
    }

    /// Drops the steps that are not under way.
    pub(crate) fn drop_file_steps(&mut self, is_dropped: impl Fn(FileStep) -> bool) {
        self.files.retain(|(step, _)| !is_dropped(*step));
    }

    fn take_write(&mut self) -> WriteId {
        self.next_write += 1;
        WriteId(self.next_write - 1)
    }

    /// The effects whose batch is done.
    fn next_effect(&mut self) -> Option<Effect> {
        let done = self.flight.as_ref().map_or(self.gathering - 1, |flight| flight.batch - 1);
        match self.effects.front() {
            Some((batch, _)) if *batch <= done => {
                self.effects.pop_front().map(|(_, effect)| effect)
            }
            _ => None,
        }
    }
}

impl Replica {
    /// Sends the first batch of a start. The identity of a fresh disk comes last: a disk that has it has everything.
    pub(crate) fn write_start(&mut self, mut ops: Vec<DiskOp>, fresh: Option<&Identity>) {
        self.wal.flush(&mut ops);
        if let Some(identity) = fresh {
            identity.write(&mut ops);
        }
        self.persistence.require();
        self.persistence.after_writes(Effect::Started);
        self.launch(Some(self.wal.last_batch()), ops);
    }

    /// Hands the gathered batch to the disk if none is under way, and lets the file lane go on.
    pub(crate) fn flush(&mut self) {
        self.release_effects();
        if self.persistence.flight.is_none() && self.persistence.is_due {
            self.append_hard_state();
            let mut ops = Vec::new();
            let wal_batch = self.wal.flush(&mut ops);
            self.launch(wal_batch, ops);
        }
        self.advance_file_lane();
    }

    pub(crate) fn append_hard_state(&mut self) {
        if let Some(record) = self.take_hard_state() {
            self.wal.append(&record);
        }
    }

    /// The hard state, unless the log holds it already. It counts as written from now on.
    pub(crate) fn take_hard_state(&mut self) -> Option<Record> {
        let hard_state = self.raft.raft.hard_state();
        if hard_state == self.persistence.written
            || mem::take(&mut self.persistence.skips_hard_state)
        {
            return None;
        }
        let forgets = self.config.mutations.has(Mutation::VoteNotPersisted);
        let vote = (hard_state.vote != 0 && !forgets).then_some(NodeId(hard_state.vote));
        let (term, commit) = (Term(hard_state.term), Index(hard_state.commit));
        self.persistence.written = hard_state;
        Some(Record::HardState { term, vote, commit })
    }

    pub(crate) fn launch(&mut self, wal_batch: Option<wal::Batch>, ops: Vec<DiskOp>) {
        let persistence = &mut self.persistence;
        let write = persistence.take_write();
        let batch = persistence.gathering;
        persistence.gathering += 1;
        persistence.is_due = false;
        self.outputs.push(Output::Disk { write, ops: ops.clone() });
        let since = self.now;
        let flight = Flight { write, batch, wal_batch, ops, since, is_refused: false };
        persistence.flight = Some(flight);
    }

    pub(crate) fn on_disk_done(&mut self, write: WriteId, result: Result<(), DiskError>) {
        let ignores = self.config.mutations.has(Mutation::FsyncErrorIgnored);
        let result = if ignores && result == Err(DiskError::Io) { Ok(()) } else { result };
        if result == Err(DiskError::Io) {
            return self.stop(StopReason::DiskFailed(DiskError::Io));
        }
        if self.persistence.file_flight.is_some_and(|(flight, _)| flight == write) {
            let step = self.persistence.file_flight.take().map(|(_, step)| step);
            return self.on_file_step(step.expect("it was just seen"), result);
        }
        let flight = self.persistence.flight.take().filter(|flight| flight.write == write);
        let mut flight = flight.expect("the disk answers the batch that is under way");
        if result.is_err() {
            // Nothing of the failing operation was written and the batch may be repeated: wait for space.
            self.persistence.is_full = true;
            flight.is_refused = true;
            self.persistence.flight = Some(flight);
            return self.sometimes("disk full for the log");
        }
        self.persistence.is_full = false;
        if let Some(batch) = flight.wal_batch {
            self.wal.on_durable(batch);
        }
        self.release_effects();
    }

    /// Asks again for what did not fit, however far the replica's life has come.
    pub(crate) fn retry_refused(&mut self) {
        if self.persistence.flight.as_ref().is_some_and(|flight| flight.is_refused)
            && let Some(mut flight) = self.persistence.flight.take()
        {
            flight.write = self.persistence.take_write();
            flight.is_refused = false;
            self.outputs.push(Output::Disk { write: flight.write, ops: flight.ops.clone() });
            self.persistence.flight = Some(flight);
        }
    }

    /// Seals the log at rest, and gives up leadership over a disk that stands still: the others would wait for it in
    /// vain (etcd #15247, tikv #6224).
    pub(crate) fn on_persistence_tick(&mut self) {
        self.seal();
        let stays = self.config.mutations.has(Mutation::StalledDiskLeads);
        if self.is_leader() && self.is_disk_stalled() && !stays {
            self.sometimes("leader with a stalled disk stepped down");
            self.step_down();
        }
    }

    /// At rest, writes down that the last batch was promised, so that damage to it is not taken for a torn tail. In the
    /// WAL lane, because the next batch continues its chain.
    fn seal(&mut self) {
        let rests = !self.persistence.is_writing();
        let was_at_rest = mem::replace(&mut self.persistence.is_at_rest, rests);
        let mut ops = Vec::new();
        if was_at_rest && rests && self.wal.seal(&mut ops) {
            self.launch(None, ops);
        }
    }

    /// Whether the batch under way takes longer than an election.
    pub(crate) fn is_disk_stalled(&self) -> bool {
        let patience = self.election_nanos();
        self.persistence
            .flight
            .as_ref()
            .is_some_and(|flight| self.now.since(flight.since) > patience)
    }

    /// Carries out what no longer waits.
    pub(crate) fn release_effects(&mut self) {
        if self.config.mutations.has(Mutation::ReplyBeforePersist) && self.phase == Phase::Active {
            for (_, effect) in mem::take(&mut self.persistence.effects) {
                self.carry_out(effect);
            }
        }
        while let Some(effect) = self.persistence.next_effect() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send(envelope) => self.outputs.push(Output::Send(envelope)),
            Effect::Persisted(ready) => self.raft.on_persist_ready(ready),
            Effect::Installed(meta) => self.on_installed(&meta),
            Effect::Marked(index) => self.on_marked(index),
            Effect::Started => self.on_started(),
            Effect::Proven => self.on_proven(),
            Effect::Elected(term) => self.on_elected(term),
        }
    }

    fn advance_file_lane(&mut self) {
        if self.persistence.file_flight.is_some() {
            return;
        }
        if let Some((step, ops)) = self.persistence.files.pop_front() {
            let write = self.persistence.take_write();
            self.persistence.file_flight = Some((write, step));
            self.outputs.push(Output::Disk { write, ops });
        }
    }

    fn on_file_step(&mut self, step: FileStep, result: Result<(), DiskError>) {
        let failed = result.is_err();
        match step {
            FileStep::OwnPart | FileStep::OwnDone if failed => {
                self.sometimes("disk full for a snapshot");
                self.abort_own_snapshot(limits::SNAPSHOT_RETRY_TICKS);
            }
            FileStep::PeerPart | FileStep::PeerDone if failed => {
                self.sometimes("disk full for a peer's snapshot");
                self.abort_incoming();
            }
            FileStep::OwnPart | FileStep::PeerPart | FileStep::Cleanup => {}
            FileStep::OwnDone => self.on_own_snapshot_named(),
            FileStep::PeerDone => self.on_peer_snapshot_named(),
        }
    }
}
