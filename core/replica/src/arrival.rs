//! Messages as they arrive, and what is kept from raft-rs.

use crate::{
    door::Phase,
    message::{Envelope, PeerMessage},
    replica::Replica,
    wal::Renewal,
};
use raft::eraftpb::{Message, MessageType};
use whitewater_api::{NodeId, Term};
use whitewater_mutation::Mutation;

impl Replica {
    pub(crate) fn on_message(&mut self, envelope: Envelope) {
        assert_eq!(envelope.to, self.config.node, "a message for another member");
        let from = envelope.from;
        self.contacts.note(from, self.now, self.contact_patience());
        match envelope.body {
            PeerMessage::Hello(incarnation) => self.on_hello(from, incarnation),
            PeerMessage::Welcome { incarnation, elders } => {
                self.on_welcome(from, incarnation, elders);
            }
            PeerMessage::AskElders(elders) => self.on_ask_elders(elders),
            PeerMessage::Ghost(incarnation) => self.on_ghost(incarnation),
            PeerMessage::StartOver { life, term, barrier } => {
                self.on_start_over(from, life, term, Renewal { barrier });
            }
            _ if self.phase != Phase::Active => self.introduction.hear(from),
            _ if self.is_gone(from) => self.sometimes("removed member ignored"),
            PeerMessage::Raft(message) => self.on_raft_message(*message),
            PeerMessage::Damaged { life } => self.on_damaged(from, life),
            PeerMessage::Renewed => self.on_renewed(from),
            PeerMessage::Vouched(incarnation) => self.on_vouched(from, incarnation),
            PeerMessage::ReadIndex { term, context } => self.on_read_request(from, term, context),
            PeerMessage::ReadIndexAnswer { context, index } => self.on_read_answer(context, index),
            PeerMessage::HashAsk { number, revision } => self.on_hash_ask(from, number, revision),
            PeerMessage::HashAnswer { number, hash, newest } => {
                self.on_hash_answer(from, number, hash, newest);
            }
            PeerMessage::SnapshotPart(part) => self.on_snapshot_part(from, &part),
            PeerMessage::SnapshotAck { transfer, next } => {
                self.on_snapshot_ack(from, transfer, next);
            }
        }
    }

    /// Whether a member was removed, by the configuration that is applied here. It may not know, and go on standing for
    /// election at ever higher terms: whoever answered it would be lost to its own cluster (dissertation 4.2.3). In a joint
    /// configuration that it is leaving it still counts.
    fn is_gone(&self, node: NodeId) -> bool {
        let ignores = !self.config.mutations.has(Mutation::RemovedLeaderKeepsLeading);
        ignores
            && self.membership.removed.contains(&node)
            && self.raft.raft.prs().get(node.0).is_none()
    }

    /// Whoever speaks in an older term is told of the newer one (paper, figure 2, "reply false if term < currentTerm"). raft-rs does
    /// so for votes before the vote only, and for leaders where their quorum is checked or those votes are asked for. Where they
    /// are not, of two that stand for election in turn the one with the longer log, which alone can win, would never catch up
    /// with the terms of the other; and a newcomer whom a removed member has asked for its vote would never hear its leader.
    fn refuse_old_term(&mut self, message: &Message) {
        let raft = &self.raft.raft;
        if message.term == 0 || message.term >= raft.term {
            return;
        }
        let kind = message.get_msg_type();
        let mut refusal = Message::default();
        if kind == MessageType::MsgRequestVote {
            self.sometimes("candidate told of a newer term");
            refusal.set_msg_type(MessageType::MsgRequestVoteResponse);
            refusal.reject = true;
        } else if matches!(kind, MessageType::MsgAppend | MessageType::MsgHeartbeat)
            && !(raft.check_quorum || raft.pre_vote)
        {
            self.sometimes("leader told of a newer term");
            refusal.set_msg_type(MessageType::MsgAppendResponse);
        } else {
            return;
        }
        refusal.term = self.raft.raft.term;
        (refusal.from, refusal.to) = (self.config.node.0, message.from);
        self.raft.raft.msgs.push(refusal);
    }

