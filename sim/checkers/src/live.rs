//! Which of many numbers are in a set, in order: the keys that are there at one revision.
//!
//! A read of a range must cost what it returns, not what the range could hold, or histories whose keys come and go are
//! quadratic. So there are two things over the bits: summaries of 64 to one, to find the next member, and a Fenwick
//! tree of counts, to count members without visiting them.

/// A set of small numbers.
#[derive(Debug, Default)]
pub(crate) struct LiveSet {
    /// The members at the bottom; in each level above, which words of the level below are not empty.
    levels: Vec<Vec<u64>>,
    /// By Fenwick (A New Data Structure for Cumulative Frequency Tables, 1994): members by word of the lowest level.
    sums: Vec<u32>,
}

const BITS: usize = 64;

impl LiveSet {
    /// An empty set that has room for `0..numbers`.
    pub(crate) fn new(numbers: usize) -> Self {
        let mut levels = Vec::new();
        let mut words = numbers.div_ceil(BITS).max(1);
        let sums = vec![0; words + 1];
        loop {
            levels.push(vec![0; words]);
            if words == 1 {
                return Self { levels, sums };
            }
            words = words.div_ceil(BITS);
        }
    }

    /// Puts `number` in.
    pub(crate) fn insert(&mut self, number: u32) {
        let mut place = number as usize;
        if self.levels[0][place / BITS] >> (place % BITS) & 1 == 1 {
            return;
        }
        self.add(place / BITS, 1);
        for level in &mut self.levels {
            level[place / BITS] |= 1 << (place % BITS);
            place /= BITS;
        }
    }

    /// Takes `number` out.
    pub(crate) fn remove(&mut self, number: u32) {
        let mut place = number as usize;
        if self.levels[0][place / BITS] >> (place % BITS) & 1 == 0 {
            return;
        }
        self.add(place / BITS, u32::MAX);
        for level in &mut self.levels {
            level[place / BITS] &= !(1 << (place % BITS));
            if level[place / BITS] != 0 {
                return;
            }
            place /= BITS;
        }
    }

    /// How many members are in `low..high`.
    pub(crate) fn count(&self, low: u32, high: u32) -> u64 {
        if low >= high { 0 } else { u64::from(self.below(high) - self.below(low)) }
    }

    /// The members in `low..high`, ascending.
    pub(crate) fn range(&self, low: u32, high: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.next(low);
        std::iter::from_fn(move || {
            let number = next.filter(|number| *number < high)?;
            next = self.next(number + 1);
            Some(number)
        })
    }

    /// The smallest member that is not below `from`.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        let mut place = from as usize;
        for (height, level) in self.levels.iter().enumerate() {
            let word = level.get(place / BITS)? & (u64::MAX << (place % BITS));
            if word != 0 {
                let mut found = place / BITS * BITS + word.trailing_zeros() as usize;
                for level in self.levels[..height].iter().rev() {
                    found = found * BITS + level[found].trailing_zeros() as usize;
                }
                return u32::try_from(found).ok();
            }
            place = place / BITS + 1;
        }
        None
    }

    /// `by` is taken modulo 2^32, so that its negative takes away.
    fn add(&mut self, word: usize, by: u32) {
        let mut place = word + 1;
        while let Some(sum) = self.sums.get_mut(place) {
            *sum = sum.wrapping_add(by);
            place += place & place.wrapping_neg();
        }
    }

    fn below(&self, number: u32) -> u32 {
        let (word, bit) = (number as usize / BITS, number as usize % BITS);
        let rest = self.levels[0].get(word).map_or(0, |bits| bits & !(u64::MAX << bit));
        let mut place = word.min(self.sums.len() - 1);
        let mut sum = rest.count_ones();
        while place > 0 {
            sum += self.sums[place];
            place -= place & place.wrapping_neg();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(size in 1_u32..9000, changes: Vec<(u32, bool)>, low in 0_u32..9000, high in 0_u32..9000) {
            let mut live = LiveSet::new(size as usize);
            let mut plain = BTreeSet::new();
            for (number, is_in) in changes {
                let number = number % size;
                if is_in {
                    live.insert(number);
                    plain.insert(number);
                } else {
                    live.remove(number);
                    plain.remove(&number);
                }
            }
            let (low, high) = (low.min(high).min(size), high.max(low).min(size));
            let members: Vec<u32> = plain.range(low..high).copied().collect();
            prop_assert_eq!(live.count(low, high), members.len() as u64);
            prop_assert_eq!(live.range(low, high).collect::<Vec<_>>(), members);
        }
    }
}
