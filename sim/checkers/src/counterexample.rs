//! Why a history is wrong, in as few operations as it takes.
//!
//! ```text
//!  history --judge--> anomaly --cone--> the operations that it hangs on --project, judge, minimize--> a core
//!     `--longest legal prefix            core --placement--> for every place of the operation, what forbids it
//! ```
//!
//! A part of a history is a history: revisions are numbered anew, and versions and creations, which count what was left
//! out, are not recorded in it, unless they are what is wrong. So that leaving something out breaks nothing that was
//! right, an operation stays only together with those that it saw ([`cone`]), and a write leaves only together with its
//! observers. Open [`find`] first.

mod cone;
mod placement;
mod project;

use self::{cone::Cone, project::Projection};
use crate::{
    by_revisions,
    case::{Case, Status, Step},
    epochs,
    limits::{Budget, CHECKED_MAX, SEARCHED_MAX},
    linearizable,
    minimize::{Reduced, minimize},
    one_by_one,
    ruling::{Anomaly, Ruling},
    timeline::Timeline,
    writers::Writers,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use whitewater_api::{Completion, Error, RequestId, Revision};
use whitewater_record::{History, Operation, SimTime};

/// A part of a history that cannot be, and from which nothing can be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// What the judge objected to in the whole history.
    pub anomaly: Anomaly,
    /// The part, in the order of invocation.
    pub core: Vec<CoreOperation>,
    /// Whether leaving out any of the part, and all that saw it, was tried and made the rest legal.
    pub is_minimal: bool,
    /// Completions, in the order of time, up to which the whole history is legal: one more, and it is not.
    pub legal_completions: usize,
    /// When the next one came.
    pub legal_until: SimTime,
    /// The operation of the part that cannot be placed: its position in the whole history.
    pub unplaced: Option<usize>,
    /// All places for it among the writes of the part, in order, and what forbids each.
    pub placements: Vec<Placement>,
    /// How often a part was judged.
    pub checks: u64,
}

/// One operation of the part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreOperation {
    /// Its position in the whole history.
    pub position: usize,
    /// Its name.
    pub id: RequestId,
    /// The revision that it made, as far as anybody tells.
    pub made: Option<Revision>,
    /// What it asked, when, and what it was told.
    pub text: String,
}

/// A place between two revisions that an operation cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Behind the write that made this revision; none, before all writes of the part.
    pub after: Option<Revision>,
    /// Before the write that made this one.
    pub before: Option<Revision>,
    /// Why not.
    pub forbidden: String,
}

/// Explains what the judges by revisions object to, or else the black box; none if they do not object.
#[must_use]
pub fn find(history: &History, budget: &Budget) -> Option<Counterexample> {
    if history.epochs.is_empty() {
        return find_in(history, budget);
    }
    // The epoch that the judges object to first. What it begins with counts like what was asked in it.
    epochs::parts(history).iter().find_map(|part| {
        let mut found = find_in(&part.history, budget)?;
        part.place(&mut found.anomaly);
        let place = |place: usize| part.operation(place);
        // What nobody asked, the backup says: the bytes of its hash and how far it was compacted.
        found.core.retain_mut(|it| match place(it.position) {
            Some(position) => {
                it.position = position;
                true
            }
            None => false,
        });
        found.unplaced = found.unplaced.and_then(place);
        let is_before = |op: &&Operation| op.completed < found.legal_until;
        found.legal_completions = history.operations.iter().filter(is_before).count();
        Some(found)
    })
}

