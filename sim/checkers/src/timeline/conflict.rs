//! The keys that a contradiction is about, and since when.

use crate::case::Keys;

/// A set of keys. Contradictions are not solved by other guesses about other keys, nor by guesses about what these keys
/// were before a revision at which they were seen as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Conflict {
    /// Ascending, disjoint; each with the revision after which guesses matter.
    keys: Vec<(Keys, u64)>,
}

/// More intervals than this become one: a larger set is still right, and only jumps back less far.
const INTERVALS_MAX: usize = 64;

impl Conflict {
    pub(super) fn add(&mut self, keys: Keys, since: u64) {
        if keys.low >= keys.high {
            return;
        }
        let from = self.keys.partition_point(|(other, _)| other.high <= keys.low);
        let to = self.keys.partition_point(|(other, _)| other.low < keys.high);
        let mut joined = (keys, since);
        for (other, since) in &self.keys[from..to] {
            joined = (joined.0.hull(*other), joined.1.min(*since));
        }
        self.keys.splice(from..to, [joined]);
        if self.keys.len() > INTERVALS_MAX {
            let all = self.keys.drain(..).reduce(|a, b| (a.0.hull(b.0), a.1.min(b.1)));
            self.keys.extend(all);
        }
    }

    /// The keys alone.
    pub(super) fn keys(&self) -> impl Iterator<Item = Keys> + '_ {
        self.keys.iter().map(|(keys, _)| *keys)
    }

    pub(super) fn join(&mut self, other: &Self) {
        other.keys.iter().for_each(|(keys, since)| self.add(*keys, *since));
    }

    /// Whether a guess about `keys` at `revision` may matter.
    pub(super) fn meets(&self, keys: Keys, revision: u64) -> bool {
        let place = self.keys.partition_point(|(other, _)| other.high <= keys.low);
        self.keys[place..]
            .iter()
            .take_while(|(other, _)| other.low < keys.high)
            .any(|(other, since)| *since < revision && other.meets(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_holds_at_least_what_was_added(
            all: Vec<(u16, u8, u8)>,
            probe: u16,
            revision: u8,
        ) {
            let interval = |low: u16, length: u8| {
                let low = u32::from(low);
                Keys { low, high: low + u32::from(length) }
            };
            let mut conflict = Conflict::default();
            for (low, length, since) in &all {
                conflict.add(interval(*low, *length), u64::from(*since));
            }
            let holds = all.iter().any(|(low, length, since)| {
                interval(*low, *length).contains(u32::from(probe)) && *since < revision
            });
            prop_assert!(!holds || conflict.meets(interval(probe, 1), u64::from(revision)));
            prop_assert!(conflict.keys.windows(2).all(|pair| pair[0].0.high <= pair[1].0.low));
        }
    }
}
