//! How a network, a disk and a clock behave when nothing special is done to them.

use crate::{Span, plan::is_usual};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::fmt;

/// A distribution of delays: a floor, an exponential part, and now and then a long tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// No delay is shorter.
    pub min: Span,
    /// Mean of the exponential part that comes on top.
    pub mean: Span,
    /// Chance, in a million, that the tail comes on top.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub tail_ppm: u32,
    /// Mean of the exponential tail.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub tail: Span,
}

/// Every link of the network, unless a fault says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkProfile {
    /// Delay of a message.
    pub latency: Latency,
    /// Chance, in a million, that a message is lost.
    pub loss_ppm: u32,
    /// Chance, in a million, that a message arrives a second time.
    pub duplicate_ppm: u32,
    /// How much later the second copy may arrive, at most.
    pub replay: Span,
    /// Chance, in a million, that a message does not wait for those sent before it on its link. Messages that are not
    /// reordered arrive in order.
    pub reorder_ppm: u32,
}

/// Every disk, unless a fault says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskProfile {
    /// Time that a batch takes before its sync.
    pub write: Latency,
    /// Time that a sync takes.
    pub sync: Latency,
    /// Bytes a second, on top of the latencies; 0 means no limit.
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
    #[serde(skip_serializing_if = "is_usual")]
    pub offset_ns: i64,
    /// How much too fast both clocks run, in parts per million; may be negative.
    #[serde(skip_serializing_if = "is_usual")]
    pub drift_ppm: i32,
}

impl Default for Latency {
    /// A quiet local network: about a quarter of a millisecond.
    fn default() -> Self {
        Self { min: Span::micros(100), mean: Span::micros(150), tail_ppm: 0, tail: Span(0) }
    }
}

impl Latency {
    /// Always this long.
    pub const fn constant(min: Span) -> Self {
        Self { min, mean: Span(0), tail_ppm: 0, tail: Span(0) }
    }
}

impl NetworkProfile {
    /// A network without luck: every message takes as long as one takes on average by default.
    pub const fn calm() -> Self {
        Self {
            latency: Latency::constant(Span::micros(250)),
            loss_ppm: 0,
            duplicate_ppm: 0,
            replay: Span(0),
            reorder_ppm: 0,
        }
    }
}

impl DiskProfile {
    /// A disk without luck: every batch takes equally long, and a power loss takes all that was not synced.
    pub const fn calm() -> Self {
        Self {
            write: Latency::constant(Span::micros(20)),
            sync: Latency::constant(Span::micros(400)),
            bytes_per_second: 0,
            keep_ppm: 0,
            torn_ppm: 0,
            directory_keep_ppm: 0,
        }
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

/// The name of a profile without luck.
pub(crate) const CALM: &str = "calm";

pub(crate) fn network<'de, D: Deserializer<'de>>(from: D) -> Result<NetworkProfile, D::Error> {
    from.deserialize_any(Named(NetworkProfile::calm))
}

pub(crate) fn disk<'de, D: Deserializer<'de>>(from: D) -> Result<DiskProfile, D::Error> {
    from.deserialize_any(Named(DiskProfile::calm))
}

/// A profile by its name, or in full.
struct Named<T>(fn() -> T);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Named<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`\"{CALM}\"` or a table")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        if name == CALM {
            Ok((self.0)())
        } else {
            Err(E::invalid_value(de::Unexpected::Str(name), &self))
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
