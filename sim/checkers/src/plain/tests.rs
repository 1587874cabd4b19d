//! Every engine against the definition, and against each other.

mod brute;
mod generate;

use self::generate::{Shape, generate};
use super::{
    Decision, Partition, Stream, counterexample, depth,
    eager::Eager,
    frontier,
    glance::Glance,
    is_linearizable, judge,
    meter::Meter,
    partitions,
    problem::Problem,
    search::Search,
    short,
    step::Stepper,
    sweep::Sweep,
    zones::{self, Zoned},
};
use crate::{Budget, Ruling, limits::LeaseBound};
use proptest::prelude::*;
use std::fmt::Write;
use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainHistory, PlainOperation, Seed};

/// Enough for what the definition can be tried on, and not too much for the rest.
const BUDGET: Budget = Budget {
    configurations_max: 0,
    bytes_max: 0,
    replays_max: 0,
    plain_configurations_max: 5_000,
    plain_bytes_max: 1 << 30,
    lease: LeaseBound::USUAL,
    contact: None,
    tokens: None,
};

fn run(
    history: &PlainHistory,
    engine: impl FnOnce(&Problem, &mut Stepper, &mut Meter) -> Search,
) -> Search {
    let (problem, values) = Problem::new(history, &positions(history));
    let mut stepper = Stepper::new(values, problem.layout.clone());
    engine(&problem, &mut stepper, &mut Meter::new(&BUDGET, &|| false))
}

/// What all engines say, after seeing that they agree. [`None`] if the history is too hard for all of them.
fn verdict(history: &PlainHistory) -> Option<bool> {
    let wide = run(history, |p, s, m| frontier::search(p, s, m, usize::MAX));
    let judged = judge(history, &BUDGET).ruling;
    let is_right = match (wide, &judged) {
        (Search::Found, _) | (_, Ruling::Holds) => true,
        (Search::Exhausted { .. }, _) | (_, Ruling::Broken(_)) => false,
        _ => return None,
    };
    let agrees = |search: Search, who: &str| match search {
        Search::Found => assert!(is_right, "{who}: {}", show(history)),
        Search::Exhausted { .. } => assert!(!is_right, "{who}: {}", show(history)),
        Search::GaveUp { .. } => {}
    };
    let rules = |ruling: &Ruling, who: &str| match ruling {
        Ruling::Holds => assert!(is_right, "{who}: {}", show(history)),
        Ruling::Broken(_) => assert!(!is_right, "{who}: {ruling:?} {}", show(history)),
        Ruling::Undecided(_) => {}
        Ruling::NotApplicable(_) | Ruling::Withheld(_) => unreachable!("it is sound"),
    };
    agrees(wide, "frontier");
    agrees(run(history, |p, s, m| depth::search(p, s, m, u64::MAX)), "depth");
    agrees(run(history, |p, s, m| frontier::search(p, s, m, 2)), "beam");
    rules(&judged, "judge");
    let found = is_linearizable(history, &BUDGET, &|| false);
    assert!(found.is_none_or(|found| found == is_right), "verdict: {}", show(history));
    rules(&stream(history), "stream");
    if let Some(found) = short::decide(history, &positions(history), u64::MAX) {
        assert_eq!(found, is_right, "short: {}", show(history));
    }
    match zones::decide(history, &positions(history)) {
        Zoned::Linearizable => assert!(is_right, "zones: {}", show(history)),
        Zoned::Broken(clash) => assert!(!is_right, "{clash:?} {}", show(history)),
        Zoned::Unknown => {}
    }
    let mut eager = Eager::new(history.initial.as_ref());
    let goes_on = history.operations.iter().all(|operation| eager.add(operation));
    assert!(is_right || !goes_on || !eager.finish(), "eager: {}", show(history));
    for clusters in [1, 2, 5] {
        let mut sweep = Sweep::new(history.initial.as_ref(), clusters);
        history.operations.iter().for_each(|operation| _ = sweep.add(operation));
        let found = sweep.finish();
        assert!(is_right || !found, "swept by {clusters}: {}", show(history));
        assert!(found || !is_right || !is_unique(history), "{clusters}: {}", show(history));
    }
    Some(is_right)
}

