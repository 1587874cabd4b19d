use super::*;
use whitewater_api::Value;
use whitewater_api::{
    KeyRange, KeyValue,
    request::{
        CompactRequest, Compare, CompareTarget, RangeRequest, Relation, Sort, SortTarget, TxnOp,
        TxnRequest,
    },
    response::{RangeResponse, TxnOpResponse, TxnResponse},
};

fn store() -> Store {
    Store::new(Mutations::none())
}

fn mutated(mutation: Mutation) -> Store {
    Store::new(Mutations::none().with(mutation))
}

fn put(store: &mut Store, key: &str, value: &str) {
    store.apply(&Request::Put(PutRequest::new(key, value))).unwrap();
}

fn delete(store: &mut Store, range: KeyRange) -> u64 {
    let delete = DeleteRangeRequest { range, prev_kv: false };
    let body = store.apply(&Request::DeleteRange(delete)).unwrap();
    let Body::DeleteRange(response) = body else { panic!("{body:?}") };
    response.deleted
}

fn compact(store: &mut Store, revision: u64) -> Result<Body, Error> {
    store.apply(&Request::Compact(CompactRequest { revision: Revision(revision), physical: false }))
}

fn range(store: &Store, request: RangeRequest) -> Result<RangeResponse, Error> {
    let Body::Range(response) = store.read(&Request::Range(request))? else {
        panic!("not a range")
    };
    Ok(response)
}

fn get_at(store: &Store, key: &str, revision: u64) -> Result<Option<KeyValue>, Error> {
    let request = RangeRequest { revision: Revision(revision), ..single(key) };
    range(store, request).map(|response| response.kvs.into_iter().next())
}

fn get(store: &Store, key: &str) -> Option<KeyValue> {
    get_at(store, key, 0).unwrap()
}

fn single(key: &str) -> RangeRequest {
    RangeRequest::new(KeyRange::single(key))
}

fn all() -> RangeRequest {
    RangeRequest::new(KeyRange::from_key("a"))
}

fn txn(store: &mut Store, txn: TxnRequest) -> Result<TxnResponse, Error> {
    let Body::Txn(response) = store.apply(&Request::Txn(txn))? else { panic!("not a txn") };
    Ok(response)
}

fn then(success: Vec<TxnOp>) -> TxnRequest {
    TxnRequest { success, ..TxnRequest::default() }
}

fn op_put(key: &str, value: &str) -> TxnOp {
    TxnOp::Put(PutRequest::new(key, value))
}

fn op_delete(range: KeyRange) -> TxnOp {
    TxnOp::DeleteRange(DeleteRangeRequest { range, prev_kv: true })
}

fn holds(store: &Store, range: KeyRange, relation: Relation, target: CompareTarget) -> bool {
    let compares = vec![Compare { range, relation, target }];
    let txn = TxnRequest { compares, ..TxnRequest::default() };
    let body = store.read(&Request::Txn(txn)).unwrap();
    let Body::Txn(response) = body else { panic!("{body:?}") };
    response.succeeded
}

fn keys(response: &RangeResponse) -> Vec<String> {
    response.kvs.iter().map(|kv| kv.key.to_string()).collect()
}

/// Everything that a refused request must leave alone.
fn state(store: &Store) -> (u64, u64, u64, Revision, usize) {
    let rows = store.journal.changes.len();
    (store.chain(), store.digest(), store.bytes(), store.revision(), rows)
}

#[test]
fn an_empty_store_is_at_revision_one() {
    assert_eq!(store().revision(), Revision(1));
    assert_eq!(range(&store(), all()).unwrap(), RangeResponse::default());
}

#[test]
fn a_put_counts_versions_and_keeps_the_create_revision() {
    let mut store = store();
    put(&mut store, "a", "1");
    put(&mut store, "a", "2");
    let kv = get(&store, "a").unwrap();
    assert_eq!((kv.version, kv.create_revision, kv.mod_revision), (2, Revision(2), Revision(3)));
    assert_eq!(kv.value, "2".into());
    store.check_invariants();
}

