//! The judges of watches, mirrors, leases and locks against histories of known truth: right by construction, and
//! corrupted in known ways.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    reason = "test data is small, and known"
)]

mod generate;
mod locks;
mod mutate_lease;
mod mutate_lock;
mod mutate_mirror;
mod mutate_watch;
#[path = "../common/page.rs"]
mod page;
mod store;

use generate::{Dice, SMALL, Shape, history};
use page::assert_listed;
use whitewater_checkers::{
    Budget, Judgement, Ruling,
    grounds::{self, Grounds},
    judge, judge_by_revisions,
};
use whitewater_record::{History, Seed};

const BEYOND: [&str; 4] = ["watch", "mirror", "lease", "lock"];

fn dice(seed: u64) -> Dice {
    Dice(Seed(seed).stream("judges", 0))
}

fn judgements(history: &History) -> Vec<Judgement> {
    let budget = Budget { configurations_max: 0, replays_max: 0, ..Budget::default() };
    let mut judgements = judge(history, &budget);
    judgements.retain(|judgement| BEYOND.contains(&judgement.judge));
    judgements
}

fn text(history: &History) -> String {
    let mut lines = Vec::new();
    history.write(&mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

fn assert_clean(history: &History, seed: u64) -> [u64; 2] {
    let mut sum = [0; 2];
    for judgement in judgements(history) {
        let is_fine = matches!(judgement.ruling, Ruling::Holds | Ruling::NotApplicable(_));
        assert!(is_fine, "seed {seed}: {judgement:#?}\n{}", text(history));
        sum[0] += judgement.checked.evaluations;
        sum[1] += judgement.checked.discriminating;
    }
    sum
}

#[test]
fn right_histories_are_accepted() {
    let mut sum = [0; 2];
    for seed in 0..450 {
        let mut dice = dice(seed);
        let unknown = [0, 20, 100][seed as usize % 3];
        let leases = [0, 250, 500][seed as usize / 3 % 3];
        let [all, telling] =
            assert_clean(&history(Shape { unknown, leases, ..SMALL }, &mut dice), seed);
        sum = [sum[0] + all, sum[1] + telling];
    }
    assert!(sum[0] > 30_000 && sum[1] > 15_000, "{sum:?}");
}

#[test]
fn revisions_that_leases_make_are_explained() {
    let mut undecided = 0;
    for seed in 0..120 {
        let mut dice = dice(seed);
        let unknown = [0, 20, 100][seed as usize % 3];
        let history = history(Shape { unknown, leases: 300, ..SMALL }, &mut dice);
        for judgement in judge_by_revisions(&history, &Budget::default()) {
            match &judgement.ruling {
                Ruling::Holds | Ruling::NotApplicable(_) => {}
                // Nobody tells what made the last revisions.
                Ruling::Undecided(_) if judgement.judge == "serializable" => {}
                Ruling::Undecided(_) => undecided += 1,
                ruling => panic!("seed {seed}: {ruling:#?}\n{}", text(&history)),
            }
        }
    }
    assert_eq!(undecided, 0);
}

#[test]
fn right_locks_are_accepted() {
    let mut sum = [0; 2];
    for seed in 0..300 {
        let [all, telling] = assert_clean(&locks::history(250, &mut dice(seed)), seed);
        sum = [sum[0] + all, sum[1] + telling];
    }
    assert!(sum[0] > 30_000 && sum[1] > 15_000, "{sum:?}");
}

/// Corrupts many histories in one way, and expects one of the codes of one judge each time.
fn assert_rejected(
    judge: &str,
    (name, corrupt, codes): (&str, mutate_watch::Corruption, &[&str]),
    make: impl Fn(&mut Dice) -> History,
) {
    let mut applied = 0;
    for seed in 0..600 {
        let mut dice = dice(seed);
        let mut history = make(&mut dice);
        let clean = history.clone();
        if corrupt(&mut history, &mut dice).is_none() || history == clean {
            continue;
        }
        applied += 1;
        let judgements = judgements(&history);
        let judgement = judgements.iter().find(|judgement| judgement.judge == judge).unwrap();
        let code = judgement.ruling.anomaly().map(|anomaly| anomaly.code.as_str());
        assert!(
            code.is_some_and(|code| codes.contains(&code)),
            "{name}, seed {seed}: expected {codes:?}: {judgement:#?}\n{}",
            text(&history)
        );
        if applied == 12 {
            break;
        }
    }
    assert!(applied >= 5, "{name} applied {applied} times only");
}

/// What one judge objects to.
fn sentence(history: &History, judge: &str) -> Option<String> {
    let judgements = judgements(history);
    let judgement = judgements.iter().find(|judgement| judgement.judge == judge).unwrap();
    judgement.ruling.anomaly().map(|anomaly| format!("{}: {}", anomaly.code, anomaly.sentence))
}

/// Corrupts some histories in one way, and expects of the grounds of the objection that nothing can be left out. How large
/// they are.
fn assert_minimal(
    judge: &str,
    (name, corrupt, _): (&str, mutate_watch::Corruption, &[&str]),
    make: impl Fn(&mut Dice) -> History,
) -> Vec<usize> {
    let mut sizes = Vec::new();
    for seed in 0..600 {
        let mut dice = dice(seed);
        let mut history = make(&mut dice);
        if corrupt(&mut history, &mut dice).is_none() {
            continue;
        }
        let judgements = judgements(&history);
        let judgement = judgements.iter().find(|judgement| judgement.judge == judge).unwrap();
        let Some(said) = sentence(&history, judge) else { continue };
        let found = grounds::find(&history, judgement, &Budget::default());
        let Grounds { operations, rows, holds, is_minimal, .. } = found.unwrap();
        assert!(is_minimal, "{name}, seed {seed}");
        let places = [operations, rows, holds]
            .map(|grounds| grounds.into_iter().map(|it| it.position).collect::<Vec<usize>>());
        let part =
            |places: &[Vec<usize>; 3]| grounds::part(&history, &places[0], &places[1], &places[2]);
        assert_eq!(sentence(&part(&places), judge).as_ref(), Some(&said), "{name}, seed {seed}");
        for kind in 0..3 {
            for place in 0..places[kind].len() {
                let mut rest = places.clone();
                let left_out = rest[kind].remove(place);
                let still = sentence(&part(&rest), judge);
                assert!(
                    still.as_ref() != Some(&said),
                    "{name}, seed {seed}: {left_out} of {kind} can be left out of {places:?}"
                );
            }
        }
        sizes.push(places.iter().map(Vec::len).sum());
        if sizes.len() == 2 {
            break;
        }
    }
    assert!(!sizes.is_empty(), "{name} was never objected to");
    sizes
}

#[test]
fn nothing_can_be_left_out_of_the_grounds_of_an_objection() {
    let mut sizes = Vec::new();
    for corruption in mutate_watch::CORRUPTIONS {
        sizes.extend(assert_minimal("watch", *corruption, |dice| history(SMALL, dice)));
    }
    let shape = Shape { leases: 0, unknown: 0, watchers: 6, ..SMALL };
    for corruption in mutate_mirror::CORRUPTIONS {
        sizes.extend(assert_minimal("mirror", *corruption, |dice| history(shape, dice)));
    }
    let shape = Shape { unknown: 0, leases: 300, ..SMALL };
    for corruption in mutate_lease::CORRUPTIONS {
        sizes.extend(assert_minimal("lease", *corruption, |dice| history(shape, dice)));
    }
    for corruption in mutate_lock::CORRUPTIONS {
        sizes.extend(assert_minimal("lock", *corruption, |dice| locks::history(100, dice)));
    }
    sizes.sort_unstable();
    let (middle, largest) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    assert!(middle <= 5 && largest <= 40, "{sizes:?}");
}

#[test]
fn the_page_lists_every_corruption_with_its_codes() {
    for (title, kinds) in [
        ("Watches", mutate_watch::CORRUPTIONS),
        ("Mirrors", mutate_mirror::CORRUPTIONS),
        ("Leases", mutate_lease::CORRUPTIONS),
        ("Locks and elections", mutate_lock::CORRUPTIONS),
    ] {
        assert_listed(title, kinds.iter().map(|(name, _, codes)| (*name, *codes)));
    }
}

#[test]
fn every_corruption_of_a_watch_is_rejected_for_its_reason() {
    for corruption in mutate_watch::CORRUPTIONS {
        assert_rejected("watch", *corruption, |dice| history(SMALL, dice));
    }
}

#[test]
fn every_corruption_of_a_mirror_is_rejected_for_its_reason() {
    let shape = Shape { leases: 0, unknown: 0, watchers: 6, ..SMALL };
    for corruption in mutate_mirror::CORRUPTIONS {
        assert_rejected("mirror", *corruption, |dice| history(shape, dice));
    }
}

#[test]
fn every_corruption_of_a_lease_is_rejected_for_its_reason() {
    let shape = Shape { unknown: 0, leases: 300, ..SMALL };
    for corruption in mutate_lease::CORRUPTIONS {
        assert_rejected("lease", *corruption, |dice| history(shape, dice));
    }
}

#[test]
fn every_corruption_of_a_lock_is_rejected_for_its_reason() {
    for corruption in mutate_lock::CORRUPTIONS {
        assert_rejected("lock", *corruption, |dice| locks::history(250, dice));
    }
}