    fn on_raft_message(&mut self, mut message: Message) {
        let kind = message.get_msg_type();
        let may_vote = !self.owes_a_lease(&message) && !self.has_forgotten_votes();
        if !self.may_arrive(kind) || (is_vote_request(&message) && !may_vote) {
            return;
        }
        if kind == MessageType::MsgTimeoutNow && !self.may_campaign() {
            return self.sometimes("order to campaign refused");
        }
        if kind == MessageType::MsgTimeoutNow && self.is_own_quorum() {
            return self.take_over(Term(message.term));
        }
        if self.config.mutations.has(Mutation::VoteIgnoresLog) && is_vote_request(&message) {
            message.log_term = u64::MAX >> 1;
            message.index = u64::MAX >> 1;
        }
        if kind == MessageType::MsgHeartbeat && self.has_forgotten_votes() {
            // The leader may still count on what was held in the life that is forgotten.
            message.commit = message.commit.min(self.raft.raft.raft_log.last_index());
        }
        if kind == MessageType::MsgRequestVoteResponse && message.reject {
            self.sometimes("vote refused");
        }
        if message.reject && self.has_forgotten(message.from, message.index) {
            return;
        }
        if self.is_stale_rejection(&message) {
            return self.sometimes("stale rejection ignored");
        }
        let from = message.from;
        self.refuse_old_term(&message);
        self.note_nearest(&message);
        // An unknown peer or a message that raft drops is no error of ours.
        if self.raft.step(message).is_err() {
            self.sometimes("raft dropped a message");
        }
        self.pin_timeout();
        self.repair_progress(from);
        if self.config.mutations.has(Mutation::CommitOldTerm) && self.is_leader() {
            let (index, _) = self.raft.raft.mut_prs().maximal_committed_index();
            let last = self.raft.raft.raft_log.persisted;
            self.raft.raft.raft_log.commit_to(index.min(last));
        }
    }

    /// Proposals, reads and snapshots travel in messages of our own. Raft's carry no term, so a delayed one would be
    /// taken in any later term (raft-rs 0.7.0, X12), and local ones are none of a peer's business.
    fn may_arrive(&self, kind: MessageType) -> bool {
        match kind {
            MessageType::MsgAppend
            | MessageType::MsgAppendResponse
            | MessageType::MsgRequestVote
            | MessageType::MsgRequestVoteResponse
            | MessageType::MsgRequestPreVote
            | MessageType::MsgRequestPreVoteResponse
            | MessageType::MsgHeartbeat
            | MessageType::MsgHeartbeatResponse
            | MessageType::MsgTimeoutNow => true,
            MessageType::MsgPropose | MessageType::MsgReadIndex | MessageType::MsgReadIndexResp => {
                self.config.mutations.has(Mutation::ForeignTermlessMessage)
            }
            MessageType::MsgHup
            | MessageType::MsgBeat
            | MessageType::MsgSnapshot
            | MessageType::MsgUnreachable
            | MessageType::MsgSnapStatus
            | MessageType::MsgCheckQuorum
            | MessageType::MsgTransferLeader => false,
        }
    }

    /// Whether a leader may still count on this member's patience. It has forgotten whom it heard from before it
    /// restarted, so it refuses everybody for one election timeout, but for a candidate sent by the leader itself.
    fn owes_a_lease(&self, message: &Message) -> bool {
        let forced = message.context.as_ref() == b"CampaignTransfer";
        self.config.tuning.lease_reads
            && !forced
            && self.now.since(self.booted) < self.election_nanos() + self.tick_nanos()
            && self.raft.raft.term > 1
    }

    /// Whether a follower rejects what it has confirmed since: an old message. Raft would go back to it, and send what the
    /// follower has, or a snapshot if that is no longer in the log (raft-rs 0.7.0, X4).
    fn is_stale_rejection(&self, message: &Message) -> bool {
        let raft = &self.raft.raft;
        let matched = raft.prs().get(message.from).map_or(0, |progress| progress.matched);
        message.get_msg_type() == MessageType::MsgAppendResponse
            && message.reject
            && self.is_leader()
            && message.term == raft.term
            && message.index <= matched
            && !self.config.mutations.has(Mutation::StaleRejectionKept)
    }

    /// The hint of a stale rejection can move the next index below what the follower has confirmed too.
    fn repair_progress(&mut self, node: u64) {
        if !self.is_leader() || self.config.mutations.has(Mutation::StaleRejectionKept) {
            return;
        }
        if let Some(progress) = self.raft.raft.mut_prs().get_mut(node)
            && progress.next_idx <= progress.matched
        {
            progress.next_idx = progress.matched + 1;
        }
    }
}

fn is_vote_request(message: &Message) -> bool {
    matches!(message.get_msg_type(), MessageType::MsgRequestVote | MessageType::MsgRequestPreVote)
}
