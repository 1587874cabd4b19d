//! The nemesis: begins and ends the faults of the plan, and keeps account of what they did.
//!
//! A fault is *applied* if there was somebody to do it to, and *witnessed* if its effect was seen: a fault that touched
//! nothing proves nothing.

use crate::{
    agenda::Due,
    effects,
    lifecycle::Hold,
    limits,
    machine::{Damaged, Life},
    world::{PhaseOfRun, World},
};
use std::{collections::BTreeMap, sync::Arc};
use whitewater_api::{MemberChange, NodeId};
use whitewater_physics::{FaultId, LinkSet, Network, NetworkFault, Port};
use whitewater_record::{
    Damage, Fault, FaultCount, Latency, NetworkProfile, Plan, PlannedFault, RowKind, SimTime,
};
use whitewater_replica::{Event, Input};

/// Counts by kind of fault and role of its victim.
type ByRole = BTreeMap<String, BTreeMap<String, FaultCount>>;

/// What became of each fault of the plan.
#[derive(Debug)]
pub(crate) struct Nemesis {
    plan: Arc<Plan>,
    faults: Vec<Account>,
    /// Crashes with loss of power, and those that took unsynced bytes.
    power_losses: (u64, u64),
}

#[derive(Clone, Debug, Default)]
struct Account {
    is_applied: bool,
    is_on: bool,
    is_witnessed: bool,
    /// What the victim was when it was hit.
    role: &'static str,
    /// Who was hit.
    victim: Option<NodeId>,
    /// The change of the membership that the fault asks for, once the roles are known.
    change: Option<MemberChange>,
    /// What the victim's wall clock would show without the jump, less true time.
    wall: Option<i64>,
}

/// The highest node id that a plan knows.
pub(crate) fn highest_node(plan: &Plan) -> u64 {
    plan.newcomers().map(|node| node.0).max().unwrap_or(0).max(plan.cluster.nodes)
}

impl Nemesis {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        let faults = vec![Account::default(); plan.faults.len()];
        Self { plan: plan.clone(), faults, power_losses: (0, 0) }
    }

    /// The effect of a fault was seen.
    pub(crate) fn witness(&mut self, fault: usize) {
        self.faults[fault].is_witnessed = true;
    }

    /// A process ran under a wall clock that had jumped.
    pub(crate) fn witness_jump(&mut self, fault: usize, wall: i64, now: SimTime) {
        let account = &mut self.faults[fault];
        let ahead = ahead(wall, now);
        account.is_witnessed |= account.wall.is_none_or(|unjumped| unjumped != ahead);
    }

    /// A machine lost power.
    pub(crate) fn count_power_loss(&mut self, lost_bytes: bool) {
        self.power_losses.0 += 1;
        self.power_losses.1 += u64::from(lost_bytes);
    }

    /// Faults that hold now and whose end restarts this node after its disk failed.
    pub(crate) fn disk_failures(&self, node: NodeId) -> Vec<usize> {
        let fails = |(fault, account): (usize, &Account)| {
            let is_disk = matches!(self.plan.faults[fault].fault, Fault::FailDisk { .. });
            (is_disk && account.is_on && account.victim == Some(node)).then_some(fault)
        };
        self.faults.iter().enumerate().filter_map(fails).collect()
    }

    /// A configuration was applied somewhere.
    pub(crate) fn on_members(&mut self, event: &Event) {
        let Event::Members { voters, learners, .. } = event else { return };
        for account in self.faults.iter_mut().filter(|account| account.is_on) {
            account.is_witnessed |= match account.change {
                Some(MemberChange::Add(node) | MemberChange::Promote(node)) => {
                    voters.contains(&node)
                }
                Some(MemberChange::AddLearner(node)) => learners.contains(&node),
                Some(MemberChange::Remove(node)) => {
                    !voters.contains(&node) && !learners.contains(&node)
                }
                Some(MemberChange::Replace { old, new }) => {
                    voters.contains(&new) && !voters.contains(&old)
                }
                None => false,
            };
        }
    }

    /// The change that a fault asks for.
    pub(crate) fn change(&self, fault: usize) -> Option<MemberChange> {
        self.faults[fault].change
    }

    /// Who is hit by a fault.
    pub(crate) fn victim(&self, fault: usize) -> Option<NodeId> {
        self.faults[fault].victim
    }

    /// Whether a fault holds.
    pub(crate) fn is_on(&self, fault: usize) -> bool {
        self.faults[fault].is_on
    }

    /// There is another cluster: nobody goes on to ask it for changes of the old one's members.
    pub(crate) fn forget_changes(&mut self) {
        for account in self.faults.iter_mut().filter(|account| account.change.is_some()) {
            (account.change, account.victim) = (None, None);
        }
    }

    /// Somebody became leader.
    pub(crate) fn on_leader(&mut self, node: NodeId) {
        for (account, planned) in self.faults.iter_mut().zip(&self.plan.faults) {
            let is_moved =
                matches!(planned.fault, Fault::MoveLeader { .. }) && account.victim == Some(node);
            let is_restored = matches!(planned.fault, Fault::Restore { .. });
            account.is_witnessed |= account.is_on && is_moved || account.is_applied && is_restored;
        }
    }
}

