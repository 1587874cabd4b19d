//! Replicas that have applied the same entries hold the same. Raft 2 (replicated state machines); etcd's corruption
//! check, #18667.

use whitewater_api::Index;

/// The store's rolling hash after an index, here and where it was applied first.
pub(crate) fn check(index: Index, known: u64, chain: u64) -> Option<String> {
    (known != chain)
        .then(|| format!("after {index} the store's chain is {chain:016x}, elsewhere {known:016x}"))
}
