//! First half of the faults: each group draws its own, knowing nothing of the others.

use crate::{
    dist::{Numbers, Spans},
    fault_group::{Aim, Change, Cut, FaultGroup, Kind},
    planner::Size,
    profiles::{drift_within, either_way},
};
use whitewater_api::{NodeId, Tuning, release::Release};
use whitewater_record::{Damage, Fault, PlannedFault, Seed, Shape, SimTime, Span, Stream, Victim};

/// A fault as drawn; [`settle`](crate::settle) makes it fit the others.
#[derive(Clone, Debug)]
pub(crate) enum Draft {
    /// Needs nothing from others.
    Fault(PlannedFault),
    /// A disk is wiped, stays inert for a while, and its member is replaced.
    Wipe { at: SimTime, down: Span, inert: Span, replace: Span, pick: u64 },
    /// A disk is damaged.
    Damage { at: SimTime, down: Span, pick: u64, how: Damage },
    /// The membership changes in up to three steps.
    Churn { at: SimTime, steps: [Span; 3], change: Change, pick: u64 },
    /// Two members come, all stay for a while, and two go.
    Scale { at: SimTime, steps: [Span; 5], picks: [u64; 2] },
    /// A member of the start is replaced by a new one.
    Replace { at: SimTime, lasts: Span, old: u64 },
    /// A backup is taken, and after a while the cluster is started over from it.
    Restore { at: SimTime, steps: [Span; 3], victim: Victim, restore: Fault },
}

impl Draft {
    pub(crate) fn at(&self) -> SimTime {
        match self {
            Self::Fault(fault) => fault.at,
            Self::Wipe { at, .. }
            | Self::Damage { at, .. }
            | Self::Churn { at, .. }
            | Self::Scale { at, .. }
            | Self::Replace { at, .. }
            | Self::Restore { at, .. } => *at,
        }
    }
}

/// Draws the faults of all groups; of those that are not off in this seed, unless it is `whole`.
pub(crate) fn draw(
    groups: &[FaultGroup],
    whole: bool,
    seed: Seed,
    size: &Size,
    tuning: &Tuning,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        // Named by kind and not by place in the file: one more group above moves nothing below.
        let twins = groups[..i].iter().filter(|other| other.kind == group.kind).count();
        let entity = (group.kind as u64) << 32 | u64::try_from(twins).expect("a count fits");
        let stream = seed.stream("plan/faults", entity);
        let mut dice = Dice { group, stream, size, tuning };
        let is_off = group.off_percent.draw(&mut dice.stream);
        if whole || !is_off {
            dice.throw(&mut drafts);
        }
    }
    drafts
}

/// How long no leader may be found after one was lost: the longest election timeout.
pub(crate) fn recovery(tuning: &Tuning) -> Span {
    Span::millis(tuning.election_ms().saturating_mul(2))
}

struct Dice<'a> {
    group: &'a FaultGroup,
    stream: Stream,
    size: &'a Size,
    tuning: &'a Tuning,
}

/// More faults of one group than this are never planned.
const GROUP_FAULTS_MAX: u64 = 1_000;

