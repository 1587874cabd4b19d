use super::*;
use proptest::prelude::*;
use whitewater_api::{
    AuthRequest, LeaseRequest, Request,
    auth::{Credential, Permission},
    request::{CompactRequest, DeleteRangeRequest, PutRequest},
};

fn put(key: &str, value: &str, lease: i64) -> Request {
    let put = PutRequest::new(key, value);
    Request::Put(PutRequest { lease: LeaseId(lease), ..put })
}

/// A store with all that a store can have.
fn furnished() -> Store {
    let mut store = Store::new(Mutations::none());
    let grant = |kind: PermissionKind, range: KeyRange| {
        let permission = Some(Permission { kind, range });
        Request::Auth(AuthRequest::RoleGrantPermission { role: "reader".into(), permission })
    };
    let add = |user: &str, credential: Credential| {
        Request::Auth(AuthRequest::UserAdd { user: user.into(), credential })
    };
    let give = |user: &str, role: &str| {
        let (user, role) = (user.into(), role.into());
        Request::Auth(AuthRequest::UserGrantRole { user, role })
    };
    let delete = DeleteRangeRequest { range: KeyRange::single("k2"), prev_kv: false };
    for request in [
        Request::Lease(LeaseRequest::Grant { lease: LeaseId(7), ttl: 60 }),
        put("k1", "a", 7),
        put("k1", "b", 0),
        put("k2", "c", 7),
        put("k3", "", 7),
        Request::DeleteRange(delete),
        put("k2", "again", 0),
        Request::Compact(CompactRequest { revision: Revision(3), physical: false }),
        Request::Auth(AuthRequest::RoleAdd("reader".into())),
        grant(PermissionKind::ReadWrite, KeyRange::prefix("k")),
        grant(PermissionKind::Read, KeyRange::single("one")),
        grant(PermissionKind::Write, KeyRange::from_key("x")),
        add("root", Credential::Hash("$2b$04$of.root".into())),
        add("alice", Credential::None),
        give("root", "root"),
        give("alice", "reader"),
        give("alice", "root"),
        Request::Auth(AuthRequest::Enable),
    ] {
        store.apply(&request).unwrap();
    }
    store
}

#[test]
fn what_is_written_as_etcd_has_it_comes_back_as_it_was() {
    let store = furnished();
    let back = Store::from_etcd(&store.to_etcd(), Mutations::none()).unwrap();
    assert_eq!(back.digest(), store.digest());
    assert_eq!(back.hash_kv(Revision::LATEST), store.hash_kv(Revision::LATEST));
    assert_eq!((back.revision(), back.compacted()), (store.revision(), store.compacted()));
    assert!(store.auth().is_enabled());
    assert_eq!(back.auth(), store.auth());
    back.check_invariants();
}

#[test]
fn what_is_no_database_of_etcd_is_refused_by_its_place() {
    let refused = |file: &[u8]| Store::from_etcd(file, Mutations::none()).unwrap_err();
    assert_eq!(refused(b"no database"), EtcdFileError::Bolt(BoltError::NoMeta));
    assert_eq!(refused(&Writer::new().finish()), EtcdFileError::NoBucket("key"));
    let mut writer = Writer::new();
    writer.bucket(b"key", [(b"k".to_vec(), b"v".to_vec())].into_iter());
    let row = EtcdFileError::Row { bucket: "key", row: 1, expected: "a revision" };
    assert_eq!(refused(&writer.finish()), row);
}

#[test]
fn one_revision_of_a_key_in_two_rows_is_refused() {
    let (version, mut row) = (Version::tombstone(Revision(2), 0), Vec::new());
    put_key_value(
        &mut row,
        &"k".into(),
        &Version { created: Revision(2), version: 1, ..version.clone() },
    );
    let (mut tombstone, mut writer) = (Vec::new(), Writer::new());
    put_revision(&mut tombstone, &version);
    let place = tombstone[..17].to_vec();
    writer.bucket(b"key", [(place, row.clone()), (tombstone, row)].into_iter());
    let expected = "a revision that the key does not have yet";
    let refused = Store::from_etcd(&writer.finish(), Mutations::none()).unwrap_err();
    assert_eq!(refused, EtcdFileError::Row { bucket: "key", row: 2, expected });
}

proptest! {
    #[test]
    fn a_damaged_database_is_refused_or_read_and_nothing_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
    ) {
        let mut file = furnished().to_etcd();
        for (place, bits) in flips {
            let place = place.index(file.len());
            file[place] ^= bits;
        }
        drop(Store::from_etcd(&file, Mutations::none()));
    }
}
