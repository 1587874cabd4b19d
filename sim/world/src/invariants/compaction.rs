//! A segment of the log goes only when a durable snapshot covers all that it holds. Raft 7; CRDB #38566, etcd #10219.

use crate::observer::ledger::Ledger;
use whitewater_api::FileName;

/// A segment is about to be removed.
pub(crate) fn check(ledger: &Ledger, segment: &FileName) -> Option<String> {
    let (mark, highest) = (ledger.mark().0, ledger.highest_in(segment)?);
    (highest > mark).then(|| {
        format!(
            "{segment} is removed with entries up to {highest}; the durable snapshot covers {mark}"
        )
    })
}
