//! Delta debugging over a list, by complements: which parts can be left out?

/// Finds a list of units of which none can be left out, starting from `0..count`.
///
/// `first` is given lists of units to keep, in order, and names the first one that will do; [`None`] if there is none.
/// Chunks of half the list first, then of a quarter, down to single units; single units until a whole sweep finds
/// nothing. Then the list is 1-minimal. Units are kept in their order.
pub(crate) fn minimise(
    count: usize,
    mut first: impl FnMut(&mut dyn Iterator<Item = Vec<usize>>) -> Option<usize>,
) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..count).collect();
    let mut chunk = kept.len();
    while chunk > 0 && !kept.is_empty() {
        let mut start = 0;
        let mut is_smaller = false;
        while start < kept.len() {
            let all = &kept;
            let starts = (start..all.len()).step_by(chunk);
            let mut rests = starts.map(|from| {
                let to = (from + chunk).min(all.len());
                all[..from].iter().chain(&all[to..]).copied().collect()
            });
            let Some(place) = first(&mut rests) else { break };
            start += place * chunk;
            kept.drain(start..(start + chunk).min(kept.len()));
            is_smaller = true;
        }
        chunk = match chunk {
            // What came before the last removal was tried with more around it.
            1 if is_smaller => 1,
            1 => 0,
            more => more.div_ceil(2).min(kept.len()).max(1),
        };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A failure that needs all of one of these groups.
    fn needs(groups: &[Vec<usize>], kept: &[usize]) -> bool {
        groups.iter().any(|group| group.iter().all(|unit| kept.contains(unit)))
    }

    fn run(count: usize, groups: &[Vec<usize>]) -> (Vec<usize>, usize) {
        let mut asked = 0;
        let kept = minimise(count, |lists| {
            let found = lists.enumerate().find(|(_, kept)| {
                asked += 1;
                needs(groups, kept)
            });
            found.map(|(place, _)| place)
        });
        (kept, asked)
    }

    proptest! {
        #[test]
        fn what_is_left_fails_and_nothing_of_it_can_go(
            count in 1_usize..60,
            groups in prop::collection::vec(prop::collection::vec(0_usize..60, 0..5), 1..4),
        ) {
            let groups: Vec<Vec<usize>> = groups
                .into_iter()
                .map(|group| group.into_iter().map(|unit| unit % count).collect())
                .collect();
            let (kept, _) = run(count, &groups);
            prop_assert!(needs(&groups, &kept));
            for place in 0..kept.len() {
                let mut less = kept.clone();
                less.remove(place);
                prop_assert!(!needs(&groups, &less), "{kept:?} can do without {}", kept[place]);
            }
        }
    }

    #[test]
    fn few_of_many_are_found_in_few_questions() {
        let (kept, asked) = run(1_000, &[vec![17, 500, 999]]);
        assert_eq!(kept, [17, 500, 999]);
        assert!(asked < 120, "{asked} questions");
    }

    #[test]
    fn what_fails_whatever_is_left_out_leaves_nothing() {
        assert_eq!(run(9, &[vec![]]), (vec![], 1));
        assert_eq!(run(0, &[vec![]]).0, [] as [usize; 0]);
    }
}
