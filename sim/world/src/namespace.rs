//! Where a cluster begins with keys that no client of the plan knows, clients live in a namespace of their own (etcd,
//! `client/v3/namespace`): each key that they name has a prefix on the wire, and each that they are shown has lost it.
//!
//! ```text
//!  history, steps: put k3 v9, get [k0,)          get [k0,): k3
//!                       | ask                         ^ answer
//!  nodes:          put ~/k3 v9, get [~/k0,~0)    get [~/k0,~0): ~/k3
//! ```
//!
//! So nothing that a plan says can meet a key from elsewhere, and the judges see a store that was empty. What is shown outside
//! of the namespace keeps its name, for the judges to object to.

use whitewater_api::{
    AuthRequest, AuthResponse, Body, End, Key, KeyRange, KeyValue, LeaseResponse, Request,
    WatchRequest, WatchResponse,
    request::{TxnOp, TxnRequest},
    response::{TxnOpResponse, TxnResponse},
    watch::WatchBody,
};

/// A namespace: all keys with one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    prefix: Key,
    /// The first key behind all of them.
    end: End,
}

impl Namespace {
    pub(crate) fn new(prefix: Key) -> Self {
        let KeyRange { end, .. } = KeyRange::prefix(prefix.clone());
        Self { prefix, end }
    }

    /// All keys that are not in it, in two ranges.
    pub(crate) fn outside(&self) -> [KeyRange; 2] {
        let below = KeyRange::span(vec![0], self.prefix.clone());
        let End::Before(end) = &self.end else { unreachable!("a prefix of letters has an end") };
        [below, KeyRange::from_key(end.clone())]
    }

    // On the way to a node.

    /// A request as a node is asked.
    pub(crate) fn enter(&self, request: &mut Request) {
        match request {
            Request::Put(put) => self.enter_key(&mut put.key),
            Request::Range(range) => self.enter_range(&mut range.range),
            Request::DeleteRange(delete) => self.enter_range(&mut delete.range),
            Request::Txn(txn) => self.enter_txn(txn),
            Request::Auth(AuthRequest::RoleGrantPermission { permission, .. }) => {
                if let Some(permission) = permission {
                    self.enter_range(&mut permission.range);
                }
            }
            Request::Auth(AuthRequest::RoleRevokePermission { range, .. }) => {
                self.enter_range(range);
            }
            Request::Compact(_)
            | Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => {}
        }
    }

    /// What is sent on a stream.
    pub(crate) fn enter_watch(&self, request: &mut WatchRequest) {
        if let WatchRequest::Create(create) = request {
            self.enter_range(&mut create.range);
        }
    }

    fn enter_txn(&self, txn: &mut TxnRequest) {
        txn.compares.iter_mut().for_each(|compare| self.enter_range(&mut compare.range));
        for op in txn.success.iter_mut().chain(&mut txn.failure) {
            match op {
                TxnOp::Put(put) => self.enter_key(&mut put.key),
                TxnOp::Range(range) => self.enter_range(&mut range.range),
                TxnOp::DeleteRange(delete) => self.enter_range(&mut delete.range),
                TxnOp::Txn(txn) => self.enter_txn(txn),
            }
        }
    }

    fn enter_range(&self, range: &mut KeyRange) {
        if range.start.is_empty() {
            return; // A request without a key is refused, here as elsewhere.
        }
        self.enter_key(&mut range.start);
        match &mut range.end {
            End::Single => {}
            End::Before(end) => *end = self.with_prefix(end),
            End::Unbounded => range.end = self.end.clone(),
        }
    }

    fn enter_key(&self, key: &mut Key) {
        if !key.is_empty() {
            *key = self.with_prefix(key);
        }
    }

    fn with_prefix(&self, key: &Key) -> Key {
        Key::from([self.prefix.as_slice(), key.as_slice()].concat())
    }

    // On the way back.

    /// An answer as its client is shown it.
    pub(crate) fn leave(&self, body: &mut Body) {
        match body {
            Body::Put(put) => self.leave_kvs(&mut put.prev_kv),
            Body::Range(range) => self.leave_kvs(&mut range.kvs),
            Body::DeleteRange(delete) => self.leave_kvs(&mut delete.prev_kvs),
            Body::Txn(txn) => self.leave_txn(txn),
            Body::Lease(LeaseResponse::TimeToLive { keys, .. }) => {
                for key in keys {
                    self.leave_key(key);
                }
            }
            Body::Auth(AuthResponse::Permissions(permissions)) => {
                for permission in permissions {
                    self.leave_range(&mut permission.range);
                }
            }
            Body::Compact
            | Body::Lease(_)
            | Body::Member(_)
            | Body::MoveLeader
            | Body::Maintenance(_)
            | Body::Auth(_)
            | Body::Cluster(_) => {}
        }
    }

