//! The report of a failure as a page: what it takes to write one.

use crate::{artefacts, engine::Finished, exit::CliError};
use std::{io::Write, path::Path};
use whitewater_checkers::{Budget, Judgement, counterexample};
use whitewater_record::{History, Outcome, Plan, Trace};
use whitewater_reports::{
    Evidence, Page, Placement, Plays,
    page::{self, Minimised},
};

/// What is said of a run beside what came out of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Means<'a> {
    /// What was played.
    pub(crate) plan: &'a Plan,
    /// The line that plays it again.
    pub(crate) repro: &'a str,
    /// How often it was played.
    pub(crate) plays: Plays,
    /// What it is left of, if it was shrunk.
    pub(crate) shrunk: Option<Minimised<'a>>,
    /// Hashes instead of values.
    pub(crate) redact: bool,
}

impl Means<'_> {
    /// Writes the page of a run whose trace was kept.
    pub(crate) fn write(&self, file: &Path, finished: &Finished) -> Result<(), CliError> {
        let Finished { outcome, history, trace, judgements, .. } = finished;
        let first = outcome.violations.first();
        let objector = first.filter(|it| it.event.is_none()).map(|it| it.code.as_str());
        let evidence = evidence(history, judgements, objector);
        self.page(file, outcome, history, (trace, &evidence))
    }

    /// Writes the page of a run of which only the outcome is known: its process died.
    pub(crate) fn write_outcome(&self, file: &Path, outcome: &Outcome) -> Result<(), CliError> {
        let (history, trace) = (History::default(), Trace::hashed());
        self.page(file, outcome, &history, (&trace, &Evidence::default()))
    }

    fn page(
        &self,
        file: &Path,
        outcome: &Outcome,
        history: &History,
        (trace, evidence): (&Trace, &Evidence),
    ) -> Result<(), CliError> {
        let Self { plan, repro, plays, shrunk, redact } = *self;
        let plan = Some(plan);
        let page = Page {
            outcome,
            plan,
            history,
            plain: None,
            trace,
            evidence,
            repro,
            plays,
            shrunk,
            redact,
        };
        write(file, &page)
    }
}

/// Writes a page.
pub(crate) fn write(file: &Path, page: &Page<'_>) -> Result<(), CliError> {
    let html = page::html(page);
    artefacts::write(file, |out| out.write_all(html.as_bytes()))
}

/// What the judge that objected has to show; and where the judges by revisions object too, why every place for the
/// operation is forbidden.
pub(crate) fn evidence(
    history: &History,
    judgements: &[Judgement],
    objector: Option<&str>,
) -> Evidence {
    let Some(objector) = objector else { return Evidence::default() };
    let judge = judgements.iter().find(|judgement| judgement.judge == objector);
    let Some(anomaly) = judge.and_then(|judge| judge.ruling.anomaly()) else {
        return Evidence::default();
    };
    let mut evidence = Evidence { operations: anomaly.operations.clone(), ..Evidence::default() };
    let is_of_order = ["linearizable", "revision-order", "serializable"].contains(&objector);
    if let Some(found) =
        is_of_order.then(|| counterexample::find(history, &Budget::default())).flatten()
    {
        evidence.core = found.core.iter().map(|operation| operation.position).collect();
        evidence.unplaced = found.unplaced;
        evidence.placements = found
            .placements
            .into_iter()
            .map(|it| Placement {
                after: it.after.map_or(0, |revision| revision.0),
                before: it.before.map_or(0, |revision| revision.0),
                forbidden: it.forbidden,
            })
            .collect();
    }
    evidence
}
