//! The keys that anybody names, in operations and on streams of watches, numbered in byte order.

use crate::{case::Keys, intern::Interner};
use whitewater_api::{
    Body, Completion, End, Key, KeyRange, KeyValue, LeaseResponse, Request, WatchResponse,
    request::{TxnOp, TxnRequest},
    response::{TxnOpResponse, TxnResponse},
    watch::WatchBody,
};
use whitewater_record::{History, WatchMessage};

/// Keys by number and numbers by key. Keys that nobody names have no number: nothing can have happened to them.
#[derive(Default)]
pub(crate) struct Keyring<'h> {
    names: Interner<'h>,
}

impl<'h> Keyring<'h> {
    /// Collects all keys of a history.
    pub(crate) fn new(history: &'h History) -> Self {
        let mut ring = Self::default();
        for operation in &history.operations {
            ring.add_request(&operation.request);
            if let Completion::Ok(response) = &operation.completion {
                ring.add_body(&response.body);
            }
        }
        for row in &history.watches {
            let WatchMessage::Received(WatchResponse { body, .. }) = &row.message else { continue };
            if let WatchBody::Events { events, .. } = body {
                for event in events {
                    ring.add(&event.kv.key);
                }
            }
        }
        history.holds.iter().for_each(|hold| ring.add(&hold.key));
        ring.names.sort();
        ring
    }

    fn add(&mut self, key: &'h Key) {
        self.names.number(key.as_slice());
    }

    fn add_range(&mut self, range: &'h KeyRange) {
        if range.end == End::Single {
            self.add(&range.start);
        }
    }

    fn add_request(&mut self, request: &'h Request) {
        match request {
            Request::Put(put) => self.add(&put.key),
            Request::DeleteRange(delete) => self.add_range(&delete.range),
            Request::Txn(txn) => self.add_txn(txn),
            Request::Range(_)
            | Request::Compact(_)
            | Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => {}
        }
    }

    fn add_txn(&mut self, txn: &'h TxnRequest) {
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Put(put) => self.add(&put.key),
                TxnOp::DeleteRange(delete) => self.add_range(&delete.range),
                TxnOp::Txn(txn) => self.add_txn(txn),
                TxnOp::Range(_) => {}
            }
        }
    }

    fn add_kvs(&mut self, kvs: impl IntoIterator<Item = &'h KeyValue>) {
        kvs.into_iter().for_each(|kv| self.add(&kv.key));
    }

    fn add_body(&mut self, body: &'h Body) {
        match body {
            Body::Put(put) => self.add_kvs(&put.prev_kv),
            Body::Range(range) => self.add_kvs(&range.kvs),
            Body::DeleteRange(delete) => self.add_kvs(&delete.prev_kvs),
            Body::Txn(txn) => self.add_answers(txn),
            Body::Lease(LeaseResponse::TimeToLive { keys, .. }) => {
                for key in keys {
                    self.add(key);
                }
            }
            Body::Lease(_)
            | Body::Compact
            | Body::Member(_)
            | Body::MoveLeader
            | Body::Maintenance(_)
            | Body::Auth(_)
            | Body::Cluster(_) => {}
        }
    }

    fn add_answers(&mut self, txn: &'h TxnResponse) {
        for response in &txn.responses {
            match response {
                TxnOpResponse::Put(put) => self.add_kvs(&put.prev_kv),
                TxnOpResponse::Range(range) => self.add_kvs(&range.kvs),
                TxnOpResponse::DeleteRange(delete) => self.add_kvs(&delete.prev_kvs),
                TxnOpResponse::Txn(txn) => self.add_answers(txn),
            }
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.names.strings.len()
    }

    /// The number of a key that [`Keyring::new`] has collected.
    pub(crate) fn number(&self, key: &Key) -> u32 {
        self.names.get(key.as_slice()).expect("all keys of the history are collected")
    }

    /// The key, for a person.
    pub(crate) fn key(&self, number: u32) -> Key {
        Key::from(self.names.strings[number as usize].to_vec())
    }

    /// The numbers of the keys in a range.
    pub(crate) fn interval(&self, range: &KeyRange) -> Keys {
        let first = |key: &Key| {
            let index = self.names.strings.partition_point(|other| *other < key.as_slice());
            u32::try_from(index).expect("keys are numbered by u32")
        };
        let low = first(&range.start);
        let high = match &range.end {
            End::Single => low + u32::from(self.names.get(range.start.as_slice()).is_some()),
            End::Before(end) => first(end),
            End::Unbounded => u32::try_from(self.len()).expect("keys are numbered by u32"),
        };
        Keys { low, high: high.max(low) }
    }
}
