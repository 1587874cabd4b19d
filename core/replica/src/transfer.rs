//! Snapshots from a leader to a follower, in parts.
//!
//! ```text
//!  leader                                   follower
//!    part 0, 1, 2, 3 (a window)  ───────▶   pushed into a store in the making, appended to a temporary file
//!    ◀───────  ack 4: "I wait for part 4"
//!    part 4 (last)               ───────▶   file synced, renamed, directory synced
//!                                           the snapshot is handed to raft; mark and hard state in one WAL batch
//!    ◀───────  ack 5: all of it is durable
//! ```
//!
//! The last part is acknowledged only then. A leader that heard of it before would take up replication, meet a follower
//! that has nothing yet, and send the next snapshot.
//!
//! A lost part is sent again from the last acknowledged one; a receiver that restarted asks from part 0. A transfer that
//! makes no progress is given up and reported, because raft waits for that report for ever (X11).

use crate::{
    door::Event,
    limits,
    message::{PeerMessage, SnapshotPart, Transfer},
    persistence::{Effect, FileStep},
    replica::Replica,
    snapshot::{Framer, SnapshotMeta},
    wal::{Record, SnapshotMark},
};
use raft::{
    SnapshotStatus,
    eraftpb::{Message, MessageType, SnapshotMetadata},
};
use std::collections::BTreeMap;
use whitewater_api::{DiskOp, Monotonic, NodeId, Term};
use whitewater_mutation::Mutation;
use whitewater_store::{Cursor, Restore, Store, View};

/// The transfers to peers.
#[derive(Default)]
pub(crate) struct Transfers {
    sending: BTreeMap<NodeId, Outgoing>,
    started: u64,
}

struct Outgoing {
    transfer: Transfer,
    meta: SnapshotMeta,
    view: View,
    /// Where parts start: the first one, and those from the last acknowledged one on.
    cursors: BTreeMap<u64, Cursor>,
    /// The part to send next.
    next: u64,
    acknowledged: u64,
    /// How many parts there are, once it is known.
    parts: Option<u64>,
    progress: Monotonic,
    attempts: u32,
}

/// A snapshot that is coming in.
pub(crate) struct Incoming {
    from: NodeId,
    transfer: Transfer,
    meta: SnapshotMeta,
    next: u64,
    framer: Framer,
    restore: Option<Restore>,
    /// All parts are here, and the file is being finished. Taken when raft takes the snapshot.
    store: Option<Store>,
    /// When the last part came.
    heard: Monotonic,
    /// Whether all parts are here. From then on nothing takes its place.
    is_whole: bool,
}

impl Transfers {
    pub(crate) fn is_empty(&self) -> bool {
        self.sending.is_empty()
    }

    /// The lowest index that a follower will need entries behind.
    pub(crate) fn lowest_index(&self) -> Option<u64> {
        self.sending.values().map(|outgoing| outgoing.meta.index.0).min()
    }
}

impl Replica {
    // The leader's side.

    /// Raft wants a peer to have a snapshot: of what is applied now, whatever raft thought when it asked.
    pub(crate) fn start_transfer(&mut self, to: NodeId) {
        self.drop_transfer(to);
        let mut meta = self.snapshot_meta();
        if self.config.mutations.has(Mutation::SnapshotIndexAhead) {
            let log = self.raft.store();
            let ahead = self.raft.raft.raft_log.committed.min(log.last());
            meta.index.0 = meta.index.0.max(ahead);
        }
        self.transfers.started += 1;
        let outgoing = Outgoing {
            transfer: Transfer { term: Term(self.raft.raft.term), number: self.transfers.started },
            meta,
            view: self.store.open_view(),
            cursors: BTreeMap::from([(0, Cursor::start())]),
            next: 0,
            acknowledged: 0,
            parts: None,
            progress: self.now,
            attempts: 0,
        };
        self.transfers.sending.insert(to, outgoing);
        self.limit_transfers();
        self.sometimes("snapshot sent to a follower");
    }

