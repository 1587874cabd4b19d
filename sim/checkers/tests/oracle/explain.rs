//! Counterexamples: of every corruption that the judge by revisions finds, a part from which nothing can be left out.

use crate::{
    dice,
    generate::{SMALL, Shape, history},
    mutate, text,
};
use std::collections::BTreeMap;
use whitewater_api::{Completion, Request};
use whitewater_checkers::{Budget, counterexample, judge_by_revisions};

#[test]
fn every_corruption_has_a_small_core_and_a_legal_prefix() {
    let mut sizes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (name, corrupt, _) in mutate::CORRUPTIONS {
        for seed in 0..12 {
            let mut dice = dice(seed);
            let mut history = history(SMALL, &mut dice);
            if corrupt(&mut history, &mut dice).is_none() {
                continue;
            }
            let budget = Budget::default();
            let judgements = judge_by_revisions(&history, &budget);
            let found = counterexample::find(&history, &budget);
            let is_broken = ["revision-order", "serializable"].iter().any(|name| {
                judgements.iter().any(|j| j.judge == *name && j.ruling.anomaly().is_some())
            });
            assert_eq!(found.is_some(), is_broken, "{name}, seed {seed}\n{}", text(&history));
            let Some(found) = found else { continue };
            assert!(found.legal_completions < history.operations.len(), "{found}");
            let json = serde_json::to_string(&found).unwrap();
            assert_eq!(
                serde_json::from_str::<counterexample::Counterexample>(&json).unwrap(),
                found
            );
            if found.is_minimal {
                let unplaced = found.core.iter().any(|op| Some(op.position) == found.unplaced);
                assert!(unplaced, "{name}, seed {seed}: {found}");
                sizes.entry(name).or_default().push(found.core.len());
            }
        }
    }
    let all: Vec<usize> = sizes.values().flatten().copied().collect();
    assert!(all.len() > 200, "only {} cores are minimal: {sizes:?}", all.len());
    let mean = all.iter().sum::<usize>() / all.len();
    assert!(mean <= 5, "{mean} operations in the mean: {sizes:?}");
}

#[test]
fn a_stale_read_among_ten_thousand_operations_is_explained_by_three() {
    let shape = Shape { operations: 10_000, clients: 10, keys: 50, unknown: 2, ..SMALL };
    let mut history = history(shape, &mut dice(3));
    // A late read of one key gets the answer that an early read of the key got.
    let is_get = |op: &whitewater_record::Operation| {
        matches!(&op.request, Request::Range(range) if !range.serializable && range.limit == 0)
            && matches!(op.completion, Completion::Ok(_))
    };
    let early = history.operations.iter().position(is_get).unwrap();
    let (request, answer) =
        (history.operations[early].request.clone(), history.operations[early].completion.clone());
    let late =
        history.operations.iter().rposition(|op| is_get(op) && op.request == request).unwrap();
    assert!(late > 9_000);
    history.operations[late].completion = answer;
    let found = counterexample::find(&history, &Budget::default()).unwrap();
    assert!(found.is_minimal && found.core.len() <= 4, "{found}");
    assert_eq!(found.unplaced, Some(late), "{found}");
    assert!(found.checks <= 40, "{} checks", found.checks);
    assert!(found.placements.iter().all(|placement| !placement.forbidden.is_empty()));
    let completed = |op: &whitewater_record::Operation| op.completed;
    let before =
        history.operations.iter().filter(|op| completed(op) < completed(&history.operations[late]));
    assert!(found.legal_completions >= before.count(), "{found}");
    assert!(found.to_string().contains("has no place"), "{found}");
}