fn find_in(history: &History, budget: &Budget) -> Option<Counterexample> {
    let case = Case::new(history);
    let writers = Writers::new(&case);
    let timeline = Timeline::new(&case, &writers, budget);
    let [white, serializable] = by_revisions(&case, timeline.as_ref(), false);
    let (who, anomaly) = match (white.ruling, serializable.ruling) {
        (Ruling::Broken(anomaly), _) => (Who::Revisions, anomaly),
        (_, Ruling::Broken(anomaly)) => (Who::Serializable, anomaly),
        // An order that was replayed needs no search.
        (Ruling::Holds, _) => return None,
        (_, _) => (Who::Search, Who::Search.objection(history, budget)?),
    };
    let mut search = Search { history, budget, who, checks: 0 };
    let (cone, minimal) = search.core(&case, &writers, &anomaly);
    let last = minimal.elements.iter().filter_map(|op| search.completion_rank(*op)).max();
    let legal = search.legal_prefix(last);
    let projection = Projection::new(history, &cone, &minimal.elements);
    let unplaced =
        search.anomaly(&projection).and_then(|anomaly| anomaly.operations.first().copied());
    let placements = unplaced.map(|place| placement::all(&projection, place));
    let core = minimal.elements.iter().map(|position| CoreOperation {
        position: *position,
        id: history.operations[*position].id,
        made: cone.made(*position).map(Revision),
        text: describe(&case, *position),
    });
    Some(Counterexample {
        anomaly,
        core: core.collect(),
        is_minimal: minimal.is_minimal,
        legal_completions: legal.0,
        legal_until: legal.1,
        unplaced: unplaced.map(|place| minimal.elements[place]),
        placements: placements.unwrap_or_default(),
        checks: search.checks,
    })
}

/// Who objects.
#[derive(Clone, Copy)]
enum Who {
    /// The judge by revisions.
    Revisions,
    /// The judge of serializable reads.
    Serializable,
    /// The black box, where the revisions leave open what it has found to be wrong.
    Search,
}

impl Who {
    fn objection(self, history: &History, budget: &Budget) -> Option<Anomaly> {
        let case = Case::new(history);
        let writers = Writers::new(&case);
        let ruling = if let Self::Search = self {
            linearizable::judge(&case, &writers, budget, None, &one_by_one).judgement.ruling
        } else {
            let timeline = Timeline::new(&case, &writers, budget);
            let [white, serializable] = by_revisions(&case, timeline.as_ref(), false);
            if let Self::Revisions = self { white.ruling } else { serializable.ruling }
        };
        ruling.anomaly().cloned()
    }

    /// How many operations may be judged, in all parts together: a search takes longer.
    const fn checked_max(self) -> u64 {
        match self {
            Self::Revisions | Self::Serializable => CHECKED_MAX,
            Self::Search => SEARCHED_MAX,
        }
    }
}

struct Search<'h> {
    history: &'h History,
    budget: &'h Budget,
    who: Who,
    checks: u64,
}

impl Search<'_> {
    /// The part that fails, and what hangs together.
    fn core<'a, 'h>(
        &mut self,
        case: &'a Case<'h>,
        writers: &Writers,
        anomaly: &Anomaly,
    ) -> (Cone<'a, 'h>, Reduced) {
        let all: Vec<usize> = (0..self.history.operations.len()).collect();
        for keeps_versions in [false, true] {
            let mut cone = Cone::new(case, writers, keeps_versions);
            let near = cone.close(&anomaly.operations);
            let seeds = anomaly.operations.iter().chain(&near).copied();
            let told = seeds.filter_map(|op| cone.writer(case.operations[op].revision));
            let far: Vec<usize> = near.iter().copied().chain(told).collect();
            let far = cone.close(&far);
            for start in [near, far, all.clone()] {
                if !cone.allows(&start) || !self.fails(&cone, &start) {
                    continue;
                }
                let checks_max = self.who.checked_max() / (start.len() as u64 + 1);
                let mut needs = cone.clone();
                let minimal = minimize(
                    &start,
                    checks_max,
                    |op| needs.needs(op),
                    |part| self.fails(&cone, part),
                );
                return (cone, minimal);
            }
        }
        // What is wrong can only be seen in the whole, such as a revision that nobody can have made.
        let mut elements = anomaly.operations.clone();
        elements.sort_unstable();
        elements.dedup();
        (Cone::new(case, writers, true), Reduced { elements, checks: 0, is_minimal: false })
    }

    fn fails(&mut self, cone: &Cone, part: &[usize]) -> bool {
        self.anomaly(&Projection::new(self.history, cone, part)).is_some()
    }

    fn anomaly(&mut self, projection: &Projection) -> Option<Anomaly> {
        self.judge(&projection.history)
    }

    fn judge(&mut self, history: &History) -> Option<Anomaly> {
        self.checks += 1;
        self.who.objection(history, self.budget)
    }

    /// How many completions come before that of an operation.
    fn completion_rank(&self, operation: usize) -> Option<usize> {
        let operations = &self.history.operations;
        let of = |op: usize| (operations[op].completed, op);
        if matches!(operations[operation].completion, Completion::Info(_)) {
            return None;
        }
        Some((0..operations.len()).filter(|other| of(*other) < of(operation)).count())
    }

    /// The most completions with which the history is legal, and when the next one comes. A history that is legal is so
    /// after each of its completions, so halving finds it; the part tells where to look first.
    fn legal_prefix(&mut self, last: Option<usize>) -> (usize, SimTime) {
        let mut order: Vec<(SimTime, usize)> =
            (0..).zip(&self.history.operations).map(|(i, op)| (op.completed, i)).collect();
        order.sort_unstable();
        let (mut legal, mut illegal) = (0, last.map_or(order.len(), |last| last + 1));
        let mut probe = illegal.saturating_sub(1);
        while legal + 1 < illegal {
            if self.judge(&self.prefix(&order, probe)).is_none() {
                legal = probe;
            } else {
                illegal = probe;
            }
            probe = usize::midpoint(legal, illegal);
        }
        let until = order.get(legal).map_or(SimTime::NEVER, |(completed, _)| *completed);
        (legal, until)
    }

    /// What was known after some completions: of what was open, nothing.
    fn prefix(&self, order: &[(SimTime, usize)], completions: usize) -> History {
        let mut completed = vec![false; order.len()];
        order[..completions].iter().for_each(|(_, op)| completed[*op] = true);
        let until = completions.checked_sub(1).map_or(SimTime::ZERO, |last| order[last].0);
        let mut operations = Vec::new();
        for (op, is_completed) in self.history.operations.iter().zip(completed) {
            if is_completed {
                operations.push(op.clone());
            } else if op.invoked <= until {
                let mut open = op.clone();
                open.completion = Completion::Info(Error::TimedOut);
                operations.push(open);
            }
        }
        History { operations, epochs: self.history.epochs.clone(), ..History::default() }
    }
}

