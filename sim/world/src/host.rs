//! The host of one replica: hands it inputs and performs its outputs. It decides nothing.

use crate::{
    agenda::Due,
    asking::Answer,
    machine::Life,
    panics,
    stage::{Place, Process},
    tally::Code,
    world::{Shared, World},
};
use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
};
use whitewater_api::{DiskOp, Error, Monotonic, NodeId, WriteId};
use whitewater_record::{CrashPoint, RowKind};
use whitewater_replica::{
    Input, OpenError, Output, Replica, Status,
    wal::{self, WalError},
};

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
    pub(crate) fn on_damage_found(&mut self, node: NodeId, reason: &str) -> bool {
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
