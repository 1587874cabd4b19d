//! What permissions a request takes.

use std::fmt;
use whitewater_api::{
    AuthRequest, Body, ClusterRequest, Completion, Key, KeyRange, LeaseId, LeaseRequest,
    LeaseResponse, Request,
    auth::PermissionKind,
    request::{DeleteRangeRequest, PutRequest, TxnOp, TxnRequest},
};
use whitewater_record::Operation;

/// One permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// To be root.
    Root,
    /// To do this to all keys of a range.
    Range(PermissionKind, KeyRange),
}

/// All that a request takes, besides being somebody.
#[derive(Debug)]
pub(crate) struct Needs {
    pub(crate) all: Vec<Need>,
    /// It takes nothing else, as far as can be known.
    pub(crate) are_all_known: bool,
}

/// What a request of a user takes.
pub(crate) fn needs(request: &Request, user: &str) -> Needs {
    let mut needs = Needs { all: Vec::new(), are_all_known: true };
    match request {
        Request::Put(put) => needs.put(put),
        Request::Range(range) => needs.range(PermissionKind::Read, &range.range),
        Request::DeleteRange(delete) => needs.delete(delete),
        Request::Txn(txn) => needs.txn(txn),
        // It takes permissions for the keys on the lease, too.
        Request::Lease(LeaseRequest::Revoke(_) | LeaseRequest::TimeToLive { .. }) => {
            needs.are_all_known = false;
        }
        Request::Lease(
            LeaseRequest::Grant { .. } | LeaseRequest::KeepAlive(_) | LeaseRequest::List,
        )
        | Request::Cluster(ClusterRequest::List { .. } | ClusterRequest::Publish { .. }) => {}
        // Asked about where the leader stands when they are admitted, which may be behind.
        Request::Member(_) | Request::MoveLeader(_) | Request::Cluster(_) => {
            needs.all.push(Need::Root);
            needs.are_all_known = false;
        }
        Request::Auth(AuthRequest::UserGet(name)) if name == user => {}
        // Whoever has the role may look at it.
        Request::Auth(AuthRequest::RoleGet(_)) => needs.are_all_known = false,
        Request::Compact(_) | Request::Maintenance(_) | Request::Auth(_) => {
            needs.all.push(Need::Root);
        }
    }
    needs
}

/// What an answer shows to have taken: whoever is told which keys hang on a lease may read them.
pub(crate) fn told(operation: &Operation) -> Vec<Need> {
    let Completion::Ok(response) = &operation.completion else { return Vec::new() };
    let Body::Lease(LeaseResponse::TimeToLive { keys, .. }) = &response.body else {
        return Vec::new();
    };
    let read = |key: &Key| Need::Range(PermissionKind::Read, KeyRange::single(key.clone()));
    keys.iter().map(read).collect()
}

impl Needs {
    fn range(&mut self, kind: PermissionKind, range: &KeyRange) {
        self.all.push(Need::Range(kind, range.clone()));
    }

    fn put(&mut self, put: &PutRequest) {
        let key = KeyRange::single(put.key.clone());
        self.range(PermissionKind::Write, &key);
        if put.prev_kv {
            self.range(PermissionKind::Read, &key);
        }
        self.are_all_known &= put.lease == LeaseId::NONE;
    }

    fn delete(&mut self, delete: &DeleteRangeRequest) {
        self.range(PermissionKind::Write, &delete.range);
        if delete.prev_kv {
            self.range(PermissionKind::Read, &delete.range);
        }
    }

    /// Whichever branch was taken.
    fn txn(&mut self, txn: &TxnRequest) {
        for compare in &txn.compares {
            self.range(PermissionKind::Read, &compare.range);
        }
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Put(put) => self.put(put),
                TxnOp::Range(range) => self.range(PermissionKind::Read, &range.range),
                TxnOp::DeleteRange(delete) => self.delete(delete),
                TxnOp::Txn(nested) => self.txn(nested),
            }
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("what takes root"),
            Self::Range(kind, range) => write!(f, "to {kind} {range}"),
        }
    }
}
