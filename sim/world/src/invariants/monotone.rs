//! Term, commit and applied index never go back within the life of a process, and the durable term and vote never at
//! all. Raft figure 2 (`currentTerm`, `commitIndex`, `lastApplied`: each "increases monotonically").

use whitewater_api::{NodeId, Term};
use whitewater_replica::Status;

/// A step within one life.
pub(crate) fn check(before: &Status, after: &Status) -> Option<String> {
    if after.term < before.term {
        return Some(format!("the term went back from {} to {}", before.term, after.term));
    }
    if after.commit < before.commit {
        return Some(format!(
            "the commit index went back from {} to {}",
            before.commit, after.commit
        ));
    }
    if after.applied < before.applied {
        return Some(format!(
            "the applied index went back from {} to {}",
            before.applied, after.applied
        ));
    }
    (after.applied > after.commit)
        .then(|| format!("applied {} is above commit {}", after.applied, after.commit))
}

/// A hard state became durable over another one.
pub(crate) fn hard_state(
    before: (Term, Option<NodeId>),
    after: (Term, Option<NodeId>),
) -> Option<String> {
    if after.0 < before.0 {
        return Some(format!("the durable term went back from {} to {}", before.0, after.0));
    }
    let (Some(old), true) = (before.1, before.0 == after.0) else { return None };
    let now = after.1.map_or_else(|| "nobody".to_owned(), |node| node.to_string());
    (after.1 != Some(old))
        .then(|| format!("the durable vote in term {} changed from {old} to {now}", after.0))
}
