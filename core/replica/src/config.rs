//! Who a replica is and how it shall behave.

use crate::wal;
use bytes::Bytes;
use std::{collections::BTreeMap, fmt};
use whitewater_api::{ClusterId, Incarnation, NodeId, Tuning, release::Release};
use whitewater_mutation::Mutations;

/// The settings of one replica. The same at every start of the same member, but for the release.
#[derive(Clone, Debug)]
pub struct Config {
    /// This member.
    pub node: NodeId,
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
    /// Peer URLs of the first members. Written down with them; later they change by requests only.
    pub peers: BTreeMap<NodeId, Vec<String>>,
    /// What to do with an empty disk.
    pub boot: Boot,
    /// Root of the election timeouts, which are a pure function of (seed, node, term, role).
    pub seed: u64,
    /// What an operator may set.
    pub tuning: Tuning,
    /// As which release it runs. The one setting that may differ from start to start.
    pub release: Release,
    /// What only the host can know of passwords and tokens.
    pub security: Security,
    /// Deliberate bugs.
    pub mutations: Mutations,
}

impl Config {
    /// What its log is opened with.
    pub(crate) const fn log(&self, owner: Incarnation) -> wal::Settings {
        let (segment_bytes, release) = (self.tuning.segment_bytes, self.release);
        wal::Settings { owner, segment_bytes, release, mutations: self.mutations }
    }
}

/// What only the host can know of passwords and tokens. Never shown.
#[derive(Clone, Default)]
pub struct Security {
    /// What nobody can guess, new at each start: salts and tokens are drawn from it.
    pub entropy: [u8; 32],
    /// Seconds since 1970 at the start, for signed tokens.
    pub unix_seconds: u64,
    /// The key that signs tokens (HS256), the same at all members. Without one, tokens are simple: words that the members
    /// remember.
    pub token_key: Option<Vec<u8>>,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security").finish_non_exhaustive()
    }
}

/// What a new cluster starts from that has the content of another one.
#[derive(Clone, PartialEq, Eq)]
pub struct Restoration {
    /// The bytes of a backup: what the parts of [`whitewater_api::MaintenanceRequest::Backup`] make up.
    pub backup: Bytes,
    /// How many revisions the new cluster leaves out, so that none is told twice of two things.
    pub revision_bump: u64,
    /// Everything before counts as compacted, so that watches from there are ended instead of going on.
    pub mark_compacted: bool,
}

impl fmt::Debug for Restoration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Restoration of {} bytes", self.backup.len())
    }
}

/// What a replica with an empty disk does. One whose disk is not empty recovers, whatever is said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boot {
    /// It is one of the first members of a new cluster, all of them voters.
    Bootstrap {
        /// All first members, this one too.
        members: Vec<NodeId>,
    },
    /// The same, with the content of a backup: a cluster of its own, which needs an identity of its own.
    Restore {
        /// All first members, this one too.
        members: Vec<NodeId>,
        /// The same for all of them.
        from: Restoration,
    },
    /// It was, or will be, added to a running cluster, and starts with nothing.
    Join {
        /// The members that it asks to be known by.
        members: Vec<NodeId>,
    },
}

impl Boot {
    /// The other members that a fresh member introduces itself to.
    pub(crate) fn others(&self, me: NodeId) -> Vec<NodeId> {
        match self {
            Self::Bootstrap { members }
            | Self::Restore { members, .. }
            | Self::Join { members } => {
                members.iter().copied().filter(|node| *node != me).collect()
            }
        }
    }
}
