//! Every scenario of the catalogue, over many seeds.

use std::collections::BTreeSet;
use whitewater_api::{MemberChange, NodeId};
use whitewater_record::{Fault, Plan, Seed, Span};
use whitewater_scenarios::{Overrides, Scenario, catalog, load, plan};

const SEEDS: u64 = 200;

fn draw(scenario: &Scenario, seed: u64) -> Plan {
    plan(scenario, Seed(seed), &Overrides::default())
}

/// Faults and profiles do not depend on the number of operations (there is a test for that), and are drawn much faster
/// without any.
fn draw_faults(scenario: &Scenario, seed: u64) -> Plan {
    plan(scenario, Seed(seed), &Overrides { operations: Some(0), ..Overrides::default() })
}

fn for_each_plan(mut judge: impl FnMut(&str, u64, &Plan)) {
    for (name, _) in catalog() {
        let scenario = load(name).expect("the catalogue is sound");
        assert_eq!(scenario.name, name);
        for seed in 0..SEEDS {
            judge(name, seed, &draw_faults(&scenario, seed));
        }
    }
}

#[test]
fn every_plan_can_be_played() {
    for_each_plan(|name, seed, plan| {
        plan.check().unwrap_or_else(|error| panic!("{name} {seed}: {error}"));
        assert!(
            plan.faults.is_sorted_by_key(|fault| fault.at),
            "{name} {seed}: faults are not in order"
        );
    });
}

#[test]
fn there_is_enough_to_do() {
    for (name, _) in catalog() {
        let scenario = load(name).unwrap();
        for seed in 0..20 {
            let plan = draw(&scenario, seed);
            let planned: usize = plan.clients.iter().map(|client| client.operations.len()).sum();
            assert!(planned >= 3_000, "{name} {seed}: {planned} operations");
        }
    }
}

#[test]
fn the_same_seed_draws_the_same_plan_and_another_one_does_not() {
    for (name, _) in catalog() {
        let scenario = load(name).unwrap();
        for seed in 0..5 {
            let plan = draw(&scenario, seed);
            assert_eq!(plan, draw(&scenario, seed), "{name} {seed}");
            assert_ne!(plan.clients, draw(&scenario, seed + 1).clients, "{name} {seed}");
        }
    }
}

#[test]
fn a_plan_is_read_back_as_it_was_written() {
    for (name, _) in catalog() {
        let scenario = load(name).unwrap();
        for seed in 0..10 {
            let plan = plan(
                &scenario,
                Seed(seed),
                &Overrides { operations: Some(30), ..Overrides::default() },
            );
            let text = plan.to_toml();
            let back = Plan::from_toml(name, &text)
                .unwrap_or_else(|error| panic!("{name} {seed}: {error}\n{text}"));
            assert_eq!(plan, back, "{name} {seed}");
        }
    }
}

#[test]
fn the_fault_that_a_scenario_is_named_for_occurs_in_every_seed() {
    let dominant = |name: &str| match name {
        // Workloads of their own: which faults hurt them depends on the seed.
        "swarm" | "everything" | "quiet" | "register" | "set" | "append" | "txn_compare"
        | "lease_holders" | "locks" | "elections" | "auth" | "maintenance" | "quota"
        | "kubernetes" | "operators" => "",
        "partition_leader"
        | "isolate_and_return"
        | "slow_follower_snapshot"
        | "watchers"
        | "mirrors" => "partition",
        "clock_skew" => "drift_clock",
        "sleepers" => "suspend",
        "zone_loss" => "zone_loss",
        "any_order" => "shuffle",
        "narrow_links" => "throttle",
        "rolling_upgrade" => "change_release",
        "noisy_links" => "flip_bits",
        "short_memory" => "low_memory",
        "flaky_clients" => "reset_connections",
        "damaged_disks" => "damage_disk",
        "lying_sync" => "lie_sync",
        "rolling_restart" => "crash",
        // Most changes are a replacement, but some are single steps; either will do.
        "membership_churn" | "scale" | "rolling_replacement" => "member",
        "power_loss" => "power_loss",
        "slow_disk" => "slow_disk",
        "backup_restore" => "restore",
        other => panic!("{other} has no dominant fault here"),
    };
    for_each_plan(|name, seed, plan| {
        let occurs = plan.faults.iter().any(|fault| fault.fault.name().contains(dominant(name)));
        let may_be_calm = matches!(name, "swarm" | "everything");
        assert_eq!(occurs || may_be_calm, name != "quiet", "{name} {seed}: {:?}", plan.faults);
    });
}

