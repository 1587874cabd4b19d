use super::*;
use std::collections::BTreeMap as Map;
use whitewater_record::{Coverage, Span, Verdict, Violation};

fn outcome(seed: u64) -> Outcome {
    Outcome {
        scenario: "quiet".into(),
        seed: Seed(seed),
        verdict: Verdict::Passed,
        violations: Vec::new(),
        doubts: Vec::new(),
        trace_hash: seed,
        events: 1,
        simulated: Span(1),
        operations: [1, 0, 0],
        messages: 1,
        faults: Map::new(),
        checks: Map::new(),
        sometimes: Map::new(),
        victims: Map::new(),
        coverage: Coverage::default(),
    }
}

fn failed(seed: u64) -> Outcome {
    let violation = Violation {
        code: "promise".into(),
        at: whitewater_record::SimTime(1),
        event: Some(1),
        node: None,
        sentence: "it is broken".into(),
    };
    Outcome { verdict: Verdict::Failed, violations: vec![violation], ..outcome(seed) }
}

/// The file of a part of seeds 10 to 19.
fn part(outcomes: &[Outcome]) -> String {
    let first = outcomes[0].seed;
    let campaign = Campaign {
        scenario: "quiet".into(),
        first_seed: first,
        seeds_asked: Some(outcomes.len() as u64),
        whole: Some((Seed(10), 10)),
        ..Campaign::default()
    };
    let mut result = CampaignResult::new(campaign.clone());
    let mut text = lines::header(&campaign) + "\n";
    for outcome in outcomes {
        if result.add(outcome) {
            result.failures.extend(Failure::of(outcome, None, "replay".into()));
        }
        text += &(lines::seed(outcome) + "\n");
    }
    result.effort = Effort { cpu_us: 5, wall_us: 7, peak_bytes: 9, workers: 1, restarts: 0 };
    text + &lines::totals(&result) + "\n" + &lines::footer(result.effort) + "\n"
}

fn read(name: &str, text: &str) -> Shard {
    Shard::read(name, text).unwrap().expect("it has a header")
}

fn range(seeds: std::ops::RangeInclusive<u64>) -> Vec<Outcome> {
    seeds.map(outcome).collect()
}

#[test]
fn parts_are_the_whole_in_any_order() {
    let whole: Vec<Outcome> =
        (10..=19).map(|n| if n % 7 == 0 { failed(n) } else { outcome(n) }).collect();
    let parts = [part(&whole[..3]), part(&whole[3..8]), part(&whole[8..])];
    let mut one = CampaignResult::new(Campaign {
        scenario: "quiet".into(),
        first_seed: Seed(10),
        seeds_asked: Some(10),
        ..Campaign::default()
    });
    for outcome in &whole {
        one.add(outcome);
    }
    for order in [[0, 1, 2], [2, 0, 1]] {
        let shards: Vec<Shard> = order.iter().map(|n| read(&n.to_string(), &parts[*n])).collect();
        let merged = merge(&shards).unwrap();
        assert_eq!(merged.result.campaign, one.campaign);
        assert_eq!(merged.result.totals, one.totals, "the digest of the traces too");
        assert_eq!(merged.result.failures.len(), 1, "one for each signature");
        assert_eq!(merged.result.failures[0].seed, Seed(14));
        assert_eq!((merged.result.effort.cpu_us, merged.result.effort.workers), (15, 3));
        assert_eq!((merged.missing.len(), merged.doubled), (0, 0));
        assert_eq!(merged.result.ending, Ending::Complete);
        let again = lines::read("whole", &text(&merged)).unwrap();
        assert_eq!((again.failures, again.effort), (merged.result.failures, merged.result.effort));
    }
}

#[test]
fn what_is_lost_is_named_and_what_is_there_twice_counts_once() {
    let (one, two) = (part(&range(10..=12)), part(&range(12..=15)));
    // Cut in the middle of a line: seed 15 was not written to its end.
    let seed_15 = two.find("\"seed\":\"15\"").expect("it is there");
    let shards = [read("one", &one), read("two", &two[..seed_15])];
    let merged = merge(&shards).unwrap();
    assert_eq!(merged.missing, [(Seed(15), Seed(19))]);
    assert_eq!((merged.doubled, merged.result.totals.seeds), (1, 5));
    assert_eq!(merged.cut_off, ["two"]);
    assert_eq!(merged.result.ending, Ending::Missing);
    assert_eq!(merged.result.ruling(), crate::Ruling::Inconclusive, "never a pass");
    assert!(merged.result.nondeterminism.is_empty());
}

#[test]
fn parts_that_disagree_on_a_seed_are_nondeterminism() {
    let other = Outcome { trace_hash: 77, ..outcome(12) };
    let shards = [read("one", &part(&range(10..=12))), read("two", &part(&[other]))];
    let merged = merge(&shards).unwrap();
    assert_eq!(merged.result.nondeterminism, ["seed 12: one and two disagree"]);
    assert_eq!(merged.result.ruling(), crate::Ruling::Nondeterministic);
}

#[test]
fn what_is_no_part_is_refused_by_name() {
    assert!(matches!(merge(&[]), Err(ShardsError::None)));
    let mut stranger = read("stranger", &part(&range(13..=14)));
    stranger.campaign.scenario = "swarm".into();
    let error = merge(&[read("one", &part(&range(10..=12))), stranger]).unwrap_err().to_string();
    assert!(error.starts_with("one and stranger are parts of different campaigns"), "{error}");
    let text = part(&range(10..=12)).replacen("\"kind\":\"seed\"", "\"kind\":\"sheep\"", 1);
    let error = Shard::read("bad", &text).unwrap_err().to_string();
    assert!(error.starts_with("bad:2: unknown variant `sheep`"), "{error}");
    assert!(Shard::read("empty", "{\"kind\":\"head").unwrap().is_none(), "not even a header");
}
