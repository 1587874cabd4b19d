//! Linearizable reads without the log: read index, and as an option the leader lease (dissertation 6.4).
//!
//! Reads gather while one round is under way and leave together with the next. A round has a context that is never used
//! again, not even for another attempt: raft-rs 0.7.0 files rounds by context and a doubled one confirms what was asked
//! after it (X1; etcd-raft #397). For the same reason a follower's question is not handed to raft; the leader asks a
//! round of its own for it.
//!
//! A leader that has not committed in its term cannot know what is committed; raft-rs drops such a question without a
//! word (X7). Ours wait here until it has.

mod lease;
mod nearest;

use self::{lease::Lease, nearest::Nearest};
use crate::{
    door::Event,
    limits,
    long_reads::{Backing, RangeRead},
    message::PeerMessage,
    replica::Replica,
};
use raft::eraftpb::{Entry, Message, MessageType};
use std::{collections::VecDeque, mem};
use whitewater_api::{
    AuthRequest, Caller, End, Error, Index, LeaseRequest, Monotonic, NodeId, Request, RequestId,
    Term,
};
use whitewater_mutation::Mutation;

/// The reads that wait.
#[derive(Default)]
pub(crate) struct Reads {
    /// Not yet in a round.
    gathering: Vec<Read>,
    /// The round under way.
    round: Option<Round>,
    /// Confirmed; wait until their index is applied. Invariant: by index.
    confirmed: VecDeque<(Index, bool, Read)>,
    next_context: u64,
    /// How often the time that a round may take has doubled: on a slow network the answer to a round that was given up would
    /// come after that of its successor was asked for, and so for ever.
    doublings: u32,
    lease: Lease,
    nearest: Nearest,
}

struct Read {
    asked: Monotonic,
    by: Reader,
    /// Whoever asks was refused by what this member knew of users then.
    is_doubted: bool,
}

enum Reader {
    /// A client of this node.
    Client(RequestId, Caller, Request),
    /// A follower, for clients of its own.
    Follower { node: NodeId, context: u64 },
}

struct Round {
    context: u64,
    started: Monotonic,
    reads: Vec<Read>,
}

impl Reads {
    pub(crate) fn len(&self) -> usize {
        let in_round = self.round.as_ref().map_or(0, |round| round.reads.len());
        self.gathering.len() + in_round + self.confirmed.len()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.gathering.is_empty() || self.round.is_some() || !self.confirmed.is_empty()
    }
}

impl Replica {
    /// A client asks for a read.
    pub(crate) fn on_read(&mut self, id: RequestId, caller: Caller, request: Request) {
        if self.raft.store().applied().0 == 0 {
            return self.reply(id, Err(Error::NoLeader)); // A member that was added and has nothing yet.
        }
        if let Request::Lease(lease) = &request {
            // Who is refused is asked again when this member is up to date.
            if self.permit_for(&caller, &request).is_err() {
                return self.await_state(id, caller, request);
            }
            if self.on_lease_read(id, *lease) {
                return;
            }
        }
        let local = self.config.mutations.has(Mutation::LocalRead) && self.is_leader();
        if request.is_serializable() {
            if is_range(&request) {
                let backing = Backing::Nothing;
                return self.read_range(RangeRead { id, caller, request, backing });
            }
            let result = self.read_for(&caller, &request);
            return self.reply(id, result);
        }
        if local {
            return self.answer(id, caller, request, false);
        }
        self.gather(Reader::Client(id, caller, request), false);
    }

    /// A request that this member would refuse by what it knows of users waits until it knows of all that was acknowledged
    /// before: it may be behind.
    pub(crate) fn await_state(&mut self, id: RequestId, caller: Caller, request: Request) {
        if self.raft.store().applied().0 == 0 {
            return self.reply(id, Err(Error::NoLeader));
        }
        self.gather(Reader::Client(id, caller, request), true);
    }

    fn gather(&mut self, by: Reader, is_doubted: bool) {
        self.reads.gathering.push(Read { asked: self.now, by, is_doubted });
    }

    /// A follower asks for a read index.
    pub(crate) fn on_read_request(&mut self, from: NodeId, term: Term, context: u64) {
        if !self.is_leader() || term.0 != self.raft.raft.term {
            return; // It asks again when it knows the leader.
        }
        if self.config.mutations.has(Mutation::ReadContextReused) {
            return self.step_foreign_read(from, context);
        }
        if self.reads.len() < limits::REMOTE_READS_MAX {
            self.gather(Reader::Follower { node: from, context }, false);
        }
    }

    /// The leader answers a read index.
    pub(crate) fn on_read_answer(&mut self, context: u64, index: Index) {
        if self.reads.round.as_ref().is_some_and(|round| round.context == context)
            && !self.is_leader()
        {
            self.finish_round(index, false);
        }
    }

