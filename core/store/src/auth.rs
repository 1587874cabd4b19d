//! Who may do what: the table of users and roles, and what changes it (etcd, `server/auth/store.go`).
//!
//! Permissions are read from the roles whenever they are asked about. etcd keeps them merged beside the store, and
//! members whose copy was not loaded again after a snapshot went other ways than the rest (#14571).
//!
//! Invariants, checked by [`Store::check_invariants`]:
//!
//! - Each change is one step of the revision; what changes nothing is none, and so is enabling (as in etcd).
//! - While it is enabled, there is a user root with the role root.
//! - A user has only roles that are there, but for the role root, which every user may be given.

mod permit;
mod spans;

use crate::{hash::Hash, store::Store};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use whitewater_api::{
    AuthRequest, AuthResponse, AuthRevision, End, Error, KeyRange,
    auth::{Credential, Permission, PermissionKind, ROOT},
};

/// Users, roles and permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Whether anybody is asked who it is.
    pub(crate) enabled: bool,
    /// Never decreases.
    pub(crate) revision: AuthRevision,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) roles: BTreeMap<String, Role>,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    /// The bcrypt hash of the password; empty for a user without one.
    pub(crate) hash: String,
    pub(crate) roles: BTreeSet<String>,
}

/// A piece of it, as snapshots hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthRecord {
    /// Whether it is enabled, and the revision.
    Status { enabled: bool, revision: AuthRevision },
    /// A user.
    User(String, User),
    /// A role.
    Role(String, Role),
}

/// What a role permits, by range.
pub(crate) type Role = BTreeMap<KeyRange, PermissionKind>;

impl Default for Auth {
    fn default() -> Self {
        let revision = AuthRevision(1);
        Self { enabled: false, revision, users: BTreeMap::new(), roles: BTreeMap::new() }
    }
}

impl Auth {
    /// Whether anybody is asked who it is.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The revision.
    #[must_use]
    pub fn revision(&self) -> AuthRevision {
        self.revision
    }

