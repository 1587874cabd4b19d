use super::*;
use crate::{Cursor, Restore};
use whitewater_api::{
    Body, KeyRange, LeaseRequest, Request, Revision,
    request::{DeleteRangeRequest, PutRequest, RangeRequest, TxnOp, TxnRequest},
};
use whitewater_mutation::Mutations;

const A: LeaseId = LeaseId(7);
const B: LeaseId = LeaseId(-3);

fn store() -> Store {
    let mut store = Store::new(Mutations::none());
    grant(&mut store, A, 60).unwrap();
    grant(&mut store, B, 10).unwrap();
    store
}

fn grant(store: &mut Store, lease: LeaseId, ttl: i64) -> Result<Body, Error> {
    store.apply(&Request::Lease(LeaseRequest::Grant { lease, ttl }))
}

fn on(key: &str, lease: LeaseId) -> PutRequest {
    PutRequest { lease, ..PutRequest::new(key, "v") }
}

fn put(store: &mut Store, put: PutRequest) {
    store.apply(&Request::Put(put)).unwrap();
    store.check_invariants();
}

fn keys(store: &Store, lease: LeaseId) -> Vec<String> {
    store.lease(lease).unwrap().keys().map(ToString::to_string).collect()
}

fn live(store: &Store) -> Vec<String> {
    let all = Request::Range(RangeRequest::new(KeyRange::all()));
    let Ok(Body::Range(range)) = store.read(&all) else { panic!("a range") };
    range.kvs.iter().map(|kv| kv.key.to_string()).collect()
}

/// A snapshot of the view in parts of so many bytes.
fn snapshot(store: &Store, view: &View, bytes_max: usize) -> Store {
    let mut restore = Restore::new(Mutations::none());
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        let part = store.part(view, &at, bytes_max);
        restore.push(&part.bytes).unwrap();
        cursor = part.next;
    }
    restore.finish().unwrap()
}

#[test]
fn a_put_attaches_moves_keeps_and_detaches() {
    let mut store = store();
    put(&mut store, on("k", A));
    assert_eq!(keys(&store, A), ["k"]);
    put(&mut store, on("k", B));
    assert_eq!((keys(&store, A), keys(&store, B)), (vec![], vec!["k".to_owned()]));
    put(&mut store, PutRequest { ignore_lease: true, ..PutRequest::new("k", "w") });
    assert_eq!(keys(&store, B), ["k"]);
    put(&mut store, PutRequest::new("k", "v"));
    assert!(keys(&store, B).is_empty());
}

#[test]
fn a_delete_detaches() {
    let mut store = store();
    put(&mut store, on("k", A));
    let delete = DeleteRangeRequest { range: KeyRange::all(), prev_kv: false };
    store.apply(&Request::DeleteRange(delete)).unwrap();
    store.check_invariants();
    assert!(keys(&store, A).is_empty());
    put(&mut store, PutRequest::new("k", "v"));
    store.revoke(A).unwrap();
    assert_eq!(live(&store), ["k"]);
}

#[test]
fn a_revocation_deletes_at_one_revision_in_key_order() {
    let mut store = store();
    put(&mut store, on("b", A));
    put(&mut store, on("a", A));
    put(&mut store, on("c", B));
    let before = store.revision();
    store.revoke(A).unwrap();
    store.check_invariants();
    assert_eq!(store.revision(), before.next());
    let changes: Vec<_> = store.journal.changes.iter().rev().take(2).collect();
    assert_eq!((changes[1].key.to_string(), changes[0].key.to_string()), ("a".into(), "b".into()));
    assert!(changes.iter().all(|change| change.revision == before.next()));
    assert_eq!(live(&store), ["c"]);
}

#[test]
fn a_revocation_without_keys_makes_no_revision() {
    let mut store = store();
    let chain = store.chain();
    store.revoke(A).unwrap();
    assert_eq!(store.revision(), Revision::FIRST);
    assert_ne!(store.chain(), chain, "but it is an effect");
    assert_eq!(store.revoke(A), Err(Error::LeaseNotFound));
}

#[test]
fn an_id_is_granted_once() {
    let mut store = store();
    put(&mut store, on("k", A));
    let digest = store.digest();
    assert_eq!(grant(&mut store, A, 5), Err(Error::LeaseExists));
    assert_eq!(store.digest(), digest);
    store.revoke(A).unwrap();
    assert!(grant(&mut store, A, 5).is_ok(), "its end frees the id");
}

#[test]
fn a_put_on_an_unknown_lease_is_refused() {
    let mut store = store();
    let put = store.apply(&Request::Put(on("k", LeaseId(99))));
    assert_eq!(put, Err(Error::LeaseNotFound));
}

#[test]
fn a_failed_txn_hangs_nothing_up_and_takes_nothing_down() {
    let mut store = store();
    put(&mut store, on("k", A));
    let before = (store.digest(), store.chain(), store.bytes());
    let success = vec![
        TxnOp::Put(on("k", B)),
        TxnOp::Put(on("new", A)),
        TxnOp::Put(on("fails", LeaseId(99))),
    ];
    let txn = Request::Txn(TxnRequest { success, ..TxnRequest::default() });
    assert_eq!(store.apply(&txn), Err(Error::LeaseNotFound));
    store.check_invariants();
    assert_eq!((store.digest(), store.chain(), store.bytes()), before);
    assert_eq!(keys(&store, A), ["k"]);
}

#[test]
fn a_checkpoint_sets_what_is_left_and_zero_sets_it_back() {
    let mut store = store();
    let mut left = |lease, remaining| {
        store.checkpoint(&[LeaseCheckpoint { lease, remaining }]);
        store.check_invariants();
        store.lease(A).map(Lease::remaining)
    };
    assert_eq!(left(A, 20), Some(20));
    assert_eq!(left(A, 0), Some(60));
    assert_eq!(left(A, 61), Some(60), "never more than was granted");
    assert_eq!(left(LeaseId(99), 5), Some(60), "one that has ended is skipped");
}

#[test]
fn a_view_keeps_the_leases_of_its_moment() {
    let mut store = store();
    for id in 20..40 {
        grant(&mut store, LeaseId(id), 30).unwrap();
    }
    put(&mut store, on("k", A));
    let digest = store.digest();
    let view = store.open_view();
    store.revoke(A).unwrap();
    grant(&mut store, A, 5).unwrap();
    grant(&mut store, LeaseId(50), 5).unwrap();
    store.checkpoint(&[LeaseCheckpoint { lease: B, remaining: 1 }]);
    store.revoke(LeaseId(39)).unwrap();
    for bytes_max in [0, 100, 150, 1 << 20] {
        let restored = snapshot(&store, &view, bytes_max);
        restored.check_invariants();
        assert_eq!(restored.digest(), digest);
        assert_eq!(restored.lease(A).map(Lease::granted), Some(60));
        assert_eq!(keys(&restored, A), ["k"]);
    }
    store.close_view(&view);
}

#[test]
fn leases_are_weighed() {
    let mut store = store();
    let before = store.bytes();
    put(&mut store, PutRequest::new("k", "v"));
    let plain = store.bytes() - before;
    put(&mut store, on("k", A));
    assert_eq!(store.bytes() - before, 2 * plain + LINK_BYTES);
    store.revoke(B).unwrap();
    assert_eq!(store.bytes() - before, 2 * plain + LINK_BYTES - LEASE_BYTES);
}
