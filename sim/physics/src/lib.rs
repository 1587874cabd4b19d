//! Network, disk and clock as pure models. They say what happens and when; the caller makes it happen.
//!
//! ```text
//!             send(now, from, to, ..)        submit(now, batch)          set a timer
//!  caller ───────────────┬──────────────────────────┬───────────────────────┬──────
//!                     Network                      Disk                   Clock
//!  caller <──────────────┴──────────────────────────┴───────────────────────┴──────
//!             Fate: when it arrives          when it is due           when it fires
//! ```
//!
//! There is no executor here, no thread and no clock, so that the same physics also plays on a plain event loop in a
//! browser, and so that each law can be tested by itself. Draws come from streams of their own, one for each link and
//! two for each disk: one more draw in one moves nothing in another.
//!
//! Open [`network`] first, then [`disk`], then [`clock`]. Faults of the plan begin and end under a [`FaultId`], which
//! is also what their witnesses are counted by: a fault that touched nothing proves nothing.
//!
//! ```
//! use whitewater_api::NodeId;
//! use whitewater_physics::{Fate, FaultId, LinkSet, Network, NetworkFault, Port};
//! use whitewater_record::{NetworkProfile, Seed, SimTime};
//!
//! let (n1, n2) = (Port::node(NodeId(1)), Port::node(NodeId(2)));
//! let mut network = Network::new(NetworkProfile::default(), Seed(7));
//! assert!(matches!(network.send(SimTime::ZERO, n1, n2, || 100), Fate::Once(_)));
//!
//! network.begin(FaultId(0), LinkSet::pairs(vec![(n1, n2)]), NetworkFault::Cut);
//! assert_eq!(network.send(SimTime::ZERO, n1, n2, || 100), Fate::Cut);
//! assert!(matches!(network.send(SimTime::ZERO, n2, n1, || 100), Fate::Once(_)));
//! ```

#![forbid(unsafe_code)]

pub mod clock;
pub mod disk;
pub mod fault;
mod latency;
pub mod limits;
pub mod network;

pub use crate::{
    clock::Clock,
    disk::{Disk, DiskCounts, DiskFault, FileId, Loss},
    fault::FaultId,
    network::{
        Fate, Network, NetworkCounts, NetworkFault, Throttle, Weather,
        links::{LinkSet, Port},
        partition::Split,
    },
};
