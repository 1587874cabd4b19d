//! Campaigns for the tests of their forms.

use crate::{Campaign, CampaignResult, Failure};
use std::collections::BTreeMap;
use whitewater_api::NodeId;
use whitewater_record::{Checked, FaultCount, Outcome, Seed, SimTime, Span, Verdict, Violation};

/// A run with something of everything.
pub(crate) fn outcome(seed: u64, verdict: Verdict) -> Outcome {
    let violation = Violation {
        code: "election-safety".into(),
        at: SimTime(3_318_000_000),
        event: Some(15_204),
        node: Some(NodeId(2)),
        sentence: "n1 and n2 both lead term 9".into(),
    };
    Outcome {
        scenario: "swarm".into(),
        seed: Seed(seed),
        verdict,
        violations: if verdict == Verdict::Failed { vec![violation] } else { Vec::new() },
        doubts: Vec::new(),
        trace_hash: seed,
        events: 40_201,
        simulated: Span::seconds(60),
        operations: [580, 12, 21],
        messages: 12_345,
        faults: BTreeMap::from([(
            "crash".to_owned(),
            FaultCount { requested: 3, applied: 3, witnessed: 2 },
        )]),
        checks: BTreeMap::from([(
            "election-safety".to_owned(),
            Checked { evaluations: 40_201, discriminating: 77 },
        )]),
        sometimes: BTreeMap::from([("leader crashed".to_owned(), 1)]),
        victims: BTreeMap::new(),
        coverage: whitewater_record::Coverage::default(),
    }
}

fn campaign(fails: impl Fn(u64) -> bool) -> CampaignResult {
    let mut result = CampaignResult::new(Campaign {
        scenario: "swarm".into(),
        first_seed: Seed(1),
        seeds_asked: Some(20),
        ..Campaign::default()
    });
    for seed in 1..=20 {
        let verdict = if fails(seed) { Verdict::Failed } else { Verdict::Passed };
        let outcome = outcome(seed, verdict);
        if result.add(&outcome) {
            let repro = format!("whitewater replay reports/out/swarm-{seed}/plan.toml");
            let folder = Some(format!("reports/out/swarm-{seed}"));
            result.failures.extend(Failure::of(&outcome, folder, repro));
        }
    }
    result.effort.add(4_000_000, 80 << 20);
    result.effort.wall_us = 2_100_000;
    result.effort.workers = 2;
    result
}

/// Twenty seeds, all of which pass.
pub(crate) fn passed() -> CampaignResult {
    campaign(|_| false)
}

/// Twenty seeds, of which 7 and 8 fail in the same way.
pub(crate) fn failed() -> CampaignResult {
    campaign(|seed| seed == 7 || seed == 8)
}
