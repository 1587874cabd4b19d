//! Faults: what the nemesis does, to whom, from when to when. Ids (N7, D8, ...) name rows of the catalogue.

mod kinds;
mod targets;

pub use self::targets::{CrashPoint, Damage, Shape, Victim};

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

impl PlannedFault {
    /// When it ends.
    pub fn end(&self) -> SimTime {
        self.at + self.lasts
    }
}
