//! Machines: a disk, a clock, and the process that may run on them.

use crate::lifecycle::Hold;
use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{
    Index, Monotonic, NodeId, RequestId, Revision, Term, WriteId, release::Release,
};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_physics::{Clock, Disk};
use whitewater_record::{ClockProfile, CrashPoint, Fault, Plan, Seed, SimTime, Span, Stream};
use whitewater_replica::{Asked, Input, Phase, Role, Status, Tally};

/// One machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) node: NodeId,
    pub(crate) disk: Disk,
    pub(crate) clock: Clock,
    /// Lives of the process. What was planned for an earlier one is void.
    pub(crate) epoch: u64,
    /// Lives of the disk.
    pub(crate) disks: u64,
    /// Whether the members know this disk for the only one of its node.
    pub(crate) is_proven: bool,
    /// Whether its disk was damaged and it started over: what it knew of the disks of others is gone for good.
    pub(crate) has_forgotten: bool,
    pub(crate) life: Life,
    /// What keeps the process from running; it starts when the list is empty.
    pub(crate) holds: Vec<Hold>,
    /// Faults that pause the process.
    pub(crate) pauses: Vec<usize>,
    /// Inputs that wait until the process goes on, each with its cause.
    pub(crate) waiting: VecDeque<(Option<u64>, Input)>,
    /// What the replica looked like after its last step.
    pub(crate) status: Status,
    /// Since when it leads, by its clock, if it does.
    pub(crate) leads_since: Option<Monotonic>,
    /// Writes to the log that are under way, and when they were asked for, by its clock.
    pub(crate) log_writes: BTreeMap<WriteId, Monotonic>,
    /// When it wants to be stepped again.
    pub(crate) next_wake: Monotonic,
    /// The timer that is armed: when it fires, and its number. Others are void.
    pub(crate) timer: Option<SimTime>,
    /// What [`Self::next_wake`] was when it was armed.
    pub(crate) armed_for: Monotonic,
    pub(crate) timer_generation: u64,
    /// Requests that are being served.
    pub(crate) serving: Vec<RequestId>,
    /// Requests that its host has not handed over yet.
    pub(crate) gathered: Vec<Asked>,
    /// A crash at a named point, and the fault that asks for it.
    pub(crate) armed: Option<(CrashPoint, usize)>,
    /// The process shall die of its crash point before anything else happens.
    pub(crate) is_doomed: bool,
    /// Drifts and jumps that hold, by fault.
    pub(crate) drifts: Vec<usize>,
    pub(crate) jumps: Vec<usize>,
    /// Faults that make timers late, each with by how much at most, and their luck.
    pub(crate) jitters: Vec<usize>,
    pub(crate) jitter: Stream,
    /// How long it takes over passwords.
    pub(crate) passwords: Stream,
    /// Faults that leave the process no memory.
    pub(crate) squeezes: Vec<usize>,
    /// Faults that suspend the machine.
    pub(crate) suspends: Vec<usize>,
    /// What was done to the disk.
    pub(crate) damage: Option<Damaged>,
    /// As which release its process runs, or will.
    pub(crate) release: Release,
    /// The fault that has changed it, until the process has run.
    pub(crate) upgrade: Option<usize>,
    /// As which release a process wrote its disk last.
    pub(crate) written_by: Option<Release>,
    /// Whether one wrote it in the newest form.
    pub(crate) has_newest: bool,
}

/// A disk that holds something else than was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    /// The fault that did it.
    pub(crate) fault: usize,
    /// Its member starts over. Until that is on the disk, which may fail, what was damaged is still there.
    pub(crate) starts_over: bool,
}

/// What a machine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It was never started.
    Absent,
    /// Nothing runs; `powered` tells whether the machine still refuses connections.
    Down { powered: bool },
    /// The process runs, or stands still.
    Up,
    /// Its disk was replaced, the others know, and it may never come back.
    Retired,
}

/// All machines of a run, by id from 1.
#[derive(Debug)]
pub(crate) struct Machines {
    all: Vec<Machine>,
}

impl Machines {
    /// One for each id up to `highest`.
    pub(crate) fn new(plan: &Plan, highest: u64) -> Self {
        let machine = |id: u64| {
            let place = usize::try_from(id - 1).expect("ids are below 64");
            let clock = plan.cluster.clocks.get(place).copied().unwrap_or(ClockProfile::default());
            let disk = Disk::new(plan.disk, plan.seed, NodeId(id));
            let machine =
                Machine::new(NodeId(id), disk, Clock::new(clock), luck(plan.seed, NodeId(id)));
            Machine { release: plan.cluster.release, ..machine }
        };
        Self { all: (1..=highest).map(machine).collect() }
    }

    /// Throws by another root from now on.
    pub(crate) fn reseed(&mut self, seed: Seed) {
        for machine in &mut self.all {
            machine.disk.reseed(seed, machine.node);
            (machine.jitter, machine.passwords) = luck(seed, machine.node);
        }
    }

    /// Whether there is such a machine. A replica may have been told nonsense (N5, unnoticed).
    pub(crate) fn has(&self, node: NodeId) -> bool {
        (1..=self.all.len() as u64).contains(&node.0)
    }

