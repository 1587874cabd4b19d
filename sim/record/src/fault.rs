//! Faults: what the nemesis does, to whom, from when to when. Ids (N7, D8, ...) name rows of the catalogue.

use crate::{SimTime, Span, plan::is_usual};
use serde::{Deserialize, Serialize};
use whitewater_api::{MemberChange, NodeId, release::Release};

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// When it begins.
    pub at: SimTime,
    /// How long it holds. Every fault ends by itself.
    pub lasts: Span,
    /// What it is.
    #[serde(flatten)]
    pub fault: Fault,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// N1-N4: worse weather on all links to and from the victim.
    Weather {
        /// Whose links.
        victim: Victim,
        /// Chance of loss, in a million.
        #[serde(default, skip_serializing_if = "is_usual")]
        loss_ppm: u32,
        /// Chance of a duplicate, in a million.
        #[serde(default, skip_serializing_if = "is_usual")]
        duplicate_ppm: u32,
        /// Chance that a message overtakes, in a million.
        #[serde(default, skip_serializing_if = "is_usual")]
        reorder_ppm: u32,
        /// Mean delay on top.
        #[serde(default, skip_serializing_if = "is_usual")]
        delay: Span,
    },
    /// N7, N8: a partition between nodes. Messages already under way still arrive.
    Partition {
        /// Who is cut from whom.
        shape: Shape,
        /// Only messages out of the first side are lost, not those into it.
        #[serde(default, skip_serializing_if = "is_usual")]
        one_way: bool,
        /// Clients are cut off from the first side too.
        #[serde(default, skip_serializing_if = "is_usual")]
        clients: bool,
        /// If not zero: up and down with this half-period.
        #[serde(default, skip_serializing_if = "is_usual")]
        flap: Span,
    },
    /// N9: messages to and from the victim are held, and all released at the end.
    Clog {
        /// Whose links.
        victim: Victim,
    },
    /// N6: the victim's links carry only so much, and what does not fit into their queues is lost.
    Throttle {
        /// Whose links.
        victim: Victim,
        /// How fast each link is. Above 0.
        bytes_per_second: u64,
        /// How much may wait on each link.
        queue_bytes: u64,
    },
    /// N5: bits of messages between the victim and other members flip. A message that was changed is never applied.
    FlipBits {
        /// Whose links.
        victim: Victim,
        /// The chance of a message, in a million. Above 0.
        ppm: u32,
    },
    /// N10: every connection of clients to the victim breaks, once.
    ResetConnections {
        /// Whose connections.
        victim: Victim,
    },
    /// D6: the victim's next write or sync fails. The replica stops; it is restarted at the end.
    FailDisk {
        /// Whose disk.
        victim: Victim,
        /// The sync fails rather than the write; the dirty pages are then gone.
        #[serde(default, skip_serializing_if = "is_usual")]
        sync: bool,
    },
    /// D7: no space left on the victim's disk.
    FullDisk {
        /// Whose disk.
        victim: Victim,
    },
    /// D8: everything on the victim's disk takes this much longer.
    SlowDisk {
        /// Whose disk.
        victim: Victim,
        /// Added to each batch.
        delay: Span,
    },
    /// D8: nothing on the victim's disk completes before the end.
    StallDisk {
        /// Whose disk.
        victim: Victim,
    },
    /// D9: the victim's disk is replaced by an empty one while it is down; it restarts at the end.
    WipeDisk {
        /// Whose disk.
        victim: Victim,
    },
    /// D6: writes on the victim's disk are short: each is done in two parts, and takes as long as two.
    ShortDisk {
        /// Whose disk.
        victim: Victim,
    },
    /// D4, D5: the victim loses power, and a sector that was promised is not what was written there. It restarts at the
    /// end, and must let the others repair it, or refuse, rather than lie.
    DamageDisk {
        /// Whose disk.
        victim: Victim,
        /// What is wrong with the sector.
        how: Damage,
    },
    /// D11: syncs of the victim's disk say that they are done and are not; at the end they are. Who loses power meanwhile
    /// loses what it has promised, and no promise of the cluster holds from then on.
    LieSync {
        /// Whose disk.
        victim: Victim,
    },
    /// C1: the victim's wall clock jumps, and jumps back at the end.
    JumpClock {
        /// Whose clock.
        victim: Victim,
        /// By how much, in nanoseconds; may be negative.
        by_ns: i64,
    },
    /// C2: the victim's clocks, and so its timers, run at another rate.
    DriftClock {
        /// Whose clock.
        victim: Victim,
        /// How much too fast, in parts per million; may be negative.
        ppm: i32,
    },
    /// C3: the victim's wall clock alone runs at another rate, as when it is slewed; at the end it is set right.
    SlewClock {
        /// Whose clock.
        victim: Victim,
        /// How much too fast, in parts per million; may be negative.
        ppm: i32,
    },
    /// C3: the victim's timers fire late, each by its own luck.
    JitterClock {
        /// Whose timers.
        victim: Victim,
        /// By how much at most.
        by: Span,
    },
    /// C3: a leap second: all wall clocks are set back by one second, and at the end forward again.
    LeapSecond,
    /// C4: the victim's machine is suspended: nothing runs, nothing is received, the disk stands still. Its boot-time
    /// clock goes on, its monotonic one does not.
    Suspend {
        /// Who.
        victim: Victim,
    },
    /// M1: the victim's process may not take more memory. Requests that would are refused; nothing is aborted.
    LowMemory {
        /// Whose memory.
        victim: Victim,
    },
    /// P1: the victim's process dies and is restarted at the end.
    Crash {
        /// Who.
        victim: Victim,
        /// The machine loses power too, and with it what was not synced (D1-D3).
        #[serde(default, skip_serializing_if = "is_usual")]
        power: bool,
    },
    /// P2: the victim's process stands still, then goes on as if nothing had happened.
    Pause {
        /// Who.
        victim: Victim,
    },
    /// P3: the victim loses power at the next named point that it passes; restarted at the end.
    CrashAt {
        /// Who.
        victim: Victim,
        /// Where.
        point: CrashPoint,
    },
    /// P4: all nodes lose power at once and are restarted at the end.
    PowerLoss,
    /// P4: a zone fails: these nodes at once. They are restarted at the end.
    ZoneLoss {
        /// Who stands there.
        nodes: Vec<NodeId>,
        /// The power goes, and not only the processes.
        #[serde(default, skip_serializing_if = "is_usual")]
        power: bool,
    },
    /// P5: what is due within one grain of time is due at its end, in any order.
    Shuffle {
        /// The grain. Above 0.
        grain: Span,
    },
    /// K1: a client dies with what it had seen, and another takes over its work at the end.
    CrashClient {
        /// Which one, counted from 0 and round.
        client: u64,
    },
    /// X1: a membership change, asked for until it is done or the fault ends.
    Member {
        /// The change.
        change: MemberChange,
    },
    /// X1: the victim is removed and a new member takes its place, in one joint change.
    ReplaceMember {
        /// Who goes.
        victim: Victim,
        /// Who comes. Its machine starts when the fault begins.
        new: NodeId,
    },
    /// X2: the leadership is handed to the victim.
    MoveLeader {
        /// Who shall lead.
        victim: Victim,
    },
    /// X3: an operator takes a backup of the victim, part by part, until it has all of one moment or the fault ends.
    Backup {
        /// Whose content.
        victim: Victim,
    },
    /// X3: everybody is stopped, and at the end the members of the start begin anew, on empty disks, as a new cluster with
    /// the content of the newest backup.
    Restore {
        /// How many revisions the new cluster leaves out.
        #[serde(default, skip_serializing_if = "is_usual")]
        revision_bump: u64,
        /// Everything before counts as compacted. Nothing without a bump.
        #[serde(default, skip_serializing_if = "is_usual")]
        mark_compacted: bool,
    },
    /// U1, U2: the victim's process is stopped, and comes back as another release at the end. One that cannot read its disk
    /// must refuse; it comes back as [`Release::Compatible`] then.
    ChangeRelease {
        /// Whose process.
        victim: Victim,
        /// As which release it comes back.
        to: Release,
    },
}

