//! How much of a run is left for the clients: faults that would stop the service for too long are left out.
//!
//! An estimate, not a simulation. Each fault takes some nodes out of the majority while it lasts. More of them at once
//! than the cluster can spare stop the service until they are few enough again; one that may hit the leader stops it
//! until another one is elected.

use crate::{dist::Percent, planner::Size};
use whitewater_record::{Fault, PlannedFault, Shape, SimTime, Span, Victim};

/// The account of a run's calm. Faults are shown to it by start.
pub(crate) struct Calm {
    nodes: u64,
    /// Nodes that can be missed.
    spare: u64,
    recovery: Span,
    duration: Span,
    /// Nanoseconds of the whole run that may be without service.
    budget: u64,
    /// Without service so far.
    /// Invariant: `stopped <= budget`.
    stopped: u64,
    /// Until when, by what was admitted.
    stopped_until: SimTime,
    /// Ends of the faults that take nodes out, and how many each takes.
    active: Vec<(SimTime, u64)>,
}

impl Calm {
    pub(crate) fn new(calm: Percent, size: &Size, recovery: Span) -> Self {
        Self {
            nodes: size.nodes,
            spare: (size.nodes - 1) / 2,
            recovery,
            duration: size.duration,
            budget: size.duration.0 - calm.of(size.duration.0),
            stopped: 0,
            stopped_until: SimTime::ZERO,
            active: Vec::new(),
        }
    }

    /// Whether there is room for the fault; if so, it is accounted for.
    pub(crate) fn admits(&mut self, fault: &PlannedFault) -> bool {
        let Some(taken) = self.taken(&fault.fault) else { return true };
        self.active.retain(|(end, _)| *end > fault.at);
        self.active.push((fault.end(), taken));
        self.active.sort_unstable();
        let until = (self.short_until(fault.at) + self.recovery).min(SimTime(self.duration.0));
        let from = self.stopped_until.max(fault.at);
        let more = until.since(from).0;
        if self.stopped + more > self.budget_at(until) {
            self.active.retain(|entry| *entry != (fault.end(), taken));
            return false;
        }
        self.stopped += more;
        self.stopped_until = self.stopped_until.max(until);
        true
    }

    /// The budget grows with time, from an eighth of it at the start: what is early must not take all.
    fn budget_at(&self, time: SimTime) -> u64 {
        let share =
            u128::from(self.budget) * u128::from(time.0) / u128::from(self.duration.0.max(1));
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        share.saturating_add(self.budget / 8).min(self.budget)
    }

    /// Until when more nodes are missing than can be spared; `now` if they are not.
    fn short_until(&self, now: SimTime) -> SimTime {
        let mut missing: u64 = self.active.iter().map(|(_, taken)| taken).sum();
        let mut until = now;
        for (end, taken) in &self.active {
            if missing <= self.spare {
                break;
            }
            until = *end;
            missing -= taken;
        }
        until
    }

    /// How many nodes the fault takes out while it lasts; nothing if it cannot stop the service.
    fn taken(&self, fault: &Fault) -> Option<u64> {
        match fault {
            Fault::Partition { shape, .. } => Some(self.cut_off(shape)),
            // A leader without space goes on leading, and refuses.
            Fault::FullDisk { victim: Victim::Leader }
            | Fault::LowMemory { victim: Victim::Leader }
            | Fault::Restore { .. }
            | Fault::PowerLoss => Some(self.nodes),
            Fault::Clog { .. }
            | Fault::FailDisk { .. }
            | Fault::FullDisk { .. }
            | Fault::LowMemory { .. }
            | Fault::StallDisk { .. }
            | Fault::WipeDisk { .. }
            | Fault::DamageDisk { .. }
            | Fault::Crash { .. }
            | Fault::ChangeRelease { .. }
            | Fault::Pause { .. }
            | Fault::Suspend { .. }
            | Fault::CrashAt { .. } => Some(1),
            Fault::ZoneLoss { nodes, .. } => {
                Some(u64::try_from(nodes.len()).expect("a length fits 64 bits"))
            }
            Fault::Weather { .. }
            | Fault::Throttle { .. }
            | Fault::FlipBits { .. }
            | Fault::ShortDisk { .. }
            | Fault::LieSync { .. }
            | Fault::ResetConnections { .. }
            | Fault::SlewClock { .. }
            | Fault::JitterClock { .. }
            | Fault::LeapSecond
            | Fault::Shuffle { .. }
            | Fault::CrashClient { .. }
            | Fault::SlowDisk { .. }
            | Fault::JumpClock { .. }
            | Fault::DriftClock { .. }
            | Fault::Member { .. }
            | Fault::ReplaceMember { .. }
            | Fault::Backup { .. }
            | Fault::MoveLeader { .. } => None,
        }
    }

    fn cut_off(&self, shape: &Shape) -> u64 {
        match shape {
            Shape::Nodes(side) => {
                let side = u64::try_from(side.len()).expect("a length fits 64 bits");
                side.min(self.nodes.saturating_sub(side))
            }
            Shape::Isolate(_) => 1,
            Shape::LeaderAndMinority => self.spare,
            // A majority is still to be had, by another leader.
            Shape::Bridge(_) | Shape::Ring => 0,
        }
    }
}
