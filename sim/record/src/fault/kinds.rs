//! What there is to know of each kind of fault.

use super::{Fault, REVISION_BUMP_MAX, Shape, Victim};
use crate::Span;
use whitewater_api::{MemberChange, NodeId};

/// The single victim of a fault, if it has one: by value, or to be changed.
macro_rules! single_victim {
    ($fault:expr, $victim:ident => $then:expr) => {
        match $fault {
            Fault::Weather { victim: $victim, .. }
            | Fault::Clog { victim: $victim }
            | Fault::Throttle { victim: $victim, .. }
            | Fault::FlipBits { victim: $victim, .. }
            | Fault::LowMemory { victim: $victim }
            | Fault::ResetConnections { victim: $victim }
            | Fault::FailDisk { victim: $victim, .. }
            | Fault::FullDisk { victim: $victim }
            | Fault::SlowDisk { victim: $victim, .. }
            | Fault::StallDisk { victim: $victim }
            | Fault::WipeDisk { victim: $victim }
            | Fault::ShortDisk { victim: $victim }
            | Fault::DamageDisk { victim: $victim, .. }
            | Fault::LieSync { victim: $victim }
            | Fault::JumpClock { victim: $victim, .. }
            | Fault::DriftClock { victim: $victim, .. }
            | Fault::SlewClock { victim: $victim, .. }
            | Fault::JitterClock { victim: $victim, .. }
            | Fault::Suspend { victim: $victim }
            | Fault::Crash { victim: $victim, .. }
            | Fault::Pause { victim: $victim }
            | Fault::CrashAt { victim: $victim, .. }
            | Fault::ReplaceMember { victim: $victim, .. }
            | Fault::MoveLeader { victim: $victim }
            | Fault::Backup { victim: $victim }
            | Fault::ChangeRelease { victim: $victim, .. } => Some($then),
            Fault::Partition { .. }
            | Fault::LeapSecond
            | Fault::PowerLoss
            | Fault::ZoneLoss { .. }
            | Fault::Shuffle { .. }
            | Fault::CrashClient { .. }
            | Fault::Member { .. }
            | Fault::Restore { .. } => None,
        }
    };
}

impl Fault {
    /// The words for all kinds, in the order of the catalogue.
    pub const NAMES: [&str; 34] = [
        "weather",
        "partition",
        "clog",
        "throttle",
        "flip_bits",
        "reset_connections",
        "fail_disk",
        "full_disk",
        "slow_disk",
        "stall_disk",
        "wipe_disk",
        "short_disk",
        "damage_disk",
        "lie_sync",
        "jump_clock",
        "drift_clock",
        "slew_clock",
        "jitter_clock",
        "leap_second",
        "suspend",
        "low_memory",
        "crash",
        "pause",
        "crash_at",
        "power_loss",
        "zone_loss",
        "shuffle",
        "crash_client",
        "member",
        "replace_member",
        "move_leader",
        "backup",
        "restore",
        "change_release",
    ];

    /// The single victim, if it has one.
    pub const fn victim(&self) -> Option<Victim> {
        single_victim!(self, victim => *victim)
    }

    /// The single victim, to be changed.
    pub const fn victim_mut(&mut self) -> Option<&mut Victim> {
        single_victim!(self, victim => victim)
    }

    /// The node whose machine starts with the fault.
    pub const fn newcomer(&self) -> Option<NodeId> {
        if let Self::ReplaceMember { new, .. }
        | Self::Member {
            change:
                MemberChange::Add(new)
                | MemberChange::AddLearner(new)
                | MemberChange::Replace { new, .. },
        } = self
        {
            Some(*new)
        } else {
            None
        }
    }

