//! The state of a run, shared between the main task and the processes, and what becomes of each event.

use crate::{
    admin::Admins,
    agenda::{Agenda, Due},
    asking::{Answer, Processes},
    backups::Backups,
    bystanders::Audit,
    client::Client,
    coverage::States,
    import::Import,
    limits,
    liveness::Recovery,
    machine::{Life, Machines},
    nemesis::Nemesis,
    observer::Observer,
    passwords::Passwords,
    shuffle::Shuffling,
    stage::Stage,
    streams::Streams,
    watchers::Watcher,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use whitewater_api::{Caller, NodeId, Request, RequestId, Revision, WriteId};
use whitewater_mutation::Mutations;
use whitewater_physics::{Network, NetworkCounts};
use whitewater_record::{CrashPoint, History, Plan, Row, RowKind, Seed, SimTime, Trace};
use whitewater_replica::{Asked, Envelope, Input};

/// The world, where the main task and the processes can reach it. Only one of them runs at a time.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world. After a panic inside it, what is left of it still counts.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two phases of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PhaseOfRun {
    /// Faults as planned.
    Safety,
    /// All is healed, and the cluster must recover.
    Liveness,
    /// Nothing more happens.
    Over,
}

/// What must be done before the world goes on.
#[derive(Debug)]
pub(crate) enum Todo {
    /// There is something before the replica of the node.
    Step(NodeId),
    /// What the world cannot do by itself.
    Act(Act),
}

/// What must be done outside the world's lock.
#[derive(Debug)]
pub(crate) enum Act {
    /// Start a process.
    Spawn(NodeId),
    /// Kill a process, and wait until it is gone.
    Kill(NodeId),
    /// The run is over.
    End,
}

/// Everything.
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) mutations: Mutations,
    /// Root of the draws of the world: the plan's, until it forks.
    pub(crate) seed: Seed,
    /// The run stops here at the latest.
    pub(crate) until: SimTime,
    /// True time. Never goes back.
    pub(crate) now: SimTime,
    pub(crate) phase: PhaseOfRun,
    pub(crate) agenda: Agenda,
    pub(crate) stage: Stage,
    pub(crate) todo: VecDeque<Todo>,
    pub(crate) network: Network,
    /// Messages between nodes so far; the number of the last one.
    pub(crate) messages: u64,
    pub(crate) machines: Machines,
    pub(crate) processes: Processes,
    pub(crate) clients: Vec<Client>,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) streams: Streams,
    pub(crate) nemesis: Nemesis,
    pub(crate) shuffling: Shuffling,
    pub(crate) admins: Admins,
    pub(crate) backups: Backups,
    pub(crate) passwords: Passwords,
    pub(crate) recovery: Recovery,
    /// What the cluster begins with, from elsewhere.
    pub(crate) import: Option<Import>,
    pub(crate) audit: Audit,
    pub(crate) observer: Observer,
    pub(crate) history: History,
    /// Requests and the revisions that they made, as the replicas apply them; each as often as there are replicas.
    pub(crate) witnessed: Vec<(RequestId, Revision)>,
    pub(crate) trace: Trace,
    /// The event that what happens now comes of.
    pub(crate) cause: Option<u64>,
    /// The newest revision that anybody has been told of.
    pub(crate) acked: Revision,
    /// The abstract states that the cluster went through.
    pub(crate) states: States,
    /// What the network of the safety phase had seen.
    pub(crate) network_before: Option<NetworkCounts>,
    /// Why the run cannot be decided.
    pub(crate) doubts: Vec<String>,
    events_at_once: u32,
}

impl World {
    /// A world in which nothing has happened yet.
    pub(crate) fn new(
        plan: &Arc<Plan>,
        import: Option<Import>,
        until: SimTime,
        trace: Trace,
    ) -> Self {
        let named =
            plan.mutations.iter().filter_map(|name| whitewater_mutation::Mutation::from_name(name));
        let highest = crate::nemesis::highest_node(plan);
        Self {
            mutations: named.fold(Mutations::none(), Mutations::with),
            seed: plan.seed,
            until,
            now: SimTime::ZERO,
            phase: PhaseOfRun::Safety,
            agenda: Agenda::default(),
            stage: Stage::new(highest),
            todo: VecDeque::new(),
            network: Network::new(plan.network, plan.seed),
            messages: 0,
            machines: Machines::new(plan, highest),
            processes: Processes::default(),
            clients: Vec::new(),
            watchers: Vec::new(),
            streams: Streams::default(),
            nemesis: Nemesis::new(plan),
            shuffling: Shuffling::new(plan.seed),
            admins: Admins::default(),
            passwords: Passwords::default(),
            backups: Backups::new(plan, import.as_ref()),
            recovery: Recovery::default(),
            observer: Observer::new(plan.cluster.nodes, highest),
            history: History {
                epochs: import.iter().map(Import::epoch).collect(),
                ..History::default()
            },
            witnessed: Vec::new(),
            trace,
            cause: None,
            acked: import.as_ref().map_or(Revision(0), Import::revision),
            audit: Audit::default(),
            import,
            states: States::default(),
            network_before: None,
            doubts: Vec::new(),
            events_at_once: 0,
            plan: plan.clone(),
        }
    }

