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
        let Some(before) = last.insert(op.process.0, operation) else { continue };
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
    let mut seen: Vec<(SeenKv, u32)> = Vec::new();
    let mut last: Table<(u32, u64), SeenKv> = Table::default();
    for (operation, op) in (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op)) {
        op.step.seen(&mut |kv| {
            checked.evaluations += 1;
            // Most keys are seen many times in the same state.
            if last.insert((kv.key, kv.modified), *kv) != Some(*kv) {
                seen.push((*kv, operation));
            }
        });
    }
    seen.sort_by_key(|(kv, _)| (kv.key, kv.modified));
    let tells_creations = case.recorded.tells_creations();
    for pair in seen.windows(2) {
        let [(a, first), (b, second)] = pair else { continue };
        if a.key != b.key {
            continue;
        }
        checked.discriminating += 1;
        let is_fine = if a.modified == b.modified {
            a.version == b.version && a.create == b.create
        } else if !tells_creations {
            true
        } else if a.create == b.create {
            a.version < b.version
        } else {
            a.modified < b.create
        };
        if !is_fine {
            let sentence = format!(
                "{} saw {}, and {} saw {}",
                case.operation(*second),
                case.seen(b),
                case.operation(*first),
                case.seen(a)
            );
            return Err(case.broken("version-went-back", sentence, &[*second, *first]));
        }
    }
    Ok(())
}