/// What an operation asked, and what it was told.
fn describe(case: &Case, position: usize) -> String {
    let operation = u32::try_from(position).expect("operations are numbered by u32");
    let op = &case.operations[position];
    let who = case.operation(operation);
    if op.status != Status::Known {
        return who;
    }
    let mut seen = Vec::new();
    op.step.seen(&mut |kv| seen.push(case.seen(kv)));
    let shown = seen.len();
    seen.truncate(3);
    if shown > 3 {
        seen.push(format!("{} more", shown - 3));
    }
    let told = match &*op.step {
        Step::Range(range) => {
            let count = range.answer.as_ref().map_or(0, |answer| answer.count);
            if shown == 0 { format!("{count} keys") } else { String::new() }
        }
        Step::Delete(delete) => {
            format!("deleted {}", delete.answer.as_ref().map_or(0, |answer| answer.deleted))
        }
        Step::Txn(txn) if txn.answer == Some(true) => "succeeded".to_owned(),
        Step::Txn(_) => "failed".to_owned(),
        Step::Put(_) | Step::Revoke(_) | Step::Compact(_) | Step::Other => "done".to_owned(),
    };
    let parts = std::iter::once(told).filter(|told| !told.is_empty()).chain(seen);
    format!("{who} -> {}", parts.collect::<Vec<_>>().join(", "))
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.anomaly.code, self.anomaly.sentence)?;
        writeln!(f)?;
        let word = if self.core.len() == 1 { "operation" } else { "operations" };
        writeln!(f, "{} {word} that cannot all be right:", self.core.len())?;
        for operation in &self.core {
            let mark = if Some(operation.position) == self.unplaced { '>' } else { ' ' };
            writeln!(f, "  {mark} {}", operation.text)?;
        }
        if !self.is_minimal {
            writeln!(f, "    (there may be a smaller part)")?;
        }
        if let Some(unplaced) = self.core.iter().find(|op| Some(op.position) == self.unplaced) {
            writeln!(f, "{} has no place:", unplaced.id)?;
        }
        for placement in &self.placements {
            match (placement.after, placement.before) {
                (None, None) => write!(f, "    alone")?,
                (None, Some(before)) => write!(f, "    before {before}")?,
                (Some(after), None) => write!(f, "    after {after}")?,
                (Some(after), Some(before)) => write!(f, "    between {after} and {before}")?,
            }
            writeln!(f, ": {}", placement.forbidden)?;
        }
        writeln!(
            f,
            "The history is legal up to its first {} completions; the next one comes at {}.",
            self.legal_completions, self.legal_until
        )
    }
}