impl World {
    /// Puts the faults of the plan on the agenda.
    pub(crate) fn plan_faults(&mut self) {
        for (fault, planned) in self.plan.clone().faults.iter().enumerate() {
            self.later(planned.at, Due::FaultOn { fault });
        }
    }

    /// A fault begins.
    pub(crate) fn on_fault(&mut self, fault: usize) {
        let plan = self.plan.clone();
        let planned = &plan.faults[fault];
        if let Some(node) = planned.fault.newcomer()
            && self.machines.get(node).life == Life::Absent
        {
            self.start(node);
        }
        let victim = planned.fault.victim().and_then(|victim| self.victim(victim));
        self.nemesis.faults[fault].is_on = true;
        self.nemesis.faults[fault].victim = victim;
        self.nemesis.faults[fault].role = victim.map_or("cluster", |node| self.role_name(node));
        let number = u64::try_from(fault).expect("an index fits 64 bits");
        self.begin(RowKind::FaultOn, 0, &[number, victim.map_or(0, |node| node.0)]);
        let is_applied = match victim {
            Some(node) => self.strike(fault, planned, node),
            None if planned.fault.victim().is_some() => false,
            None => self.strike_all(fault, planned),
        };
        self.nemesis.faults[fault].is_applied = is_applied;
        self.later(planned.end(), Due::FaultOff { fault });
    }

