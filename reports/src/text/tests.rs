use super::*;
use crate::{Campaign, sample};
use whitewater_record::Seed;

fn run(seed: u64, verdict: Verdict) -> Outcome {
    let sometimes = BTreeMap::from([("snapshot-while-applying".to_owned(), 1)]);
    Outcome { sometimes, ..sample::outcome(seed, verdict) }
}

fn campaign(verdicts: &[Verdict]) -> CampaignResult {
    let mut result = CampaignResult::new(Campaign {
        scenario: "swarm".into(),
        first_seed: Seed(17),
        ..Campaign::default()
    });
    for (seed, verdict) in (17..).zip(verdicts) {
        let outcome = run(seed, *verdict);
        if result.add(&outcome) {
            let repro = format!("whitewater replay reports/out/swarm-{seed}/plan.toml");
            let folder = Some(format!("reports/out/swarm-{seed}"));
            result.failures.extend(Failure::of(&outcome, folder, repro));
        }
    }
    result.effort = Effort {
        cpu_us: 2_000_000,
        wall_us: 1_000_000,
        peak_bytes: 64 << 20,
        workers: 2,
        restarts: 0,
    };
    result
}

#[test]
fn a_failing_campaign_names_the_promise_the_event_and_the_line_to_paste() {
    let text = summary(&campaign(&[Verdict::Passed, Verdict::Failed, Verdict::Failed]), false);
    let expected = "\
FAIL swarm: 3 seeds · 3 min 0 s simulated · 1,839 operations · 2 failed in 1 way · 0 undecided

tried: scenario swarm, seeds 17 to 19, 3 min 0 s simulated, 1,839 operations (1,740 ok, 36 fail, 63 info), \
37,035 messages, 120,603 events
traces: ";
    assert!(text.starts_with(expected), "{text}");
    let failure = "
FAIL election-safety: 2 seeds, first seed 18
  n1 and n2 both lead term 9
    at 3.318s, event 15204, on n2
  folder: reports/out/swarm-18
  replay: whitewater replay reports/out/swarm-18/plan.toml
  explain: whitewater explain election-safety

statistics: 2 of 3 seeds failed: a rate of 66.66 %
speed: 1.5 seeds and 90 simulated seconds a CPU-second, 919 operations a CPU-second; 2.0 s of CPU in 1.0 s by 2 \
workers, 64 MiB at most
";
    assert!(text.ends_with(failure), "{text}");
}

#[test]
fn silence_comes_with_its_confidence() {
    let text = summary(&campaign(&[Verdict::Passed; 30]), false);
    assert!(text.starts_with("PASS swarm: 30 seeds"), "{text}");
    assert!(text.contains("no failure in 30 seeds: a rate below 10.000 % with 95 %"), "{text}");
    assert!(text.contains("\n  crash         90       90         60\n"), "{text}");
}

#[test]
fn an_undecided_seed_is_never_a_pass() {
    let result = campaign(&[Verdict::Passed, Verdict::Inconclusive]);
    assert_eq!(result.ruling(), Ruling::Inconclusive);
    assert_eq!(campaign(&[]).ruling(), Ruling::NothingRan);
}

#[test]
fn a_run_whose_faults_did_nothing_passes_and_is_counted() {
    let with = |requested, witnessed| {
        let count = FaultCount { requested, applied: requested, witnessed };
        Outcome {
            faults: BTreeMap::from([("crash".to_owned(), count)]),
            ..run(17, Verdict::Passed)
        }
    };
    let said = "idle: none of the faults was seen to matter\n";
    assert!(outcome(&with(5, 0), false).contains(said));
    for busy in [with(4, 0), with(5, 1), with(0, 0)] {
        assert!(!outcome(&busy, false).contains(said));
        assert!(!busy.is_idle());
    }
    let mut result = campaign(&[Verdict::Passed; 24]);
    result.add(&with(5, 0));
    assert_eq!((result.totals.idle, result.ruling()), (1, Ruling::Passed));
    result.add(&with(5, 0));
    assert_eq!((result.totals.idle, result.ruling()), (2, Ruling::Inconclusive));
}

#[test]
fn color_is_never_alone() {
    let plain = outcome(&run(1, Verdict::Failed), false);
    assert!(plain.starts_with("FAIL swarm seed 1: election-safety\n"), "{plain}");
    let colored = outcome(&run(1, Verdict::Failed), true);
    assert!(colored.starts_with("\u{1b}[1;31mFAIL\u{1b}[0m swarm"), "{colored}");
}
