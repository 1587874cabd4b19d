//! A part of a history as a history of its own.

use super::cone::Cone;
use std::collections::BTreeSet;
use whitewater_api::{
    Body, Completion, Error, KeyValue, Request, Response, Revision,
    request::{Compare, CompareTarget, RangeRequest, TxnOp, TxnRequest},
    response::TxnOpResponse,
};
use whitewater_record::{History, Operation};

/// The part, with its revisions numbered anew from 2.
#[derive(Debug)]
pub(super) struct Projection {
    pub(super) history: History,
    /// The revisions that the writes of the part made in the whole, ascending.
    pub(super) revisions: Vec<u64>,
    /// By operation of the part: the revision that its answer tells in the whole.
    pub(super) told: Vec<u64>,
    keeps_versions: bool,
}

/// What is not a revision of the part is far beyond all that are, so that it is equal to none.
const FAR: u64 = 1 << 40;

impl Projection {
    /// The operations at `part`, ascending positions.
    pub(super) fn new(whole: &History, cone: &Cone, part: &[usize]) -> Self {
        let made: BTreeSet<u64> = part.iter().filter_map(|position| cone.made(*position)).collect();
        let mut projection = Self {
            history: History::default(),
            revisions: made.into_iter().collect(),
            told: part.iter().map(|position| told(&whole.operations[*position])).collect(),
            keeps_versions: cone.keeps_versions,
        };
        let operations = part.iter().map(|position| &whole.operations[*position]);
        projection.history.operations =
            operations.map(|operation| projection.operation(operation)).collect();
        projection
    }

    /// The revision in the whole for one in the part.
    pub(super) fn original(&self, revision: u64) -> u64 {
        let place = usize::try_from(revision).ok().and_then(|revision| revision.checked_sub(2));
        let known = place.and_then(|place| self.revisions.get(place)).copied();
        known.unwrap_or(if revision >= FAR { revision - FAR } else { revision })
    }

    fn operation(&self, operation: &Operation) -> Operation {
        let mut operation = operation.clone();
        operation.witness = None;
        self.request(&mut operation.request);
        match &mut operation.completion {
            Completion::Ok(response) => self.response(response),
            Completion::Fail(Error::Compacted { compacted }) => self.told(compacted),
            Completion::Fail(Error::FutureRevision { current }) => {
                self.told(current);
                if let Request::Range(range) = &mut operation.request {
                    range.revision.0 += FAR;
                }
            }
            Completion::Fail(_) | Completion::Info(_) => {}
        }
        operation
    }

    /// How many revisions of the part there were, and the one of an empty store.
    fn told(&self, revision: &mut Revision) {
        if revision.0 != 0 {
            let before = self.revisions.partition_point(|made| *made <= revision.0);
            revision.0 = before as u64 + 1;
        }
    }

    /// A revision that names a write.
    fn name(&self, revision: &mut Revision) {
        match self.revisions.binary_search(&revision.0) {
            Ok(place) => revision.0 = place as u64 + 2,
            Err(_) if revision.0 != 0 => revision.0 += FAR,
            Err(_) => {}
        }
    }

    /// The smallest revision of the part that is not below one.
    fn from(&self, revision: &mut Revision) {
        if revision.0 != 0 {
            let before = self.revisions.partition_point(|made| *made < revision.0);
            revision.0 = before as u64 + 2;
        }
    }

    fn request(&self, request: &mut Request) {
        match request {
            Request::Range(range) => self.range(range),
            Request::Txn(txn) => self.txn(txn),
            Request::Compact(compact) => self.told(&mut compact.revision),
            Request::Put(_)
            | Request::DeleteRange(_)
            | Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => {}
        }
    }

    fn range(&self, range: &mut RangeRequest) {
        self.told(&mut range.revision);
        self.from(&mut range.min_mod_revision);
        self.from(&mut range.min_create_revision);
        self.told(&mut range.max_mod_revision);
        self.told(&mut range.max_create_revision);
    }

    fn txn(&self, txn: &mut TxnRequest) {
        txn.compares.iter_mut().for_each(|compare| self.compare(compare));
        for op in txn.success.iter_mut().chain(&mut txn.failure) {
            match op {
                TxnOp::Range(range) => self.range(range),
                TxnOp::Txn(txn) => self.txn(txn),
                TxnOp::Put(_) | TxnOp::DeleteRange(_) => {}
            }
        }
    }

    fn compare(&self, compare: &mut Compare) {
        match &mut compare.target {
            CompareTarget::Mod(revision) | CompareTarget::Create(revision) => self.name(revision),
            CompareTarget::Version(_) | CompareTarget::Value(_) | CompareTarget::Lease(_) => {}
        }
    }

    fn response(&self, response: &mut Response) {
        self.told(&mut response.header.revision);
        match &mut response.body {
            Body::Put(put) => put.prev_kv.iter_mut().for_each(|kv| self.kv(kv)),
            Body::Range(range) => range.kvs.iter_mut().for_each(|kv| self.kv(kv)),
            Body::DeleteRange(delete) => delete.prev_kvs.iter_mut().for_each(|kv| self.kv(kv)),
            Body::Txn(txn) => txn.responses.iter_mut().for_each(|answer| self.answer(answer)),
            Body::Compact
            | Body::Lease(_)
            | Body::Member(_)
            | Body::MoveLeader
            | Body::Maintenance(_)
            | Body::Auth(_)
            | Body::Cluster(_) => {}
        }
    }

    fn answer(&self, answer: &mut TxnOpResponse) {
        match answer {
            TxnOpResponse::Put(put) => put.prev_kv.iter_mut().for_each(|kv| self.kv(kv)),
            TxnOpResponse::Range(range) => range.kvs.iter_mut().for_each(|kv| self.kv(kv)),
            TxnOpResponse::DeleteRange(delete) => {
                delete.prev_kvs.iter_mut().for_each(|kv| self.kv(kv));
            }
            TxnOpResponse::Txn(txn) => {
                txn.responses.iter_mut().for_each(|answer| self.answer(answer));
            }
        }
    }

    fn kv(&self, kv: &mut KeyValue) {
        self.name(&mut kv.mod_revision);
        if self.keeps_versions {
            self.name(&mut kv.create_revision);
        } else {
            (kv.create_revision, kv.version) = (Revision(0), 0);
        }
    }
}

fn told(operation: &Operation) -> u64 {
    match &operation.completion {
        Completion::Ok(response) => response.header.revision.0,
        Completion::Fail(_) | Completion::Info(_) => 0,
    }
}