impl Dice<'_> {
    fn throw(mut self, drafts: &mut Vec<Draft>) {
        for _ in 0..self.count() {
            match self.group.kind {
                Kind::RollingRestart => self.rolling_restart(drafts),
                Kind::RollingUpgrade => self.rolling_upgrade(drafts),
                Kind::WipeDisk => drafts.push(self.wipe()),
                Kind::DamageDisk => drafts.push(self.damage()),
                Kind::Churn => drafts.push(self.churn()),
                Kind::Scale => drafts.push(self.scale()),
                Kind::RollingReplacement => self.rolling_replacement(drafts),
                Kind::Restore => drafts.push(self.restore()),
                Kind::Weather
                | Kind::Partition
                | Kind::Clog
                | Kind::FailDisk
                | Kind::FullDisk
                | Kind::SlowDisk
                | Kind::StallDisk
                | Kind::JumpClock
                | Kind::DriftClock
                | Kind::Crash
                | Kind::Pause
                | Kind::CrashAt
                | Kind::PowerLoss
                | Kind::MoveLeader
                | Kind::Throttle
                | Kind::ResetConnections
                | Kind::SlewClock
                | Kind::JitterClock
                | Kind::LeapSecond
                | Kind::Suspend
                | Kind::ZoneLoss
                | Kind::Shuffle
                | Kind::ShortDisk
                | Kind::LieSync
                | Kind::FlipBits
                | Kind::LowMemory
                | Kind::ChangeRelease
                | Kind::CrashClient => {
                    let lasts = self.length(2);
                    let at = self.start(lasts);
                    if let Some(fault) = self.fault() {
                        drafts.push(Draft::Fault(PlannedFault { at, lasts, fault }));
                    }
                }
            }
        }
    }

    /// From a rate, the broken part of the number comes true by chance.
    fn count(&mut self) -> u64 {
        let count = match (&self.group.count, &self.group.per_minute) {
            (Some(count), _) => count.0.wide(&mut self.stream),
            (None, Some(rate)) => {
                let rate = u128::from(rate.0.wide(&mut self.stream));
                let millionths = rate * u128::from(self.size.duration.0) / 60_000;
                let millionths = u64::try_from(millionths).unwrap_or(u64::MAX);
                let rest = u32::try_from(millionths % 1_000_000).expect("below a million");
                millionths / 1_000_000 + u64::from(self.stream.chance(rest))
            }
            (None, None) => 0,
        };
        count.min(GROUP_FAULTS_MAX)
    }

    /// A length of at most one part of the run.
    fn length(&mut self, parts: u64) -> Span {
        self.group.length.wide(&mut self.stream).min(Span(self.size.duration.0 / parts))
    }

    /// Any moment from which `lasts` fits into the run, in whole milliseconds.
    fn start(&mut self, lasts: Span) -> SimTime {
        let room = self.size.duration.0.saturating_sub(lasts.0);
        SimTime(self.stream.between(0, room) / 1_000_000 * 1_000_000)
    }

    fn victim(&mut self) -> Victim {
        let aim = self.group.victim.as_ref().map_or(Aim::Any, |aims| aims.draw(&mut self.stream));
        match aim {
            Aim::Any => Victim::Node(NodeId(self.stream.between(1, self.size.nodes))),
            Aim::Leader => Victim::Leader,
            Aim::Follower => Victim::Follower(self.stream.below(self.size.nodes)),
            Aim::Receiver => Victim::Receiver,
        }
    }

    /// Nothing where the kind means nothing, such as a partition of one node.
    fn fault(&mut self) -> Option<Fault> {
        let group = self.group;
        let victim = self.victim();
        let stream = &mut self.stream;
        let fault = match group.kind {
            Kind::Weather => Fault::Weather {
                victim,
                loss_ppm: group.loss_ppm.as_ref().map_or(0, |range| range.ppm(stream)),
                duplicate_ppm: group.duplicate_ppm.as_ref().map_or(0, |range| range.ppm(stream)),
                reorder_ppm: group.reorder_ppm.as_ref().map_or(0, |range| range.ppm(stream)),
                delay: group.delay.as_ref().map_or(Span(0), |range| range.wide(stream)),
            },
            Kind::Partition => return self.partition(victim),
            Kind::Clog => Fault::Clog { victim },
            Kind::FailDisk => {
                let sync = group.sync_percent.unwrap_or_default().draw(stream);
                Fault::FailDisk { victim, sync }
            }
            Kind::FullDisk => Fault::FullDisk { victim },
            Kind::StallDisk => Fault::StallDisk { victim },
            Kind::JumpClock => {
                let jump = group.jump.as_ref().map_or(0, |range| range.wide(stream).0);
                Fault::JumpClock { victim, by_ns: either_way(jump, stream) }
            }
            Kind::DriftClock => {
                let ppm = group.drift_ppm.as_ref().map_or(0, |range| range.0.wide(stream));
                let ppm = drift_within(ppm, self.tuning.drift_ppm_max, stream);
                Fault::DriftClock { victim, ppm }
            }
            Kind::Crash => {
                let power = group.power_percent.unwrap_or_default().draw(stream);
                Fault::Crash { victim, power }
            }
            Kind::Pause => Fault::Pause { victim },
            Kind::CrashAt => {
                let point = group.point.as_ref().map(|points| points.draw(stream))?;
                Fault::CrashAt { victim, point }
            }
            Kind::PowerLoss => Fault::PowerLoss,
            Kind::MoveLeader if self.size.nodes > 1 => Fault::MoveLeader { victim },
            Kind::ZoneLoss => {
                let nodes = zone(self.size.nodes, stream);
                let power = group.power_percent.unwrap_or_default().draw(stream);
                Fault::ZoneLoss { nodes, power }
            }
            Kind::Throttle
            | Kind::SlowDisk
            | Kind::ResetConnections
            | Kind::SlewClock
            | Kind::JitterClock
            | Kind::LeapSecond
            | Kind::Suspend
            | Kind::Shuffle
            | Kind::ShortDisk
            | Kind::LieSync
            | Kind::FlipBits
            | Kind::LowMemory
            | Kind::ChangeRelease
            | Kind::CrashClient => return Some(plain(group, victim, stream)),
            Kind::MoveLeader
            | Kind::WipeDisk
            | Kind::DamageDisk
            | Kind::Churn
            | Kind::RollingRestart
            | Kind::RollingUpgrade
            | Kind::Scale
            | Kind::Restore
            | Kind::RollingReplacement => return None,
        };
        Some(fault)
    }

    /// A cut that a cluster of this size can have. Too small a one has its victim isolated instead; a single node can
    /// only lose its clients.
    fn partition(&mut self, victim: Victim) -> Option<Fault> {
        let (nodes, group) = (self.size.nodes, self.group);
        let stream = &mut self.stream;
        let cut = group.shape.as_ref().map_or(Cut::Isolate, |cuts| cuts.draw(stream));
        let shape = match cut {
            Cut::Halves if nodes >= 2 => Shape::Nodes(subset(nodes, stream)),
            Cut::LeaderAndMinority if nodes >= 3 => Shape::LeaderAndMinority,
            Cut::Bridge if nodes >= 3 => Shape::Bridge(NodeId(stream.between(1, nodes))),
            Cut::Ring if nodes >= 4 => Shape::Ring,
            Cut::Isolate | Cut::Halves | Cut::LeaderAndMinority | Cut::Bridge | Cut::Ring => {
                Shape::Isolate(victim)
            }
        };
        let has_sides = !matches!(shape, Shape::Bridge(_) | Shape::Ring);
        let one_way = group.one_way_percent.unwrap_or_default().draw(stream) && has_sides;
        let clients = group.clients_percent.unwrap_or_default().draw(stream) && has_sides;
        let flaps = group.flap_percent.unwrap_or_default().draw(stream);
        let flap = group.flap.as_ref().map_or(Span(0), |range| range.wide(stream));
        let flap = if flaps { flap } else { Span(0) };
        (nodes > 1 || clients).then_some(Fault::Partition { shape, one_way, clients, flap })
    }

    /// Down for the group's length, inert for another, then asked to be replaced for at least five seconds.
    fn wipe(&mut self) -> Draft {
        let (down, inert) = (self.length(6), self.length(6));
        let replace = self.length(3).max(Span::seconds(5)).min(Span(self.size.duration.0 / 3));
        let at = self.start(down + inert + replace);
        Draft::Wipe { at, down, inert, replace, pick: self.stream.bits() }
    }

    fn damage(&mut self) -> Draft {
        let down = self.length(6);
        let at = self.start(down);
        let how = self.group.how.as_ref().map_or(Damage::Rot, |how| how.draw(&mut self.stream));
        Draft::Damage { at, down, pick: self.stream.bits(), how }
    }

    fn churn(&mut self) -> Draft {
        let steps = [self.length(6), self.length(6), self.length(6)];
        let at = self.start(steps[0] + steps[1] + steps[2]);
        let change = self.group.change.as_ref().map(|changes| changes.draw(&mut self.stream));
        let change = change.unwrap_or(Change::Replace);
        Draft::Churn { at, steps, change, pick: self.stream.bits() }
    }

    fn scale(&mut self) -> Draft {
        let steps: [Span; 5] = std::array::from_fn(|_| self.length(6));
        let all = steps.into_iter().fold(Span(0), |all, step| all + step);
        Draft::Scale { at: self.start(all), steps, picks: [self.stream.bits(), self.stream.bits()] }
    }

    /// How long the backup may take, how long all goes on after it, and how long nobody is there.
    fn restore(&mut self) -> Draft {
        let (group, steps) = (self.group, [self.length(6), self.length(3), self.length(12)]);
        let at = self.start(steps[0] + steps[1] + steps[2]);
        let victim = self.victim();
        let stream = &mut self.stream;
        let revision_bump = group.revision_bump.as_ref().map_or(0, |bump| bump.0.wide(stream));
        let mark_compacted = group.compacted_percent.unwrap_or_default().draw(stream);
        let restore = Fault::Restore { revision_bump, mark_compacted };
        Draft::Restore { at, steps, victim, restore }
    }

    /// One member after the other, each when the one before has had its time.
    fn rolling_replacement(&mut self, drafts: &mut Vec<Draft>) {
        let nodes = self.size.nodes;
        let lasts = self.length(nodes);
        let start = self.start(Span(lasts.0 * nodes));
        for old in 1..=nodes {
            let at = start + Span(lasts.0 * (old - 1));
            drafts.push(Draft::Replace { at, lasts, old });
        }
    }

    /// One node after the other, and when all are there, on to the next release.
    fn rolling_upgrade(&mut self, drafts: &mut Vec<Draft>) {
        let nodes = self.size.nodes;
        let slots = nodes * u64::try_from(RELEASES.len()).expect("a length fits 64 bits");
        let slot = Span(self.size.duration.0 / slots);
        for (step, to) in (0..).zip(RELEASES) {
            let first = self.stream.below(nodes);
            for place in 0..nodes {
                let lasts = self.length(2 * slots);
                let victim = Victim::Node(NodeId(1 + (first + place) % nodes));
                let at = SimTime(slot.0 * (step * nodes + place) / 1_000_000 * 1_000_000);
                let fault = Fault::ChangeRelease { victim, to };
                drafts.push(Draft::Fault(PlannedFault { at, lasts, fault }));
            }
        }
    }

    /// One node after the other, each with time to come back before the next one goes.
    fn rolling_restart(&mut self, drafts: &mut Vec<Draft>) {
        let nodes = self.size.nodes;
        let length = self.length(2 * nodes);
        let slot = (length + recovery(self.tuning)).min(Span(self.size.duration.0 / nodes));
        let start = self.start(Span(slot.0 * nodes));
        for node in 1..=nodes {
            let power = self.group.power_percent.unwrap_or_default().draw(&mut self.stream);
            let fault = Fault::Crash { victim: Victim::Node(NodeId(node)), power };
            let at = start + Span(slot.0 * (node - 1));
            drafts.push(Draft::Fault(PlannedFault { at, lasts: length, fault }));
        }
    }
}

