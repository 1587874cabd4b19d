//! The search against failures that are made up: a plan fails if it holds certain things.

use super::*;
use proptest::prelude::*;
use whitewater_record::{Fault, Span, Step, When};

const TEXT: &str = include_str!("tests/large.toml");

/// What a made-up failure needs.
#[derive(Clone, Debug)]
struct Needs {
    faults: Vec<&'static str>,
    values: Vec<String>,
    nodes: u64,
    check_quorum: Option<bool>,
}

impl Needs {
    fn are_met(&self, plan: &Plan) -> bool {
        let has_fault = |kind: &&str| plan.faults.iter().any(|fault| fault.fault.name() == *kind);
        let steps = || plan.clients.iter().flat_map(|client| &client.operations);
        let has_value = |value: &String| {
            steps().any(|operation| {
                operations::value(&operation.step).is_some_and(|v| v.to_string() == *value)
            })
        };
        self.faults.iter().all(has_fault)
            && self.values.iter().all(has_value)
            && plan.cluster.nodes >= self.nodes
            && self.check_quorum.is_none_or(|on| plan.cluster.tuning.check_quorum == on)
    }
}

struct Played {
    shrunk: Shrunk,
    asked: usize,
}

fn play(needs: &Needs) -> Played {
    let plan = Plan::from_toml("large.toml", TEXT).unwrap();
    assert!(needs.are_met(&plan), "{needs:?}");
    let mut asked = 0;
    let mut ask = |_: Depth, candidates: &mut dyn Iterator<Item = Plan>| {
        for (place, plan) in candidates.enumerate() {
            asked += 1;
            if needs.are_met(&plan) {
                let at = SimTime(plan.duration.0);
                return Answer::Fails {
                    place,
                    failing: Box::new(Failing { plan, at, began: Vec::new() }),
                };
            }
        }
        Answer::Passes
    };
    let at = SimTime(plan.duration.0);
    let shrunk = shrink(Failing { plan, at, began: Vec::new() }, FailureClass::Invariant, &mut ask);
    Played { shrunk, asked }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_left_fails_and_no_item_of_it_can_go(
        faults in prop::sample::subsequence(vec!["crash", "pause", "partition", "clog", "jump_clock"], 0..=3),
        values in prop::sample::subsequence((1..=30).collect::<Vec<u32>>(), 0..=4),
        nodes in 1_u64..=5,
        check_quorum in prop::option::of(Just(false)),
    ) {
        let values = values.into_iter().map(|n| format!("v{n}")).collect();
        let needs = Needs { faults, values, nodes, check_quorum };
        let Played { shrunk, asked } = play(&needs);
        let plan = &shrunk.failing.plan;
        prop_assert!(needs.are_met(plan));
        prop_assert!(matches!(shrunk.proof, Proof::Minimal(_)));
        let items = Items::of(plan);
        prop_assert_eq!(items.faults, needs.faults.len());
        prop_assert_eq!(items.operations, needs.values.len());
        prop_assert_eq!(items.nodes, usize::try_from(needs.nodes).unwrap());
        prop_assert_eq!(items.settings, usize::from(needs.check_quorum.is_some()));
        for less in items::removals(plan).flat_map(|removal| removal.plans) {
            prop_assert!(!needs.are_met(&less), "{}", less.to_toml());
        }
        prop_assert!(asked < 3_000, "{asked} questions");
        plan.check().unwrap();
    }
}

fn some() -> Needs {
    Needs {
        faults: vec!["crash", "clog"],
        values: vec!["v4".into(), "v17".into()],
        nodes: 3,
        check_quorum: Some(false),
    }
}

#[test]
fn the_same_plan_is_shrunk_to_the_same_bytes() {
    let [one, two] = [play(&some()), play(&some())];
    assert_eq!(one.shrunk.failing.plan.to_toml(), two.shrunk.failing.plan.to_toml());
    assert_eq!(one.asked, two.asked);
}