    /// What is told on a stream.
    pub(crate) fn leave_watch(&self, response: &mut WatchResponse) {
        if let WatchBody::Events { events, .. } = &mut response.body {
            for event in events {
                self.leave_key(&mut event.kv.key);
                self.leave_kvs(&mut event.prev_kv);
            }
        }
    }

    fn leave_txn(&self, txn: &mut TxnResponse) {
        for response in &mut txn.responses {
            match response {
                TxnOpResponse::Put(put) => self.leave_kvs(&mut put.prev_kv),
                TxnOpResponse::Range(range) => self.leave_kvs(&mut range.kvs),
                TxnOpResponse::DeleteRange(delete) => self.leave_kvs(&mut delete.prev_kvs),
                TxnOpResponse::Txn(txn) => self.leave_txn(txn),
            }
        }
    }

    fn leave_kvs<'a>(&self, kvs: impl IntoIterator<Item = &'a mut KeyValue>) {
        kvs.into_iter().for_each(|kv| self.leave_key(&mut kv.key));
    }

    fn leave_range(&self, range: &mut KeyRange) {
        if range.end == self.end {
            range.end = End::Unbounded;
        } else if let End::Before(end) = &mut range.end {
            self.leave_key(end);
        }
        self.leave_key(&mut range.start);
    }

    fn leave_key(&self, key: &mut Key) {
        if let Some(rest) = key.as_slice().strip_prefix(self.prefix.as_slice()) {
            *key = Key(key.0.slice_ref(rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_api::{
        request::{PutRequest, RangeRequest},
        response::RangeResponse,
    };

    fn namespace() -> Namespace {
        Namespace::new(Key::from("~/"))
    }

    fn entered(range: KeyRange) -> KeyRange {
        let mut request = Request::Range(RangeRequest::new(range));
        namespace().enter(&mut request);
        let Request::Range(RangeRequest { range, .. }) = request else { unreachable!("as before") };
        range
    }

    #[test]
    fn ranges_end_where_the_namespace_does() {
        assert_eq!(entered(KeyRange::single("k")), KeyRange::single("~/k"));
        assert_eq!(entered(KeyRange::span("a", "c")), KeyRange::span("~/a", "~/c"));
        assert_eq!(entered(KeyRange::from_key("a")), KeyRange::span("~/a", "~0"));
        assert_eq!(entered(KeyRange::single("")), KeyRange::single(""), "to be refused");
        let [below, above] = namespace().outside();
        let inside = Key::from("~/k");
        assert!(!below.contains(&inside) && !above.contains(&inside));
        assert!(below.contains(&Key::from("~.")) && above.contains(&Key::from("~0")));
    }

    #[test]
    fn what_is_shown_has_lost_its_prefix_and_a_stranger_has_not() {
        let mut body = Body::Txn(TxnResponse {
            succeeded: true,
            responses: vec![TxnOpResponse::Range(RangeResponse {
                kvs: ["~/k", "/registry/pods"]
                    .map(|key| KeyValue { key: Key::from(key), ..KeyValue::default() })
                    .into(),
                ..RangeResponse::default()
            })],
        });
        namespace().leave(&mut body);
        let Body::Txn(txn) = body else { unreachable!("as before") };
        let TxnOpResponse::Range(range) = &txn.responses[0] else { unreachable!("as before") };
        let keys = range.kvs.iter().map(|kv| kv.key.to_string());
        assert_eq!(keys.collect::<Vec<_>>(), ["k", "/registry/pods"]);
    }

    #[test]
    fn a_transaction_is_changed_wherever_it_names_a_key() {
        let put = || TxnOp::Put(PutRequest::new("k", "v"));
        let inner = TxnRequest { success: vec![put()], ..TxnRequest::default() };
        let failure = vec![TxnOp::Txn(inner)];
        let txn = TxnRequest { success: vec![put()], failure, ..TxnRequest::default() };
        let mut request = Request::Txn(txn);
        namespace().enter(&mut request);
        assert_eq!(request.to_string().matches("~/k").count(), 2, "{request}");
    }
}
