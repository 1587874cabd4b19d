//! Alarms: what is wrong, replicated like any other content, and what no longer passes while it is
//! (etcd, `server/etcdserver/apply/capped.go`, `corrupt.go`).
//!
//! Invariant: whether a request is refused for an alarm depends on the log alone, so that it is the same on every replica.

use crate::{
    limits::{LEASE_COST, PUT_COST},
    store::Store,
};
use std::collections::BTreeSet;
use whitewater_api::{
    Alarm, AlarmAction, AlarmMember, Error, LeaseRequest, NodeId, Request,
    request::{PutRequest, TxnOp, TxnRequest},
};
use whitewater_mutation::Mutation;

/// The alarms that are raised.
pub(crate) type Alarms = BTreeSet<AlarmMember>;

impl Store {
    /// The alarms that are raised, by member.
    pub fn alarms(&self) -> impl Iterator<Item = AlarmMember> {
        self.alarms.iter().copied()
    }

    /// Whether an alarm is raised, for any member.
    #[must_use]
    pub fn has_alarm(&self, alarm: Alarm) -> bool {
        self.alarms.iter().any(|raised| raised.alarm == alarm)
    }

    /// Whether the alarms refuse a request. Reading an alarm, putting it down, deleting and compacting always pass.
    pub fn check_alarms(&self, request: &Request) -> Result<(), Error> {
        if self.alarms.is_empty() || self.mutations.has(Mutation::AlarmIgnoredAtApply) {
            return Ok(());
        }
        let is_of_content = match request {
            Request::Put(_)
            | Request::Range(_)
            | Request::DeleteRange(_)
            | Request::Txn(_)
            | Request::Compact(_)
            | Request::Lease(_) => true,
            Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => false,
        };
        if is_of_content && self.has_alarm(Alarm::Corrupt) {
            return Err(Error::Corrupt);
        }
        if self.has_alarm(Alarm::NoSpace) && self.cost(request) > 0 {
            return Err(Error::NoSpace);
        }
        Ok(())
    }

    /// What a request may add to the store at most, in etcd's measure (`server/storage/quota.go`); 0 for what only reads,
    /// deletes or compacts. Unlike etcd's it looks into nested transactions.
    #[must_use]
    pub fn cost(&self, request: &Request) -> u64 {
        match request {
            Request::Put(put) => put_cost(put),
            Request::Txn(txn) => self.txn_cost(txn),
            Request::Lease(LeaseRequest::Grant { .. }) => LEASE_COST,
            Request::Range(_)
            | Request::DeleteRange(_)
            | Request::Compact(_)
            | Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => 0,
        }
    }

    fn txn_cost(&self, txn: &TxnRequest) -> u64 {
        let skips_nested = self.mutations.has(Mutation::QuotaSkipsNestedTxn);
        let branch = |ops: &[TxnOp]| -> u64 {
            ops.iter()
                .map(|op| match op {
                    TxnOp::Put(put) => put_cost(put),
                    TxnOp::Txn(nested) if !skips_nested => self.txn_cost(nested),
                    TxnOp::Range(_) | TxnOp::DeleteRange(_) | TxnOp::Txn(_) => 0,
                })
                .sum()
        };
        branch(&txn.success).max(branch(&txn.failure))
    }

    /// Shows, raises or puts down alarms, and answers with those that it was about.
    pub(crate) fn alarm(
        &mut self,
        action: AlarmAction,
        member: NodeId,
        alarm: Option<Alarm>,
    ) -> Vec<AlarmMember> {
        let Some(alarm) = alarm else {
            return if action == AlarmAction::Get { self.alarms().collect() } else { Vec::new() };
        };
        let about = AlarmMember { member, alarm };
        match action {
            AlarmAction::Get => self.alarms().filter(|raised| raised.alarm == alarm).collect(),
            AlarmAction::Activate => {
                if self.alarms.insert(about) {
                    self.journal.record_alarm(about, true);
                }
                vec![about]
            }
            AlarmAction::Deactivate => {
                let was_raised = self.alarms.remove(&about);
                if was_raised {
                    self.journal.record_alarm(about, false);
                }
                was_raised.then_some(about).into_iter().collect()
            }
        }
    }

    /// Raises an alarm that a member found reason for.
    pub fn raise_alarm(&mut self, member: NodeId, alarm: Alarm) {
        self.alarm(AlarmAction::Activate, member, Some(alarm));
    }
}

