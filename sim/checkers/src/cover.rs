//! Maxima over intervals of keys: what was last done to each, when things are done to ranges.

/// For every number below a bound, the maximum of what was noted for the intervals that hold it.
#[derive(Debug)]
pub(crate) struct Cover<T> {
    /// A segment tree without a lazy part: a node bounds all that lie below it.
    nodes: Vec<T>,
    leaves: usize,
}

impl<T: Copy + Ord + Default> Cover<T> {
    /// Nothing is noted for `0..numbers`.
    pub(crate) fn new(numbers: usize) -> Self {
        let leaves = numbers.max(1);
        Self { nodes: vec![T::default(); 2 * leaves], leaves }
    }

    /// Notes `value` for `low..high`.
    pub(crate) fn note(&mut self, low: u32, high: u32, value: T) {
        let (mut low, mut high) = (low as usize + self.leaves, high as usize + self.leaves);
        while low < high {
            if low % 2 == 1 {
                self.nodes[low] = self.nodes[low].max(value);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                self.nodes[high] = self.nodes[high].max(value);
            }
            (low, high) = (low / 2, high / 2);
        }
    }

    /// The maximum that was noted for `number`.
    pub(crate) fn at(&self, number: u32) -> T {
        let mut node = number as usize + self.leaves;
        let mut highest = T::default();
        while node > 0 {
            highest = highest.max(self.nodes[node]);
            node /= 2;
        }
        highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_maximum_of_what_was_noted(size in 1_u32..300, notes: Vec<(u32, u32, u16)>) {
            let mut cover = Cover::new(size as usize);
            let mut plain = vec![0; size as usize];
            for (low, high, value) in notes {
                let (low, high) = (low % size, high % (size + 1));
                cover.note(low, high, value);
                for number in low..high.max(low) {
                    plain[number as usize] = value.max(plain[number as usize]);
                }
            }
            let told: Vec<u16> = (0..size).map(|number| cover.at(number)).collect();
            prop_assert_eq!(told, plain);
        }
    }
}
