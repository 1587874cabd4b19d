use super::*;
use crate::view::Cursor;
use proptest::prelude::*;
use std::io::Write;
use whitewater_api::{
    AuthRequest, LeaseRequest, Request,
    auth::{Credential, Permission},
    request::{CompactRequest, DeleteRangeRequest, PutRequest},
};
use whitewater_bolt::{Layout, Writer};

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
        Request::Lease(LeaseRequest::Grant { lease: LeaseId(-7), ttl: 60 }),
        Request::Lease(LeaseRequest::Grant { lease: LeaseId(i64::MIN), ttl: 60 }),
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

/// The content as a database of etcd.
fn exported(store: &mut Store, part_bytes: usize) -> Vec<u8> {
    let (view, mut export, mut cursor) =
        (store.open_view(), EtcdFileBuilder::default(), Some(Cursor::start()));
    while let Some(at) = cursor {
        let part = store.part(&view, &at, part_bytes);
        export.push(part.bytes).unwrap();
        cursor = part.next;
    }
    store.close_view(&view);
    let (file, mut bytes) = (export.finish().unwrap(), Vec::new());
    file.write(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, file.bytes());
    bytes
}

/// A database of this bucket, if there is a name, and no other.
fn database(name: Option<&str>, rows: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    fn fill<W: Write>(
        mut writer: Writer<W>,
        name: Option<&str>,
        rows: &[(Vec<u8>, Vec<u8>)],
    ) -> Layout {
        if let Some(name) = name {
            writer.bucket(name.as_bytes(), rows.iter().map(|(key, value)| (key, value))).unwrap();
        }
        writer.finish().unwrap()
    }
    let mut file = Vec::new();
    let layout = fill(Writer::measure(), name, rows);
    fill(Writer::new(layout, &mut file).unwrap(), name, rows);
    file
}

#[test]
fn what_is_written_as_etcd_has_it_comes_back_as_it_was() {
    let mut store = furnished();
    let file = exported(&mut store, 1 << 20);
    assert_eq!(exported(&mut store, 1), file, "however it is cut");
    let back = Store::from_etcd(&file, Mutations::none()).unwrap();
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
    assert_eq!(refused(&database(None, &[])), EtcdFileError::NoBucket("key"));
    let row = EtcdFileError::Row { bucket: "key", row: 1, expected: "a revision" };
    assert_eq!(refused(&database(Some("key"), &[(b"k".to_vec(), b"v".to_vec())])), row);
}

#[test]
fn one_revision_of_a_key_in_two_rows_is_refused() {
    let (version, mut row) = (Version::tombstone(Revision(2), 0), Vec::new());
    put_key_value(
        &mut row,
        &"k".into(),
        &Version { created: Revision(2), version: 1, ..version.clone() },
    );
    let mut tombstone = Vec::new();
    put_revision(&mut tombstone, version.place(), true);
    let place = tombstone[..17].to_vec();
    let file = database(Some("key"), &[(place, row.clone()), (tombstone, row)]);
    let expected = "a revision that the key does not have yet";
    let refused = Store::from_etcd(&file, Mutations::none()).unwrap_err();
    assert_eq!(refused, EtcdFileError::Row { bucket: "key", row: 2, expected });
}

proptest! {
    #[test]
    fn a_damaged_database_is_refused_or_read_and_nothing_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
    ) {
        let mut file = exported(&mut furnished(), 1 << 20);
        for (place, bits) in flips {
            let place = place.index(file.len());
            file[place] ^= bits;
        }
        drop(Store::from_etcd(&file, Mutations::none()));
    }
}
