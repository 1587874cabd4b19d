//! One root seed, and a stream of draws for each purpose and entity.
//!
//! One more draw in one stream moves nothing in another. That is what makes shrinking and diffing meaningful.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// The root of all draws of a run. Written as decimal or, with `0x`, as hexadecimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of draws for `purpose` and `entity`, such as ("disk", 2) or ("link", from * 256 + to).
    pub fn stream(self, purpose: &str, entity: u64) -> Stream {
        let mut mixer = Mixer::default();
        for byte in purpose.bytes() {
            mixer.add(u64::from(byte));
        }
        mixer.add(entity);
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(mixer.finish());
        Stream { rng }
    }

    /// Another root, the same for the same salt.
    pub fn salted(self, salt: u64) -> Self {
        let mut mixer = Mixer::default();
        mixer.add(self.0);
        mixer.add(salt);
        Self(mixer.finish())
    }
}

/// A stream of draws. All arithmetic is on integers, so that every machine draws the same.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `bound`, which must not be zero. Lemire's multiply-shift: the bias is below 2^-32 for the
    /// bounds that occur here, and the cost is one multiplication.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a draw below zero");
        high_half(self.rng.next_u64(), bound)
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "an empty range: {low}..={high}");
        if low == 0 && high == u64::MAX { self.bits() } else { low + self.below(high - low + 1) }
    }

    /// True with a chance of `ppm` in a million.
    pub fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }

    /// One of `items`, which must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.below(u64::try_from(items.len()).expect("a length fits 64 bits"));
        &items[usize::try_from(index).expect("an index below a length")]
    }

    /// A number with an exponential distribution around `mean`, at most 32 times it.
    ///
    /// By halves: each leading one bit of a draw adds one half-life, and the rest is interpolated linearly inside
    /// it. Piecewise linear instead of smooth, but without floating point.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        if mean == 0 {
            return 0;
        }
        let bits = self.rng.next_u64();
        let halves = u64::from(bits.leading_ones().min(31));
        let fraction = bits & 0xffff_ffff;
        // The mean of the construction is 1.5 half-lives.
        let half_life = (mean * 2) / 3;
        half_life * halves + high_half(half_life, fraction << 32)
    }
}

/// A small 64-bit mixer for ids, digests and rolling hashes. Not for hostile input.
///
/// Each word is folded in with one wide multiplication, as wyhash does (public domain, Wang Yi).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixer(u64);

impl Default for Mixer {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Mixer {
    /// Folds one word in.
    pub fn add(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word)
            * u128::from(0xa076_1d64_78bd_642f_u64 ^ word.rotate_left(32));
        self.0 = low_half(wide) ^ low_half(wide >> 64) ^ 0xe703_7ed1_a0b4_28db;
    }

    /// The state.
    pub const fn finish(self) -> u64 {
        self.0
    }
}

fn high_half(a: u64, b: u64) -> u64 {
    low_half((u128::from(a) * u128::from(b)) >> 64)
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
const fn low_half(wide: u128) -> u64 {
    wide as u64
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Seed {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).map(Self),
            None => text.parse().map(Self),
        }
    }
}

// TOML has no unsigned 64-bit integers, so a seed is text in files.
impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            de::Error::custom(format!("`{text}` is not a seed: write a decimal or 0x number"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_other_names_are_independent_and_the_same_name_repeats() {
        let draw = |purpose, entity| Seed(7).stream(purpose, entity).bits();
        assert_eq!(draw("disk", 1), draw("disk", 1));
        assert_ne!(draw("disk", 1), draw("disk", 2));
        assert_ne!(draw("disk", 1), draw("link", 1));
    }

    #[test]
    fn the_exponential_has_the_mean_that_was_asked_for() {
        let mut stream = Seed(1).stream("test", 0);
        let n = 100_000;
        let sum: u64 = (0..n).map(|_| stream.exponential(9_000)).sum();
        assert!((8_800..9_200).contains(&(sum / n)), "mean {}", sum / n);
    }
}