#[test]
fn swarm_knows_every_kind_and_half_of_its_seeds_do_without_most() {
    let swarm = load("swarm").unwrap();
    let (mut seen, mut few, mut nodes) = (BTreeSet::new(), 0, BTreeSet::new());
    for seed in 0..SEEDS {
        let plan = draw_faults(&swarm, seed);
        let names: BTreeSet<_> = plan.faults.iter().map(|fault| fault.fault.name()).collect();
        few += u64::from(names.len() <= 13);
        seen.extend(names);
        nodes.insert(plan.cluster.nodes);
    }
    // Where syncs lie, or a cluster is started over from a backup, other promises are made.
    let others = ["lie_sync", "backup", "restore"];
    let all: BTreeSet<_> = Fault::NAMES.into_iter().filter(|name| !others.contains(name)).collect();
    assert_eq!(seen, all);
    assert_eq!(nodes.len(), 7, "{nodes:?}");
    assert!((SEEDS * 2 / 5..=SEEDS * 3 / 5).contains(&few), "{few} of {SEEDS} seeds");
}

#[test]
fn lengths_of_faults_span_three_orders_of_magnitude() {
    let swarm = load("swarm").unwrap();
    let lengths: Vec<Span> = (0..SEEDS)
        .flat_map(|seed| draw_faults(&swarm, seed).faults)
        .map(|fault| fault.lasts)
        .collect();
    assert!(lengths.iter().any(|length| *length < Span::millis(25)));
    assert!(lengths.iter().any(|length| *length > Span::seconds(15)));
}

#[test]
fn another_number_of_operations_moves_no_fault() {
    for (name, _) in catalog() {
        let scenario = load(name).unwrap();
        for seed in 0..20 {
            let all = draw(&scenario, seed);
            let overrides = Overrides {
                operations: Some(7),
                clients: Some(9),
                keys: Some(1),
                ..Overrides::default()
            };
            let few = plan(&scenario, Seed(seed), &overrides);
            assert_eq!(all.faults, few.faults, "{name} {seed}");
            assert_eq!(all.cluster, few.cluster, "{name} {seed}");
            assert_eq!(few.clients.len(), 9);
            assert!(few.clients.iter().all(|client| client.operations.len() == 7));
        }
    }
}

#[test]
fn values_are_never_written_twice() {
    let swarm = load("swarm").unwrap();
    for seed in 0..10 {
        let mut values = BTreeSet::new();
        for operation in draw(&swarm, seed).clients.iter().flat_map(|client| &client.operations) {
            let line = operation.to_string();
            let value = line.rsplit(' ').next().unwrap_or_default();
            if value.starts_with('v') {
                assert!(values.insert(value.to_owned()), "{value} twice in seed {seed}");
            }
        }
        assert!(values.len() > 1_000, "{} writes in seed {seed}", values.len());
    }
}

#[test]
fn wiped_disks_and_removals_leave_a_majority_with_the_data() {
    let mut wiped = 0;
    for_each_plan(|name, seed, plan| {
        let count = |wanted: fn(&Fault) -> bool| {
            u64::try_from(plan.faults.iter().filter(|fault| wanted(&fault.fault)).count()).unwrap()
        };
        let wipes = count(Fault::loses_disk);
        let removals =
            count(|fault| matches!(fault, Fault::Member { change: MemberChange::Remove(_) }));
        let nodes = plan.cluster.nodes;
        wiped += wipes;
        assert!(removals < nodes, "{name} {seed}: {removals} of {nodes} removed");
        if wipes > 0 {
            assert!(
                wipes + removals <= (nodes - 1) / 2,
                "{name} {seed}: {wipes} + {removals} of {nodes} gone"
            );
        }
        for wipe in plan.faults.iter().filter(|fault| fault.fault.loses_disk()) {
            let victim = wipe.fault.victim().expect("a disk has an owner");
            let replaced = plan.faults.iter().any(|later| {
                matches!(later.fault, Fault::ReplaceMember { victim: old, .. } if old == victim)
                    && later.at > wipe.end()
            });
            let is_wiped = matches!(wipe.fault, Fault::WipeDisk { .. });
            assert!(replaced || !is_wiped, "{name} {seed}: {victim:?} is wiped and never replaced");
            let down = plan.faults.iter().find(|other| {
                other.fault.takes_down()
                    && !other.fault.loses_disk()
                    && other.at < wipe.end()
                    && wipe.at < other.end()
            });
            assert!(down.is_none(), "{name} {seed}: {down:?} during {wipe:?}");
        }
    });
    assert!(wiped > 20, "only {wiped} disks are ever wiped");
}

