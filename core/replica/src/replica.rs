//! The replica: one state machine with one door.
//!
//! [`Replica::step`] decides what an input does; each kind has a file of its own:
//!
//! | input | file |
//! |---|---|
//! | time | this one |
//! | messages | `arrival.rs`; `introduction.rs`, `transfer.rs`, `reads.rs`, `corruption.rs` for those that are ours |
//! | requests | `writes.rs`, `reads.rs`, `long_reads.rs`, `leases.rs`, `members.rs`, `maintenance.rs`; `auth.rs` for who asks |
//! | streams and watches | `watches.rs` |
//! | the disk | `persistence.rs` |
//!
//! After every input, `ready.rs` carries out what raft-rs wants done, and this file settles what follows from it.

use crate::{
    auth::Doorkeeper,
    auto_compaction::AutoCompaction,
    backup::Backups,
    chores::Chores,
    cluster::{Changes, Contacts},
    compaction::Compaction,
    config::Config,
    corruption::Corruption,
    door::{Asked, Event, Input, Output, Phase, Role, Status, StopReason},
    introduction::Introduction,
    leases::Grants,
    lessor::Lessor,
    limits,
    log::Log,
    long_reads::LongReads,
    maintenance::Maintenance,
    membership::Membership,
    message::{Envelope, PeerMessage},
    persistence::Persistence,
    reads::Reads,
    repair::{Reliefs, Repair},
    timeouts,
    transfer::{Incoming, Transfers},
    wal::{Renewal, Wal},
    watches::Watching,
    writes::Writes,
};
use raft::{INVALID_ID, RawNode, StateRole};
use std::mem;
use whitewater_api::{Body, Error, Header, Index, Monotonic, NodeId, RequestId, Response, Term};
use whitewater_store::Store;

/// One member's Raft log, store and disk format, without any I/O of its own.
pub struct Replica {
    pub(crate) config: Config,
    pub(crate) phase: Phase,
    pub(crate) raft: RawNode<Log>,
    /// Invariant: holds exactly the entries up to the log's applied index.
    pub(crate) store: Store,
    pub(crate) wal: Wal,
    pub(crate) persistence: Persistence,
    pub(crate) introduction: Introduction,
    pub(crate) writes: Writes,
    pub(crate) reads: Reads,
    pub(crate) long_reads: LongReads,
    pub(crate) lessor: Lessor,
    pub(crate) lease_grants: Grants,
    pub(crate) watching: Watching,
    pub(crate) doorkeeper: Doorkeeper,
    /// What is known of the members, as of the applied index.
    pub(crate) membership: Membership,
    /// What this member waits for, if its disk is damaged.
    pub(crate) repair: Option<Repair>,
    /// How its log started over, if it did.
    pub(crate) renewal: Option<Renewal>,
    pub(crate) reliefs: Reliefs,
    pub(crate) contacts: Contacts,
    pub(crate) changes: Changes,
    pub(crate) transfers: Transfers,
    pub(crate) incoming: Option<Incoming>,
    pub(crate) compaction: Compaction,
    pub(crate) auto_compaction: AutoCompaction,
    pub(crate) maintenance: Maintenance,
    pub(crate) corruption: Corruption,
    pub(crate) chores: Chores,
    pub(crate) backups: Backups,
    /// The host has no memory to spare.
    pub(crate) is_low_on_memory: bool,
    /// The time of the input that is being handled. Never goes back.
    pub(crate) now: Monotonic,
    /// When this process started.
    pub(crate) booted: Monotonic,
    /// The moment up to which ticks were made.
    ticked: Monotonic,
    /// What was last seen of raft, to notice changes.
    seen: Seen,
    pinned: timeouts::Pinned,
    pub(crate) outputs: Vec<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    role: StateRole,
    term: u64,
    leader: u64,
}

/// The parts that recovery puts together.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) raft: RawNode<Log>,
    pub(crate) store: Store,
    pub(crate) wal: Wal,
    pub(crate) persistence: Persistence,
    pub(crate) introduction: Introduction,
    pub(crate) membership: Membership,
    pub(crate) renewal: Option<Renewal>,
    pub(crate) compaction: Compaction,
    pub(crate) now: Monotonic,
}

