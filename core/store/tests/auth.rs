//! Users, roles and permissions against a model that shares no logic with the store: permissions are looked up point by
//! point, and nothing is merged.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use proptest::{collection::vec, prelude::*, sample::select, test_runner::RngSeed};
use whitewater_api::{
    AuthRequest, AuthRevision, Body, End, Error, Identity, Key, KeyRange, Request,
    auth::{Credential, Permission, PermissionKind},
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Relation, TxnOp,
        TxnRequest,
    },
};
use whitewater_mutation::Mutations;
use whitewater_store::{Cursor, Restore, Store};

/// Every range begins and ends at one of these.
const BOUNDARIES: [&str; 5] = ["b", "bb", "d", "f", "h"];
const USERS: [&str; 3] = ["root", "alice", "bob"];
const ROLES: [&str; 3] = ["root", "reader", "writer"];

/// What the model knows.
#[derive(Default)]
struct Model {
    enabled: bool,
    changes: u64,
    users: Vec<(String, Vec<String>)>,
    roles: Vec<String>,
    grants: Vec<(String, KeyRange, PermissionKind)>,
}

impl Model {
    fn roles_of(&self, user: &str) -> Option<&Vec<String>> {
        self.users.iter().find(|(name, _)| name == user).map(|(_, roles)| roles)
    }

    fn is_root(&self, who: Option<&Identity>) -> Result<(), Error> {
        let who = who.ok_or(Error::UserEmpty)?;
        let roles = self.roles_of(&who.user).ok_or(Error::PermissionDenied)?;
        if roles.iter().any(|role| role == "root") { Ok(()) } else { Err(Error::PermissionDenied) }
    }

    /// Whether every point that lies in the range is permitted by some grant.
    fn may(
        &self,
        who: Option<&Identity>,
        range: &KeyRange,
        wanted: PermissionKind,
    ) -> Result<(), Error> {
        if !self.enabled {
            return Ok(());
        }
        let who = who.ok_or(Error::UserEmpty)?;
        if who.revision.0 < 1 + self.changes {
            return Err(Error::AuthOldRevision);
        }
        if self.is_root(Some(who)).is_ok() {
            return Ok(());
        }
        let roles = self.roles_of(&who.user).ok_or(Error::PermissionDenied)?;
        let permits = |point: &Key| {
            self.grants.iter().any(|(role, range, kind)| {
                roles.contains(role)
                    && range.contains(point)
                    && (*kind == wanted || *kind == PermissionKind::ReadWrite)
            })
        };
        // Where no key lies, the start is asked about, as in etcd.
        let lies = |point: &Key| range.contains(point) || *point == range.start;
        if points().iter().filter(|point| lies(point)).all(permits) {
            Ok(())
        } else {
            Err(Error::PermissionDenied)
        }
    }

    fn apply(&mut self, who: Option<&Identity>, request: &AuthRequest) -> Result<(), Error> {
        if self.enabled {
            self.is_root(who)?;
        }
        let changed = self.change(request)?;
        self.changes += u64::from(changed);
        Ok(())
    }