#[test]
fn ids_of_new_members_count_upward_and_are_never_used_again() {
    for_each_plan(|name, seed, plan| {
        let newcomer = |fault: &Fault| {
            let (Fault::ReplaceMember { new, .. }
            | Fault::Member { change: MemberChange::Add(new) | MemberChange::AddLearner(new) }) =
                fault
            else {
                return None;
            };
            Some(*new)
        };
        let mut ids: Vec<NodeId> =
            plan.faults.iter().filter_map(|fault| newcomer(&fault.fault)).collect();
        ids.sort_unstable();
        let expected: Vec<NodeId> =
            (plan.cluster.nodes + 1..).map(NodeId).take(ids.len()).collect();
        assert_eq!(ids, expected, "{name} {seed}");
        assert!(ids.last().is_none_or(|id| id.0 <= 63), "{name} {seed}");
    });
}

#[test]
fn clocks_never_drift_apart_further_than_promised() {
    for_each_plan(|name, seed, plan| {
        let bound = i64::try_from(plan.cluster.tuning.drift_ppm_max).unwrap();
        let of_fault = |fault: &Fault| {
            let Fault::DriftClock { ppm, .. } = fault else { return 0 };
            i64::from(ppm.abs())
        };
        let fault = plan.faults.iter().map(|fault| of_fault(&fault.fault)).max().unwrap_or(0);
        let clock = plan
            .cluster
            .clocks
            .iter()
            .map(|clock| i64::from(clock.drift_ppm.abs()))
            .max()
            .unwrap_or(0);
        assert!(2 * (fault + clock) <= bound, "{name} {seed}: {fault} and {clock} of {bound}");
    });
}

#[test]
fn leases_are_never_without_a_quorum_check() {
    for_each_plan(|name, seed, plan| {
        let tuning = &plan.cluster.tuning;
        assert!(!tuning.lease_reads || (tuning.check_quorum && tuning.pre_vote), "{name} {seed}");
    });
}

#[test]
fn overrides_are_taken_as_they_come() {
    let swarm = load("swarm").unwrap();
    for nodes in 1..=7 {
        for seed in 0..40 {
            let overrides = Overrides {
                nodes: Some(nodes),
                duration: Some(Span::millis(1_500)),
                ..Overrides::default()
            };
            let plan = plan(&swarm, Seed(seed), &overrides);
            plan.check().unwrap();
            assert_eq!(plan.cluster.nodes, nodes);
        }
    }
    let nine = plan(&swarm, Seed(0), &Overrides { nodes: Some(9), ..Overrides::default() });
    assert!(nine.check().unwrap_err().to_string().contains("9 is not between 1 and 7"));
    let calm = plan(&swarm, Seed(0), &Overrides { calm: true, ..Overrides::default() });
    assert!(calm.faults.is_empty());
    let mutant =
        Overrides { mutations: vec!["reply-before-persist".to_owned()], ..Overrides::default() };
    assert_eq!(plan(&swarm, Seed(0), &mutant).mutations, ["reply-before-persist"]);
}

#[test]
fn a_seed_of_a_mixture_is_that_seed_of_one_of_its_parts() {
    let everything = load("everything").unwrap();
    let mut parts = BTreeSet::new();
    for seed in 0..4 * SEEDS {
        let plan = draw_faults(&everything, seed);
        let part = load(&plan.scenario).unwrap();
        assert!(part.mixture.is_empty(), "{}", part.name);
        if parts.insert(plan.scenario.clone()) {
            assert_eq!(plan, draw_faults(&part, seed), "{seed}");
        }
    }
    assert_eq!(parts.len(), everything.mixture.len(), "{parts:?}");
}

#[test]
fn a_mixture_of_nothing_known_is_refused_with_its_place() {
    for (mixture, place) in [
        ("nowhere = 1", "mixture.nowhere"),
        ("swarm = 0", "mixture.swarm"),
        ("everything = 1", "mixture.everything"),
        ("", "mixture"),
    ] {
        let text = format!("version = 1\nname = \"x\"\nsummary = \"y\"\n[mixture]\n{mixture}\n");
        let error = Scenario::parse("x.toml", &text).unwrap_err().to_string();
        assert!(error.contains(place), "{mixture}: {error}");
    }
}
