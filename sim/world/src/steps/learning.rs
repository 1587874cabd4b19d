//! What a client learns from answers.

use super::{Seen, Sight};
use whitewater_api::{
    Body, End, Key, KeyRange, LeaseId, LeaseResponse, Request, Response, Revision,
    request::{Compare, PutRequest, RangeRequest, TxnOp, TxnRequest},
    response::{RangeResponse, TxnOpResponse, TxnResponse},
};
use whitewater_record::COMPACTION_KEY;

impl Sight {
    /// Learns from an answer.
    pub fn learn(&mut self, request: &Request, response: &Response) {
        let revision = response.header.revision;
        self.newest = self.newest.max(revision);
        match (request, &response.body) {
            (Request::Put(put), Body::Put(_)) => self.see_put(put, revision),
            (Request::Range(range), Body::Range(found)) => self.see_range(range, found),
            (Request::DeleteRange(delete), Body::DeleteRange(_)) => self.see_gone(&delete.range),
            (Request::Txn(txn), Body::Txn(answer)) => {
                self.see_txn(txn, answer, revision);
                self.see_turn(txn, answer, revision);
            }
            (Request::Lease(_), Body::Lease(LeaseResponse::Grant { lease, .. })) => {
                self.own_lease = *lease;
            }
            (Request::Lease(_), Body::Lease(LeaseResponse::List(leases))) => {
                self.seen_lease = leases.last().copied().unwrap_or(self.seen_lease);
            }
            _ => {}
        }
        self.learn_of_locks(request, response);
    }

    fn see_txn(&mut self, txn: &TxnRequest, answer: &TxnResponse, revision: Revision) {
        let branch = if answer.succeeded { &txn.success } else { &txn.failure };
        for pair in branch.iter().zip(&answer.responses) {
            match pair {
                (TxnOp::Put(put), TxnOpResponse::Put(_)) => self.see_put(put, revision),
                (TxnOp::Range(range), TxnOpResponse::Range(found)) => self.see_range(range, found),
                (TxnOp::DeleteRange(delete), TxnOpResponse::DeleteRange(_)) => {
                    self.see_gone(&delete.range);
                }
                (TxnOp::Txn(txn), TxnOpResponse::Txn(answer)) => {
                    self.see_txn(txn, answer, revision);
                }
                _ => {}
            }
        }
    }

    /// Who won the contest for the next compaction.
    fn see_turn(&mut self, txn: &TxnRequest, answer: &TxnResponse, revision: Revision) {
        let is_bid =
            |compare: &Compare| compare.range.start.as_slice() == COMPACTION_KEY.as_bytes();
        let Some(bid) = txn.compares.iter().find(|compare| is_bid(compare)) else { return };
        let before = self.turn.revision;
        self.turn.won = (answer.succeeded && before != Revision(0)).then_some(before);
        self.turn.revision = revision;
        let seen = self.keys.get(&bid.range.start).map_or(0, |seen| seen.version);
        self.turn.version = if answer.succeeded { self.turn.version + 1 } else { seen };
    }

    fn seen(&mut self, key: &Key) -> &mut Seen {
        if !self.keys.contains_key(key) {
            self.keys.insert(key.clone(), Seen::default());
        }
        self.keys.get_mut(key).expect("it is there, or was just put there")
    }

    fn see_put(&mut self, put: &PutRequest, revision: Revision) {
        let seen = self.seen(&put.key);
        if seen.version == 0 {
            seen.create = revision;
        }
        seen.version += 1;
        seen.modified = revision;
        if !put.ignore_value {
            seen.value = put.value.clone();
        }
        if !put.ignore_lease {
            seen.lease = put.lease;
        }
    }

    fn see_gone(&mut self, range: &KeyRange) {
        for (_, seen) in self.keys.iter_mut().filter(|(key, _)| range.contains(key)) {
            *seen = Seen::default();
        }
    }

    /// What was long ago, or has no values, says nothing of what is.
    fn see_range(&mut self, asked: &RangeRequest, found: &RangeResponse) {
        if asked.revision != Revision::LATEST || asked.keys_only || asked.count_only {
            return;
        }
        if found.kvs.is_empty() && asked.range.end == End::Single {
            *self.seen(&asked.range.start) = Seen::default();
        }
        for kv in &found.kvs {
            *self.seen(&kv.key) = Seen {
                value: kv.value.clone(),
                create: kv.create_revision,
                modified: kv.mod_revision,
                version: kv.version,
                lease: kv.lease,
            };
            if kv.lease != LeaseId::NONE {
                self.seen_lease = kv.lease;
            }
        }
    }
}
