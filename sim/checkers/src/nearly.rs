//! Sorting what is nearly in order, as returns are in the order of invocation: none is further from its place than
//! operations are open at a time.

/// How far an element may be from its place, on average, for it to be carried there step by step.
const NEAR: usize = 16;

/// Sorts elements that are nearly in order in linear time, and others as well.
pub(crate) fn sort<T: Copy + Ord>(all: &mut [T]) {
    let mut left = NEAR * all.len();
    for at in 1..all.len() {
        let this = all[at];
        let mut place = at;
        while place > 0 && all[place - 1] > this {
            all[place] = all[place - 1];
            place -= 1;
        }
        all[place] = this;
        match left.checked_sub(at - place) {
            Some(rest) => left = rest,
            None => return all.sort_unstable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_nearly_sorted_and_what_is_not_is_sorted(times in proptest::collection::vec(0_u64..50, 0..300)) {
            let mut all: Vec<(u64, u32)> = times.into_iter().zip(0..).collect();
            let mut plain = all.clone();
            plain.sort_unstable();
            sort(&mut all);
            prop_assert_eq!(all, plain);
        }
    }

    #[test]
    fn what_is_the_wrong_way_round_does_not_take_forever() {
        let mut all: Vec<u64> = (0..100_000).rev().collect();
        sort(&mut all);
        assert!(all.is_sorted());
    }
}
