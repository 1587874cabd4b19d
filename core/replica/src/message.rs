//! What replicas say to each other.

use crate::snapshot::SnapshotMeta;
use bytes::Bytes;
use raft::eraftpb::{self, MessageType};
use whitewater_api::{Incarnation, Index, KvHash, NodeId, Revision, Term};

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
    Welcome {
        /// Of the question.
        incarnation: Incarnation,
        /// Those of whom a majority has to say so.
        elders: Vec<NodeId>,
    },
    /// "I cannot say whether I know you. A majority of these has to."
    AskElders(Vec<NodeId>),
    /// "I know you by another disk: you have lost your promises."
    Ghost(Incarnation),
    /// "My disk is damaged where it promised something. Take my vote away."
    Damaged {
        /// Which process of the sender asks.
        life: u64,
    },
    /// The leader's answer: "You have no vote any more. Start over."
    StartOver {
        /// Of the question.
        life: u64,
        /// The leader's term.
        term: Term,
        /// The entry that took the vote away.
        barrier: Index,
    },
    /// "I hold the entry that took my vote away. Give it back."
    Renewed,
    /// "Others have vouched for my disk. Write it into the log."
    Vouched(Incarnation),
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
    /// "What is your hash at this revision?"
    HashAsk {
        /// Unique for each comparison.
        number: u64,
        /// At which revision.
        revision: Revision,
    },
    /// The answer, from whoever has it.
    HashAnswer {
        /// Of the question.
        number: u64,
        /// The hash, with the compaction that it depends on.
        hash: KvHash,
        /// The newest revision of the member.
        newest: Revision,
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

impl PeerMessage {
    /// The term of the leader, where it is one of its heartbeats.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Term> {
        let Self::Raft(message) = self else { return None };
        let is_one = message.get_msg_type() == MessageType::MsgHeartbeat;
        is_one.then_some(Term(message.term))
    }
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

/// What a message is, in a word. In the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum MessageKind {
    /// Entries, from the leader.
    Append,
    /// Entries are held.
    AppendOk,
    /// Entries do not fit.
    AppendReject,
    /// A sign of life, from the leader.
    Heartbeat,
    /// The answer to it.
    HeartbeatOk,
    /// Whether an election could be won.
    PreVote,
    /// It could, for all the sender knows.
    PreVoteYes,
    /// It could not.
    PreVoteNo,
    /// A candidate asks for a vote.
    Vote,
    /// A vote.
    VoteYes,
    /// No vote.
    VoteNo,
    /// Stand for election at once.
    TimeoutNow,
    /// Anything else of raft-rs's.
    Raft,
    /// A new member asks whether it is known.
    Hello,
    /// It is not known by another disk.
    Welcome,
    /// It is known by another disk.
    Ghost,
    /// A follower asks for a read index.
    ReadIndex,
    /// A read index.
    ReadIndexOk,
    /// A part of a snapshot.
    SnapshotPart,
    /// Parts are held.
    SnapshotAck,
    /// A member asks to be relieved of its vote: its disk is damaged.
    Damaged,
    /// It is relieved.
    StartOver,
    /// It asks to have its vote back.
    Renewed,
    /// A member asks for a hash.
    HashAsk,
    /// A hash.
    HashAnswer,
    /// A member that was vouched for asks that its disk be written into the log.
    Vouched,
    /// A new member is told who can vouch for it.
    AskElders,
}