fn put_cost(put: &PutRequest) -> u64 {
    PUT_COST + (put.key.len() + put.value.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cursor, Restore};
    use whitewater_api::{
        KeyRange, LeaseId, MaintenanceRequest, Revision,
        request::{CompactRequest, DeleteRangeRequest, RangeRequest},
    };
    use whitewater_mutation::Mutations;

    fn store(mutation: Option<Mutation>) -> Store {
        let mut store = Store::new(mutation.into_iter().fold(Mutations::none(), Mutations::with));
        store.apply(&put("k")).unwrap();
        store
    }

    fn put(key: &str) -> Request {
        Request::Put(PutRequest::new(key, "v"))
    }

    fn get() -> Request {
        Request::Range(RangeRequest::new(KeyRange::single("k")))
    }

    fn txn(success: Vec<TxnOp>) -> Request {
        Request::Txn(TxnRequest { success, ..TxnRequest::default() })
    }

    fn nested_put() -> Request {
        let inner = vec![TxnOp::Put(PutRequest::new("k", "w"))];
        txn(vec![TxnOp::Txn(TxnRequest { failure: inner, ..TxnRequest::default() })])
    }

    fn delete(key: &str) -> Request {
        Request::DeleteRange(DeleteRangeRequest { range: KeyRange::single(key), prev_kv: false })
    }

    fn alarm(action: AlarmAction, alarm: Option<Alarm>) -> Request {
        Request::Maintenance(MaintenanceRequest::Alarm { action, member: NodeId(2), alarm })
    }

    fn grant() -> Request {
        Request::Lease(LeaseRequest::Grant { lease: LeaseId(1), ttl: 5 })
    }

    #[test]
    fn without_space_nothing_is_put_and_what_frees_space_passes() {
        let mut store = store(None);
        store.apply(&alarm(AlarmAction::Activate, Some(Alarm::NoSpace))).unwrap();
        for refused in [put("k"), nested_put(), grant()] {
            assert_eq!(store.apply(&refused), Err(Error::NoSpace), "{refused}");
        }
        let read = txn(vec![TxnOp::Range(RangeRequest::new(KeyRange::single("k")))]);
        let compact = CompactRequest { revision: Revision(2), physical: false };
        for passed in [get(), read, delete("k"), Request::Compact(compact)] {
            assert!(store.apply(&passed).is_ok(), "{passed}");
        }
        store.apply(&alarm(AlarmAction::Deactivate, Some(Alarm::NoSpace))).unwrap();
        assert!(store.apply(&put("k")).is_ok());
        store.check_invariants();
    }

    #[test]
    fn while_content_differs_nothing_is_served_and_nothing_changes() {
        let mut store = store(None);
        store.raise_alarm(NodeId(3), Alarm::Corrupt);
        let before = store.digest();
        for refused in [put("k"), get(), delete("k"), grant(), nested_put()] {
            assert_eq!(store.apply(&refused), Err(Error::Corrupt), "{refused}");
        }
        assert_eq!(store.read(&get()), Err(Error::Corrupt));
        assert_eq!(store.digest(), before);
        assert!(store.read(&alarm(AlarmAction::Get, None)).is_ok());
    }

    #[test]
    fn alarms_are_shown_raised_and_put_down_as_in_etcd() {
        let mut store = store(None);
        let about = AlarmMember { member: NodeId(2), alarm: Alarm::NoSpace };
        assert_eq!(store.alarm(AlarmAction::Activate, NodeId(2), None), []);
        assert_eq!(store.alarm(AlarmAction::Deactivate, NodeId(2), Some(Alarm::NoSpace)), []);
        for _ in 0..2 {
            let raised = store.alarm(AlarmAction::Activate, NodeId(2), Some(Alarm::NoSpace));
            assert_eq!(raised, [about], "raising it twice raises it once");
        }
        assert_eq!(store.alarm(AlarmAction::Get, NodeId(0), None), [about]);
        assert_eq!(store.alarm(AlarmAction::Get, NodeId(0), Some(Alarm::Corrupt)), []);
        let put_down = store.alarm(AlarmAction::Deactivate, NodeId(2), Some(Alarm::NoSpace));
        assert_eq!(put_down, [about]);
        assert_eq!(store.alarms().count(), 0);
    }

    #[test]
    fn a_snapshot_carries_alarms_and_the_chain_tells_of_them() {
        let mut store = store(None);
        let (chain, digest) = (store.chain(), store.digest());
        store.raise_alarm(NodeId(3), Alarm::Corrupt);
        assert_ne!(store.chain(), chain);
        assert_ne!(store.digest(), digest);
        let view = store.open_view();
        store.alarm(AlarmAction::Deactivate, NodeId(3), Some(Alarm::Corrupt));
        let part = store.part(&view, &Cursor::start(), 1 << 16);
        assert!(part.next.is_none());
        let mut restore = Restore::new(Mutations::none());
        restore.push(&part.bytes).unwrap();
        let restored = restore.finish().unwrap();
        let kept: Vec<AlarmMember> = restored.alarms().collect();
        assert_eq!(kept, [AlarmMember { member: NodeId(3), alarm: Alarm::Corrupt }]);
        assert_eq!(restored.read(&get()), Err(Error::Corrupt));
    }

    #[test]
    fn what_a_request_costs_is_what_etcd_says() {
        let store = store(None);
        assert_eq!(store.cost(&put("key")), 256 + 3 + 1);
        assert_eq!(store.cost(&grant()), 64);
        assert_eq!(store.cost(&delete("k")), 0);
        let both = Request::Txn(TxnRequest {
            success: vec![TxnOp::Put(PutRequest::new("a", ""))],
            failure: vec![TxnOp::Put(PutRequest::new("a", "")); 3],
            ..TxnRequest::default()
        });
        assert_eq!(store.cost(&both), 3 * 257, "the dearer branch counts");
    }

    #[test]
    fn mutants_write_under_an_alarm() {
        for (mutation, request) in [
            (Mutation::AlarmIgnoredAtApply, put("k")),
            (Mutation::QuotaSkipsNestedTxn, nested_put()),
        ] {
            let mut mutant = store(Some(mutation));
            mutant.raise_alarm(NodeId(1), Alarm::NoSpace);
            assert!(mutant.apply(&request).is_ok(), "{mutation:?}");
        }
    }
}
