//! Changes of the membership, as raft knows it and as etcd's operators ask for it (`rpc.proto`, service Cluster).

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

/// What an operator asks about the members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterRequest {
    /// Add a member.
    Add {
        /// Its id, which the host derives from the URLs, the name of the cluster and the time.
        member: NodeId,
        /// Where the others reach it. No other member has one of them.
        peer_urls: Vec<String>,
        /// Let it follow only.
        is_learner: bool,
    },
    /// Remove a member. Its id is never used again.
    Remove(NodeId),
    /// Give a member other peer URLs.
    Update {
        /// Which member.
        member: NodeId,
        /// Where the others reach it from now on.
        peer_urls: Vec<String>,
    },
    /// Make a learner that has caught up a voter.
    Promote(NodeId),
    /// A member says who it is, once it has started.
    Publish {
        /// Which member.
        member: NodeId,
        /// Its name.
        name: String,
        /// Where clients reach it.
        client_urls: Vec<String>,
    },
    /// All members.
    List {
        /// As of now, confirmed by a quorum; else as the member that is asked knows them.
        linearizable: bool,
    },
}

/// What is known of a member besides its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAttributes {
    /// Its name; empty until it has started.
    pub name: String,
    /// Where the others reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it has started.
    pub client_urls: Vec<String>,
}

/// A member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// What is known of it.
    pub attributes: MemberAttributes,
    /// Whether it only follows.
    pub is_learner: bool,
}

impl ClusterRequest {
    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::List { .. })
    }
}

impl fmt::Display for ClusterRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { member, peer_urls, is_learner } => {
                let learner = if *is_learner { " as learner" } else { "" };
                write!(f, "cluster-add {member} {}{learner}", peer_urls.join(","))
            }
            Self::Remove(member) => write!(f, "cluster-remove {member}"),
            Self::Update { member, peer_urls } => {
                write!(f, "cluster-update {member} {}", peer_urls.join(","))
            }
            Self::Promote(member) => write!(f, "cluster-promote {member}"),
            Self::Publish { member, name, .. } => write!(f, "cluster-publish {member} {name}"),
            Self::List { linearizable: true } => f.write_str("cluster-list"),
            Self::List { linearizable: false } => f.write_str("stale-cluster-list"),
        }
    }
}
