//! The host of one replica: hands it inputs and performs its outputs. It decides nothing.
//!
//! A process is a task on a node of madsim's: it opens the replica, puts it on the stage, and lives until it is killed.
//! Whoever plays the world steps the replicas there; a switch of tasks an event would cost a tenth of a run.

use crate::{
    agenda::{Due, Packed},
    asking::{Answer, Asker},
    invariants::stalled_leader,
    machine::Life,
    panics,
    tally::Code,
    world::{Shared, World},
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    future::{pending, poll_fn},
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Poll, Waker},
};
use whitewater_api::{
    DiskOp, Error, Monotonic, NodeId, Request, RequestId, Revision, WriteId,
    request::CompactRequest,
};
use whitewater_physics::{Fate, Port};
use whitewater_record::{CrashPoint, RowKind, SimTime, Stream};
use whitewater_replica::{
    Envelope, Event, Input, OpenError, Output, PeerMessage, Phase, Replica, Role, Status,
    wal::{self, WalError},
    wire,
};

/// Where the processes leave their replicas, for the main task to step.
pub(crate) struct Stage {
    /// The main task, while it waits for a process to open its replica or to be gone.
    main: Option<Waker>,
    /// By node, from 1.
    seats: Vec<Seat>,
    doomed: Vec<NodeId>,
    /// Kept for the next step, so that it does not allocate.
    outputs: Vec<Output>,
}

#[derive(Default)]
struct Seat {
    /// Inputs, each with its cause.
    inbox: VecDeque<(Option<u64>, Input)>,
    process: Process,
}

/// What there is of a process.
#[derive(Default)]
enum Process {
    /// Nothing.
    #[default]
    Gone,
    /// Its task exists.
    Opening,
    /// Its replica can be stepped.
    Open(Box<Replica>),
    /// Its replica is being stepped, or has had enough. The task is still there.
    Idle,
}

impl Stage {
    pub(crate) fn new(highest: u64) -> Self {
        let seats = (1..=highest).map(|_| Seat::default()).collect();
        Self { main: None, seats, doomed: Vec::new(), outputs: Vec::new() }
    }

    /// Whether a replica knows of a member that could not prove itself any more without the word of `node`.
    pub(crate) fn needs_word_of(&self, node: NodeId) -> bool {
        self.seats.iter().any(
            |seat| matches!(&seat.process, Process::Open(replica) if replica.needs_word_of(node)),
        )
    }

    fn at(&mut self, node: NodeId) -> &mut Seat {
        &mut self.seats[usize::try_from(node.0 - 1).expect("ids are below 64")]
    }

    /// Puts an input before the replica of a node.
    pub(crate) fn seat(&mut self, node: NodeId, cause: Option<u64>, input: Input) {
        self.at(node).inbox.push_back((cause, input));
    }

    /// A process is about to be spawned.
    pub(crate) fn take(&mut self, node: NodeId) {
        let seat = self.at(node);
        assert!(matches!(seat.process, Process::Gone), "{node} has a process already");
        *seat = Seat { process: Process::Opening, ..Seat::default() };
    }

    /// What was meant for the process is void.
    pub(crate) fn clear(&mut self, node: NodeId) {
        self.at(node).inbox.clear();
    }

    /// The process of a node shall die before anything else happens.
    pub(crate) fn doom(&mut self, node: NodeId) {
        self.doomed.push(node);
    }

    /// The next one that shall die.
    pub(crate) fn next_doomed(&mut self) -> Option<NodeId> {
        self.doomed.pop()
    }

    fn wake_main(&mut self) {
        if let Some(main) = self.main.take() {
            main.wake();
        }
    }
}

/// Waits until a process that was spawned has opened its replica, or has ended over it.
pub(crate) async fn opened(shared: &Shared, node: NodeId) {
    wait(shared, node, |process| !matches!(process, Process::Opening)).await;
}

/// Waits until the task of a process is gone.
pub(crate) async fn gone(shared: &Shared, node: NodeId) {
    wait(shared, node, |process| matches!(process, Process::Gone)).await;
}

