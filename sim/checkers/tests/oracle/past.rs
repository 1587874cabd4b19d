//! What a read of the past needs of writes whose outcome nobody learned, though the key was seen as a whole since then.

use crate::{in_turn, text};
use whitewater_api::{
    Body, Completion, Error, Header, Key, KeyRange, KeyValue, Request, Response, Revision, Value,
    request::{DeleteRangeRequest, PutRequest, RangeRequest, TxnOp, TxnRequest},
    response::{DeleteRangeResponse, PutResponse, RangeResponse, TxnOpResponse, TxnResponse},
};
use whitewater_checkers::{Budget, Ruling, judge};
use whitewater_record::History;

/// Operations one after the other, but for those without an answer, of which nobody knows when they took effect.
#[derive(Default)]
struct Account(History);

impl Account {
    fn ask(&mut self, request: Request, completion: Completion<Response, Error>) {
        let number = self.0.operations.len() as u32;
        self.0.operations.push(in_turn(number, request, completion));
    }

    fn lose(&mut self, request: Request) {
        self.ask(request, Completion::Info(Error::TimedOut));
    }

    fn answer(&mut self, request: Request, revision: u64, body: Body) {
        let header = Header { revision: Revision(revision), ..Header::default() };
        self.ask(request, Completion::Ok(Response { header, body }));
    }
}

fn key() -> Key {
    Key::from("k")
}

fn put(value: &str) -> PutRequest {
    PutRequest::new(key(), value)
}

fn delete() -> Request {
    Request::DeleteRange(DeleteRangeRequest { range: KeyRange::single("k"), prev_kv: false })
}

fn get(at: u64) -> RangeRequest {
    RangeRequest { revision: Revision(at), ..RangeRequest::new(KeyRange::single("k")) }
}

/// Somebody lost the answers to a delete and a put, one of which made revision 3. What was put at 4 tells which, to whoever reads
/// that revision later; in between the key was seen to be gone. `version`: as it was then.
fn read_of_the_past(version: u64) -> History {
    let mut account = Account::default();
    let written = || Body::Put(PutResponse::default());
    account.answer(Request::Put(put("a")), 2, written());
    account.lose(delete());
    account.lose(Request::Put(put("b")));
    account.answer(Request::Put(put("c")), 4, written());
    let gone = DeleteRangeResponse { deleted: 1, ..DeleteRangeResponse::default() };
    account.answer(delete(), 5, Body::DeleteRange(gone));
    account.answer(Request::Range(get(0)), 5, Body::Range(RangeResponse::default()));
    account.answer(Request::Put(PutRequest::new("other", "v")), 6, written());
    let kv = KeyValue {
        key: key(),
        value: Value::from("c"),
        create_revision: Revision(if version == 1 { 4 } else { 2 }),
        mod_revision: Revision(4),
        version,
        ..KeyValue::default()
    };
    let success = vec![TxnOp::Put(put("d")), TxnOp::Range(get(4))];
    let txn = TxnRequest { compares: Vec::new(), success, failure: Vec::new() };
    let seen = RangeResponse { kvs: vec![kv], count: 1, more: false };
    let responses = vec![TxnOpResponse::Put(PutResponse::default()), TxnOpResponse::Range(seen)];
    let answer = TxnResponse { succeeded: true, responses };
    account.answer(Request::Txn(txn), 7, Body::Txn(answer));
    account.0
}

#[test]
fn a_read_of_the_past_is_explained_by_writes_from_before_the_key_was_seen_last() {
    for version in [1, 3] {
        let history = read_of_the_past(version);
        let judgements = judge(&history, &Budget::default());
        let order = judgements.iter().find(|it| it.judge == "revision-order").unwrap();
        assert_eq!(order.ruling, Ruling::Holds, "version {version}\n{}", text(&history));
    }
    let history = read_of_the_past(2);
    let judgements = judge(&history, &Budget::default());
    let order = judgements.iter().find(|it| it.judge == "revision-order").unwrap();
    assert!(order.ruling.anomaly().is_some(), "nothing was at revision 3: {:#?}", order.ruling);
}
