//! Whom a round of reads asks.
//!
//! Raft asks everybody and goes on when a quorum has answered; what the others answer is work for nothing. A leader that
//! is asked so much that one round follows upon another asks only those who confirmed the last one. Everybody is asked
//! once a tick, for who is near changes; and raft itself asks everybody for the round under way with each heartbeat, so
//! one that answers no more costs a heartbeat and no more.

use crate::replica::Replica;
use raft::eraftpb::{Message, MessageType};
use std::collections::BTreeSet;
use whitewater_api::Monotonic;

/// The members that answer first.
#[derive(Default)]
pub(super) struct Nearest {
    /// Who confirmed the last round, the leader among them.
    members: BTreeSet<u64>,
    /// When they had.
    confirmed: Monotonic,
    /// When a round last asked everybody.
    asked_all: Monotonic,
}

impl Replica {
    /// Raft is about to take this answer: if it makes a quorum, those whose answers are there are the nearest ones.
    pub(crate) fn note_nearest(&mut self, answer: &Message) {
        let raft = &self.raft.raft;
        if answer.get_msg_type() != MessageType::MsgHeartbeatResponse || answer.term != raft.term {
            return;
        }
        let Some(round) = raft.read_only.pending_read_index.get(&answer.context[..]) else {
            return;
        };
        let mut members = round.acks.clone();
        members.insert(answer.from);
        if raft.prs().has_quorum(&members) {
            self.reads.nearest.members = members.into_iter().collect();
            self.reads.nearest.confirmed = self.now;
        }
    }

    /// Raft has asked everybody for this round: takes back what need not be said.
    pub(super) fn ask_nearest(&mut self, context: &[u8]) {
        let (now, tick) = (self.now, self.tick_nanos());
        let nearest = &mut self.reads.nearest;
        // After a pause nobody knows who is near, and an answer in time is worth more than a message.
        let follows = nearest.confirmed == now;
        if !follows || now.since(nearest.asked_all) >= tick {
            nearest.asked_all = now;
            return;
        }
        let raft = &mut self.raft.raft;
        if !raft.prs().has_quorum(&nearest.members.iter().copied().collect()) {
            return; // Other members vote now.
        }
        let asked = raft.msgs.len();
        raft.msgs.retain(|message| {
            let is_of_round =
                message.get_msg_type() == MessageType::MsgHeartbeat && message.context == context;
            !is_of_round || nearest.members.contains(&message.to)
        });
        if raft.msgs.len() < asked {
            self.sometimes("read index round asked the nearest only");
        }
    }
}