    /// Raft confirms a round.
    pub(crate) fn on_read_state(&mut self, context: &[u8], index: Index) {
        let Ok(bytes) = <[u8; 8]>::try_from(context) else { return };
        let context = u64::from_le_bytes(bytes);
        let Some(round) = &self.reads.round else { return };
        if round.context == context {
            self.extend_lease(round.started);
            self.finish_round(index, false);
        }
    }

    fn finish_round(&mut self, index: Index, lease: bool) {
        if let Some(round) = self.reads.round.take() {
            self.reads.doublings = self.reads.doublings.saturating_sub(1);
            self.confirm(round.reads, index, lease);
        }
    }

    fn confirm(&mut self, reads: Vec<Read>, index: Index, lease: bool) {
        for read in reads {
            match read.by {
                Reader::Follower { node, context } => {
                    self.send(node, PeerMessage::ReadIndexAnswer { context, index });
                }
                Reader::Client(..) => {
                    // A leader's later round never has a lower index, but another leader's answer may.
                    let index =
                        self.reads.confirmed.back().map_or(index, |(last, ..)| index.max(*last));
                    self.reads.confirmed.push_back((index, lease, read));
                }
            }
        }
        self.serve_reads();
    }

    /// Answers the confirmed reads whose index is applied.
    pub(crate) fn serve_reads(&mut self) {
        let applied = Index(self.raft.store().applied().0);
        let hasty = self.config.mutations.has(Mutation::ReadWithoutApplyWait);
        while let Some((index, lease, read)) = self.reads.confirmed.pop_front() {
            if index > applied && !hasty {
                self.reads.confirmed.push_front((index, lease, read));
                return;
            }
            let Reader::Client(id, caller, request) = read.by else { continue };
            if read.is_doubted {
                self.admit_doubted(id, caller, request, lease);
            } else {
                self.answer(id, caller, request, lease);
            }
        }
    }

    /// A request that was doubted, now that this member knows enough to refuse it.
    fn admit_doubted(&mut self, id: RequestId, caller: Caller, request: Request, lease: bool) {
        let who = self.identify(&caller);
        match (who, &request) {
            (Err(error), _) => self.reply(id, Err(error)),
            (Ok(_), Request::Lease(read)) if read.is_read() => {
                if !self.on_lease_read(id, *read) {
                    self.answer(id, caller, request, lease);
                }
            }
            (Ok(who), _) => self.on_write(id, who, request),
        }
    }

    fn answer(&mut self, id: RequestId, caller: Caller, request: Request, lease: bool) {
        if is_range(&request) {
            let backing = Backing::Confirmed { lease };
            return self.read_range(RangeRead { id, caller, request, backing });
        }
        let applied = Index(self.raft.store().applied().0);
        let event = Event::Read { id, applied, revision: self.store.revision(), lease };
        if let Request::Lease(request) = &request {
            // What hangs on a lease may have changed since it was asked.
            if let Err(error) = self.permit_for(&caller, &Request::Lease(*request)) {
                return self.reply(id, Err(error));
            }
            // A keep-alive reads nothing of the store, and may have to wait.
            if !matches!(request, LeaseRequest::KeepAlive(_)) {
                self.event(event);
            }
            self.answer_lease(id, *request);
            return;
        }
        if let Request::Auth(AuthRequest::Authenticate { user, password }) = &request {
            if let Err(error) = self.log_in(id, user, password) {
                self.reply(id, Err(error));
            }
            return;
        }
        let result = self.read_for(&caller, &request);
        self.event(event);
        self.reply(id, result);
    }

    /// Starts a round for the reads that gathered, if one can start.
    pub(crate) fn pump_reads(&mut self) {
        self.retry_round();
        self.expire_reads();
        if self.reads.round.is_some() || self.reads.gathering.is_empty() {
            return;
        }
        if self.is_leader() { self.start_leader_round() } else { self.start_follower_round() }
    }

    fn start_leader_round(&mut self) {
        let committed = Index(self.raft.raft.raft_log.committed);
        if !self.raft.raft.commit_to_current_term() {
            if self.config.mutations.has(Mutation::ReadBeforeTermCommit) {
                let reads = mem::take(&mut self.reads.gathering);
                self.confirm(reads, committed, false);
            } else if self.config.mutations.has(Mutation::ReadParkedForEver) {
                self.reads.gathering.clear();
            } else {
                self.sometimes("read parked until the leader commits in its term");
            }
            return;
        }
        if self.holds_lease() {
            let reads = mem::take(&mut self.reads.gathering);
            return self.confirm(reads, committed, true);
        }
        let context = self.open_round().to_le_bytes();
        self.raft.read_index(context.to_vec());
        self.ask_nearest(&context);
    }

    fn start_follower_round(&mut self) {
        let Some(leader) = self.leader() else { return };
        self.reads.gathering.retain(|read| matches!(read.by, Reader::Client(..)));
        if self.reads.gathering.is_empty() {
            return;
        }
        let term = Term(self.raft.raft.term);
        let context = self.open_round();
        self.send(leader, PeerMessage::ReadIndex { term, context });
    }