#[test]
fn a_put_answers_with_what_was_there_if_asked() {
    let mut store = store();
    put(&mut store, "a", "1");
    let request = PutRequest { prev_kv: true, ..PutRequest::new("a", "2") };
    let Body::Put(response) = store.apply(&Request::Put(request)).unwrap() else { panic!() };
    assert_eq!(response.prev_kv.unwrap().value, "1".into());
}

#[test]
fn version_and_create_revision_start_again_after_a_delete() {
    let mut store = store();
    put(&mut store, "a", "1");
    put(&mut store, "a", "2");
    delete(&mut store, KeyRange::single("a"));
    put(&mut store, "a", "3");
    let kv = get(&store, "a").unwrap();
    assert_eq!((kv.version, kv.create_revision), (1, Revision(5)));
    store.check_invariants();
}

#[test]
fn a_delete_of_nothing_makes_no_revision() {
    let mut store = store();
    put(&mut store, "a", "1");
    let before = state(&store);
    assert_eq!(delete(&mut store, KeyRange::span("b", "z")), 0);
    assert_eq!(delete(&mut store, KeyRange::span("z", "a")), 0);
    assert_eq!(state(&store), before);
}

#[test]
fn a_delete_of_many_keys_is_one_revision_with_a_place_for_each() {
    let mut store = store();
    for key in ["a", "b", "c"] {
        put(&mut store, key, "1");
    }
    assert_eq!(delete(&mut store, KeyRange::span("a", "c")), 2);
    assert_eq!(store.revision(), Revision(5));
    let subs = ["a", "b"].map(|key| store.keys[&Key::from(key)].newest().place());
    assert_eq!(subs, [(Revision(5), 0), (Revision(5), 1)]);
    assert_eq!(get_at(&store, "a", 4).unwrap().unwrap().value, "1".into());
    assert_eq!(delete(&mut store, KeyRange::span("a", "c")), 0, "nothing is deleted twice");
}

#[test]
fn ignore_value_and_ignore_lease_want_a_key_that_is_there() {
    let mut store = store();
    let keep_value = PutRequest { ignore_value: true, ..PutRequest::new("a", "") };
    let keep_lease = PutRequest { ignore_lease: true, ..PutRequest::new("a", "2") };
    for request in [&keep_value, &keep_lease] {
        let before = state(&store);
        assert_eq!(store.apply(&Request::Put(request.clone())), Err(Error::KeyNotFound));
        assert_eq!(state(&store), before);
    }
    put(&mut store, "a", "1");
    store.apply(&Request::Put(keep_value.clone())).unwrap();
    assert_eq!(get(&store, "a").unwrap().value, "1".into());
    assert_eq!(get(&store, "a").unwrap().version, 2);
    delete(&mut store, KeyRange::single("a"));
    assert_eq!(store.apply(&Request::Put(keep_value)), Err(Error::KeyNotFound));
}

#[test]
fn no_lease_is_found_while_there_are_none() {
    let mut store = store();
    let leased = PutRequest { lease: LeaseId(7), ..PutRequest::new("a", "1") };
    assert_eq!(store.apply(&Request::Put(leased.clone())), Err(Error::LeaseNotFound));
    let outcome = txn(&mut store, then(vec![op_put("b", "1"), TxnOp::Put(leased)]));
    assert_eq!(outcome, Err(Error::LeaseNotFound));
    assert_eq!(store.revision(), Revision(1));
}

