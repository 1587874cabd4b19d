//! A snapshot holds what applying its entries gives. Raft 7; `RedisRaft` #14, raft-rs's `MemStorage` (storage.rs:267).

use crate::{limits, observer::ghost::Applied};
use std::collections::BTreeMap;
use whitewater_api::{Index, Term};

/// The digests of whole snapshots by index.
#[derive(Debug, Default)]
pub(crate) struct SnapshotContent {
    digests: BTreeMap<Index, u64>,
}

impl SnapshotContent {
    /// Term and chain of a snapshot at an index that somebody applied.
    pub(crate) fn chain(index: Index, term: Term, chain: u64, known: Applied) -> Option<String> {
        ((known.term, known.chain) != (term, chain)).then(|| {
            format!(
                "a snapshot at {index}@{term} has chain {chain:016x}, applying gave {:016x} at {index}@{}",
                known.chain, known.term
            )
        })
    }

    /// The digest of an installed snapshot. What is wrong with it, and whether there was one to compare it with.
    pub(crate) fn digest(&mut self, index: Index, digest: u64) -> (Option<String>, bool) {
        let is_known = self.digests.contains_key(&index);
        let known = *self.digests.entry(index).or_insert(digest);
        if self.digests.len() > limits::VOTES_MAX {
            self.digests.pop_first();
        }
        let wrong = (known != digest).then(|| {
            format!("a snapshot at {index} has digest {digest:016x}, another one has {known:016x}")
        });
        (wrong, is_known)
    }
}
