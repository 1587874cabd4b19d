//! Whether ranges together cover another one (etcd, `pkg/adt/interval_tree.go`, `Contains`).

use whitewater_api::{End, Key, KeyRange};

/// From a key up to another one, without it; `None`: to the end of all keys.
type Span = (Key, Option<Key>);

/// Whether every key of `wanted` lies in one of `ranges`. Ranges that touch are as good as one.
pub(crate) fn cover<'a>(
    ranges: impl Iterator<Item = &'a KeyRange>,
    wanted: &KeyRange,
    ignores_gaps: bool,
) -> bool {
    let (mut reach, end) = span(wanted);
    let mut spans: Vec<Span> = ranges.map(span).collect();
    spans.sort();
    let mut has_begun = false;
    for (from, to) in spans {
        if from > reach && !(ignores_gaps && has_begun) {
            break;
        }
        let Some(to) = to else { return true };
        if to > reach {
            has_begun = true;
            reach = to;
        }
        if has_begun && end.as_ref().is_some_and(|end| reach >= *end) {
            return true;
        }
    }
    false
}

/// A single key goes up to the next one that there can be: itself with a zero byte.
fn span(range: &KeyRange) -> Span {
    let end = match &range.end {
        End::Single => {
            let mut next = range.start.as_slice().to_vec();
            next.push(0);
            Some(next.into())
        }
        End::Before(end) => Some(end.clone()),
        End::Unbounded => None,
    };
    (range.start.clone(), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(ranges: &[KeyRange], wanted: &KeyRange) -> bool {
        cover(ranges.iter(), wanted, false)
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let ranges = [KeyRange::span("c", "f"), KeyRange::span("a", "c"), KeyRange::single("f")];
        assert!(covers(&ranges, &KeyRange::span("a", "f")));
        assert!(covers(&ranges, &KeyRange::span("b", "f\0")));
        assert!(!covers(&ranges, &KeyRange::span("a", "g")));
        assert!(!covers(&ranges, &KeyRange::from_key("a")));
        assert!(covers(&ranges, &KeyRange::single("f")));
        assert!(!covers(&ranges, &KeyRange::single("fa")));
    }

    #[test]
    fn a_gap_is_no_permission() {
        let ranges = [KeyRange::span("a", "c"), KeyRange::span("d", "f")];
        assert!(!covers(&ranges, &KeyRange::span("b", "e")));
        assert!(cover(ranges.iter(), &KeyRange::span("b", "e"), true));
        assert!(!covers(&ranges, &KeyRange::single("c")));
    }

    #[test]
    fn only_a_range_without_end_covers_one_without() {
        let prefix = KeyRange::prefix(vec![0xff]);
        assert!(covers(&[KeyRange::from_key("a")], &KeyRange::from_key("b")));
        assert!(covers(&[KeyRange::from_key("a")], &prefix));
        assert!(!covers(&[KeyRange::from_key("b")], &KeyRange::from_key("a")));
        assert!(covers(
            &[KeyRange::span("a", "c"), KeyRange::from_key("c")],
            &KeyRange::from_key("a")
        ));
    }
}
