//! What was synced is read back after a restart, and nothing that was not written. etcd #15069, #22442; Pillai et al.,
//! OSDI 2014. A refusal to start is wrong unless the disk was damaged; what starts in spite of it must have missed nothing
//! (protocol-aware recovery, FAST 2018).

use crate::observer::ledger::Ledger;
use whitewater_replica::Status;

/// A replica refused to start.
pub(crate) fn refused(error: &str) -> String {
    format!("the disk was not damaged, and the replica refuses to start: {error}")
}

/// A replica has recovered from the disk of this ledger. After a power loss the disk holds exactly what the ledger has;
/// while the machine lived on, its page cache may hold more, also what overwrites.
pub(crate) fn recovered(ledger: &Ledger, status: &Status) -> Option<String> {
    let (term, mark, last) = (ledger.term(), ledger.mark().0, ledger.last());
    // What was read may be the log from before the one that started over, if that is in the page cache only.
    let lost = !ledger.is_void() && (status.term < term || status.last < mark);
    // A first start that was cut short before its first record begins again from nothing.
    let differs =
        ledger.is_exact() && ledger.is_used() && (status.term, status.last) != (term, last);
    (lost || differs).then(|| {
        format!(
            "recovered term {} and a log up to {}; the disk has term {term}, a log up to {last} and a snapshot at {mark}",
            status.term, status.last
        )
    })
}
