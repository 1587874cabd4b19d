//! A leader commits what a majority has on disk, and in a joint configuration a majority of each half. Raft 5.3, 5.4.2
//! and 6; openraft #1753 for the disks of crashed nodes, which count.

use crate::observer::{ghost::Members, ledger::Ledger};
use whitewater_api::{Index, NodeId, Term};
use whitewater_replica::Status;

/// The disks of a cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disks<'a> {
    /// What each holds, by node from 1.
    pub(crate) present: &'a [Ledger],
    /// What each held before it was replaced by an empty one. It counts: its member acknowledged what it held, and the
    /// leader cannot know of the loss, which is one that a majority survives.
    pub(crate) former: &'a [Option<Ledger>],
}

impl Disks<'_> {
    /// A leader's commit index went up, under this configuration.
    pub(crate) fn check(self, status: &Status, members: &Members) -> Option<String> {
        let (index, term) = (status.commit, status.term);
        let short = [&members.voters, &members.outgoing]
            .into_iter()
            .filter(|half| !half.is_empty())
            .find(|half| !self.is_quorum(half, index, term))?;
        let have = short.iter().map(|node| {
            let ledger = &self.present[place(*node)];
            let own = ledger
                .term_at(index)
                .map_or_else(|| "nothing".to_owned(), |own| format!("{index}@{own}"));
            format!("{node} {own} (last {})", ledger.last())
        });
        let have = have.collect::<Vec<_>>().join(", ");
        Some(format!("the leader of term {term} commits {index}, and the disks have: {have}"))
    }

    fn is_quorum(self, voters: &[NodeId], index: Index, term: Term) -> bool {
        let holders = voters.iter().filter(|node| self.holds(**node, index, term)).count();
        2 * holders > voters.len()
    }

    fn holds(self, node: NodeId, index: Index, term: Term) -> bool {
        let former = self.former[place(node)].as_ref();
        self.present[place(node)].holds(index, term)
            || former.is_some_and(|ledger| ledger.holds(index, term))
    }
}

fn place(node: NodeId) -> usize {
    usize::try_from(node.0 - 1).expect("ids are below 64")
}
