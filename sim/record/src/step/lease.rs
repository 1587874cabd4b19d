//! Steps about leases: `lease-grant 5s`, `lease-put mine k3 v9`.

use std::fmt;
use whitewater_api::{Key, LeaseId, Value};

/// What a client does with leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseStep {
    /// `lease-grant TTL`, or `lease-grant TTL ID` where the client picks the id. From then on it is this client's own.
    Grant {
        /// For how long, in seconds.
        ttl: i64,
        /// Its id; [`LeaseId::NONE`] lets the cluster pick one.
        lease: LeaseId,
    },
    /// `lease-put LEASE KEY VALUE`: a put that attaches the key to a lease.
    Put(LeaseChoice, Key, Value),
    /// `lease-keep-alive LEASE`
    KeepAlive(LeaseChoice),
    /// `lease-revoke LEASE`
    Revoke(LeaseChoice),
    /// `lease-time-to-live LEASE`: what is left of it, and its keys.
    TimeToLive(LeaseChoice),
    /// `lease-list`
    List,
}

/// Which lease is meant. Before a client has one, or has seen one, it is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseChoice {
    /// `mine`: the one that this client was granted last.
    Mine,
    /// `seen`: the one that this client saw last, on a key or in a list: anybody's.
    Seen,
    /// `l7`: the one with this id.
    Id(LeaseId),
}

impl LeaseStep {
    /// Reads a step; nothing if the words are of another kind of steps.
    pub(super) fn parse(words: &[&str]) -> Option<Result<Self, &'static str>> {
        let step = match *words {
            ["lease-grant", ttl] => {
                seconds(ttl).map(|ttl| Self::Grant { ttl, lease: LeaseId::NONE })
            }
            ["lease-grant", ttl, lease] => seconds(ttl).and_then(|ttl| {
                id(lease).map(|lease| Self::Grant { ttl, lease }).ok_or("an id, as in l7")
            }),
            ["lease-put", lease, key, value] => {
                choice(lease).map(|lease| Self::Put(lease, key.into(), value.into()))
            }
            ["lease-keep-alive", lease] => choice(lease).map(Self::KeepAlive),
            ["lease-revoke", lease] => choice(lease).map(Self::Revoke),
            ["lease-time-to-live", lease] => choice(lease).map(Self::TimeToLive),
            ["lease-list"] => Ok(Self::List),
            _ => return None,
        };
        Some(step)
    }
}

fn seconds(word: &str) -> Result<i64, &'static str> {
    let seconds = word.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
    seconds.ok_or("whole seconds, as in 5s")
}

fn id(word: &str) -> Option<LeaseId> {
    word.strip_prefix('l')?.parse().ok().map(LeaseId)
}

fn choice(word: &str) -> Result<LeaseChoice, &'static str> {
    match word {
        "mine" => Ok(LeaseChoice::Mine),
        "seen" => Ok(LeaseChoice::Seen),
        _ => id(word).map(LeaseChoice::Id).ok_or("a lease: mine, seen, or an id, as in l7"),
    }
}

impl fmt::Display for LeaseStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant { ttl, lease: LeaseId::NONE } => write!(f, "lease-grant {ttl}s"),
            Self::Grant { ttl, lease } => write!(f, "lease-grant {ttl}s {lease}"),
            Self::Put(lease, key, value) => write!(f, "lease-put {lease} {key} {value}"),
            Self::KeepAlive(lease) => write!(f, "lease-keep-alive {lease}"),
            Self::Revoke(lease) => write!(f, "lease-revoke {lease}"),
            Self::TimeToLive(lease) => write!(f, "lease-time-to-live {lease}"),
            Self::List => f.write_str("lease-list"),
        }
    }
}

impl fmt::Display for LeaseChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mine => f.write_str("mine"),
            Self::Seen => f.write_str("seen"),
            Self::Id(lease) => lease.fmt(f),
        }
    }
}
