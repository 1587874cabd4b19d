//! The judge of permissions against histories of known truth, and the same with one answer turned round.

use whitewater_api::{
    AuthRequest, AuthResponse, Body, Completion, Error, Header, KeyRange, NodeId, Process, Request,
    RequestId, Response,
    auth::{Credential, Permission, PermissionKind, Secret},
    request::{PutRequest, RangeRequest, TxnOp, TxnRequest},
    response::{DeleteRangeResponse, PutResponse},
};
use whitewater_checkers::{Budget, Ruling, judge};
use whitewater_record::{CallerRow, History, Operation, SimTime};

/// One operation at a time, a second each.
#[derive(Default)]
struct Record {
    history: History,
    now: u64,
}

impl Record {
    fn add(
        &mut self,
        user: Option<&str>,
        request: Request,
        completion: Completion<Response, Error>,
    ) -> &mut Self {
        let process = Process(u32::try_from(self.now).expect("few"));
        let id = RequestId { process, sequence: 0 };
        let (invoked, completed) = (SimTime(self.now * 10), SimTime(self.now * 10 + 5));
        self.now += 1;
        let node = NodeId(1);
        self.history.operations.push(Operation {
            id,
            node,
            invoked,
            completed,
            request,
            completion,
            witness: None,
        });
        self.history.callers.extend(user.map(|user| CallerRow { id, user: user.to_owned() }));
        self
    }

    fn manage(&mut self, request: AuthRequest) -> &mut Self {
        self.add(Some("root"), Request::Auth(request), ok(Body::Auth(AuthResponse::Done)))
    }

    fn code(&self) -> Option<String> {
        let budget = Budget { configurations_max: 0, replays_max: 0, ..Budget::default() };
        let judgements = judge(&self.history, &budget);
        let auth = judgements.iter().find(|judgement| judgement.judge == "auth").expect("a judge");
        assert!(!matches!(auth.ruling, Ruling::NotApplicable(_)), "{auth:?}");
        auth.ruling.anomaly().map(|anomaly| anomaly.code.clone())
    }
}

fn ok(body: Body) -> Completion<Response, Error> {
    Completion::Ok(Response { header: Header::default(), body })
}

fn done() -> Completion<Response, Error> {
    ok(Body::Put(PutResponse::default()))
}

fn put(key: &str) -> Request {
    Request::Put(PutRequest::new(key, "v"))
}

fn grant(range: KeyRange) -> AuthRequest {
    let permission = Some(Permission { kind: PermissionKind::Write, range });
    AuthRequest::RoleGrantPermission { role: "writer".into(), permission }
}

fn revoke(range: KeyRange) -> AuthRequest {
    AuthRequest::RoleRevokePermission { role: "writer".into(), range }
}

/// Alice may write `k..`.
fn cluster() -> Record {
    let mut record = Record::default();
    let password = |text: &str| Credential::Password(Secret::from(text));
    let user = |user: &str| user.to_owned();
    record
        .manage(AuthRequest::UserAdd { user: user("root"), credential: password("secret") })
        .manage(AuthRequest::UserGrantRole { user: user("root"), role: "root".into() })
        .manage(AuthRequest::RoleAdd("writer".into()))
        .manage(grant(KeyRange::prefix("k")))
        .manage(AuthRequest::UserAdd { user: user("alice"), credential: password("sesame") })
        .manage(AuthRequest::UserGrantRole { user: user("alice"), role: "writer".into() })
        .manage(AuthRequest::Enable);
    record
}

