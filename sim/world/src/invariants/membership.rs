//! At the same index all nodes have the same configuration, applied or recovered. Dissertation 4.1; openraft #1808,
//! etcd-raft e515a67.

use crate::observer::ghost::Members;
use whitewater_api::Index;
use whitewater_replica::Status;

/// A configuration was applied that had been applied before.
pub(crate) fn check(index: Index, known: &Members, applied: &Members) -> Option<String> {
    (known != applied)
        .then(|| format!("at {index} applied {applied:?} where {known:?} was applied before"))
}

/// A node has recovered, or installed a snapshot, where this configuration holds.
pub(crate) fn joint(members: &Members, status: &Status) -> Option<String> {
    let is_joint = !members.outgoing.is_empty();
    (is_joint != status.is_joint).then(|| {
        let word = |joint: bool| if joint { "joint" } else { "simple" };
        format!(
            "at {} its configuration is {}, the cluster's is {}: {members:?}",
            status.applied,
            word(status.is_joint),
            word(is_joint)
        )
    })
}
