//! Transactions (etcd, `server/etcdserver/txn/txn.go`).
//!
//! All compares, those of nested transactions too, look at the state before the whole transaction. Here they do so by
//! reading at the revision before the one that is being made, so no path has to be worked out in advance. Operations
//! run in order and see the writes before them; one that fails takes all of them back.

use crate::{
    history::{History, Version},
    journal::Mark,
    store::Store,
};
use whitewater_api::{
    Error, LeaseId, Revision,
    request::{Compare, CompareTarget, Relation, TxnOp, TxnRequest},
    response::{TxnOpResponse, TxnResponse},
};
use whitewater_mutation::Mutation;

impl Store {
    /// Carries out a transaction, wholly or not at all.
    pub(crate) fn transact(&mut self, txn: &TxnRequest) -> Result<TxnResponse, Error> {
        let mark = self.journal.mark();
        let outcome = self.execute(txn, self.txn_floor());
        if outcome.is_err() && !self.mutations.has(Mutation::FailedTxnWrites) {
            self.roll_back(mark);
        }
        self.commit();
        outcome
    }

    /// Carries out a transaction that has no way to write.
    pub(crate) fn read_txn(&self, txn: &TxnRequest) -> Result<TxnResponse, Error> {
        let (succeeded, branch) = self.choose(txn);
        let mut responses = Vec::with_capacity(branch.len());
        for op in branch {
            responses.push(match op {
                TxnOp::Range(range) => TxnOpResponse::Range(self.range(range, self.compacted)?),
                TxnOp::Txn(nested) => TxnOpResponse::Txn(self.read_txn(nested)?),
                TxnOp::Put(_) | TxnOp::DeleteRange(_) => panic!("not a read: {op}"),
            });
        }
        Ok(TxnResponse { succeeded, responses })
    }

    fn execute(&mut self, txn: &TxnRequest, floor: Revision) -> Result<TxnResponse, Error> {
        let (succeeded, branch) = self.choose(txn);
        let mut responses = Vec::with_capacity(branch.len());
        for op in branch {
            responses.push(match op {
                TxnOp::Put(put) => TxnOpResponse::Put(self.put(put)?),
                TxnOp::Range(range) => TxnOpResponse::Range(self.range(range, floor)?),
                TxnOp::DeleteRange(delete) => TxnOpResponse::DeleteRange(self.delete_range(delete)),
                TxnOp::Txn(nested) => TxnOpResponse::Txn(self.execute(nested, floor)?),
            });
        }
        Ok(TxnResponse { succeeded, responses })
    }

    /// Below which revision a range in a transaction is refused.
    fn txn_floor(&self) -> Revision {
        if self.mutations.has(Mutation::NondeterministicApply) {
            return self.scrubbed;
        }
        self.compacted
    }

    fn choose<'a>(&self, txn: &'a TxnRequest) -> (bool, &'a [TxnOp]) {
        let succeeded = txn.compares.iter().all(|compare| self.holds(compare));
        (succeeded, if succeeded { &txn.success } else { &txn.failure })
    }

    /// Whether a compare holds, for every key of its range, in the state before the transaction. Where no key is, it is
    /// asked of one absent key, whose numbers are all zero and whose value nothing compares with.
    fn holds(&self, compare: &Compare) -> bool {
        let sees_writes = self.mutations.has(Mutation::NestedCompareSeesWrites);
        let at = if sees_writes { self.newest() } else { self.revision };
        let mut present = self.present(&compare.range, at).peekable();
        if present.peek().is_none() {
            let absent = Version::tombstone(Revision(0), 0);
            return !matches!(compare.target, CompareTarget::Value(_)) && relates(compare, &absent);
        }
        present.all(|(_, version)| relates(compare, version))
    }

    /// Takes back what the running transaction has written.
    fn roll_back(&mut self, mark: Mark) {
        while let Some(change) = self.journal.pop_pending() {
            let key = &change.key;
            let history = self.keys.get_mut(key).expect("a pending change has a history");
            let undone = history.newest().lease;
            let was_live = history.live().is_some();
            if history.pop().is_none() {
                self.keys.remove(key);
                self.stretches.on_forgotten(key, was_live);
            } else {
                match (was_live, history.live().is_some()) {
                    (false, true) => self.stretches.on_put_again(key),
                    (true, false) => self.stretches.on_deleted(key),
                    (true, true) | (false, false) => {}
                }
            }
            let restored = self.keys.get(key).and_then(History::live);
            self.leases.relink(key, undone, restored.map_or(LeaseId::NONE, |live| live.lease));
        }
        self.journal.reset(mark);
    }
}

fn relates(compare: &Compare, version: &Version) -> bool {
    let order = match &compare.target {
        CompareTarget::Version(number) => version.version.cmp(number),
        CompareTarget::Create(revision) => version.created.cmp(revision),
        CompareTarget::Mod(revision) => version.modified.cmp(revision),
        CompareTarget::Value(value) => version.value.cmp(value),
        CompareTarget::Lease(LeaseId(lease)) => version.lease.0.cmp(lease),
    };
    match compare.relation {
        Relation::Equal => order.is_eq(),
        Relation::NotEqual => order.is_ne(),
        Relation::Less => order.is_lt(),
        Relation::Greater => order.is_gt(),
    }
}
