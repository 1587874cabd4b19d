//! Election safety: at most one leader in a term. Raft figure 3.

use crate::limits;
use std::collections::BTreeMap;
use whitewater_api::{NodeId, Term};
use whitewater_record::SimTime;

/// Who led in each term.
#[derive(Debug, Default)]
pub(crate) struct ElectionSafety {
    leaders: BTreeMap<Term, Elected>,
}

#[derive(Clone, Copy, Debug)]
struct Elected {
    leader: NodeId,
    at: SimTime,
}

impl ElectionSafety {
    /// A node became leader. What is wrong with that, and whether the term had no leader before.
    pub(crate) fn check(
        &mut self,
        term: Term,
        node: NodeId,
        at: SimTime,
    ) -> (Option<String>, bool) {
        let known = self.leaders.entry(term).or_insert(Elected { leader: node, at }).leader;
        let is_new = known == node;
        if self.leaders.len() > limits::VOTES_MAX {
            self.leaders.pop_first();
        }
        let wrong =
            (!is_new).then(|| format!("{node} leads in term {term}, in which {known} led already"));
        (wrong, is_new)
    }

    /// The newest term that had a leader before `at`.
    pub(crate) fn newest_before(&self, at: SimTime) -> Option<Term> {
        let mut newest = self.leaders.iter().rev();
        newest.find(|(_, elected)| elected.at < at).map(|(term, _)| *term)
    }

    /// How many terms had a leader, as far back as is remembered.
    pub(crate) fn terms(&self) -> usize {
        self.leaders.len()
    }
}