/// More revisions are never left out: judges keep a place for each.
pub const REVISION_BUMP_MAX: u64 = 1_000_000;

/// What is wrong with a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// D4: a few of its bits have flipped.
    Rot,
    /// D5: what was written there never arrived.
    Phantom,
    /// D5: what was meant for another place was written over it.
    Misdirected,
    /// D5: it is as it was written, but another one is read in its place, once.
    Misread,
    /// D4: it cannot be read: the host has nothing but zeros for the replica in its place.
    Unreadable,
}

/// Who is hit. Roles are looked up when the fault begins (N11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Victim {
    /// This node.
    Node(NodeId),
    /// Whoever leads at the highest term; nobody if no node leads.
    Leader,
    /// The so-manieth running node that does not lead, counted round by id.
    Follower(u64),
    /// A node that is receiving a snapshot; nobody if none is.
    Receiver,
}

/// The shape of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// These nodes against all others.
    Nodes(Vec<NodeId>),
    /// The victim alone.
    Isolate(Victim),
    /// The leader and as many others as still make a minority.
    LeaderAndMinority,
    /// Two halves that only this node can reach both of.
    Bridge(NodeId),
    /// Each node reaches only its neighbours by id, in a ring.
    Ring,
}

/// A named point of a node's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashPoint {
    /// A batch was given to the disk and is not done.
    InsideWrite,
    /// A batch is done, and the replica has not been told.
    BeforePersisted,
    /// The replica was told, and what it wants to send has not left.
    BeforeSend,
    /// A part of a snapshot has arrived.
    SnapshotPart,
    /// A snapshot was just installed from a peer.
    SnapshotInstalled,
    /// A new segment or snapshot file has just been renamed.
    Rename,
    /// A membership change was just applied.
    MemberChange,
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
        match self {
            Self::Weather { victim, .. }
            | Self::Clog { victim }
            | Self::Throttle { victim, .. }
            | Self::FlipBits { victim, .. }
            | Self::LowMemory { victim }
            | Self::ResetConnections { victim }
            | Self::FailDisk { victim, .. }
            | Self::FullDisk { victim }
            | Self::SlowDisk { victim, .. }
            | Self::StallDisk { victim }
            | Self::WipeDisk { victim }
            | Self::ShortDisk { victim }
            | Self::DamageDisk { victim, .. }
            | Self::LieSync { victim }
            | Self::JumpClock { victim, .. }
            | Self::DriftClock { victim, .. }
            | Self::SlewClock { victim, .. }
            | Self::JitterClock { victim, .. }
            | Self::Suspend { victim }
            | Self::Crash { victim, .. }
            | Self::Pause { victim }
            | Self::CrashAt { victim, .. }
            | Self::ReplaceMember { victim, .. }
            | Self::MoveLeader { victim }
            | Self::Backup { victim }
            | Self::ChangeRelease { victim, .. } => Some(*victim),
            Self::Partition { .. }
            | Self::LeapSecond
            | Self::PowerLoss
            | Self::ZoneLoss { .. }
            | Self::Shuffle { .. }
            | Self::CrashClient { .. }
            | Self::Member { .. }
            | Self::Restore { .. } => None,
        }
    }

    /// The single victim, to be changed.
    pub const fn victim_mut(&mut self) -> Option<&mut Victim> {
        match self {
            Self::Weather { victim, .. }
            | Self::Clog { victim }
            | Self::Throttle { victim, .. }
            | Self::FlipBits { victim, .. }
            | Self::LowMemory { victim }
            | Self::ResetConnections { victim }
            | Self::FailDisk { victim, .. }
            | Self::FullDisk { victim }
            | Self::SlowDisk { victim, .. }
            | Self::StallDisk { victim }
            | Self::WipeDisk { victim }
            | Self::ShortDisk { victim }
            | Self::DamageDisk { victim, .. }
            | Self::LieSync { victim }
            | Self::JumpClock { victim, .. }
            | Self::DriftClock { victim, .. }
            | Self::SlewClock { victim, .. }
            | Self::JitterClock { victim, .. }
            | Self::Suspend { victim }
            | Self::Crash { victim, .. }
            | Self::Pause { victim }
            | Self::CrashAt { victim, .. }
            | Self::ReplaceMember { victim, .. }
            | Self::MoveLeader { victim }
            | Self::Backup { victim }
            | Self::ChangeRelease { victim, .. } => Some(victim),
            Self::Partition { .. }
            | Self::LeapSecond
            | Self::PowerLoss
            | Self::ZoneLoss { .. }
            | Self::Shuffle { .. }
            | Self::CrashClient { .. }
            | Self::Member { .. }
            | Self::Restore { .. } => None,
        }
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

impl Victim {
    /// The node, if it is named by id.
    pub const fn node(self) -> Option<NodeId> {
        match self {
            Self::Node(node) => Some(node),
            Self::Leader | Self::Follower(_) | Self::Receiver => None,
        }
    }
}

impl PlannedFault {
    /// When it ends.
    pub fn end(&self) -> SimTime {
        self.at + self.lasts
    }
}