    /// A fault with one victim. Whether it was carried out.
    fn strike(&mut self, fault: usize, planned: &PlannedFault, node: NodeId) -> bool {
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

    /// A fault of a clock.
    fn strike_clock(&mut self, fault: usize, planned: &PlannedFault, node: NodeId) {
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

    /// A fault without a single victim. Whether it was carried out.
    fn strike_all(&mut self, fault: usize, planned: &PlannedFault) -> bool {
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

    /// All wall clocks show the same second again.
    fn leap(&mut self, fault: usize) {
        for node in self.machines.started() {
            let machine = self.machines.get_mut(node);
            machine.clock.jump(-limits::LEAP_NS);
            machine.jumps.push(fault);
            self.note_step(node, -limits::LEAP_NS);
        }
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

    /// A fault ends.
    pub(crate) fn on_fault_end(&mut self, fault: usize) {
        if !std::mem::take(&mut self.nemesis.faults[fault].is_on) {
            return;
        }
        let plan = self.plan.clone();
        let victim = self.nemesis.faults[fault].victim;
        let number = u64::try_from(fault).expect("an index fits 64 bits");
        self.begin(RowKind::FaultOff, 0, &[number, victim.map_or(0, |node| node.0)]);
        self.network.end(id(fault));
        if self.network.witnessed(id(fault)) > 0 {
            self.nemesis.witness(fault);
        }
        if let Some(node) = victim {
            self.relieve(fault, &plan.faults[fault].fault, node);
        }
        self.shuffling.end(fault);
        for node in self.machines.started() {
            let machine = self.machines.get_mut(node);
            if plan.faults[fault].fault == Fault::LeapSecond && machine.jumps.contains(&fault) {
                machine.jumps.retain(|other| *other != fault);
                machine.clock.jump(limits::LEAP_NS);
                self.note_step(node, limits::LEAP_NS);
            }
            self.release(node, Hold::Fault(fault));
        }
    }

    fn relieve(&mut self, fault: usize, what: &Fault, node: NodeId) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        machine.disk.end(id(fault));
        let was_jumped = machine.jumps.contains(&fault);
        machine.jumps.retain(|other| *other != fault);
        machine.drifts.retain(|other| *other != fault);
        machine.jitters.retain(|other| *other != fault);
        if machine.armed.is_some_and(|(_, armed)| armed == fault) {
            machine.armed = None;
        }
        if let Fault::JumpClock { by_ns, .. } = what
            && was_jumped
        {
            machine.clock.jump(by_ns.saturating_neg());
            self.note_step(node, by_ns.saturating_neg());
        }
        if let Fault::SlewClock { ppm, .. } = what
            && was_jumped
        {
            let clock = &mut self.machines.get_mut(node).clock;
            clock.end_slew(now, *ppm, self.plan.faults[fault].at);
        }
        if let Fault::DriftClock { ppm, .. } = what {
            self.machines.get_mut(node).clock.add_drift(now, ppm.saturating_neg());
            self.note_drift(node);
            self.rearm(node);
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

    /// The safety phase ends: all faults with it, and every process runs that may.
    pub(crate) fn on_heal(&mut self) {
        for fault in 0..self.plan.faults.len() {
            self.on_fault_end(fault);
        }
        self.begin(RowKind::Heal, 0, &[]);
        self.phase = PhaseOfRun::Liveness;
        for node in self.machines.started() {
            self.machines.get_mut(node).holds.clear();
            self.start(node);
        }
        self.network_before = Some(self.network.counts());
        self.network = Network::new(fair(self.plan.network), self.seed);
        self.start_recovery();
    }

    /// What became of the faults, by kind, and by kind and role of the victim.
    pub(crate) fn fault_counts(&self) -> (BTreeMap<String, FaultCount>, ByRole) {
        let mut counts: BTreeMap<String, FaultCount> = BTreeMap::new();
        let mut by_role = ByRole::new();
        for (fault, planned) in self.plan.faults.iter().enumerate() {
            let account = &self.nemesis.faults[fault];
            let on_disk =
                account.victim.map_or(0, |node| self.machines.get(node).disk.witnessed(id(fault)));
            let seen = account.is_witnessed || on_disk + self.network.witnessed(id(fault)) > 0;
            let one = FaultCount {
                requested: 1,
                applied: u64::from(account.is_applied),
                witnessed: u64::from(account.is_applied && seen),
            };
            let kind = planned.fault.name().to_owned();
            let role = if account.role.is_empty() { "never" } else { account.role };
            by_role.entry(kind.clone()).or_default().entry(role.to_owned()).or_default().add(one);
            counts.entry(kind).or_default().add(one);
        }
        let (losses, hurt) = self.nemesis.power_losses;
        if losses > 0 {
            let count = FaultCount { requested: losses, applied: losses, witnessed: hurt };
            counts.insert("lost_write".to_owned(), count);
        }
        (counts, by_role)
    }
}

/// How far a wall clock is ahead of true time.
fn ahead(wall: i64, now: SimTime) -> i64 {
    wall.saturating_sub(i64::try_from(now.0).unwrap_or(i64::MAX))
}

/// The same network on a fine day.
const fn fair(profile: NetworkProfile) -> NetworkProfile {
    let latency = Latency { tail_ppm: 0, ..profile.latency };
    NetworkProfile { latency, loss_ppm: 0, duplicate_ppm: 0, reorder_ppm: 0, ..profile }
}

fn id(fault: usize) -> FaultId {
    FaultId(u32::try_from(fault).expect("faults of a plan are few"))
}
