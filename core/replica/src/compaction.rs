//! Snapshots of our own, and the log that they make superfluous.
//!
//! A snapshot is taken when the log since the last one outgrows the state, so that its cost stays in proportion to the
//! writes. Its parts are cut from a view while applying goes on. Only when the file is durable under its name is its mark
//! written, and only when the mark is durable do segments and older files go.

use crate::{
    door::Event,
    limits,
    persistence::{Effect, FileStep},
    replica::Replica,
    snapshot::{Framer, SnapshotMeta},
    wal::{Record, SnapshotMark},
};
use whitewater_api::{DiskOp, FileName, Index};
use whitewater_mutation::Mutation;
use whitewater_store::{Cursor, View};

/// The snapshot that is being taken, and the last one.
pub(crate) struct Compaction {
    /// The file that the newest durable mark names.
    newest: Option<FileName>,
    /// The files that the disk held at the start and that no mark names.
    stale: Vec<FileName>,
    running: Option<Running>,
    /// Ticks until the next one may start.
    rest_ticks: u64,
}

struct Running {
    meta: SnapshotMeta,
    view: View,
    framer: Framer,
    step: Step,
}

enum Step {
    /// Parts are being written; the next one starts there.
    Parts(Cursor),
    /// The file is being finished.
    Naming,
    /// The mark is on its way to the WAL.
    Marking,
}

impl Compaction {
    /// After a start: `newest` is the file in use, `stale` those that nobody needs.
    pub(crate) const fn new(newest: Option<FileName>, stale: Vec<FileName>) -> Self {
        Self { newest, stale, running: None, rest_ticks: 0 }
    }

    pub(crate) const fn is_waiting(&self) -> bool {
        self.rest_ticks > 0
    }
}

impl Replica {
    pub(crate) fn on_compaction_tick(&mut self) {
        self.compaction.rest_ticks = self.compaction.rest_ticks.saturating_sub(1);
        // Where nothing is written, space becomes free all the same.
        self.store.scrub(limits::SCRUB_STEPS_TICK);
    }

    /// Takes the next bounded step, if there is one to take.
    pub(crate) fn pump_compaction(&mut self) {
        if !self.compaction.stale.is_empty() {
            let ops = self.compaction.stale.drain(..).map(|file| DiskOp::Remove { file }).collect();
            self.persistence.file_step(FileStep::Cleanup, ops);
        }
        if self.compaction.running.is_none() && self.is_snapshot_due() {
            self.start_own_snapshot();
        }
        if self.persistence.is_file_lane_idle() {
            self.write_own_part();
        }
        self.trim_log();
    }

    /// What a snapshot on its way to a follower does not hold stays: else it would need another one.
    fn trim_log(&mut self) {
        let applied = self.raft.raft.raft_log.applied;
        let upto = applied.min(self.transfers.lowest_index().unwrap_or(u64::MAX));
        self.raft.mut_store().trim(upto, self.config.tuning.log_memory_bytes);
    }

    fn is_snapshot_due(&self) -> bool {
        let (applied, _) = self.raft.store().applied();
        let (marked, last_bytes) =
            self.wal.mark().map_or((0, 0), |mark| (mark.index.0, mark.file_bytes));
        let log_bytes = self.wal.bytes_since_snapshot();
        // The state of the last one: that of now holds all history since, and would grow as fast as the log does.
        let is_long = log_bytes >= self.config.tuning.snapshot_log_bytes
            && log_bytes >= self.store.bytes().min(last_bytes);
        self.compaction.rest_ticks == 0
            && self.incoming.is_none()
            && applied > marked
            && (is_long || self.wants_snapshot() || self.is_log_to_be_older())
    }

    /// Whether a snapshot would leave nothing of the log but what the previous release reads, which is to come.
    fn is_log_to_be_older(&self) -> bool {
        self.wal.newer_until().is_some_and(|index| self.raft.store().applied().0 >= index.0)
    }

    /// What a snapshot of all that is applied covers, beside the store.
    pub(crate) fn snapshot_meta(&self) -> SnapshotMeta {
        let log = self.raft.store();
        SnapshotMeta::new(log.applied(), log.conf_state(), self.membership.clone())
    }

    fn start_own_snapshot(&mut self) {
        let mut meta = self.snapshot_meta();
        if self.config.mutations.has(Mutation::JointForgotten) {
            meta.outgoing.clear();
        }
        let view = self.store.open_view();
        let (framer, bytes) = Framer::start(&meta);
        let file = meta.temporary();
        let ops =
            vec![DiskOp::Create { file: file.clone() }, DiskOp::Write { file, offset: 0, bytes }];
        self.persistence.file_step(FileStep::OwnPart, ops);
        if self.config.mutations.has(Mutation::RetireBeforeSnapshot) {
            let mut ops = Vec::new();
            self.wal.retire(meta.index, &mut ops);
            ops.extend(self.compaction.newest.take().map(|file| DiskOp::Remove { file }));
            ops.push(DiskOp::SyncDirectory);
            self.persistence.file_step(FileStep::Cleanup, ops);
        }
        self.compaction.running =
            Some(Running { meta, view, framer, step: Step::Parts(Cursor::start()) });
    }

