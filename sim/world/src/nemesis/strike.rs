//! How a fault begins for its victims, and how it ends.

use super::id;
use crate::{
    agenda::Due,
    effects,
    lifecycle::Hold,
    machine::{Damaged, Life},
    world::World,
};
use whitewater_api::{MemberChange, NodeId};
use whitewater_physics::{LinkSet, NetworkFault, Port};
use whitewater_record::{Damage, Fault, PlannedFault, RowKind};
use whitewater_replica::Input;

impl World {
    /// A fault with one victim. Whether it was carried out.
    pub(super) fn strike(&mut self, fault: usize, planned: &PlannedFault, node: NodeId) -> bool {
        let (id, until) = (id(fault), planned.end());
        if let Some(effect) = effects::on_links(&planned.fault, until) {
            self.network.begin(id, LinkSet::of(Port::node(node)), effect);
            return true;
        }
        let machine = self.machines.get_mut(node);
        if let Some(effect) = effects::on_disk(&planned.fault, until) {
            machine.disk.begin(id, effect);
            return true;
        }
        if effects::is_on_clock(&planned.fault) {
            self.strike_clock(fault, planned, node);
            return true;
        }
        match planned.fault {
            Fault::WipeDisk { .. } => return self.wipe(fault, node),
            Fault::DamageDisk { how, .. } => return self.damage(fault, node, how),
            Fault::Suspend { .. } if machine.life == Life::Up => self.suspend(node, fault, until),
            Fault::Pause { .. } if machine.life == Life::Up => self.pause(node, fault),
            Fault::Suspend { .. } | Fault::Pause { .. } => return false,
            Fault::ResetConnections { .. } => {
                if self.reset_connections(node) {
                    self.nemesis.witness(fault);
                }
            }
            Fault::LowMemory { .. } => self.squeeze(fault, node),
            Fault::Crash { power, .. } => self.crash_all(fault, vec![node], power),
            Fault::ChangeRelease { to, .. } => return self.change_release(fault, node, to),
            Fault::CrashAt { point, .. } => machine.armed = Some((point, fault)),
            Fault::ReplaceMember { new, .. } => {
                self.nemesis.faults[fault].change = Some(MemberChange::Replace { old: node, new });
                self.start_admin(fault);
            }
            Fault::MoveLeader { .. } if self.leads(node) => return false,
            Fault::MoveLeader { .. } => self.start_admin(fault),
            Fault::Backup { .. } => self.start_backup(fault),
            Fault::Weather { .. }
            | Fault::Clog { .. }
            | Fault::Throttle { .. }
            | Fault::FlipBits { .. }
            | Fault::FailDisk { .. }
            | Fault::FullDisk { .. }
            | Fault::SlowDisk { .. }
            | Fault::StallDisk { .. }
            | Fault::ShortDisk { .. }
            | Fault::LieSync { .. }
            | Fault::JumpClock { .. }
            | Fault::DriftClock { .. }
            | Fault::SlewClock { .. }
            | Fault::JitterClock { .. } => unreachable!("links, disks and clocks are done"),
            Fault::Partition { .. }
            | Fault::LeapSecond
            | Fault::PowerLoss
            | Fault::ZoneLoss { .. }
            | Fault::Shuffle { .. }
            | Fault::CrashClient { .. }
            | Fault::Restore { .. }
            | Fault::Member { .. } => unreachable!("they have no single victim"),
        }
        true
    }

    /// A fault without a single victim. Whether it was carried out.
    pub(super) fn strike_all(&mut self, fault: usize, planned: &PlannedFault) -> bool {
        if let Fault::Partition { flap, .. } = planned.fault {
            if flap.0 > 0 {
                self.later(self.now + flap, Due::Flap { fault, up: true });
            }
            return self.cut(fault);
        }
        if let Fault::Member { change } = planned.fault {
            self.nemesis.faults[fault].change = Some(change);
            self.start_admin(fault);
            return true;
        }
        if let Fault::CrashClient { client } = planned.fault {
            if self.crash_client(client, planned.end()) {
                self.nemesis.witness(fault);
            }
            return !self.clients.is_empty();
        }
        if let Fault::Restore { .. } = planned.fault {
            return self.restore(fault);
        }
        let started = self.machines.started();
        if let Fault::ZoneLoss { nodes, power } = &planned.fault {
            let zone = started.into_iter().filter(|node| nodes.contains(node));
            self.crash_all(fault, zone.collect(), *power);
        } else if let Fault::Shuffle { grain } = planned.fault {
            self.shuffling.begin(fault, grain);
        } else if planned.fault == Fault::LeapSecond {
            self.leap(fault);
        } else {
            assert_eq!(planned.fault, Fault::PowerLoss, "all others have a victim");
            self.crash_all(fault, started, true);
        }
        true
    }

