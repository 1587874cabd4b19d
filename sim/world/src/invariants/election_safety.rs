//! Election safety: at most one leader in a term. Raft figure 3.

use crate::limits;
use std::collections::BTreeMap;
use whitewater_api::{NodeId, Term};

/// Who led in each term.
#[derive(Debug, Default)]
pub(crate) struct ElectionSafety {
    leaders: BTreeMap<Term, NodeId>,
}

impl ElectionSafety {
    /// A node became leader. What is wrong with that, and whether the term had no leader before.
    pub(crate) fn check(&mut self, term: Term, node: NodeId) -> (Option<String>, bool) {
        let known = *self.leaders.entry(term).or_insert(node);
        let is_new = known == node;
        if self.leaders.len() > limits::VOTES_MAX {
            self.leaders.pop_first();
        }
        let wrong =
            (!is_new).then(|| format!("{node} leads in term {term}, in which {known} led already"));
        (wrong, is_new)
    }

    /// How many terms had a leader, as far back as is remembered.
    pub(crate) fn terms(&self) -> usize {
        self.leaders.len()
    }
}
