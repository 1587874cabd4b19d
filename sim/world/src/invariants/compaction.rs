//! A segment of the log goes only when a durable snapshot covers all that it holds, and the file of that snapshot stays. Raft 7;
//! CRDB #38566, etcd #10219.

use crate::observer::ledger::Ledger;
use whitewater_api::{FileName, NodeId};
use whitewater_physics::Disk;

/// A segment is about to be removed.
pub(crate) fn check(ledger: &Ledger, segment: &FileName) -> Option<String> {
    let (mark, highest) = (ledger.mark().0, ledger.highest_in(segment)?);
    (highest > mark).then(|| {
        format!(
            "{segment} is removed with entries up to {highest}; the durable snapshot covers {mark}"
        )
    })
}

/// A file is about to be removed, which may be the snapshot that the log goes on from.
pub(crate) fn check_file(ledger: &Ledger, node: NodeId, file: &FileName) -> Option<String> {
    let is_in_use = ledger.mark_file() == Some(file);
    is_in_use.then(|| format!("{node} removes {file}, which its log goes on from"))
}

/// A mark is durable: the snapshot that it names must be there.
pub(crate) fn check_mark(ledger: &Ledger, node: NodeId, disk: &Disk) -> Option<String> {
    let file = ledger.mark_file()?;
    let is_there = disk.names().any(|name| name == file);
    (!is_there).then(|| format!("the log of {node} goes on from {file}, which is not there"))
}
