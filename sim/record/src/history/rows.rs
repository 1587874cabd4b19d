//! The rows of a history, one of each kind a line.

use crate::{SimTime, plan::is_usual};
use serde::{Deserialize, Serialize};
use whitewater_api::{
    Completion, Error as ApiError, Key, KvHash, LeaseId, NodeId, Process, Request, RequestId,
    Response, Revision, WatchRequest, WatchResponse,
};

/// One operation: asked at one moment, answered at another or never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Which request of which process.
    pub id: RequestId,
    /// The node that was asked.
    pub node: NodeId,
    /// When it was asked, before anything was sent. Nanoseconds.
    #[serde(with = "nanos")]
    pub invoked: SimTime,
    /// When the answer, or the client's giving up, was recorded. Nanoseconds. An operation that is still open at the
    /// end of the run has the end of the run here and [`Completion::Info`].
    #[serde(with = "nanos")]
    pub completed: SimTime,
    /// What was asked.
    pub request: Request,
    /// What came of it.
    pub completion: Completion<Response, ApiError>,
    /// The revision that it made by the replicas' own log, where the client never learned of it. A witness: a judge may
    /// take it for a hint where to look for the order that proves a history right, and must not object because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Revision>,
}

/// Something that a client sent, received or noticed on a stream of watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRow {
    /// Whose stream.
    pub process: Process,
    /// Which of its streams, from 0.
    pub stream: u32,
    /// The node at the other end.
    pub node: NodeId,
    /// When. Nanoseconds.
    #[serde(with = "nanos")]
    pub at: SimTime,
    /// What.
    pub message: WatchMessage,
}

/// What happened on a stream of watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchMessage {
    /// The client sent this.
    Sent(WatchRequest),
    /// The client received this.
    Received(WatchResponse),
    /// The stream broke; nothing more comes on it.
    Broken,
    /// The client opened the stream with a token of this user. Where nothing says so, as nobody.
    As(String),
}

/// A client believed that it held a lock, or led an election, by etcd's recipe (`client/v3/concurrency`): each contender
/// puts a key of its own under a prefix, and the one with the smallest create revision is the owner. What the client
/// did for it stands among the operations; that it then believed, only the client knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    /// Who believed.
    pub process: Process,
    /// The lock: the prefix that its contenders share.
    pub prefix: Key,
    /// The contender's own key.
    pub key: Key,
    /// The lease that its key hangs on; [`LeaseId::NONE`] for none.
    #[serde(default)]
    pub lease: LeaseId,
    /// The revision that created the key. The fence: a write under the lock compares the key's create revision with it.
    pub revision: Revision,
    /// The revision at which the client saw its key to be the oldest.
    pub seen: Revision,
    /// The request by which it gave the lock back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resigned: Option<RequestId>,
    /// From when on it believed. Nanoseconds.
    #[serde(with = "nanos")]
    pub from: SimTime,
    /// Until when it believed: when it began to let go, learned that it had lost the lock, or the run ended. Nanoseconds.
    #[serde(with = "nanos")]
    pub to: SimTime,
}

/// One answer that an observer of an election got (etcd, v3election, Observe), and what it was told because of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedRow {
    /// The call: the first request that it took.
    pub call: RequestId,
    /// The election: the prefix that its candidates share.
    pub prefix: Key,
    /// When the answer came. Nanoseconds.
    #[serde(with = "nanos")]
    pub at: SimTime,
    /// The revision that the observer had looked at by then.
    pub revision: Revision,
    /// Who leads, if it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Proclamation>,
}

/// What a leader said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proclamation {
    /// The leader's own key.
    pub key: Key,
    /// The revision that created it.
    pub create: Revision,
    /// The revision at which it said so.
    pub modified: Revision,
}

/// A lease ended because its time was over, and what hung on it was deleted at one revision. A witness, as
/// [`Operation::witness`] is: a judge may take it for a hint where to look, and must not object because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRow {
    /// Which lease.
    pub lease: LeaseId,
    /// The revision that its end made.
    pub revision: Revision,
    /// When the first replica carried it out. Nanoseconds.
    #[serde(with = "nanos")]
    pub at: SimTime,
}

/// As whom an operation was asked: with a token of this user, or a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerRow {
    /// Which operation.
    pub id: RequestId,
    /// The user.
    pub user: String,
    /// The login that had given the token, which tells for which password; nothing where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<RequestId>,
}

/// The cluster was stopped and started over from a backup. What happened before and is not in the backup is gone, as if
/// nobody had asked for it; what is in it stays; revisions go on from the backup's, or some further on. So an epoch begins
/// with exactly the state that the bytes of the backup say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRow {
    /// When the old cluster was stopped: what was asked from then on was asked of the new one. Nanoseconds.
    #[serde(with = "nanos")]
    pub at: SimTime,
    /// What the backup holds: its revision, its compaction, and the hash over its revisions.
    pub backup: KvHash,
    /// How many revisions the new cluster leaves out, so that none is told twice of two things.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub revision_bump: u64,
    /// Everything before the first new revision counts as compacted.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub mark_compacted: bool,
    /// The backup is of a cluster that the history knows nothing of, and so of its beginning. What it holds are keys that
    /// nobody in the history names.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub from_elsewhere: bool,
    /// The requests that the log of the backup has carried out. A witness for those whose answer does not tell a revision
    /// of their own, ascending.
    pub kept: Vec<RequestId>,
}

impl EpochRow {
    /// The newest revision of the new cluster before anything is written: those from the backup's up to here are nobody's.
    #[must_use]
    pub const fn first(&self) -> Revision {
        Revision(self.backup.revision.0.saturating_add(self.revision_bump))
    }

    /// Whether everything before counts as compacted, which takes revisions that are left out.
    #[must_use]
    pub const fn marks(&self) -> bool {
        self.mark_compacted && self.revision_bump > 0
    }
}

mod nanos {
    use crate::SimTime;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(
        time: &SimTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SimTime, D::Error> {
        u64::deserialize(deserializer).map(SimTime)
    }
}
