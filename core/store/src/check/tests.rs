use super::*;
use whitewater_api::request::{Compare, CompareTarget, DeleteRangeRequest, RangeRequest, Relation};

fn put(key: &str) -> TxnOp {
    TxnOp::Put(PutRequest::new(key, "v"))
}

fn delete(range: KeyRange) -> TxnOp {
    TxnOp::DeleteRange(DeleteRangeRequest { range, prev_kv: false })
}

fn nested(success: Vec<TxnOp>, failure: Vec<TxnOp>) -> TxnOp {
    TxnOp::Txn(TxnRequest { compares: Vec::new(), success, failure })
}

fn check(success: Vec<TxnOp>, failure: Vec<TxnOp>) -> Result<(), Error> {
    let txn = TxnRequest { compares: Vec::new(), success, failure };
    request(&Request::Txn(txn), 8)
}

#[test]
fn every_request_that_names_a_key_needs_one() {
    let nothing = || KeyRange::single("");
    let range = || RangeRequest::new(nothing());
    let compare =
        Compare { range: nothing(), relation: Relation::Equal, target: CompareTarget::Version(0) };
    let compares = TxnRequest { compares: vec![compare], ..TxnRequest::default() };
    let requests = [
        Request::Put(PutRequest::new("", "v")),
        Request::Range(range()),
        Request::DeleteRange(DeleteRangeRequest { range: nothing(), prev_kv: false }),
        Request::Txn(compares),
    ];
    for refused in requests {
        assert_eq!(request(&refused, 8), Err(Error::EmptyKey), "{refused}");
    }
    for op in [put(""), delete(nothing()), TxnOp::Range(range())] {
        assert_eq!(check(vec![op.clone()], vec![]), Err(Error::EmptyKey), "{op}");
        assert_eq!(check(vec![], vec![nested(vec![], vec![op])]), Err(Error::EmptyKey));
    }
}

#[test]
fn what_is_kept_must_not_be_given() {
    let value = PutRequest { ignore_value: true, ..PutRequest::new("a", "v") };
    assert_eq!(request(&Request::Put(value), 8), Err(Error::ValueProvided));
    let lease = PutRequest { ignore_lease: true, lease: LeaseId(1), ..PutRequest::new("a", "v") };
    assert_eq!(request(&Request::Put(lease), 8), Err(Error::LeaseProvided));
}

#[test]
fn compares_and_branches_are_limited_each() {
    let puts = |count: u32| (0..count).map(|n| put(&n.to_string())).collect::<Vec<_>>();
    assert_eq!(check(puts(8), puts(8)), Ok(()));
    assert_eq!(check(puts(9), vec![]), Err(Error::TooManyOps));
    assert_eq!(check(vec![], puts(9)), Err(Error::TooManyOps));
}

#[test]
fn a_nested_txn_has_what_the_outer_one_left() {
    let puts = |count: u32| (0..count).map(|n| put(&n.to_string())).collect::<Vec<_>>();
    assert_eq!(check(vec![nested(puts(7), vec![])], vec![]), Ok(()));
    assert_eq!(check(vec![nested(puts(8), vec![])], vec![]), Err(Error::TooManyOps));
    let with_compare = |ops| vec![nested(vec![], ops), put("x"), put("y")];
    assert_eq!(check(with_compare(puts(5)), vec![]), Ok(()));
    assert_eq!(check(with_compare(puts(6)), vec![]), Err(Error::TooManyOps));
}

#[test]
fn a_key_is_put_once() {
    assert_eq!(check(vec![put("a"), put("a")], vec![]), Err(Error::DuplicateKey));
    assert_eq!(check(vec![], vec![put("a"), put("a")]), Err(Error::DuplicateKey));
    assert_eq!(check(vec![put("a")], vec![put("a")]), Ok(()), "branches exclude each other");
    let deep = nested(vec![nested(vec![put("a")], vec![])], vec![]);
    assert_eq!(check(vec![put("a"), deep], vec![]), Err(Error::DuplicateKey));
}

#[test]
fn the_branches_of_a_nested_txn_may_put_the_same_key_but_siblings_may_not() {
    let both = nested(vec![put("a")], vec![put("a")]);
    assert_eq!(check(vec![both.clone()], vec![]), Ok(()));
    assert_eq!(check(vec![both.clone(), put("a")], vec![]), Err(Error::DuplicateKey));
    let failure_only = nested(vec![put("b")], vec![put("a")]);
    assert_eq!(check(vec![both, failure_only], vec![]), Err(Error::DuplicateKey));
}

#[test]
fn a_key_is_not_put_and_deleted() {
    let ranges = [
        KeyRange::single("b"),
        KeyRange::span("a", "c"),
        KeyRange::span("b", "c"),
        KeyRange::from_key("a"),
    ];
    for range in ranges {
        let refused = Err(Error::DuplicateKey);
        assert_eq!(check(vec![delete(range.clone()), put("b")], vec![]), refused, "{range}");
        assert_eq!(check(vec![put("b"), delete(range.clone())], vec![]), refused, "{range}");
        let inner = nested(vec![], vec![put("b")]);
        assert_eq!(check(vec![inner, delete(range.clone())], vec![]), refused, "{range}");
        let inner = nested(vec![], vec![delete(range.clone())]);
        assert_eq!(check(vec![inner, put("b")], vec![]), refused, "{range}");
        assert_eq!(check(vec![put("b")], vec![delete(range)]), Ok(()));
    }
    for range in [KeyRange::span("a", "b"), KeyRange::span("c", "a"), KeyRange::from_key("c")] {
        assert_eq!(check(vec![delete(range.clone()), put("b")], vec![]), Ok(()), "{range}");
    }
}

#[test]
fn deletes_may_overlap_and_their_union_counts() {
    let spans = [("a", "c"), ("e", "g"), ("b", "f"), ("x", "y")];
    let deletes: Vec<_> =
        spans.iter().map(|(start, end)| delete(KeyRange::span(*start, *end))).collect();
    for (key, is_free) in [("a", false), ("d", false), ("f", false), ("g", true), ("y", true)] {
        let ops = deletes.iter().cloned().chain([put(key)]).collect();
        assert_eq!(check(ops, vec![]).is_ok(), is_free, "{key}");
    }
}

#[test]
fn a_nested_put_is_held_against_an_earlier_delete_but_not_a_later_one() {
    let deletes = || nested(vec![delete(KeyRange::single("a"))], vec![]);
    let puts = || nested(vec![put("a")], vec![]);
    assert_eq!(check(vec![deletes(), puts()], vec![]), Err(Error::DuplicateKey));
    assert_eq!(check(vec![puts(), deletes()], vec![]), Ok(()), "as in etcd");
}
