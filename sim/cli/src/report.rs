//! The report of a failure as a page: what it takes to write one.

use crate::{artefacts, engine::Finished, exit::CliError};
use std::{io::Write, path::Path};
use whitewater_checkers::{Budget, Judgement, counterexample, grounds};
use whitewater_record::{History, Outcome, Plan, Row, SimTime, Trace, Violation};
use whitewater_reports::{
    Evidence, Page, Picture, Placement, Plays,
    page::{self, Anatomy, Minimised, Moments, Other},
    sentence,
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
    /// Another run to be shown beside it.
    pub(crate) other: Option<Other<'a>>,
    /// What it hangs on, if that was found out.
    pub(crate) anatomy: Option<&'a Anatomy>,
    /// Hashes instead of values.
    pub(crate) redact: bool,
}

impl Means<'_> {
    /// Writes the page of a run whose trace was kept.
    pub(crate) fn write(&self, file: &Path, finished: &Finished) -> Result<(), CliError> {
        write(file, &self.html(finished))
    }

    /// The page of a run whose trace was kept.
    pub(crate) fn html(&self, finished: &Finished) -> String {
        page::html(&self.page(finished, &evidence_of(finished)))
    }

    /// The moments that matter of a run whose trace was kept.
    pub(crate) fn moments(&self, finished: &Finished) -> Moments {
        page::moments(&self.page(finished, &evidence_of(finished)))
    }

    /// The story of a run whose trace was kept.
    pub(crate) fn story(&self, finished: &Finished) -> Vec<(u64, SimTime, String)> {
        page::storyline(&self.page(finished, &evidence_of(finished)))
    }

    /// Writes the page of a plan that gave two different runs: of one of them, and where the other one differs first.
    pub(crate) fn write_difference(
        &self,
        file: &Path,
        mut run: Finished,
        other: &Finished,
        difference: &str,
    ) -> Result<(), CliError> {
        let (rows, others) = (run.trace.rows(), other.trace.rows());
        let first = first_difference(rows, others);
        let row = first.and_then(|place| rows.get(place));
        let tell = |row: Option<&Row>| {
            let end = || "the end".to_owned();
            row.map_or_else(end, |row| sentence::sentence(row, &Picture::default(), self.plan))
        };
        let sentence = match first {
            Some(place) => {
                let (one, another) = (tell(row), tell(others.get(place)));
                format!("event {place} is \"{one}\" in one play and \"{another}\" in another")
            }
            None => format!("two plays that kept their events agree: {difference}"),
        };
        let violation = Violation {
            code: "nondeterminism".to_owned(),
            at: row.map(|row| row.at).unwrap_or_default(),
            event: first.map(|place| place as u64),
            node: None,
            sentence,
        };
        run.outcome.violations.insert(0, violation);
        self.write(file, &run)
    }

    /// Writes the page of a run of which only the outcome is known: its process died.
    pub(crate) fn write_outcome(&self, file: &Path, outcome: &Outcome) -> Result<(), CliError> {
        let (history, trace) = (History::default(), Trace::hashed());
        let found = (&history, &trace, &Evidence::default());
        write(file, &page::html(&self.of(outcome, found)))
    }

    fn page<'a>(&'a self, finished: &'a Finished, evidence: &'a Evidence) -> Page<'a> {
        let Finished { outcome, history, trace, .. } = finished;
        self.of(outcome, (history, trace, evidence))
    }

    fn of<'a>(
        &'a self,
        outcome: &'a Outcome,
        (history, trace, evidence): (&'a History, &'a Trace, &'a Evidence),
    ) -> Page<'a> {
        let Self { plan, repro, plays, shrunk, other, anatomy, redact } = *self;
        let plan = Some(plan);
        let plain = None;
        Page {
            outcome,
            plan,
            history,
            plain,
            trace,
            evidence,
            repro,
            plays,
            shrunk,
            other,
            anatomy,
            redact,
        }
    }
}

/// Why the history of a run is wrong, if it was a judge of histories that objected.
fn evidence_of(finished: &Finished) -> Evidence {
    let first = finished.outcome.violations.first();
    let objector = first.filter(|it| it.event.is_none()).map(|it| it.code.as_str());
    evidence(&finished.history, &finished.judgements, objector)
}

/// The place of the first event that is not the same in both.
fn first_difference(one: &[Row], other: &[Row]) -> Option<usize> {
    let place = one.iter().zip(other).position(|(one, other)| one != other);
    place.or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())))
}

/// Writes a page.
pub(crate) fn write(file: &Path, html: &str) -> Result<(), CliError> {
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
    let grounds = judge.and_then(|judge| grounds::find(history, judge, &Budget::default()));
    if let Some(grounds) = grounds {
        evidence.core = grounds.operations.iter().map(|ground| ground.position).collect();
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::RowKind;

    #[test]
    fn the_first_difference_is_found_also_at_the_end_of_the_shorter_one() {
        let row = |at| Row::new(SimTime(at), RowKind::Timer, 1, None, &[]);
        let (one, other) = ([row(1), row(2), row(3)], [row(1), row(4), row(3)]);
        assert_eq!(first_difference(&one, &other), Some(1));
        assert_eq!(first_difference(&one, &one[..2]), Some(2));
        assert_eq!(first_difference(&one, &one), None);
    }
}
