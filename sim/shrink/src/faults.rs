//! Simpler faults: a weaker kind, a narrower shape, a plainer victim.

use whitewater_api::{NodeId, release::Release};
use whitewater_record::{CrashPoint, Damage, Fault, Plan, Shape, Span, Victim};

/// How much there is to understand about a fault.
pub(crate) fn rank(fault: &Fault) -> u64 {
    let kind = match fault {
        Fault::Crash { power: false, .. } => 10,
        Fault::Pause { .. } => 11,
        Fault::Crash { power: true, .. } => 20,
        Fault::CrashAt { point, .. } => 30 + point_rank(*point),
        Fault::MoveLeader { .. } | Fault::Clog { .. } => 30,
        Fault::ResetConnections { .. } | Fault::CrashClient { .. } | Fault::LeapSecond => 28,
        Fault::Suspend { .. } => 35,
        Fault::Throttle { bytes_per_second, queue_bytes, .. } => {
            30 + size_of_number(*bytes_per_second) + size_of_number(*queue_bytes)
        }
        Fault::FlipBits { ppm, .. } => 36 + size_of_number(u64::from(*ppm)),
        Fault::LowMemory { .. } => 27,
        Fault::ChangeRelease { to, .. } => 24 + u64::from(*to != Release::Newest),
        Fault::JitterClock { by, .. } => 40 + size_of_number(by.0),
        Fault::Shuffle { grain } => 60 + size_of_number(grain.0),
        Fault::StallDisk { .. } | Fault::FullDisk { .. } | Fault::Member { .. } => 40,
        Fault::FailDisk { sync, .. } => 40 + u64::from(*sync),
        Fault::SlowDisk { .. } => 45,
        Fault::ZoneLoss { nodes, power } => {
            46 + u64::from(*power) + u64::try_from(nodes.len()).unwrap_or(u64::MAX)
        }
        Fault::PowerLoss => 60,
        Fault::Restore { revision_bump, mark_compacted } => {
            60 + size_of_number(*revision_bump) + u64::from(*mark_compacted)
        }
        Fault::ShortDisk { .. } | Fault::Backup { .. } => 29,
        Fault::LieSync { .. } => 48,
        Fault::ReplaceMember { .. } | Fault::WipeDisk { .. } => 61,
        Fault::DamageDisk { how, .. } => 62 + damage_rank(*how),
        Fault::JumpClock { by_ns, .. } => 40 + size_of_number(by_ns.unsigned_abs()),
        Fault::DriftClock { ppm, .. } | Fault::SlewClock { ppm, .. } => {
            40 + size_of_number(u64::from(ppm.unsigned_abs()))
        }
        Fault::Weather { loss_ppm, duplicate_ppm, reorder_ppm, delay, .. } => {
            let parts = [*loss_ppm, *duplicate_ppm, *reorder_ppm].map(u64::from);
            let parts = parts.into_iter().chain([delay.0]);
            30 + parts.map(|n| if n == 0 { 0 } else { 10 + size_of_number(n) }).sum::<u64>()
        }
        Fault::Partition { shape, one_way, clients, flap } => {
            // A link in one direction is less than one in both.
            25 + shape_rank(shape)
                + u64::from(!*one_way)
                + 5 * u64::from(*clients)
                + 5 * u64::from(flap.0 > 0)
        }
    };
    10 * kind + fault.victim().map_or(0, victim_rank)
}

/// Digits that say something.
fn size_of_number(n: u64) -> u64 {
    let text = n.to_string();
    u64::try_from(text.trim_end_matches('0').len()).unwrap_or(u64::MAX)
}

const fn victim_rank(victim: Victim) -> u64 {
    match victim {
        Victim::Leader => 0,
        Victim::Node(_) => 1,
        Victim::Follower(_) => 2,
        Victim::Receiver => 3,
    }
}

fn shape_rank(shape: &Shape) -> u64 {
    match shape {
        Shape::Isolate(victim) => 1 + victim_rank(*victim),
        Shape::Nodes(side) => 5 + u64::try_from(side.len()).unwrap_or(u64::MAX),
        Shape::LeaderAndMinority => 13,
        Shape::Bridge(_) => 14,
        Shape::Ring => 15,
    }
}

