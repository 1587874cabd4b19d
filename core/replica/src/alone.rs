//! A voter whose own vote is enough leads once its disk holds that vote.
//!
//! raft-rs counts the vote that a candidate gives itself at once. Where others vote, they are asked only when it is durable. Who
//! is alone would lead before, could forget it in a crash, and vote for another one in the same term: a member that was
//! removed and does not know it asks. So such a candidate waits for its disk here, as etcd's waits (etcd #14627).

use crate::{persistence::Effect, replica::Replica};
use raft::{INVALID_ID, StateRole};
use whitewater_api::Term;

impl Replica {
    /// Whether this member votes and nobody else does, in either half of a configuration.
    pub(crate) fn is_own_quorum(&self) -> bool {
        let raft = &self.raft.raft;
        raft.promotable() && raft.prs().conf().voters().ids().iter().all(|voter| voter == raft.id)
    }

    /// A tick of raft's clock. The election of who is alone is held here.
    pub(crate) fn tick_raft(&mut self) {
        if self.is_leader() || !self.is_own_quorum() {
            self.raft.tick();
            return self.pin_timeout();
        }
        let raft = &mut self.raft.raft;
        raft.election_elapsed += 1;
        if raft.pass_election_timeout() {
            raft.election_elapsed = 0;
            self.elect_itself();
        }
    }

    /// Votes for itself, and leads when that is durable. As in any election all that is committed must be applied: a change
    /// of members could be among it.
    fn elect_itself(&mut self) {
        let raft = &mut self.raft.raft;
        if raft.state == StateRole::Leader || raft.raft_log.applied < raft.raft_log.committed {
            return;
        }
        raft.become_candidate();
        let term = Term(raft.term);
        self.pin_timeout();
        self.persistence.require();
        self.persistence.after_writes(Effect::Elected(term));
    }

    /// The vote that this member has given itself in `term` is durable.
    pub(crate) fn on_elected(&mut self, term: Term) {
        let raft = &mut self.raft.raft;
        if raft.state == StateRole::Candidate && Term(raft.term) == term {
            raft.become_leader();
            raft.bcast_append();
            self.pin_timeout();
        }
    }

    /// A leader hands over to this member, which is alone.
    pub(crate) fn take_over(&mut self, term: Term) {
        let raft = &mut self.raft.raft;
        if term.0 > raft.term {
            raft.become_follower(term.0, INVALID_ID);
        }
        if term.0 == raft.term {
            self.elect_itself();
        }
    }
}