    /// Sends the parts that fit into the windows.
    pub(crate) fn pump_transfers(&mut self) {
        if self.transfers.sending.is_empty() {
            return;
        }
        let window = self.config.tuning.snapshot_parts_inflight_max.max(1);
        let bytes_max =
            usize::try_from(self.config.tuning.snapshot_part_bytes).unwrap_or(usize::MAX);
        let mut parts = Vec::new();
        for (to, outgoing) in &mut self.transfers.sending {
            while outgoing.next < outgoing.acknowledged + window {
                let Some(cursor) = outgoing.cursors.get(&outgoing.next) else { break };
                let part = self.store.part(&outgoing.view, cursor, bytes_max);
                let number = outgoing.next;
                outgoing.next += 1;
                let last = part.next.is_none();
                if let Some(next) = part.next {
                    outgoing.cursors.insert(outgoing.next, next);
                } else {
                    outgoing.parts = Some(outgoing.next);
                }
                let (transfer, meta) = (outgoing.transfer, outgoing.meta.clone());
                parts.push((
                    *to,
                    SnapshotPart { transfer, part: number, last, meta, bytes: part.bytes },
                ));
            }
        }
        for (to, part) in parts {
            self.send(to, PeerMessage::SnapshotPart(Box::new(part)));
        }
    }

    pub(crate) fn on_snapshot_ack(&mut self, from: NodeId, transfer: Transfer, next: u64) {
        let Some(outgoing) = self.transfers.sending.get_mut(&from) else { return };
        if outgoing.transfer != transfer || next > outgoing.next {
            return;
        }
        if next > outgoing.acknowledged {
            outgoing.acknowledged = next;
            outgoing.progress = self.now;
            outgoing.attempts = 0;
            outgoing.cursors.retain(|part, _| *part == 0 || *part >= next);
        } else if next == 0 && outgoing.acknowledged > 0 {
            // The receiver restarted and has nothing.
            outgoing.acknowledged = 0;
            outgoing.next = 0;
            self.sometimes("snapshot started over");
        }
        let Some(outgoing) = self.transfers.sending.get(&from) else { return };
        if outgoing.parts == Some(outgoing.acknowledged) {
            self.drop_transfer(from);
            self.raft.report_snapshot(from.0, SnapshotStatus::Finish);
        }
    }

    pub(crate) fn on_transfer_tick(&mut self) {
        if self.transfers.sending.is_empty() {
            return;
        }
        let patience = limits::TRANSFER_RETRY_TICKS * self.tick_nanos();
        let mut lost = Vec::new();
        for (to, outgoing) in &mut self.transfers.sending {
            if self.now.since(outgoing.progress) < patience {
                continue;
            }
            outgoing.progress = self.now;
            outgoing.attempts += 1;
            outgoing.next = outgoing.acknowledged;
            if outgoing.attempts > limits::TRANSFER_ATTEMPTS_MAX {
                lost.push(*to);
            }
        }
        for to in lost {
            self.drop_transfer(to);
            self.sometimes("snapshot transfer given up");
            if !self.config.mutations.has(Mutation::SnapshotNotReported) {
                self.raft.report_snapshot(to.0, SnapshotStatus::Failure);
            }
        }
    }

    pub(crate) fn drop_transfer(&mut self, to: NodeId) {
        if let Some(outgoing) = self.transfers.sending.remove(&to) {
            self.store.close_view(&outgoing.view);
        }
        self.limit_transfers();
    }

    pub(crate) fn drop_transfers(&mut self) {
        while let Some(to) = self.transfers.sending.keys().next().copied() {
            self.drop_transfer(to);
        }
    }

    pub(crate) fn drop_transfers_to_strangers(&mut self) {
        let strangers: Vec<NodeId> = self
            .transfers
            .sending
            .keys()
            .copied()
            .filter(|to| self.raft.raft.prs().get(to.0).is_none())
            .collect();
        for to in strangers {
            self.drop_transfer(to);
        }
    }

    fn limit_transfers(&mut self) {
        let may_send = self.transfers.sending.len() < limits::TRANSFERS_MAX;
        self.raft.mut_store().may_send_snapshot = may_send;
    }

    // The follower's side.