    /// Whether the revision rises.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are about roles")]
    fn change(&mut self, request: &AuthRequest) -> Result<bool, Error> {
        let known = |roles: &[String], role: &str| roles.iter().any(|known| known == role);
        let user = |users: &[(String, Vec<String>)], name: &str| {
            users.iter().position(|(known, _)| known == name).ok_or(Error::UserNotFound)
        };
        match request {
            AuthRequest::Enable if self.enabled => return Ok(false),
            AuthRequest::Enable => {
                let roles = self.roles_of("root").ok_or(Error::RootUserMissing)?;
                if !known(roles, "root") {
                    return Err(Error::RootRoleMissing);
                }
                self.enabled = true;
                return Ok(false);
            }
            AuthRequest::Disable => return Ok(std::mem::take(&mut self.enabled)),
            AuthRequest::UserAdd { user: name, .. } => {
                if user(&self.users, name).is_ok() {
                    return Err(Error::UserExists);
                }
                self.users.push((name.clone(), Vec::new()));
            }
            AuthRequest::UserDelete(name) if self.enabled && name == "root" => {
                return Err(Error::InvalidAuthManagement);
            }
            AuthRequest::UserDelete(name) => {
                self.users.remove(user(&self.users, name)?);
            }
            AuthRequest::UserGrantRole { user: name, role } => {
                let place = user(&self.users, name)?;
                if role != "root" && !known(&self.roles, role) {
                    return Err(Error::RoleNotFound);
                }
                if known(&self.users[place].1, role) {
                    return Ok(false);
                }
                self.users[place].1.push(role.clone());
            }
            AuthRequest::UserRevokeRole { user: name, role } => {
                if self.enabled && name == "root" && role == "root" {
                    return Err(Error::InvalidAuthManagement);
                }
                let place = user(&self.users, name)?;
                let roles = &mut self.users[place].1;
                let place = roles.iter().position(|known| known == role);
                roles.remove(place.ok_or(Error::RoleNotGranted)?);
            }
            _ => self.change_role(request)?,
        }
        Ok(true)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are not generated")]
    fn change_role(&mut self, request: &AuthRequest) -> Result<(), Error> {
        let known = |roles: &[String], role: &str| roles.iter().any(|known| known == role);
        match request {
            AuthRequest::RoleAdd(role) if known(&self.roles, role) => {
                return Err(Error::RoleExists);
            }
            AuthRequest::RoleAdd(role) => self.roles.push(role.clone()),
            AuthRequest::RoleDelete(role) => {
                if self.enabled && role == "root" {
                    return Err(Error::InvalidAuthManagement);
                }
                if !known(&self.roles, role) {
                    return Err(Error::RoleNotFound);
                }
                self.roles.retain(|known| known != role);
                self.grants.retain(|(known, ..)| known != role);
                self.users.iter_mut().for_each(|(_, roles)| roles.retain(|known| known != role));
            }
            AuthRequest::RoleGrantPermission { role, permission } => {
                let Permission { kind, range } = permission.as_ref().unwrap();
                if matches!(&range.end, End::Before(end) if *end <= range.start) {
                    return Err(Error::InvalidAuthManagement);
                }
                if !known(&self.roles, role) {
                    return Err(Error::RoleNotFound);
                }
                self.grants.retain(|(known, old, _)| !(known == role && old == range));
                self.grants.push((role.clone(), range.clone(), *kind));
            }
            AuthRequest::RoleRevokePermission { role, range } => {
                if !known(&self.roles, role) {
                    return Err(Error::RoleNotFound);
                }
                let before = self.grants.len();
                self.grants.retain(|(known, old, _)| !(known == role && old == range));
                if self.grants.len() == before {
                    return Err(Error::PermissionNotGranted);
                }
            }
            other => unreachable!("not generated: {other}"),
        }
        Ok(())
    }

    fn permit(&self, who: Option<&Identity>, op: &TxnOp) -> Result<(), Error> {
        use PermissionKind::{Read, Write};
        match op {
            TxnOp::Put(put) => {
                let key = KeyRange::single(put.key.clone());
                self.may(who, &key, Write)?;
                if put.prev_kv { self.may(who, &key, Read) } else { Ok(()) }
            }
            TxnOp::Range(range) => self.may(who, &range.range, Read),
            TxnOp::DeleteRange(delete) => {
                self.may(who, &delete.range, Write)?;
                if delete.prev_kv { self.may(who, &delete.range, Read) } else { Ok(()) }
            }
            TxnOp::Txn(txn) => {
                for compare in &txn.compares {
                    self.may(who, &compare.range, Read)?;
                }
                txn.success.iter().chain(&txn.failure).try_for_each(|op| self.permit(who, op))
            }
        }
    }
}

/// One point for each stretch of keys that no range tells apart.
fn points() -> Vec<Key> {
    let behind = |key: &str| Key::from(format!("{key}\0").into_bytes());
    let points = BOUNDARIES.iter().flat_map(|key| [Key::from(*key), behind(key)]);
    std::iter::once(Key::from("a")).chain(points).collect()
}

#[derive(Clone, Debug)]
enum Act {
    Manage(AuthRequest),
    Do(TxnOp),
}

fn range() -> impl Strategy<Value = KeyRange> + Clone {
    let key = || select(&BOUNDARIES[..]);
    prop_oneof![
        2 => key().prop_map(KeyRange::single),
        // Mostly neither empty nor backwards.
        4 => (0..4_usize, 1..5_usize).prop_map(|(from, length)| {
            KeyRange::span(BOUNDARIES[from], BOUNDARIES[(from + length) % BOUNDARIES.len()])
        }),
        1 => key().prop_map(KeyRange::from_key),
    ]
}

fn manage() -> impl Strategy<Value = AuthRequest> {
    let user = || select(&USERS[..]).prop_map(str::to_owned);
    let role = || select(&ROLES[..]).prop_map(str::to_owned);
    let kind = select(vec![PermissionKind::Read, PermissionKind::Write, PermissionKind::ReadWrite]);
    prop_oneof![
        2 => Just(AuthRequest::Enable),
        1 => Just(AuthRequest::Disable),
        3 => user().prop_map(|user| AuthRequest::UserAdd { user, credential: Credential::None }),
        1 => user().prop_map(AuthRequest::UserDelete),
        4 => (user(), role()).prop_map(|(user, role)| AuthRequest::UserGrantRole { user, role }),
        1 => (user(), role()).prop_map(|(user, role)| AuthRequest::UserRevokeRole { user, role }),
        2 => role().prop_map(AuthRequest::RoleAdd),
        1 => role().prop_map(AuthRequest::RoleDelete),
        6 => (role(), kind, range()).prop_map(|(role, kind, range)| {
            AuthRequest::RoleGrantPermission { role, permission: Some(Permission { kind, range }) }
        }),
        1 => (role(), range())
            .prop_map(|(role, range)| AuthRequest::RoleRevokePermission { role, range }),
    ]
}

fn op() -> impl Strategy<Value = TxnOp> {
    let key = || select(&BOUNDARIES[..]);
    let leaf = prop_oneof![
        (key(), any::<bool>()).prop_map(|(key, prev_kv)| {
            TxnOp::Put(PutRequest { prev_kv, ..PutRequest::new(key, "v") })
        }),
        range().prop_map(|range| TxnOp::Range(RangeRequest::new(range))),
        (range(), any::<bool>()).prop_map(|(range, prev_kv)| {
            TxnOp::DeleteRange(DeleteRangeRequest { range, prev_kv })
        }),
    ];
    let compare = range().prop_map(|range| Compare {
        range,
        relation: Relation::Equal,
        target: CompareTarget::Version(1),
    });
    leaf.prop_recursive(2, 4, 2, move |inner| {
        (vec(compare.clone(), 0..2), vec(inner.clone(), 0..2), vec(inner, 1..2)).prop_map(
            |(compares, success, failure)| TxnOp::Txn(TxnRequest { compares, success, failure }),
        )
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![3 => manage().prop_map(Act::Manage), 2 => op().prop_map(Act::Do)]
}

/// Who asks: nobody, or a user, as of now or of some changes ago.
fn who() -> impl Strategy<Value = Option<(&'static str, u64)>> {
    let age = prop_oneof![4 => Just(0_u64), 1 => 1..3_u64];
    prop_oneof![
        1 => Just(None),
        8 => (prop_oneof![2 => Just("root"), 1 => Just("alice"), 1 => Just("bob")], age)
            .prop_map(Some),
    ]
}

fn copy(store: &mut Store) -> Store {
    let view = store.open_view();
    let mut restore = Restore::new(Mutations::none());
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        let part = store.part(&view, &at, 60);
        restore.push(&part.bytes).unwrap();
        cursor = part.next;
    }
    store.close_view(&view);
    restore.finish().unwrap()
}

fn as_request(op: &TxnOp) -> Request {
    match op.clone() {
        TxnOp::Put(put) => Request::Put(put),
        TxnOp::Range(range) => Request::Range(range),
        TxnOp::DeleteRange(delete) => Request::DeleteRange(delete),
        TxnOp::Txn(txn) => Request::Txn(txn),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_permits_what_the_model_permits(acts in vec((who(), act()), 1..60)) {
        let mut store = Store::new(Mutations::none());
        let mut model = Model::default();
        for setup in [
            AuthRequest::UserAdd { user: "root".into(), credential: Credential::None },
            AuthRequest::UserGrantRole { user: "root".into(), role: "root".into() },
        ] {
            store.apply(&Request::Auth(setup.clone())).unwrap();
            model.apply(None, &setup).unwrap();
        }
        for (who, act) in &acts {
            let revision = AuthRevision(1 + model.changes);
            prop_assert_eq!(store.auth().revision(), revision);
            let who = who.map(|(user, age)| Identity {
                user: user.to_owned(),
                revision: AuthRevision(revision.0.saturating_sub(age)),
            });
            let before = (store.chain(), store.digest());
            let (expected, found) = match act {
                Act::Manage(request) => (
                    model.apply(who.as_ref(), request),
                    store.apply_for(who.as_ref(), &Request::Auth(request.clone())),
                ),
                Act::Do(op) => (
                    model.permit(who.as_ref(), op),
                    store.apply_for(who.as_ref(), &as_request(op)),
                ),
            };
            prop_assert_eq!(found.as_ref().err(), expected.as_ref().err(), "{:?}", act);
            if found.is_err() {
                prop_assert_eq!((store.chain(), store.digest()), before, "a refusal left a trace");
            }
            store.check_invariants();
        }
        let restored = copy(&mut store);
        prop_assert_eq!(restored.auth(), store.auth());
        prop_assert_eq!((restored.chain(), restored.digest()), (store.chain(), store.digest()));
    }
}

#[test]
fn a_snapshot_holds_users_as_they_were_when_it_was_begun() {
    let mut store = Store::new(Mutations::none());
    let add = |user: &str| {
        Request::Auth(AuthRequest::UserAdd { user: user.into(), credential: Credential::None })
    };
    store.apply(&add("alice")).unwrap();
    let view = store.open_view();
    store.apply(&add("bob")).unwrap();
    let part = store.part(&view, &Cursor::start(), 1 << 16);
    let mut restore = Restore::new(Mutations::none());
    restore.push(&part.bytes).unwrap();
    let restored = restore.finish().unwrap();
    assert!(restored.auth().has_user("alice") && !restored.auth().has_user("bob"));
    assert_ne!(restored.digest(), store.digest());
    let Body::Auth(users) = restored.read(&Request::Auth(AuthRequest::UserList)).unwrap() else {
        panic!("users are asked for");
    };
    assert_eq!(users, whitewater_api::AuthResponse::Users(vec!["alice".into()]));
}