impl Replica {
    pub(crate) fn assemble(parts: Parts) -> Self {
        let seen =
            Seen { role: StateRole::Follower, term: parts.raft.raft.term, leader: INVALID_ID };
        let watching =
            Watching::new(&parts.config.tuning, parts.store.revision(), parts.config.mutations);
        let auto_compaction =
            AutoCompaction::new(&parts.config.tuning, parts.now, parts.store.revision());
        let mut replica = Self {
            config: parts.config,
            phase: Phase::Starting,
            raft: parts.raft,
            store: parts.store,
            wal: parts.wal,
            persistence: parts.persistence,
            introduction: parts.introduction,
            writes: Writes::default(),
            reads: Reads::default(),
            long_reads: LongReads::default(),
            lessor: Lessor::default(),
            lease_grants: Grants::default(),
            watching,
            doorkeeper: Doorkeeper::default(),
            membership: parts.membership,
            repair: None,
            renewal: parts.renewal,
            reliefs: Reliefs::default(),
            contacts: Contacts::default(),
            changes: Changes::default(),
            transfers: Transfers::default(),
            incoming: None,
            compaction: parts.compaction,
            auto_compaction,
            maintenance: Maintenance::default(),
            corruption: Corruption::default(),
            chores: Chores::default(),
            backups: Backups::default(),
            is_low_on_memory: false,
            now: parts.now,
            booted: parts.now,
            ticked: parts.now,
            seen,
            pinned: timeouts::Pinned::default(),
            outputs: Vec::new(),
        };
        replica.pin_timeout();
        if replica.config.tuning.alone_at_once && replica.is_own_quorum() {
            let raft = &mut replica.raft.raft;
            raft.election_elapsed = raft.randomized_election_timeout() - 1;
        }
        replica
    }

    /// Handles one input at the local time `now`. What shall be done is added to `outputs`, in order.
    ///
    /// # Panics
    ///
    /// If an invariant is broken, or if the replica has stopped.
    pub fn step(&mut self, now: Monotonic, input: Input, outputs: &mut Vec<Output>) {
        assert!(self.phase != Phase::Stopped, "a stopped replica was stepped");
        mem::swap(&mut self.outputs, outputs);
        self.now = self.now.max(now);
        self.long_reads.begin_step();
        self.catch_up();
        match input {
            Input::Tick => {}
            Input::Message(envelope) => self.on_message(envelope),
            Input::Requests(asked) => self.on_requests(asked),
            Input::StreamOpened { stream, require_leader, caller } => {
                self.keep_stream_caller(stream, caller);
                self.on_stream_opened(stream, require_leader);
            }
            Input::StreamReady { stream, credit } => self.on_stream_ready(stream, credit),
            Input::Watch { stream, request } => self.on_watch(stream, *request),
            Input::StreamClosed { stream } => self.on_stream_closed(stream),
            Input::DiskDone { write, result } => self.on_disk_done(write, result),
            Input::PasswordDone { id, done } => self.on_password_done(id, done),
            Input::Memory { is_low } => self.is_low_on_memory = is_low,
        }
        if self.phase != Phase::Stopped {
            self.settle();
            self.check_invariants();
        }
        mem::swap(&mut self.outputs, outputs);
    }

    /// When the replica wants to be stepped again, whatever else happens.
    pub fn next_wake(&self) -> Monotonic {
        let ticks = if self.is_waiting() { 1 } else { self.quiet_ticks() };
        let tick = self.ticked.after(ticks * self.tick_nanos());
        let lease = self.lessor.next_wake(self.now, self.tick_nanos());
        let watch = self.watching.next_wake(self.now);
        let work = [self.auto_compaction_wake(), self.chores_wake(), self.long_reads_wake()];
        [lease, watch].into_iter().chain(work).flatten().fold(tick, Ord::min)
    }

