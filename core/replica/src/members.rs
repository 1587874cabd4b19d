//! Membership: single changes and joint consensus (dissertation 4), learners, promotion.
//!
//! Raft carries a change as an entry; every node applies it at the same index. What raft-rs leaves to its user:
//! a leader that is no member any more must step down (X2; etcd #11038), a joint configuration must be left even if
//! the leader that entered it is gone (X8), and ids must never come back.

use crate::{
    door::Event,
    limits,
    replica::Replica,
    writes::{Proposal, encode},
};
use protobuf::Message as _;
use raft::eraftpb::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
    Entry, EntryType,
};
use whitewater_api::{
    Body, ClusterRequest, Error, Index, MemberChange, NodeId, Request, RequestId, response::Members,
};
use whitewater_mutation::Mutation;

impl Replica {
    /// Proposes a change, if it makes sense now.
    pub(crate) fn propose_member_change(
        &mut self,
        id: RequestId,
        change: MemberChange,
    ) -> Result<(), Error> {
        self.check_member_change(change)?;
        self.propose_configuration(id, Request::Member(change), change)
    }

    /// Puts a change into the log, for what a client asked.
    pub(crate) fn propose_configuration(
        &mut self,
        id: RequestId,
        request: Request,
        change: MemberChange,
    ) -> Result<(), Error> {
        self.check_no_change_is_under_way()?;
        let context = encode(&Proposal { id, request });
        let mut message = ConfChangeV2::default();
        message.set_changes(singles(change).into());
        // Left by our own hand (`leave_joint`): raft's own leaving may forget when the leader changes (X8).
        let is_joint = message.changes.len() > 1;
        message.set_transition(if is_joint {
            ConfChangeTransition::Explicit
        } else {
            ConfChangeTransition::Auto
        });
        message.context = context.into();
        if self.raft.propose_conf_change(Vec::new(), message).is_err() {
            return Err(self.dropped());
        }
        self.writes.wait(id, self.raft.raft.raft_log.last_index());
        Ok(())
    }

    fn check_no_change_is_under_way(&self) -> Result<(), Error> {
        if self.is_changing_members() {
            return Err(Error::ChangeInProgress);
        }
        Ok(())
    }

    fn check_member_change(&self, change: MemberChange) -> Result<(), Error> {
        self.check_no_change_is_under_way()?;
        let conf = self.raft.store().conf_state();
        let is_voter = |node: NodeId| conf.voters.contains(&node.0);
        let is_learner = |node: NodeId| conf.learners.contains(&node.0);
        let is_new = |node: NodeId| {
            let known = is_voter(node)
                || is_learner(node)
                || self.membership.removed.contains(&node)
                || node.0 == 0;
            if known { Err(Error::MemberExists) } else { Ok(()) }
        };
        match change {
            MemberChange::Add(node) | MemberChange::AddLearner(node) => is_new(node),
            MemberChange::Promote(node) if !is_learner(node) => Err(Error::MemberNotFound),
            MemberChange::Promote(node) if !self.has_caught_up(node) => Err(Error::LearnerNotReady),
            MemberChange::Remove(node) if !is_voter(node) && !is_learner(node) => {
                Err(Error::MemberNotFound)
            }
            MemberChange::Remove(node) if is_voter(node) && conf.voters.len() == 1 => {
                Err(Error::NotEnoughMembers)
            }
            MemberChange::Remove(node) | MemberChange::Replace { old: node, .. }
                if self.membership.needs_word_of(node) =>
            {
                Err(Error::ChangeInProgress)
            }
            MemberChange::Promote(_) | MemberChange::Remove(_) => Ok(()),
            MemberChange::Replace { old, .. } if !is_voter(old) => Err(Error::MemberNotFound),
            MemberChange::Replace { new, .. } => is_new(new),
        }
    }

    /// Whether another change must be waited for.
    pub(crate) fn is_changing_members(&self) -> bool {
        let raft = &self.raft.raft;
        let is_joint = !self.raft.store().conf_state().voters_outgoing.is_empty();
        raft.has_pending_conf() || is_joint || raft.lead_transferee.is_some()
    }

    pub(crate) fn has_caught_up(&self, node: NodeId) -> bool {
        let last = self.raft.raft.raft_log.last_index();
        let matched = self.raft.raft.prs().get(node.0).map_or(0, |progress| progress.matched);
        matched * 100 >= last * limits::LEARNER_READY_PERCENT
    }

    /// Applies a change. Answers with the client that waits for it here, and what it gets.
    pub(crate) fn apply_members(
        &mut self,
        entry: &Entry,
    ) -> Option<(RequestId, Result<Body, Error>)> {
        let change = read_change(entry);
        let proposal: Option<Proposal> = postcard::from_bytes(&change.context).ok();
        // An error is the same on all nodes: leaving what was already left.
        if let Ok(conf) = self.raft.apply_conf_change(&change) {
            let relieved = relieved(&change, proposal.as_ref());
            self.on_members(entry.index, conf, proposal.as_ref(), relieved);
        }
        self.pin_timeout();
        let proposal = proposal?;
        let waiter = self.writes.take(proposal.id)?;
        let body = if matches!(proposal.request, Request::Cluster(_)) {
            Body::Cluster(self.members())
        } else {
            Body::Member(members(self.raft.store().conf_state()))
        };
        Some((waiter, Ok(body)))
    }

