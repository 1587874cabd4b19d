//! Groups of faults: what a scenario says about one class of faults, before the dice are thrown.

use crate::{
    dist::{Numbers, OneOf, Percent, Spans},
    error::Complaint,
};
use serde::Deserialize;
use whitewater_api::release::Release;
use whitewater_record::{CrashPoint, Damage};

/// Faults of one kind: how often, how long, to whom, how bad.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultGroup {
    /// What is done.
    pub kind: Kind,
    /// How many in a run. Either this or `per_minute`.
    pub count: Option<Numbers>,
    /// How many in a simulated minute. Drawn once a seed, every order of magnitude as likely as any other, so that a
    /// wide range makes the seeds wildly different.
    pub per_minute: Option<Numbers>,
    /// How long each lasts, every order of magnitude as likely as any other. At most half of the run.
    pub length: Spans,
    /// Chance, in a hundred, that a seed does without the whole group.
    #[serde(default)]
    pub off_percent: Percent,
    /// Who is hit. Not said: any node.
    pub victim: Option<OneOf<Aim>>,
    /// `weather`: chance of a loss, in a million.
    pub loss_ppm: Option<Numbers>,
    /// `weather`: chance of a duplicate, in a million.
    pub duplicate_ppm: Option<Numbers>,
    /// `weather`: chance of overtaking, in a million.
    pub reorder_ppm: Option<Numbers>,
    /// `throttle`: how fast each link is.
    pub bytes_per_second: Option<Numbers>,
    /// `throttle`: how much may wait on each link.
    pub queue_bytes: Option<Numbers>,
    /// `flip_bits`: chance of a message, in a million.
    pub flip_ppm: Option<Numbers>,
    /// `shuffle`: how long the moments are within which anything may come first.
    pub grain: Option<Spans>,
    /// `jitter_clock`: how late a timer fires at most.
    pub jitter: Option<Spans>,
    /// `weather`, `slow_disk`: mean delay on top.
    pub delay: Option<Spans>,
    /// `partition`: who is cut from whom.
    pub shape: Option<OneOf<Cut>>,
    /// `partition`: chance, in a hundred, that only one direction is cut.
    pub one_way_percent: Option<Percent>,
    /// `partition`: chance, in a hundred, that clients are cut off too.
    pub clients_percent: Option<Percent>,
    /// `partition`: half-period of flapping.
    pub flap: Option<Spans>,
    /// `partition`: chance, in a hundred, that it flaps.
    pub flap_percent: Option<Percent>,
    /// `fail_disk`: chance, in a hundred, that the sync fails rather than the write.
    pub sync_percent: Option<Percent>,
    /// `jump_clock`: how far, either way.
    pub jump: Option<Spans>,
    /// `damage_disk`: what is wrong with the sector.
    pub how: Option<OneOf<Damage>>,
    /// `slew_clock`: how much too fast or too slow the wall clock alone runs, in parts per million.
    pub slew_ppm: Option<Numbers>,
    /// `drift_clock`: how much too fast or too slow, in parts per million. Held below a quarter of `drift_ppm_max`.
    pub drift_ppm: Option<Numbers>,
    /// `crash`, `rolling_restart`, `zone_loss`: chance, in a hundred, that the power goes too.
    pub power_percent: Option<Percent>,
    /// `crash_at`: where.
    pub point: Option<OneOf<CrashPoint>>,
    /// `churn`: what is done to the membership.
    pub change: Option<OneOf<Change>>,
    /// `restore`: how many revisions the new cluster leaves out.
    pub revision_bump: Option<Numbers>,
    /// `restore`: chance, in a hundred, that everything before counts as compacted.
    pub compacted_percent: Option<Percent>,
    /// `change_release`: as which release the process comes back.
    pub to: Option<OneOf<Release>>,
}

