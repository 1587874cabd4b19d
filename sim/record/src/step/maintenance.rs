//! Steps that operators take: `defragment`, `hash-kv 3`.

use std::fmt;

/// What an operator asks of the member that the client is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaintenanceStep {
    /// `defragment`: gives back the room that is held and not used.
    Defragment,
    /// `hash-kv BACK`: the hash over revisions as of so many before the newest that this client has seen; 0 for whatever
    /// is newest at the member.
    HashKv(u64),
    /// `status`: how the member is.
    Status,
}

impl MaintenanceStep {
    /// Reads a step; nothing if the words are of another kind of steps.
    pub(super) fn parse(words: &[&str]) -> Option<Self> {
        match *words {
            ["defragment"] => Some(Self::Defragment),
            ["hash-kv", back] => back.parse().ok().map(Self::HashKv),
            ["status"] => Some(Self::Status),
            _ => None,
        }
    }
}

impl fmt::Display for MaintenanceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defragment => f.write_str("defragment"),
            Self::HashKv(back) => write!(f, "hash-kv {back}"),
            Self::Status => f.write_str("status"),
        }
    }
}
