//! The lease of a leader (dissertation 6.4.1): an option, off by default.

use crate::replica::Replica;
use whitewater_api::Monotonic;
use whitewater_mutation::Mutation;

/// How long this leader may answer reads by itself: a quorum has heard from it, and will not vote before then.
#[derive(Default)]
pub(super) struct Lease {
    term: u64,
    until: Monotonic,
    /// No lease in this term: the leadership was, or is being, handed over.
    forbidden: u64,
}

impl Replica {
    pub(super) fn holds_lease(&self) -> bool {
        let raft = &self.raft.raft;
        let lease = &self.reads.lease;
        let ignores = self.config.mutations.has(Mutation::LeaseIgnoresTransfer);
        self.config.tuning.lease_reads
            && lease.term == raft.term
            && self.now < lease.until
            && (ignores || (lease.forbidden != raft.term && raft.lead_transferee.is_none()))
    }

    /// A quorum answered a round that started at `started`: each of them ignores candidates for an election timeout of
    /// its own clock from then on. One tick less, because a tick may follow at once; and less the drift of both clocks.
    pub(super) fn extend_lease(&mut self, started: Monotonic) {
        let tuning = &self.config.tuning;
        let nominal = (tuning.election_ticks - 1) * self.tick_nanos();
        let mut length = nominal - nominal / 1_000_000 * (2 * tuning.drift_ppm_max).min(1_000_000);
        if self.config.mutations.has(Mutation::LeaseIgnoresDrift) {
            length = 4 * nominal;
        }
        self.reads.lease.term = self.raft.raft.term;
        self.reads.lease.until = started.after(length);
    }

    /// No lease any more in this term.
    pub(crate) fn forbid_lease(&mut self) {
        self.reads.lease.forbidden = self.raft.raft.term;
    }
}
