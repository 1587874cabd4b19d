//! Whether a request is permitted (etcd, `server/etcdserver/apply/apply_auth.go`).
//!
//! Asked when a request is admitted, so that most refusals cost no entry, and again when it is carried out, because what
//! counts is who may do what then. Everything that a request can read or write is asked about, whichever branch is
//! taken, down to the last nested transaction.

use super::{Auth, Role, User, spans};
use crate::store::Store;
use whitewater_api::{
    AuthRequest, ClusterRequest, Error, Identity, KeyRange, LeaseId, LeaseRequest, Request,
    auth::{PermissionKind, ROOT},
    request::{DeleteRangeRequest, PutRequest, TxnOp, TxnRequest},
};
use whitewater_mutation::Mutation;

use PermissionKind::{Read, Write};

impl Store {
    /// Whether `who` may do what `request` asks, as things are now.
    pub fn permit(&self, who: Option<&Identity>, request: &Request) -> Result<(), Error> {
        if !self.auth.enabled {
            return Ok(());
        }
        match request {
            Request::Put(put) => self.permit_put(who, put, false),
            Request::Range(range) => self.permit_range(who, &range.range, Read),
            Request::DeleteRange(delete) => self.permit_delete(who, delete),
            Request::Txn(txn) => self.permit_txn(who, txn),
            Request::Lease(lease) => self.permit_lease(who, *lease),
            Request::Auth(auth) => self.permit_management(who, auth),
            Request::Cluster(cluster) => self.permit_membership(who, cluster),
            // What concerns everybody (CVE-2026-33413).
            Request::Compact(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_) => self.permit_administration(who),
        }
    }

    /// Whether `who` may do this in a range of keys.
    pub fn permit_range(
        &self,
        who: Option<&Identity>,
        range: &KeyRange,
        kind: PermissionKind,
    ) -> Result<(), Error> {
        if !self.auth.enabled {
            return Ok(());
        }
        let who = who.ok_or(Error::UserEmpty)?;
        let is_old = who.revision < self.auth.revision;
        if is_old && !self.mutations.has(Mutation::AuthRevisionUnchecked) {
            return Err(Error::AuthOldRevision);
        }
        let user = self.auth.users.get(&who.user).ok_or(Error::PermissionDenied)?;
        let ignores_gaps = self.mutations.has(Mutation::AuthMergeIgnoresGaps);
        let permits = user.roles.contains(ROOT)
            || spans::cover(self.auth.ranges(user, kind), range, ignores_gaps);
        if permits { Ok(()) } else { Err(Error::PermissionDenied) }
    }

    fn permit_administration(&self, who: Option<&Identity>) -> Result<(), Error> {
        if self.mutations.has(Mutation::AuthAdminUnchecked) {
            return Ok(());
        }
        self.auth.is_administrator(who)
    }

    /// Every user may know the members, nobody else (CVE-2026-33413). A member that publishes itself is no user.
    fn permit_membership(
        &self,
        who: Option<&Identity>,
        request: &ClusterRequest,
    ) -> Result<(), Error> {
        match request {
            ClusterRequest::Publish { .. } => Ok(()),
            ClusterRequest::List { .. } => {
                let is_user = who.is_some_and(|who| self.auth.users.contains_key(&who.user));
                if is_user { Ok(()) } else { self.permit_administration(who) }
            }
            ClusterRequest::Add { .. }
            | ClusterRequest::Remove(_)
            | ClusterRequest::Update { .. }
            | ClusterRequest::Promote(_) => self.permit_administration(who),
        }
    }

    fn permit_management(
        &self,
        who: Option<&Identity>,
        request: &AuthRequest,
    ) -> Result<(), Error> {
        let own = who.and_then(|who| self.auth.users.get_key_value(&who.user));
        match request {
            AuthRequest::Authenticate { .. } => Ok(()),
            // Everybody may look at oneself.
            AuthRequest::UserGet(user) if own.is_some_and(|(own, _)| own == user) => Ok(()),
            AuthRequest::RoleGet(role) if own.is_some_and(|(_, own)| own.roles.contains(role)) => {
                Ok(())
            }
            AuthRequest::Enable
            | AuthRequest::Disable
            | AuthRequest::Status
            | AuthRequest::UserAdd { .. }
            | AuthRequest::UserGet(_)
            | AuthRequest::UserList
            | AuthRequest::UserDelete(_)
            | AuthRequest::UserChangePassword { .. }
            | AuthRequest::UserGrantRole { .. }
            | AuthRequest::UserRevokeRole { .. }
            | AuthRequest::RoleAdd(_)
            | AuthRequest::RoleGet(_)
            | AuthRequest::RoleList
            | AuthRequest::RoleDelete(_)
            | AuthRequest::RoleGrantPermission { .. }
            | AuthRequest::RoleRevokePermission { .. } => self.permit_administration(who),
        }
    }

