//! Changes of the membership.

use crate::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One change of the membership. More than one voter at once goes through a joint configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberChange {
    /// Add a voter.
    Add(NodeId),
    /// Add a learner.
    AddLearner(NodeId),
    /// Make a learner that has caught up a voter.
    Promote(NodeId),
    /// Remove a voter or learner. Its id is never used again.
    Remove(NodeId),
    /// Remove one voter and add another, in one joint change.
    Replace {
        /// Who goes.
        old: NodeId,
        /// Who comes.
        new: NodeId,
    },
}

impl fmt::Display for MemberChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(node) => write!(f, "member-add {node}"),
            Self::AddLearner(node) => write!(f, "member-add-learner {node}"),
            Self::Promote(node) => write!(f, "member-promote {node}"),
            Self::Remove(node) => write!(f, "member-remove {node}"),
            Self::Replace { old, new } => write!(f, "member-replace {old} {new}"),
        }
    }
}
