//! Steps about locks: `lock-join m v3`, by the state machine of etcd's services (`core/concurrency`). Each contender puts a
//! key of its own, named after its lease and hung on it, under the lock's prefix; the oldest one owns it. A call is several
//! requests, and each step is one of them.

use std::fmt;
use whitewater_api::{Key, Value};

/// What a client does with locks. An election is a lock whose owner proclaims something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockStep {
    /// `lock-join LOCK VALUE`: campaigns with this client's own lease, or goes on with the call that is under way. Without a
    /// lease it only looks.
    Join(Key, Value),
    /// `lock-look LOCK`: goes on with the call that is under way: looks who is before it, or whether who was is gone. A client
    /// whose call has won believes from then on that it holds the lock. Without a call: who is first?
    Look(Key),
    /// `lock-write LOCK KEY VALUE`: a put under the lock: a transaction that puts if the client's own key is still the one
    /// that it joined with. A client that does not believe to hold the lock only gets the key.
    Write(Key, Key, Value),
    /// `lock-proclaim LOCK VALUE`: the same, to the client's own key, for others to see.
    Proclaim(Key, Value),
    /// `lock-leave LOCK`: resigns.
    Leave(Key),
    /// `lock-observe LOCK`: goes on with observing who leads, from the last time on: looks who does, whether somebody has come where
    /// nobody did, or what became of who did.
    Observe(Key),
}

impl LockStep {
    /// Reads a step; nothing if the words are of another kind of steps.
    pub(super) fn parse(words: &[&str]) -> Option<Self> {
        let step = match *words {
            ["lock-join", lock, value] => Self::Join(lock.into(), value.into()),
            ["lock-look", lock] => Self::Look(lock.into()),
            ["lock-write", lock, key, value] => Self::Write(lock.into(), key.into(), value.into()),
            ["lock-proclaim", lock, value] => Self::Proclaim(lock.into(), value.into()),
            ["lock-leave", lock] => Self::Leave(lock.into()),
            ["lock-observe", lock] => Self::Observe(lock.into()),
            _ => return None,
        };
        Some(step)
    }
}

impl fmt::Display for LockStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(lock, value) => write!(f, "lock-join {lock} {value}"),
            Self::Look(lock) => write!(f, "lock-look {lock}"),
            Self::Write(lock, key, value) => write!(f, "lock-write {lock} {key} {value}"),
            Self::Proclaim(lock, value) => write!(f, "lock-proclaim {lock} {value}"),
            Self::Leave(lock) => write!(f, "lock-leave {lock}"),
            Self::Observe(lock) => write!(f, "lock-observe {lock}"),
        }
    }
}
