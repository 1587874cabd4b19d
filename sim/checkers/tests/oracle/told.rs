//! A stale read may be the only one that tells whose a revision is, where a put that keeps the value is lost: the history of
//! seed 23003294 of swarm, in small.

use crate::{in_turn, objections, spec::Spec, text};
use whitewater_api::{
    Body, Completion, Error, KeyRange, Request, Value,
    request::{PutRequest, RangeRequest, TxnOp, TxnRequest},
};
use whitewater_checkers::{Budget, Ruling, judge, search};
use whitewater_record::History;

fn get(key: &str) -> RangeRequest {
    RangeRequest::new(KeyRange::single(key))
}

/// What may have kept the value of `b` never happened. What put `a` and `b` did, and only reads tell. `lie` may change the last one.
fn history(lie: fn(&mut Body)) -> History {
    let touch = Request::Put(PutRequest {
        ignore_value: true,
        ignore_lease: true,
        ..PutRequest::new("b", Value::default())
    });
    let put = |key: &str| TxnOp::Put(PutRequest::new(key, "v"));
    let both = TxnRequest { success: vec![put("a"), put("b")], ..TxnRequest::default() };
    let requests = [
        touch,
        Request::Txn(both),
        Request::Range(RangeRequest { serializable: true, ..get("a") }),
        Request::Range(get("b")),
        Request::Put(PutRequest::new("a", "w")),
        Request::Range(get("a")),
    ];
    let mut spec = Spec::new();
    let operations = requests.into_iter().zip(0..).map(|(request, number)| {
        let completion = match number {
            0 => Completion::Info(Error::TimedOut),
            1 => {
                spec.execute(&request);
                Completion::Info(Error::TimedOut)
            }
            _ => {
                let mut response = spec.execute(&request);
                if number == 5 {
                    lie(&mut response.body);
                }
                Completion::Ok(response)
            }
        };
        in_turn(number, request, completion)
    });
    History { operations: operations.collect(), ..History::default() }
}

#[test]
fn a_stale_read_tells_whose_a_revision_is() {
    let right = history(|_| {});
    assert_eq!(
        objections(&judge(&right, &Budget::default())),
        Vec::<&str>::new(),
        "{}",
        text(&right)
    );
    assert_eq!(search(&right, &Budget::default()).ruling, Ruling::Holds, "{}", text(&right));
    let wrong = history(|body| {
        let Body::Range(found) = body else { unreachable!("as it was asked") };
        found.kvs[0].version = 1;
    });
    let searched = search(&wrong, &Budget::default()).ruling;
    assert!(matches!(searched, Ruling::Broken(_)), "{searched:?}");
}