    /// Adds a row to the trace; what is under way is its cause.
    pub(crate) fn row(&mut self, kind: RowKind, node: u64, numbers: &[u64]) {
        self.trace.add(Row::new(self.now, kind, node, self.cause, numbers));
        self.observer.tally.place.event = self.trace.events() - 1;
    }

    /// The same, and until something else happens it is the cause of all that follows.
    pub(crate) fn begin(&mut self, kind: RowKind, node: u64, numbers: &[u64]) {
        self.row(kind, node, numbers);
        self.cause = Some(self.trace.events() - 1);
    }

    /// Puts something on the agenda; what is under way is its cause.
    pub(crate) fn later(&mut self, at: SimTime, due: Due) {
        let place = self.shuffle(at, &due);
        self.agenda.add(place, self.cause, due);
    }

    /// Goes on until there is something that the world cannot do by itself.
    pub(crate) fn advance(&mut self) -> Act {
        loop {
            self.bury();
            match self.todo.pop_front() {
                Some(Todo::Act(act)) => return act,
                Some(Todo::Step(node)) => {
                    self.step(node);
                    continue;
                }
                None => {}
            }
            let broken = self.observer.tally.broken() > 0;
            if broken || self.phase == PhaseOfRun::Over {
                return Act::End;
            }
            match self.agenda.earliest() {
                Some(at) if at <= self.until => {}
                Some(_) | None => {
                    self.now = self.now.max(self.until);
                    return Act::End;
                }
            }
            let (at, cause, due) = self.agenda.pop().expect("there is an earliest one");
            self.tell_time(at);
            self.cause = cause;
            self.dispatch(due);
        }
    }

    fn tell_time(&mut self, at: SimTime) {
        assert!(at >= self.now, "time went back: {} to {at}", self.now);
        self.events_at_once = if at == self.now { self.events_at_once + 1 } else { 0 };
        assert!(
            self.events_at_once < limits::EVENTS_PER_MOMENT_MAX,
            "the world stands still at {at}: {} events at one moment",
            self.events_at_once
        );
        self.now = at;
        self.observer.tally.place.at = at;
    }

    fn dispatch(&mut self, due: Due) {
        match due {
            Due::Deliver { message, copy, envelope } => self.on_deliver(message, copy, envelope),
            Due::DeliverBytes(packed) => self.on_deliver_bytes(*packed),
            Due::Request { node, id, caller, request } => {
                self.on_request(node, id, caller, request);
            }
            Due::Answer { id, answer } => self.on_answer(id, answer),
            Due::Timeout { id } => self.on_timeout(id),
            Due::DiskDone { node, epoch, write } => self.on_disk_done(node, epoch, write),
            Due::PasswordDone { node, epoch, id, done } => {
                if self.machines.get(node).epoch == epoch {
                    self.input(node, Input::PasswordDone { id, done });
                }
            }
            Due::Gathered { node, epoch } => {
                let machine = self.machines.get_mut(node);
                if machine.epoch == epoch {
                    let asked = std::mem::take(&mut machine.gathered);
                    self.input(node, Input::Requests(asked));
                }
            }
            Due::Wake { node, epoch, generation } => self.on_wake(node, epoch, generation),
            Due::Client { client } => self.on_client(client),
            Due::Up { stream, packet } => self.on_up(stream, packet),
            Due::Down { stream, packet } => self.on_down(stream, packet),
            Due::StreamIdle { stream } => self.on_stream_idle(stream),
            Due::WatcherOpens { watcher } => self.on_watcher_opens(watcher),
            Due::WatcherTick { watcher, stream } => self.on_watcher_tick(watcher, stream),
            Due::WatcherTakes { watcher, stream } => self.on_watcher_takes(watcher, stream),
            Due::Admin { fault } => self.on_admin(fault),
            Due::FaultOn { fault } => self.on_fault(fault),
            Due::Flap { fault, up } => self.on_flap(fault, up),
            Due::FaultOff { fault } => self.on_fault_end(fault),
            Due::CrashPoint { node, epoch } => self.on_crash_point(node, epoch),
            Due::Release { node, hold } => self.release(node, hold),
            Due::Fork { salt } => self.on_fork(salt),
            Due::Heal => self.on_heal(),
            Due::Look => self.on_look(),
        }
    }

