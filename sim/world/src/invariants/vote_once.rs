//! A node votes at most once in a term, over all lives of its process and disk, unless the members took its vote away.
//! Raft 5.2, figure 2 (`votedFor`).

use crate::limits;
use std::collections::BTreeMap;
use whitewater_api::{NodeId, Term};

/// Whom each node voted for.
#[derive(Debug)]
pub(crate) struct VoteOnce {
    /// By node, from 1.
    votes: Vec<BTreeMap<Term, NodeId>>,
}

impl VoteOnce {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { votes: vec![BTreeMap::new(); nodes] }
    }

    /// What a node voted counts no more.
    pub(crate) fn release(&mut self, node: NodeId) {
        self.votes[place(node)].clear();
    }

    /// A vote leaves a node. What is wrong with it, and whether it is the first in its term.
    pub(crate) fn check(&mut self, node: NodeId, term: Term, to: NodeId) -> (Option<String>, bool) {
        let votes = &mut self.votes[place(node)];
        let is_new = !votes.contains_key(&term);
        let known = *votes.entry(term).or_insert(to);
        if votes.len() > limits::VOTES_MAX {
            votes.pop_first();
        }
        let wrong = (known != to).then(|| {
            format!("{node} votes for {to} in term {term}, in which it voted for {known} already")
        });
        (wrong, is_new)
    }
}

fn place(node: NodeId) -> usize {
    usize::try_from(node.0 - 1).expect("ids are below 64")
}
