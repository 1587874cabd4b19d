//! The judges against histories of known truth: right by construction, and corrupted in known ways.

#![expect(
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    reason = "test data is small, and known"
)]

mod brute;
mod bursts;
mod explain;
mod fuzz;
mod generate;
mod hashes;
mod kinds;
mod leases;
mod mutate;
mod nested;
mod orders;
#[path = "../common/page.rs"]
mod page;
mod past;
mod rich;
mod spec;
mod streamed;
mod told;
mod witness;

use generate::{Dice, SMALL, Shape, history};
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use whitewater_api::{Completion, Error, NodeId, Process, Request, RequestId, Response};
use whitewater_checkers::{Budget, JUDGES, Judgement, Ruling, judge, judge_spread, search};
use whitewater_record::{History, Operation, Seed, SimTime};

/// So many cases, always the same; `PROPTEST_CASES=30000` tries so many of each, and `PROPTEST_RNG_SEED=8` others.
fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..Config::default() }
}

fn dice(seed: u64) -> Dice {
    Dice(Seed(seed).stream("oracle", 0))
}

/// The operation of that number, each of a process of its own, where one follows the other.
fn in_turn(number: u32, request: Request, completion: Completion<Response, Error>) -> Operation {
    let at = u64::from(number) * 10;
    Operation {
        id: RequestId { process: Process(number), sequence: 0 },
        node: NodeId(1),
        invoked: SimTime(at),
        completed: SimTime(at + 5),
        request,
        completion,
        witness: None,
    }
}

fn text(history: &History) -> String {
    let line = |op: &Operation| {
        let (invoked, completed) = (op.invoked, op.completed);
        format!("{} {invoked}-{completed} {}: {:?}\n", op.id, op.request, op.completion)
    };
    history.operations.iter().map(line).collect()
}

fn objections(judgements: &[Judgement]) -> Vec<&'static str> {
    judgements
        .iter()
        .filter(|j| !matches!(j.ruling, Ruling::Holds | Ruling::NotApplicable(_)))
        .map(|j| j.judge)
        .collect()
}

fn assert_clean(history: &History) {
    let judgements = judge(history, &Budget::default());
    assert_eq!(judgements.iter().map(|j| j.judge).collect::<Vec<_>>(), JUDGES);
    // Without a last read nobody tells which of the writes of unknown outcome a stale read saw.
    let has_final_read = history.operations.iter().any(|op| op.id.process.0 == 1_000_000);
    let is_open = |j: &Judgement| {
        j.judge == "serializable" && matches!(j.ruling, Ruling::Undecided(_)) && !has_final_read
    };
    let judgements: Vec<Judgement> = judgements.into_iter().filter(|j| !is_open(j)).collect();
    assert!(objections(&judgements).is_empty(), "{judgements:#?}\n{}", text(history));
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_right_history_is_accepted_by_every_judge(seed: u64, clients in 1_usize..9, keys in 1_u64..7, has_final_read: bool) {
        assert_clean(&history(Shape { clients, keys, has_final_read, ..SMALL }, &mut dice(seed)));
    }
}

#[test]
fn outages_are_accepted_and_nearly_always_decided() {
    let mut undecided = 0;
    for seed in 0..100 {
        let has_ranges = seed % 2 == 0;
        let shape = Shape { operations: 300, has_bursts: true, has_ranges, keys: 8, ..SMALL };
        let history = history(shape, &mut dice(seed));
        let budget = Budget { configurations_max: 20_000, ..Budget::default() };
        let judgements = judge(&history, &budget);
        let objections = objections(&judgements);
        assert!(objections.is_empty(), "{judgements:#?}\n{}", text(&history));
        let searched = search(&history, &budget);
        undecided += usize::from(searched.ruling != Ruling::Holds);
        assert!(searched.ruling.anomaly().is_none(), "{searched:#?}\n{}", text(&history));
    }
    assert!(undecided <= 10, "the search leaves {undecided} of 100 outages open");
}

#[test]
fn a_stale_read_after_outages_is_refuted_by_search_alone() {
    let (mut applied, mut refuted) = (0, 0);
    for seed in 0..60 {
        let shape = Shape { operations: 300, has_bursts: true, keys: 8, ..SMALL };
        let mut dice = dice(seed);
        let mut history = history(shape, &mut dice);
        if mutate::old_value_at_the_end(&mut history, &mut dice).is_none() {
            continue;
        }
        applied += 1;
        let ruling = search(&history, &Budget::default()).ruling;
        assert_ne!(ruling, Ruling::Holds, "{}", text(&history));
        refuted += u32::from(ruling.anomaly().is_some());
    }
    assert!(applied >= 20 && refuted * 10 >= applied * 9, "{refuted} of {applied} were refuted");
}

