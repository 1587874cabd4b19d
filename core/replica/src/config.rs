//! Who a replica is and how it shall behave.

use whitewater_api::{ClusterId, NodeId, Tuning};
use whitewater_mutation::Mutations;

/// The settings of one replica. The same at every start of the same member.
#[derive(Clone, Debug)]
pub struct Config {
    /// This member.
    pub node: NodeId,
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
    /// What to do with an empty disk.
    pub boot: Boot,
    /// Root of the election timeouts, which are a pure function of (seed, node, term, role).
    pub seed: u64,
    /// What an operator may set.
    pub tuning: Tuning,
    /// Deliberate bugs.
    pub mutations: Mutations,
}

/// What a replica with an empty disk does. One whose disk is not empty recovers, whatever is said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boot {
    /// It is one of the first members of a new cluster, all of them voters.
    Bootstrap {
        /// All first members, this one too.
        members: Vec<NodeId>,
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
            Self::Bootstrap { members } | Self::Join { members } => {
                members.iter().copied().filter(|node| *node != me).collect()
            }
        }
    }
}
