//! The one door of a replica: what goes in, what comes out.
//!
//! ```text
//!             Input                       Output
//!   time    ─ Tick ───────┐         ┌──── Send ──────── network
//!   network ─ Message ────┤         ├──── Disk ──────── disk
//!   clients ─ Request ────┼─ step ──┼──── Reply ─────── clients
//!           ─ Watch ──────┤         ├──── Watch ───────
//!   disk    ─ DiskDone ───┤         ├──── Password ──── a thread of the host
//!   thread  ─ PasswordDone┤         ├──── Event ─────── whoever watches
//!   host    ─ Memory ─────┘         └──── Stop  ─────── the host
//! ```
//!
//! A host performs the outputs in their order and feeds back what comes of them. It decides nothing.

use crate::{
    auth::{PasswordDone, PasswordWork},
    message::Envelope,
};
use whitewater_api::{
    Caller, DiskError, DiskOp, Error, Index, LeaseId, NodeId, Request, RequestId, Response,
    Revision, StreamEnd, StreamId, Term, WatchRequest, WatchResponse, WriteId,
};
use whitewater_store::Tally;

/// What a client asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which request of which client; comes back with the reply.
    pub id: RequestId,
    /// What the client shows of itself.
    pub caller: Caller,
    /// What it asks.
    pub request: Box<Request>,
}

/// What a host tells a replica. Inputs and outputs are moved a few times each, so what is large in them is boxed.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed; how much, the replica sees from the `now` of the call. Due at [`crate::Replica::next_wake`].
    Tick,
    /// A message from a peer has arrived.
    Message(Envelope),
    /// Clients ask. What came together may be handed over together: it is written by one batch, and read by one round.
    Requests(Vec<Asked>),
    /// A client opens a stream of watches.
    StreamOpened {
        /// A number for it, new in this life of the process.
        stream: StreamId,
        /// The client would rather lose the stream than stay at a member without a leader.
        require_leader: bool,
        /// What the client shows of itself.
        caller: Caller,
    },
    /// The host can take so many more messages of a stream. A new stream has no credit.
    StreamReady {
        /// Which stream. One that has ended is passed over.
        stream: StreamId,
        /// How many messages.
        credit: u64,
    },
    /// A client says something on a stream.
    Watch {
        /// Which stream. One that has ended is passed over.
        stream: StreamId,
        /// What it says.
        request: Box<WatchRequest>,
    },
    /// A stream broke, or its client is done with it.
    StreamClosed {
        /// Which stream.
        stream: StreamId,
    },
    /// A batch of [`Output::Disk`] is done, or failed.
    DiskDone {
        /// Which batch.
        write: WriteId,
        /// What came of it.
        result: Result<(), DiskError>,
    },
    /// The work of [`Output::Password`] is done.
    PasswordDone {
        /// For which request.
        id: RequestId,
        /// What came of it.
        done: PasswordDone,
    },
    /// The memory that the host may use is nearly used up, or is not any more. Until then what would take more is refused.
    Memory {
        /// Whether it is.
        is_low: bool,
    },
}

/// What a replica asks of its host.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a message. It may be lost, delayed, doubled and overtaken.
    Send(Envelope),
    /// Perform these disk operations in order, after those of earlier batches, then answer [`Input::DiskDone`].
    Disk {
        /// The batch.
        write: WriteId,
        /// Its operations.
        ops: Vec<DiskOp>,
    },
    /// Do this on some other thread ([`PasswordWork::run`]), then answer [`Input::PasswordDone`]: to hash a password takes
    /// as long as it is meant to, and nothing else shall wait for it.
    Password {
        /// For which request.
        id: RequestId,
        /// What to do.
        work: Box<PasswordWork>,
    },
    /// Answer a client.
    Reply {
        /// The request.
        id: RequestId,
        /// What came of it. [`Error::effect`] tells whether a refusal is final.
        result: Result<Box<Response>, Error>,
    },
    /// Say something on a stream, after what was said before. Uses one credit.
    Watch {
        /// Which stream.
        stream: StreamId,
        /// What to say.
        response: Box<WatchResponse>,
    },
    /// End a stream, after what was said before. Nothing more comes on it.
    StreamEnded {
        /// Which stream.
        stream: StreamId,
        /// Why.
        end: StreamEnd,
    },
    /// Something that an observer may want to know. Nothing depends on it.
    Event(Event),
    /// The replica has stopped and must not be stepped again. A new one may be opened from the disk.
    Stop(StopReason),
}

