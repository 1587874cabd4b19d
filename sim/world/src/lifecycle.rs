//! The lives of processes: start, crash, stop, pause.

use crate::{
    agenda::Due,
    asking::Answer,
    limits,
    machine::Life,
    world::{Act, PhaseOfRun, Todo, World},
};
use std::collections::BTreeMap;
use whitewater_api::{ClusterId, DiskError, DiskImage, Incarnation, Monotonic, NodeId};
use whitewater_physics::{DiskFault, FaultId, Loss};
use whitewater_record::{RowKind, SimTime};
use whitewater_replica::{Boot, Config, Phase, Security, StopReason};

/// What keeps a process from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// A fault of the plan, until it ends.
    Fault(usize),
    /// It stopped by itself, and the supervisor waits.
    Stopped,
}

/// All that a replica is opened with.
pub(crate) struct Opening {
    pub(crate) config: Config,
    pub(crate) incarnation: Incarnation,
    pub(crate) now: Monotonic,
    pub(crate) image: DiskImage,
}

impl World {
    /// Starts the process of a node, unless something holds it down.
    pub(crate) fn start(&mut self, node: NodeId) {
        let machine = self.machines.get_mut(node);
        let may_start = machine.holds.is_empty()
            && !machine.sleeps()
            && matches!(machine.life, Life::Absent | Life::Down { .. });
        if may_start {
            machine.life = Life::Up;
            machine.disks = machine.disks.max(1);
            self.todo.push_back(Todo::Act(Act::Spawn(node)));
        }
    }