#[test]
fn what_is_permitted_succeeds_and_what_is_not_is_refused() {
    let denied = || Completion::Fail(Error::PermissionDenied);
    for (user, key, completion, expected) in [
        (Some("alice"), "k1", done(), None),
        (Some("alice"), "k1", denied(), Some("permitted-refusal")),
        (Some("alice"), "j", denied(), None),
        (Some("alice"), "j", done(), Some("forbidden-success")),
        (Some("root"), "j", done(), None),
        (Some("bob"), "k1", done(), Some("forbidden-success")),
        (None, "k1", done(), Some("forbidden-success")),
        (None, "k1", Completion::Fail(Error::UserEmpty), None),
        (Some("alice"), "k1", Completion::Fail(Error::AuthOldRevision), None),
    ] {
        let mut record = cluster();
        record.add(user, put(key), completion);
        assert_eq!(record.code().as_deref(), expected, "{user:?} {key}");
    }
}

#[test]
fn nothing_hides_in_a_transaction_in_a_transaction() {
    let inner = TxnRequest {
        success: vec![TxnOp::Range(RangeRequest::new(KeyRange::single("k1")))],
        ..TxnRequest::default()
    };
    let outer = TxnRequest { failure: vec![TxnOp::Txn(inner)], ..TxnRequest::default() };
    let mut record = cluster();
    let answer = whitewater_api::response::TxnResponse { succeeded: true, responses: Vec::new() };
    record.add(Some("alice"), Request::Txn(outer), ok(Body::Txn(answer)));
    assert_eq!(record.code().as_deref(), Some("forbidden-success"));
}

#[test]
fn a_change_of_unknown_outcome_leaves_both_answers_right() {
    for completion in [done(), Completion::Fail(Error::PermissionDenied)] {
        let mut record = cluster();
        let change = Request::Auth(revoke(KeyRange::prefix("k")));
        record.add(Some("root"), change, Completion::Info(Error::TimedOut));
        record.add(Some("alice"), put("k1"), completion);
        assert_eq!(record.code(), None);
    }
    // Once it is revoked for certain, or granted again afterwards and the unknown one over, only one is right.
    let mut record = cluster();
    record.manage(revoke(KeyRange::prefix("k"))).add(Some("alice"), put("k1"), done());
    assert_eq!(record.code().as_deref(), Some("forbidden-success"));
}

#[test]
fn permissions_that_touch_are_one_and_a_gap_is_none() {
    let all = || {
        Request::DeleteRange(whitewater_api::request::DeleteRangeRequest {
            range: KeyRange::span("a", "e"),
            prev_kv: false,
        })
    };
    for (second, expected) in [("c", None), ("d", Some("forbidden-success"))] {
        let mut record = cluster();
        record.manage(grant(KeyRange::span("a", "c"))).manage(grant(KeyRange::span(second, "e")));
        record.add(Some("alice"), all(), ok(Body::DeleteRange(DeleteRangeResponse::default())));
        assert_eq!(record.code().as_deref(), expected, "{second}");
    }
}

#[test]
fn a_token_is_for_the_right_password_only() {
    let login = |password: &str| {
        let password = Secret::from(password);
        Request::Auth(AuthRequest::Authenticate { user: "alice".into(), password })
    };
    let token = || ok(Body::Auth(AuthResponse::Token(Secret::from("token"))));
    for (password, completion, expected) in [
        ("sesame", token(), None),
        ("sesam", token(), Some("wrong-password")),
        ("sesame", Completion::Fail(Error::AuthFailed), Some("refused-password")),
        ("sesam", Completion::Fail(Error::AuthFailed), None),
        ("sesame", Completion::Fail(Error::AuthNotEnabled), Some("refused-password")),
    ] {
        let mut record = cluster();
        record.add(None, login(password), completion);
        assert_eq!(record.code().as_deref(), expected, "{password}");
    }
}

#[test]
fn nobody_is_asked_who_it_is_when_auth_is_disabled() {
    let mut record = cluster();
    record.manage(AuthRequest::Disable).add(None, put("k1"), done());
    assert_eq!(record.code(), None);
    record.add(None, put("k1"), Completion::Fail(Error::UserEmpty));
    assert_eq!(record.code().as_deref(), Some("disabled-refusal"));
}
