//! Defragmentation: gives back the room that is held and not used (etcd, `server/storage/backend/backend.go`).
//!
//! The map is built anew, so that its nodes are full instead of two thirds full; queues give up the room that compaction
//! has left in them. Nothing that can be read changes, nor the chain, nor a view.

use crate::store::Store;
use std::mem;
use whitewater_mutation::Mutation;

impl Store {
    /// Builds everything anew and answers with the bytes held before and after: the most since the last time, and what is
    /// in use. Looks at everything.
    pub fn defragment(&mut self) -> (u64, u64) {
        let before = self.peak;
        let forgets = self.mutations.has(Mutation::DefragmentForgetsHistory);
        let keys = mem::take(&mut self.keys).into_iter().map(|(key, mut history)| {
            if forgets {
                while let Some(version) = history.pop_replaced(self.revision) {
                    self.journal.forget(&key, &version);
                }
            }
            history.shrink();
            (key, history)
        });
        self.keys = keys.collect();
        self.journal.changes.shrink_to_fit();
        self.peak = self.bytes();
        (before, self.peak)
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

    #[test]
    fn a_defragmentation_changes_nothing_that_can_be_seen() {
        let mut store = used(Mutations::none());
        let seen = |store: &Store| {
            let old = store.hash_kv(Revision(70)).unwrap();
            (store.digest(), store.chain(), store.bytes(), old, store.hash_kv(Revision(0)).unwrap())
        };
        let before = seen(&store);
        let (peak, after) = store.defragment();
        assert_eq!(seen(&store), before);
        assert!(peak > after, "{peak} bytes before, {after} after");
        assert_eq!(after, store.bytes());
        store.check_invariants();
    }

    #[test]
    fn a_defragmentation_that_forgets_is_found_by_the_digest() {
        let mut store = used(Mutations::none().with(Mutation::DefragmentForgetsHistory));
        let before = store.digest();
        store.defragment();
        assert_ne!(store.digest(), before);
    }
}
