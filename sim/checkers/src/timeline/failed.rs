//! States from which no guesses lead to the end.
//!
//! A burst of transactions whose outcome nobody knows can be ordered in many ways that come to the same: the same operations
//! are used up, and the keys are the same. What fails from there fails again, for the same reason. So a state at which all
//! guesses were tried is remembered with the conflict that they ended in (a nogood: Dechter, Enhancement Schemes for
//! Constraint Processing, 1990).
//!
//! Two states are the same if no answer can tell them apart: a revision that nothing names and a value that nothing shows
//! are as good as any other. States are compared as a whole, not by a hash of them. Where more than the newest state counts,
//! nothing is remembered: with leases, reads of the past within transactions, and questions for the order of revisions.

use super::{Timeline, conflict::Conflict, guessing::Guessing};
use crate::{
    case::{Case, Condition, Range, Status, Step},
    intern::Table,
    limits::{FAILED_KEYS_MAX, FAILED_WORDS_MAX, OPERATIONS_PER_CONTRADICTION},
};
use std::collections::BTreeSet;
use whitewater_api::request::{CompareTarget, Relation, SortTarget};

/// A state in a form in which equal ones are equal.
pub(super) type State = Box<[u64]>;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Failed {
    /// Contradictions so far. At first there is nothing to be gained.
    contradictions: usize,
    /// What states are about, if anything can be remembered.
    view: Option<View>,
    conflicts: Table<State, Conflict>,
    words: usize,
}

/// What of a state can matter.
#[derive(Debug, Default)]
struct View {
    /// Keys that may be one thing or another, ascending.
    keys: Vec<u32>,
    /// Revisions that answers and conditions name.
    named: BTreeSet<u64>,
    /// By value: whether an answer or a condition shows it. All may matter, if there are none.
    shown: Vec<bool>,
}

impl Failed {
    /// There was one more contradiction.
    pub(super) fn count(&mut self, case: &Case, has_seen_values: bool) {
        self.contradictions += 1;
        let due = (case.operations.len() / OPERATIONS_PER_CONTRADICTION).max(1);
        if self.contradictions == due {
            self.view = View::new(case, has_seen_values);
        }
    }

    /// The state in front of `revision`, if it may be worth remembering.
    pub(super) fn state(
        &self,
        timeline: &Timeline,
        guessing: &Guessing,
        revision: u64,
    ) -> Option<State> {
        let view = self.view.as_ref()?;
        let mut state = vec![revision];
        let used = (0..).zip(&guessing.classes).filter(|(_, class)| class.used_count > 0);
        state.extend(used.map(|(number, class): (u64, _)| number << 32 | class.used_count as u64));
        state.push(u64::MAX);
        for key in &view.keys {
            let guessed = guessing.evidence.guessed(*key, revision);
            let Some(cell) = timeline.model.at(*key, revision - 1) else {
                state.extend([guessed << 32, 0, 0, 0]);
                continue;
            };
            let name = |revision: u64| if view.named.contains(&revision) { revision } else { 0 };
            let is_shown = view.shown.get(cell.value as usize).is_none_or(|is_shown| *is_shown);
            let value = if is_shown { u64::from(cell.value) } else { u64::MAX };
            let version = guessed << 32 | cell.version;
            state.extend([version, name(cell.create), name(cell.modified), value]);
        }
        Some(state.into_boxed_slice())
    }

    /// The conflict in which everything from a state on has ended.
    pub(super) fn conflict(&self, state: &State) -> Option<&Conflict> {
        self.conflicts.get(state)
    }

    /// All guesses from a state on have failed.
    pub(super) fn remember(&mut self, state: State, conflict: &Conflict) {
        if self.words + state.len() <= FAILED_WORDS_MAX {
            self.words += state.len();
            self.conflicts.insert(state, conflict.clone());
        }
    }
}

impl View {
    /// Nothing, if more than the newest state counts, or too many keys.
    fn new(case: &Case, has_seen_values: bool) -> Option<Self> {
        if !case.leases.is_empty() || !case.operations.iter().all(|op| is_of_states(&op.step)) {
            return None;
        }
        let mut keys = BTreeSet::new();
        let mut view = Self::default();
        if !has_seen_values {
            view.shown = vec![false; case.values.len()];
        }
        for op in &case.operations {
            if op.status == Status::Unknown {
                op.step.puts(&mut |put| _ = keys.insert(put.key));
                let mut is_wide = false;
                op.step.deletes(&mut |range| {
                    is_wide |= (range.high - range.low) as usize > FAILED_KEYS_MAX;
                    keys.extend(range.iter().take(FAILED_KEYS_MAX));
                });
                if is_wide || keys.len() > FAILED_KEYS_MAX {
                    return None;
                }
            }
            op.step.seen(&mut |kv| {
                view.named.extend([kv.modified, kv.create]);
                if let Some(shown) = view.shown.get_mut(kv.value as usize) {
                    *shown = true;
                }
            });
            view.name(&op.step);
        }
        view.named.remove(&0);
        view.keys = keys.into_iter().collect();
        Some(view)
    }

    /// The revisions that conditions name.
    fn name(&mut self, step: &Step) {
        let Step::Txn(txn) = step else { return };
        for condition in &txn.compares {
            if let CompareTarget::Mod(revision) | CompareTarget::Create(revision) = condition.target
            {
                self.named.insert(revision.0);
            }
        }
        txn.success.iter().chain(&txn.failure).for_each(|step| self.name(step));
    }
}

/// Whether an answer hangs on the newest state alone, and on which revisions there are but not on their order.
fn is_of_states(step: &Step) -> bool {
    match step {
        Step::Range(range) => has_no_order(range),
        Step::Txn(txn) => {
            let is_equality = |condition: &Condition| match condition.target {
                CompareTarget::Mod(_) | CompareTarget::Create(_) => {
                    matches!(condition.relation, Relation::Equal | Relation::NotEqual)
                }
                CompareTarget::Version(_) | CompareTarget::Value(_) | CompareTarget::Lease(_) => {
                    true
                }
            };
            let is_newest = |step: &Step| {
                let is_past = matches!(step, Step::Range(range) if range.past != 0);
                !is_past && is_of_states(step)
            };
            txn.compares.iter().all(is_equality)
                && txn.success.iter().chain(&txn.failure).all(is_newest)
        }
        Step::Put(_) | Step::Delete(_) | Step::Revoke(_) | Step::Compact(_) | Step::Other => true,
    }
}

fn has_no_order(range: &Range) -> bool {
    let request = range.request;
    let bounds = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    let is_by_revision = request
        .sort
        .is_some_and(|sort| matches!(sort.target, SortTarget::Mod | SortTarget::Create));
    !is_by_revision && bounds.iter().all(|bound| bound.0 == 0)
}
