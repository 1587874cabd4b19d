//! Leases: promises that keys stay for a while (etcd, `rpc.proto`, service Lease).
//!
//! Times to live are whole seconds of the leader's monotonic clock.
//!
//! What is promised, in true time, if clocks drift by no more than a share ρ: a lease that was granted or kept alive by
//! a request invoked at `t` is there until `t + ttl (1 - ρ)` at least, whoever leads meanwhile; `ttl` is the one in the
//! answer. How long it may be there at most if nobody keeps it alive, the replica's `lessor.rs` says.

use crate::{Key, LeaseId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a client may ask about leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseRequest {
    /// Make a lease.
    Grant {
        /// Its id; [`LeaseId::NONE`] lets the cluster pick one.
        lease: LeaseId,
        /// For how long, in seconds. The cluster may grant more, and says so.
        ttl: i64,
    },
    /// End a lease and delete the keys that hang on it, all at one revision.
    Revoke(LeaseId),
    /// Begin the time to live anew.
    KeepAlive(LeaseId),
    /// How long it has to live.
    TimeToLive {
        /// Of which lease.
        lease: LeaseId,
        /// Tell the keys that hang on it, too.
        keys: bool,
    },
    /// All leases.
    List,
}

/// The answer to each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseResponse {
    /// To a grant.
    Grant {
        /// The lease.
        lease: LeaseId,
        /// Its time to live in seconds.
        ttl: i64,
    },
    /// To a revocation.
    Revoke,
    /// To a keep-alive.
    KeepAlive {
        /// The lease.
        lease: LeaseId,
        /// The time to live that begins now, in seconds; 0 if there is no such lease.
        ttl: i64,
    },
    /// To a question for the time to live.
    TimeToLive {
        /// The lease.
        lease: LeaseId,
        /// What is left, in seconds; -1 if there is no such lease.
        ttl: i64,
        /// What was granted, in seconds; 0 if there is no such lease.
        granted: i64,
        /// The keys that hang on it, in key order, if asked for.
        #[serde(default)]
        keys: Vec<Key>,
    },
    /// To the question for all.
    List(Vec<LeaseId>),
}

/// What is left of a lease, as its leader writes it down from time to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseCheckpoint {
    /// The lease.
    pub lease: LeaseId,
    /// What is left, in seconds; 0 for all that was granted.
    pub remaining: i64,
}

/// The longest time to live that can be granted, in seconds (etcd, `lease/lessor.go`, `MaxLeaseTTL`).
pub const LEASE_TTL_MAX: i64 = 9_000_000_000;

impl LeaseRequest {
    /// Whether it changes nothing that is in the log.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        match self {
            Self::Grant { .. } | Self::Revoke(_) => false,
            Self::KeepAlive(_) | Self::TimeToLive { .. } | Self::List => true,
        }
    }
}

impl fmt::Display for LeaseRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant { lease: LeaseId::NONE, ttl } => write!(f, "lease-grant {ttl}s"),
            Self::Grant { lease, ttl } => write!(f, "lease-grant {lease} {ttl}s"),
            Self::Revoke(lease) => write!(f, "lease-revoke {lease}"),
            Self::KeepAlive(lease) => write!(f, "lease-keep-alive {lease}"),
            Self::TimeToLive { lease, .. } => write!(f, "lease-time-to-live {lease}"),
            Self::List => f.write_str("lease-list"),
        }
    }
}
