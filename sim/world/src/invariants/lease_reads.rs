//! While a leader may read by its lease nobody else is elected. Dissertation 6.4.1; raft-rs 0.7.0 and openraft #1749 on transfers.

use whitewater_api::{NodeId, Term};

/// `node` answers by its lease as the leader of `term`; `newest` is the newest term that had a leader before the read was
/// asked for. What was asked before may have been allowed before, and have waited until it was applied.
pub(crate) fn check(node: NodeId, term: Term, newest: Option<Term>) -> Option<String> {
    let newest = newest.filter(|newest| *newest > term)?;
    Some(format!(
        "{node} reads by its lease as leader of term {term}; when it was asked, term {newest} had a leader"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_over_when_another_one_leads() {
        assert_eq!(check(NodeId(1), Term(3), None), None);
        assert_eq!(check(NodeId(1), Term(3), Some(Term(3))), None);
        assert!(check(NodeId(1), Term(3), Some(Term(4))).is_some());
    }
}