    /// Hands an input to a node's process, now or when it goes on.
    pub(crate) fn input(&mut self, node: NodeId, input: Input) {
        let machine = self.machines.get_mut(node);
        if !machine.pauses.is_empty() {
            for fault in &machine.pauses {
                self.nemesis.witness(*fault);
            }
            machine.waiting.push_back((self.cause, input));
            return;
        }
        self.stage.seat(node, self.cause, input);
        self.todo.push_back(Todo::Step(node));
    }

    pub(crate) fn on_deliver(&mut self, message: u64, copy: u64, envelope: Envelope) {
        let (from, to) = (envelope.from, envelope.to);
        let machine = self.machines.get(to);
        if machine.life != Life::Up || machine.sleeps() {
            let reason = if machine.sleeps() { 4 } else { 3 };
            self.row(RowKind::Drop, from.0, &[message, to.0, reason]);
            return;
        }
        self.begin(RowKind::Deliver, to.0, &[message, from.0, copy]);
        self.input(to, Input::Message(envelope));
    }

    fn on_request(&mut self, node: NodeId, id: RequestId, caller: Caller, request: Box<Request>) {
        let machine = self.machines.get(node);
        if machine.sleeps() {
            return;
        }
        match machine.life {
            Life::Up => {
                self.machines.get_mut(node).serving.push(id);
                self.begin(RowKind::Receive, node.0, &[id.process.0.into(), id.sequence.into()]);
                self.hand_over(node, Asked { id, caller, request });
            }
            Life::Down { powered: true } | Life::Retired => self.answer(node, id, Answer::Refused),
            Life::Down { powered: false } | Life::Absent => {}
        }
    }

    /// The host of a node has a request for its replica, and may wait for more.
    fn hand_over(&mut self, node: NodeId, asked: Asked) {
        let wait = self.plan.cluster.gather;
        if wait.0 == 0 {
            return self.input(node, Input::Requests(vec![asked]));
        }
        let machine = self.machines.get_mut(node);
        machine.gathered.push(asked);
        if machine.gathered.len() == 1 {
            let epoch = machine.epoch;
            self.later(self.now + wait, Due::Gathered { node, epoch });
        }
    }

    /// A batch may be done. All that are due are, in order.
    fn on_disk_done(&mut self, node: NodeId, epoch: u64, write: WriteId) {
        let machine = self.machines.get_mut(node);
        if machine.epoch != epoch {
            return;
        }
        while let Some((at, oldest)) = self.machines.get(node).disk.due() {
            if oldest > write {
                return;
            }
            if at > self.now {
                // A stall came over it. This event stands for its own batch, whichever is the oldest.
                self.later(at, Due::DiskDone { node, epoch, write });
                return;
            }
            self.complete_batch(node, oldest);
            if self.machines.get(node).epoch != epoch || self.machines.get(node).is_doomed {
                return;
            }
        }
    }

    fn complete_batch(&mut self, node: NodeId, write: WriteId) {
        let machine = self.machines.get_mut(node);
        machine.log_writes.remove(&write);
        let result = machine.disk.complete(write);
        self.begin(RowKind::DiskDone, node.0, &[write.0, u64::from(result.is_ok())]);
        let machine = self.machines.get(node);
        self.observer.on_disk(node, &machine.disk, &machine.status);
        if self.pass(node, CrashPoint::BeforePersisted) {
            return;
        }
        self.input(node, Input::DiskDone { write, result });
    }

    fn on_wake(&mut self, node: NodeId, epoch: u64, generation: u64) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        if machine.epoch != epoch || machine.timer_generation != generation {
            return;
        }
        machine.timer = None;
        if machine.time(now, self.mutations) < machine.next_wake {
            self.arm(node);
            return;
        }
        for fault in machine.drifts.iter().chain(&machine.jitters) {
            self.nemesis.witness(*fault);
        }
        self.cause = None;
        self.input(node, Input::Tick);
    }

    /// Sees to it that the timer of a node fires when its replica wants to be stepped, and no more than one is armed.
    pub(crate) fn arm(&mut self, node: NodeId) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        // Whatever changes the clock arms it anew.
        if machine.timer.is_some() && machine.armed_for == machine.next_wake {
            return;
        }
        let at = machine.when(machine.next_wake, now, self.mutations);
        if machine.timer.is_some_and(|armed| armed <= at) {
            return;
        }
        (machine.timer, machine.armed_for) = (Some(at), machine.next_wake);
        let late = machine.lateness(&self.plan);
        machine.timer_generation += 1;
        let (epoch, generation) = (machine.epoch, machine.timer_generation);
        self.later(at + late, Due::Wake { node, epoch, generation });
    }
}
