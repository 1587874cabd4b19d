//! Small reasons: from a set that fails to one of which nothing can be left out.
//!
//! Delta debugging (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002), over sets that are
//! closed: an element may be there only together with those that it needs, so one that leaves takes with it all that
//! need it.

use std::collections::{BTreeMap, BTreeSet};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduced {
    /// The elements, ascending.
    pub elements: Vec<usize>,
    /// How often a set was judged.
    pub checks: u64,
    /// Whether it was shown that no element can be left out; the checks may have run out before.
    pub is_minimal: bool,
}

/// Leaves out as much as possible of `elements`, which fail and are closed.
///
/// `needs` tells what an element needs, `fails` judges a closed set, given in ascending order; it is called
/// `checks_max` times at most. In the end no element can be left out, together with all that need it, so that the rest
/// still fails.
pub fn minimize(
    elements: &[usize],
    checks_max: u64,
    mut needs: impl FnMut(usize) -> Vec<usize>,
    mut fails: impl FnMut(&[usize]) -> bool,
) -> Reduced {
    let mut kept: Vec<usize> = elements.to_vec();
    kept.sort_unstable();
    let mut needed_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for element in &kept {
        for needed in needs(*element) {
            needed_by.entry(needed).or_default().push(*element);
        }
    }
    let mut checks = 0;
    let mut size = kept.len().div_ceil(2);
    while size > 0 && kept.len() > 1 {
        let mut has_shrunk = false;
        // From the end: what came late needs much and is needed by little.
        let mut end = kept.len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let rest = without(&kept, &kept[start..end], &needed_by);
            end = start;
            if rest.is_empty() {
                continue;
            }
            if checks == checks_max {
                return Reduced { elements: kept, checks, is_minimal: false };
            }
            checks += 1;
            if fails(&rest) {
                has_shrunk = true;
                kept = rest;
                end = end.min(kept.len());
            }
        }
        size = match (size, has_shrunk) {
            (1, true) => 1,
            _ => size / 2,
        };
    }
    Reduced { elements: kept, checks, is_minimal: true }
}

/// What is left when some leave, and all that need them.
fn without(
    kept: &[usize],
    leaving: &[usize],
    needed_by: &BTreeMap<usize, Vec<usize>>,
) -> Vec<usize> {
    let mut gone: BTreeSet<usize> = leaving.iter().copied().collect();
    let mut open: Vec<usize> = leaving.to_vec();
    while let Some(element) = open.pop() {
        for dependent in needed_by.get(&element).into_iter().flatten() {
            if gone.insert(*dependent) {
                open.push(*dependent);
            }
        }
    }
    kept.iter().copied().filter(|element| !gone.contains(element)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_can_be_left_out(
            core in proptest::collection::btree_set(0_usize..200, 1..5),
            links in proptest::collection::vec((0_usize..200, 0_usize..200), 0..40),
        ) {
            // Each needs only smaller ones, so that there are no rings.
            let needs = |element: usize| -> Vec<usize> {
                links.iter().filter(|(a, b)| a.max(b) == &element && a != b).map(|(a, b)| *a.min(b)).collect()
            };
            let all: Vec<usize> = (0..200).collect();
            let found = minimize(&all, u64::MAX, needs, |set| core.iter().all(|e| set.contains(e)));
            prop_assert!(found.is_minimal);
            let mut closed = core.clone();
            let mut open: Vec<usize> = core.iter().copied().collect();
            while let Some(element) = open.pop() {
                open.extend(needs(element).into_iter().filter(|needed| closed.insert(*needed)));
            }
            prop_assert_eq!(found.elements, closed.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_checks_are_bounded() {
        let all: Vec<usize> = (0..1000).collect();
        let found = minimize(&all, 3, |_| Vec::new(), |set| set.contains(&7));
        assert_eq!(found.checks, 3);
        assert!(!found.is_minimal && found.elements.contains(&7));
    }
}
