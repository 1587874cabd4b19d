//! Faults of clocks.

use super::ahead;
use crate::{limits, machine::Life, world::World};
use whitewater_api::NodeId;
use whitewater_record::{Fault, PlannedFault, RowKind};

impl World {
    /// A fault of a clock.
    pub(super) fn strike_clock(&mut self, fault: usize, planned: &PlannedFault, node: NodeId) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        let shown = ahead(machine.clock.wall(now), now);
        if let Fault::JumpClock { by_ns, .. } = planned.fault {
            machine.clock.jump(by_ns);
            machine.jumps.push(fault);
            self.nemesis.faults[fault].wall = Some(shown);
            self.note_step(node, by_ns);
        } else if let Fault::SlewClock { ppm, .. } = planned.fault {
            machine.clock.slew(now, ppm);
            machine.jumps.push(fault);
            self.nemesis.faults[fault].wall = Some(shown);
        } else {
            if let Fault::DriftClock { ppm, .. } = planned.fault {
                machine.clock.add_drift(now, ppm);
                machine.drifts.push(fault);
                self.note_drift(node);
            } else {
                machine.jitters.push(fault);
            }
            self.rearm(node);
        }
    }

    /// A fault of a clock ends.
    pub(super) fn relieve_clock(&mut self, fault: usize, what: &Fault, node: NodeId) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        let was_jumped = machine.jumps.contains(&fault);
        machine.jumps.retain(|other| *other != fault);
        machine.drifts.retain(|other| *other != fault);
        machine.jitters.retain(|other| *other != fault);
        if let Fault::JumpClock { by_ns, .. } = what
            && was_jumped
        {
            machine.clock.jump(by_ns.saturating_neg());
            self.note_step(node, by_ns.saturating_neg());
        } else if let Fault::SlewClock { ppm, .. } = what
            && was_jumped
        {
            machine.clock.end_slew(now, *ppm, self.plan.faults[fault].at);
        } else if let Fault::DriftClock { ppm, .. } = what {
            machine.clock.add_drift(now, ppm.saturating_neg());
            self.note_drift(node);
            self.rearm(node);
        }
    }

    /// All wall clocks show the same second again.
    pub(super) fn leap(&mut self, fault: usize) {
        for node in self.machines.started() {
            let machine = self.machines.get_mut(node);
            machine.clock.jump(-limits::LEAP_NS);
            machine.jumps.push(fault);
            self.note_step(node, -limits::LEAP_NS);
        }
    }

    /// A wall clock is set forward again, if it was set back.
    pub(super) fn end_leap(&mut self, fault: usize, node: NodeId) {
        let machine = self.machines.get_mut(node);
        if machine.jumps.contains(&fault) {
            machine.jumps.retain(|other| *other != fault);
            machine.clock.jump(limits::LEAP_NS);
            self.note_step(node, limits::LEAP_NS);
        }
    }

    /// A row for a wall clock that has stepped.
    fn note_step(&mut self, node: NodeId, by_ns: i64) {
        let size = by_ns.unsigned_abs();
        let numbers = if by_ns < 0 { [0, size, 0, 0] } else { [size, 0, 0, 0] };
        self.row(RowKind::Clock, node.0, &numbers);
    }

    /// A row for a clock that runs at another rate from now on.
    fn note_drift(&mut self, node: NodeId) {
        let ppm = self.machines.get(node).clock.drift_ppm();
        let size = ppm.unsigned_abs();
        let numbers = if ppm < 0 { [0, 0, 0, size] } else { [0, 0, size, 0] };
        self.row(RowKind::Clock, node.0, &numbers);
    }

    /// The rate of a clock has changed, and with it the true time at which its timer fires.
    pub(crate) fn rearm(&mut self, node: NodeId) {
        let machine = self.machines.get_mut(node);
        machine.timer = None;
        if machine.life == Life::Up {
            self.arm(node);
        }
    }
}
