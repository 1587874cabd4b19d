//! The order that the revisions give, as a proof to the black-box judge; and orders that are no proof.

use crate::{
    config, dice,
    generate::{Dice, SMALL, Shape, history, shown},
    mutate,
    orders::{Tokens, same, translate},
    spec::Spec,
    text,
};
use proptest::prelude::*;
use whitewater_api::{
    Body, Completion, Error, Header, KeyRange, NodeId, Process, Request, RequestId, Response,
    Revision,
    request::{Compare, CompareTarget, PutRequest, Relation, TxnOp, TxnRequest},
    response::{PutResponse, TxnOpResponse, TxnResponse},
};
use whitewater_checkers::{Budget, Ruling, judge, search, verify, witness};
use whitewater_record::{History, Operation, SimTime};

fn is_unknown(op: &Operation) -> bool {
    matches!(op.completion, Completion::Info(_))
}

fn must_come(op: &Operation) -> bool {
    let is_stale = matches!(&op.request, Request::Range(range) if range.serializable);
    matches!(op.completion, Completion::Ok(_)) && !is_stale
}

/// Whether the order proves the history right, by the plain store.
fn is_proof(history: &History, order: &[usize]) -> bool {
    let mut places: Vec<usize> = order.to_vec();
    places.sort_unstable();
    let is_once = places.windows(2).all(|pair| pair[0] < pair[1]);
    let is_there = |i: usize| !must_come(&history.operations[i]) || places.contains(&i);
    if !is_once || !(0..history.operations.len()).all(is_there) {
        return false;
    }
    let (mut spec, mut tokens, mut newest) = (Spec::new(), Tokens::default(), SimTime::ZERO);
    for op in order.iter().map(|i| &history.operations[*i]) {
        newest = newest.max(op.invoked);
        if !is_unknown(op) && op.completed < newest {
            return false;
        }
        let before = spec.revision();
        let answer = spec.execute(&translate(&op.request, &tokens));
        let wrote = spec.revision() > before;
        let fits = match &op.completion {
            Completion::Ok(told) => same(told, &answer, wrote, &mut tokens),
            // One that changes nothing has no place in an order. What it made, others may tell, stale as they may be.
            _ => {
                wrote
                    && told_by_stale(history, op).is_none_or(|token| tokens.bind(token, before + 1))
            }
        };
        if !fits {
            return false;
        }
    }
    true
}

/// The revision that serializable reads tell of a put, by its value, which nobody else puts.
fn told_by_stale(history: &History, op: &Operation) -> Option<u64> {
    let mut puts: Vec<&PutRequest> = Vec::new();
    match &op.request {
        Request::Put(put) => puts.push(put),
        Request::Txn(txn) => puts.extend(
            txn.success
                .iter()
                .chain(&txn.failure)
                .filter_map(|op| if let TxnOp::Put(put) = op { Some(put) } else { None }),
        ),
        _ => {}
    }
    history.operations.iter().find_map(|read| match (&read.request, &read.completion) {
        (Request::Range(range), Completion::Ok(told)) if range.serializable => shown(&told.body)
            .into_iter()
            .find(|kv| puts.iter().any(|put| put.key == kv.key && put.value == kv.value))
            .map(|kv| kv.mod_revision.0),
        _ => None,
    })
}

/// Makes another order of it.
fn disorder(order: &mut Vec<usize>, history: &History, dice: &mut Dice) {
    let place = |dice: &mut Dice| dice.below(order.len() as u64) as usize;
    let (a, b) = (place(dice), place(dice));
    match dice.below(6) {
        0 => order.swap(a, b),
        1 => order[a.saturating_sub(1)..=a].reverse(),
        2 => _ = order.remove(a),
        3 => order.insert(b, order[a]),
        4 => {
            let moved = order.remove(a);
            order.insert(b.min(order.len()), moved);
        }
        // A write of unknown outcome, at some place.
        _ => {
            let is_write = |op: &Operation| is_unknown(op) && !op.request.is_read();
            let unknown: Vec<usize> = (0..history.operations.len())
                .filter(|i| is_write(&history.operations[*i]))
                .collect();
            if let Some(unknown) = dice.pick(&unknown) {
                order.insert(a, unknown);
            }
        }
    }
}