async fn wait(shared: &Shared, node: NodeId, is_over: impl Fn(&Process) -> bool) {
    poll_fn(|context| {
        let stage = &mut shared.lock().stage;
        if is_over(&stage.at(node).process) {
            return Poll::Ready(());
        }
        stage.main = Some(context.waker().clone());
        Poll::Pending
    })
    .await;
}

/// The place of a process. Left when its task ends, by itself or killed.
struct Place {
    shared: Shared,
    node: NodeId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let stage = &mut self.shared.lock().stage;
        // The seats are gone where a run broke off and is being cleared away.
        let place = usize::try_from(self.node.0 - 1).expect("ids are below 64");
        if let Some(seat) = stage.seats.get_mut(place) {
            *seat = Seat::default();
        }
        stage.wake_main();
    }
}

/// The life of one process.
pub(crate) async fn live(shared: Shared, node: NodeId) {
    let place = Place { shared, node };
    if place.shared.lock().open(node) {
        pending::<()>().await;
    }
}

/// What a step left behind, beside its outputs.
pub(crate) struct Stepped {
    pub(crate) status: Status,
    pub(crate) next_wake: Monotonic,
    /// Whether the input was the completion of a batch.
    pub(crate) is_disk: bool,
    /// Whether it was the timer.
    pub(crate) is_timer: bool,
}

impl World {
    /// Opens the replica of a process and puts it on the stage. Whether it goes on.
    fn open(&mut self, node: NodeId) -> bool {
        let crate::lifecycle::Opening { config, incarnation, now, image } = self.opening(node);
        let mut outputs = std::mem::take(&mut self.stage.outputs);
        let opened =
            self.guard(node, || Replica::open(config, incarnation, now, image, &mut outputs));
        let goes_on = match opened {
            Some(Ok(replica)) => {
                let (status, next_wake) = (replica.status(), replica.next_wake());
                let goes_on = self.on_boot(node, status, next_wake, &mut outputs);
                self.stage.at(node).process = Process::Open(Box::new(replica));
                self.stage.wake_main();
                goes_on
            }
            Some(Err(OpenError::Wal(WalError::Version { .. }))) if self.is_newer(node) => {
                self.on_newer_log(node);
                false
            }
            Some(Err(error)) => {
                self.on_refusal(node, &error.to_string());
                false
            }
            None => false,
        };
        outputs.clear();
        self.stage.outputs = outputs;
        goes_on
    }

    /// Steps the replica of a node with all that lies before it. What is meant for a process that has ended is void.
    pub(crate) fn step(&mut self, node: NodeId) {
        let process = std::mem::replace(&mut self.stage.at(node).process, Process::Idle);
        let Process::Open(mut replica) = process else {
            self.stage.at(node).process = process;
            return;
        };
        let mut outputs = std::mem::take(&mut self.stage.outputs);
        let mut goes_on = true;
        while goes_on
            && !self.machines.get(node).is_doomed
            && let Some((cause, input)) = self.stage.at(node).inbox.pop_front()
        {
            self.cause = cause;
            goes_on = self.step_once(node, &mut replica, input, &mut outputs);
        }
        outputs.clear();
        self.stage.outputs = outputs;
        if goes_on {
            self.stage.at(node).process = Process::Open(replica);
        }
    }

    /// One input. Whether the process goes on.
    fn step_once(
        &mut self,
        node: NodeId,
        replica: &mut Replica,
        input: Input,
        outputs: &mut Vec<Output>,
    ) -> bool {
        let now = self.machines.get(node).time(self.now, self.mutations);
        let is_disk = matches!(input, Input::DiskDone { .. });
        let is_timer = matches!(input, Input::Tick);
        if self.guard(node, || replica.step(now, input, outputs)).is_none() {
            return false;
        }
        if is_timer && let Some(clocks) = replica.lease_clocks() {
            self.observer.on_lease_clocks(node, clocks, &self.plan.cluster.tuning);
        }
        let stepped =
            Stepped { status: replica.status(), next_wake: replica.next_wake(), is_disk, is_timer };
        self.perform(node, stepped, outputs)
    }

