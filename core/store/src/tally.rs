//! How much was carried out, counted as etcd does (`server/storage/mvcc/metrics_txn.go`).

use whitewater_api::{
    Body, Request,
    request::{DeleteRangeRequest, PutRequest, TxnOp, TxnRequest},
    response::{TxnOpResponse, TxnResponse},
};

/// What a replica has carried out since it was opened, or was given a snapshot. Its own: no snapshot and no hash holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Puts.
    pub puts: u64,
    /// Bytes of their keys and values.
    pub put_bytes: u64,
    /// Requests to delete, and keys that went with their lease.
    pub deletes: u64,
    /// Looks at what was there before, and what transactions compare. What they read is for who answers: etcd's other members leave it
    /// out (`server/etcdserver/server.go`, `removeNeedlessRangeReqs`).
    pub ranges: u64,
    /// What wrote more than one thing at once.
    pub txns: u64,
    /// Leases granted.
    pub granted: u64,
    /// Leases that have ended, however.
    pub revoked: u64,
}

impl Tally {
    /// Of who has done nothing.
    pub const NONE: Self =
        Self { puts: 0, put_bytes: 0, deletes: 0, ranges: 0, txns: 0, granted: 0, revoked: 0 };

    /// Counts a request that was carried out. Leases count themselves.
    pub fn note(&mut self, request: &Request, body: &Body) {
        let before = self.writes();
        match (request, body) {
            (Request::Put(put), _) => self.note_put(put),
            (Request::DeleteRange(delete), _) => self.note_delete(delete),
            (Request::Txn(txn), Body::Txn(answer)) => self.note_txn(txn, answer),
            (
                Request::Range(_)
                | Request::Txn(_)
                | Request::Compact(_)
                | Request::Lease(_)
                | Request::Member(_)
                | Request::MoveLeader(_)
                | Request::Maintenance(_)
                | Request::Auth(_)
                | Request::Cluster(_),
                _,
            ) => {}
        }
        self.txns += u64::from(self.writes() - before > 1);
    }

    /// Counts the end of a lease that took so many keys with it.
    pub(crate) fn note_end(&mut self, keys: u64) {
        self.revoked += 1;
        self.deletes += keys;
        self.txns += u64::from(keys > 1);
    }

    fn note_put(&mut self, put: &PutRequest) {
        self.puts += 1;
        self.put_bytes += put.key.len() as u64 + put.value.len() as u64;
        self.ranges += u64::from(put.prev_kv || put.ignore_value || put.ignore_lease);
    }

    fn note_delete(&mut self, delete: &DeleteRangeRequest) {
        self.deletes += 1;
        self.ranges += u64::from(delete.prev_kv);
    }

    fn note_txn(&mut self, txn: &TxnRequest, answer: &TxnResponse) {
        // Of those that do not all hold, the first that does not is the last that is looked at; which that is, is not told.
        let compared = if answer.succeeded { txn.compares.len() } else { 1 };
        self.ranges += compared as u64;
        let branch = if answer.succeeded { &txn.success } else { &txn.failure };
        for (op, answer) in branch.iter().zip(&answer.responses) {
            match (op, answer) {
                (TxnOp::Put(put), _) => self.note_put(put),
                (TxnOp::DeleteRange(delete), _) => self.note_delete(delete),
                (TxnOp::Txn(txn), TxnOpResponse::Txn(answer)) => self.note_txn(txn, answer),
                (TxnOp::Range(_) | TxnOp::Txn(_), _) => {}
            }
        }
    }

    const fn writes(&self) -> u64 {
        self.puts + self.deletes
    }
}