    fn write_own_part(&mut self) {
        let Some(running) = &mut self.compaction.running else { return };
        let Step::Parts(cursor) = &running.step else { return };
        let bytes_max =
            usize::try_from(self.config.tuning.snapshot_part_bytes).unwrap_or(usize::MAX);
        let part = self.store.part(&running.view, cursor, bytes_max);
        let file = running.meta.temporary();
        let offset = running.framer.length;
        let mut ops = vec![DiskOp::Write {
            file: file.clone(),
            offset,
            bytes: running.framer.part(&part.bytes),
        }];
        if let Some(next) = part.next {
            running.step = Step::Parts(next);
            return self.persistence.file_step(FileStep::OwnPart, ops);
        }
        let offset = running.framer.length;
        ops.push(DiskOp::Write { file: file.clone(), offset, bytes: running.framer.end() });
        ops.push(DiskOp::Sync { file: file.clone() });
        ops.push(DiskOp::Rename { from: file, to: running.meta.file() });
        if !self.config.mutations.has(Mutation::DirectoryNotSynced) {
            ops.push(DiskOp::SyncDirectory);
        }
        running.step = Step::Naming;
        self.store.close_view(&running.view);
        self.persistence.file_step(FileStep::OwnDone, ops);
    }

    /// Gives the snapshot up that is being taken; the next one starts after so many ticks.
    pub(crate) fn abort_own_snapshot(&mut self, rest_ticks: u64) {
        self.compaction.rest_ticks = rest_ticks;
        let Some(running) = self.compaction.running.take() else { return };
        match running.step {
            Step::Parts(_) => self.store.close_view(&running.view),
            Step::Naming => {}
            Step::Marking => {
                // Its file is durable and its mark under way: it will be finished.
                self.compaction.running = Some(running);
                return;
            }
        }
        self.persistence
            .drop_file_steps(|step| matches!(step, FileStep::OwnPart | FileStep::OwnDone));
        let files = [running.meta.temporary(), running.meta.file()];
        let ops = files.into_iter().map(|file| DiskOp::Remove { file }).collect();
        self.persistence.file_step(FileStep::Cleanup, ops);
    }

    /// The file has its name: its mark may be written. Unless it is that of an older one, which was given up while it got its name,
    /// and is to be removed: the lane is in order, so the one that runs now has not come that far.
    pub(crate) fn on_own_snapshot_named(&mut self) {
        let Some(running) = &mut self.compaction.running else { return };
        let is_older = !matches!(running.step, Step::Naming);
        if is_older && !self.config.mutations.has(Mutation::LateNameMarked) {
            return;
        }
        running.step = Step::Marking;
        let meta = &running.meta;
        self.wal.append(&Record::Snapshot(SnapshotMark {
            index: meta.index,
            term: meta.term,
            conf_state: meta.conf_state(),
            file: meta.file(),
            file_bytes: running.framer.length,
            file_checksum: running.framer.checksum,
            installed: false,
        }));
        let index = meta.index;
        self.persistence.require();
        self.persistence.after_writes(Effect::Marked(index));
    }

    /// The mark is durable: what it replaces may go.
    pub(crate) fn on_marked(&mut self, index: Index) {
        let Some(running) = self.compaction.running.take() else { return };
        let (term, chain) = (running.meta.term, running.view.chain);
        self.event(Event::Snapshot { index, term, installed: false, chain, digest: None });
        self.retire_log(index, running.meta.file());
        self.finish_defragmenting(index);
    }

    /// Removes segments, entries and the file that a durable mark at `index` makes superfluous.
    pub(crate) fn retire_log(&mut self, index: Index, file: FileName) {
        let mut ops = Vec::new();
        self.wal.retire(index, &mut ops);
        ops.extend(self.compaction.newest.replace(file).map(|file| DiskOp::Remove { file }));
        self.persistence.file_step(FileStep::Cleanup, ops);
        // Slow followers are better served from the log than from another snapshot (O25).
        let keep = self.config.tuning.catch_up_entries;
        let upto =
            index.0.saturating_sub(keep).min(self.transfers.lowest_index().unwrap_or(u64::MAX));
        self.raft.mut_store().compact(upto);
    }
}