/// Whether there are only reads, and writes of values that were never there before.
fn is_unique(history: &PlainHistory) -> bool {
    let mut values: Vec<&Value> = history.initial.iter().collect();
    history.operations.iter().all(|operation| match &operation.action {
        PlainAction::Write(value) => {
            values.push(value);
            !values[..values.len() - 1].contains(&value)
        }
        PlainAction::Read(_) => true,
        PlainAction::Append(_) | PlainAction::Delete | PlainAction::Cas { .. } => false,
    })
}

/// What a stream says.
fn stream(history: &PlainHistory) -> Ruling {
    let mut moments = Vec::new();
    for (position, operation) in history.operations.iter().enumerate() {
        moments.push((operation.invoked, false, position));
        moments.extend(operation.completed.map(|completed| (completed, true, position)));
    }
    moments.sort_unstable();
    let mut stream = Stream::new(history.initial.clone(), BUDGET);
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
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engines_follow_the_definition(shape in shapes(0..9_usize), seed: u64) {
        let history = generate(&mut Seed(seed).stream("plain", 0), &shape);
        let definition = Some(brute::is_linearizable(&history));
        prop_assert_eq!(verdict(&history), definition, "{}", show(&history));
    }
    #[test]
    fn engines_agree_where_the_definition_is_too_slow(shape in shapes(9..60_usize), seed: u64) {
        verdict(&generate(&mut Seed(seed).stream("plain", 1), &shape));
    }
}

/// What is left of a wrong history is wrong, and is right without any of its operations and what needs it.
#[test]
fn a_counterexample_is_wrong_and_nothing_can_be_left_out() {
    let budget = Budget::default();
    let (mut explained, mut placed) = (0, 0);
    for seed in 0..3_000 {
        let mut stream = Seed(seed).stream("test/plain/counterexample", 0);
        let weights = [[4, 4, 0, 0, 0], [4, 4, 2, 2, 0], [4, 2, 2, 1, 4], [3, 1, 6, 0, 0]];
        let shape = Shape {
            clients: 4,
            operations: 8,
            values: 3,
            weights: *stream.pick(&weights),
            unknown: 100_000,
            lies: 2,
            has_initial: seed % 2 == 0,
        };
        let history = generate(&mut stream, &shape);
        let Ruling::Broken(anomaly) = judge(&history, &budget).ruling else { continue };
        let found = counterexample::find(&history, &anomaly, &budget).unwrap();
        assert!(found.is_minimal, "{}", show(&history));
        let part = |without: Option<usize>| {
            let kept = found.core.iter().map(|(op, _)| *op).filter(|op| Some(*op) != without);
            let operations = kept.map(|op| history.operations[op].clone()).collect();
            PlainHistory { initial: history.initial.clone(), operations }
        };
        let is_broken = |history: &PlainHistory| !brute::is_linearizable(history);
        assert!(is_broken(&part(None)), "{found}\n{}", show(&history));
        let is_unneeded = |op: usize| {
            let makers = found.core.iter().map(|(op, _)| &history.operations[*op]);
            makers.filter(|other| **other != history.operations[op]).all(|other| {
                match &other.action {
                    PlainAction::Read(_) | PlainAction::Cas { .. } => false,
                    PlainAction::Write(_) | PlainAction::Append(_) | PlainAction::Delete => true,
                }
            })
        };
        for (op, _) in &found.core {
            // An observer leaves alone; a write only with those that saw it.
            if history.operations[*op].action.is_observer() || is_unneeded(*op) {
                assert!(!is_broken(&part(Some(*op))), "{found}\n{}", show(&history));
            }
        }
        explained += 1;
        placed += usize::from(!found.placements.is_empty());
    }
    assert!(explained > 100 && placed > 20, "{explained} explained, {placed} placed");
}

