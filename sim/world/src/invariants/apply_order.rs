//! Entries are applied one after the other, each once, and none before it is committed. Raft 5.3; raft-rs's contract of
//! `Ready` (committed entries).

use whitewater_api::Index;
use whitewater_replica::Status;

/// An entry was applied after all up to `before`.
pub(crate) fn check(before: Index, index: Index, status: &Status) -> Option<String> {
    if index != before.next() {
        return Some(format!("applied {index} after {before}"));
    }
    (index > status.commit)
        .then(|| format!("applied {index} while the commit index is {}", status.commit))
}
