//! The promise ledger: no vote, candidacy or acknowledgement leaves a node before its disk holds what it promises. Raft
//! figure 2 ("updated on stable storage before responding to RPCs"); tikv #994, `NodeDB` #161.

use crate::observer::ledger::Ledger;
use whitewater_api::NodeId;
use whitewater_replica::Promise;

/// A promise leaves a node whose disk this is.
pub(crate) fn check(disk: &Ledger, node: NodeId, promise: Promise) -> Option<String> {
    let (own, vote) = (disk.term(), disk.vote());
    match promise {
        Promise::Vote { term, to } => {
            let holds = own > term || (own == term && vote == Some(to));
            (!holds).then(|| {
                format!("{node} grants {to} its vote in term {term}; its disk has term {own}, vote {vote:?}")
            })
        }
        Promise::Candidacy { term } => {
            let holds = own > term || (own == term && vote == Some(node));
            (!holds).then(|| {
                format!("{node} stands in term {term}; its disk has term {own}, vote {vote:?}")
            })
        }
        Promise::Appended { term, index } => {
            let last = disk.last();
            let holds = own > term || (own == term && last >= index);
            (!holds).then(|| {
                format!(
                    "{node} acknowledges entries up to {index} in term {term}; its disk has term {own}, last {last}"
                )
            })
        }
    }
}
