//! How many keys a range has, without a look at each.
//!
//! etcd says with every range how many keys are in it, however few of them were asked for. To count a million took a tenth
//! of a second, during which a replica does nothing else. So the key space is cut into stretches of some hundred keys,
//! each of which knows how many are there now: a count looks at keys in the first and the last stretch of its range only.
//!
//! The past is the present without what has changed since: a count at a revision goes through the changes behind it. Where
//! those are many, as for a client that reads a past page after page while others write a lot, who counts looks at every key.

use crate::{
    history::{History, Version},
    limits::{COUNT_CHANGES_MAX, STRETCH_KEYS_MAX, STRETCH_KEYS_MIN},
    range,
    store::Store,
};
use std::{collections::BTreeMap, ops::Bound};
use whitewater_api::{End, Key, KeyRange, Revision};

/// The key space in stretches, by the first key of each.
///
/// Invariant: the first one begins at the empty key; none but that one is without keys; the sums are those of the keys that
/// are held.
#[derive(Clone, Debug)]
pub(crate) struct Stretches {
    by_first: BTreeMap<Key, Stretch>,
    /// How many keys there are now, in all of them.
    live: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stretch {
    /// Keys with a history.
    held: usize,
    /// Those of them that are there now.
    live: u64,
}

impl Stretches {
    /// No key at all.
    pub(crate) fn new() -> Self {
        Self { by_first: BTreeMap::from([(Key::default(), Stretch::default())]), live: 0 }
    }

    /// Of all these keys.
    pub(crate) fn of(keys: &BTreeMap<Key, History>) -> Self {
        let mut stretches = Self::new();
        let mut first = Key::default();
        let mut stretch = Stretch::default();
        for (key, history) in keys {
            if stretch.held == STRETCH_KEYS_MAX / 2 {
                stretches.by_first.insert(std::mem::replace(&mut first, key.clone()), stretch);
                stretch = Stretch::default();
            }
            stretch.add(history);
            stretches.live += u64::from(history.live().is_some());
        }
        stretches.by_first.insert(first, stretch);
        stretches
    }

    /// A key that had no history has one, and is there.
    pub(crate) fn on_new(&mut self, key: &Key) -> IsFull {
        let stretch = self.at(key);
        stretch.held += 1;
        stretch.live += 1;
        let is_full = IsFull(stretch.held > STRETCH_KEYS_MAX);
        self.live += 1;
        is_full
    }

    /// A key with a history is there again.
    pub(crate) fn on_put_again(&mut self, key: &Key) {
        self.at(key).live += 1;
        self.live += 1;
    }

    /// A key is there no longer.
    pub(crate) fn on_deleted(&mut self, key: &Key) {
        self.at(key).live -= 1;
        self.live -= 1;
    }

    /// A key has no history any more. `was_live` says whether it was there until now.
    pub(crate) fn on_forgotten(&mut self, key: &Key, was_live: bool) {
        self.live -= u64::from(was_live);
        let (first, stretch) = self.entry(key);
        stretch.held -= 1;
        stretch.live -= u64::from(was_live);
        if stretch.held < STRETCH_KEYS_MIN {
            let (first, stretch) = (first.clone(), *stretch);
            self.join(&first, stretch);
        }
    }

    /// Gives what a small stretch has to the one before it, if there is room.
    fn join(&mut self, first: &Key, small: Stretch) {
        let Some((_, before)) = self.by_first.range_mut::<Key, _>(..first).next_back() else {
            return;
        };
        if small.held == 0 || before.held + small.held <= STRETCH_KEYS_MAX / 2 {
            before.held += small.held;
            before.live += small.live;
            self.by_first.remove(first);
        }
    }

