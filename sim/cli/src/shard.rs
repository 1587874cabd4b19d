//! A part of a campaign: a range of its seeds that is known before anything runs, so that shards need no coordinator.

use std::{fmt, num::ParseIntError, str::FromStr};
use thiserror::Error;
use whitewater_record::Seed;

/// The i-th of n shards, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    place: u64,
    count: u64,
}

/// What is no shard.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ShardError {
    /// No slash in it.
    #[error("expected i/n, such as 2/8")]
    Shape,
    /// Not two numbers.
    #[error("expected i/n, such as 2/8: {0}")]
    Number(#[from] ParseIntError),
    /// The place is not one of them.
    #[error("there is no shard {place} of {count}: they are counted from 1")]
    Place {
        /// The place.
        place: u64,
        /// How many there are.
        count: u64,
    },
}

impl Shard {
    /// Its seeds of the `count` seeds from `first` on: the first one, and how many. No two shards differ by more than one
    /// seed, and together they are the whole.
    pub(crate) fn range(self, first: Seed, count: u64) -> (Seed, u64) {
        let bound = |place: u64| {
            let share = u128::from(count) * u128::from(place) / u128::from(self.count);
            u64::try_from(share).expect("a part is no more than the whole")
        };
        let (begin, end) = (bound(self.place - 1), bound(self.place));
        (Seed(first.0.wrapping_add(begin)), end - begin)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (place, count) = text.split_once('/').ok_or(ShardError::Shape)?;
        let (place, count) = (place.parse()?, count.parse()?);
        if place == 0 || place > count {
            return Err(ShardError::Place { place, count });
        }
        Ok(Self { place, count })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.place, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_the_whole_and_nothing_twice() {
        for (count, shards) in [(100, 7), (3, 5), (0, 2), (u64::MAX, 3)] {
            let mut next = Seed(9);
            for place in 1..=shards {
                let shard: Shard = format!("{place}/{shards}").parse().unwrap();
                let (first, seeds) = shard.range(Seed(9), count);
                assert_eq!(first, next, "{shard} of {count}");
                assert!(seeds.abs_diff(count / shards) <= 1);
                next = Seed(first.0.wrapping_add(seeds));
            }
            assert_eq!(next, Seed(9_u64.wrapping_add(count)));
        }
    }

    #[test]
    fn what_is_no_shard_is_named() {
        for (text, part) in [
            ("3", "such as 2/8"),
            ("0/3", "from 1"),
            ("4/3", "no shard 4 of 3"),
            ("a/3", "invalid digit"),
        ] {
            let error = text.parse::<Shard>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
