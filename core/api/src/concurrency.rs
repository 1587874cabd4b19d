//! Locks and elections: etcd's services v3lock and v3election (`v3lock.proto`, `v3election.proto`).
//!
//! They are built of keys, leases and watches, and promise no more than those do: who holds a lock is told by the keys
//! under its name at a revision, and a write that depends on it compares the create revision of the holder's key.

use crate::{Error, Header, Key, KeyValue, LeaseId, Revision, Value};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error as ThisError;

/// The time to live of the lease that a contender without one gets, in seconds (etcd, `concurrency/session.go`).
pub const SESSION_TTL: i64 = 60;

/// What a client may ask of the two services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceRequest {
    /// Wait until the lock is ours.
    Lock {
        /// Which lock.
        name: Key,
        /// For how long: until this lease ends, or the key is given back. [`LeaseId::NONE`]: a new one of
        /// [`SESSION_TTL`].
        lease: LeaseId,
    },
    /// Give a lock back.
    Unlock {
        /// The key that [`ServiceResponse::Lock`] told.
        key: Key,
    },
    /// Stand for election, and wait until it is won.
    Campaign {
        /// Which election.
        name: Key,
        /// As for a lock.
        lease: LeaseId,
        /// What the leader proclaims.
        value: Value,
    },
    /// Proclaim something else, without another election.
    Proclaim {
        /// The leadership that was won.
        leader: Option<LeaderKey>,
        /// What the leader proclaims now.
        value: Value,
    },
    /// Who leads.
    Leader {
        /// Which election.
        name: Key,
    },
    /// Tell of every proclamation of every leader from now on, until the client has enough.
    Observe {
        /// Which election.
        name: Key,
    },
    /// Step down.
    Resign {
        /// The leadership that was won.
        leader: Option<LeaderKey>,
    },
}

/// What comes back. To an observer, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceResponse {
    /// The lock is held since the header's revision at the latest.
    Lock {
        /// Who said so, and at which revision.
        header: Header,
        /// The holder's key, with what a fence needs. On etcd's wire there is only the key itself.
        leader: LeaderKey,
    },
    /// The lock is given back.
    Unlock(Header),
    /// The election is won.
    Campaign {
        /// Who said so, and at which revision.
        header: Header,
        /// The leadership.
        leader: LeaderKey,
    },
    /// It is proclaimed.
    Proclaim(Header),
    /// Who leads, and what they proclaim.
    Leader {
        /// Who said so, and at which revision.
        header: Header,
        /// The leader's key.
        kv: KeyValue,
    },
    /// The leader has stepped down, or was none any more.
    Resign(Header),
}

/// A key that owns a lock or leads an election as long as it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderKey {
    /// The lock or election.
    pub name: Key,
    /// The key: the name, a slash, and the lease in hexadecimal.
    pub key: Key,
    /// The revision that created it: the fence.
    pub revision: Revision,
    /// The lease that it hangs on.
    pub lease: LeaseId,
}

/// Why a call failed. Texts are etcd's, because clients match on them.
#[derive(Clone, Debug, PartialEq, Eq, ThisError, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceError {
    /// The key went while its owner waited: the lease has ended, or somebody deleted it.
    #[error("mutex: session is expired")]
    SessionExpired,
    /// Somebody else leads, or nobody.
    #[error("election: not leader")]
    NotLeader,
    /// Nobody leads.
    #[error("election: no leader")]
    NoLeader,
    /// A request without the leadership that it is about.
    #[error("\"leader\" field must be provided")]
    MissingLeader,
    /// The client did not want to wait any longer. What it had put to contend is taken back.
    #[error("context canceled")]
    Canceled,
    /// A watch was refused.
    #[error("{0}")]
    WatchRefused(String),
    /// A step was refused.
    #[error(transparent)]
    Store(#[from] Error),
}

impl LeaderKey {
    /// The prefix that the keys of all contenders share.
    #[must_use]
    pub fn prefix(name: &Key) -> Key {
        let mut prefix = name.as_slice().to_vec();
        prefix.push(b'/');
        prefix.into()
    }

    /// The key of the contender with this lease.
    #[must_use]
    pub fn key(name: &Key, lease: LeaseId) -> Key {
        let mut key = Self::prefix(name).as_slice().to_vec();
        key.extend_from_slice(format!("{:x}", lease.0).as_bytes());
        key.into()
    }
}

impl fmt::Display for ServiceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leader = |leader: &Option<LeaderKey>| {
            leader.as_ref().map_or_else(|| "nobody".to_owned(), |leader| leader.key.to_string())
        };
        match self {
            Self::Lock { name, lease } => write!(f, "lock {name} on {lease}"),
            Self::Unlock { key } => write!(f, "unlock {key}"),
            Self::Campaign { name, lease, value } => {
                write!(f, "campaign {name} on {lease} with {value}")
            }
            Self::Proclaim { leader: key, value } => {
                write!(f, "proclaim {value} as {}", leader(key))
            }
            Self::Leader { name } => write!(f, "leader {name}"),
            Self::Observe { name } => write!(f, "observe {name}"),
            Self::Resign { leader: key } => write!(f, "resign as {}", leader(key)),
        }
    }
}
