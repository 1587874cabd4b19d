//! Newtypes for numbers that must not mix.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl $name {
            /// The number that follows.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
    };
}

number! {
    /// A member of the cluster, and the machine that it lives on. Never zero, never used again after removal.
    NodeId, u64, "n"
}
number! {
    /// The cluster that a node belongs to.
    ClusterId, u64, "c"
}
number! {
    /// One life of a member's disk, drawn when the disk is first written.
    Incarnation, u64, "i"
}
number! {
    /// Raft's logical clock of leaderships. Zero before the first election.
    Term, u64, ""
}
number! {
    /// A position in the Raft log. The first entry has index 1.
    Index, u64, ""
}
number! {
    /// etcd's logical clock of the key space: one step for each transaction that wrote. An empty store is at 1.
    Revision, u64, "r"
}
number! {
    /// A lease. Zero means none.
    LeaseId, i64, "l"
}
number! {
    /// A stream of watches at one node, numbered by its host. Never used again in one life of the node's process.
    StreamId, u64, "s"
}
number! {
    /// A logical single-threaded client. Retired after an unknown outcome.
    Process, u32, "p"
}

/// One request of one process: the id that travels in every row of a trace.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct RequestId {
    /// Who asked.
    pub process: Process,
    /// The how-manieth request of that process, from 0.
    pub sequence: u32,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.process, self.sequence)
    }
}

/// Nanoseconds on one node's monotonic clock. Comparable only within one life of that node's process.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Nanoseconds from `earlier` to this moment, zero if it lies behind.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `nanos` nanoseconds later.
    #[must_use]
    pub const fn after(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl Revision {
    /// The revision of an empty store.
    pub const FIRST: Self = Self(1);

    /// In a request: whatever is newest.
    pub const LATEST: Self = Self(0);
}

impl LeaseId {
    /// No lease.
    pub const NONE: Self = Self(0);
}