    /// What the replica looks like from outside.
    pub fn status(&self) -> Status {
        let raft = &self.raft.raft;
        let log = self.raft.store();
        Status {
            phase: self.phase,
            role: role_of(raft.state),
            term: Term(raft.term),
            vote: (raft.vote != INVALID_ID).then_some(NodeId(raft.vote)),
            leader: self.leader(),
            commit: Index(raft.raft_log.committed),
            applied: Index(log.applied().0),
            first: Index(log.first()),
            last: Index(raft.raft_log.last_index()),
            revision: self.store.revision(),
            chain: self.store.chain(),
            receives_snapshot: self.incoming.is_some(),
            transfers: raft.lead_transferee.is_some(),
            is_joint: !log.conf_state().voters_outgoing.is_empty(),
            pending: self.pending(),
            watches: self.watching.len(),
            lacks_disk: self.membership.lacks_disk(self.config.node),
            watches_behind: self.watching.behind(),
            compacted: self.store.compacted(),
            keys: self.store.keys_live(),
            tally: self.store.tally(),
        }
    }

    /// Hash of the store's whole content. Looks at everything.
    pub fn digest(&self) -> u64 {
        self.store.digest()
    }

    /// This member's id.
    pub fn node(&self) -> NodeId {
        self.config.node
    }

    // Time.

    /// Makes the ticks that are due. After a long pause no more than a few election timeouts of them: enough for a
    /// leader to see that it has lost its quorum, and for a follower to stand for election.
    fn catch_up(&mut self) {
        let length = self.tick_nanos();
        let due = self.now.since(self.ticked) / length;
        if due == 0 {
            return;
        }
        self.ticked = self.ticked.after(due * length);
        for _ in 0..due.min(limits::CATCH_UP_ELECTIONS * self.config.tuning.election_ticks) {
            self.on_tick();
        }
    }

    fn on_tick(&mut self) {
        self.retry_refused();
        self.on_introduction_tick();
        if self.phase != Phase::Active {
            return;
        }
        self.on_persistence_tick();
        if self.may_campaign() || self.is_leader() {
            self.tick_raft();
        }
        self.on_transfer_tick();
        self.on_incoming_tick();
        self.on_compaction_tick();
        self.on_asking_tick();
        self.on_corruption_tick();
        self.on_watch_tick();
        self.on_auth_tick();
        self.on_backup_tick();
    }

    /// A follower that cannot write must not stand for election, and one that is its own quorum would lead on entries
    /// that its disk does not hold yet (raft-rs asserts against it, X9). While a snapshot is on its way to the disk, raft
    /// would look for unapplied entries that the snapshot has replaced, and take their absence for a fatal error.
    pub(crate) fn may_campaign(&self) -> bool {
        let raft = &self.raft.raft;
        let installs = raft.raft_log.applied + 1 < self.raft.store().first();
        let waits = self.is_disk_stalled() || installs || self.has_forgotten_votes();
        !(waits || self.is_own_quorum() && self.persistence.is_writing())
    }

    /// How many ticks may pass without anything to do.
    fn quiet_ticks(&self) -> u64 {
        let raft = &self.raft.raft;
        if raft.state == StateRole::Leader {
            let beat = self.config.tuning.heartbeat_ticks
                - u64::try_from(raft.heartbeat_elapsed()).unwrap_or(0);
            return beat.max(1);
        }
        if !raft.promotable() {
            return self.config.tuning.election_ticks;
        }
        let left = raft.randomized_election_timeout().saturating_sub(raft.election_elapsed);
        u64::try_from(left).unwrap_or(1).max(1)
    }

    /// Whether something of ours runs on every tick.
    fn is_waiting(&self) -> bool {
        self.phase != Phase::Active
            || self.persistence.is_writing()
            || self.reads.is_waiting()
            || !self.transfers.is_empty()
            || self.incoming.is_some()
            || self.compaction.is_waiting()
            || self.is_comparing()
            || self.is_backing_up()
            || self.is_scrubbing()
            || self.writes.is_moving()
    }

    pub(crate) fn tick_nanos(&self) -> u64 {
        self.config.tuning.tick_ms * 1_000_000
    }

    pub(crate) fn election_nanos(&self) -> u64 {
        self.config.tuning.election_ms() * 1_000_000
    }

    fn on_requests(&mut self, asked: Vec<Asked>) {
        if asked.len() > 1 {
            self.sometimes("several requests handed over together");
        }
        for Asked { id, caller, request } in asked {
            self.on_request(id, caller, *request);
        }
    }

    // What follows from an input.

