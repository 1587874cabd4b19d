//! The judge of permissions against histories of known truth, and the same with one answer turned round.

use whitewater_api::{
    AuthRequest, AuthResponse, Body, Completion, Error, Header, KeyRange, LeaseId, LeaseRequest,
    LeaseResponse, MaintenanceRequest, NodeId, Process, Request, RequestId, Response, Revision,
    auth::{Credential, Permission, PermissionKind, Secret},
    request::{PutRequest, RangeRequest, TxnOp, TxnRequest},
    response::{DeleteRangeResponse, PutResponse},
};
use whitewater_checkers::{Budget, Ruling, TokenBound, judge};
use whitewater_record::{CallerRow, History, Operation, SimTime, Span};

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
        self.history.callers.extend(user.map(|user| CallerRow {
            id,
            user: user.to_owned(),
            login: None,
        }));
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

#[test]
fn a_member_that_answers_alone_may_not_know_yet_that_auth_is_disabled() {
    let refused = || Completion::Fail(Error::InvalidToken);
    let hash = MaintenanceRequest::HashKv { revision: Revision(0) };
    for (request, expected) in [
        (Request::Maintenance(hash), None),
        (Request::Lease(LeaseRequest::List), Some("disabled-refusal")),
    ] {
        let mut record = cluster();
        record.manage(AuthRequest::Disable).add(Some("alice"), request, refused());
        assert_eq!(record.code().as_deref(), expected);
    }
}

fn login(password: &str) -> Request {
    let password = Secret::from(password);
    Request::Auth(AuthRequest::Authenticate { user: "alice".into(), password })
}

fn token() -> Completion<Response, Error> {
    ok(Body::Auth(AuthResponse::Token(Secret::from("token"))))
}

fn other_password() -> AuthRequest {
    let credential = Credential::Password(Secret::from("open"));
    AuthRequest::UserChangePassword { user: "alice".into(), credential }
}

impl Record {
    /// The operation before was asked with the token that the one so many places before it gave.
    fn by_token(&mut self, back: u64) -> &mut Self {
        let process = Process(u32::try_from(self.now - 1 - back).expect("few"));
        let row = self.history.callers.last_mut().expect("somebody asked");
        row.login = Some(RequestId { process, sequence: 0 });
        self
    }

    fn code_with(&self, signed: bool, ttl: Option<u64>) -> Option<String> {
        let tokens = Some(TokenBound { signed, ttl: ttl.map(Span) });
        let judgements = judge(&self.history, &Budget { tokens, ..Budget::default() });
        let auth = judgements.iter().find(|judgement| judgement.judge == "auth").expect("a judge");
        auth.ruling.anomaly().map(|anomaly| anomaly.code.clone())
    }
}

#[test]
fn a_token_ends_with_its_password() {
    let dead = Some("dead-token".to_owned());
    let mut record = cluster();
    record.add(None, login("sesame"), token()).manage(other_password());
    record.add(Some("alice"), put("k1"), done());
    assert_eq!(record.code(), None, "nobody knows which token it was");
    record.by_token(2);
    assert_eq!(record.code(), dead);
    let mut record = cluster();
    record.manage(other_password()).add(None, login("open"), token());
    record.add(Some("alice"), put("k1"), done()).by_token(1);
    assert_eq!(record.code(), None, "it was given for the new one");
    // The password is the old one again: the token was ended all the same.
    let mut record = cluster();
    let credential = Credential::Password(Secret::from("sesame"));
    let back = AuthRequest::UserChangePassword { user: "alice".into(), credential };
    record.add(None, login("sesame"), token()).manage(other_password()).manage(back);
    record.add(Some("alice"), put("k1"), done()).by_token(3);
    assert_eq!(record.code(), dead);
}

#[test]
fn a_signed_token_ends_with_any_change() {
    let story = |change: AuthRequest| {
        let mut record = cluster();
        record.add(None, login("sesame"), token()).manage(change);
        record.add(Some("alice"), put("k1"), done()).by_token(2);
        (record.code_with(true, None), record.code_with(false, None))
    };
    let dead = Some("dead-token".to_owned());
    assert_eq!(story(AuthRequest::RoleAdd("reader".into())), (dead, None));
    let again = AuthRequest::UserGrantRole { user: "alice".into(), role: "writer".into() };
    assert_eq!(story(again), (None, None), "it may have changed nothing");
    assert_eq!(story(AuthRequest::UserList), (None, None));
}

#[test]
fn a_token_is_good_for_its_time() {
    let story = |shown: bool, signed, ttl| {
        let mut record = cluster();
        record.add(None, login("sesame"), token());
        if shown {
            let header = Header { revision: Revision(2), ..Header::default() };
            let body = Body::Put(PutResponse::default());
            let answer = Completion::Ok(Response { header, body });
            record.add(Some("alice"), put("k2"), answer).by_token(1);
        } else {
            record.add(Some("bob"), login("x"), Completion::Fail(Error::AuthFailed));
        }
        let header = Header { revision: Revision(3), ..Header::default() };
        let body = Body::Put(PutResponse::default());
        record.add(Some("alice"), put("k1"), Completion::Ok(Response { header, body })).by_token(2);
        record.code_with(signed, Some(ttl))
    };
    let dead = Some("dead-token".to_owned());
    assert_eq!(story(false, false, 20), None);
    assert_eq!(story(false, false, 10), dead);
    assert_eq!(story(true, false, 10), None, "it was shown in the meantime");
    assert_eq!(story(true, true, 10), dead, "which is nothing to a signed one");
}

#[test]
fn what_was_written_behind_a_change_is_permitted_there() {
    let story = |revoked_at: u64, written_at: u64| {
        let mut record = cluster();
        let at = |revision: u64, body| {
            let header = Header { revision: Revision(revision), ..Header::default() };
            Completion::Ok(Response { header, body })
        };
        let change = Request::Auth(revoke(KeyRange::prefix("k")));
        record.add(Some("root"), change, at(revoked_at, Body::Auth(AuthResponse::Done)));
        record.add(Some("alice"), put("k1"), at(written_at, Body::Put(PutResponse::default())));
        let [.., revoked, written] = &mut record.history.operations[..] else { panic!() };
        // Both were asked at the same time.
        (written.invoked, written.completed) = (revoked.invoked, revoked.completed);
        record.code()
    };
    assert_eq!(story(4, 4), None, "the put may have come first");
    assert_eq!(story(5, 4), None, "it did");
    assert_eq!(story(4, 5).as_deref(), Some("forbidden-success"));
}

#[test]
fn who_is_told_what_hangs_on_a_lease_may_read_it() {
    let story = |keys: &[&str]| {
        let mut record = cluster();
        let request = LeaseRequest::TimeToLive { lease: LeaseId(7), keys: true };
        let keys = keys.iter().map(|key| (*key).into()).collect();
        let told = LeaseResponse::TimeToLive { lease: LeaseId(7), ttl: 5, granted: 9, keys };
        record.add(Some("alice"), Request::Lease(request), ok(Body::Lease(told)));
        record.code()
    };
    assert_eq!(story(&[]), None);
    assert_eq!(story(&["k1"]).as_deref(), Some("forbidden-success"), "she may only write");
}