    /// Whether there is such a user.
    #[must_use]
    pub fn has_user(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// The hash that a user's password must have. Refuses as etcd does who cannot have a token.
    pub fn password_hash(&self, user: &str) -> Result<&str, Error> {
        if !self.enabled {
            return Err(Error::AuthNotEnabled);
        }
        match self.users.get(user) {
            None => Err(Error::AuthFailed),
            Some(user) if user.hash.is_empty() => Err(Error::NoPasswordUser),
            Some(user) => Ok(&user.hash),
        }
    }

    /// Roughly the bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        let users = self.users.iter().map(|(name, user)| {
            name.len() + user.hash.len() + user.roles.iter().map(String::len).sum::<usize>()
        });
        let roles = self.roles.iter().map(|(name, role)| name.len() + role.len() * 64);
        users.chain(roles).map(|bytes| bytes as u64 + 64).sum()
    }

    /// All of it in an order, but for the first so many; nothing where it is as in a new store.
    pub(crate) fn records(&self, done: usize) -> impl Iterator<Item = AuthRecord> {
        let is_new = *self == Self::default();
        let status = AuthRecord::Status { enabled: self.enabled, revision: self.revision };
        let users = self.users.iter();
        let users = users.map(|(name, user)| AuthRecord::User(name.clone(), user.clone()));
        let roles = self.roles.iter();
        let roles = roles.map(|(name, role)| AuthRecord::Role(name.clone(), role.clone()));
        let all = std::iter::once(status).chain(users).chain(roles);
        all.take(if is_new { 0 } else { usize::MAX }).skip(done)
    }

    /// Whether the invariants hold.
    pub(crate) fn is_sound(&self) -> bool {
        let has_role = |role: &String| role == ROOT || self.roles.contains_key(role);
        let root = self.users.get(ROOT);
        let is_governed = root.is_some_and(|root| root.roles.contains(ROOT));
        (!self.enabled || is_governed)
            && self.users.values().all(|user| user.roles.iter().all(has_role))
    }

    /// Answers what changes nothing.
    pub(crate) fn read(&self, request: &AuthRequest) -> Result<AuthResponse, Error> {
        let names = |names: &mut dyn Iterator<Item = &String>| names.cloned().collect();
        match request {
            AuthRequest::Status => {
                Ok(AuthResponse::Status { enabled: self.enabled, revision: self.revision })
            }
            AuthRequest::UserGet(user) => {
                let user = self.users.get(user).ok_or(Error::UserNotFound)?;
                Ok(AuthResponse::Roles(user.roles.iter().cloned().collect()))
            }
            AuthRequest::UserList => Ok(AuthResponse::Users(names(&mut self.users.keys()))),
            AuthRequest::RoleList => Ok(AuthResponse::Roles(names(&mut self.roles.keys()))),
            AuthRequest::RoleGet(name) => {
                let role = self.roles.get(name).ok_or(Error::RoleNotFound)?;
                if name == ROOT {
                    let kind = PermissionKind::ReadWrite;
                    let everything = Permission { kind, range: KeyRange::from_key("") };
                    return Ok(AuthResponse::Permissions(vec![everything]));
                }
                let permissions = role.iter();
                let permissions = permissions
                    .map(|(range, kind)| Permission { kind: *kind, range: range.clone() });
                Ok(AuthResponse::Permissions(permissions.collect()))
            }
            AuthRequest::Enable
            | AuthRequest::Disable
            | AuthRequest::Authenticate { .. }
            | AuthRequest::UserAdd { .. }
            | AuthRequest::UserDelete(_)
            | AuthRequest::UserChangePassword { .. }
            | AuthRequest::UserGrantRole { .. }
            | AuthRequest::UserRevokeRole { .. }
            | AuthRequest::RoleAdd(_)
            | AuthRequest::RoleDelete(_)
            | AuthRequest::RoleGrantPermission { .. }
            | AuthRequest::RoleRevokePermission { .. } => panic!("not a read: {request}"),
        }
    }

    /// Carries out a change. Says whether it changed anything; a refusal changes nothing.
    fn write(&mut self, request: &AuthRequest) -> Result<bool, Error> {
        match request {
            AuthRequest::Enable => return self.enable(),
            AuthRequest::Disable if !self.enabled => return Ok(false),
            AuthRequest::Disable => self.enabled = false,
            AuthRequest::UserAdd { user, credential } => self.add_user(user, credential)?,
            AuthRequest::UserDelete(user) => {
                if self.enabled && user == ROOT {
                    return Err(Error::InvalidAuthManagement);
                }
                self.users.remove(user).ok_or(Error::UserNotFound)?;
            }
            AuthRequest::UserChangePassword { user, credential } => {
                let user = self.users.get_mut(user).ok_or(Error::UserNotFound)?;
                if !user.hash.is_empty() {
                    user.hash = hash(credential).ok_or(Error::NoPasswordUser)?;
                }
            }
            AuthRequest::UserGrantRole { user, role } => {
                let user = self.users.get_mut(user).ok_or(Error::UserNotFound)?;
                if role != ROOT && !self.roles.contains_key(role) {
                    return Err(Error::RoleNotFound);
                }
                if !user.roles.insert(role.clone()) {
                    return Ok(false);
                }
            }
            AuthRequest::UserRevokeRole { user, role } => {
                if self.enabled && user == ROOT && role == ROOT {
                    return Err(Error::InvalidAuthManagement);
                }
                let user = self.users.get_mut(user).ok_or(Error::UserNotFound)?;
                if !user.roles.remove(role) {
                    return Err(Error::RoleNotGranted);
                }
            }
            AuthRequest::RoleAdd(_)
            | AuthRequest::RoleDelete(_)
            | AuthRequest::RoleGrantPermission { .. }
            | AuthRequest::RoleRevokePermission { .. } => self.write_role(request)?,
            AuthRequest::Status
            | AuthRequest::Authenticate { .. }
            | AuthRequest::UserGet(_)
            | AuthRequest::UserList
            | AuthRequest::RoleGet(_)
            | AuthRequest::RoleList => panic!("not a change of users or roles: {request}"),
        }
        self.revision.0 += 1;
        Ok(true)
    }

    /// Enabling does not touch the revision.
    fn enable(&mut self) -> Result<bool, Error> {
        if self.enabled {
            return Ok(false);
        }
        let root = self.users.get(ROOT).ok_or(Error::RootUserMissing)?;
        if !root.roles.contains(ROOT) {
            return Err(Error::RootRoleMissing);
        }
        self.enabled = true;
        Ok(true)
    }

    fn add_user(&mut self, name: &str, credential: &Credential) -> Result<(), Error> {
        if name.is_empty() {
            return Err(Error::UserEmpty);
        }
        if self.users.contains_key(name) {
            return Err(Error::UserExists);
        }
        let hash = hash(credential).unwrap_or_default();
        self.users.insert(name.to_owned(), User { hash, roles: BTreeSet::new() });
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller has seen to the others")]
    fn write_role(&mut self, request: &AuthRequest) -> Result<(), Error> {
        match request {
            AuthRequest::RoleAdd(name) if name.is_empty() => Err(Error::RoleEmpty),
            AuthRequest::RoleAdd(name) if self.roles.contains_key(name) => Err(Error::RoleExists),
            AuthRequest::RoleAdd(name) => {
                self.roles.insert(name.clone(), Role::new());
                Ok(())
            }
            AuthRequest::RoleDelete(name) => {
                if self.enabled && name == ROOT {
                    return Err(Error::InvalidAuthManagement);
                }
                self.roles.remove(name).ok_or(Error::RoleNotFound)?;
                for user in self.users.values_mut() {
                    user.roles.remove(name);
                }
                Ok(())
            }
            AuthRequest::RoleGrantPermission { role, permission } => {
                let Permission { kind, range } =
                    permission.as_ref().ok_or(Error::PermissionMissing)?;
                if !is_valid(range) {
                    return Err(Error::InvalidAuthManagement);
                }
                let role = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
                role.insert(range.clone(), *kind);
                Ok(())
            }
            AuthRequest::RoleRevokePermission { role, range } => {
                let role = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
                role.remove(range).map(|_| ()).ok_or(Error::PermissionNotGranted)
            }
            _ => panic!("not about a role: {request}"),
        }
    }
}

