//! Who held what, and when: beliefs to hold a lock, and lives of leases as their clients and the trace tell them.

use super::{Page, clean::Cleaner};
use serde::Serialize;
use std::collections::BTreeMap;
use whitewater_api::{
    Body, Completion, LeaseId, Request,
    lease::{LeaseRequest, LeaseResponse},
    request::{PutRequest, TxnOp, TxnRequest},
};
use whitewater_record::{Operation, RowKind};

const SECOND: u64 = 1_000_000_000;
/// Keys of a lease that are named.
const KEYS_MAX: usize = 8;

/// A client believed that it held a lock.
#[derive(Debug, Serialize)]
pub(super) struct Hold {
    process: u64,
    lock: String,
    lease: String,
    /// The fence: the revision that made its key.
    revision: u64,
    from: u64,
    to: u64,
}

/// The life of a lease, in nanoseconds of true time.
#[derive(Debug, Serialize)]
pub(super) struct Life {
    lease: String,
    /// Who asked for it.
    process: u64,
    /// When it was asked for, and when its client knew that it had it.
    asked: u64,
    from: u64,
    /// When the keep-alives were asked for that were answered.
    renewed: Vec<u64>,
    /// Until when it must live: its time to live after the last of these was asked for, by a true clock.
    promised: u64,
    /// When it ended; nothing if nobody tells.
    ended: Option<u64>,
    /// How it ended.
    end: &'static str,
    /// Keys that hung on it, as far as their writers say.
    keys: Vec<String>,
}

pub(super) fn holds(page: &Page<'_>, cleaner: &Cleaner) -> Vec<Hold> {
    let holds = page.history.holds.iter();
    holds
        .map(|hold| Hold {
            process: hold.process.0.into(),
            lock: cleaner.text(&hold.prefix.to_string()),
            lease: hold.lease.to_string(),
            revision: hold.revision.0,
            from: hold.from.0,
            to: hold.to.0,
        })
        .collect()
}

/// The lives of leases, in the order in which they began.
pub(super) fn leases(page: &Page<'_>, cleaner: &Cleaner) -> Vec<Life> {
    let mut lives = Lives::default();
    let mut operations: Vec<&Operation> = page.history.operations.iter().collect();
    // What a client knows it knows from the answer on.
    operations.sort_by_key(|operation| operation.completed);
    for operation in operations {
        lives.take(operation, cleaner);
    }
    for row in page.trace.rows().iter().filter(|row| row.kind == RowKind::Lease) {
        let of = LeaseId(row.fields[0].cast_signed());
        if let Some(life) = lives.at(of, row.at.0) {
            life.end(row.at.0, "expired");
        }
    }
    lives.all
}

#[derive(Default)]
struct Lives {
    all: Vec<Life>,
    /// By lease: its lives, by their places. An id can be used again.
    by_id: BTreeMap<LeaseId, Vec<usize>>,
}

impl Lives {
    fn take(&mut self, operation: &Operation, cleaner: &Cleaner) {
        for put in puts(&operation.request).into_iter().filter(|put| put.lease != LeaseId::NONE) {
            let key = cleaner.text(&put.key.to_string());
            let life = self.at(put.lease, operation.completed.0);
            if let Some(life) =
                life.filter(|it| it.keys.len() < KEYS_MAX && !it.keys.contains(&key))
            {
                life.keys.push(key);
            }
        }
        let Completion::Ok(response) = &operation.completion else { return };
        let (Request::Lease(request), Body::Lease(response)) = (&operation.request, &response.body)
        else {
            return;
        };
        let (asked, known) = (operation.invoked.0, operation.completed.0);
        let until = |ttl: i64| asked.saturating_add(ttl.unsigned_abs().saturating_mul(SECOND));
        match (request, response) {
            (LeaseRequest::Grant { .. }, LeaseResponse::Grant { lease, ttl }) => {
                self.by_id.entry(*lease).or_default().push(self.all.len());
                self.all.push(Life {
                    lease: lease.to_string(),
                    process: operation.id.process.0.into(),
                    asked,
                    from: known,
                    renewed: Vec::new(),
                    promised: until(*ttl),
                    ended: None,
                    end: "",
                    keys: Vec::new(),
                });
            }
            (LeaseRequest::KeepAlive(_), LeaseResponse::KeepAlive { lease, ttl }) if *ttl > 0 => {
                if let Some(life) = self.at(*lease, known) {
                    life.renewed.push(asked);
                    life.promised = life.promised.max(until(*ttl));
                }
            }
            (LeaseRequest::Revoke(lease), LeaseResponse::Revoke) => {
                if let Some(life) = self.at(*lease, known) {
                    life.end(known, "revoked");
                }
            }
            _ => {}
        }
    }

    /// The last life of a lease that had begun by then.
    fn at(&mut self, lease: LeaseId, at: u64) -> Option<&mut Life> {
        let places = self.by_id.get(&lease)?;
        let place = places.iter().rev().find(|place| self.all[**place].asked <= at)?;
        self.all.get_mut(*place)
    }
}

impl Life {
    /// What ended it first counts.
    fn end(&mut self, at: u64, how: &'static str) {
        if self.ended.is_none_or(|ended| ended > at) {
            (self.ended, self.end) = (Some(at), how);
        }
    }
}

fn puts(request: &Request) -> Vec<&PutRequest> {
    let mut puts = Vec::new();
    if let Request::Put(put) = request {
        puts.push(put);
    } else if let Request::Txn(txn) = request {
        of_txn(txn, &mut puts);
    }
    puts
}

fn of_txn<'a>(txn: &'a TxnRequest, puts: &mut Vec<&'a PutRequest>) {
    for operation in txn.success.iter().chain(&txn.failure) {
        if let TxnOp::Put(put) = operation {
            puts.push(put);
        } else if let TxnOp::Txn(txn) = operation {
            of_txn(txn, puts);
        }
    }
}
