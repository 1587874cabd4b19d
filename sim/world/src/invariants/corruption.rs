//! Nobody is called corrupt while all hold the same: an alarm that is false takes the cluster out of service. etcd, `corrupt.go`.

use crate::tally::{Code, Tally};

/// What shows that some member holds something else than the others.
const DIFFERENCES: [Code; 3] = [Code::ReplicaHash, Code::StateMachineSafety, Code::SnapshotContent];

/// Somebody was refused because of the alarm.
pub(crate) fn check(tally: &Tally) -> Option<String> {
    let is_right = DIFFERENCES.into_iter().any(|code| tally.is_broken(code));
    (!is_right).then(|| "a member is called corrupt, and all hold the same".to_owned())
}