/// What an observer may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Entries are in the log, not yet durable.
    Appended {
        /// The index of the first.
        first: Index,
        /// The index of the last.
        last: Index,
        /// The term of the last.
        term: Term,
        /// How many entries of the old log, from `first` on, they replaced.
        replaced: u64,
    },
    /// An entry was applied. In order of index, without gaps, but for an installed snapshot.
    Applied {
        /// Its index.
        index: Index,
        /// Its term.
        term: Term,
        /// Checksum of its type and data.
        checksum: u64,
        /// The store's rolling hash after it.
        chain: u64,
        /// The request that it carried and the revision that this made, if it made one.
        made: Option<(RequestId, Revision)>,
        /// The request that it carried out; none if it was refused, or is the cluster's own.
        done: Option<RequestId>,
    },
    /// A configuration was applied.
    Members {
        /// The index of its entry.
        index: Index,
        /// The voters.
        voters: Vec<NodeId>,
        /// The voters of the outgoing half of a joint configuration.
        outgoing: Vec<NodeId>,
        /// The learners.
        learners: Vec<NodeId>,
    },
    /// A snapshot is durable and in use.
    Snapshot {
        /// The last index that it covers.
        index: Index,
        /// The term of that index.
        term: Term,
        /// Whether it came from a peer.
        installed: bool,
        /// The store's rolling hash at that index.
        chain: u64,
        /// The digest of the whole content, if it was installed: worth comparing with the others'.
        digest: Option<u64>,
    },
    /// A part of a snapshot arrived from a peer.
    SnapshotPart {
        /// Its number, from 0.
        part: u64,
    },
    /// A linearizable read is answered.
    Read {
        /// The request.
        id: RequestId,
        /// The index that was applied when it was answered.
        applied: Index,
        /// The revision that it saw.
        revision: Revision,
        /// Whether the leader lease allowed it.
        lease: bool,
    },
    /// A lease has ended because nobody kept it alive. Follows from an entry that no client asked for.
    LeaseExpired {
        /// Which one.
        lease: LeaseId,
        /// The revision at which its keys went, if it had any.
        made: Option<Revision>,
    },
    /// The disk is damaged where it promised something; the words say where. The members are asked to make up for it.
    Damaged(String),
    /// The members have taken back what this one had promised, by the entry at `barrier`. It forgets all of it and begins
    /// again from nothing. None if it did not ask them, which only a deliberate bug does.
    StartedOver {
        /// The entry.
        barrier: Option<Index>,
    },
    /// A leader has put a compaction into the log that nobody asked for.
    AutoCompaction {
        /// To which revision.
        revision: Revision,
    },
    /// A rare state was reached; the name says which.
    Sometimes(&'static str),
}

/// Why a replica has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A write or sync failed. Nothing after it can be trusted.
    DiskFailed(DiskError),
    /// Most members hold other content than this one did when it started.
    Corrupt,
    /// Peers know this member with another disk: it lost its own, and with it its promises.
    WipedDisk,
    /// The disk is damaged, and the members have not made up for it. It may read well at another start.
    DamagedDisk,
}

/// A lease as a leader knows it whose clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseClock {
    /// Which one.
    pub lease: LeaseId,
    /// What is left by the store, in seconds: all that was granted, or what was written down last.
    pub remaining: i64,
    /// What is left by the clock, in nanoseconds. [`None`] if there is none, so that it would never end.
    pub left: Option<u64>,
    /// It is from before this leader, and nobody has asked to keep it alive since.
    pub is_found: bool,
}

/// What a replica looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How far its life has come.
    pub phase: Phase,
    /// Its role in Raft.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Whom it votes for in this term. May not be durable yet.
    pub vote: Option<NodeId>,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// The highest index that it knows to be committed.
    pub commit: Index,
    /// The highest index that it has applied.
    pub applied: Index,
    /// The lowest index in its log.
    pub first: Index,
    /// The highest index in its log.
    pub last: Index,
    /// The store's revision.
    pub revision: Revision,
    /// The store's rolling hash.
    pub chain: u64,
    /// Whether a snapshot is coming in from a peer.
    pub receives_snapshot: bool,
    /// Whether the leadership is being handed over.
    pub transfers: bool,
    /// Whether the applied configuration is a joint one.
    pub is_joint: bool,
    /// Whether its disk has yet to go into the log: until then others have to vouch for it.
    pub lacks_disk: bool,
    /// Client requests that wait.
    pub pending: usize,
    /// Watches.
    pub watches: usize,
    /// Of these, how many have not been told everything.
    pub watches_behind: usize,
    /// The store's last compaction; zero before the first.
    pub compacted: Revision,
    /// Keys that are there now.
    pub keys: u64,
    /// What the store has carried out.
    pub tally: Tally,
}

/// How far the life of a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Its first write is under way.
    Starting,
    /// Its disk is new, and it asks the others whether that is right.
    Proving,
    /// Its disk is damaged, and it asks the others to make up for it.
    Damaged,
    /// It takes part.
    Active,
    /// It has stopped.
    Stopped,
}

/// A role in Raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it could win an election (dissertation 9.6).
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}