fn shape(clients: usize, keys: u64) -> Shape {
    Shape { operations: 24, clients, keys, unknown: 150, ..SMALL }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn the_witness_of_a_right_history_is_a_proof(seed: u64, clients in 1_usize..7, keys in 1_u64..5) {
        let history = history(shape(clients, keys), &mut dice(seed));
        let order = witness(&history, &Budget::default()).unwrap();
        prop_assert_eq!(verify(&history, &order), Ok(()), "{}", text(&history));
        prop_assert!(is_proof(&history, &order), "{:?}\n{}", order, text(&history));
        // The search must come to the same end by itself.
        let searched = search(&history, &Budget::default());
        prop_assert_eq!(&searched.ruling, &Ruling::Holds, "{}", text(&history));
    }

    #[test]
    fn another_order_is_a_proof_only_if_it_explains_everything(
        seed: u64, clients in 1_usize..7, keys in 1_u64..5, changes in 1..3,
    ) {
        let mut dice = dice(seed);
        let history = history(shape(clients, keys), &mut dice);
        let mut order = witness(&history, &Budget::default()).unwrap();
        for _ in 0..changes {
            disorder(&mut order, &history, &mut dice);
        }
        let verified = verify(&history, &order);
        prop_assert_eq!(verified.is_ok(), is_proof(&history, &order), "{:?} {:?}\n{}", verified, order, text(&history));
    }

    #[test]
    fn the_witness_of_a_right_history_does_not_prove_a_corrupted_one(
        seed: u64, clients in 1_usize..7, keys in 1_u64..5,
    ) {
        let mut dice = dice(seed);
        let mut history = history(shape(clients, keys), &mut dice);
        let order = witness(&history, &Budget::default()).unwrap();
        let _applied = mutate::anything(&mut history, &mut dice);
        let verified = verify(&history, &order);
        prop_assert_eq!(verified.is_ok(), is_proof(&history, &order), "{:?} {:?}\n{}", verified, order, text(&history));
        // With or without the witness, the answer is one.
        let (with, without) = (&judge(&history, &Budget::default())[1].ruling, search(&history, &Budget::default()));
        let is_contradiction = matches!(
            (with, &without.ruling),
            (Ruling::Holds, Ruling::Broken(_)) | (Ruling::Broken(_), Ruling::Holds)
        );
        prop_assert!(!is_contradiction, "{:?} {:?}\n{}", with, without, text(&history));
    }
}

#[test]
fn disorder_is_noticed() {
    let mut refused = 0;
    for seed in 0..200 {
        let mut dice = dice(seed);
        let history = history(shape(4, 3), &mut dice);
        let mut order = witness(&history, &Budget::default()).unwrap();
        disorder(&mut order, &history, &mut dice);
        refused += usize::from(verify(&history, &order).is_err());
    }
    assert!((120..200).contains(&refused), "{refused} of 200 orders are no proof");
}

/// A put of unknown outcome, and a transaction that succeeded where the put, and nothing else, had made the revision. If the
/// put was refused, nothing had.
#[test]
fn a_compare_with_a_revision_that_nobody_told_names_whatever_may_have_made_it() {
    let operation = |process, invoked, request, completion| Operation {
        id: RequestId { process: Process(process), sequence: 0 },
        node: NodeId(1),
        invoked: SimTime(invoked),
        completed: SimTime(invoked + 5),
        request,
        completion,
        witness: None,
    };
    let put = operation(
        1,
        10,
        Request::Put(PutRequest::new("k", "v1")),
        Completion::Info(Error::TimedOut),
    );
    let txn = TxnRequest {
        compares: vec![Compare {
            range: KeyRange::single("k"),
            relation: Relation::Equal,
            target: CompareTarget::Mod(Revision(2)),
        }],
        success: vec![TxnOp::Put(PutRequest::new("k", "v2"))],
        failure: Vec::new(),
    };
    let answer = TxnResponse {
        succeeded: true,
        responses: vec![TxnOpResponse::Put(PutResponse::default())],
    };
    let header = Header { revision: Revision(3), ..Header::default() };
    let swap = operation(
        2,
        20,
        Request::Txn(txn),
        Completion::Ok(Response { header, body: Body::Txn(answer) }),
    );
    let mut history = History { operations: vec![put, swap], ..History::default() };
    let judgements = judge(&history, &Budget::default());
    assert!(judgements.iter().all(|j| j.ruling.anomaly().is_none()), "{judgements:#?}");
    let searched = search(&history, &Budget::default()).ruling;
    assert_eq!(searched, Ruling::Holds);
    history.operations[0].completion = Completion::Fail(Error::NoLeader);
    let searched = search(&history, &Budget::default()).ruling;
    assert!(searched.anomaly().is_some(), "{searched:?}");
}

/// What a compare names, only a stale read tells.
#[test]
fn a_revision_that_only_a_stale_read_tells_may_be_compared_with() {
    let history = history(shape(1, 2), &mut dice(12_703_432_192_733_819_637));
    let order = witness(&history, &Budget::default()).unwrap();
    assert_eq!(verify(&history, &order), Ok(()));
    assert!(is_proof(&history, &order));
}