/// The way up and down again.
const RELEASES: [Release; 4] =
    [Release::Compatible, Release::Newest, Release::Compatible, Release::Previous];

/// A fault of a kind that needs nothing but its group and a victim.
fn plain(group: &FaultGroup, victim: Victim, stream: &mut Stream) -> Fault {
    let number = |numbers: &Option<Numbers>, stream: &mut Stream| {
        numbers.as_ref().map_or(1, |range| range.0.wide(stream)).max(1)
    };
    let span = |spans: &Option<Spans>, stream: &mut Stream| {
        spans.as_ref().map_or(Span(1), |range| range.wide(stream)).max(Span(1))
    };
    match group.kind {
        Kind::Throttle => Fault::Throttle {
            victim,
            bytes_per_second: number(&group.bytes_per_second, stream),
            queue_bytes: number(&group.queue_bytes, stream),
        },
        Kind::ResetConnections => Fault::ResetConnections { victim },
        Kind::SlewClock => {
            let ppm = number(&group.slew_ppm, stream);
            let ppm = i32::try_from(either_way(ppm, stream)).unwrap_or(i32::MAX);
            Fault::SlewClock { victim, ppm }
        }
        Kind::JitterClock => Fault::JitterClock { victim, by: span(&group.jitter, stream) },
        Kind::LeapSecond => Fault::LeapSecond,
        Kind::ShortDisk => Fault::ShortDisk { victim },
        Kind::SlowDisk => Fault::SlowDisk { victim, delay: span(&group.delay, stream) },
        Kind::LieSync => Fault::LieSync { victim },
        Kind::FlipBits => {
            let ppm = number(&group.flip_ppm, stream);
            Fault::FlipBits { victim, ppm: u32::try_from(ppm).unwrap_or(u32::MAX) }
        }
        Kind::LowMemory => Fault::LowMemory { victim },
        Kind::ChangeRelease => {
            let to = group.to.as_ref().map_or(Release::Newest, |to| to.draw(stream));
            Fault::ChangeRelease { victim, to }
        }
        Kind::Suspend => Fault::Suspend { victim },
        Kind::Shuffle => Fault::Shuffle { grain: span(&group.grain, stream) },
        Kind::CrashClient => Fault::CrashClient { client: stream.below(CLIENTS) },
        Kind::Weather
        | Kind::Partition
        | Kind::Clog
        | Kind::FailDisk
        | Kind::FullDisk
        | Kind::StallDisk
        | Kind::WipeDisk
        | Kind::DamageDisk
        | Kind::JumpClock
        | Kind::DriftClock
        | Kind::Crash
        | Kind::Pause
        | Kind::CrashAt
        | Kind::PowerLoss
        | Kind::Churn
        | Kind::MoveLeader
        | Kind::RollingRestart
        | Kind::RollingUpgrade
        | Kind::ZoneLoss
        | Kind::Scale
        | Kind::Restore
        | Kind::RollingReplacement => unreachable!("a `{}` is drawn elsewhere", group.kind.name()),
    }
}

/// Clients are counted round, so any number that all of them divide about evenly will do.
const CLIENTS: u64 = 60;

/// One of up to three zones, to which nodes belong in turn.
fn zone(nodes: u64, stream: &mut Stream) -> Vec<NodeId> {
    let zones = nodes.min(3);
    let zone = stream.below(zones);
    (1..=nodes).filter(|node| node % zones == zone).map(NodeId).collect()
}

/// Any set of nodes that is neither empty nor everybody.
fn subset(nodes: u64, stream: &mut Stream) -> Vec<NodeId> {
    let mask = stream.between(1, (1 << nodes) - 2);
    (1..=nodes).filter(|node| mask & (1 << (node - 1)) != 0).map(NodeId).collect()
}
