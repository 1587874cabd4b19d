//! Every bound of the crate.

use whitewater_record::Span;

/// Inputs that the replicas of a [`Cluster`](crate::cluster::Cluster) may make of one; more is a loop.
pub const INPUTS_MAX: usize = 1_000_000;

/// Simulated seconds in which a new cluster must elect a leader.
pub const ELECTION_SECONDS_MAX: u64 = 60;

/// A client of a [`Cluster`](crate::cluster::Cluster) compacts the history after so many puts, so that a long
/// measurement does not measure a growing store.
pub const PUTS_BETWEEN_COMPACTIONS: u64 = 1_000;

/// Client operations that a swarm seed must have to count in the figures.
pub const BUSY_OPERATIONS_MIN: u64 = 3_000;

/// Length of the idle run of the figures.
pub const IDLE: Span = Span::seconds(3_600);

/// Seeds over which memory is watched, and those after which it should have found its level.
pub const MEMORY_SEEDS: u64 = 1_000;

/// See [`MEMORY_SEEDS`].
pub const MEMORY_SEEDS_FIRST: u64 = 100;

/// Seeds that are named for taking most time.
pub const LONGEST_SEEDS: usize = 3;
