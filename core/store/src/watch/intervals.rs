//! Ranges of keys, and the question which of them hold a key.
//!
//! An AVL tree by (start, end), where each node also knows how far any range below it reaches (Cormen et al.,
//! "Interval trees"). A question costs the logarithm of the number of different ranges, and the ranges found; a
//! subtree that reaches no further than the key is never entered.

use std::{cmp::Ordering, collections::BTreeSet, mem};
use whitewater_api::{End, Key, KeyRange};

/// Ranges, each with the things that belong to it.
#[derive(Clone, Debug)]
pub(crate) struct Intervals<T> {
    root: Tree<T>,
}

type Tree<T> = Option<Box<Node<T>>>;

#[derive(Clone, Debug)]
struct Node<T> {
    range: KeyRange,
    /// Never empty.
    things: BTreeSet<T>,
    /// The furthest end in this subtree. [`End`] orders ends of non-empty ranges as they lie.
    reach: End,
    height: u8,
    left: Tree<T>,
    right: Tree<T>,
}

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<T: Copy + Ord> Intervals<T> {
    /// How many things there are, each counted in each of its ranges. Looks at everything.
    pub(crate) fn len(&self) -> usize {
        fn count<T>(tree: Option<&Node<T>>) -> usize {
            tree.map_or(0, |node| {
                node.things.len() + count(node.left.as_deref()) + count(node.right.as_deref())
            })
        }
        count(self.root.as_deref())
    }

    /// Adds a thing to a range, which is neither empty nor a single key.
    pub(crate) fn insert(&mut self, range: &KeyRange, thing: T) {
        self.root = Some(insert(self.root.take(), range, thing));
    }

    /// Takes a thing from its range.
    pub(crate) fn remove(&mut self, range: &KeyRange, thing: T) {
        self.root = remove(self.root.take(), range, thing);
    }

    /// Visits all things whose range holds `key`.
    pub(crate) fn visit(&self, key: &Key, visit: &mut impl FnMut(T)) {
        visit_node(self.root.as_deref(), key, visit);
    }
}

fn visit_node<T: Copy>(node: Option<&Node<T>>, key: &Key, visit: &mut impl FnMut(T)) {
    let Some(node) = node.filter(|node| lies_before(key, &node.reach)) else { return };
    visit_node(node.left.as_deref(), key, visit);
    if node.range.start > *key {
        return; // So do all to the right.
    }
    if lies_before(key, &node.range.end) {
        node.things.iter().copied().for_each(&mut *visit);
    }
    visit_node(node.right.as_deref(), key, visit);
}

fn lies_before(key: &Key, end: &End) -> bool {
    match end {
        End::Single => false,
        End::Before(end) => key < end,
        End::Unbounded => true,
    }
}

fn insert<T: Copy + Ord>(tree: Tree<T>, range: &KeyRange, thing: T) -> Box<Node<T>> {
    let Some(mut node) = tree else {
        let (things, reach) = (BTreeSet::from([thing]), range.end.clone());
        let range = range.clone();
        return Box::new(Node { range, things, reach, height: 1, left: None, right: None });
    };
    match range.cmp(&node.range) {
        Ordering::Less => node.left = Some(insert(node.left.take(), range, thing)),
        Ordering::Greater => node.right = Some(insert(node.right.take(), range, thing)),
        Ordering::Equal => {
            node.things.insert(thing);
            return node;
        }
    }
    balance(node)
}

fn remove<T: Copy + Ord>(tree: Tree<T>, range: &KeyRange, thing: T) -> Tree<T> {
    let mut node = tree?;
    match range.cmp(&node.range) {
        Ordering::Less => node.left = remove(node.left.take(), range, thing),
        Ordering::Greater => node.right = remove(node.right.take(), range, thing),
        Ordering::Equal => {
            node.things.remove(&thing);
            if node.things.is_empty() {
                return join(node.left.take(), node.right.take());
            }
            return Some(node);
        }
    }
    Some(balance(node))
}

/// One tree of two, whose heights differ by one at most and of which all of `left` comes first.
fn join<T>(left: Tree<T>, right: Tree<T>) -> Tree<T> {
    let Some(right) = right else { return left };
    let (right, mut first) = take_first(right);
    first.left = left;
    first.right = right;
    Some(balance(first))
}