    /// Cuts the stretch of a key in two.
    fn cut(&mut self, key: &Key, keys: &BTreeMap<Key, History>) {
        let (first, stretch) = self.entry(key);
        let (first, middle) = (first.clone(), stretch.held / 2);
        let mut inside = keys.range::<Key, _>((Bound::Included(&first), Bound::Unbounded));
        let mut before = Stretch::default();
        for (_, history) in inside.by_ref().take(middle) {
            before.add(history);
        }
        let (second, _) = inside.next().expect("half of the keys are behind the middle");
        let whole = std::mem::replace(stretch, before);
        let rest = Stretch { held: whole.held - before.held, live: whole.live - before.live };
        self.by_first.insert(second.clone(), rest);
    }

    /// Whether the sums are those of these keys.
    pub(crate) fn are_sound(&self, keys: &BTreeMap<Key, History>) -> bool {
        let mut firsts = self.by_first.keys().skip(1);
        let live: u64 = self.by_first.values().map(|stretch| stretch.live).sum();
        live == self.live
            && self.by_first.iter().all(|(first, stretch)| {
                let end = firsts.next().map_or(Bound::Unbounded, Bound::Excluded);
                let mut counted = Stretch::default();
                for (_, history) in keys.range::<Key, _>((Bound::Included(first), end)) {
                    counted.add(history);
                }
                counted == *stretch && (counted.held > 0 || first.is_empty())
            })
    }

    fn at(&mut self, key: &Key) -> &mut Stretch {
        self.entry(key).1
    }

    fn entry(&mut self, key: &Key) -> (&Key, &mut Stretch) {
        self.by_first
            .range_mut::<Key, _>(..=key)
            .next_back()
            .expect("the first one begins at no key")
    }
}

/// Whether a stretch has become too long.
#[must_use]
pub(crate) struct IsFull(bool);

impl Stretch {
    fn add(&mut self, history: &History) {
        self.held += 1;
        self.live += u64::from(history.live().is_some());
    }
}

impl Store {
    /// How many keys there are now.
    #[must_use]
    pub const fn keys_live(&self) -> u64 {
        self.stretches.live
    }

    /// Keeps the stretch of a key short.
    pub(crate) fn cut_stretch(&mut self, key: &Key, IsFull(is_full): IsFull) {
        if is_full {
            self.stretches.cut(key, &self.keys);
        }
    }

    /// How many keys of a range were there at a revision, which may be the one in the making; none where only a look at each
    /// of them would tell.
    pub(crate) fn count(&self, keys: &KeyRange, at: Revision) -> Option<u64> {
        let changes = &self.journal.changes;
        let since = changes.partition_point(|change| change.revision <= at);
        // What physical compaction has taken from the journal cannot be gone through.
        if at < self.compacted || changes.len() - since > COUNT_CHANGES_MAX {
            return None;
        }
        let mut count = self.count_now(keys);
        for change in changes.range(since..).filter(|change| keys.contains(&change.key)) {
            let Some(history) = self.keys.get(&change.key) else { continue };
            // Each key once: at its first change since.
            let first = history.get(history.position(|version| version.modified <= at));
            if first.map(Version::place) == Some((change.revision, change.sub)) {
                count += u64::from(history.at(at).is_some());
                count -= u64::from(history.live().is_some());
            }
        }
        Some(count)
    }

    fn count_now(&self, keys: &KeyRange) -> u64 {
        let Some((start, end)) = range::bounds(keys) else { return 0 };
        let scan = |bounds: (Bound<&Key>, Bound<&Key>)| {
            let inside = self.keys.range::<Key, _>(bounds);
            inside.filter(|(_, history)| history.live().is_some()).count() as u64
        };
        // The stretches that begin in the range. The last of them may go on behind it.
        let mut inside = self.stretches.by_first.range::<Key, _>((start, end));
        let Some((mut last, mut stretch)) = inside.next() else { return scan((start, end)) };
        let mut count = scan((start, Bound::Excluded(last)));
        for next in inside {
            count += stretch.live;
            (last, stretch) = next;
        }
        count
            + match keys.end {
                End::Unbounded => stretch.live,
                End::Single | End::Before(_) => scan((Bound::Included(last), end)),
            }
    }
}

#[cfg(test)]
mod tests;
