//! The sums over the seeds of a campaign.

use crate::coverage::States;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use whitewater_record::{Checked, FaultCount, Mixer, Outcome, Seed, Signature, Verdict};

/// So many doubts are kept in words; all are counted.
pub const DOUBTS_MAX: usize = 5;

/// Sums over seeds. Of a seed itself nothing is kept but its first doubt, so that memory does not grow with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Seeds that were run.
    pub seeds: u64,
    /// Those that passed.
    pub passed: u64,
    /// Those that could not be decided.
    pub inconclusive: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those in which no fault was seen to matter, though there were some.
    #[serde(default)]
    pub idle: u64,
    /// Simulated nanoseconds.
    pub simulated_ns: u64,
    /// Client operations that ended ok, failed, and with an unknown outcome.
    pub operations: [u64; 3],
    /// Messages between nodes.
    pub messages: u64,
    /// Events of all traces.
    pub events: u64,
    /// By kind of fault.
    pub faults: BTreeMap<String, FaultCount>,
    /// By kind of fault and role of the victim.
    #[serde(default)]
    pub victims: BTreeMap<String, BTreeMap<String, FaultCount>>,
    /// Abstract states of the cluster that were reached.
    #[serde(default)]
    pub coverage: States,
    /// By check.
    pub checks: BTreeMap<String, Checked>,
    /// Rare states that were reached, and how often.
    pub sometimes: BTreeMap<String, u64>,
    /// In how many seeds each of these states was reached.
    pub reached: BTreeMap<String, u64>,
    /// Failed seeds by the code of the promise that was broken first.
    pub codes: BTreeMap<String, u64>,
    /// Failed seeds by signature: what they have in common, whatever the nodes and the numbers.
    pub signatures: BTreeMap<String, u64>,
    /// The first doubts, with their seeds.
    pub doubts: Vec<(Seed, String)>,
    /// A hash over the trace hashes of all seeds, in their order.
    pub digest: String,
    #[serde(skip)]
    pub(crate) mixer: Mixer,
}

impl Totals {
    /// Counts one more seed. Returns whether it failed with a signature that was not seen before.
    pub fn add(&mut self, outcome: &Outcome) -> bool {
        self.seeds += 1;
        match outcome.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Inconclusive => self.inconclusive += 1,
            Verdict::Failed => self.failed += 1,
        }
        self.idle += u64::from(outcome.is_idle());
        self.simulated_ns = self.simulated_ns.saturating_add(outcome.simulated.0);
        for (sum, n) in self.operations.iter_mut().zip(outcome.operations) {
            *sum += n;
        }
        self.messages += outcome.messages;
        self.events += outcome.events;
        for (kind, count) in &outcome.faults {
            self.faults.entry(kind.clone()).or_default().add(*count);
        }
        for (kind, roles) in &outcome.victims {
            let sums = self.victims.entry(kind.clone()).or_default();
            for (role, count) in roles {
                sums.entry(role.clone()).or_default().add(*count);
            }
        }
        self.coverage.add(&outcome.coverage);
        for (check, checked) in &outcome.checks {
            let sum = self.checks.entry(check.clone()).or_default();
            sum.evaluations += checked.evaluations;
            sum.discriminating += checked.discriminating;
        }
        for (state, n) in &outcome.sometimes {
            *self.sometimes.entry(state.clone()).or_default() += n;
            *self.reached.entry(state.clone()).or_default() += u64::from(*n > 0);
        }
        if let (Verdict::Inconclusive, Some(doubt)) = (outcome.verdict, outcome.doubts.first())
            && self.doubts.len() < DOUBTS_MAX
        {
            self.doubts.push((outcome.seed, doubt.clone()));
        }
        self.mixer.add(outcome.trace_hash);
        self.digest = format!("{:016x}", self.mixer.finish());
        self.add_signature(outcome)
    }

    fn add_signature(&mut self, outcome: &Outcome) -> bool {
        if outcome.verdict != Verdict::Failed {
            return false;
        }
        let code = outcome.violations.first().map_or("unnamed", |violation| &violation.code);
        *self.codes.entry(code.to_owned()).or_default() += 1;
        let signature = Signature::of(outcome);
        let signature = signature.map_or_else(|| "unnamed".to_owned(), |it| it.to_string());
        let seen = self.signatures.entry(signature).or_default();
        *seen += 1;
        *seen == 1
    }
}
