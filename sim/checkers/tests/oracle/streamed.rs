//! The stream says what the judges of the whole history say, however small its windows are.

use crate::{
    config, dice,
    generate::{SMALL, Shape, history},
    leases, mutate, rich, text,
};
use proptest::prelude::*;
use whitewater_checkers::{Budget, Judgement, Ruling, Stream, judge_by_revisions};
use whitewater_record::History;

fn streamed(history: &History, window: usize) -> [Judgement; 2] {
    let mut events = Vec::new();
    for (i, op) in history.operations.iter().enumerate() {
        events.push((op.invoked, 0, i));
        events.push((op.completed, 1, i));
    }
    // What is invoked at the moment of a completion overlaps it.
    events.sort_unstable();
    let mut stream = Stream::new(Budget::default(), window);
    for (at, phase, i) in events {
        let op = &history.operations[i];
        if phase == 0 {
            stream.invoke(op.id, at, op.request.clone());
        } else if stream.complete(op.id, at, op.completion.clone()) {
            break;
        }
    }
    stream.finish()
}

fn whole(history: &History) -> Option<[Judgement; 2]> {
    let judgements = judge_by_revisions(history, &Budget::default());
    if judgements[0].ruling != Ruling::Holds {
        return None;
    }
    let one = |name| judgements.iter().find(|j| j.judge == name).unwrap().clone();
    Some(["revision-order", "serializable"].map(one))
}

fn kind(ruling: &Ruling) -> &'static str {
    match ruling {
        Ruling::Holds => "holds",
        Ruling::Broken(_) => "broken",
        Ruling::Undecided(_) => "undecided",
        Ruling::NotApplicable(_) => "not applicable",
        Ruling::Withheld(_) => "withheld",
    }
}

fn agree(history: &History, window: usize) -> Result<(), TestCaseError> {
    let Some(whole) = whole(history) else { return Ok(()) };
    let streamed = streamed(history, window);
    // Where a window had to guess, it says so.
    if kind(&streamed[0].ruling) == "undecided" {
        return Ok(());
    }
    let is_right = whole[0].ruling == Ruling::Holds;
    for (whole, streamed) in whole.iter().zip(&streamed) {
        if kind(&streamed.ruling) == "undecided" {
            continue;
        }
        prop_assert_eq!(
            kind(&whole.ruling),
            kind(&streamed.ruling),
            "whole: {:#?}\nstreamed: {:#?}\n{}",
            whole,
            streamed,
            text(history)
        );
        // An answer that comes after its window was forced is not looked at.
        let (whole, streamed) = (whole.checked, streamed.checked);
        prop_assert!(streamed.evaluations <= whole.evaluations || !is_right);
        if 8 * window >= history.operations.len() && is_right {
            prop_assert_eq!(whole.evaluations, streamed.evaluations);
        }
        // Which choice an operation had is seen of its window alone.
        if window >= history.operations.len() && is_right {
            prop_assert_eq!(whole, streamed);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn a_right_history_is_accepted_in_any_windows(seed: u64, window in 1_usize..40, keys in 1_u64..7) {
        let shape = Shape { operations: 150, keys, has_bursts: seed % 2 == 0, ..SMALL };
        let history = history(shape, &mut dice(seed));
        agree(&history, window)?;
        agree(&history, history.operations.len())?;
        let streamed = streamed(&history, window);
        prop_assert!(streamed[0].ruling.anomaly().is_none(), "{:#?}\n{}", streamed, text(&history));
    }

    #[test]
    fn every_option_is_streamed(seed: u64, window in 1_usize..40) {
        agree(&rich::history(150, &mut dice(seed)), window)?;
    }

    #[test]
    fn leases_are_streamed(seed: u64, window in 1_usize..40, keys in 1_u64..7) {
        let shape = Shape { operations: 150, keys, ..SMALL };
        let history = leases::history(shape, &mut dice(seed));
        agree(&history, window)?;
        let streamed = streamed(&history, window);
        prop_assert!(streamed[0].ruling.anomaly().is_none(), "{:#?}\n{}", streamed, text(&history));
    }

    #[test]
    fn a_corruption_with_leases_is_found_in_any_windows(seed: u64, window in 1_usize..40) {
        let mut dice = dice(seed);
        let mut history = leases::history(SMALL, &mut dice);
        if mutate::anything(&mut history, &mut dice).is_some() {
            agree(&history, window)?;
        }
    }

    #[test]
    fn a_corruption_is_found_in_any_windows(seed: u64, window in 1_usize..40, kind in 0_usize..28) {
        let mut dice = dice(seed);
        let mut history = history(SMALL, &mut dice);
        let (_, corrupt, _) = mutate::CORRUPTIONS[kind];
        if corrupt(&mut history, &mut dice).is_some() {
            agree(&history, window)?;
        }
    }
}

#[test]
fn few_windows_are_left_undecided() {
    let mut undecided = 0;
    for seed in 0..200 {
        let shape = Shape { operations: 300, ..SMALL };
        let streamed = streamed(&history(shape, &mut dice(seed)), 20);
        undecided += usize::from(matches!(streamed[0].ruling, Ruling::Undecided(_)));
    }
    assert!(undecided <= 10, "{undecided} of 200");
}

/// The first answer that shows the version of a key shows none, and later ones do.
#[test]
fn a_number_that_others_show_is_missed_when_they_do() {
    let mut dice = dice(13_745_005_205_557_039_913);
    let mut history = history(SMALL, &mut dice);
    let (_, corrupt, _) = mutate::CORRUPTIONS[8];
    corrupt(&mut history, &mut dice).unwrap();
    agree(&history, 1).unwrap();
    let streamed = streamed(&history, 1);
    assert_eq!(streamed[0].ruling.anomaly().unwrap().code, "wrong-version");
}
