//! Things that never go back: the revision that one process is told, by linearizable operations; and along the mod
//! revisions of one key, the version since its creation, and the create revision.
//!
//! A narrow judge with short sentences: what it finds is not linearizable either.
//!
//! Evaluations: answers, and keys in answers. Discriminating: those with an earlier one to compare with.

use crate::{
    bounds::tells,
    case::{Case, SeenKv},
    intern::Table,
    ruling::{Judgement, Ruling},
};
use whitewater_api::Revision;
use whitewater_record::Checked;

/// The name of the judge.
pub(crate) const JUDGE: &str = "monotone";

/// Judges all answers.
pub(crate) fn judge(case: &Case) -> Judgement {
    let mut checked = Checked::default();
    let ruling = processes(case, &mut checked)
        .and_then(|()| keys(case, &mut checked))
        .err()
        .unwrap_or(Ruling::Holds);
    Judgement { judge: JUDGE, ruling, checked }
}

fn processes(case: &Case, checked: &mut Checked) -> Result<(), Ruling> {
    let mut last: Table<u32, u32> = Table::default();
    for (operation, op) in (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op)) {
        checked.evaluations += 1;
        let Some(before) = last.insert(op.id.process.0, operation) else { continue };
        checked.discriminating += 1;
        let earlier = &case.operations[before as usize];
        if op.revision < earlier.revision && earlier.completed < op.invoked {
            let sentence = format!(
                "{} was told {} after {} was told {}",
                case.operation(operation),
                Revision(op.revision),
                case.operation(before),
                Revision(earlier.revision)
            );
            return Err(case.broken("revision-went-back", sentence, &[operation, before]));
        }
    }
    Ok(())
}

fn keys(case: &Case, checked: &mut Checked) -> Result<(), Ruling> {
    let mut by_key: Vec<Vec<(SeenKv, u32)>> = vec![Vec::new(); case.keys.len()];
    for (operation, op) in (0..).zip(&case.operations).filter(|(_, op)| op.tells) {
        op.step.seen(&mut |kv| {
            checked.evaluations += 1;
            let seen = &mut by_key[kv.key as usize];
            // Most keys are seen many times in the same state.
            if seen.last().is_none_or(|(last, _)| last != kv) {
                seen.push((*kv, operation));
            }
        });
    }
    for mut seen in by_key {
        seen.sort_by_key(|(kv, _)| kv.modified);
        seen.dedup_by_key(|(kv, _)| *kv);
        for pair in seen.windows(2) {
            let [first, second] = pair else { continue };
            checked.discriminating += 1;
            one_after_the_other(case, *first, *second)?;
        }
    }
    Ok(())
}

/// Two answers about one key, by their mod revisions.
fn one_after_the_other(
    case: &Case,
    (a, first): (SeenKv, u32),
    (b, second): (SeenKv, u32),
) -> Result<(), Ruling> {
    let is_fine = if a.modified == b.modified {
        a.version == b.version && a.create == b.create
    } else if !case.recorded.tells_creations() {
        true
    } else if a.create == b.create {
        a.version < b.version
    } else {
        a.modified < b.create
    };
    if is_fine {
        return Ok(());
    }
    let sentence = format!(
        "{} saw {}, and {} saw {}",
        case.operation(second),
        case.seen(&b),
        case.operation(first),
        case.seen(&a)
    );
    Err(case.broken("version-went-back", sentence, &[second, first]))
}
