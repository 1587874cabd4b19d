//! What was read at which revision, in the order of the replay.

use crate::{
    bounds::tells,
    case::{Case, Op, Status, Step},
};

/// One answer to hold against the store.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probe {
    pub(super) operation: u32,
    /// It may be stale.
    pub(super) is_stale: bool,
}

/// All reads by the revision whose state they show. A read of the past is held against the store when the replay has
/// come to that past, where every look costs least.
#[derive(Debug)]
pub(super) struct Probes {
    sorted: Vec<Probe>,
    /// By revision from `first` on: where its probes begin; one more at the end.
    starts: Vec<usize>,
    first: u64,
}

impl Probes {
    /// Sorts the answers without an effect at the revisions `first..=newest`, by counting.
    pub(super) fn new(case: &Case, first: u64, newest: u64) -> Self {
        let revisions = usize::try_from(newest - first).expect("bounded by the history") + 1;
        let mut starts = vec![0; revisions + 2];
        let all = || all(case).filter(|(at, _)| (first..=newest).contains(at));
        let place = |at: u64| usize::try_from(at - first).expect("bounded by the history");
        all().for_each(|(at, _)| starts[place(at) + 2] += 1);
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut probes = vec![Probe::default(); starts[revisions + 1]];
        for (at, probe) in all() {
            let start = &mut starts[place(at) + 1];
            probes[*start] = probe;
            *start += 1;
        }
        Self { sorted: probes, starts, first }
    }

    /// Those of one revision.
    pub(super) fn at(&self, revision: u64) -> &[Probe] {
        let place = usize::try_from(revision - self.first).expect("bounded by the history");
        &self.sorted[self.starts[place]..self.starts[place + 1]]
    }
}

fn all(case: &Case) -> impl Iterator<Item = (u64, Probe)> {
    (0..).zip(&case.operations).filter_map(|(operation, op)| {
        let is_stale = op.is_serializable;
        let is_quiet = tells(case, operation) && !op.has_effect;
        let is_told = is_quiet || (is_stale && op.status == Status::Known);
        is_told.then_some((shown(op), Probe { operation, is_stale }))
    })
}

/// The revision whose state an answer shows.
pub(super) fn shown(op: &Op) -> u64 {
    if op.is_of_past
        && let Step::Range(range) = &*op.step
    {
        return range.past.min(op.revision);
    }
    op.revision
}
