//! Faults: what the nemesis does, to whom, from when to when. Ids (N7, D8, ...) name rows of the catalogue.

use crate::{SimTime, Span, plan::is_usual};
use serde::{Deserialize, Serialize};
use whitewater_api::{MemberChange, NodeId};

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
    /// The single victim, if it has one.
    pub const fn victim(&self) -> Option<Victim> {
        match self {
            Self::Weather { victim, .. }
            | Self::Clog { victim }
            | Self::FailDisk { victim, .. }
            | Self::FullDisk { victim }
            | Self::SlowDisk { victim, .. }
            | Self::StallDisk { victim }
            | Self::WipeDisk { victim }
            | Self::JumpClock { victim, .. }
            | Self::DriftClock { victim, .. }
            | Self::Crash { victim, .. }
            | Self::Pause { victim }
            | Self::CrashAt { victim, .. }
            | Self::ReplaceMember { victim, .. }
            | Self::MoveLeader { victim } => Some(*victim),
            Self::Partition { .. } | Self::PowerLoss | Self::Member { .. } => None,
        }
    }

    /// The node whose machine starts with the fault.
    pub const fn newcomer(&self) -> Option<NodeId> {
        match self {
            Self::ReplaceMember { new, .. }
            | Self::Member {
                change:
                    MemberChange::Add(new)
                    | MemberChange::AddLearner(new)
                    | MemberChange::Replace { new, .. },
            } => Some(*new),
            Self::Member { change: MemberChange::Promote(_) | MemberChange::Remove(_) }
            | Self::Weather { .. }
            | Self::Partition { .. }
            | Self::Clog { .. }
            | Self::FailDisk { .. }
            | Self::FullDisk { .. }
            | Self::SlowDisk { .. }
            | Self::StallDisk { .. }
            | Self::WipeDisk { .. }
            | Self::JumpClock { .. }
            | Self::DriftClock { .. }
            | Self::Crash { .. }
            | Self::Pause { .. }
            | Self::CrashAt { .. }
            | Self::PowerLoss
            | Self::MoveLeader { .. } => None,
        }
    }

    /// The nodes that it names by id, but for a newcomer.
    pub fn nodes(&self) -> Vec<NodeId> {
        if let Some(victim) = self.victim() {
            return victim.node().into_iter().collect();
        }
        match self {
            Self::Partition { shape: Shape::Nodes(nodes), .. } => nodes.clone(),
            Self::Partition { shape: Shape::Isolate(victim), .. } => {
                victim.node().into_iter().collect()
            }
            Self::Partition { shape: Shape::Bridge(node), .. }
            | Self::Member {
                change:
                    MemberChange::Promote(node)
                    | MemberChange::Remove(node)
                    | MemberChange::Replace { old: node, .. },
            } => vec![*node],
            Self::Partition { shape: Shape::LeaderAndMinority | Shape::Ring, .. }
            | Self::Member { change: MemberChange::Add(_) | MemberChange::AddLearner(_) }
            | Self::PowerLoss => Vec::new(),
            Self::Weather { .. }
            | Self::Clog { .. }
            | Self::FailDisk { .. }
            | Self::FullDisk { .. }
            | Self::SlowDisk { .. }
            | Self::StallDisk { .. }
            | Self::WipeDisk { .. }
            | Self::JumpClock { .. }
            | Self::DriftClock { .. }
            | Self::Crash { .. }
            | Self::Pause { .. }
            | Self::CrashAt { .. }
            | Self::ReplaceMember { .. }
            | Self::MoveLeader { .. } => unreachable!("they have a victim"),
        }
    }

    /// The word for this kind, as in plans and ledgers.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Weather { .. } => "weather",
            Self::Partition { .. } => "partition",
            Self::Clog { .. } => "clog",
            Self::FailDisk { .. } => "fail_disk",
            Self::FullDisk { .. } => "full_disk",
            Self::SlowDisk { .. } => "slow_disk",
            Self::StallDisk { .. } => "stall_disk",
            Self::WipeDisk { .. } => "wipe_disk",
            Self::JumpClock { .. } => "jump_clock",
            Self::DriftClock { .. } => "drift_clock",
            Self::Crash { .. } => "crash",
            Self::Pause { .. } => "pause",
            Self::CrashAt { .. } => "crash_at",
            Self::PowerLoss => "power_loss",
            Self::Member { .. } => "member",
            Self::ReplaceMember { .. } => "replace_member",
            Self::MoveLeader { .. } => "move_leader",
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
