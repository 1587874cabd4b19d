//! Watches: the events of a range of keys from a revision on (etcd, `rpc.proto`, service Watch).
//!
//! Watches live on streams. A stream carries the messages of all its watches in one order; if it breaks, the client
//! opens another one, anywhere, and goes on at the revision after the last that it has seen whole.

use crate::{Header, KeyRange, KeyValue, Revision};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A watch of a stream. Numbers are the stream's own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WatchId(pub i64);

/// What a client sends on a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchRequest {
    /// Open a watch.
    Create(WatchCreate),
    /// End a watch.
    Cancel(WatchId),
    /// Tell how far all watches of the stream have come, once they have come equally far.
    Progress,
}

/// A watch to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchCreate {
    /// Its number; [`WatchId::AUTO`] lets the server pick one.
    #[serde(default)]
    pub watch: WatchId,
    /// Which keys.
    pub range: KeyRange,
    /// The first revision to tell of; [`Revision::LATEST`] for the one after the newest.
    #[serde(default)]
    pub start: Revision,
    /// Tell with each event what was there before.
    #[serde(default)]
    pub prev_kv: bool,
    /// Tell from time to time how far the watch has come, if nothing happens.
    #[serde(default)]
    pub progress: bool,
    /// Leave out puts.
    #[serde(default)]
    pub no_put: bool,
    /// Leave out deletes.
    #[serde(default)]
    pub no_delete: bool,
    /// The events of one revision may come in several messages if they are large.
    #[serde(default)]
    pub fragment: bool,
}

/// What comes back on a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchResponse {
    /// Who speaks. The revision of events and progress: up to and with it, everything has been told on this watch, unless
    /// the message is a fragment. Of [`WatchBody::Created`] and [`WatchBody::Canceled`]: the newest at that moment.
    pub header: Header,
    /// Which watch; [`WatchId::ALL`] where all watches of the stream are meant, and in the refusal of a watch that never
    /// was (etcd, `v3rpc/watch.go`: a number that is in use still belongs to the watch that has it).
    pub watch: WatchId,
    /// What is said.
    pub body: WatchBody,
}

/// What a message on a stream says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchBody {
    /// The watch is open. Comes before everything else.
    Created,
    /// Things happened. In order of revision; all events of a revision together, unless fragments were asked for.
    Events {
        /// What happened.
        events: Vec<WatchEvent>,
        /// More of the last revision follows in the next message of the watch.
        #[serde(default)]
        fragment: bool,
    },
    /// Everything up to the header's revision has been told.
    Progress,
    /// The watch has ended.
    Canceled(CancelReason),
}

/// Why a watch has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The client wished it.
    Asked,
    /// What it should tell next is forgotten.
    Compacted(Revision),
    /// The number is in use on this stream.
    Duplicate,
    /// Too many watches, no keys in the range, or a number that is none.
    Refused(String),
}

/// Why a member has ended a stream. All its watches are gone with it, without a word on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEnd {
    /// The member has as many streams as it may have.
    TooMany,
    /// The client asked and asked, and did not take the answers.
    Overrun,
    /// The client wished to be told when the member has no leader, and it has none.
    NoLeader,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchEvent {
    /// What happened.
    pub kind: EventKind,
    /// What is there now. After a delete only key and `mod_revision` are set.
    pub kv: KeyValue,
    /// What was there before, if it was asked for, there was something, and it is not forgotten.
    #[serde(default)]
    pub prev_kv: Option<KeyValue>,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It was written.
    Put,
    /// It was deleted, by a client or with its lease.
    Delete,
}

impl WatchId {
    /// In a request: the server picks a number.
    pub const AUTO: Self = Self(0);
    /// In a response: all watches of the stream.
    pub const ALL: Self = Self(-1);
}

impl WatchCreate {
    /// A watch of everything that will happen in `range`.
    #[must_use]
    pub fn new(range: KeyRange) -> Self {
        Self {
            watch: WatchId::AUTO,
            range,
            start: Revision::LATEST,
            prev_kv: false,
            progress: false,
            no_put: false,
            no_delete: false,
            fragment: false,
        }
    }
}

impl WatchEvent {
    /// Whether the key was not there before. Never for a delete.
    #[must_use]
    pub fn is_create(&self) -> bool {
        self.kind == EventKind::Put && self.kv.create_revision == self.kv.mod_revision
    }
}

impl fmt::Display for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0)
    }
}

impl fmt::Display for WatchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(create) if create.start == Revision::LATEST => {
                write!(f, "watch {}", create.range)
            }
            Self::Create(create) => write!(f, "watch {}@{}", create.range, create.start),
            Self::Cancel(watch) => write!(f, "watch-cancel {watch}"),
            Self::Progress => f.write_str("watch-progress"),
        }
    }
}

/// `w1 r7: put k=v r7, delete j r7`; the revision is the header's.
impl fmt::Display for WatchResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.watch, self.header.revision)?;
        match &self.body {
            WatchBody::Created => f.write_str(" created"),
            WatchBody::Progress => f.write_str(" progress"),
            WatchBody::Canceled(CancelReason::Compacted(at)) => {
                write!(f, " canceled: compacted at {at}")
            }
            WatchBody::Canceled(reason) => write!(f, " canceled: {reason}"),
            WatchBody::Events { events, fragment } => {
                for (i, event) in events.iter().enumerate() {
                    write!(f, "{} {event}", if i == 0 { ":" } else { "," })?;
                }
                f.write_str(if *fragment { " .." } else { "" })
            }
        }
    }
}

/// `create k=v r7`, `put k=v r7 was u`, `delete k r7`.
impl fmt::Display for WatchEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyValue { key, value, mod_revision, .. } = &self.kv;
        match self.kind {
            EventKind::Put if self.is_create() => write!(f, "create {key}={value} {mod_revision}")?,
            EventKind::Put => write!(f, "put {key}={value} {mod_revision}")?,
            EventKind::Delete => write!(f, "delete {key} {mod_revision}")?,
        }
        match &self.prev_kv {
            Some(previous) => write!(f, " was {}", previous.value),
            None => Ok(()),
        }
    }
}

/// etcd's words, because clients match on them.
impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "etcdserver: too many requests",
            Self::Overrun => {
                "etcdserver: too many watch requests wait for their answers to be taken"
            }
            Self::NoLeader => "etcdserver: no leader",
        })
    }
}

/// etcd's words, because clients match on them.
impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("watch canceled"),
            Self::Compacted(_) => {
                f.write_str("etcdserver: mvcc: required revision has been compacted")
            }
            Self::Duplicate => f.write_str("mvcc: duplicate watch ID"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}
