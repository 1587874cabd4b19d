use super::*;
use crate::Restore;
use whitewater_api::{
    KeyRange, Request,
    request::{CompactRequest, DeleteRangeRequest, PutRequest},
};
use whitewater_mutation::Mutations;

fn store(mutations: Mutations) -> Store {
    let mut store = Store::new(mutations);
    for n in 0..40 {
        let put = PutRequest::new(format!("k{}", n % 7), format!("v{n}"));
        store.apply(&Request::Put(put)).unwrap();
    }
    let delete = DeleteRangeRequest { range: KeyRange::span("k1", "k3"), prev_kv: false };
    store.apply(&Request::DeleteRange(delete)).unwrap();
    let compact = CompactRequest { revision: Revision(20), physical: false };
    store.apply(&Request::Compact(compact)).unwrap();
    store
}

fn parts(store: &Store, view: &View, bytes_max: usize) -> Vec<Bytes> {
    let mut parts = Vec::new();
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        let part = store.part(view, &at, bytes_max);
        assert_eq!(
            part.bytes,
            store.part(view, &at, bytes_max).bytes,
            "made again, a part is the same"
        );
        parts.push(part.bytes);
        cursor = part.next;
    }
    parts
}

fn restore(parts: &[Bytes]) -> Store {
    let mut restore = Restore::new(Mutations::none());
    for part in parts {
        restore.push(part).unwrap();
    }
    restore.finish().unwrap()
}

#[test]
fn parts_of_any_size_restore_the_same_store() {
    let mut store = store(Mutations::none());
    let view = store.open_view();
    for bytes_max in [0, 100, 300, 1000, usize::MAX] {
        let restored = restore(&parts(&store, &view, bytes_max));
        restored.check_invariants();
        assert_eq!(restored.digest(), store.digest());
        assert_eq!(restored.chain(), store.chain());
        assert_eq!(restored.revision(), store.revision());
        assert_eq!(restored.compacted(), store.compacted());
    }
    assert_eq!(parts(&store, &view, usize::MAX).len(), 1);
    let tiny = parts(&store, &view, 0);
    assert!(tiny.len() > 20, "one version each: a long history is cut too");
    assert!(tiny.iter().all(|part| part.len() < 120));
}

#[test]
fn an_empty_store_has_a_snapshot() {
    let mut store = Store::new(Mutations::none());
    let view = store.open_view();
    let restored = restore(&parts(&store, &view, 100));
    assert_eq!((restored.digest(), restored.chain()), (store.digest(), store.chain()));
}

#[test]
fn a_part_looks_at_a_bounded_number_of_keys() {
    let mut store = Store::new(Mutations::none());
    let view = store.open_view();
    for n in 0..=PART_KEYS_MAX {
        store.apply(&Request::Put(PutRequest::new(format!("k{n}"), ""))).unwrap();
    }
    let parts = parts(&store, &view, usize::MAX);
    assert_eq!(parts.len(), 2);
    assert_eq!(restore(&parts).revision(), Revision(1));
}

#[test]
fn a_restored_store_has_scrubbed_all_that_there_is() {
    let mut store = store(Mutations::none());
    let view = store.open_view();
    let mut restored = restore(&parts(&store, &view, 500));
    store.close_view(&view);
    while store.scrub(1) {}
    while restored.scrub(1) {}
    assert_eq!(restored.bytes(), store.bytes());
    assert_eq!(restored.journal.changes.len(), store.journal.changes.len());
}

#[test]
fn mutation_snapshot_without_tail_loses_the_last_key_unnoticed() {
    let has_tail = |mutations| {
        let mut store = store(mutations);
        let view = store.open_view();
        restore(&parts(&store, &view, 200)).keys.contains_key(&"k6".into())
    };
    assert!(has_tail(Mutations::none()));
    assert!(!has_tail(Mutations::none().with(Mutation::SnapshotWithoutTail)));
}

#[test]
#[should_panic(expected = "view 0 is not open")]
fn a_view_is_closed_once() {
    let mut store = store(Mutations::none());
    let view = store.open_view();
    store.close_view(&view);
    store.close_view(&view);
}
