//! What is said about a history: the verdict in one line, then each judge.

use super::judging::is_decided;
use crate::{
    args::Model,
    artefacts,
    console::Console,
    exit::{CliError, Exit},
    report,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use whitewater_checkers::{
    Budget, Judgement, Ruling,
    counterexample::Counterexample,
    grounds::{self, Grounds},
    plain::counterexample::{self, PlainCounterexample},
};
use whitewater_record::{
    self as record, Checked, Format, History, Outcome, Recorded, Seed, Span, Trace,
};
use whitewater_reports::{Evidence, Page, Plays, number::count, page};

/// Operations of an anomaly that are printed.
const EVIDENCE_MAX: usize = 20;

/// A history that was judged.
pub(super) struct Verdict<'a> {
    pub(super) name: &'a str,
    pub(super) format: Format,
    pub(super) model: Model,
    pub(super) operations: usize,
    /// None, if it was not kept.
    pub(super) recorded: Option<&'a Recorded>,
    pub(super) judgements: Vec<Judgement>,
}

/// A judgement for machines.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    format: &'a str,
    model: &'a str,
    operations: usize,
    judge: &'a str,
    ruling: &'a Ruling,
    checked: Checked,
    /// Of the operations of the anomaly, or of the ends of the window, the lines of the file that invoked them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<usize>,
    /// Why, in as few operations as it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    counterexample: Option<Explanation>,
    /// What the objection of a judge of watches, mirrors, leases or locks rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    grounds: Option<Grounds>,
}

/// Why a history is wrong, in as few operations as it takes.
#[derive(Serialize)]
#[serde(untagged)]
enum Explanation {
    Plain(PlainCounterexample),
    Etcd(Counterexample),
}

/// What stands beside a judgement that is an objection.
#[derive(Default)]
struct Reasons {
    counterexample: Option<Explanation>,
    grounds: Option<Grounds>,
}

