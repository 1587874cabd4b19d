//! Crashes at named points of a node's life (P3).

use crate::{agenda::Due, lifecycle::Hold, world::World};
use whitewater_api::{DiskOp, NodeId};
use whitewater_record::{CrashPoint, SimTime, Span};

impl World {
    /// A node passes a named point. Whether that kills it.
    pub(crate) fn pass(&mut self, node: NodeId, point: CrashPoint) -> bool {
        let dies = self.machines.get(node).is_armed(point);
        if dies {
            self.doom(node);
        }
        dies
    }

    /// A batch was given to the disk. A crash inside it comes halfway.
    pub(crate) fn pass_write(&mut self, node: NodeId, ops: &[DiskOp]) -> bool {
        let machine = self.machines.get(node);
        let renames = || ops.iter().any(|op| matches!(op, DiskOp::Rename { .. }));
        machine.is_armed(CrashPoint::InsideWrite)
            || (machine.is_armed(CrashPoint::Rename) && renames())
    }

    /// Plans the crash of a node halfway to the end of a batch.
    pub(crate) fn crash_halfway(&mut self, node: NodeId, done: SimTime) {
        let half = Span(done.since(self.now).0 / 2);
        let epoch = self.machines.get(node).epoch;
        self.later(self.now + half, Due::CrashPoint { node, epoch });
    }

    /// A planned crash is due.
    pub(crate) fn on_crash_point(&mut self, node: NodeId, epoch: u64) {
        let machine = self.machines.get(node);
        if machine.epoch == epoch && machine.armed.is_some() {
            self.doom(node);
        }
    }

    fn doom(&mut self, node: NodeId) {
        self.machines.get_mut(node).is_doomed = true;
        self.stage.doom(node);
    }

    /// Those that have reached their point lose power now, and start again when their fault ends.
    pub(crate) fn bury(&mut self) {
        while let Some(node) = self.stage.next_doomed() {
            let machine = self.machines.get_mut(node);
            let (true, Some((point, fault))) = (machine.is_doomed, machine.armed.take()) else {
                continue;
            };
            self.note_point(point);
            self.nemesis.witness(fault);
            self.hold(node, Hold::Fault(fault));
            self.crash(node, true);
        }
    }
}
