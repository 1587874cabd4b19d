//! Steps that operators take: `defragment`, `hash-kv 3`, `alarm-disarm n2`.

use std::fmt;
use whitewater_api::NodeId;

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
    /// `alarm-list`: the alarms that are raised.
    Alarms,
    /// `alarm-raise NODE`: raises NOSPACE for a member, as it does itself where its quota is used up.
    Raise(NodeId),
    /// `alarm-disarm NODE`: puts that alarm down.
    Disarm(NodeId),
}

impl MaintenanceStep {
    /// Reads a step; nothing if the words are of another kind of steps.
    pub(super) fn parse(words: &[&str]) -> Option<Self> {
        match *words {
            ["defragment"] => Some(Self::Defragment),
            ["hash-kv", back] => back.parse().ok().map(Self::HashKv),
            ["status"] => Some(Self::Status),
            ["alarm-list"] => Some(Self::Alarms),
            ["alarm-raise", node] => member(node).map(Self::Raise),
            ["alarm-disarm", node] => member(node).map(Self::Disarm),
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
            Self::Alarms => f.write_str("alarm-list"),
            Self::Raise(node) => write!(f, "alarm-raise {node}"),
            Self::Disarm(node) => write!(f, "alarm-disarm {node}"),
        }
    }
}

fn member(word: &str) -> Option<NodeId> {
    word.strip_prefix('n')?.parse().ok().map(NodeId)
}