impl Verdict<'_> {
    /// Prints it, and says how the command ends with it.
    pub(super) fn print(&self, console: Console) -> Result<Exit, CliError> {
        let exit = self.exit();
        if console.json {
            // It stands beside the first objection.
            let mut explanation = self.explanation();
            for judgement in &self.judgements {
                let is_broken = judgement.ruling.anomaly().is_some();
                let counterexample = if is_broken { explanation.take() } else { None };
                let grounds = self.grounds(judgement);
                console.line(&self.json(judgement, Reasons { counterexample, grounds })?)?;
            }
            return Ok(exit);
        }
        let word = match exit {
            Exit::Ok => "PASS",
            Exit::Violated => "FAIL",
            Exit::NothingRan => "EMPTY",
            Exit::Inconclusive
            | Exit::Usage
            | Exit::Nondeterminism
            | Exit::GateFailed
            | Exit::Internal
            | Exit::Interrupted => "INCONCLUSIVE",
        };
        let Self { name, format, model, .. } = self;
        let operations = count(self.operations as u64, "operation");
        console.line(&format!("{word} {name}: {operations} ({format}, {})", model.name()))?;
        for judgement in &self.judgements {
            console.line(&self.text(judgement))?;
            if let Some(grounds) = self.grounds(judgement) {
                console.line(&indented(&grounds.to_string(), "    "))?;
            }
        }
        let explanation = match self.explanation() {
            Some(Explanation::Plain(explanation)) => explanation.to_string(),
            Some(Explanation::Etcd(explanation)) => explanation.to_string(),
            None => return Ok(exit),
        };
        console.line(&indented(&explanation, "  "))?;
        Ok(exit)
    }

    /// Writes what is wrong as a page.
    pub(super) fn report(&self, file: &Path, redact: bool) -> Result<(), CliError> {
        let outcome = self.outcome();
        let objector = outcome.violations.first().map(|it| it.code.as_str());
        let (nothing, trace) = (History::default(), Trace::hashed());
        let (history, plain, evidence) = match self.recorded {
            None => (&nothing, None, Evidence::default()),
            Some(Recorded::Etcd(history)) => {
                (history, None, report::evidence(history, &self.judgements, objector))
            }
            Some(Recorded::Plain(history)) => {
                let anomaly = self.judgements.iter().find_map(|it| it.ruling.anomaly());
                let operations = anomaly.map(|it| it.operations.clone()).unwrap_or_default();
                (&nothing, Some(history), Evidence { operations, ..Evidence::default() })
            }
        };
        let page = Page {
            outcome: &outcome,
            plan: None,
            history,
            plain,
            trace: &trace,
            evidence: &evidence,
            repro: &format!(
                "{} check {}",
                artefacts::called(),
                artefacts::quoted(Path::new(self.name))
            ),
            plays: Plays::default(),
            shrunk: None,
            other: None,
            anatomy: None,
            redact,
        };
        report::write(file, &page::html(&page))
    }

    /// The judgements as those of a run.
    fn outcome(&self) -> Outcome {
        let undecided = |judgement: &Judgement| match &judgement.ruling {
            Ruling::Undecided(reason) => Some(format!("{}: {reason}", judgement.judge)),
            Ruling::Holds | Ruling::Broken(_) | Ruling::NotApplicable(_) | Ruling::Withheld(_) => {
                None
            }
        };
        let checks = self.judgements.iter().map(|it| (it.judge.to_owned(), it.checked));
        Outcome {
            scenario: self.name.to_owned(),
            seed: Seed(0),
            verdict: record::Verdict::Failed,
            violations: self.judgements.iter().filter_map(Judgement::violation).collect(),
            doubts: self.judgements.iter().filter_map(undecided).collect(),
            trace_hash: 0,
            events: 0,
            simulated: Span(0),
            operations: [self.operations as u64, 0, 0],
            messages: 0,
            faults: BTreeMap::new(),
            checks: checks.collect(),
            sometimes: BTreeMap::new(),
            victims: BTreeMap::new(),
            coverage: whitewater_record::Coverage::default(),
        }
    }

    /// Of what the judges of linearizability object to.
    fn explanation(&self) -> Option<Explanation> {
        let budget = Budget::default();
        match self.recorded? {
            Recorded::Plain(history) => {
                let anomaly = self.judgements.iter().find_map(|it| it.ruling.anomaly())?;
                counterexample::find(history, anomaly, &budget).map(Explanation::Plain)
            }
            Recorded::Etcd(history) => {
                self.judgements.iter().find_map(|it| it.ruling.anomaly())?;
                whitewater_checkers::counterexample::find(history, &budget).map(Explanation::Etcd)
            }
        }
    }

    /// Of what a judge of watches, mirrors, leases or locks objects to.
    fn grounds(&self, judgement: &Judgement) -> Option<Grounds> {
        match self.recorded? {
            Recorded::Plain(_) => None,
            Recorded::Etcd(history) => grounds::find(history, judgement, &Budget::default()),
        }
    }

    fn exit(&self) -> Exit {
        let any = |is: fn(&Ruling) -> bool| self.judgements.iter().any(|judged| is(&judged.ruling));
        if self.operations == 0 {
            Exit::NothingRan
        } else if any(|ruling| matches!(ruling, Ruling::Broken(_))) {
            Exit::Violated
        } else if is_decided(&self.judgements) && any(|ruling| matches!(ruling, Ruling::Holds)) {
            Exit::Ok
        } else {
            Exit::Inconclusive
        }
    }

    fn json(&self, judgement: &Judgement, reasons: Reasons) -> Result<String, CliError> {
        let Judgement { judge, ruling, checked } = judgement;
        let line = Line {
            file: self.name,
            format: self.format.name(),
            model: self.model.name(),
            operations: self.operations,
            judge,
            ruling,
            checked: *checked,
            lines: distinct(&evidence(ruling))
                .into_iter()
                .filter_map(|place| self.line(place))
                .collect(),
            counterexample: reasons.counterexample,
            grounds: reasons.grounds,
        };
        serde_json::to_string(&line)
            .map_err(|error| CliError::Internal(format!("a judgement has no JSON form: {error}")))
    }

    fn text(&self, judgement: &Judgement) -> String {
        let Judgement { judge, ruling, checked } = judgement;
        match ruling {
            Ruling::Holds => {
                let (n, d) = (checked.evaluations, checked.discriminating);
                format!("  {judge}: holds ({n} evaluations, {d} discriminating)")
            }
            Ruling::Broken(anomaly) => {
                let evidence = distinct(&anomaly.operations);
                let mut lines =
                    vec![format!("  {judge}: broken, {}: {}", anomaly.code, anomaly.sentence)];
                let shown = evidence.iter().take(EVIDENCE_MAX);
                lines.extend(shown.map(|position| format!("    {}", self.evidence(*position))));
                lines
                    .extend(anomaly.rows.iter().map(|row| format!("    row {row} of the watches")));
                if let Some(more @ 1..) = evidence.len().checked_sub(EVIDENCE_MAX) {
                    lines.push(format!("    and {}", count(more as u64, "operation")));
                }
                lines.join("\n")
            }
            Ruling::Undecided(doubt) => {
                let mut lines = vec![format!("  {judge}: undecided: {doubt}")];
                let ends = distinct(&evidence(ruling));
                lines.extend(
                    ends.iter().map(|position| format!("    {}", self.evidence(*position))),
                );
                lines.join("\n")
            }
            Ruling::NotApplicable(reason) => format!("  {judge}: not applicable: {reason}"),
            Ruling::Withheld(reason) => format!("  {judge}: withheld: {reason}"),
        }
    }

    /// An operation, with its place in the file if that is known.
    fn evidence(&self, position: usize) -> String {
        let told = self.recorded.and_then(|recorded| match recorded {
            Recorded::Plain(history) => {
                let operation = history.operations.get(position)?;
                Some(format!("{}:{}: {operation}", self.name, operation.line))
            }
            Recorded::Etcd(history) => {
                let operation = history.operations.get(position)?;
                Some(format!("operation {position}: {} {}", operation.id, operation.request))
            }
        });
        told.unwrap_or_else(|| format!("operation {position}"))
    }

    fn line(&self, position: usize) -> Option<usize> {
        match self.recorded? {
            Recorded::Plain(history) => history.operations.get(position).map(|told| told.line),
            Recorded::Etcd(_) => None,
        }
    }
}

/// Positions of the operations that are named: what an objection rests on, or where a window begins and ends.
fn evidence(ruling: &Ruling) -> Vec<usize> {
    match ruling {
        Ruling::Broken(anomaly) => anomaly.operations.clone(),
        Ruling::Undecided(doubt) => {
            doubt.window.iter().flat_map(|window| [window.first, window.last]).collect()
        }
        Ruling::Holds | Ruling::NotApplicable(_) | Ruling::Withheld(_) => Vec::new(),
    }
}

fn indented(text: &str, by: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| format!("{by}{line}")).collect();
    lines.join("\n").trim_end().to_owned()
}

/// In the same order, each once.
fn distinct(positions: &[usize]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    positions.iter().copied().filter(|position| seen.insert(*position)).collect()
}
