//! A serializable read may be stale, but it is the state at the revision in its header, all of it, and never a future
//! one: that revision was allocated before the answer came. More than that etcd does not promise: reads of one process
//! go to different members and may go back.
//!
//! Evaluations: serializable reads that were answered. Discriminating: those that saw a revision older than the newest
//! allocated before their return, or that had the choice.

use crate::{
    case::{Case, Status},
    ruling::{Judgement, Ruling},
    timeline::Timeline,
};
use whitewater_api::Revision;
use whitewater_record::Checked;

/// The name of the judge.
pub(crate) const JUDGE: &str = "serializable";

/// Whether there was more than one state that a read could have named.
pub(crate) fn had_choice(timeline: &Timeline, read: u32) -> bool {
    timeline.bounds.ceiling[read as usize] > Revision::FIRST.0
}

/// Judges all serializable reads against the timeline.
pub(crate) fn judge(case: &Case, timeline: &Timeline) -> Judgement {
    let mut checked = Checked::default();
    let mut doubt = None;
    let mut future = None;
    for (operation, op) in (0..).zip(&case.operations) {
        if op.status != Status::Known || !op.is_serializable {
            continue;
        }
        checked.evaluations += 1;
        checked.discriminating += u64::from(had_choice(timeline, operation));
        let ceiling = timeline.bounds.ceiling[operation as usize];
        let newest = timeline.newest();
        if op.revision > newest && op.revision <= newest + timeline.unused.len() as u64 {
            doubt.get_or_insert(operation);
        } else if op.revision > ceiling {
            future.get_or_insert((operation, ceiling));
        }
    }
    let wrong = timeline.stale.first().map(|(operation, mismatch)| {
        let (code, what) = case.mismatch(mismatch);
        let revision = Revision(case.operations[*operation as usize].revision);
        let sentence = format!("{} {what} at {revision}", case.operation(*operation));
        case.broken(code, sentence, &[*operation])
    });
    let future = future.map(|(operation, ceiling)| {
        let sentence = format!(
            "{} tells a revision from the future: at its return the newest was {}",
            case.operation(operation),
            Revision(ceiling)
        );
        case.broken("future-read", sentence, &[operation])
    });
    let ruling = wrong.or(future).unwrap_or_else(|| match doubt {
        Some(operation) => Ruling::Undecided(format!(
            "{} tells a revision past the newest that a linearizable operation told; an operation of unknown outcome \
             may have made it",
            case.operation(operation)
        ).into()),
        None if checked.evaluations == 0 => {
            Ruling::NotApplicable("there are no serializable reads".to_owned())
        }
        None => Ruling::Holds,
    });
    Judgement { judge: JUDGE, ruling, checked }
}