    /// Calls into the replica. A panic there is the replica's violation, and its end.
    fn guard<R>(&mut self, node: NodeId, call: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => Some(result),
            Err(payload) => {
                let sentence = panics::sentence(panics::current().id(), payload.as_ref());
                self.on_panic(node, sentence);
                None
            }
        }
    }

    /// A replica has recovered. Whether it goes on.
    fn on_boot(
        &mut self,
        node: NodeId,
        status: Status,
        next_wake: Monotonic,
        outputs: &mut Vec<Output>,
    ) -> bool {
        let machine = self.machines.get_mut(node);
        machine.disk.reread();
        let epoch = machine.epoch;
        self.begin(RowKind::Boot, node.0, &[epoch, status.term.0, status.applied.0]);
        self.observer.on_boot(node, &status);
        self.note_release(node);
        self.note_revision(status.revision);
        if !self.machines.get(node).squeezes.is_empty() {
            self.input(node, Input::Memory { is_low: true });
        }
        self.machines.get_mut(node).status = status.clone();
        self.perform(node, Stepped { status, next_wake, is_disk: false, is_timer: false }, outputs)
    }

    /// A replica refuses to start, which only damage allows: its member has to be replaced.
    fn on_refusal(&mut self, node: NodeId, error: &str) {
        self.refuse(node, 1);
        if self.on_damage_found(node, error) {
            self.machines.get_mut(node).life = Life::Retired;
        }
    }

    /// A replica does not start, for this reason.
    pub(crate) fn refuse(&mut self, node: NodeId, reason: u64) {
        let machine = self.machines.get_mut(node);
        machine.life = Life::Down { powered: true };
        let epoch = machine.epoch;
        self.row(RowKind::Refuse, node.0, &[epoch, reason]);
    }

    /// A replica says that its disk is damaged. Whether it is.
    fn on_damage_found(&mut self, node: NodeId, reason: &str) -> bool {
        let damage = self.machines.get(node).damage;
        self.observer.on_refusal(node, reason, damage.is_some());
        if let Some(damaged) = damage {
            self.nemesis.witness(damaged.fault);
            self.observer.tally.sometimes("damage found");
        }
        damage.is_some()
    }

    fn on_panic(&mut self, node: NodeId, sentence: String) {
        self.machines.get_mut(node).life = Life::Down { powered: true };
        self.observer.tally.violate(Code::Panic, Some(node), sentence);
    }

    /// Performs the outputs of a step, in order. Whether the process goes on.
    pub(crate) fn perform(
        &mut self,
        node: NodeId,
        stepped: Stepped,
        outputs: &mut Vec<Output>,
    ) -> bool {
        if stepped.is_timer && !outputs.is_empty() {
            self.begin(RowKind::Timer, node.0, &[]);
        }
        self.note_status(node, stepped.status, stepped.next_wake);
        let sends = || outputs.iter().any(|output| matches!(output, Output::Send(_)));
        if stepped.is_disk && sends() && self.pass(node, CrashPoint::BeforeSend) {
            outputs.clear();
            return true;
        }
        for output in outputs.drain(..) {
            match output {
                Output::Send(envelope) => self.send(envelope),
                Output::Disk { write, ops } => self.submit(node, write, ops),
                Output::Password { id, work } => self.work_on_password(node, id, &work),
                Output::Reply { id, result } => {
                    self.machines.get_mut(node).serving.retain(|other| *other != id);
                    if let Err(error) = &result {
                        self.note_error(error);
                        if *error == Error::TooManyRequests {
                            self.witness_squeezes(node);
                        }
                    }
                    let ok = u64::from(result.is_ok());
                    self.row(
                        RowKind::Reply,
                        node.0,
                        &[id.process.0.into(), id.sequence.into(), ok],
                    );
                    self.answer(node, id, Answer::Reply(result));
                }
                Output::Watch { stream, response } => self.say(stream, response),
                Output::StreamEnded { stream, end: _ } => self.end_stream(stream),
                Output::Event(event) => self.note_event(node, &event),
                Output::Stop(reason) => {
                    self.on_stop(node, reason);
                    return false;
                }
            }
            if self.machines.get(node).is_doomed {
                return true;
            }
        }
        self.observer.after_step(node, &self.machines.get(node).status);
        self.arm(node);
        true
    }

    fn send(&mut self, envelope: Envelope) {
        self.messages += 1;
        let (message, from, to) = (self.messages, envelope.from, envelope.to);
        let (kind, [term, index, more]) = envelope.summary();
        self.note_message(kind);
        let before = self.cause;
        self.begin(RowKind::Send, from.0, &[message, to.0, kind as u64, term, index, more]);
        self.observer.on_send(&envelope);
        if !self.machines.has(to) {
            self.row(RowKind::Drop, from.0, &[message, to.0, 3]);
            self.cause = before;
            return;
        }
        let bytes = || u64::try_from(envelope.bytes()).expect("a length fits 64 bits");
        match self.network.send(self.now, Port::node(from), Port::node(to), bytes) {
            Fate::Lost => self.row(RowKind::Drop, from.0, &[message, to.0, 1]),
            Fate::Cut => {
                self.row(RowKind::Drop, from.0, &[message, to.0, 2]);
                if self.machines.is_alive(to) {
                    self.network.credit_cut(Port::node(from), Port::node(to));
                }
            }
            Fate::Once(at) => self.under_way(message, at, None, envelope),
            Fate::Twice(first, second) => self.under_way(message, first, Some(second), envelope),
        }
        self.cause = before;
    }

    /// Puts the copies of a message on their way, or those of the bytes that it has become (N5).
    fn under_way(&mut self, message: u64, first: SimTime, second: Option<SimTime>, sent: Envelope) {
        let (from, to) = (sent.from, sent.to);
        let version = self.spoken(from, to);
        let flips = self.network.flip(Port::node(from), Port::node(to));
        let is_changed = flips.is_some();
        if is_changed || version != wire::VERSION {
            let mut bytes = Vec::new();
            sent.body.encode(version, &mut bytes);
            if let Some(luck) = flips {
                flip(&mut bytes, luck);
            }
            let bytes = Bytes::from(bytes);
            let epochs = [from, to].map(|node| self.machines.get(node).epoch);
            for (at, copy) in iter::once(first).chain(second).zip(0..) {
                let bytes = bytes.clone();
                let packed = Packed { message, copy, from, to, epochs, is_changed, bytes };
                self.later(at, Due::DeliverBytes(Box::new(packed)));
            }
            return;
        }
        let again = second.map(|at| (at, sent.clone()));
        self.later(first, Due::Deliver { message, copy: 0, envelope: sent });
        if let Some((at, envelope)) = again {
            self.later(at, Due::Deliver { message, copy: 1, envelope });
        }
    }

    /// Bytes reach their node, whose codec has the word.
    pub(crate) fn on_deliver_bytes(&mut self, packed: Packed) {
        let Packed { message, copy, from, to, epochs, is_changed, bytes } = packed;
        let version = self.spoken(to, from);
        if is_changed {
            self.network.credit_flip(Port::node(from), Port::node(to));
        }
        // What the form of before lets through, for want of a checksum, is no promise of this release.
        let is_lost = epochs != [from, to].map(|node| self.machines.get(node).epoch)
            || (is_changed && version < wire::VERSION);
        if !is_lost && let Ok(body) = PeerMessage::decode(version, &bytes, self.mutations) {
            if version < wire::VERSION {
                self.observer.tally.sometimes("message between releases");
            }
            return self.on_deliver(message, copy, Envelope { from, to, body });
        }
        if is_changed && !is_lost {
            self.observer.tally.sometimes("changed message refused");
        }
        self.row(RowKind::Drop, from.0, &[message, to.0, 5]);
    }

    /// The form of messages that one node speaks with another one.
    fn spoken(&self, node: NodeId, other: NodeId) -> u16 {
        let [ours, theirs] =
            [node, other].map(|node| wire::spoken(self.machines.get(node).release));
        wire::agreed(&ours, &theirs, self.mutations)
            .expect("two releases that follow each other understand each other")
    }

    fn submit(&mut self, node: NodeId, write: WriteId, ops: Vec<DiskOp>) {
        let count = u64::try_from(ops.len()).expect("a length fits 64 bits");
        let bytes: usize = ops.iter().map(DiskOp::bytes).sum();
        let bytes = u64::try_from(bytes).expect("a length fits 64 bits");
        let before = self.cause;
        let [syncs, removes] = durability(&ops);
        self.begin(RowKind::Submit, node.0, &[write.0, count, bytes, syncs, removes]);
        for op in &ops {
            if let DiskOp::Remove { file } = op {
                self.observer.on_remove(node, file);
            }
        }
        let dies = self.pass_write(node, &ops);
        let now = self.now;
        let machine = self.machines.get_mut(node);
        if ops.iter().any(wal::is_log_write) {
            let asked = machine.time(now, self.mutations);
            machine.log_writes.insert(write, asked);
        }
        let done = machine.disk.submit(now, write, ops);
        let epoch = machine.epoch;
        self.later(done, Due::DiskDone { node, epoch, write });
        self.cause = before;
        if dies {
            self.crash_halfway(node, done);
        }
    }

    /// Rows and checks for what has changed in a step.
    fn note_status(&mut self, node: NodeId, status: Status, next_wake: Monotonic) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        machine.next_wake = next_wake;
        for fault in &machine.jumps {
            self.nemesis.witness_jump(*fault, machine.clock.wall(now), now);
        }
        machine.is_proven |= status.phase == Phase::Active;
        if status.phase == Phase::Active {
            machine.damage.take_if(|damaged| damaged.starts_over);
        }
        let before = std::mem::replace(&mut machine.status, status);
        let after = machine.status.clone();
        if (before.role, before.term, before.leader) != (after.role, after.term, after.leader) {
            let leader = after.leader.map_or(0, |leader| leader.0);
            self.row(RowKind::Role, node.0, &[after.role as u64, after.term.0, leader]);
        }
        if before.vote != after.vote
            && let Some(candidate) = after.vote
        {
            self.row(RowKind::Vote, node.0, &[after.term.0, candidate.0]);
        }
        if before.commit != after.commit {
            self.row(RowKind::Commit, node.0, &[after.commit.0, after.term.0]);
        }
        if before.revision != after.revision {
            self.note_revision(after.revision);
        }
        self.note_step_moments(node, &before, &after);
        self.check_stall(node, before.role);
        let moved =
            (before.role, before.term, before.commit) != (after.role, after.term, after.commit);
        if moved {
            self.note_state();
        }
        if self.observer.on_status(node, &before, &after) {
            self.nemesis.on_leader(node);
        }
    }

    /// A leader answers a read because its lease allows it.
    fn note_lease_read(&mut self, node: NodeId, id: RequestId) {
        let Some(asked) = self.asked(id) else { return };
        let term = self.machines.get(node).status.term;
        let is_contested = self.machines.iter().any(|machine| machine.status.term > term);
        self.observer.on_lease_read(node, term, asked, is_contested);
    }

    /// A leader was stepped while a write to its log was under way.
    fn check_stall(&mut self, node: NodeId, before: Role) {
        let machine = self.machines.get_mut(node);
        let now = machine.time(self.now, self.mutations);
        let leads = machine.status.role == Role::Leader;
        let led_since = match machine.leads_since {
            Some(since) => since,
            None if leads => now,
            None => return,
        };
        machine.leads_since = leads.then_some(led_since);
        let Some(asked) = machine.log_writes.values().min().copied() else { return };
        let late =
            stalled_leader::check(node, asked.max(led_since), now, &self.plan.cluster.tuning);
        let discriminates = before == Role::Leader && (late.is_some() || !leads);
        let wrong = late.filter(|_| leads);
        self.observer.tally.check(Code::StalledLeader, Some(node), discriminates, wrong);
    }

    fn note_event(&mut self, node: NodeId, event: &Event) {
        match event {
            Event::Appended { first, last, term, replaced } => {
                self.row(RowKind::Append, node.0, &[first.0, last.0, term.0, *replaced]);
            }
            Event::Applied { index, term, chain, made, done, .. } => {
                let (process, sequence, revision) = made.map_or((0, 0, 0), |(id, revision)| {
                    (id.process.0.into(), id.sequence.into(), revision.0)
                });
                let numbers = [index.0, term.0, *chain, process, sequence, revision];
                self.row(RowKind::Apply, node.0, &numbers);
                self.witnessed.extend(made);
                self.backups.note(*index, *done);
            }
            Event::Members { index, voters, outgoing, learners } => {
                let numbers = [index.0, mask(voters), mask(outgoing), mask(learners)];
                self.row(RowKind::Members, node.0, &numbers);
                self.nemesis.on_members(event);
                self.start_newcomers(voters.iter().chain(learners));
                self.pass(node, CrashPoint::MemberChange);
            }
            Event::Snapshot { index, term, installed, .. } => {
                self.row(RowKind::Snapshot, node.0, &[index.0, term.0, u64::from(*installed)]);
                if *installed {
                    self.pass(node, CrashPoint::SnapshotInstalled);
                }
            }
            Event::SnapshotPart { .. } => {
                self.pass(node, CrashPoint::SnapshotPart);
            }
            Event::Read { id, revision, applied, lease } => {
                let (process, sequence) = (id.process.0.into(), id.sequence.into());
                let numbers = [process, sequence, applied.0, revision.0, u64::from(*lease)];
                self.row(RowKind::Read, node.0, &numbers);
                let floor = self.floor(*id);
                self.observer.on_read(node, *id, *revision, floor);
                if *lease {
                    self.note_lease_read(node, *id);
                }
            }
            Event::LeaseExpired { lease, made } => {
                let number = lease.0.cast_unsigned();
                self.row(RowKind::Lease, node.0, &[number, made.map_or(0, |made| made.0)]);
                self.note_end(*lease, *made);
            }
            Event::AutoCompaction { revision } => self.note_compaction(node, *revision),
            Event::Damaged(reason) => {
                self.on_damage_found(node, reason);
            }
            Event::StartedOver { .. } => {
                let machine = self.machines.get_mut(node);
                machine.has_forgotten = true;
                if let Some(damaged) = &mut machine.damage {
                    damaged.starts_over = true;
                }
            }
            Event::Sometimes(_) => {}
        }
        let machine = self.machines.get(node);
        self.observer.on_event(node, event, &machine.status);
    }

    /// A member's content is of this revision, which matters where its age does.
    fn note_revision(&mut self, revision: Revision) {
        if self.plan.cluster.tuning.auto_compaction_period_ms > 0 {
            self.observer.on_revision(revision);
        }
    }

    /// A leader compacts by itself: in the history somebody asks for it, who never hears what came of it.
    fn note_compaction(&mut self, node: NodeId, revision: Revision) {
        self.observer.on_auto_compaction(node, revision, &self.plan.cluster.tuning);
        let id = RequestId { process: self.processes.spawn(Asker::Probe), sequence: 0 };
        let compact = CompactRequest { revision, physical: false };
        self.invoke(id, node, None, Request::Compact(compact));
        self.observer.tally.sometimes("compaction by itself");
    }
}

/// How many operations of a batch make something durable, and how many take a file away.
fn durability(ops: &[DiskOp]) -> [u64; 2] {
    ops.iter().fold([0, 0], |[syncs, removes], op| match op {
        DiskOp::Sync { .. } | DiskOp::SyncDirectory => [syncs + 1, removes],
        DiskOp::Remove { .. } => [syncs, removes + 1],
        DiskOp::Create { .. }
        | DiskOp::SetLength { .. }
        | DiskOp::Write { .. }
        | DiskOp::Rename { .. } => [syncs, removes],
    })
}

/// Up to three bits of a message flip: as many as CRC-32C is sure to find at any length.
fn flip(bytes: &mut [u8], luck: &mut Stream) {
    let bits = 8 * u64::try_from(bytes.len()).expect("a length fits 64 bits");
    for _ in 0..luck.between(1, 3) {
        let bit = luck.below(bits);
        bytes[usize::try_from(bit / 8).expect("a place in a buffer")] ^= 1 << (bit % 8);
    }
}

fn mask(nodes: &[NodeId]) -> u64 {
    nodes.iter().fold(0, |mask, node| mask | 1 << node.0)
}