    fn settle(&mut self) {
        if self.phase == Phase::Active {
            loop {
                self.drain_ready();
                self.notice_changes();
                self.leave_joint();
                self.pump_changes();
                self.pump_leases();
                self.pump_auto_compaction();
                self.pump_reads();
                if !self.raft.has_ready() {
                    break;
                }
            }
            self.pump_turns();
            self.pump_transfers();
            self.pump_compaction();
        }
        self.pump_watches();
        self.flush();
    }

    /// Notices changes of role, term and leader, and lets go of what hung on the old ones.
    fn notice_changes(&mut self) {
        let raft = &self.raft.raft;
        let now = Seen { role: raft.state, term: raft.term, leader: raft.leader_id };
        let before = mem::replace(&mut self.seen, now);
        if before == now {
            return self.notice_moved_leader(); // A transfer that is given up changes none of them.
        }
        assert!(now.term >= before.term, "term went back: {} to {}", before.term, now.term);
        if now.leader != before.leader || now.term != before.term {
            self.abandon_read_round();
        }
        if before.role == StateRole::Leader
            && (now.role != StateRole::Leader || now.term != before.term)
        {
            if !self.writes.is_empty() {
                self.sometimes("leader stepped down with entries in flight");
            }
            self.fail_writes();
            self.drop_changes();
            self.refuse_lease_reads();
            self.end_tenure();
            self.reliefs = Reliefs::default();
            self.drop_round();
            self.drop_transfers();
        }
        self.notice_moved_leader();
    }

    /// Steps down from leadership without raising the term.
    pub(crate) fn step_down(&mut self) {
        let term = self.raft.raft.term;
        self.raft.raft.become_follower(term, INVALID_ID);
        self.pin_timeout();
    }

    pub(crate) fn pin_timeout(&mut self) {
        let ticks = self.config.tuning.election_ticks;
        timeouts::pin(&mut self.raft.raft, self.config.seed, ticks, &mut self.pinned);
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.raft.raft.state == StateRole::Leader
    }

    pub(crate) fn leader(&self) -> Option<NodeId> {
        let leader = self.raft.raft.leader_id;
        (leader != INVALID_ID).then_some(NodeId(leader))
    }

    pub(crate) fn pending(&self) -> usize {
        self.writes.len()
            + self.changes.len()
            + self.reads.len()
            + self.long_reads.len()
            + self.lessor.len()
            + self.maintenance_len()
            + self.doorkeeper.len()
    }

    pub(crate) fn send(&mut self, to: NodeId, body: PeerMessage) {
        self.outputs.push(Output::Send(Envelope { from: self.config.node, to, body }));
    }

    /// What an answer says of the moment that it is of: now.
    pub(crate) fn header(&self) -> Header {
        Header {
            cluster: self.config.cluster,
            node: self.config.node,
            term: Term(self.raft.raft.term),
            revision: self.store.revision(),
        }
    }

    pub(crate) fn reply(&mut self, id: RequestId, result: Result<Body, Error>) {
        self.reply_as_of(self.header(), id, result);
    }

    /// Answers what is of an earlier moment.
    pub(crate) fn reply_as_of(
        &mut self,
        header: Header,
        id: RequestId,
        result: Result<Body, Error>,
    ) {
        let result = result.map(|body| Box::new(Response { header, body }));
        self.outputs.push(Output::Reply { id, result });
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push(Output::Event(event));
    }

    pub(crate) fn sometimes(&mut self, what: &'static str) {
        self.event(Event::Sometimes(what));
    }

    pub(crate) fn stop(&mut self, reason: StopReason) {
        self.phase = Phase::Stopped;
        self.outputs.push(Output::Stop(reason));
    }

    fn check_invariants(&self) {
        let raft = &self.raft.raft;
        let log = self.raft.store();
        let applied = log.applied().0;
        assert!(
            applied <= raft.raft_log.committed,
            "applied {applied} above commit {}",
            raft.raft_log.committed
        );
        assert!(
            raft.raft_log.committed <= raft.raft_log.last_index(),
            "commit {} above last {}",
            raft.raft_log.committed,
            raft.raft_log.last_index()
        );
        log.check_invariants();
        self.long_reads.check_invariants();
    }
}

const fn role_of(role: StateRole) -> Role {
    match role {
        StateRole::Follower => Role::Follower,
        StateRole::PreCandidate => Role::PreCandidate,
        StateRole::Candidate => Role::Candidate,
        StateRole::Leader => Role::Leader,
    }
}