/// A kind of faults. Most are a fault of a plan; a few are a story of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Loss, duplicates, overtaking and delay around the victim.
    Weather,
    /// A cut between nodes.
    Partition,
    /// Messages are held and then released all at once.
    Clog,
    /// A write or sync fails.
    FailDisk,
    /// No space is left.
    FullDisk,
    /// Everything on the disk takes longer.
    SlowDisk,
    /// Nothing on the disk completes.
    StallDisk,
    /// A disk is replaced by an empty one; later the member is replaced too. Never more of them in a run than
    /// Raft survives.
    WipeDisk,
    /// The wall clock jumps.
    JumpClock,
    /// The clocks run at another rate.
    DriftClock,
    /// The process dies.
    Crash,
    /// The process stands still.
    Pause,
    /// The power goes at a named point.
    CrashAt,
    /// The power goes everywhere.
    PowerLoss,
    /// Members come and go.
    Churn,
    /// The leadership is handed over.
    MoveLeader,
    /// All nodes are restarted one after the other; each is down for `length`.
    RollingRestart,
    // Streams are named by the place in this list: new kinds go to its end.
    /// Links carry little and queues overflow.
    Throttle,
    /// The connections of clients break.
    ResetConnections,
    /// The wall clock is slewed.
    SlewClock,
    /// Timers fire late.
    JitterClock,
    /// A leap second.
    LeapSecond,
    /// A machine is suspended.
    Suspend,
    /// A zone fails at once.
    ZoneLoss,
    /// What is due at about the same time happens in any order.
    Shuffle,
    /// A client dies.
    CrashClient,
    /// Two members come, and later two go: any two. Each step is asked for during `length`.
    Scale,
    /// All members of the start are replaced one after the other, each during `length`.
    RollingReplacement,
    /// Writes are short.
    ShortDisk,
    /// A sector is damaged. Shares the budget of `wipe_disk`.
    DamageDisk,
    /// Syncs lie.
    LieSync,
    /// Bits flip on the wire.
    FlipBits,
    /// A process has no memory to spare.
    LowMemory,
    /// A backup is taken during `length`, and after another one the cluster is started over from it, down for a third.
    Restore,
    /// A process comes back as another release.
    ChangeRelease,
    /// All members of the start go up from the previous release to the newest, and down again: one after the other, by way of
    /// the compatible one. Each is down for `length` at each step.
    RollingUpgrade,
}

/// Who is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// A node by its id, whatever it does.
    Any,
    /// Whoever leads when the fault begins.
    Leader,
    /// One who does not lead when the fault begins.
    Follower,
    /// One who is receiving a snapshot when the fault begins.
    Receiver,
}

/// The kind of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Any set of nodes against all others.
    Halves,
    /// The victim alone.
    Isolate,
    /// The leader with a minority.
    LeaderAndMinority,
    /// Two halves that one node can reach both of.
    Bridge,
    /// Each node reaches only its neighbours.
    Ring,
}

/// One way of changing the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A new voter comes, then an old one goes.
    AddRemove,
    /// A learner comes and is promoted, then an old voter goes.
    LearnerPromoteRemove,
    /// An old voter is replaced by a new one, in one joint change.
    Replace,
    /// The leader is replaced by a new voter, in one joint change.
    ReplaceLeader,
}

/// The parameters of a group that only some kinds have: name, whether it is given, and the kinds that have it.
type Parameter = (&'static str, bool, &'static [Kind]);

impl FaultGroup {
    pub(crate) fn check(&self, path: &str) -> Result<(), Complaint> {
        let complain = |field: &str, reason: String| {
            Err(Complaint::new(
                format!("{path}{}{field}", if field.is_empty() { "" } else { "." }),
                reason,
            ))
        };
        if self.count.is_some() == self.per_minute.is_some() {
            return complain("", "expected either `count` or `per_minute`".to_owned());
        }
        if self.length.0.low() == 0 {
            return complain(
                "length",
                "it may be 0, expected a length of time above that".to_owned(),
            );
        }
        for (field, given, kinds) in self.parameters() {
            if given && !kinds.contains(&self.kind) {
                let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                let reason = format!(
                    "a `{}` has none, expected it only at {}",
                    self.kind.name(),
                    kinds.join(", ")
                );
                return complain(field, reason);
            }
        }
        let mut required = [
            ("shape", Kind::Partition, self.shape.is_some()),
            ("delay", Kind::SlowDisk, self.delay.is_some()),
            ("jump", Kind::JumpClock, self.jump.is_some()),
            ("drift_ppm", Kind::DriftClock, self.drift_ppm.is_some()),
            ("slew_ppm", Kind::SlewClock, self.slew_ppm.is_some()),
            ("jitter", Kind::JitterClock, self.jitter.is_some()),
            ("bytes_per_second", Kind::Throttle, self.bytes_per_second.is_some()),
            ("queue_bytes", Kind::Throttle, self.queue_bytes.is_some()),
            ("flip_ppm", Kind::FlipBits, self.flip_ppm.is_some()),
            ("grain", Kind::Shuffle, self.grain.is_some()),
            ("how", Kind::DamageDisk, self.how.is_some()),
            ("point", Kind::CrashAt, self.point.is_some()),
            ("change", Kind::Churn, self.change.is_some()),
            ("to", Kind::ChangeRelease, self.to.is_some()),
        ]
        .into_iter();
        if let Some((field, kind, _)) =
            required.find(|(_, kind, given)| *kind == self.kind && !given)
        {
            return complain(
                "",
                format!("`{field}` is missing, expected it at a `{}`", kind.name()),
            );
        }
        if self.flap_percent.is_some() && self.flap.is_none() {
            return complain("flap_percent", "expected `flap` beside it".to_owned());
        }
        Ok(())
    }

