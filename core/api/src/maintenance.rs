//! What an operator asks of a member (etcd, `rpc.proto`, service Maintenance).

use crate::Revision;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an operator may ask of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceRequest {
    /// A hash of everything that the member holds, as of now.
    Hash,
    /// The hash over revisions that every etcd gives for the same history, as of a revision.
    HashKv {
        /// Which; [`Revision::LATEST`] for the newest. Refused below the last compaction.
        revision: Revision,
    },
}

/// The answer to each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceResponse {
    /// To the question for a hash of everything.
    Hash(u32),
    /// To the question for the hash over revisions.
    HashKv(KvHash),
}

/// A hash over the revisions of a store. Two members with the same history and the same compaction give the same
/// (etcd, `server/storage/mvcc/hash.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvHash {
    /// CRC-32C of the word `key`, then of each version's revision and encoded key and value, by revision.
    pub hash: u32,
    /// The last revision that it covers.
    pub revision: Revision,
    /// The last compaction, on which it depends; zero before the first, where etcd says -1.
    pub compacted: Revision,
}

impl MaintenanceRequest {
    /// Whether it changes nothing, and any member answers it from its own state.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        match self {
            Self::Hash | Self::HashKv { .. } => true,
        }
    }
}

impl fmt::Display for MaintenanceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash => f.write_str("hash"),
            Self::HashKv { revision: Revision::LATEST } => f.write_str("hash-kv"),
            Self::HashKv { revision } => write!(f, "hash-kv @{revision}"),
        }
    }
}
