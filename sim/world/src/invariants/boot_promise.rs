//! What a node promised it still holds after a restart, unless a leader of a higher term took it back. Raft figure 2
//! (persistent state); PAR, FAST 2018; etcd #22442.

use whitewater_api::{Index, NodeId, Term};
use whitewater_replica::{Promise, Status};

/// What each node promised.
#[derive(Debug)]
pub(crate) struct BootPromise {
    /// By node, from 1.
    promised: Vec<Promised>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Promised {
    /// The highest term of any promise.
    term: Term,
    /// The highest acknowledged index that still binds, and the term in which it was acknowledged last.
    appended: (Term, Index),
}

impl BootPromise {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { promised: vec![Promised::default(); nodes] }
    }

    /// A promise leaves a node. Whether it says more than earlier ones.
    pub(crate) fn note(&mut self, node: NodeId, promise: Promise) -> bool {
        let promised = self.at(node);
        let before = promised.term;
        match promise {
            Promise::Vote { term, .. } | Promise::Candidacy { term } => {
                promised.term = promised.term.max(term);
                true
            }
            Promise::Appended { term, index } => {
                promised.term = promised.term.max(term);
                let more = index > promised.appended.1;
                promised.appended.0 = promised.appended.0.max(term);
                promised.appended.1 = promised.appended.1.max(index);
                more || promised.term > before
            }
        }
    }

    /// A durable entry was overwritten by a node in this term.
    pub(crate) fn on_overwrite(
        &mut self,
        node: NodeId,
        index: Index,
        term: Term,
    ) -> Option<String> {
        let promised = self.at(node);
        let (acknowledged, highest) = promised.appended;
        if highest < index {
            return None;
        }
        promised.appended.1 = Index(index.0 - 1);
        (term <= acknowledged).then(|| {
            format!(
                "{node} overwrites entry {index} in term {term}, having acknowledged up to {highest} in term {acknowledged}"
            )
        })
    }

    /// A process takes part again. What it has lost, and whether it had promised anything.
    pub(crate) fn check(&self, node: NodeId, status: &Status) -> (Option<String>, bool) {
        let Promised { term, appended: (in_term, index) } = self.promised[place(node)];
        let wrong = if status.term < term {
            Some(format!(
                "{node} takes part in term {} after it promised something in {term}",
                status.term
            ))
        } else if status.last < index {
            let last = status.last;
            Some(format!(
                "{node} takes part with a log up to {last} after it acknowledged up to {index} in term {in_term}"
            ))
        } else {
            None
        };
        (wrong, term > Term(0))
    }

    /// What a node promised binds it no more.
    pub(crate) fn release(&mut self, node: NodeId) {
        *self.at(node) = Promised::default();
    }

    fn at(&mut self, node: NodeId) -> &mut Promised {
        &mut self.promised[place(node)]
    }
}

fn place(node: NodeId) -> usize {
    usize::try_from(node.0 - 1).expect("ids are below 64")
}
