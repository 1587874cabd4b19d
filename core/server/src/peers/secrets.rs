//! Passwords and tokens on the way to the leader and back. Everywhere else only marks of them are written
//! ([`whitewater_api::auth::Secret`]), so here they travel beside what they belong to.

use crate::host::Answer;
use serde::{Deserialize, Serialize};
use whitewater_api::{
    AuthRequest, AuthResponse, Body, Caller, Request,
    auth::{Credential, Secret},
};

/// A caller as it travels.
#[derive(Serialize, Deserialize)]
pub(super) enum WireCaller {
    Nobody,
    Token(String),
    Certificate(String),
}

pub(super) fn caller(caller: &Caller) -> WireCaller {
    match caller {
        Caller::Nobody => WireCaller::Nobody,
        Caller::Token(token) => WireCaller::Token(token.reveal().to_owned()),
        Caller::Certificate(name) => WireCaller::Certificate(name.clone()),
    }
}

pub(super) fn into_caller(caller: WireCaller) -> Caller {
    match caller {
        WireCaller::Nobody => Caller::Nobody,
        WireCaller::Token(token) => Caller::Token(token.into()),
        WireCaller::Certificate(name) => Caller::Certificate(name),
    }
}

/// The place of the one secret that a request may hold.
fn in_request(request: &mut Request) -> Option<&mut Secret> {
    if let Request::Auth(
        AuthRequest::Authenticate { password, .. }
        | AuthRequest::UserAdd { credential: Credential::Password(password), .. }
        | AuthRequest::UserChangePassword { credential: Credential::Password(password), .. },
    ) = request
    {
        Some(password)
    } else {
        None
    }
}

pub(super) fn of_request(request: &Request) -> Option<String> {
    // Only requests about users are looked at again: the others may be large.
    let Request::Auth(_) = request else { return None };
    in_request(&mut request.clone()).map(|secret| secret.reveal().to_owned())
}

pub(super) fn into_request(request: &mut Request, secret: Option<String>) {
    if let (Some(place), Some(secret)) = (in_request(request), secret) {
        *place = secret.into();
    }
}

pub(super) fn of_answer(answer: &Answer) -> Option<String> {
    let Body::Auth(AuthResponse::Token(token)) = &answer.as_ref().ok()?.body else { return None };
    Some(token.reveal().to_owned())
}

pub(super) fn into_answer(answer: &mut Answer, secret: Option<String>) {
    if let (Ok(response), Some(secret)) = (answer, secret)
        && let Body::Auth(AuthResponse::Token(token)) = &mut response.body
    {
        *token = secret.into();
    }
}
