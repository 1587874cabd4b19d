//! Every engine against the definition, and against each other.

mod brute;
mod generate;

use self::generate::{Shape, generate};
use super::{
    Stream, depth, frontier, judge,
    meter::Meter,
    problem::Problem,
    search::Search,
    step::Stepper,
    zones::{self, Zoned},
};
use crate::{Budget, Ruling};
use proptest::prelude::*;
use std::fmt::Write;
use whitewater_record::{PlainHistory, PlainOperation, Seed};

fn run(
    history: &PlainHistory,
    engine: impl FnOnce(&Problem, &mut Stepper, &mut Meter) -> Search,
) -> Search {
    let (problem, values) = Problem::new(history, &positions(history));
    let mut stepper = Stepper::new(values, problem.layout.clone());
    engine(&problem, &mut stepper, &mut Meter::new(&Budget::default(), &|| false))
}

/// What all engines say, after seeing that they agree.
fn verdict(history: &PlainHistory) -> bool {
    let deep = run(history, |p, s, m| depth::search(p, s, m, u64::MAX));
    let wide = run(history, |p, s, m| frontier::search(p, s, m, usize::MAX));
    assert_eq!(deep, wide, "{}", show(history));
    let beam = run(history, |p, s, m| frontier::search(p, s, m, 2));
    match beam {
        Search::Found => assert_eq!(wide, Search::Found, "{}", show(history)),
        Search::Exhausted { .. } => assert_eq!(beam, wide, "{}", show(history)),
        Search::GaveUp { .. } => {}
    }
    let is_linearizable = wide == Search::Found;
    match zones::decide(history, &positions(history)) {
        Zoned::Linearizable => assert!(is_linearizable, "{}", show(history)),
        Zoned::Broken(clash) => assert!(!is_linearizable, "{clash:?} {}", show(history)),
        Zoned::Unknown => {}
    }
    let streamed = stream(history);
    assert_eq!(is_linearizable, streamed == Ruling::Holds, "{streamed:?} {}", show(history));
    let judged = judge(history, &Budget::default()).ruling;
    assert_eq!(is_linearizable, judged == Ruling::Holds, "{judged:?} {}", show(history));
    is_linearizable
}

/// What a stream says.
fn stream(history: &PlainHistory) -> Ruling {
    let mut moments = Vec::new();
    for (position, operation) in history.operations.iter().enumerate() {
        moments.push((operation.invoked, false, position));
        moments.extend(operation.completed.map(|completed| (completed, true, position)));
    }
    moments.sort_unstable();
    let mut stream = Stream::new(history.initial.clone(), Budget::default());
    let mut tickets = vec![None; history.operations.len()];
    for (at, is_return, position) in moments {
        let PlainOperation { key, action, completed, .. } = &history.operations[position];
        if is_return {
            stream.complete(tickets[position].unwrap(), at, action.clone());
        } else {
            let ticket = stream.invoke(at, key, action.clone());
            tickets[position] = Some(ticket);
            // Some are given up at once, some at the end.
            if completed.is_none() && position % 2 == 0 {
                stream.give_up(ticket);
            }
        }
    }
    stream.finish().ruling
}

fn positions(history: &PlainHistory) -> Vec<u32> {
    (0..).zip(&history.operations).map(|(position, _)| position).collect()
}

fn show(history: &PlainHistory) -> String {
    let mut text = format!("initial {:?}\n", history.initial);
    for operation in &history.operations {
        let end = operation.completed.map(|end| end.0);
        writeln!(text, "  {}..{end:?} {operation}", operation.invoked.0).unwrap();
    }
    text
}

fn shapes(operations: impl Strategy<Value = usize>) -> impl Strategy<Value = Shape> {
    let mixes = prop_oneof![
        Just([4, 4, 0, 0, 0]),
        Just([4, 4, 4, 0, 0]),
        Just([4, 4, 2, 2, 0]),
        Just([4, 2, 2, 1, 4]),
        Just([4, 1, 0, 0, 6]),
        Just([3, 1, 6, 0, 0]),
        Just([2, 6, 2, 0, 0]),
    ];
    (1..6_u32, operations, 0..4_u64, mixes, 0..500_000_u32, 0..3_usize, any::<bool>()).prop_map(
        |(clients, operations, values, weights, unknown, lies, has_initial)| Shape {
            clients,
            operations,
            values,
            weights,
            unknown,
            lies,
            has_initial,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engines_follow_the_definition(shape in shapes(0..9_usize), seed: u64) {
        let history = generate(&mut Seed(seed).stream("plain", 0), &shape);
        prop_assert_eq!(verdict(&history), brute::is_linearizable(&history), "{}", show(&history));
    }
    #[test]
    fn engines_agree_where_the_definition_is_too_slow(shape in shapes(9..60_usize), seed: u64) {
        verdict(&generate(&mut Seed(seed).stream("plain", 1), &shape));
    }
}