    /// The nodes that it names by id, but for a newcomer.
    pub fn nodes(&self) -> Vec<NodeId> {
        if let Self::Partition { shape: Shape::Nodes(nodes), .. } | Self::ZoneLoss { nodes, .. } =
            self
        {
            return nodes.clone();
        }
        if let Self::Partition { shape: Shape::Isolate(victim), .. } = self {
            return victim.node().into_iter().collect();
        }
        if let Self::Partition { shape: Shape::Bridge(node), .. }
        | Self::Member {
            change:
                MemberChange::Promote(node)
                | MemberChange::Remove(node)
                | MemberChange::Replace { old: node, .. },
        } = self
        {
            return vec![*node];
        }
        self.victim().and_then(Victim::node).into_iter().collect()
    }

    /// What is wrong with its numbers, if it cannot be played.
    pub(crate) const fn unplayable(&self) -> Option<&'static str> {
        if let Self::Throttle { bytes_per_second: 0, .. } = self {
            Some("`bytes_per_second` is 0, expected more")
        } else if let Self::FlipBits { ppm: 0, .. } = self {
            Some("`ppm` is 0, expected more")
        } else if let Self::Shuffle { grain: Span(0) } = self {
            Some("`grain` is 0, expected more")
        } else if let Self::Restore { revision_bump, .. } = self
            && *revision_bump > REVISION_BUMP_MAX
        {
            Some("`revision_bump` is above 1000000, expected less")
        } else {
            None
        }
    }

    /// Whether a member does not know any more what it promised. A budget bounds how many there are (D10).
    pub const fn loses_disk(&self) -> bool {
        matches!(self, Self::WipeDisk { .. } | Self::DamageDisk { .. })
    }

    /// Whether it keeps somebody from working while it lasts, so that it must not fall together with a lost disk.
    pub const fn takes_down(&self) -> bool {
        matches!(
            self,
            Self::Crash { .. }
                | Self::ChangeRelease { .. }
                | Self::CrashAt { .. }
                | Self::FailDisk { .. }
                | Self::StallDisk { .. }
                | Self::DamageDisk { .. }
                | Self::Pause { .. }
                | Self::Suspend { .. }
                | Self::PowerLoss
                | Self::ZoneLoss { .. }
                | Self::Restore { .. }
        )
    }

    /// The word for this kind, as in plans and ledgers.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Weather { .. } => "weather",
            Self::Partition { .. } => "partition",
            Self::Clog { .. } => "clog",
            Self::Throttle { .. } => "throttle",
            Self::FlipBits { .. } => "flip_bits",
            Self::ResetConnections { .. } => "reset_connections",
            Self::FailDisk { .. } => "fail_disk",
            Self::FullDisk { .. } => "full_disk",
            Self::SlowDisk { .. } => "slow_disk",
            Self::StallDisk { .. } => "stall_disk",
            Self::WipeDisk { .. } => "wipe_disk",
            Self::ShortDisk { .. } => "short_disk",
            Self::DamageDisk { .. } => "damage_disk",
            Self::LieSync { .. } => "lie_sync",
            Self::JumpClock { .. } => "jump_clock",
            Self::DriftClock { .. } => "drift_clock",
            Self::SlewClock { .. } => "slew_clock",
            Self::JitterClock { .. } => "jitter_clock",
            Self::LeapSecond => "leap_second",
            Self::Suspend { .. } => "suspend",
            Self::LowMemory { .. } => "low_memory",
            Self::Crash { .. } => "crash",
            Self::Pause { .. } => "pause",
            Self::CrashAt { .. } => "crash_at",
            Self::PowerLoss => "power_loss",
            Self::ZoneLoss { .. } => "zone_loss",
            Self::Shuffle { .. } => "shuffle",
            Self::CrashClient { .. } => "crash_client",
            Self::Member { .. } => "member",
            Self::ReplaceMember { .. } => "replace_member",
            Self::MoveLeader { .. } => "move_leader",
            Self::Backup { .. } => "backup",
            Self::Restore { .. } => "restore",
            Self::ChangeRelease { .. } => "change_release",
        }
    }
}