    fn parameters(&self) -> [Parameter; 26] {
        const AIMED: &[Kind] = &[
            Kind::Weather,
            Kind::Partition,
            Kind::Clog,
            Kind::FailDisk,
            Kind::FullDisk,
            Kind::SlowDisk,
            Kind::StallDisk,
            Kind::JumpClock,
            Kind::DriftClock,
            Kind::Crash,
            Kind::Pause,
            Kind::CrashAt,
            Kind::MoveLeader,
            Kind::Throttle,
            Kind::ResetConnections,
            Kind::SlewClock,
            Kind::JitterClock,
            Kind::Suspend,
            Kind::ShortDisk,
            Kind::LieSync,
            Kind::FlipBits,
            Kind::LowMemory,
            Kind::Restore,
            Kind::ChangeRelease,
        ];
        const POWERED: &[Kind] = &[Kind::Crash, Kind::RollingRestart, Kind::ZoneLoss];
        const CUT: &[Kind] = &[Kind::Partition];
        [
            ("victim", self.victim.is_some(), AIMED),
            ("loss_ppm", self.loss_ppm.is_some(), &[Kind::Weather]),
            ("duplicate_ppm", self.duplicate_ppm.is_some(), &[Kind::Weather]),
            ("reorder_ppm", self.reorder_ppm.is_some(), &[Kind::Weather]),
            ("delay", self.delay.is_some(), &[Kind::Weather, Kind::SlowDisk]),
            ("shape", self.shape.is_some(), CUT),
            ("one_way_percent", self.one_way_percent.is_some(), CUT),
            ("clients_percent", self.clients_percent.is_some(), CUT),
            ("flap", self.flap.is_some(), CUT),
            ("flap_percent", self.flap_percent.is_some(), CUT),
            ("sync_percent", self.sync_percent.is_some(), &[Kind::FailDisk]),
            ("jump", self.jump.is_some(), &[Kind::JumpClock]),
            ("drift_ppm", self.drift_ppm.is_some(), &[Kind::DriftClock]),
            ("slew_ppm", self.slew_ppm.is_some(), &[Kind::SlewClock]),
            ("jitter", self.jitter.is_some(), &[Kind::JitterClock]),
            ("bytes_per_second", self.bytes_per_second.is_some(), &[Kind::Throttle]),
            ("queue_bytes", self.queue_bytes.is_some(), &[Kind::Throttle]),
            ("flip_ppm", self.flip_ppm.is_some(), &[Kind::FlipBits]),
            ("grain", self.grain.is_some(), &[Kind::Shuffle]),
            ("how", self.how.is_some(), &[Kind::DamageDisk]),
            ("power_percent", self.power_percent.is_some(), POWERED),
            ("point", self.point.is_some(), &[Kind::CrashAt]),
            ("change", self.change.is_some(), &[Kind::Churn]),
            ("revision_bump", self.revision_bump.is_some(), &[Kind::Restore]),
            ("compacted_percent", self.compacted_percent.is_some(), &[Kind::Restore]),
            ("to", self.to.is_some(), &[Kind::ChangeRelease]),
        ]
    }
}

impl Kind {
    /// The word for it in scenario files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weather => "weather",
            Self::Partition => "partition",
            Self::Clog => "clog",
            Self::FailDisk => "fail_disk",
            Self::FullDisk => "full_disk",
            Self::SlowDisk => "slow_disk",
            Self::StallDisk => "stall_disk",
            Self::WipeDisk => "wipe_disk",
            Self::JumpClock => "jump_clock",
            Self::DriftClock => "drift_clock",
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::CrashAt => "crash_at",
            Self::PowerLoss => "power_loss",
            Self::Churn => "churn",
            Self::MoveLeader => "move_leader",
            Self::RollingRestart => "rolling_restart",
            Self::Throttle => "throttle",
            Self::ResetConnections => "reset_connections",
            Self::SlewClock => "slew_clock",
            Self::JitterClock => "jitter_clock",
            Self::LeapSecond => "leap_second",
            Self::Suspend => "suspend",
            Self::ZoneLoss => "zone_loss",
            Self::Shuffle => "shuffle",
            Self::CrashClient => "crash_client",
            Self::Scale => "scale",
            Self::RollingReplacement => "rolling_replacement",
            Self::ShortDisk => "short_disk",
            Self::DamageDisk => "damage_disk",
            Self::LieSync => "lie_sync",
            Self::FlipBits => "flip_bits",
            Self::LowMemory => "low_memory",
            Self::Restore => "restore",
            Self::ChangeRelease => "change_release",
            Self::RollingUpgrade => "rolling_upgrade",
        }
    }
}