    pub(crate) fn on_snapshot_part(&mut self, from: NodeId, part: &SnapshotPart) {
        if part.transfer.term.0 < self.raft.raft.term {
            return;
        }
        let finishing = self.incoming.as_ref().is_some_and(|incoming| incoming.is_whole);
        if !finishing && self.knows_already(&part.meta) {
            self.abort_incoming();
            self.hand_to_raft(from, &part.meta, part.transfer.term);
            if part.last {
                let (transfer, next) = (part.transfer, part.part + 1);
                self.send(from, PeerMessage::SnapshotAck { transfer, next });
            }
            return;
        }
        if !self.accept_transfer(from, part) {
            return;
        }
        let now = self.now;
        let Some(incoming) = &mut self.incoming else { return };
        incoming.heard = now;
        if part.part == incoming.next && !incoming.is_whole {
            incoming.next += 1;
            self.event(Event::SnapshotPart { part: part.part });
            self.take_part(part);
        }
        if let Some(incoming) = &self.incoming {
            let unfinished = u64::from(incoming.is_whole);
            let (transfer, next) = (incoming.transfer, incoming.next - unfinished);
            self.send(from, PeerMessage::SnapshotAck { transfer, next });
        }
    }

    fn knows_already(&self, meta: &SnapshotMeta) -> bool {
        let raft_log = &self.raft.raft.raft_log;
        meta.index.0 <= raft_log.committed || raft_log.match_term(meta.index.0, meta.term.0)
    }

    /// Forgets a snapshot whose leader has forgotten it: it lost its leadership, or the log caught up meanwhile.
    pub(crate) fn on_incoming_tick(&mut self) {
        let Some(incoming) = &self.incoming else { return };
        let patience = limits::INCOMING_PATIENCE_TICKS * self.tick_nanos();
        let silent = self.now.since(incoming.heard) > patience;
        if !incoming.is_whole && (silent || self.knows_already(&incoming.meta)) {
            self.sometimes("half a snapshot forgotten");
            self.abort_incoming();
        }
    }

    /// Whether the part belongs to the transfer that is coming in; a newer transfer takes its place.
    fn accept_transfer(&mut self, from: NodeId, part: &SnapshotPart) -> bool {
        match &self.incoming {
            Some(incoming) if incoming.transfer == part.transfer => return incoming.from == from,
            Some(incoming) if incoming.transfer > part.transfer || incoming.is_whole => {
                return false;
            }
            Some(_) | None => {}
        }
        if part.part > 0 {
            let body = PeerMessage::SnapshotAck { transfer: part.transfer, next: 0 };
            self.send(from, body);
            return false;
        }
        self.abort_incoming();
        self.abort_own_snapshot(0);
        let (framer, bytes) = Framer::start(&part.meta);
        let file = part.meta.temporary();
        let ops =
            vec![DiskOp::Create { file: file.clone() }, DiskOp::Write { file, offset: 0, bytes }];
        self.persistence.file_step(FileStep::PeerPart, ops);
        self.incoming = Some(Incoming {
            from,
            transfer: part.transfer,
            meta: part.meta.clone(),
            next: 0,
            framer,
            restore: Some(Restore::new(self.config.mutations)),
            store: None,
            heard: self.now,
            is_whole: false,
        });
        true
    }

    fn take_part(&mut self, part: &SnapshotPart) {
        let Some(incoming) = &mut self.incoming else { return };
        let Some(restore) = &mut incoming.restore else { return };
        if restore.push(&part.bytes).is_err() {
            return self.abort_incoming(); // Damaged on the way; the leader starts over.
        }
        let file = incoming.meta.temporary();
        let offset = incoming.framer.length;
        let mut ops = vec![DiskOp::Write {
            file: file.clone(),
            offset,
            bytes: incoming.framer.part(&part.bytes),
        }];
        if !part.last {
            return self.persistence.file_step(FileStep::PeerPart, ops);
        }
        match incoming.restore.take().map(Restore::finish) {
            Some(Ok(store)) => {
                incoming.store = Some(store);
                incoming.is_whole = true;
            }
            Some(Err(_)) | None => return self.abort_incoming(),
        }
        let offset = incoming.framer.length;
        ops.push(DiskOp::Write { file: file.clone(), offset, bytes: incoming.framer.end() });
        ops.push(DiskOp::Sync { file: file.clone() });
        ops.push(DiskOp::Rename { from: file, to: incoming.meta.file() });
        if !self.config.mutations.has(Mutation::DirectoryNotSynced) {
            ops.push(DiskOp::SyncDirectory);
        }
        self.persistence.file_step(FileStep::PeerDone, ops);
    }

