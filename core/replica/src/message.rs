//! What replicas say to each other.

use crate::snapshot::SnapshotMeta;
use bytes::Bytes;
use raft::eraftpb::{self, MessageType};
use whitewater_api::{Incarnation, Index, NodeId, Term};

/// A message with its two ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Who says it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// What.
    pub body: PeerMessage,
}

/// What one replica says to another.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerMessage {
    /// raft-rs's own: votes, appends, heartbeats. Never a proposal, a read or a snapshot: those are ours.
    Raft(Box<eraftpb::Message>),
    /// "I am new; do you know me by another disk?"
    Hello(Incarnation),
    /// "I know you by this disk."
    Welcome(Incarnation),
    /// "I know you by another disk: you have lost your promises."
    Ghost(Incarnation),
    /// A follower asks its leader for a read index.
    ReadIndex {
        /// The term in which the sender follows the receiver.
        term: Term,
        /// Unique for each attempt.
        context: u64,
    },
    /// The leader's answer: reads asked for in `context` may be served once `index` is applied.
    ReadIndexAnswer {
        /// Of the question.
        context: u64,
        /// The index.
        index: Index,
    },
    /// A part of a snapshot.
    SnapshotPart(Box<SnapshotPart>),
    /// The receiver has all parts before `next`.
    SnapshotAck {
        /// The transfer.
        transfer: Transfer,
        /// The part that it waits for.
        next: u64,
    },
}

/// One transfer of a snapshot: the leader's term and a number that rises within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transfer {
    /// The leader's term.
    pub term: Term,
    /// The how-manieth of that leader.
    pub number: u64,
}

/// A part of a snapshot under way.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotPart {
    /// The transfer that it belongs to.
    pub transfer: Transfer,
    /// Its number, from 0.
    pub part: u64,
    /// Whether no more follow.
    pub last: bool,
    /// What the snapshot covers.
    pub meta: SnapshotMeta,
    /// The store's own encoding.
    pub bytes: Bytes,
}

/// What a message binds its sender to. The disk must hold it when the message leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// "You have my vote in this term."
    Vote {
        /// The term.
        term: Term,
        /// For whom.
        to: NodeId,
    },
    /// "I stand in this term", and so have voted for myself.
    Candidacy {
        /// The term.
        term: Term,
    },
    /// "I hold the log up to this index as you do", in the leader's term.
    Appended {
        /// The term.
        term: Term,
        /// The index.
        index: Index,
    },
}

impl Envelope {
    /// The promise in the message, if it makes one.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "raft-rs has kinds that never reach the network"
    )]
    pub fn promise(&self) -> Option<Promise> {
        let PeerMessage::Raft(message) = &self.body else { return None };
        let term = Term(message.term);
        match message.get_msg_type() {
            MessageType::MsgRequestVoteResponse if !message.reject => {
                Some(Promise::Vote { term, to: self.to })
            }
            MessageType::MsgRequestVote => Some(Promise::Candidacy { term }),
            // An answer to a leader of an older term carries index 0 and promises nothing.
            MessageType::MsgAppendResponse if !message.reject && message.index > 0 => {
                Some(Promise::Appended { term, index: Index(message.index) })
            }
            _ => None,
        }
    }

    /// Whether the sender speaks as a leader.
    pub fn is_from_leader(&self) -> bool {
        match &self.body {
            PeerMessage::Raft(message) => {
                matches!(message.get_msg_type(), MessageType::MsgAppend | MessageType::MsgHeartbeat)
            }
            PeerMessage::SnapshotPart(_) => true,
            PeerMessage::Hello(_)
            | PeerMessage::Welcome(_)
            | PeerMessage::Ghost(_)
            | PeerMessage::ReadIndex { .. }
            | PeerMessage::ReadIndexAnswer { .. }
            | PeerMessage::SnapshotAck { .. } => false,
        }
    }

    /// About how many bytes the message has on the wire.
    pub fn bytes(&self) -> usize {
        const OVERHEAD: usize = 32;
        match &self.body {
            PeerMessage::Raft(message) => {
                let entries =
                    message.entries.iter().map(|entry| entry.data.len() + entry.context.len() + 16);
                OVERHEAD + entries.sum::<usize>()
            }
            PeerMessage::SnapshotPart(part) => OVERHEAD + part.bytes.len(),
            PeerMessage::Hello(_)
            | PeerMessage::Welcome(_)
            | PeerMessage::Ghost(_)
            | PeerMessage::ReadIndex { .. }
            | PeerMessage::ReadIndexAnswer { .. }
            | PeerMessage::SnapshotAck { .. } => OVERHEAD,
        }
    }

    /// A short word for the kind of message, and three numbers that say most about it (term, index, and the log term,
    /// number of entries or the like). For traces and scripts.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "raft-rs has kinds that never reach the network"
    )]
    pub fn summary(&self) -> (&'static str, [u64; 3]) {
        match &self.body {
            PeerMessage::Raft(m) => {
                let count = u64::try_from(m.entries.len()).expect("a length fits 64 bits");
                match m.get_msg_type() {
                    MessageType::MsgAppend => ("append", [m.term, m.index, count]),
                    MessageType::MsgAppendResponse if m.reject => {
                        ("append-reject", [m.term, m.index, m.reject_hint])
                    }
                    MessageType::MsgAppendResponse => ("append-ok", [m.term, m.index, 0]),
                    MessageType::MsgHeartbeat => ("heartbeat", [m.term, m.commit, 0]),
                    MessageType::MsgHeartbeatResponse => ("heartbeat-ok", [m.term, m.commit, 0]),
                    MessageType::MsgRequestPreVote => ("pre-vote", [m.term, m.index, m.log_term]),
                    MessageType::MsgRequestPreVoteResponse if m.reject => {
                        ("pre-vote-no", [m.term, 0, 0])
                    }
                    MessageType::MsgRequestPreVoteResponse => ("pre-vote-yes", [m.term, 0, 0]),
                    MessageType::MsgRequestVote => ("vote", [m.term, m.index, m.log_term]),
                    MessageType::MsgRequestVoteResponse if m.reject => ("vote-no", [m.term, 0, 0]),
                    MessageType::MsgRequestVoteResponse => ("vote-yes", [m.term, 0, 0]),
                    MessageType::MsgTimeoutNow => ("timeout-now", [m.term, 0, 0]),
                    _ => ("raft", [m.term, m.index, m.log_term]),
                }
            }
            PeerMessage::Hello(i) => ("hello", [i.0, 0, 0]),
            PeerMessage::Welcome(i) => ("welcome", [i.0, 0, 0]),
            PeerMessage::Ghost(i) => ("ghost", [i.0, 0, 0]),
            PeerMessage::ReadIndex { term, context } => ("read-index", [term.0, *context, 0]),
            PeerMessage::ReadIndexAnswer { context, index } => {
                ("read-index-ok", [0, *context, index.0])
            }
            PeerMessage::SnapshotPart(part) => {
                ("snapshot-part", [part.transfer.term.0, part.meta.index.0, part.part])
            }
            PeerMessage::SnapshotAck { transfer, next } => {
                ("snapshot-ack", [transfer.term.0, transfer.number, *next])
            }
        }
    }
}
