//! State machine safety: no two nodes apply different entries at the same index. Raft figure 3.

use crate::observer::ghost::Applied;
use whitewater_api::Index;

/// An entry was applied that had been applied before, here or elsewhere.
pub(crate) fn check(index: Index, known: Applied, applied: Applied) -> Option<String> {
    let is_same = (known.term, known.checksum) == (applied.term, applied.checksum);
    (!is_same).then(|| {
        format!(
            "applied {index}@{} with checksum {:016x} where {index}@{} with {:016x} was applied before",
            applied.term, applied.checksum, known.term, known.checksum
        )
    })
}
