//! Black-box judge of registers and independent keys ([`PlainHistory`]): is there an order of the operations that
//! respects real time and explains every answer?
//!
//! ```text
//!  PlainHistory --soundness--> partitions by key --+-> glance: a yes while the history is read
//!                                                  +-> short: few operations, a search with nothing prepared
//!                                                  +-> zones: unique values, a sort
//!                                                  +-> depth first: finds the order of a good history
//!                                                  +-> beam, then frontier: proves that there is none
//!                                                  `--> combine -> Judgement
//! ```
//!
//! Open [`partition`] first: it decides one key, and different keys can be decided on different threads. Then `step`, which
//! has the rules that keep the searches small. [`Stream`] judges a history while it is recorded.
//!
//! Evaluations: operations. Discriminating: those whose answer says what the key held.

mod act;
pub mod counterexample;
mod cursor;
mod depth;
mod eager;
mod explain;
mod follower;
mod frontier;
mod glance;
mod meter;
mod naming;
pub mod partition;
mod problem;
mod row;
mod search;
mod short;
mod soundness;
mod step;
pub mod stream;
mod sweep;
mod values;
mod zones;

#[cfg(test)]
mod tests;

use self::{glance::Glance, meter::Spent, soundness::Soundness};

pub use self::{
    partition::{Decision, Effort, Partition},
    stream::{Stream, Ticket},
};

use crate::{
    Budget,
    doubt::{Doubt, Window},
    intern::{Token, Tokens},
    ruling::{Judgement, Ruling},
};
use whitewater_record::{Checked, PlainAction, PlainHistory};

/// The name of the judge.
pub const JUDGE: &str = "linearizable";

/// In shorter histories there is nothing to be won by a glance.
const GLANCED_MIN: usize = 256;

/// Judges a history, key by key.
#[must_use]
pub fn judge(history: &PlainHistory, budget: &Budget) -> Judgement {
    judge_until(history, budget, &|| false)
}

/// Judges a history, key by key, and gives up when `stop` says so. It is asked every thousand steps or so.
#[must_use]
pub fn judge_until(history: &PlainHistory, budget: &Budget, stop: &dyn Fn() -> bool) -> Judgement {
    let decisions: Vec<Decision> = match partitions(history) {
        Ok(partitions) => {
            partitions.iter().map(|partition| partition.decide(budget, stop).0).collect()
        }
        Err(reason) => return judgement(history, Ruling::Undecided(reason.into())),
    };
    combine(history, &decisions)
}

/// Whether a history is linearizable and nothing else: no key is looked at after one that is not, and no words are made.
/// [`None`] if the record is unsound, or if it is not known within the budget.
#[must_use]
pub fn is_linearizable(
    history: &PlainHistory,
    budget: &Budget,
    stop: &dyn Fn() -> bool,
) -> Option<bool> {
    let mut partitions = partitions(history).ok()?;
    // What is short is decided soon, and one that is not linearizable is enough.
    partitions.sort_by_key(|partition| partition.operations().len());
    let mut found = Some(true);
    for partition in &partitions {
        match partition.is_linearizable(budget, stop) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => found = None,
        }
    }
    found
}

/// The keys of a history, in the order of their first operation, to be decided one by one in any order; or why the
/// record is unsound, and nothing can be said. A long history is gone through once, and what is seen to be right on the
/// way needs no search.
pub fn partitions(history: &PlainHistory) -> Result<Vec<Partition<'_>>, String> {
    let mut soundness = Soundness::default();
    let mut keys = Tokens::default();
    let mut positions: Vec<Vec<u32>> = Vec::new();
    let mut glances: Vec<Glance> = Vec::new();
    let is_long = history.operations.len() > GLANCED_MIN;
    // Many a history is of one key.
    let mut latest: Option<(Token, usize)> = None;
    for (position, operation) in (0..).zip(&history.operations) {
        soundness.add(position, operation)?;
        let token = Token::new(Some(operation.key.as_slice()));
        let key = match latest {
            Some((before, key)) if before == token => key,
            Some(_) | None => keys.number(token) as usize,
        };
        latest = Some((token, key));
        if key == positions.len() {
            positions.push(Vec::new());
            if is_long {
                glances.push(Glance::new(history));
            }
        }
        positions[key].push(position);
        if let Some(glance) = glances.get_mut(key) {
            glance.add(history, &positions[key]);
        }
    }
    soundness.finish(history)?;
    let mut glances = glances.into_iter();
    let mut has_order = || glances.next().is_some_and(Glance::finish);
    let partitions = positions.into_iter();
    Ok(partitions.map(|positions| Partition::seen(history, positions, has_order())).collect())
}

/// What the decisions on all keys come to: the first broken promise, or else the smallest window that is undecided.
#[must_use]
pub fn combine(history: &PlainHistory, decisions: &[Decision]) -> Judgement {
    let mut broken = None;
    let mut undecided: Option<&Doubt> = None;
    for decision in decisions {
        match decision {
            Decision::Linearizable => {}
            Decision::Broken(anomaly) => {
                let is_earlier = |known: &&crate::Anomaly| anomaly.at < known.at;
                if broken.as_ref().is_none_or(is_earlier) {
                    broken = Some(anomaly);
                }
            }
            Decision::Undecided(doubt) => {
                let is_smaller = |known: &&Doubt| doubt.length() < known.length();
                if undecided.as_ref().is_none_or(is_smaller) {
                    undecided = Some(doubt);
                }
            }
        }
    }
    let ruling = match (broken, undecided) {
        (Some(anomaly), _) => Ruling::Broken(anomaly.clone()),
        (None, Some(doubt)) => Ruling::Undecided(doubt.clone()),
        (None, None) => Ruling::Holds,
    };
    judgement(history, ruling)
}

/// What ran out, and what is open for that.
fn doubt(window: Window, spent: Option<Spent>) -> Doubt {
    let spent = match spent {
        Some(Spent::Bytes) => "memory",
        Some(Spent::Time) => "time",
        Some(Spent::Steps) | None => "configurations",
    };
    let key = window.key.as_ref().map(|key| format!(" on key {key}")).unwrap_or_default();
    let reason = format!("the {spent} ran out{key}, {}", window.span());
    Doubt { reason, window: Some(window) }
}

fn judgement(history: &PlainHistory, ruling: Ruling) -> Judgement {
    let says = |action: &PlainAction| {
        matches!(action, PlainAction::Read(_) | PlainAction::Cas { swapped: Some(_), .. })
    };
    let discriminating = history.operations.iter().filter(|operation| says(&operation.action));
    let checked = Checked {
        evaluations: history.operations.len() as u64,
        discriminating: discriminating.count() as u64,
    };
    Judgement { judge: JUDGE, ruling, checked }
}