#[test]
fn count_is_of_the_whole_range_whatever_limit_and_filters() {
    let mut store = store();
    for key in ["a", "b", "c", "d"] {
        put(&mut store, key, key);
    }
    let limited = range(&store, RangeRequest { limit: 2, ..all() }).unwrap();
    assert_eq!((limited.count, limited.more, keys(&limited).len()), (4, true, 2));
    let exact = range(&store, RangeRequest { limit: 4, ..all() }).unwrap();
    assert_eq!((exact.count, exact.more), (4, false));
    let filtered = RangeRequest { min_mod_revision: Revision(4), limit: 2, ..all() };
    let filtered = range(&store, filtered).unwrap();
    assert_eq!(
        (filtered.count, filtered.more, keys(&filtered)),
        (4, false, vec!["c".into(), "d".into()])
    );
    let counted = range(&store, RangeRequest { count_only: true, limit: 1, ..all() }).unwrap();
    assert_eq!((counted.count, counted.more, counted.kvs.len()), (4, false, 0));
    let filters = RangeRequest { max_create_revision: Revision(1), ..single("a") };
    let filtered = range(&store, filters).unwrap();
    assert_eq!((filtered.count, filtered.kvs.len()), (1, 0));
}

#[test]
fn the_limit_applies_after_the_sort_and_ties_stay_in_key_order() {
    let mut store = store();
    for (key, value) in [("a", "2"), ("b", "3"), ("c", "3"), ("d", "1")] {
        put(&mut store, key, value);
    }
    let sorted = |target, descending| {
        let sort = Some(Sort { target, descending });
        let response = range(&store, RangeRequest { sort, limit: 2, ..all() }).unwrap();
        assert!(response.more);
        keys(&response).concat()
    };
    assert_eq!(sorted(SortTarget::Key, true), "dc");
    assert_eq!(sorted(SortTarget::Value, false), "da");
    assert_eq!(sorted(SortTarget::Value, true), "bc");
    assert_eq!(sorted(SortTarget::Mod, true), "dc");
    assert_eq!(sorted(SortTarget::Create, false), "ab");
    assert_eq!(sorted(SortTarget::Version, true), "ab");
}

#[test]
fn keys_only_leaves_the_values_out() {
    let mut store = store();
    put(&mut store, "a", "1");
    let kv = range(&store, RangeRequest { keys_only: true, ..all() }).unwrap().kvs.remove(0);
    assert!(kv.value.is_empty());
    assert_eq!(kv.version, 1);
}

#[test]
fn the_compaction_revision_itself_is_readable_and_below_is_not() {
    let mut store = store();
    put(&mut store, "a", "1");
    put(&mut store, "a", "2");
    put(&mut store, "a", "3");
    compact(&mut store, 3).unwrap();
    let compacted = Revision(3);
    for _ in 0..2 {
        assert_eq!(get_at(&store, "a", 2), Err(Error::Compacted { compacted }));
        assert_eq!(get_at(&store, "a", 3).unwrap().unwrap().value, "2".into());
        assert_eq!(get_at(&store, "a", 5), Err(Error::FutureRevision { current: Revision(4) }));
        while store.scrub(1) {}
        store.check_invariants();
    }
}

#[test]
fn compacting_again_or_ahead_is_refused() {
    let mut store = store();
    put(&mut store, "a", "1");
    assert_eq!(compact(&mut store, 3), Err(Error::FutureRevision { current: Revision(2) }));
    compact(&mut store, 2).unwrap();
    let before = state(&store);
    for revision in [0, 1, 2] {
        let compacted = Revision(2);
        assert_eq!(compact(&mut store, revision), Err(Error::Compacted { compacted }));
    }
    assert_eq!(state(&store), before);
}

#[test]
fn a_txn_is_one_revision_and_reads_see_its_earlier_writes() {
    let mut store = store();
    put(&mut store, "b", "0");
    let ops = vec![
        TxnOp::Range(all()),
        op_put("a", "1"),
        TxnOp::Range(all()),
        op_delete(KeyRange::single("b")),
        TxnOp::Range(all()),
        TxnOp::Range(RangeRequest { revision: Revision(2), ..all() }),
    ];
    let response = txn(&mut store, then(ops)).unwrap();
    let seen: Vec<_> = response
        .responses
        .iter()
        .filter_map(|op| match op {
            TxnOpResponse::Range(response) => Some(keys(response).concat()),
            TxnOpResponse::Put(_) | TxnOpResponse::DeleteRange(_) | TxnOpResponse::Txn(_) => None,
        })
        .collect();
    assert_eq!(seen, ["b", "ab", "a", "b"]);
    assert_eq!(store.revision(), Revision(3));
    store.check_invariants();
}

