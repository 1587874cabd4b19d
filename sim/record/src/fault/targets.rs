//! Who and what is hit, where, and how.

use serde::{Deserialize, Serialize};
use whitewater_api::NodeId;

/// What is wrong with a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// D4: a few of its bits have flipped.
    Rot,
    /// D5: what was written there never arrived.
    Phantom,
    /// D5: what was meant for another place was written over it.
    Misdirected,
    /// D5: it is as it was written, but another one is read in its place, once.
    Misread,
    /// D4: it cannot be read: the host has nothing but zeros for the replica in its place.
    Unreadable,
}

/// Who is hit. Roles are looked up when the fault begins (N11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Victim {
    /// This node.
    Node(NodeId),
    /// Whoever leads at the highest term; nobody if no node leads.
    Leader,
    /// The so-manieth running node that does not lead, counted round by id.
    Follower(u64),
    /// A node that is receiving a snapshot; nobody if none is.
    Receiver,
}

impl Victim {
    /// The node, if it is named by id.
    pub const fn node(self) -> Option<NodeId> {
        match self {
            Self::Node(node) => Some(node),
            Self::Leader | Self::Follower(_) | Self::Receiver => None,
        }
    }
}

/// The shape of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// These nodes against all others.
    Nodes(Vec<NodeId>),
    /// The victim alone.
    Isolate(Victim),
    /// The leader and as many others as still make a minority.
    LeaderAndMinority,
    /// Two halves that only this node can reach both of.
    Bridge(NodeId),
    /// Each node reaches only its neighbours by id, in a ring.
    Ring,
}

/// A named point of a node's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashPoint {
    /// A batch was given to the disk and is not done.
    InsideWrite,
    /// A batch is done, and the replica has not been told.
    BeforePersisted,
    /// The replica was told, and what it wants to send has not left.
    BeforeSend,
    /// A part of a snapshot has arrived.
    SnapshotPart,
    /// A snapshot was just installed from a peer.
    SnapshotInstalled,
    /// A new segment or snapshot file has just been renamed.
    Rename,
    /// A membership change was just applied.
    MemberChange,
}