    /// Members that a client has added begin to run. Those that faults add do so with their fault, and those that were added
    /// to a cluster that is no more, never.
    pub(crate) fn start_newcomers<'a>(&mut self, members: impl Iterator<Item = &'a NodeId>) {
        for node in members {
            if self.machines.has(*node) && self.machines.get(*node).life == Life::Absent {
                self.start(*node);
            }
        }
    }

    /// What the replica of a node is opened with now.
    pub(crate) fn opening(&self, node: NodeId) -> Opening {
        let machine = self.machines.get(node);
        let cluster = &self.plan.cluster;
        let boot = if node.0 <= cluster.nodes {
            self.backups.boot((1..=cluster.nodes).map(NodeId).collect())
        } else {
            Boot::Join { members: self.observer.members().everybody() }
        };
        let mut tuning = cluster.tuning.clone();
        if let Some(import) = &self.import {
            import.widen(&mut tuning);
        }
        let mut draws = self.seed.stream("incarnation", node.0 << 32 | machine.disks);
        Opening {
            config: Config {
                node,
                cluster: ClusterId(1 + self.backups.restored),
                peers: BTreeMap::new(),
                boot,
                seed: self.seed.0,
                tuning,
                release: machine.release,
                security: self.security(node),
                mutations: self.mutations,
            },
            incarnation: Incarnation(draws.bits() | 1),
            now: machine.time(self.now, self.mutations),
            image: machine.disk.image(),
        }
    }

    /// What the machine of a node hands its process.
    fn security(&self, node: NodeId) -> Security {
        let mut entropy = [0; 32];
        let mut draws = self.plan.seed.stream("entropy", node.0 << 48 | self.now.0 >> 10);
        for word in entropy.chunks_mut(8) {
            word.copy_from_slice(&draws.bits().to_le_bytes());
        }
        let signs = self.plan.cluster.tuning.signed_tokens;
        let token_key = signs.then(|| self.plan.seed.0.to_le_bytes().to_vec());
        Security { entropy, unix_seconds: self.now.0 / 1_000_000_000, token_key }
    }

    /// Something more keeps a process from starting.
    pub(crate) fn hold(&mut self, node: NodeId, hold: Hold) {
        self.machines.get_mut(node).holds.push(hold);
    }

    /// Something lets go of a process; it starts if nothing else holds it.
    pub(crate) fn release(&mut self, node: NodeId, hold: Hold) {
        let machine = self.machines.get_mut(node);
        machine.holds.retain(|other| *other != hold);
        if machine.life != Life::Absent {
            self.start(node);
        }
    }

    /// The process dies; with `power`, the machine does, and with it what was not synced. Whether anything died.
    pub(crate) fn crash(&mut self, node: NodeId, power: bool) -> bool {
        let machine = self.machines.get_mut(node);
        let was_up = machine.life == Life::Up;
        let has_cache = power && machine.life == Life::Down { powered: true };
        if !was_up && !has_cache {
            return false;
        }
        let before = machine.status.clone();
        let was_active = was_up && machine.status.phase == Phase::Active;
        let epoch = machine.epoch;
        let loss = self.end_process(node, power);
        let Loss { bytes, sectors_torn, names_lost, batches, is_betrayed: _ } = loss;
        let numbers = [epoch, u64::from(power), bytes, sectors_torn, names_lost, batches];
        self.begin(RowKind::Crash, node.0, &numbers);
        if power {
            self.nemesis.count_power_loss(bytes > 0);
        }
        self.note_crash_moments(&before, loss);
        self.note_state();
        was_active
    }

    /// The process is gone: its task, its connections, its place in the queue of the disk. What was lost.
    fn end_process(&mut self, node: NodeId, power: bool) -> Loss {
        let machine = self.machines.get_mut(node);
        let serving = std::mem::take(&mut machine.serving);
        let was_up = machine.life == Life::Up;
        machine.life = Life::Down { powered: !power };
        let status = machine.status.clone();
        machine.forget_process();
        let loss = machine.disk.crash(power);
        if !loss.is_betrayed {
            self.observer.on_crash(node, &machine.disk, power, &status);
        }
        self.stage.clear(node);
        if was_up {
            self.todo.push_back(Todo::Act(Act::Kill(node)));
        }
        self.break_streams(node, !power);
        if !power {
            for id in serving {
                self.answer(node, id, Answer::Reset);
            }
        }
        if loss.is_betrayed {
            self.end_by_betrayal(node);
        }
        loss
    }

    /// A replica has stopped by itself. The supervisor starts it again, unless it has lost its disk.
    pub(crate) fn on_stop(&mut self, node: NodeId, reason: StopReason) {
        let before = self.machines.get(node).status.clone();
        self.note_stop(reason, &before);
        let epoch = self.machines.get(node).epoch;
        let number = match reason {
            StopReason::DiskFailed(DiskError::Io) => 1,
            StopReason::DiskFailed(DiskError::NoSpace) => 2,
            StopReason::WipedDisk => 3,
            StopReason::Corrupt => 4,
            StopReason::DamagedDisk => 5,
        };
        self.begin(RowKind::Stop, node.0, &[epoch, number]);
        self.end_process(node, false);
        let retired = match reason {
            StopReason::WipedDisk => Some("wiped member retired"),
            StopReason::Corrupt => Some("corrupt member retired"),
            StopReason::DiskFailed(_) | StopReason::DamagedDisk => None,
        };
        if let Some(retired) = retired {
            self.machines.get_mut(node).life = Life::Retired;
            self.observer.tally.sometimes(retired);
            return;
        }
        for fault in self.nemesis.disk_failures(node) {
            self.hold(node, Hold::Fault(fault));
        }
        self.wait_for_supervisor(node);
    }

    /// The process is started again after a while.
    pub(crate) fn wait_for_supervisor(&mut self, node: NodeId) {
        self.hold(node, Hold::Stopped);
        self.later(self.now + limits::RESTART_AFTER, Due::Release { node, hold: Hold::Stopped });
    }

    /// D11: what a disk had promised is gone, and with it whatever the cluster promised. There is nothing more to judge.
    fn end_by_betrayal(&mut self, node: NodeId) {
        let now = self.now;
        self.doubts.push(format!(
            "the disk of {node} lied about its syncs and lost power at {now}: no promise holds from there on"
        ));
        self.phase = PhaseOfRun::Over;
    }

    /// The machine falls asleep: its process stands still, its disk too, and nothing reaches it.
    pub(crate) fn suspend(&mut self, node: NodeId, fault: usize, until: SimTime) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        machine.clock.suspend(now);
        machine.suspends.push(fault);
        let id = FaultId(u32::try_from(fault).expect("faults of a plan are few"));
        machine.disk.begin(id, DiskFault::Stall { until });
        self.pause(node, fault);
    }

    /// The machine wakes up: seen to have slept if it missed a moment at which it wanted to be stepped.
    pub(crate) fn wake_up(&mut self, node: NodeId, fault: usize) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        if !machine.suspends.contains(&fault) {
            return;
        }
        machine.suspends.retain(|other| *other != fault);
        if machine.life == Life::Up && machine.clock.monotonic(now) >= machine.next_wake {
            self.nemesis.witness(fault);
        }
        let machine = self.machines.get_mut(node);
        if !machine.sleeps() {
            machine.clock.wake_up(now);
        }
        self.resume(node, fault);
        self.rearm(node);
    }

    /// The process stands still.
    pub(crate) fn pause(&mut self, node: NodeId, fault: usize) {
        let machine = self.machines.get_mut(node);
        machine.pauses.push(fault);
        let epoch = machine.epoch;
        self.row(RowKind::Pause, node.0, &[epoch]);
    }

    /// The process goes on: what has come in the meantime is handled at once, in order.
    pub(crate) fn resume(&mut self, node: NodeId, fault: usize) {
        let machine = self.machines.get_mut(node);
        let before = machine.pauses.len();
        machine.pauses.retain(|other| *other != fault);
        let epoch = machine.epoch;
        if before == 0 || !machine.pauses.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut machine.waiting);
        self.row(RowKind::Resume, node.0, &[epoch]);
        self.note_resumed(node);
        for (cause, input) in waiting {
            self.cause = cause;
            self.input(node, input);
        }
    }
}
