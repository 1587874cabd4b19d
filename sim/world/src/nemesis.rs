//! The nemesis: begins and ends the faults of the plan, and keeps account of what they did.
//!
//! A fault is *applied* if there was somebody to do it to, and *witnessed* if its effect was seen: a fault that touched
//! nothing proves nothing.

mod clocks;
mod strike;

use crate::{
    agenda::Due,
    lifecycle::Hold,
    machine::Life,
    world::{PhaseOfRun, World},
};
use std::{collections::BTreeMap, sync::Arc};
use whitewater_api::{MemberChange, NodeId};
use whitewater_physics::{FaultId, Network};
use whitewater_record::{Fault, FaultCount, Latency, NetworkProfile, Plan, RowKind, SimTime};
use whitewater_replica::Event;

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
            if plan.faults[fault].fault == Fault::LeapSecond {
                self.end_leap(fault, node);
            }
            self.release(node, Hold::Fault(fault));
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