    fn crash_all(&mut self, fault: usize, nodes: Vec<NodeId>, power: bool) {
        for node in nodes {
            self.hold(node, Hold::Fault(fault));
            if self.crash(node, power) {
                self.nemesis.witness(fault);
            }
        }
    }

    /// Whether the disk was wiped.
    fn wipe(&mut self, fault: usize, node: NodeId) -> bool {
        if !self.may_lose_disk(node) {
            return false;
        }
        self.hold(node, Hold::Fault(fault));
        self.crash(node, true);
        let machine = self.machines.get_mut(node);
        if machine.disk.used_bytes() > 0 {
            self.nemesis.witness(fault);
        }
        machine.replace_disk();
        machine.damage = None;
        machine.is_proven = false;
        self.observer.on_wipe(node);
        true
    }

    /// Whether a sector of the disk is not what was promised any more.
    fn damage(&mut self, fault: usize, node: NodeId, how: Damage) -> bool {
        let is_gone = self.machines.get(node).life == Life::Retired;
        if is_gone || !self.may_lose_disk(node) || !self.may_lose_vote(node) {
            return false;
        }
        self.hold(node, Hold::Fault(fault));
        self.crash(node, true);
        let machine = self.machines.get_mut(node);
        let is_damaged = machine.disk.damage(how);
        if is_damaged {
            machine.damage = Some(Damaged { fault, starts_over: false });
        }
        is_damaged
    }

    fn cut(&mut self, fault: usize) -> bool {
        let plan = self.plan.clone();
        let Fault::Partition { shape, one_way, clients, .. } = &plan.faults[fault].fault else {
            return false;
        };
        let Some(split) = self.split(shape) else { return false };
        let clients = if *clients { self.client_ports() } else { Vec::new() };
        let links = split.links(&self.machines.started(), &clients, *one_way);
        let number = u64::try_from(fault).expect("an index fits 64 bits");
        for (from, to) in links.as_pairs().unwrap_or_default() {
            if let (Some(from), Some(to)) = (from.as_node(), to.as_node()) {
                self.row(RowKind::Cut, 0, &[number, from.0, to.0]);
            }
        }
        self.network.begin(id(fault), links, NetworkFault::Cut);
        self.note_state();
        true
    }

    /// A flapping partition goes up or down.
    pub(crate) fn on_flap(&mut self, fault: usize, up: bool) {
        if !self.nemesis.is_on(fault) {
            return;
        }
        if up {
            self.network.end(id(fault));
            let number = u64::try_from(fault).expect("an index fits 64 bits");
            self.row(RowKind::Join, 0, &[number]);
        } else {
            self.cut(fault);
        }
        if let Fault::Partition { flap, .. } = self.plan.faults[fault].fault {
            self.later(self.now + flap, Due::Flap { fault, up: !up });
        }
    }

    /// The process of a node has no memory to spare.
    fn squeeze(&mut self, fault: usize, node: NodeId) {
        let machine = self.machines.get_mut(node);
        machine.squeezes.push(fault);
        if machine.life == Life::Up && machine.squeezes.len() == 1 {
            self.input(node, Input::Memory { is_low: true });
        }
    }

    /// The process of a node may take memory again, unless another fault keeps it from that.
    fn unsqueeze(&mut self, fault: usize, node: NodeId) {
        let machine = self.machines.get_mut(node);
        machine.squeezes.retain(|other| *other != fault);
        if machine.life == Life::Up && machine.squeezes.is_empty() {
            self.input(node, Input::Memory { is_low: false });
        }
    }

    /// A request was refused as one too many.
    pub(crate) fn witness_squeezes(&mut self, node: NodeId) {
        for fault in &self.machines.get(node).squeezes {
            self.nemesis.witness(*fault);
        }
    }

    /// A fault ends for its victim.
    pub(super) fn relieve(&mut self, fault: usize, what: &Fault, node: NodeId) {
        let machine = self.machines.get_mut(node);
        machine.disk.end(id(fault));
        if machine.armed.is_some_and(|(_, armed)| armed == fault) {
            machine.armed = None;
        }
        if effects::is_on_clock(what) {
            self.relieve_clock(fault, what, node);
        }
        if matches!(what, Fault::Pause { .. }) {
            self.resume(node, fault);
        }
        if matches!(what, Fault::Suspend { .. }) {
            self.wake_up(node, fault);
        }
        if matches!(what, Fault::LowMemory { .. }) {
            self.unsqueeze(fault, node);
        }
    }
}
