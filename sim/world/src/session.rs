//! Whom a client acts for: the token that it shows, and what it does when that is refused.

use whitewater_api::{
    AuthRequest, AuthResponse, Body, Caller, Completion, Error, Key, KeyRange, Request, RequestId,
    Response, Value,
    auth::Secret,
    request::{Compare, CompareTarget, PutRequest, Relation, TxnOp, TxnRequest},
};
use whitewater_record::{AuthStep, Step};

/// Whom a client acts for.
#[derive(Debug, Default)]
pub struct Session {
    /// The user and its password, once it has said that it would be somebody.
    account: Option<(String, String)>,
    /// With the login that gave it.
    token: Option<(Secret, RequestId)>,
    /// It was refused for want of a good token, and asks for one before it goes on.
    renews: bool,
}

impl Session {
    /// The request for a step that has to do with who may do what, or for a token before any other step.
    pub fn request(&mut self, step: &Step) -> Option<Request> {
        if self.renews {
            return self.renewal();
        }
        let Step::Auth(step) = step else { return None };
        match step {
            AuthStep::Login(user, password) => {
                self.account = Some((user.clone(), password.clone()));
                self.token = None;
                self.login()
            }
            AuthStep::Logout => {
                *self = Self::default();
                Some(Request::Auth(AuthRequest::Status))
            }
            AuthStep::Manage(request, _) => Some(Request::Auth((**request).clone())),
            AuthStep::Sneak(key, value) => {
                let inner = TxnRequest { success: vec![put(key, value, false)], ..txn() };
                Some(Request::Txn(TxnRequest { success: vec![TxnOp::Txn(inner)], ..txn() }))
            }
            AuthStep::Look(key, value) => {
                Some(Request::Txn(TxnRequest { success: vec![put(key, value, true)], ..txn() }))
            }
            AuthStep::Peek(key) => {
                let compare = Compare {
                    range: KeyRange::single(key.clone()),
                    relation: Relation::Greater,
                    target: CompareTarget::Version(0),
                };
                Some(Request::Txn(TxnRequest { compares: vec![compare], ..txn() }))
            }
        }
    }

    /// The request for a token that it needs before it asks for anything else.
    pub fn renewal(&self) -> Option<Request> {
        if self.renews { self.login() } else { None }
    }

    /// What the client shows.
    pub fn caller(&self) -> Caller {
        self.token.clone().map_or(Caller::Nobody, |(token, _)| Caller::Token(token))
    }

    /// As whom the client asks, by which login.
    pub fn user(&self) -> Option<(String, RequestId)> {
        let (user, _) = self.account.as_ref()?;
        self.token.as_ref().map(|(_, login)| (user.clone(), *login))
    }

    /// Learns from how a request ended. Whether the client does the same operation again, after it got a token or to get
    /// one.
    pub fn learn(
        &mut self,
        id: RequestId,
        request: &Request,
        completion: &Completion<Response, Error>,
    ) -> bool {
        let is_login = matches!(request, Request::Auth(AuthRequest::Authenticate { .. }));
        match completion {
            Completion::Ok(response) if is_login => {
                if let Body::Auth(AuthResponse::Token(token)) = &response.body {
                    self.token = Some((token.clone(), id));
                }
                std::mem::take(&mut self.renews)
            }
            Completion::Fail(Error::AuthFailed | Error::AuthNotEnabled | Error::NoPasswordUser) => {
                self.renews = false;
                false
            }
            Completion::Fail(Error::InvalidToken | Error::AuthOldRevision | Error::UserEmpty)
                if self.account.is_some() =>
            {
                self.token = None;
                self.renews = true;
                true
            }
            Completion::Ok(_) | Completion::Fail(_) | Completion::Info(_) => false,
        }
    }

    fn login(&self) -> Option<Request> {
        let (user, password) = self.account.clone()?;
        let password = Secret::from(password);
        Some(Request::Auth(AuthRequest::Authenticate { user, password }))
    }
}

fn put(key: &Key, value: &Value, prev_kv: bool) -> TxnOp {
    TxnOp::Put(PutRequest { prev_kv, ..PutRequest::new(key.clone(), value.clone()) })
}

fn txn() -> TxnRequest {
    TxnRequest::default()
}
