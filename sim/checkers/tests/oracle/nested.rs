//! Conditions of transactions inside of others are about the state before the whole, whatever was put meanwhile (etcd,
//! `server/etcdserver/txn/txn.go`, `compareToPath`).

use crate::{in_turn, objections, spec::Spec, text};
use whitewater_api::{
    Body, Completion, KeyRange, Request, Revision,
    request::{Compare, CompareTarget, PutRequest, RangeRequest, Relation, TxnOp, TxnRequest},
    response::{TxnOpResponse, TxnResponse},
};
use whitewater_checkers::{Budget, Ruling, judge, search};
use whitewater_record::History;

/// Puts `v1` under `k`, then `v2` if that is still there, and asks the same inside. `corrupt` may change that answer.
fn history(corrupt: fn(&mut TxnResponse)) -> History {
    let unchanged = || Compare {
        range: KeyRange::single("k"),
        relation: Relation::Equal,
        target: CompareTarget::Mod(Revision(2)),
    };
    let get = TxnOp::Range(RangeRequest::new(KeyRange::single("k")));
    let inner = TxnRequest { compares: vec![unchanged()], success: vec![get], failure: Vec::new() };
    let success = vec![TxnOp::Put(PutRequest::new("k", "v2")), TxnOp::Txn(inner)];
    let outer = TxnRequest { compares: vec![unchanged()], success, failure: Vec::new() };
    let requests = [Request::Put(PutRequest::new("k", "v1")), Request::Txn(outer)];
    let mut spec = Spec::new();
    let operations = requests.into_iter().zip(0..).map(|(request, number)| {
        let mut response = spec.execute(&request);
        if let Body::Txn(txn) = &mut response.body {
            corrupt(txn);
        }
        in_turn(number, request, Completion::Ok(response))
    });
    History { operations: operations.collect(), ..History::default() }
}

fn inner(txn: &mut TxnResponse) -> &mut TxnResponse {
    let TxnOpResponse::Txn(inner) = &mut txn.responses[1] else { unreachable!("as it was asked") };
    inner
}

#[test]
fn what_a_transaction_puts_does_not_decide_what_it_does_inside() {
    let right = history(|txn| assert!(inner(txn).succeeded));
    assert_eq!(objections(&judge(&right, &Budget::default())), Vec::<&str>::new());
    assert_eq!(search(&right, &Budget::default()).ruling, Ruling::Holds, "{}", text(&right));
    let wrong = history(|txn| *inner(txn) = TxnResponse::default());
    assert!(objections(&judge(&wrong, &Budget::default())).contains(&"revision-order"));
    let searched = search(&wrong, &Budget::default()).ruling;
    assert!(matches!(searched, Ruling::Broken(_)), "{searched:?}");
}
