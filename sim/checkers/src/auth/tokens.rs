//! Which login a token is of, and when it has certainly ended.

use super::facts::{Facts, Window};
use crate::limits::TokenBound;
use std::collections::BTreeMap;
use whitewater_api::{
    AuthRequest, Completion, Request, RequestId,
    auth::{Credential, Secret},
};
use whitewater_record::{History, Operation, SimTime};

/// The tokens that were given and shown.
pub(super) struct Tokens<'h> {
    bound: Option<TokenBound>,
    /// By operation that was asked with one: its login.
    logins: BTreeMap<RequestId, RequestId>,
    given: BTreeMap<RequestId, Given<'h>>,
}

/// A token, by its login.
struct Given<'h> {
    user: &'h str,
    password: &'h Secret,
    at: SimTime,
    /// When it was shown: asked and answered, in the order of asking. That of unknown outcome may be shown at any time.
    shown: Vec<(SimTime, SimTime)>,
}

impl<'h> Tokens<'h> {
    pub(super) fn new(history: &'h History, bound: Option<TokenBound>) -> Self {
        let logins: BTreeMap<RequestId, RequestId> =
            history.callers.iter().filter_map(|row| Some((row.id, row.login?))).collect();
        let mut given: BTreeMap<RequestId, Given<'h>> = BTreeMap::new();
        for operation in &history.operations {
            if let Request::Auth(AuthRequest::Authenticate { user, password }) = &operation.request
                && matches!(operation.completion, Completion::Ok(_))
            {
                let at = operation.completed;
                given.insert(operation.id, Given { user, password, at, shown: Vec::new() });
            }
        }
        for operation in &history.operations {
            let login = logins.get(&operation.id).and_then(|login| given.get_mut(login));
            if let Some(given) = login {
                let is_over = !matches!(operation.completion, Completion::Info(_));
                let until = if is_over { operation.completed } else { SimTime::NEVER };
                given.shown.push((operation.invoked, until));
            }
        }
        Self { bound, logins, given }
    }

    /// Why the token with which this was asked had certainly ended before, if it had.
    pub(super) fn end(
        &self,
        operation: &Operation,
        facts: &Facts<'h>,
        window: Window,
    ) -> Option<String> {
        let given = self.given.get(self.logins.get(&operation.id)?)?;
        let Given { user, password, at, .. } = given;
        let credential = Credential::Password((*password).clone());
        if !facts.may_fit(user, &credential, window) {
            return Some(format!("that {user} was given at {at} for another password"));
        }
        let is_signed = self.bound.is_some_and(|bound| bound.signed);
        if facts.must_have_ended(user, is_signed, *at, window) {
            return Some(format!("that {user} was given at {at}, before a change that ends it"));
        }
        let last = self.last_shown(given, operation);
        (last.0 < operation.invoked.0)
            .then(|| format!("of {user} whose time had been up since {last} at the latest"))
    }

    /// When its time was certainly up; never, if nobody knows.
    fn last_shown(&self, given: &Given<'h>, operation: &Operation) -> SimTime {
        let Some(TokenBound { signed, ttl: Some(ttl) }) = self.bound else { return SimTime::NEVER };
        let before = given.shown.iter().take_while(|(asked, _)| *asked < operation.invoked);
        let shown = before.map(|(_, until)| *until).max().unwrap_or(SimTime::ZERO);
        let last = if signed { given.at } else { given.at.max(shown) };
        SimTime(last.0.saturating_add(ttl.0))
    }
}