fn take_first<T>(mut node: Box<Node<T>>) -> (Tree<T>, Box<Node<T>>) {
    let Some(left) = node.left.take() else {
        let rest = node.right.take();
        return (rest, node);
    };
    let (left, first) = take_first(left);
    node.left = left;
    (Some(balance(node)), first)
}

/// Makes a node right whose subtrees are right and differ in height by two at most.
fn balance<T>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    let (left, right) = (height(node.left.as_deref()), height(node.right.as_deref()));
    if left > right + 1 {
        let child = node.left.take().expect("the higher subtree is there");
        let leans_in = height(child.right.as_deref()) > height(child.left.as_deref());
        node.left = Some(if leans_in { rotate_left(child) } else { child });
        return rotate_right(node);
    }
    if right > left + 1 {
        let child = node.right.take().expect("the higher subtree is there");
        let leans_in = height(child.left.as_deref()) > height(child.right.as_deref());
        node.right = Some(if leans_in { rotate_right(child) } else { child });
        return rotate_left(node);
    }
    measure(&mut node);
    node
}

fn rotate_right<T>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    let mut top = node.left.take().expect("a rotation to the right lifts the left child");
    node.left = top.right.take();
    measure(&mut node);
    top.right = Some(node);
    measure(&mut top);
    top
}

fn rotate_left<T>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    let mut top = node.right.take().expect("a rotation to the left lifts the right child");
    node.right = top.left.take();
    measure(&mut node);
    top.left = Some(node);
    measure(&mut top);
    top
}

fn height<T>(tree: Option<&Node<T>>) -> u8 {
    tree.map_or(0, |node| node.height)
}

fn measure<T>(node: &mut Node<T>) {
    node.height = 1 + height(node.left.as_deref()).max(height(node.right.as_deref()));
    let below = [&node.left, &node.right].into_iter().flatten().map(|child| &child.reach);
    let reach = below.fold(&node.range.end, |reach, end| reach.max(end)).clone();
    drop(mem::replace(&mut node.reach, reach));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range() -> impl Strategy<Value = KeyRange> {
        let key = || prop::collection::vec(prop::sample::select(vec![b'a', b'b', b'c']), 1..4);
        (key(), prop::option::of(key())).prop_filter_map("empty", |(start, end)| {
            let end = end.map_or(End::Unbounded, |end| End::Before(end.into()));
            let range = KeyRange { start: start.into(), end };
            (!range.is_empty()).then_some(range)
        })
    }

    fn assert_balanced(tree: Option<&Node<u8>>) {
        let Some(node) = tree else { return };
        let (left, right) = (height(node.left.as_deref()), height(node.right.as_deref()));
        assert!(left.abs_diff(right) <= 1, "leans: {left} against {right}");
        assert!(!node.things.is_empty(), "an empty node is held");
        assert_balanced(node.left.as_deref());
        assert_balanced(node.right.as_deref());
    }

    proptest! {
        #[test]
        fn a_key_is_found_in_just_the_ranges_that_hold_it(
            steps in prop::collection::vec((any::<bool>(), range(), 0_u8..6), 1..120),
            key in prop::collection::vec(prop::sample::select(vec![b'a', b'b', b'c', b'd']), 1..4),
        ) {
            let mut plain = BTreeSet::new();
            let mut intervals = Intervals::default();
            for (adds, range, thing) in steps {
                if adds {
                    intervals.insert(&range, thing);
                    plain.insert((range, thing));
                } else if let Some(found) = plain.iter().find(|row| row.1 >= thing).cloned() {
                    intervals.remove(&found.0, found.1);
                    plain.remove(&found);
                }
                assert_balanced(intervals.root.as_deref());
            }
            let key = Key::from(key);
            let mut found = Vec::new();
            intervals.visit(&key, &mut |thing| found.push(thing));
            found.sort_unstable();
            let mut expected: Vec<u8> = plain
                .iter()
                .filter(|(range, _)| range.contains(&key))
                .map(|(_, thing)| *thing)
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
