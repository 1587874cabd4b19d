//! The observer: ghost state outside the nodes, and the invariants over it, each checked at the event that can break it.
//!
//! Nothing in a run depends on it. It sees what no node can: all disks at once, and what each node ever promised.

pub(crate) mod ghost;
pub(crate) mod ledger;

use crate::{
    invariants::{
        apply_order, auto_compaction::Reached, boot_promise::BootPromise, commit_quorum,
        compaction, corruption, election_safety::ElectionSafety, leader_append_only,
        leader_completeness, lease_clocks, lease_reads, log_matching::LogMatching, membership,
        monotone, promise, promotion, read_freshness, recovery, replica_hash,
        snapshot_content::SnapshotContent, state_machine_safety, vote_once::VoteOnce,
    },
    limits,
    tally::{Code, Tally},
};
use ghost::{Commits, Configurations, Members};
use ledger::{Change, Ledger};
use whitewater_api::{FileName, Index, NodeId, RequestId, Revision, Term, Tuning};
use whitewater_physics::{Disk, FileId};
use whitewater_record::SimTime;
use whitewater_replica::{Envelope, Event, LeaseClock, Phase, Promise, Role, Status};

/// The ghost state.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) tally: Tally,
    /// What each disk durably holds, by node from 1.
    ledgers: Vec<Ledger>,
    /// What the disk held that was replaced by an empty one, by node from 1.
    former: Vec<Option<Ledger>>,
    /// A process died, and the next one has not synced yet what the page cache kept, by node from 1.
    restarted: Vec<bool>,
    /// What each process has applied, by node from 1.
    applied: Vec<Index>,
    commits: Commits,
    configurations: Configurations,
    election_safety: ElectionSafety,
    vote_once: VoteOnce,
    boot_promise: BootPromise,
    log_matching: LogMatching,
    snapshot_content: SnapshotContent,
    reached: Reached,
    /// A leader's commit went up in this step: what it had applied before.
    committing: Option<Index>,
    changes: Vec<Change>,
}

impl Observer {
    /// Nothing was seen yet.
    pub(crate) fn new(voters: u64, highest: u64) -> Self {
        let nodes = usize::try_from(highest).expect("ids are below 64");
        Self {
            tally: Tally::new(),
            ledgers: (0..nodes).map(|_| Ledger::default()).collect(),
            former: (0..nodes).map(|_| None).collect(),
            restarted: vec![false; nodes],
            applied: vec![Index(0); nodes],
            commits: Commits::default(),
            configurations: Configurations::new((1..=voters).map(NodeId).collect()),
            election_safety: ElectionSafety::default(),
            vote_once: VoteOnce::new(nodes),
            boot_promise: BootPromise::new(nodes),
            log_matching: LogMatching::default(),
            snapshot_content: SnapshotContent::default(),
            reached: Reached::default(),
            committing: None,
            changes: Vec::new(),
        }
    }

    /// Another cluster begins, of which nothing was seen yet.
    pub(crate) fn start_over(&mut self, voters: u64) {
        let highest = u64::try_from(self.ledgers.len()).expect("ids are below 64");
        *self = Self { tally: self.take_tally(), ..Self::new(voters, highest) };
    }

    /// A member's content is of this revision.
    pub(crate) fn on_revision(&mut self, revision: Revision) {
        self.reached.note(self.tally.place.at, revision);
    }

    /// A leader compacts by itself.
    pub(crate) fn on_auto_compaction(&mut self, node: NodeId, revision: Revision, tuning: &Tuning) {
        let (discriminates, wrong) = self.reached.check(revision, tuning, self.tally.place.at);
        self.tally.check(Code::Compaction, Some(node), discriminates, wrong);
    }

    /// The newest configuration that anybody has applied.
    pub(crate) fn members(&self) -> &Members {
        self.configurations.newest()
    }