const fn damage_rank(how: Damage) -> u64 {
    match how {
        Damage::Rot => 0,
        Damage::Phantom => 1,
        Damage::Misdirected => 2,
        Damage::Misread => 3,
        Damage::Unreadable => 4,
    }
}

const fn point_rank(point: CrashPoint) -> u64 {
    match point {
        CrashPoint::InsideWrite => 0,
        CrashPoint::BeforePersisted => 1,
        CrashPoint::BeforeSend => 2,
        CrashPoint::SnapshotPart => 3,
        CrashPoint::SnapshotInstalled => 4,
        CrashPoint::Rename => 5,
        CrashPoint::MemberChange => 6,
    }
}

/// The plan with one fault simpler.
pub(crate) fn simplified(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    for (place, planned) in plan.faults.iter().enumerate() {
        let mut simpler = kinds(plan, &planned.fault);
        simpler.extend(numbers(&planned.fault));
        simpler.extend(shapes(plan, &planned.fault));
        simpler.extend(victims(plan, &planned.fault));
        simpler.retain(|fault| rank(fault) < rank(&planned.fault));
        simpler.sort_by_key(rank);
        for fault in simpler {
            let mut less = plan.clone();
            less.faults[place].fault = fault;
            all.push(less);
        }
    }
    all
}

/// Crashes instead of what takes a node down in a rarer way.
fn kinds(plan: &Plan, fault: &Fault) -> Vec<Fault> {
    let crashes = |victim| {
        [
            Fault::Crash { victim, power: false },
            Fault::Pause { victim },
            Fault::Crash { victim, power: true },
        ]
    };
    match fault {
        Fault::Crash { victim, .. }
        | Fault::Pause { victim }
        | Fault::Suspend { victim }
        | Fault::CrashAt { victim, .. }
        | Fault::FailDisk { victim, .. }
        | Fault::StallDisk { victim }
        | Fault::FullDisk { victim }
        | Fault::WipeDisk { victim }
        | Fault::ShortDisk { victim }
        | Fault::DamageDisk { victim, .. }
        | Fault::LieSync { victim }
        | Fault::LowMemory { victim }
        | Fault::ChangeRelease { victim, .. }
        | Fault::Clog { victim } => {
            let mut all = crashes(*victim).to_vec();
            if matches!(fault, Fault::FailDisk { sync: true, .. }) {
                all.push(Fault::FailDisk { victim: *victim, sync: false });
            }
            if let Fault::DamageDisk { victim, .. } = fault {
                all.push(Fault::DamageDisk { victim: *victim, how: Damage::Rot });
            }
            all
        }
        Fault::ZoneLoss { nodes, power } => {
            let one = |node: &NodeId| {
                [
                    Fault::Crash { victim: Victim::Node(*node), power: *power },
                    Fault::ZoneLoss {
                        nodes: nodes.iter().copied().filter(|other| other != node).collect(),
                        power: *power,
                    },
                ]
            };
            let mut all: Vec<Fault> = nodes.iter().flat_map(one).collect();
            all.push(Fault::ZoneLoss { nodes: nodes.clone(), power: false });
            all
        }
        Fault::PowerLoss => {
            let nodes = (1..=plan.cluster.nodes).map(|node| Victim::Node(NodeId(node)));
            std::iter::once(Victim::Leader).chain(nodes).flat_map(crashes).collect()
        }
        Fault::Weather { .. }
        | Fault::Partition { .. }
        | Fault::Throttle { .. }
        | Fault::FlipBits { .. }
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
        | Fault::Restore { .. }
        | Fault::MoveLeader { .. } => Vec::new(),
    }
}

