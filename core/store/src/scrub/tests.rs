use crate::store::Store;
use whitewater_api::{
    Body, KeyRange, Request, Revision,
    request::{CompactRequest, DeleteRangeRequest, PutRequest, RangeRequest},
};
use whitewater_mutation::{Mutation, Mutations};

fn put(store: &mut Store, key: &str) {
    store.apply(&Request::Put(PutRequest::new(key, "v"))).unwrap();
}

fn delete(store: &mut Store, key: &str) {
    let delete = DeleteRangeRequest { range: KeyRange::single(key), prev_kv: false };
    store.apply(&Request::DeleteRange(delete)).unwrap();
}

fn compact(store: &mut Store, revision: u64) {
    let compact = CompactRequest { revision: Revision(revision), physical: false };
    store.apply(&Request::Compact(compact)).unwrap();
}

/// The revisions of the versions held of a key.
fn held(store: &Store, key: &str) -> Vec<u64> {
    let history = store.keys.get(&key.into());
    history.iter().flat_map(|history| history.iter()).map(|version| version.modified.0).collect()
}

/// a: written at 2, 3, 5 and deleted at 6; b: written at 4, deleted at 7; c: written at 8.
fn store(mutations: Mutations) -> Store {
    let mut store = Store::new(mutations);
    put(&mut store, "a");
    put(&mut store, "a");
    put(&mut store, "b");
    put(&mut store, "a");
    delete(&mut store, "a");
    delete(&mut store, "b");
    put(&mut store, "c");
    store
}

#[test]
fn scrubbing_leaves_just_what_the_compaction_does() {
    let left = |revision| {
        let mut store = store(Mutations::none());
        compact(&mut store, revision);
        while store.scrub(1) {
            store.check_invariants();
        }
        store.check_invariants();
        [held(&store, "a"), held(&store, "b"), held(&store, "c")]
    };
    assert_eq!(left(2), [vec![2, 3, 5, 6], vec![4, 7], vec![8]]);
    assert_eq!(left(4), [vec![3, 5, 6], vec![4, 7], vec![8]]);
    assert_eq!(left(5), [vec![5, 6], vec![4, 7], vec![8]]);
    assert_eq!(left(6), [vec![6], vec![4, 7], vec![8]], "the tombstone at 6 stays");
    assert_eq!(left(7), [vec![], vec![7], vec![8]]);
    assert_eq!(left(8), [vec![], vec![], vec![8]]);
}

#[test]
fn compactions_one_after_another_leave_the_same_as_one() {
    let mut steps = store(Mutations::none());
    for revision in 2..=8 {
        compact(&mut steps, revision);
        while steps.scrub(1) {}
        steps.check_invariants();
    }
    let mut once = store(Mutations::none());
    compact(&mut once, 8);
    assert_eq!(steps.digest(), once.digest(), "before the scrub");
    while once.scrub(2) {}
    assert_eq!(steps.digest(), once.digest(), "after it");
    assert_eq!(steps.bytes(), once.bytes());
    assert_ne!(steps.chain(), once.chain());
}

#[test]
fn scrubbing_frees_bytes_in_bounded_steps() {
    let mut store = Store::new(Mutations::none());
    for _ in 0..100 {
        put(&mut store, "hot");
    }
    compact(&mut store, 101);
    let mut steps = 0;
    let mut bytes = store.bytes();
    let one = bytes / 100;
    while store.scrub(1) {
        steps += 1;
        assert!(bytes - store.bytes() <= one, "one version a step");
        bytes = store.bytes();
    }
    assert_eq!(steps, 99);
    assert_eq!(store.bytes(), one);
}

#[test]
fn scrubbing_waits_while_a_view_is_open() {
    let mut store = store(Mutations::none());
    let (one, other) = (store.open_view(), store.open_view());
    compact(&mut store, 8);
    assert!(store.scrub(100));
    store.close_view(&one);
    assert!(store.scrub(100));
    assert_eq!(held(&store, "a"), [2, 3, 5, 6]);
    store.close_view(&other);
    assert!(!store.scrub(100));
    assert_eq!(held(&store, "a"), [0; 0]);
}

#[test]
fn a_deleted_key_that_is_put_again_survives() {
    let mut store = store(Mutations::none());
    put(&mut store, "a");
    compact(&mut store, 8);
    while store.scrub(1) {}
    assert_eq!(held(&store, "a"), [9]);
    put(&mut store, "a");
    compact(&mut store, 10);
    while store.scrub(1) {}
    assert_eq!(held(&store, "a"), [10]);
    store.check_invariants();
}

#[test]
fn mutation_compaction_drops_live_loses_what_was_written_at_its_revision() {
    let count = |mutations| {
        let mut store = store(mutations);
        compact(&mut store, 8);
        while store.scrub(1) {}
        store.check_invariants();
        let all = Request::Range(RangeRequest::new(KeyRange::from_key("a")));
        let Body::Range(response) = store.read(&all).unwrap() else { panic!("not a range") };
        response.count
    };
    assert_eq!(count(Mutations::none()), 1);
    assert_eq!(count(Mutations::none().with(Mutation::CompactionDropsLive)), 0);
}