/// However many operations are open at the same time.
#[test]
fn what_nobody_wrote_takes_no_search() {
    let shape = Shape {
        clients: 200,
        operations: 2_000,
        values: 3,
        weights: [4, 4, 2, 0, 0],
        unknown: 0,
        lies: 0,
        has_initial: false,
    };
    let mut history = generate(&mut Seed(1).stream("test/plain/never written", 0), &shape);
    assert_eq!(judge(&history, &Budget::default()).ruling, Ruling::Holds);
    let is_read = |operation: &&mut PlainOperation| {
        matches!(operation.action, PlainAction::Read(Some(_))) && operation.completed.is_some()
    };
    let read = history.operations[1_000..].iter_mut().find(is_read).expect("half of them read");
    read.action = PlainAction::Read(Some("nobody's".into()));
    let position = 1_000 + history.operations[1_000..].iter().position(|operation| {
        matches!(&operation.action, PlainAction::Read(Some(value)) if value.as_slice() == b"nobody's")
    }).unwrap();
    let whole = Partition::new(&history, positions(&history));
    let (decision, effort) = whole.decide(&Budget::default(), &|| false);
    assert_eq!((effort.engine, effort.configurations), ("values", 0));
    let Decision::Broken(anomaly) = decision else { panic!("{decision:?}") };
    assert_eq!((anomaly.code.as_str(), anomaly.operations), ("never-written", vec![position]));
}

/// If values are unique, or few.
#[test]
fn long_histories_that_are_right_are_decided_while_they_are_read() {
    for seed in 0..8 {
        for (values, weights) in [(0, [4, 4, 0, 0, 0]), (5, [4, 4, 3, 0, 0]), (3, [4, 3, 2, 2, 0])]
        {
            let shape = Shape {
                clients: 5,
                operations: 5_000,
                values,
                weights,
                unknown: 0,
                lies: 0,
                has_initial: false,
            };
            let history = generate(&mut Seed(seed).stream("test/plain/glance", values), &shape);
            let positions = positions(&history);
            let mut glance = Glance::new(&history);
            (1..=positions.len()).for_each(|count| glance.add(&history, &positions[..count]));
            assert!(glance.finish(), "seed {seed}, {shape:?}");
        }
    }
}

/// What is seen on the way is what a search says, and only what is right is seen.
#[test]
fn a_glance_and_the_engines_with_reasons_say_the_same() {
    let (mut glanced, mut broken) = (0, 0);
    for seed in 0..60_u8 {
        let mixes = [(0, [4, 4, 0, 0, 0]), (5, [4, 4, 3, 0, 0])];
        let (values, weights) = mixes[usize::from(seed % 2)];
        let shape = Shape {
            clients: 4,
            operations: 300,
            values,
            weights,
            unknown: if seed % 5 == 0 { 10_000 } else { 0 },
            lies: usize::from(seed % 3),
            has_initial: seed % 7 == 0,
        };
        let mut stream = Seed(seed.into()).stream("test/plain/glance", 9);
        let history = generate(&mut stream, &shape);
        for partition in partitions(&history).unwrap() {
            let (decision, effort) = partition.decide(&Budget::default(), &|| false);
            let operations = partition.operations().to_vec();
            let unseen = Partition::new(&history, operations);
            let (reasoned, search) = unseen.decide(&Budget::default(), &|| false);
            assert_eq!(decision, reasoned, "{effort:?} and {search:?}: {}", show(&history));
            assert_ne!(search.engine, "glance");
            glanced += usize::from(effort.engine == "glance");
            broken += usize::from(matches!(decision, Decision::Broken(_)));
        }
    }
    assert!(glanced > 10 && broken > 10, "{glanced} glanced, {broken} broken");
}