    fn open_round(&mut self) -> u64 {
        self.reads.next_context += 1;
        // Unique among the lives of this process too: an answer to a former life must not be taken for this one's.
        let context =
            self.booted.0.rotate_left(20) ^ self.raft.raft.term << 40 ^ self.reads.next_context;
        let reads = mem::take(&mut self.reads.gathering);
        self.reads.round = Some(Round { context, started: self.now, reads });
        context
    }

    /// Gives a round up that got no answer; its reads go into the next one.
    fn retry_round(&mut self) {
        let patience = (limits::READ_RETRY_TICKS << self.reads.doublings) * self.tick_nanos();
        let Some(round) = &self.reads.round else { return };
        if self.now.since(round.started) < patience {
            return;
        }
        if self.config.mutations.has(Mutation::ReadContextReused) && !self.is_leader() {
            let (context, term) = (round.context, Term(self.raft.raft.term));
            if let Some(leader) = self.leader() {
                self.send(leader, PeerMessage::ReadIndex { term, context });
            }
            return;
        }
        if !self.config.mutations.has(Mutation::ReadParkedForEver) {
            self.sometimes("read index round asked again");
            self.reads.doublings = (self.reads.doublings + 1).min(limits::READ_DOUBLINGS_MAX);
            self.abandon_read_round();
        }
    }

    /// Takes the reads of the round back: it will not be answered, or its answer would mean nothing.
    pub(crate) fn abandon_read_round(&mut self) {
        if let Some(round) = self.reads.round.take() {
            let later = mem::replace(&mut self.reads.gathering, round.reads);
            self.reads.gathering.extend(later);
        }
        let leads = self.is_leader();
        self.reads.gathering.retain(|read| leads || matches!(read.by, Reader::Client(..)));
    }

    /// Refuses the reads that only a leader's clock can answer: this one's counts no more.
    pub(crate) fn refuse_lease_reads(&mut self) {
        let asks = |read: &Read| matches!(read.by, Reader::Client(.., Request::Lease(_)));
        self.abandon_read_round();
        let mut refused: Vec<Read> =
            self.reads.gathering.extract_if(.., |read| asks(read)).collect();
        let confirmed = mem::take(&mut self.reads.confirmed);
        let (out, kept): (VecDeque<_>, _) =
            confirmed.into_iter().partition(|(.., read)| asks(read));
        self.reads.confirmed = kept;
        refused.extend(out.into_iter().map(|(.., read)| read));
        for read in refused {
            if let Reader::Client(id, ..) = read.by {
                let error = self.not_leader();
                self.reply(id, Err(error));
            }
        }
    }

    fn expire_reads(&mut self) {
        let patience = limits::READ_PATIENCE_ELECTIONS * self.election_nanos();
        let now = self.now;
        let is_old = |read: &Read| now.since(read.asked) > patience;
        let confirmed = self.reads.confirmed.iter().map(|(.., read)| read);
        if !self.reads.gathering.iter().chain(confirmed).any(is_old) {
            return; // As after nearly every input.
        }
        let mut old: Vec<Read> = self.reads.gathering.extract_if(.., |read| is_old(read)).collect();
        // Confirmed, but its index never comes: a removed member does not hear what else was committed.
        let confirmed = mem::take(&mut self.reads.confirmed);
        let (expired, young) = confirmed.into_iter().partition(|(.., read)| is_old(read));
        self.reads.confirmed = young;
        let expired: VecDeque<(Index, bool, Read)> = expired;
        old.extend(expired.into_iter().map(|(.., read)| read));
        for read in old {
            if let Reader::Client(id, ..) = read.by {
                self.reply(id, Err(Error::TimedOut));
            }
        }
    }

    // The defect X1, for the mutation that shows it.

    fn step_foreign_read(&mut self, from: NodeId, context: u64) {
        let mut entry = Entry::default();
        let mut bytes = context.to_le_bytes().to_vec();
        bytes.extend_from_slice(&from.0.to_le_bytes());
        entry.data = bytes.into();
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgReadIndex);
        message.from = from.0;
        message.set_entries(vec![entry].into());
        if self.raft.raft.step(message).is_err() {
            self.sometimes("raft dropped a message");
        }
    }

    /// Raft answers a question that it was handed under [`Mutation::ReadContextReused`].
    pub(crate) fn forward_read_answer(&mut self, message: &Message) {
        let context = message.entries.first().and_then(|entry| entry.data.get(..8));
        if let Some(bytes) = context.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
            let body = PeerMessage::ReadIndexAnswer {
                context: u64::from_le_bytes(bytes),
                index: Index(message.index),
            };
            self.send(NodeId(message.to), body);
        }
    }
}

/// Whether a request reads more than one key, and may take more than one step.
fn is_range(request: &Request) -> bool {
    matches!(request, Request::Range(range) if range.range.end != End::Single)
}