impl MessageKind {
    /// Every kind, at the place of its number.
    pub const ALL: &'static [Self] = &[
        Self::Append,
        Self::AppendOk,
        Self::AppendReject,
        Self::Heartbeat,
        Self::HeartbeatOk,
        Self::PreVote,
        Self::PreVoteYes,
        Self::PreVoteNo,
        Self::Vote,
        Self::VoteYes,
        Self::VoteNo,
        Self::TimeoutNow,
        Self::Raft,
        Self::Hello,
        Self::Welcome,
        Self::Ghost,
        Self::ReadIndex,
        Self::ReadIndexOk,
        Self::SnapshotPart,
        Self::SnapshotAck,
        Self::Damaged,
        Self::StartOver,
        Self::Renewed,
        Self::HashAsk,
        Self::HashAnswer,
        Self::Vouched,
        Self::AskElders,
    ];

    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::AppendOk => "append-ok",
            Self::AppendReject => "append-reject",
            Self::Heartbeat => "heartbeat",
            Self::HeartbeatOk => "heartbeat-ok",
            Self::PreVote => "pre-vote",
            Self::PreVoteYes => "pre-vote-yes",
            Self::PreVoteNo => "pre-vote-no",
            Self::Vote => "vote",
            Self::VoteYes => "vote-yes",
            Self::VoteNo => "vote-no",
            Self::TimeoutNow => "timeout-now",
            Self::Raft => "raft",
            Self::Hello => "hello",
            Self::Welcome => "welcome",
            Self::AskElders => "ask-elders",
            Self::Ghost => "ghost",
            Self::Damaged => "damaged",
            Self::StartOver => "start-over",
            Self::Renewed => "renewed",
            Self::Vouched => "vouched",
            Self::ReadIndex => "read-index",
            Self::ReadIndexOk => "read-index-ok",
            Self::SnapshotPart => "snapshot-part",
            Self::SnapshotAck => "snapshot-ack",
            Self::HashAsk => "hash-ask",
            Self::HashAnswer => "hash-answer",
        }
    }
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
            | PeerMessage::Welcome { .. }
            | PeerMessage::AskElders(_)
            | PeerMessage::Ghost(_)
            | PeerMessage::Damaged { .. }
            | PeerMessage::StartOver { .. }
            | PeerMessage::Renewed
            | PeerMessage::Vouched(_)
            | PeerMessage::ReadIndex { .. }
            | PeerMessage::ReadIndexAnswer { .. }
            | PeerMessage::HashAsk { .. }
            | PeerMessage::HashAnswer { .. }
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
            | PeerMessage::Welcome { .. }
            | PeerMessage::AskElders(_)
            | PeerMessage::Ghost(_)
            | PeerMessage::Damaged { .. }
            | PeerMessage::StartOver { .. }
            | PeerMessage::Renewed
            | PeerMessage::Vouched(_)
            | PeerMessage::ReadIndex { .. }
            | PeerMessage::ReadIndexAnswer { .. }
            | PeerMessage::HashAsk { .. }
            | PeerMessage::HashAnswer { .. }
            | PeerMessage::SnapshotAck { .. } => OVERHEAD,
        }
    }

    /// The kind of message, and three numbers that say most about it (term, index, and the log term,
    /// number of entries or the like). For traces and scripts.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "raft-rs has kinds that never reach the network"
    )]
    pub fn summary(&self) -> (MessageKind, [u64; 3]) {
        match &self.body {
            PeerMessage::Raft(m) => {
                let count = u64::try_from(m.entries.len()).expect("a length fits 64 bits");
                match m.get_msg_type() {
                    MessageType::MsgAppend => (MessageKind::Append, [m.term, m.index, count]),
                    MessageType::MsgAppendResponse if m.reject => {
                        (MessageKind::AppendReject, [m.term, m.index, m.reject_hint])
                    }
                    MessageType::MsgAppendResponse => (MessageKind::AppendOk, [m.term, m.index, 0]),
                    MessageType::MsgHeartbeat => (MessageKind::Heartbeat, [m.term, m.commit, 0]),
                    MessageType::MsgHeartbeatResponse => {
                        (MessageKind::HeartbeatOk, [m.term, m.commit, 0])
                    }
                    MessageType::MsgRequestPreVote => {
                        (MessageKind::PreVote, [m.term, m.index, m.log_term])
                    }
                    MessageType::MsgRequestPreVoteResponse if m.reject => {
                        (MessageKind::PreVoteNo, [m.term, 0, 0])
                    }
                    MessageType::MsgRequestPreVoteResponse => {
                        (MessageKind::PreVoteYes, [m.term, 0, 0])
                    }
                    MessageType::MsgRequestVote => {
                        (MessageKind::Vote, [m.term, m.index, m.log_term])
                    }
                    MessageType::MsgRequestVoteResponse if m.reject => {
                        (MessageKind::VoteNo, [m.term, 0, 0])
                    }
                    MessageType::MsgRequestVoteResponse => (MessageKind::VoteYes, [m.term, 0, 0]),
                    MessageType::MsgTimeoutNow => (MessageKind::TimeoutNow, [m.term, 0, 0]),
                    _ => (MessageKind::Raft, [m.term, m.index, m.log_term]),
                }
            }
            PeerMessage::Hello(i) => (MessageKind::Hello, [i.0, 0, 0]),
            PeerMessage::Welcome { incarnation: i, .. } => (MessageKind::Welcome, [i.0, 0, 0]),
            PeerMessage::AskElders(_) => (MessageKind::AskElders, [0, 0, 0]),
            PeerMessage::Ghost(i) => (MessageKind::Ghost, [i.0, 0, 0]),
            PeerMessage::Damaged { life } => (MessageKind::Damaged, [0, *life, 0]),
            PeerMessage::StartOver { term, barrier, life } => {
                (MessageKind::StartOver, [term.0, barrier.0, *life])
            }
            PeerMessage::Renewed => (MessageKind::Renewed, [0, 0, 0]),
            PeerMessage::Vouched(i) => (MessageKind::Vouched, [i.0, 0, 0]),
            PeerMessage::ReadIndex { term, context } => {
                (MessageKind::ReadIndex, [term.0, *context, 0])
            }
            PeerMessage::ReadIndexAnswer { context, index } => {
                (MessageKind::ReadIndexOk, [0, *context, index.0])
            }
            PeerMessage::HashAsk { number, revision } => {
                (MessageKind::HashAsk, [0, *number, revision.0])
            }
            PeerMessage::HashAnswer { number, hash, .. } => {
                (MessageKind::HashAnswer, [u64::from(hash.hash), *number, hash.revision.0])
            }
            PeerMessage::SnapshotPart(part) => {
                (MessageKind::SnapshotPart, [part.transfer.term.0, part.meta.index.0, part.part])
            }
            PeerMessage::SnapshotAck { transfer, next } => {
                (MessageKind::SnapshotAck, [transfer.term.0, transfer.number, *next])
            }
        }
    }
}
