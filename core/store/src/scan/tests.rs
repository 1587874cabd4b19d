use super::*;
use whitewater_api::{KeyRange, request::PutRequest};
use whitewater_mutation::Mutations;

const KEYS: usize = 100;

fn put(store: &mut Store, number: usize) {
    let key = format!("k{:02}", number % KEYS);
    store.apply(&Request::Put(PutRequest::new(key, format!("v{number}")))).unwrap();
}

/// A hundred keys, each of them put once.
fn filled() -> Store {
    let mut store = Store::new(Mutations::none());
    (0..KEYS).for_each(|number| put(&mut store, number));
    store
}

/// What a read tells in steps of so many rows, and how many it took, while this goes on between them.
fn read(
    store: &mut Store,
    request: &RangeRequest,
    rows: usize,
    mut meanwhile: impl FnMut(&mut Store),
) -> (RangeResponse, usize) {
    let mut scan = store.scan_for(None, &Request::Range(request.clone())).unwrap();
    let view = store.open_view();
    for steps in 1.. {
        if let Some(answer) = scan.step(store, &mut { rows }) {
            store.close_view(&view);
            return (answer, steps);
        }
        meanwhile(store);
    }
    unreachable!("it comes to its end")
}

#[test]
fn a_step_looks_at_so_many_rows() {
    let mut store = filled();
    let all = RangeRequest::new(KeyRange::all());
    let (answer, steps) = read(&mut store, &all, 10, |_| {});
    assert_eq!((answer.kvs.len(), answer.count, steps), (KEYS, 100, 10));
    let sort = Some(Sort { target: SortTarget::Mod, descending: true });
    let newest = RangeRequest { sort, limit: 20, ..all.clone() };
    // Those that are put into order are looked at a second time.
    let (answer, steps) = read(&mut store, &newest, 10, |_| {});
    assert_eq!((answer.kvs.len(), answer.count, steps), (20, 100, 12));
    assert_eq!(answer.kvs[0].key, "k99".into());
    let count = RangeRequest { count_only: true, ..all };
    assert_eq!(read(&mut store, &count, 0, |_| {}).1, 1, "a count looks at no rows");
}

/// Where so much has changed that only a look at every key tells how many there were, that look is taken in steps too.
#[test]
fn a_count_behind_many_changes_goes_by_rows() {
    let mut store = filled();
    let revision = store.revision();
    (0..5_000).for_each(|number| put(&mut store, number));
    assert_eq!(store.count(&KeyRange::all(), revision), None);
    let page = RangeRequest { limit: 3, revision, ..RangeRequest::new(KeyRange::all()) };
    let expected = store.range(&page, Revision(0)).unwrap();
    assert_eq!((expected.kvs.len(), expected.more, expected.count), (3, true, 100));
    for request in [page.clone(), RangeRequest { count_only: true, ..page }] {
        let (answer, steps) = read(&mut store, &request, 10, |store| put(store, 7));
        assert_eq!((answer.count, answer.more, steps), (100, !request.count_only, 10));
    }
}

/// The changes come to be many while a page is read whose limit is reached later.
#[test]
fn a_count_that_becomes_dear_meanwhile_is_the_same() {
    let mut store = filled();
    let page = RangeRequest { limit: 50, ..RangeRequest::new(KeyRange::all()) };
    let (answer, steps) = read(&mut store, &page, 10, |store| {
        // New keys too, which are looked at and not counted.
        for number in 0..1_000 {
            put(store, number);
            let put = PutRequest::new(format!("n{}", number % 50), "new");
            store.apply(&Request::Put(put)).unwrap();
        }
    });
    assert_eq!((answer.kvs.len(), answer.more, answer.count, steps), (50, true, 100, 15));
}