    fn permit_put(
        &self,
        who: Option<&Identity>,
        put: &PutRequest,
        in_txn: bool,
    ) -> Result<(), Error> {
        let key = KeyRange::single(put.key.clone());
        self.permit_range(who, &key, Write)?;
        // etcd looked at neither in a transaction (CVE-2026-44283).
        let looks = !(in_txn && self.mutations.has(Mutation::AuthTxnPutUnchecked));
        if put.lease != LeaseId::NONE && looks {
            // It would let the user end the lease of keys that are not its own, or hang them on its fate.
            self.permit_lease_keys(who, put.lease, Write)?;
        }
        if put.prev_kv && looks { self.permit_range(who, &key, Read) } else { Ok(()) }
    }

    fn permit_delete(
        &self,
        who: Option<&Identity>,
        delete: &DeleteRangeRequest,
    ) -> Result<(), Error> {
        self.permit_range(who, &delete.range, Write)?;
        if delete.prev_kv { self.permit_range(who, &delete.range, Read) } else { Ok(()) }
    }

    fn permit_txn(&self, who: Option<&Identity>, txn: &TxnRequest) -> Result<(), Error> {
        if !self.mutations.has(Mutation::AuthCompareUnchecked) {
            for compare in &txn.compares {
                self.permit_range(who, &compare.range, Read)?;
            }
        }
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Put(put) => self.permit_put(who, put, true)?,
                TxnOp::Range(range) => self.permit_range(who, &range.range, Read)?,
                TxnOp::DeleteRange(delete) => self.permit_delete(who, delete)?,
                TxnOp::Txn(_) if self.mutations.has(Mutation::AuthNestedTxnUnchecked) => {}
                TxnOp::Txn(nested) => self.permit_txn(who, nested)?,
            }
        }
        // One without any of these is nobody's business, but it takes somebody to ask.
        if txn.compares.is_empty() && txn.success.is_empty() && txn.failure.is_empty() {
            who.map(|_| ()).ok_or(Error::UserEmpty)?;
        }
        Ok(())
    }

    fn permit_lease(&self, who: Option<&Identity>, lease: LeaseRequest) -> Result<(), Error> {
        let somebody = who.filter(|who| self.auth.users.contains_key(&who.user));
        somebody.ok_or(if who.is_some() { Error::PermissionDenied } else { Error::UserEmpty })?;
        match lease {
            LeaseRequest::Revoke(lease) => self.permit_lease_keys(who, lease, Write),
            LeaseRequest::TimeToLive { lease, keys: true } => {
                self.permit_lease_keys(who, lease, Read)
            }
            LeaseRequest::Grant { .. }
            | LeaseRequest::KeepAlive(_)
            | LeaseRequest::TimeToLive { .. }
            | LeaseRequest::List => Ok(()),
        }
    }

    /// Whether `who` may do this to every key that hangs on a lease.
    fn permit_lease_keys(
        &self,
        who: Option<&Identity>,
        lease: LeaseId,
        kind: PermissionKind,
    ) -> Result<(), Error> {
        if self.mutations.has(Mutation::AuthLeaseKeysUnchecked)
            || kind == Write && self.auth.is_administrator(who).is_ok()
        {
            return Ok(());
        }
        let keys = self.lease(lease).into_iter().flat_map(crate::Lease::keys);
        keys.map(|key| KeyRange::single(key.clone()))
            .try_for_each(|key| self.permit_range(who, &key, kind))
    }
}

impl Auth {
    /// Whether `who` may do what concerns everybody. As in etcd the revision is not asked about: that a token is older than
    /// the last change must not keep an administrator from the next one.
    fn is_administrator(&self, who: Option<&Identity>) -> Result<(), Error> {
        let who = who.ok_or(Error::UserEmpty)?;
        let user = self.users.get(&who.user).ok_or(Error::PermissionDenied)?;
        if user.roles.contains(ROOT) { Ok(()) } else { Err(Error::PermissionDenied) }
    }

    /// Where a user may do this.
    fn ranges<'a>(
        &'a self,
        user: &'a User,
        kind: PermissionKind,
    ) -> impl Iterator<Item = &'a KeyRange> {
        let roles = user.roles.iter().filter_map(|role| self.roles.get(role));
        let permits = move |(range, permission): (&'a KeyRange, &PermissionKind)| {
            permission.permits(kind).then_some(range)
        };
        roles.flat_map(Role::iter).filter_map(permits)
    }
}
