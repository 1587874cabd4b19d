//! Members that tell the hash over revisions tell the same one (etcd, `server/storage/mvcc/hash.go`, and the robustness
//! tests' comparison of members).
//!
//! The hash is of one revision and depends on one compaction, and on nothing else: neither on who is asked, nor when, nor on
//! how far the member has freed its space. So two answers of the same revision and compaction are equal.
//!
//! Where the order of all writes is known, so is everything that the hash is of, and it is worked out anew.
//!
//! | code | promise |
//! |---|---|
//! | `hashes-differ` | two hashes of one revision after one compaction are the same |
//! | `wrong-hash` | a hash is that of what was written up to its revision, and was kept by the compaction |
//!
//! Evaluations: hashes that were told. Discriminating: those that were worked out, and those of a revision and compaction
//! that another one was told of.

mod content;

use self::content::Content;
use crate::{
    case::Case,
    ruling::{Anomaly, Judgement, Ruling},
    timeline::Timeline,
};
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};
use whitewater_api::{Body, Completion, KvHash, MaintenanceResponse, Revision};
use whitewater_record::Checked;

/// The name of the judge.
pub(crate) const JUDGE: &str = "hash";

/// Compares all hashes that were told with each other, and with what was written. That takes the timeline.
pub(crate) fn judge(case: &Case, timeline: Option<&Timeline>) -> Judgement {
    let operations = 0..case.history.operations.len();
    let told: Vec<(usize, KvHash)> =
        operations.filter_map(|position| Some((position, told(case, position)?))).collect();
    let mut checked = Checked { evaluations: told.len() as u64, discriminating: 0 };
    let (again, difference) = differences(case, &told);
    let content = timeline.filter(|_| !told.is_empty()).and_then(|it| Content::new(case, it));
    let (worked_out, wrong) =
        content.map_or_else(Default::default, |it| against_content(case, it, &told));
    checked.discriminating = again.union(&worked_out).count() as u64;
    let ruling = match difference.or(wrong) {
        Some(anomaly) => Ruling::Broken(anomaly),
        None if told.is_empty() => {
            Ruling::NotApplicable("nobody asked for a hash over revisions".to_owned())
        }
        None => Ruling::Holds,
    };
    Judgement { judge: JUDGE, ruling, checked }
}

fn told(case: &Case, position: usize) -> Option<KvHash> {
    let Completion::Ok(response) = &case.history.operations[position].completion else {
        return None;
    };
    let Body::Maintenance(MaintenanceResponse::HashKv(hash)) = &response.body else { return None };
    Some(*hash)
}

/// The answers that another one has to be equal to, and the first that is not.
fn differences(case: &Case, told: &[(usize, KvHash)]) -> (BTreeSet<usize>, Option<Anomaly>) {
    let mut before: BTreeMap<(Revision, Revision), (u32, usize)> = BTreeMap::new();
    let (mut again, mut first) = (BTreeSet::new(), None);
    for &(position, KvHash { hash, revision, compacted }) in told {
        match before.entry((revision, compacted)) {
            Entry::Vacant(entry) => {
                entry.insert((hash, position));
            }
            Entry::Occupied(entry) => {
                again.insert(position);
                let (other, before) = *entry.get();
                if other != hash && first.is_none() {
                    let sentence = format!(
                        "{} told {hash:08x}, and {} {other:08x} for the same revision and compaction",
                        name(case, position),
                        name(case, before),
                    );
                    let operations = vec![before, position];
                    first = Some(anomaly(case, "hashes-differ", sentence, operations));
                }
            }
        }
    }
    (again, first)
}

/// The answers that could be worked out, and the first that is wrong.
fn against_content(
    case: &Case,
    mut content: Content,
    told: &[(usize, KvHash)],
) -> (BTreeSet<usize>, Option<Anomaly>) {
    let mut found: BTreeMap<(Revision, Revision), Option<u32>> = BTreeMap::new();
    let (mut worked_out, mut first) = (BTreeSet::new(), None);
    for &(position, KvHash { hash, revision, compacted }) in told {
        let right = found
            .entry((revision, compacted))
            .or_insert_with(|| content.hash(revision.0, compacted.0));
        let Some(right) = *right else { continue };
        worked_out.insert(position);
        if right != hash && first.is_none() {
            let sentence = format!(
                "{} told {hash:08x}, and what was written up to revision {revision} and kept by the compaction at {compacted} \
                 has {right:08x}",
                name(case, position),
            );
            first = Some(anomaly(case, "wrong-hash", sentence, vec![position]));
        }
    }
    (worked_out, first)
}

fn name(case: &Case, position: usize) -> String {
    case.operation(u32::try_from(position).expect("numbered by u32"))
}

fn anomaly(case: &Case, code: &str, sentence: String, operations: Vec<usize>) -> Anomaly {
    let last = operations.last().expect("it is about an answer");
    let at = case.history.operations[*last].completed;
    Anomaly { code: code.to_owned(), sentence, operations, rows: Vec::new(), at }
}
