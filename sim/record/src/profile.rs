//! How a network, a disk and a clock behave when nothing special is done to them.

use crate::Span;
use serde::{Deserialize, Serialize};

/// A distribution of delays: a floor, an exponential part, and now and then a long tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// No delay is shorter.
    pub min: Span,
    /// Mean of the exponential part that comes on top.
    pub mean: Span,
    /// Chance, in a million, that the tail comes on top.
    #[serde(default)]
    pub tail_ppm: u32,
    /// Mean of the exponential tail.
    #[serde(default)]
    pub tail: Span,
}

/// Every link of the network, unless a fault says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkProfile {
    /// Delay of a message.
    pub latency: Latency,
    /// Chance, in a million, that a message is lost.
    #[serde(default)]
    pub loss_ppm: u32,
    /// Chance, in a million, that a message arrives a second time.
    #[serde(default)]
    pub duplicate_ppm: u32,
    /// How much later the second copy may arrive, at most.
    #[serde(default)]
    pub replay: Span,
    /// Chance, in a million, that a message does not wait for those sent before it on its link. Messages that are not
    /// reordered arrive in order.
    #[serde(default)]
    pub reorder_ppm: u32,
}

/// Every disk, unless a fault says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskProfile {
    /// Time that a batch takes before its sync.
    pub write: Latency,
    /// Time that a sync takes.
    pub sync: Latency,
    /// Bytes a second, on top of the latencies; 0 means no limit.
    #[serde(default)]
    pub bytes_per_second: u64,
    /// Chance, in a million, that an unsynced sector is kept over a power loss.
    pub keep_ppm: u32,
    /// Chance, in a million, that a sector that is kept is torn: kept up to a random byte.
    pub torn_ppm: u32,
    /// Chance, in a million, that an unsynced change of the directory is kept over a power loss.
    pub directory_keep_ppm: u32,
}

/// The clock of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockProfile {
    /// What the wall clock shows at the start, ahead of true time; may be negative. In nanoseconds.
    pub offset_ns: i64,
    /// How much too fast both clocks run, in parts per million; may be negative.
    pub drift_ppm: i32,
}

impl Default for Latency {
    /// A quiet local network: about a quarter of a millisecond.
    fn default() -> Self {
        Self { min: Span::micros(100), mean: Span::micros(150), tail_ppm: 0, tail: Span(0) }
    }
}

impl Default for NetworkProfile {
    fn default() -> Self {
        Self {
            latency: Latency::default(),
            loss_ppm: 0,
            duplicate_ppm: 0,
            replay: Span(0),
            reorder_ppm: 0,
        }
    }
}

impl Default for DiskProfile {
    /// A good disk: syncs in about half a millisecond; a power loss keeps each unsynced sector or not.
    fn default() -> Self {
        Self {
            write: Latency {
                min: Span::micros(10),
                mean: Span::micros(10),
                tail_ppm: 0,
                tail: Span(0),
            },
            sync: Latency {
                min: Span::micros(200),
                mean: Span::micros(200),
                tail_ppm: 0,
                tail: Span(0),
            },
            bytes_per_second: 500_000_000,
            keep_ppm: 500_000,
            torn_ppm: 100_000,
            directory_keep_ppm: 500_000,
        }
    }
}
