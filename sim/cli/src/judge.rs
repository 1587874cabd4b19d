//! The final verdict: what the world saw inside the run, and what the judges say about the history.

use whitewater_checkers::{Judgement, Ruling};
use whitewater_record::{Outcome, Verdict};

/// Counts the runs that only the judge by revisions could decide.
const NOT_CROSS_CHECKED: &str = "linearizability not cross-checked: black box out of budget";

/// The outcome of the world with the judges' word added. A broken promise fails the run; what could not be decided
/// leaves a run inconclusive that would have passed; nothing that a judge says makes a verdict better.
///
/// Two judges decide linearizability. The one by revisions is exact wherever it rules at all, so where it holds and the
/// black box ran out of its budget the run is decided; that it was not cross-checked is counted.
pub(crate) fn verdict(mut outcome: Outcome, judgements: &[Judgement]) -> Outcome {
    let is_decided = judgements
        .iter()
        .any(|judgement| judgement.judge == "revision-order" && judgement.ruling == Ruling::Holds);
    for judgement in judgements {
        match &judgement.ruling {
            Ruling::Holds | Ruling::Broken(_) => {}
            Ruling::Undecided(_) if is_decided && judgement.judge == "linearizable" => {
                *outcome.sometimes.entry(NOT_CROSS_CHECKED.to_owned()).or_default() += 1;
                continue;
            }
            Ruling::Undecided(reason) => {
                outcome.doubts.push(format!("{}: {reason}", judgement.judge));
            }
            // It had nothing to say, so it does not count as a check of this run.
            Ruling::NotApplicable(_) | Ruling::Withheld(_) => continue,
        }
        outcome.violations.extend(judgement.violation());
        let sum = outcome.checks.entry(judgement.judge.to_owned()).or_default();
        sum.evaluations += judgement.checked.evaluations;
        sum.discriminating += judgement.checked.discriminating;
    }
    // Stable: of two at the same moment, the one inside the run is the cause of the one that a client sees.
    outcome.violations.sort_by_key(|violation| violation.at);
    outcome.verdict = if !outcome.violations.is_empty() {
        Verdict::Failed
    } else if outcome.doubts.is_empty() {
        outcome.verdict
    } else {
        outcome.verdict.max(Verdict::Inconclusive)
    };
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_checkers::Anomaly;
    use whitewater_record::{Checked, Seed, SimTime, Span};

    fn judged(ruling: Ruling) -> Outcome {
        let outcome = Outcome {
            scenario: "swarm".into(),
            seed: Seed(1),
            verdict: Verdict::Passed,
            violations: Vec::new(),
            doubts: Vec::new(),
            trace_hash: 0,
            events: 0,
            simulated: Span(0),
            operations: [0; 3],
            messages: 0,
            faults: std::collections::BTreeMap::new(),
            checks: std::collections::BTreeMap::new(),
            sometimes: std::collections::BTreeMap::new(),
            victims: std::collections::BTreeMap::new(),
            coverage: whitewater_record::Coverage::default(),
        };
        let checked = Checked { evaluations: 3, discriminating: 2 };
        verdict(outcome, &[Judgement { judge: "linearizable", ruling, checked }])
    }

    #[test]
    fn only_a_judge_that_holds_leaves_a_pass_a_pass() {
        let holds = judged(Ruling::Holds);
        assert_eq!(holds.verdict, Verdict::Passed);
        assert_eq!(holds.checks["linearizable"].evaluations, 3);
        let undecided = judged(Ruling::Undecided("the budget is spent".into()));
        assert_eq!(undecided.verdict, Verdict::Inconclusive);
        assert_eq!(undecided.doubts, ["linearizable: the budget is spent"]);
        let sentence = "p3 read v1".to_owned();
        let anomaly = Anomaly::new("stale-read", sentence, vec![4], SimTime(9));
        let broken = judged(Ruling::Broken(anomaly));
        assert_eq!(broken.verdict, Verdict::Failed);
        assert_eq!(broken.violations[0].code, "linearizable");
    }

    #[test]
    fn a_judge_without_a_case_is_not_counted_as_a_check() {
        let outcome = judged(Ruling::NotApplicable("no leases".into()));
        assert_eq!(outcome.verdict, Verdict::Passed);
        assert!(outcome.checks.is_empty());
    }
}