    /// Forgets the snapshot that is coming in.
    pub(crate) fn abort_incoming(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        self.persistence
            .drop_file_steps(|step| matches!(step, FileStep::PeerPart | FileStep::PeerDone));
        if self.config.mutations.has(Mutation::LitterKept) {
            return;
        }
        let files = [incoming.meta.temporary(), incoming.meta.file()];
        let ops = files.into_iter().map(|file| DiskOp::Remove { file }).collect();
        self.persistence.file_step(FileStep::Cleanup, ops);
    }

    /// The file has its name: raft may have the snapshot.
    pub(crate) fn on_peer_snapshot_named(&mut self) {
        let Some(incoming) = &self.incoming else { return };
        let (from, meta, term) = (incoming.from, incoming.meta.clone(), incoming.transfer.term);
        if term.0 < self.raft.raft.term || self.knows_already(&meta) {
            self.incoming = None;
            return self
                .persistence
                .file_step(FileStep::Cleanup, vec![DiskOp::Remove { file: meta.file() }]);
        }
        self.hand_to_raft(from, &meta, term);
        // Raft takes it with its next Ready, or not at all: it is no member in that configuration.
        if self.raft.snap().is_none() {
            self.incoming = None;
            self.persistence
                .file_step(FileStep::Cleanup, vec![DiskOp::Remove { file: meta.file() }]);
        }
    }

    fn hand_to_raft(&mut self, from: NodeId, meta: &SnapshotMeta, term: Term) {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgSnapshot);
        message.from = from.0;
        message.to = self.config.node.0;
        message.term = term.0;
        let metadata = message.mut_snapshot().mut_metadata();
        metadata.index = meta.index.0;
        metadata.term = meta.term.0;
        metadata.set_conf_state(meta.conf_state());
        if self.raft.step(message).is_err() {
            self.sometimes("raft dropped a message");
        }
        self.pin_timeout();
    }

    /// Raft takes the snapshot: its mark goes into the WAL with the hard state of the same Ready, in one batch. The store
    /// is the snapshot's from now on: all of it is committed, and what is read from the old one would be stale.
    pub(crate) fn install_snapshot(&mut self, metadata: &SnapshotMetadata) -> Effect {
        let incoming = self.incoming.as_mut().expect("raft was handed a snapshot that came in");
        let meta = incoming.meta.clone();
        assert_eq!(meta.index.0, metadata.index, "raft takes another snapshot than it was handed");
        self.store = incoming.store.take().expect("all parts were here before raft had it");
        self.membership.clone_from(&meta.membership);
        let conf_state = if self.config.mutations.has(Mutation::StaleMembersAfterSnapshot) {
            self.raft.store().conf_state().clone()
        } else {
            meta.conf_state()
        };
        self.wal.append(&Record::Snapshot(SnapshotMark {
            index: meta.index,
            term: meta.term,
            conf_state: conf_state.clone(),
            file: meta.file(),
            file_bytes: incoming.framer.length,
            file_checksum: incoming.framer.checksum,
            installed: true,
        }));
        self.move_watches();
        self.restart_chores();
        self.restart_long_reads();
        self.forget_backups();
        self.persistence.require();
        if self.config.mutations.has(Mutation::SnapshotStateSplit) {
            self.persistence.skip_hard_state_once();
        }
        self.raft.mut_store().restore((meta.index.0, meta.term.0), conf_state);
        Effect::Installed(Box::new(meta))
    }

    /// The mark is durable: the log before it may go.
    pub(crate) fn on_installed(&mut self, meta: &SnapshotMeta) {
        if let Some(incoming) = self.incoming.take() {
            let (transfer, next) = (incoming.transfer, incoming.next);
            self.send(incoming.from, PeerMessage::SnapshotAck { transfer, next });
        }
        self.raft.advance_apply_to(meta.index.0);
        self.pin_timeout();
        let (chain, digest) = (self.store.chain(), Some(self.store.digest()));
        self.event(Event::Snapshot {
            index: meta.index,
            term: meta.term,
            installed: true,
            chain,
            digest,
        });
        self.announce_members(meta.index, &meta.conf_state());
        self.retire_log(meta.index, meta.file());
        self.finish_defragmenting(meta.index);
        self.serve_reads();
    }
}