#[test]
fn it_does_not_matter_in_which_order_components_are_searched() {
    let (mut applied, backwards) = (0, |count: usize, work: &(dyn Fn(usize) + Sync)| {
        (0..count).rev().for_each(work);
    });
    for seed in 0..60 {
        let mut dice = dice(seed);
        let mut history = history(Shape { operations: 100, keys: 8, ..SMALL }, &mut dice);
        // Without an order of the revisions it has to be searched.
        if mutate::old_value_at_the_end(&mut history, &mut dice).is_none() {
            continue;
        }
        applied += 1;
        let budget = Budget { configurations_max: 2_000, ..Budget::default() };
        let judgements = judge_spread(&history, &budget, &backwards);
        assert_eq!(judgements, judge(&history, &budget), "seed {seed}\n{}", text(&history));
    }
    assert!(applied >= 20, "{applied} times only");
}

#[test]
fn what_is_left_open_is_named() {
    let shape = Shape { operations: 300, has_bursts: true, keys: 8, ..SMALL };
    let history = history(shape, &mut dice(1));
    let budget = Budget { configurations_max: 0, ..Budget::default() };
    let Ruling::Undecided(doubt) = search(&history, &budget).ruling else {
        panic!("nothing can be decided without a budget");
    };
    let window = doubt.window.expect("a search that gives up says where");
    let (first, last) = (&history.operations[window.first], &history.operations[window.last]);
    assert!(doubt.reason.contains(&last.id.to_string()), "{}", doubt.reason);
    assert!(doubt.reason.contains(&format!("{} to {}", window.from, window.until)), "{window:?}");
    assert!(first.invoked <= last.completed && window.operations < 300, "{window:?}");
    // Without memory as without steps.
    let budget = Budget { bytes_max: 1 << 10, ..Budget::default() };
    let Ruling::Undecided(doubt) = search(&history, &budget).ruling else {
        panic!("nothing can be decided without memory");
    };
    assert!(doubt.window.is_some(), "{}", doubt.reason);
}

#[test]
fn revisions_that_nobody_explains_are_named() {
    let budget = Budget { configurations_max: 0, replays_max: 0, ..Budget::default() };
    let mut undecided = 0;
    for seed in 0..60 {
        let shape = Shape { operations: 300, has_bursts: true, keys: 3, ..SMALL };
        let history = history(shape, &mut dice(seed));
        let judgements = judge(&history, &budget);
        let white = judgements.iter().find(|judgement| judgement.judge == "revision-order");
        let Ruling::Undecided(doubt) = &white.unwrap().ruling else { continue };
        let window = doubt.window.as_ref().unwrap_or_else(|| panic!("seed {seed}: {doubt:?}"));
        let [lowest, highest] = window.revisions.expect("it goes by revisions");
        assert!(lowest <= highest && window.from <= window.until, "{window:?}");
        assert!(doubt.reason.contains(&format!("between {lowest} and {highest}")), "{doubt:?}");
        undecided += 1;
    }
    assert!(undecided > 0, "all is decided without a budget");
}

#[test]
fn a_run_of_the_simulator_is_accepted() {
    for seed in 0..3 {
        let shape = Shape { operations: 3000, clients: 8, keys: 20, unknown: 13, ..SMALL };
        assert_clean(&history(shape, &mut dice(seed)));
    }
}

#[test]
fn every_corruption_is_rejected_by_the_judges_that_should() {
    for (name, corrupt, expected) in mutate::CORRUPTIONS {
        let mut applied = 0;
        for seed in 0..400 {
            let mut dice = dice(seed);
            let mut history = history(SMALL, &mut dice);
            let clean = text(&history);
            if corrupt(&mut history, &mut dice).is_none() || text(&history) == clean {
                continue;
            }
            applied += 1;
            let judgements = judge(&history, &Budget::default());
            for judge in *expected {
                let j = judgements.iter().find(|j| j.judge == *judge).unwrap();
                assert!(
                    j.ruling.anomaly().is_some(),
                    "{name}, seed {seed}: {judge} should object: {judgements:#?}\n{}",
                    text(&history)
                );
            }
            if applied == 40 {
                break;
            }
        }
        assert!(applied >= 8, "{name} applied {applied} times only");
    }
}
