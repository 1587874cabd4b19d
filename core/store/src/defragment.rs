//! Defragmentation: gives back the room that is held and not used (etcd, `server/storage/backend/backend.go`), a bounded
//! step at a time.
//!
//! Histories give up the room that compaction has left in them. The map itself is not built anew, which could not be
//! done in steps: its nodes are two thirds full on average, and at least half. Nothing that can be read changes, nor the
//! chain, nor a view.

use crate::store::Store;
use std::ops::Bound;
use whitewater_api::Key;
use whitewater_mutation::Mutation;

/// A defragmentation under way.
#[derive(Debug, Default)]
pub struct Defragmentation {
    /// The last key that was looked at.
    after: Option<Key>,
}

impl Store {
    /// Looks at up to `left` more keys, and takes them off. When it has looked at all, answers with the bytes held before
    /// and after: the most since the last time, and what is in use.
    pub fn defragment(
        &mut self,
        under_way: &mut Defragmentation,
        left: &mut usize,
    ) -> Option<(u64, u64)> {
        let forgets = self.mutations.has(Mutation::DefragmentForgetsHistory);
        let start = under_way.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.keys.range_mut::<Key, _>((start, Bound::Unbounded));
        let mut last = None;
        for (key, history) in rest.by_ref().take(*left) {
            *left -= 1;
            while forgets && let Some(version) = history.pop_replaced(self.revision) {
                self.journal.forget(key, &version);
            }
            history.shrink();
            last = Some(key.clone());
        }
        if rest.next().is_some() {
            under_way.after = last;
            return None;
        }
        let before = self.peak;
        if !self.mutations.has(Mutation::DefragmentKeepsPeak) {
            self.peak = self.bytes();
        }
        Some((before, self.peak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_api::{
        Request, Revision,
        request::{CompactRequest, PutRequest},
    };
    use whitewater_mutation::Mutations;

    fn used(mutations: Mutations) -> Store {
        let mut store = Store::new(mutations);
        for i in 0..100 {
            let key = format!("k{}", i % 7);
            store.apply(&Request::Put(PutRequest::new(key, "v".repeat(50)))).unwrap();
        }
        let compact = CompactRequest { revision: Revision(60), physical: false };
        store.apply(&Request::Compact(compact)).unwrap();
        while store.scrub(64) {}
        store
    }

    fn defragment(store: &mut Store) -> (u64, u64) {
        let mut under_way = Defragmentation::default();
        loop {
            if let Some(bytes) = store.defragment(&mut under_way, &mut 2) {
                return bytes;
            }
        }
    }

    #[test]
    fn a_defragmentation_changes_nothing_that_can_be_seen() {
        let mut store = used(Mutations::none());
        let seen = |store: &Store| {
            let old = store.hash_kv(Revision(70)).unwrap();
            (store.digest(), store.chain(), store.bytes(), old, store.hash_kv(Revision(0)).unwrap())
        };
        let before = seen(&store);
        let (peak, after) = defragment(&mut store);
        assert_eq!(seen(&store), before);
        assert!(peak > after, "{peak} bytes before, {after} after");
        assert_eq!(after, store.bytes());
        store.check_invariants();
    }

    #[test]
    fn a_defragmentation_that_forgets_is_found_by_the_digest() {
        let mut store = used(Mutations::none().with(Mutation::DefragmentForgetsHistory));
        let before = store.digest();
        defragment(&mut store);
        assert_ne!(store.digest(), before);
    }
}
