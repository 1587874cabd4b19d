//! The invariants, one file each. Each answers with a sentence about what is broken, if something is.

pub(crate) mod apply_order;
pub(crate) mod auto_compaction;
pub(crate) mod boot_promise;
pub(crate) mod commit_quorum;
pub(crate) mod compaction;
pub(crate) mod corruption;
pub(crate) mod election_safety;
pub(crate) mod leader_append_only;
pub(crate) mod leader_completeness;
pub(crate) mod lease_clocks;
pub(crate) mod lease_reads;
pub(crate) mod log_matching;
pub(crate) mod membership;
pub(crate) mod monotone;
pub(crate) mod promise;
pub(crate) mod promotion;
pub(crate) mod read_freshness;
pub(crate) mod recovery;
pub(crate) mod replica_hash;
pub(crate) mod snapshot_content;
pub(crate) mod stalled_leader;
pub(crate) mod state_machine_safety;
pub(crate) mod vote_once;
