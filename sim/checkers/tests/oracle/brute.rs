//! The black-box judge against every order there is, on tiny histories.

use crate::{
    assert_clean, config, dice,
    generate::{SMALL, Shape, history, shown},
    mutate,
    spec::Spec,
    text,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use whitewater_api::{
    Completion, Request, Response, Revision,
    request::{CompareTarget, TxnOp, TxnRequest},
};
use whitewater_checkers::{Budget, Ruling, judge, search};
use whitewater_record::History;

/// Tokens to revisions, one to one.
#[derive(Clone, Default)]
pub(crate) struct Tokens(BTreeMap<u64, u64>);

impl Tokens {
    pub(crate) fn bind(&mut self, token: u64, revision: u64) -> bool {
        let is_new = !self.0.contains_key(&token);
        if is_new && self.0.values().any(|other| *other == revision) {
            return false;
        }
        *self.0.entry(token).or_insert(revision) == revision
    }
}

/// Whether some order of the operations explains all answers, up to the naming of revisions.
pub(crate) fn explains(history: &History) -> bool {
    let open: Vec<usize> = (0..history.operations.len())
        .filter(|i| {
            let op = &history.operations[*i];
            let is_stale = matches!(&op.request, Request::Range(range) if range.serializable);
            !is_stale && !matches!(op.completion, Completion::Fail(_))
        })
        .collect();
    extend(history, &open, &Spec::new(), &Tokens::default())
}

fn extend(history: &History, open: &[usize], spec: &Spec, tokens: &Tokens) -> bool {
    let is_unknown = |i: &usize| matches!(history.operations[*i].completion, Completion::Info(_));
    if open.iter().all(is_unknown) {
        return true;
    }
    let first_return = open
        .iter()
        .filter(|i| !is_unknown(i))
        .map(|i| history.operations[*i].completed)
        .min()
        .unwrap();
    open.iter().any(|i| {
        let op = &history.operations[*i];
        if op.invoked > first_return {
            return false;
        }
        let rest: Vec<usize> = open.iter().copied().filter(|other| other != i).collect();
        let (mut spec, mut tokens) = (spec.clone(), tokens.clone());
        let before = spec.revision();
        let answer = spec.execute(&translate(&op.request, &tokens));
        let wrote = spec.revision() > before;
        let fits = match &op.completion {
            Completion::Ok(told) => same(told, &answer, wrote, &mut tokens),
            _ => true,
        };
        fits && extend(history, &rest, &spec, &tokens)
    })
}

/// Compares speak in tokens. One that nobody has bound names no revision.
pub(crate) fn translate(request: &Request, tokens: &Tokens) -> Request {
    let mut request = request.clone();
    if let Request::Txn(txn) = &mut request {
        translate_txn(txn, tokens);
    }
    request
}

fn translate_txn(txn: &mut TxnRequest, tokens: &Tokens) {
    for compare in &mut txn.compares {
        if let CompareTarget::Mod(r) | CompareTarget::Create(r) = &mut compare.target
            && r.0 != 0
        {
            *r = Revision(tokens.0.get(&r.0).copied().unwrap_or(u64::MAX));
        }
    }
    for op in txn.success.iter_mut().chain(&mut txn.failure) {
        if let TxnOp::Txn(inner) = op {
            translate_txn(inner, tokens);
        }
    }
}

pub(crate) fn same(told: &Response, is: &Response, wrote: bool, tokens: &mut Tokens) -> bool {
    if wrote && !tokens.bind(told.header.revision.0, is.header.revision.0) {
        return false;
    }
    let (a, b) = (shown(&told.body), shown(&is.body));
    let is_bound = a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| {
            tokens.bind(a.mod_revision.0, b.mod_revision.0)
                && tokens.bind(a.create_revision.0, b.create_revision.0)
        });
    let blank = |response: &Response| {
        let mut response = response.clone();
        response.header.revision = Revision(0);
        let mut text = serde_json::to_value(&response.body).unwrap();
        erase(&mut text);
        text
    };
    is_bound && blank(told) == blank(is)
}

fn erase(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|name, _| name != "mod_revision" && name != "create_revision");
            fields.values_mut().for_each(erase);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(erase),
        _ => {}
    }
}

fn tiny(operations: usize) -> Shape {
    Shape {
        operations,
        clients: 4,
        keys: 2,
        unknown: 350,
        refused: 20,
        has_final_read: true,
        ..SMALL
    }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn the_black_box_judge_agrees_with_all_orders(seed: u64, operations in 2_usize..7, corrupt: bool) {
        let mut dice = dice(seed);
        let mut history = history(tiny(operations), &mut dice);
        if !corrupt {
            prop_assert!(explains(&history));
            assert_clean(&history);
            let searched = search(&history, &Budget::default());
            prop_assert_eq!(&searched.ruling, &Ruling::Holds, "{}", text(&history));
            return Ok(());
        }
        let _applied = mutate::anything(&mut history, &mut dice);
        let judgements = judge(&history, &Budget::default());
        let searched = search(&history, &Budget::default());
        let truth = explains(&history);
        for black in [&judgements[1], &searched] {
            let is_right = match &black.ruling {
                Ruling::Holds => truth,
                Ruling::Broken(_) => !truth,
                // Nobody but the operation that compares with it may tell of a revision any more.
                Ruling::NotApplicable(_) => true,
                _ => false,
            };
            prop_assert!(is_right, "{:#?}\n{:#?}\n{}", judgements, searched, text(&history));
        }
    }
}
