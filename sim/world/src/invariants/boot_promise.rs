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

#[derive(Clone, Debug, Default)]
struct Promised {
    /// The highest term of any promise.
    term: Term,
    /// The highest acknowledged index that still binds, and the term in which it was acknowledged last.
    appended: (Term, Index),
    /// In which terms entries were overwritten, and from where on. Invariant: both rise, as a lower place makes what came before
    /// it superfluous.
    overwritten: Vec<(Term, Index)>,
}

impl Promised {
    /// How much of an acknowledgement binds. One of an older leader leaves late, when what overwrote its entries may be durable
    /// already, by the same batch.
    fn still_bound(&self, term: Term, index: Index) -> Index {
        let later = self.overwritten.iter().find(|(overwritten_in, _)| *overwritten_in > term);
        later.map_or(index, |(_, from)| index.min(Index(from.0 - 1)))
    }

    fn note_overwrite(&mut self, term: Term, from: Index) {
        while self.overwritten.pop_if(|(_, earlier)| *earlier >= from).is_some() {}
        self.overwritten.push((term, from));
    }
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
                let index = promised.still_bound(term, index);
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
        promised.note_overwrite(term, index);
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
        let Promised { term, appended: (in_term, index), .. } = self.promised[place(node)];
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

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);

    fn acknowledged(overwrites: &[(u64, u64)], term: u64, index: u64) -> Index {
        let mut promises = BootPromise::new(1);
        for (term, from) in overwrites {
            assert_eq!(promises.on_overwrite(NODE, Index(*from), Term(*term)), None);
        }
        promises.note(NODE, Promise::Appended { term: Term(term), index: Index(index) });
        promises.at(NODE).appended.1
    }

    #[test]
    fn an_acknowledgement_that_leaves_late_binds_as_far_as_nobody_has_overwritten_it() {
        assert_eq!(acknowledged(&[], 2, 9), Index(9));
        assert_eq!(acknowledged(&[(3, 4)], 2, 9), Index(3), "overwritten by a later leader");
        assert_eq!(acknowledged(&[(3, 4)], 2, 3), Index(3));
        assert_eq!(acknowledged(&[(3, 4)], 3, 9), Index(9), "by this one, before");
        assert_eq!(acknowledged(&[(3, 4), (5, 7)], 2, 9), Index(3));
        assert_eq!(acknowledged(&[(3, 4), (5, 7)], 4, 9), Index(6));
        assert_eq!(acknowledged(&[(3, 7), (5, 4)], 2, 9), Index(3));
        assert_eq!(acknowledged(&[(3, 7), (5, 4)], 5, 9), Index(9));
    }

    #[test]
    fn to_overwrite_in_the_same_term_what_was_acknowledged_is_wrong() {
        let mut promises = BootPromise::new(1);
        promises.note(NODE, Promise::Appended { term: Term(3), index: Index(5) });
        assert!(promises.on_overwrite(NODE, Index(4), Term(3)).is_some());
        let mut promises = BootPromise::new(1);
        promises.note(NODE, Promise::Appended { term: Term(3), index: Index(5) });
        assert_eq!(promises.on_overwrite(NODE, Index(4), Term(4)), None);
    }
}