impl AuthRecord {
    pub(crate) fn hash(&self, hash: Hash) -> Hash {
        match self {
            Self::Status { enabled, revision } => {
                hash.word(1).word(u64::from(*enabled)).word(revision.0)
            }
            Self::User(name, user) => {
                let hash = hash.word(2).bytes(name.as_bytes()).bytes(user.hash.as_bytes());
                user.roles.iter().fold(hash, |hash, role| hash.bytes(role.as_bytes()))
            }
            Self::Role(name, role) => {
                let hash = hash.word(3).bytes(name.as_bytes());
                role.iter().fold(hash, |hash, (range, kind)| add_permission(hash, range, *kind))
            }
        }
    }
}

impl Store {
    /// Users, roles and permissions.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    pub(crate) fn change_auth(&mut self, request: &AuthRequest) -> Result<AuthResponse, Error> {
        if request.is_read() {
            return self.auth.read(request);
        }
        if Arc::make_mut(&mut self.auth).write(request)? {
            let effect = describe(request, Hash::new(4));
            self.journal.record_auth(effect.word(self.auth.revision.0).value());
        }
        Ok(AuthResponse::Done)
    }
}

/// The hash of a password. By the time that a request is in the log, a password has become one.
fn hash(credential: &Credential) -> Option<String> {
    match credential {
        Credential::None => None,
        Credential::Hash(hash) => Some(hash.clone()),
        Credential::Password(_) => {
            panic!("a password is hashed before its request goes into the log")
        }
    }
}

/// Whether a range is one that permissions can be about (etcd, `isValidPermissionRange`).
fn is_valid(range: &KeyRange) -> bool {
    !range.start.is_empty() && !range.is_empty()
}

/// Takes a change into a hash.
fn describe(request: &AuthRequest, hash: Hash) -> Hash {
    let named = |kind: u64, names: &[&String]| {
        names.iter().fold(hash.word(kind), |hash, name| hash.bytes(name.as_bytes()))
    };
    let credential = |credential: &Credential| match credential {
        Credential::Hash(hash) => hash.clone(),
        Credential::None | Credential::Password(_) => String::new(),
    };
    match request {
        AuthRequest::Enable => named(1, &[]),
        AuthRequest::Disable => named(2, &[]),
        AuthRequest::UserAdd { user, credential: c } => named(3, &[user, &credential(c)]),
        AuthRequest::UserDelete(user) => named(4, &[user]),
        AuthRequest::UserChangePassword { user, credential: c } => {
            named(5, &[user, &credential(c)])
        }
        AuthRequest::UserGrantRole { user, role } => named(6, &[user, role]),
        AuthRequest::UserRevokeRole { user, role } => named(7, &[user, role]),
        AuthRequest::RoleAdd(role) => named(8, &[role]),
        AuthRequest::RoleDelete(role) => named(9, &[role]),
        AuthRequest::RoleGrantPermission { role, permission } => {
            permission.iter().fold(named(10, &[role]), |hash, permission| {
                add_permission(hash, &permission.range, permission.kind)
            })
        }
        AuthRequest::RoleRevokePermission { role, range } => {
            add_permission(named(11, &[role]), range, PermissionKind::Read)
        }
        AuthRequest::Status
        | AuthRequest::Authenticate { .. }
        | AuthRequest::UserGet(_)
        | AuthRequest::UserList
        | AuthRequest::RoleGet(_)
        | AuthRequest::RoleList => hash,
    }
}

/// Takes a permission into a hash.
fn add_permission(hash: Hash, range: &KeyRange, kind: PermissionKind) -> Hash {
    let hash = hash.word(kind as u64).bytes(range.start.as_slice());
    match &range.end {
        End::Single => hash.word(0),
        End::Before(end) => hash.word(1).bytes(end.as_slice()),
        End::Unbounded => hash.word(2),
    }
}
