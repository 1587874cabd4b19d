//! Members that tell the hash over revisions tell the same one (etcd, `server/storage/mvcc/hash.go`, and the robustness
//! tests' comparison of members).
//!
//! The hash is of one revision and depends on one compaction, and on nothing else: neither on who is asked, nor when, nor on
//! how far the member has freed its space. So two answers of the same revision and compaction are equal.
//!
//! | code | promise |
//! |---|---|
//! | `hashes-differ` | two hashes of one revision after one compaction are the same |
//!
//! Evaluations: hashes that were told. Discriminating: those of a revision and compaction that another one was told of.

use crate::{
    case::Case,
    ruling::{Anomaly, Judgement, Ruling},
};
use std::collections::{BTreeMap, btree_map::Entry};
use whitewater_api::{Body, Completion, KvHash, MaintenanceResponse, Revision};
use whitewater_record::Checked;

/// The name of the judge.
pub(crate) const JUDGE: &str = "hash";

/// Compares all hashes that were told.
pub(crate) fn judge(case: &Case) -> Judgement {
    let mut told: BTreeMap<(Revision, Revision), (u32, usize)> = BTreeMap::new();
    let mut checked = Checked::default();
    let mut first: Option<Anomaly> = None;
    for (position, operation) in case.history.operations.iter().enumerate() {
        let Some(KvHash { hash, revision, compacted }) = case_hash(case, position) else {
            continue;
        };
        checked.evaluations += 1;
        match told.entry((revision, compacted)) {
            Entry::Vacant(entry) => {
                entry.insert((hash, position));
            }
            Entry::Occupied(entry) => {
                checked.discriminating += 1;
                let (other, before) = *entry.get();
                if other != hash && first.is_none() {
                    let number = |place: usize| u32::try_from(place).expect("numbered by u32");
                    let sentence = format!(
                        "{} told {hash:08x}, and {} {other:08x} for the same revision and compaction",
                        case.operation(number(position)),
                        case.operation(number(before)),
                    );
                    first = Some(Anomaly {
                        code: "hashes-differ".to_owned(),
                        sentence,
                        operations: vec![before, position],
                        rows: Vec::new(),
                        at: operation.completed,
                    });
                }
            }
        }
    }
    let ruling = match first {
        Some(anomaly) => Ruling::Broken(anomaly),
        None if checked.evaluations == 0 => {
            Ruling::NotApplicable("nobody asked for a hash over revisions".to_owned())
        }
        None => Ruling::Holds,
    };
    Judgement { judge: JUDGE, ruling, checked }
}

fn case_hash(case: &Case, position: usize) -> Option<KvHash> {
    let Completion::Ok(response) = &case.history.operations[position].completion else {
        return None;
    };
    let Body::Maintenance(MaintenanceResponse::HashKv(hash)) = &response.body else { return None };
    Some(*hash)
}