    /// The tally, at the end.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::replace(&mut self.tally, Tally::new())
    }

    /// A batch was done: what it made durable goes into the ledger.
    pub(crate) fn on_disk(&mut self, node: NodeId, disk: &Disk, status: &Status) {
        let mut changes = std::mem::take(&mut self.changes);
        let is_first =
            !disk.synced().is_empty() && std::mem::take(&mut self.restarted[place(node)]);
        for file in disk.synced() {
            let Some((name, _)) = disk.durable_names().find(|(_, id)| id == file) else { continue };
            let ledger = &mut self.ledgers[place(node)];
            if is_first {
                ledger.follow(name, &with_zeros(disk, *file), &self.log_matching, &mut changes);
            } else if let Some(bytes) = disk.durable_bytes(*file) {
                ledger.follow(name, bytes, &self.log_matching, &mut changes);
            }
        }
        for change in changes.drain(..) {
            self.on_change(node, &change, status);
            if matches!(change, Change::Snapshot { .. }) {
                let wrong = compaction::check_mark(&self.ledgers[place(node)], node, disk);
                self.tally.check(Code::Compaction, Some(node), true, wrong);
            }
        }
        self.changes = changes;
    }

    fn on_change(&mut self, node: NodeId, change: &Change, status: &Status) {
        let who = Some(node);
        match *change {
            Change::HardState { before, after } => {
                let wrong = monotone::hard_state(before, after);
                self.tally.check(Code::Monotone, who, before.0 > Term(0), wrong);
            }
            Change::Entry { index, term, chain, last } => {
                let wrong = leader_append_only::check(index, term, last, status);
                self.tally.check(Code::LeaderAppendOnly, who, status.role == Role::Leader, wrong);
                let overwrites = index <= last;
                if overwrites {
                    self.on_taken_back(node, index, status.term);
                }
                if let Some(chain) = chain {
                    let (wrong, is_known) = self.log_matching.check(index, term, chain);
                    self.tally.check(Code::LogMatching, who, is_known, wrong);
                }
            }
            Change::Snapshot { cut } => {
                if let Some(index) = cut {
                    self.on_taken_back(node, index, status.term);
                }
            }
        }
    }

    /// A leader of `term` has taken back what a node's log durably held from `index` on.
    fn on_taken_back(&mut self, node: NodeId, index: Index, term: Term) {
        self.tally.sometimes("conflicting entries overwritten");
        let wrong = self.boot_promise.on_overwrite(node, index, term);
        self.tally.check(Code::BootPromise, Some(node), true, wrong);
    }

    /// A file is about to be removed.
    pub(crate) fn on_remove(&mut self, node: NodeId, file: &FileName) {
        let ledger = &self.ledgers[place(node)];
        if let Some(wrong) = compaction::check_file(ledger, node, file) {
            self.tally.check(Code::Compaction, Some(node), true, Some(wrong));
        }
        if ledger.highest_in(file).is_some() {
            let wrong = compaction::check(ledger, file);
            self.tally.check(Code::Compaction, Some(node), true, wrong);
        }
    }

    /// A process died: what is durable now may be more than what was synced. `status` is its last one.
    pub(crate) fn on_crash(&mut self, node: NodeId, disk: &Disk, power: bool, status: &Status) {
        self.ledgers[place(node)].on_crash(power);
        self.restarted[place(node)] = true;
        let mut changes = std::mem::take(&mut self.changes);
        let mut is_torn = false;
        for (name, file) in disk.durable_names() {
            let ledger = &mut self.ledgers[place(node)];
            ledger.follow(name, &with_zeros(disk, file), &self.log_matching, &mut changes);
            is_torn |= ledger.is_torn();
        }
        if is_torn {
            self.tally.sometimes("log torn by a crash");
        }
        for change in changes.drain(..) {
            self.on_change(node, &change, status);
        }
        self.changes = changes;
    }

    /// A disk was replaced by an empty one. What its member promised it has still promised.
    pub(crate) fn on_wipe(&mut self, node: NodeId) {
        self.former[place(node)] = Some(std::mem::take(&mut self.ledgers[place(node)]));
    }

    /// A member forgets what it promised, which it may when the members have taken its vote away. Nothing of that binds
    /// it, or counts, from now on.
    fn on_start_over(&mut self, node: NodeId, barrier: Option<Index>) {
        let members = self.configurations.newest();
        let votes = members.voters.contains(&node) || members.outgoing.contains(&node);
        let wrong = votes.then(|| format!("{node} starts over while it has a vote"));
        let is_free = wrong.is_none();
        self.tally.check(Code::BootPromise, Some(node), true, wrong);
        if is_free {
            self.boot_promise.release(node);
            self.vote_once.release(node);
            // Without a barrier the new log does not say that it is one.
            self.ledgers[place(node)] =
                if barrier.is_some() { Ledger::void() } else { Ledger::default() };
        }
    }

    /// A replica refuses to start, or to take part.
    pub(crate) fn on_refusal(&mut self, node: NodeId, error: &str, is_damaged: bool) {
        let wrong = (!is_damaged).then(|| recovery::refused(error));
        self.tally.check(Code::Recovery, Some(node), true, wrong);
    }

    /// A replica has recovered.
    pub(crate) fn on_boot(&mut self, node: NodeId, status: &Status) {
        self.tally.check(Code::Panic, Some(node), false, None);
        let ledger = &self.ledgers[place(node)];
        if status.phase != Phase::Damaged {
            let wrong = recovery::recovered(ledger, status);
            self.tally.check(Code::Recovery, Some(node), ledger.is_used(), wrong);
        }
        self.applied[place(node)] = status.applied;
        self.check_joint(node, status);
    }

    /// Whether a node that starts, or goes on from a snapshot, knows that it is in a joint configuration. One that has applied
    /// nothing, as a newcomer that starts again, knows of none.
    fn check_joint(&mut self, node: NodeId, status: &Status) {
        if status.applied == Index(0) {
            return;
        }
        let members = self.configurations.at(status.applied);
        let wrong = membership::joint(members, status);
        self.tally.check(Code::Membership, Some(node), !members.outgoing.is_empty(), wrong);
    }

    /// A step was made. Whether it made the node a leader.
    pub(crate) fn on_status(&mut self, node: NodeId, before: &Status, after: &Status) -> bool {
        let who = Some(node);
        // A step whose outputs were cut short by a crash has left its own.
        self.committing = None;
        let moved = (before.term, before.commit, before.applied)
            != (after.term, after.commit, after.applied);
        if moved {
            self.tally.check(Code::Monotone, who, true, monotone::check(before, after));
        }
        if before.phase != Phase::Active && after.phase == Phase::Active {
            let (wrong, promised) = self.boot_promise.check(node, after);
            self.tally.check(Code::BootPromise, who, promised, wrong);
        }
        self.commits.see(after.term, after.commit);
        let leads = after.role == Role::Leader;
        if leads && after.commit > before.commit {
            self.committing = Some(before.applied);
        }
        let became = leads && (before.role != Role::Leader || before.term != after.term);
        if became {
            self.on_leader(node, after);
        }
        became
    }

    fn on_leader(&mut self, node: NodeId, status: &Status) {
        let who = Some(node);
        let (wrong, is_new) = self.election_safety.check(status.term, node, self.tally.place.at);
        self.tally.check(Code::ElectionSafety, who, !is_new, wrong);
        if self.election_safety.terms() > 1 {
            self.tally.sometimes("leader changed");
        }
        let ledger = &self.ledgers[place(node)];
        let (wrong, discriminates) = leader_completeness::check(&self.commits, ledger, status.term);
        self.tally.check(Code::LeaderCompleteness, who, discriminates, wrong);
    }

    /// The outputs of a step were performed.
    pub(crate) fn after_step(&mut self, node: NodeId, status: &Status) {
        let Some(before) = self.committing.take() else { return };
        let wrong = self.commit_quorum(status, before);
        // A change that was applied in this very step may have decided it.
        let wrong = wrong.and_then(|_| self.commit_quorum(status, status.applied));
        self.tally.check(Code::CommitQuorum, Some(node), true, wrong);
    }

    fn commit_quorum(&self, status: &Status, under: Index) -> Option<String> {
        let disks = commit_quorum::Disks { present: &self.ledgers, former: &self.former };
        disks.check(status, self.configurations.at(under))
    }

    /// A message leaves: what it promises must be on the disk.
    pub(crate) fn on_send(&mut self, envelope: &Envelope) {
        let Some(promised) = envelope.promise() else { return };
        let node = envelope.from;
        let who = Some(node);
        let wrong = promise::check(&self.ledgers[place(node)], node, promised);
        let is_more = self.boot_promise.note(node, promised);
        self.tally.check(Code::Promise, who, is_more, wrong);
        let vote = match promised {
            Promise::Vote { term, to } => Some((term, to)),
            Promise::Candidacy { term } => Some((term, node)),
            Promise::Appended { .. } => None,
        };
        if let Some((term, to)) = vote {
            let (wrong, is_new) = self.vote_once.check(node, term, to);
            self.tally.check(Code::VoteOnce, who, !is_new, wrong);
        }
    }

    /// A linearizable read is answered.
    pub(crate) fn on_read(
        &mut self,
        node: NodeId,
        id: RequestId,
        seen: Revision,
        floor: Option<Revision>,
    ) {
        let Some(floor) = floor else { return };
        let wrong = read_freshness::check(id, seen, floor);
        self.tally.check(Code::ReadFreshness, Some(node), floor > Revision::FIRST, wrong);
    }

    /// A leader answers a read that was asked for at `asked` because its lease allows it. `is_contested`: somebody has gone
    /// on to a newer term.
    pub(crate) fn on_lease_read(
        &mut self,
        node: NodeId,
        term: Term,
        asked: SimTime,
        is_contested: bool,
    ) {
        let wrong = lease_reads::check(node, term, self.election_safety.newest_before(asked));
        self.tally.check(Code::LeaseReads, Some(node), is_contested, wrong);
    }

    /// A leader knows these leases.
    pub(crate) fn on_lease_clocks(
        &mut self,
        node: NodeId,
        clocks: impl Iterator<Item = LeaseClock>,
        tuning: &Tuning,
    ) {
        let (wrong, discriminates) = lease_clocks::check(node, clocks, tuning);
        self.tally.check(Code::LeaseClocks, Some(node), discriminates, wrong);
    }

    /// Somebody is refused because a member is called corrupt.
    pub(crate) fn on_called_corrupt(&mut self, node: NodeId) {
        let wrong = corruption::check(&self.tally);
        self.tally.check(Code::Corruption, Some(node), true, wrong);
    }

    /// Something happened inside a replica.
    pub(crate) fn on_event(&mut self, node: NodeId, event: &Event, status: &Status) {
        let who = Some(node);
        match event {
            Event::Applied { index, term, checksum, chain, .. } => {
                let before = std::mem::replace(&mut self.applied[place(node)], *index);
                let wrong = apply_order::check(before, *index, status);
                self.tally.check(Code::ApplyOrder, who, true, wrong);
                let applied = ghost::Applied { term: *term, checksum: *checksum, chain: *chain };
                let known = self.commits.apply(*index, applied);
                let wrong =
                    known.and_then(|known| state_machine_safety::check(*index, known, applied));
                self.tally.check(Code::StateMachineSafety, who, known.is_some(), wrong);
                let wrong =
                    known.and_then(|known| replica_hash::check(*index, known.chain, *chain));
                self.tally.check(Code::ReplicaHash, who, known.is_some(), wrong);
                if index.0.is_multiple_of(limits::GHOST_SLACK) {
                    self.prune();
                }
            }
            Event::Members { index, voters, outgoing, learners } => {
                let members = Members {
                    voters: voters.clone(),
                    outgoing: outgoing.clone(),
                    learners: learners.clone(),
                };
                let known = self.configurations.at_exactly(*index);
                let wrong = known.and_then(|known| membership::check(*index, known, &members));
                self.tally.check(Code::Membership, who, known.is_some(), wrong);
                self.check_promotions(*index, voters);
                self.configurations.add(*index, members);
            }
            Event::Snapshot { index, term, installed, chain, digest } => {
                let known = self.commits.at(*index);
                let wrong =
                    known.and_then(|known| SnapshotContent::chain(*index, *term, *chain, known));
                self.tally.check(Code::SnapshotContent, who, known.is_some(), wrong);
                if *installed {
                    self.applied[place(node)] = self.applied[place(node)].max(*index);
                    self.tally.sometimes("snapshot installed");
                    if *index == status.applied {
                        self.check_joint(node, status);
                    }
                }
                if let Some(digest) = digest {
                    let (wrong, is_known) = self.snapshot_content.digest(*index, *digest);
                    self.tally.check(Code::SnapshotContent, who, is_known, wrong);
                }
            }
            Event::StartedOver { barrier } => self.on_start_over(node, *barrier),
            Event::Sometimes(name) => self.tally.sometimes(name),
            Event::Appended { .. }
            | Event::Damaged(_)
            | Event::SnapshotPart { .. }
            | Event::Read { .. }
            | Event::AutoCompaction { .. }
            | Event::LeaseExpired { .. } => {}
        }
    }

    /// Whether those who learned, and vote from now on, had learned enough.
    fn check_promotions(&mut self, index: Index, voters: &[NodeId]) {
        let newest = self.configurations.newest_at();
        if index <= newest {
            return;
        }
        for node in promotion::promoted(self.configurations.newest(), voters) {
            let held = self.ledgers.get(place(node)).into_iter();
            let former = self.former.get(place(node)).and_then(Option::as_ref);
            let wrong = promotion::check(node, index, held.chain(former));
            self.tally.check(Code::Promotion, Some(node), true, wrong);
        }
    }

    /// Forgets what all disks cover by a snapshot.
    fn prune(&mut self) {
        let used = self.ledgers.iter().filter(|ledger| ledger.is_used());
        let covered = used.map(|ledger| ledger.mark().0).min().unwrap_or(Index(0));
        let below = Index(covered.0.saturating_sub(limits::GHOST_SLACK));
        self.commits.prune(below);
        self.log_matching.prune(below);
        self.configurations.prune(below);
    }
}

/// The durable bytes of a file that a crash may have cut short. A batch that was cut inside its last zeros is whole where
/// the file goes on with zeros.
fn with_zeros(disk: &Disk, file: FileId) -> Vec<u8> {
    let mut bytes = disk.durable_bytes(file).unwrap_or_default().to_vec();
    let length = disk.durable_length(file).and_then(|length| usize::try_from(length).ok());
    let length = length.unwrap_or(0).min(bytes.len() + limits::ZEROS_BEHIND);
    bytes.resize(length.max(bytes.len()), 0);
    bytes
}

fn place(node: NodeId) -> usize {
    usize::try_from(node.0 - 1).expect("ids are below 64")
}