    fn on_members(
        &mut self,
        index: u64,
        conf: ConfState,
        proposal: Option<&Proposal>,
        relieved: Option<NodeId>,
    ) {
        match proposal.map(|proposal| &proposal.request) {
            Some(Request::Member(
                MemberChange::Remove(node) | MemberChange::Replace { old: node, .. },
            )) => {
                self.membership.removed.insert(*node);
                self.membership.roster.remove(node);
            }
            Some(Request::Cluster(change)) => {
                if let ClusterRequest::Remove(node) = change {
                    self.membership.removed.insert(*node);
                }
                self.note_roster(change);
            }
            _ => {}
        }
        let before = self.raft.store().conf_state();
        self.membership.on_changed(before, &conf, relieved);
        if !conf.voters_outgoing.is_empty() {
            self.sometimes("joint configuration entered");
        }
        self.announce_members(Index(index), &conf);
        self.raft.mut_store().on_members(conf);
        self.drop_transfers_to_strangers();
        self.forbid_lease();
        self.on_barrier(index);
        let votes = self.raft.raft.prs().conf().voters().contains(self.config.node.0);
        if self.is_leader()
            && !votes
            && !self.config.mutations.has(Mutation::RemovedLeaderKeepsLeading)
        {
            self.sometimes("removed leader stepped down");
            self.step_down();
        }
    }

    /// Tells whoever watches about a configuration.
    pub(crate) fn announce_members(&mut self, index: Index, conf: &ConfState) {
        let Members { voters, voters_outgoing: outgoing, learners } = members(conf);
        self.event(Event::Members { index, voters, outgoing, learners });
    }

    /// Under this mutation only the leader that entered leaves, and only right behind the entry that entered.
    fn forgets_to_leave(&self) -> bool {
        let raft = &self.raft.raft;
        let entered_now = self.raft.store().applied() == (raft.pending_conf_index, raft.term);
        self.config.mutations.has(Mutation::JointNeverLeft) && !entered_now
    }

    /// Leaves a joint configuration as soon as it is applied here, whoever entered it.
    pub(crate) fn leave_joint(&mut self) {
        let conf = self.raft.store().conf_state();
        if !self.is_leader()
            || conf.voters_outgoing.is_empty()
            || conf.auto_leave
            || self.raft.raft.has_pending_conf()
            || self.raft.raft.lead_transferee.is_some()
            || self.forgets_to_leave()
        {
            return;
        }
        if self.raft.propose_conf_change(Vec::new(), ConfChangeV2::default()).is_err() {
            self.sometimes("raft dropped a message");
        }
    }
}

/// Who is relieved by a change that no client asked for.
fn relieved(change: &ConfChangeV2, proposal: Option<&Proposal>) -> Option<NodeId> {
    let [single] = change.changes.as_slice() else { return None };
    let is_relief =
        proposal.is_none() && single.get_change_type() == ConfChangeType::AddLearnerNode;
    is_relief.then_some(NodeId(single.node_id))
}

/// One step of a change.
pub(crate) fn single(kind: ConfChangeType, node: NodeId) -> ConfChangeSingle {
    let mut single = ConfChangeSingle::default();
    single.set_change_type(kind);
    single.node_id = node.0;
    single
}

fn singles(change: MemberChange) -> Vec<ConfChangeSingle> {
    match change {
        MemberChange::Add(node) | MemberChange::Promote(node) => {
            vec![single(ConfChangeType::AddNode, node)]
        }
        MemberChange::AddLearner(node) => vec![single(ConfChangeType::AddLearnerNode, node)],
        MemberChange::Remove(node) => vec![single(ConfChangeType::RemoveNode, node)],
        MemberChange::Replace { old, new } => {
            vec![single(ConfChangeType::RemoveNode, old), single(ConfChangeType::AddNode, new)]
        }
    }
}

/// raft-rs writes a change that is simple in the older form, which has the same context.
fn read_change(entry: &Entry) -> ConfChangeV2 {
    let known = "what was proposed can be read";
    if entry.get_entry_type() == EntryType::EntryConfChange {
        let mut old = ConfChange::default();
        old.merge_from_bytes(&entry.data).expect(known);
        let mut change = ConfChangeV2::default();
        let mut single = ConfChangeSingle::default();
        single.set_change_type(old.get_change_type());
        single.node_id = old.node_id;
        change.set_changes(vec![single].into());
        change.context = old.context;
        return change;
    }
    let mut change = ConfChangeV2::default();
    change.merge_from_bytes(&entry.data).expect(known);
    change
}

/// The members in the order of their ids: raft-rs keeps them in the order of a hash set, which depends on how a node came
/// to its configuration.
fn members(conf: &ConfState) -> Members {
    Members {
        voters: sorted(&conf.voters),
        voters_outgoing: sorted(&conf.voters_outgoing),
        learners: sorted(&conf.learners),
    }
}

/// Nodes by id.
pub(crate) fn sorted(ids: &[u64]) -> Vec<NodeId> {
    let mut nodes: Vec<NodeId> = ids.iter().copied().map(NodeId).collect();
    nodes.sort_unstable();
    nodes
}