#[test]
fn what_is_left_is_plain() {
    let plan = play(&some()).shrunk.failing.plan;
    assert_eq!(plan.clients.len(), 1);
    assert_eq!((plan.network, plan.disk), {
        use whitewater_record::{DiskProfile, NetworkProfile};
        (NetworkProfile::calm(), DiskProfile::calm())
    });
    for operation in &plan.clients[0].operations {
        assert!(matches!(operation.step, Step::Put(..)), "{operation}");
        assert!(
            matches!(operation.when, When::At(at) if crate::size::digits(at.0) <= 2),
            "{operation}"
        );
    }
    for fault in &plan.faults {
        assert!(matches!(fault.fault, Fault::Crash { power: false, .. } | Fault::Clog { .. }));
    }
}

#[test]
fn a_spent_budget_leaves_the_smallest_so_far_and_no_proof() {
    let plan = Plan::from_toml("large.toml", TEXT).unwrap();
    let mut left = 5;
    let mut ask = |_: Depth, candidates: &mut dyn Iterator<Item = Plan>| {
        left -= 1;
        match candidates.next() {
            Some(plan) if left >= 0 => {
                let at = SimTime(plan.duration.0);
                Answer::Fails {
                    place: 0,
                    failing: Box::new(Failing { plan, at, began: Vec::new() }),
                }
            }
            Some(_) => Answer::Spent,
            None => Answer::Passes,
        }
    };
    let first = Failing { at: SimTime(plan.duration.0), plan: plan.clone(), began: Vec::new() };
    let shrunk = shrink(first, FailureClass::Invariant, &mut ask);
    assert!(matches!(shrunk.proof, Proof::Open(_)));
    assert!(Size::of(&shrunk.failing.plan) < Size::of(&plan));
}

#[test]
fn a_wiped_disk_goes_only_with_the_replacement_of_its_member() {
    let needs = Needs { faults: vec!["wipe_disk"], values: vec![], nodes: 1, check_quorum: None };
    let plan = play(&needs).shrunk.failing.plan;
    let kinds: Vec<&str> = plan.faults.iter().map(|fault| fault.fault.name()).collect();
    assert_eq!(kinds, ["wipe_disk", "replace_member"]);
    assert_eq!(plan.cluster.nodes, 3, "one disk of two members is one too many");
    assert!(fair::is_fair(&plan));
}

/// Operations begin once they may, one after the other.
fn begins(plan: &Plan) -> Vec<Vec<SimTime>> {
    let of_client = |client: &whitewater_record::ClientPlan| {
        let mut free = SimTime::ZERO;
        let begins = client.operations.iter().map(|operation| {
            let When::At(at) = operation.when else { unreachable!("all are at a time") };
            let begin = free.max(at);
            free = begin + Span::millis(10);
            begin
        });
        begins.collect()
    };
    plan.clients.iter().map(of_client).collect()
}

#[test]
fn operations_that_others_only_wait_for_go() {
    let mut plan = Plan::from_toml("large.toml", TEXT).unwrap();
    plan.clients.truncate(1);
    for operation in &mut plan.clients[0].operations {
        operation.when = When::At(SimTime(1_000_000_000));
    }
    let last = plan.clients[0].operations.last().unwrap().step.clone();
    let key = operations::keys(&last)[0].clone();
    // It takes the key, a while after the others may begin.
    let fails = |plan: &Plan| {
        let of_client = plan.clients.iter().zip(begins(plan));
        of_client.into_iter().any(|(client, begins)| {
            client.operations.iter().zip(begins).any(|(operation, begin)| {
                operations::keys(&operation.step).contains(&&key) && begin >= SimTime(1_025_000_000)
            })
        })
    };
    assert!(fails(&plan));
    let mut ask = |_: Depth, candidates: &mut dyn Iterator<Item = Plan>| match candidates
        .enumerate()
        .find(|(_, plan)| fails(plan))
    {
        Some((place, plan)) => {
            let (at, began) = (SimTime(plan.duration.0), begins(&plan));
            Answer::Fails { place, failing: Box::new(Failing { plan, at, began }) }
        }
        None => Answer::Passes,
    };
    let (at, began) = (SimTime(plan.duration.0), begins(&plan));
    let shrunk = shrink(Failing { plan, at, began }, FailureClass::Invariant, &mut ask);
    assert_eq!(Items::of(&shrunk.failing.plan).operations, 1, "{}", shrunk.failing.plan.to_toml());
}