#[test]
fn a_txn_that_writes_nothing_makes_no_revision() {
    let mut store = store();
    let ops = vec![TxnOp::Range(all()), op_delete(KeyRange::single("a"))];
    txn(&mut store, then(ops)).unwrap();
    assert_eq!(store.revision(), Revision(1));
}

#[test]
fn nested_compares_look_at_the_state_before_the_whole_txn() {
    let mut store = store();
    let is_absent = Compare {
        range: KeyRange::single("a"),
        relation: Relation::Equal,
        target: CompareTarget::Mod(Revision(0)),
    };
    let nested = TxnRequest { compares: vec![is_absent], ..TxnRequest::default() };
    let response = txn(&mut store, then(vec![op_put("a", "1"), TxnOp::Txn(nested)])).unwrap();
    let TxnOpResponse::Txn(nested) = &response.responses[1] else { panic!() };
    assert!(nested.succeeded);
}

#[test]
fn the_revision_in_the_making_is_still_a_future_one() {
    let mut store = store();
    let future = RangeRequest { revision: Revision(2), ..all() };
    let outcome = txn(&mut store, then(vec![op_put("a", "1"), TxnOp::Range(future)]));
    assert_eq!(outcome, Err(Error::FutureRevision { current: Revision(1) }));
}

#[test]
fn a_compare_over_a_range_holds_for_every_key_in_it() {
    let mut store = store();
    put(&mut store, "a", "1");
    put(&mut store, "b", "2");
    put(&mut store, "b", "2");
    let both = || KeyRange::span("a", "c");
    assert!(holds(&store, both(), Relation::Greater, CompareTarget::Version(0)));
    assert!(!holds(&store, both(), Relation::Equal, CompareTarget::Version(1)));
    assert!(holds(&store, both(), Relation::Less, CompareTarget::Mod(Revision(5))));
    assert!(!holds(&store, both(), Relation::Less, CompareTarget::Mod(Revision(4))));
    assert!(holds(&store, both(), Relation::NotEqual, CompareTarget::Value("3".into())));
    assert!(!holds(&store, both(), Relation::NotEqual, CompareTarget::Value("2".into())));
    assert!(holds(&store, both(), Relation::Equal, CompareTarget::Lease(LeaseId::NONE)));
    assert!(holds(&store, both(), Relation::Less, CompareTarget::Create(Revision(4))));
}

#[test]
fn where_no_key_is_numbers_are_zero_and_no_value_compares() {
    let mut store = store();
    put(&mut store, "a", "1");
    delete(&mut store, KeyRange::single("a"));
    let nowhere = [KeyRange::single("a"), KeyRange::span("x", "y"), KeyRange::span("y", "x")];
    for range in nowhere {
        let holds = |relation, target| holds(&store, range.clone(), relation, target);
        assert!(holds(Relation::Equal, CompareTarget::Version(0)));
        assert!(holds(Relation::Equal, CompareTarget::Create(Revision(0))));
        assert!(holds(Relation::Less, CompareTarget::Mod(Revision(1))));
        assert!(!holds(Relation::Greater, CompareTarget::Mod(Revision(0))));
        assert!(holds(Relation::Equal, CompareTarget::Lease(LeaseId::NONE)));
        for relation in [Relation::Equal, Relation::NotEqual, Relation::Less, Relation::Greater] {
            assert!(!holds(relation, CompareTarget::Value(Value::default())));
        }
    }
}