/// Rounder numbers, and none.
fn numbers(fault: &Fault) -> Vec<Fault> {
    let mut all = Vec::new();
    if let Fault::FlipBits { victim, .. } = fault {
        all.extend([1_000_000, 100_000].map(|ppm| Fault::FlipBits { victim: *victim, ppm }));
        return all;
    }
    if let Fault::Restore { revision_bump, .. } = *fault {
        let bumps = [0, 100, 1_000, revision_bump].into_iter().filter(|to| *to <= revision_bump);
        all.extend(bumps.flat_map(|revision_bump| {
            [false, true].map(|mark_compacted| Fault::Restore { revision_bump, mark_compacted })
        }));
        return all;
    }
    let mut with = |change: &dyn Fn(&mut Fault)| {
        let mut less = fault.clone();
        change(&mut less);
        all.push(less);
    };
    if let Fault::Weather { .. } = fault {
        for to in [0, 1_000_000, 500_000, 100_000] {
            with(&|less| {
                if let Fault::Weather { loss_ppm, .. } = less {
                    *loss_ppm = to.min(*loss_ppm);
                }
            });
            with(&|less| {
                if let Fault::Weather { duplicate_ppm, .. } = less {
                    *duplicate_ppm = to.min(*duplicate_ppm);
                }
            });
            with(&|less| {
                if let Fault::Weather { reorder_ppm, .. } = less {
                    *reorder_ppm = to.min(*reorder_ppm);
                }
            });
        }
        for delay in [Span(0), Span::millis(10), Span::millis(100), Span::seconds(1)] {
            with(&|less| {
                if let Fault::Weather { delay: now, .. } = less {
                    *now = delay.min(*now);
                }
            });
        }
    }
    if let Fault::Partition { .. } = fault {
        with(&|less| {
            if let Fault::Partition { flap, .. } = less {
                *flap = Span(0);
            }
        });
        with(&|less| {
            if let Fault::Partition { clients, .. } = less {
                *clients = false;
            }
        });
        with(&|less| {
            if let Fault::Partition { one_way, .. } = less {
                *one_way = true;
            }
        });
    }
    all.extend(clock_numbers(fault));
    all
}

/// Rounder numbers of clocks and of time.
fn clock_numbers(fault: &Fault) -> Vec<Fault> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Fault)| {
        let mut less = fault.clone();
        change(&mut less);
        all.push(less);
    };
    for size in [1_000_000_000, 100_000_000, 10_000_000, 1_000_000] {
        with(&|less| {
            if let Fault::JumpClock { by_ns, .. } = less
                && by_ns.abs() > size
            {
                *by_ns = *by_ns / size * size;
            }
        });
    }
    if let Fault::Shuffle { .. } | Fault::JitterClock { .. } = fault {
        for round in [Span::millis(1), Span::millis(10), Span::millis(100)] {
            with(&|less| {
                if let Fault::Shuffle { grain: span } | Fault::JitterClock { by: span, .. } = less {
                    *span = round.min(*span);
                }
            });
        }
    }
    for size in [100_000, 10_000, 1_000, 100, 10] {
        with(&|less| {
            if let Fault::DriftClock { ppm, .. } | Fault::SlewClock { ppm, .. } = less
                && ppm.abs() > size
            {
                *ppm = *ppm / size * size;
            }
        });
    }
    all
}

/// Narrower cuts.
fn shapes(plan: &Plan, fault: &Fault) -> Vec<Fault> {
    let Fault::Partition { shape, one_way, clients, flap } = fault else { return Vec::new() };
    let nodes = (1..=plan.cluster.nodes).map(NodeId);
    let mut shapes = vec![Shape::Isolate(Victim::Leader)];
    shapes.extend(nodes.clone().map(|node| Shape::Isolate(Victim::Node(node))));
    if let Shape::Nodes(side) = shape {
        for gone in side.iter().filter(|_| side.len() > 1) {
            shapes.push(Shape::Nodes(side.iter().copied().filter(|node| node != gone).collect()));
        }
        shapes.push(Shape::Nodes(nodes.filter(|node| !side.contains(node)).collect()));
    }
    let one = |shape, one_way| Fault::Partition { shape, one_way, clients: *clients, flap: *flap };
    let mut all: Vec<Fault> = shapes.iter().map(|shape| one(shape.clone(), true)).collect();
    all.extend(shapes.into_iter().map(|shape| one(shape, *one_way)));
    all
}

/// Another way to say who is hit.
fn victims(plan: &Plan, fault: &Fault) -> Vec<Fault> {
    let nodes = (1..=plan.cluster.nodes).map(|node| Victim::Node(NodeId(node)));
    let victims = std::iter::once(Victim::Leader).chain(nodes);
    let hit = |victim| {
        let mut other = fault.clone();
        *other.victim_mut()? = victim;
        Some(other)
    };
    victims.filter_map(hit).collect()
}
