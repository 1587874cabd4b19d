//! Of a plan that fails, the nearest one that passes: what both have in common is not what it takes to fail.

use crate::{engine, exit::CliError};
use whitewater_record::{Plan, Trace, Verdict};
use whitewater_reports::{diff::Side, page::Other};
use whitewater_shrink::{Removal, removals};

/// A plan that passes, and what happens in it.
pub(crate) struct Neighbour {
    /// What it lacks.
    pub(crate) name: String,
    /// The plan.
    pub(crate) plan: Plan,
    /// Its events.
    pub(crate) trace: Trace,
}

impl Neighbour {
    /// Plays neighbours until one passes, and `tries` of them at most.
    pub(crate) fn nearest(plan: &Plan, tries: usize) -> Result<Option<Self>, CliError> {
        let plans = neighbours(plan).filter(|(_, plan)| plan.check().is_ok());
        for (name, plan) in plans.take(tries) {
            let finished = engine::run(&plan, true, None)?;
            if finished.outcome.verdict == Verdict::Passed {
                return Ok(Some(Self { name, plan, trace: finished.trace }));
            }
        }
        Ok(None)
    }

    /// As the page of a failure takes it.
    pub(crate) fn other(&self) -> Other<'_> {
        let side = Side { rows: self.trace.rows(), plan: &self.plan };
        Other { name: &self.name, side }
    }
}

/// Plans that lack one thing, the nearest first: the deliberate bugs, then each item in the shrinker's order.
fn neighbours(plan: &Plan) -> impl Iterator<Item = (String, Plan)> {
    let clean = (!plan.mutations.is_empty()).then(|| {
        let clean = Plan { mutations: Vec::new(), ..plan.clone() };
        (format!("without {}", plan.mutations.join(", ")), clean)
    });
    let lesser = removals(plan).flat_map(|Removal { item, plans }| {
        plans.into_iter().map(move |less| (format!("without {item}"), less))
    });
    clean.into_iter().chain(lesser)
}