#[test]
fn a_failing_txn_leaves_nothing_behind() {
    let mut store = store();
    put(&mut store, "a", "1");
    put(&mut store, "b", "1");
    delete(&mut store, KeyRange::single("b"));
    let before = state(&store);
    let nested = then(vec![op_delete(KeyRange::from_key("a")), op_put("a", "3")]);
    let ops = vec![
        op_put("a", "2"),
        op_put("new", "2"),
        TxnOp::Txn(nested),
        TxnOp::Put(PutRequest { ignore_value: true, ..PutRequest::new("b", "") }),
    ];
    assert_eq!(txn(&mut store, then(ops)), Err(Error::KeyNotFound));
    assert_eq!(state(&store), before);
    assert_eq!(get(&store, "new"), None);
    store.check_invariants();
}

#[test]
fn mutation_failed_txn_writes_leaves_the_first_writes() {
    let outcome = |mut store: Store| {
        let future = RangeRequest { revision: Revision(9), ..all() };
        txn(&mut store, then(vec![op_put("a", "1"), TxnOp::Range(future)])).unwrap_err();
        store.check_invariants();
        (get(&store, "a").is_some(), store.revision())
    };
    assert_eq!(outcome(store()), (false, Revision(1)));
    assert_eq!(outcome(mutated(Mutation::FailedTxnWrites)), (true, Revision(2)));
}

#[test]
fn mutation_version_not_reset_goes_on_counting() {
    let version = |mut store: Store| {
        put(&mut store, "a", "1");
        delete(&mut store, KeyRange::single("a"));
        put(&mut store, "a", "2");
        store.check_invariants();
        get(&store, "a").unwrap().version
    };
    assert_eq!(version(store()), 1);
    assert_eq!(version(mutated(Mutation::VersionNotReset)), 2);
}

#[test]
fn mutation_nondeterministic_apply_lets_the_scrub_decide() {
    let chains = |mutations: Mutations| {
        let replica = |scrubs: usize, views: usize| {
            let mut store = Store::new(mutations);
            for value in ["1", "2", "3"] {
                put(&mut store, "a", value);
            }
            for _ in 0..views {
                store.open_view();
            }
            compact(&mut store, 4).unwrap();
            store.scrub(scrubs);
            let past = RangeRequest { revision: Revision(2), ..all() };
            let outcome = txn(&mut store, then(vec![op_put("b", "1"), TxnOp::Range(past)]));
            store.check_invariants();
            (store.chain(), outcome.is_ok())
        };
        [replica(0, 0), replica(9, 0), replica(9, 1)]
    };
    let clean = chains(Mutations::none());
    assert_eq!(clean.map(|(_, is_ok)| is_ok), [false; 3]);
    assert!(clean.iter().all(|replica| *replica == clean[0]));
    let mutated = chains(Mutations::none().with(Mutation::NondeterministicApply));
    assert_eq!(mutated.map(|(_, is_ok)| is_ok), [true, false, true]);
    assert_ne!(mutated[0].0, mutated[1].0);
}

#[test]
fn the_chain_tells_histories_apart_and_the_digest_contents() {
    let mut one = store();
    put(&mut one, "a", "1");
    put(&mut one, "b", "1");
    let mut other = store();
    put(&mut other, "b", "1");
    put(&mut other, "a", "1");
    assert_ne!(one.chain(), other.chain());
    assert_ne!(one.digest(), other.digest());
    let mut twin = store();
    put(&mut twin, "a", "1");
    put(&mut twin, "b", "1");
    assert_eq!((one.chain(), one.digest()), (twin.chain(), twin.digest()));
    compact(&mut twin, 2).unwrap();
    assert_ne!(one.chain(), twin.chain());
    assert_ne!(one.digest(), twin.digest());
}

#[test]
#[should_panic(expected = "not a read")]
fn a_write_is_no_read() {
    let _body = store().read(&Request::Put(PutRequest::new("a", "1")));
}