    /// The machine of a node.
    pub(crate) fn get(&self, node: NodeId) -> &Machine {
        &self.all[place(node)]
    }

    /// The machine of a node.
    pub(crate) fn get_mut(&mut self, node: NodeId) -> &mut Machine {
        &mut self.all[place(node)]
    }

    /// All of them, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.all.iter()
    }

    /// The ids of all that were ever started.
    pub(crate) fn started(&self) -> Vec<NodeId> {
        let started = self.all.iter().filter(|machine| machine.life != Life::Absent);
        started.map(|machine| machine.node).collect()
    }

    /// Whether a process lives on that machine, be it paused.
    pub(crate) fn is_alive(&self, node: NodeId) -> bool {
        self.get(node).life == Life::Up
    }

    /// The running leader of the highest term.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        let leaders = self
            .all
            .iter()
            .filter(|machine| machine.life == Life::Up && machine.status.role == Role::Leader);
        leaders.max_by_key(|machine| machine.status.term).map(|machine| machine.node)
    }
}

/// The draws of a node: how late its timers are, and how long its passwords take.
fn luck(seed: Seed, node: NodeId) -> (Stream, Stream) {
    (seed.stream("timer jitter", node.0), seed.stream("passwords", node.0))
}

fn place(node: NodeId) -> usize {
    usize::try_from(node.0 - 1).expect("ids are below 64")
}

impl Machine {
    fn new(node: NodeId, disk: Disk, clock: Clock, (jitter, passwords): (Stream, Stream)) -> Self {
        Self {
            node,
            disk,
            clock,
            epoch: 0,
            disks: 0,
            is_proven: false,
            has_forgotten: false,
            life: Life::Absent,
            holds: Vec::new(),
            pauses: Vec::new(),
            waiting: VecDeque::new(),
            status: blank(),
            leads_since: None,
            log_writes: BTreeMap::new(),
            next_wake: Monotonic(u64::MAX),
            timer: None,
            armed_for: Monotonic(u64::MAX),
            timer_generation: 0,
            serving: Vec::new(),
            gathered: Vec::new(),
            armed: None,
            is_doomed: false,
            drifts: Vec::new(),
            jumps: Vec::new(),
            jitters: Vec::new(),
            jitter,
            passwords,
            squeezes: Vec::new(),
            suspends: Vec::new(),
            damage: None,
            release: Release::Newest,
            upgrade: None,
            written_by: None,
            has_newest: false,
        }
    }

    /// Whether the machine is suspended.
    pub(crate) const fn sleeps(&self) -> bool {
        !self.suspends.is_empty()
    }

    /// The time as the replica is told it. It must go on while the machine sleeps, or a lease outlives its quorum.
    pub(crate) fn time(&self, now: SimTime, mutations: Mutations) -> Monotonic {
        if mutations.has(Mutation::ClockSleeps) {
            self.clock.awake(now)
        } else {
            self.clock.monotonic(now)
        }
    }

    /// When [`Self::time`] will show `local`, from `now` on.
    pub(crate) fn when(&self, local: Monotonic, now: SimTime, mutations: Mutations) -> SimTime {
        if mutations.has(Mutation::ClockSleeps) {
            self.clock.when_awake(local, now)
        } else {
            self.clock.when(local, now)
        }
    }

    /// By how much the next timer is late.
    pub(crate) fn lateness(&mut self, plan: &Plan) -> Span {
        let most = |fault: &usize| {
            if let Fault::JitterClock { by, .. } = plan.faults[*fault].fault { by.0 } else { 0 }
        };
        let most = self.jitters.iter().map(most).max();
        most.map_or(Span(0), |most| Span(self.jitter.between(0, most)))
    }

    /// The disk is another one, and empty.
    pub(crate) fn replace_disk(&mut self) {
        self.disk.wipe();
        self.disks += 1;
        (self.written_by, self.has_newest) = (None, false);
    }

    /// Forgets all that belonged to the process that has died.
    pub(crate) fn forget_process(&mut self) {
        self.epoch += 1;
        self.waiting.clear();
        self.pauses.clear();
        self.serving.clear();
        self.gathered.clear();
        self.leads_since = None;
        self.log_writes.clear();
        self.timer = None;
        self.timer_generation += 1;
        self.is_doomed = false;
        self.status = blank();
    }

    /// Whether the armed crash point is this one.
    pub(crate) fn is_armed(&self, point: CrashPoint) -> bool {
        self.armed.is_some_and(|(armed, _)| armed == point)
    }
}

/// What nobody looks like.
pub(crate) const fn blank() -> Status {
    Status {
        phase: Phase::Stopped,
        role: Role::Follower,
        term: Term(0),
        vote: None,
        leader: None,
        commit: Index(0),
        applied: Index(0),
        first: Index(0),
        last: Index(0),
        revision: Revision(0),
        chain: 0,
        receives_snapshot: false,
        transfers: false,
        is_joint: false,
        pending: 0,
        watches: 0,
        lacks_disk: false,
        watches_behind: 0,
        compacted: Revision(0),
        keys: 0,
        tally: Tally::NONE,
    }
}
