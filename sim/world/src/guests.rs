//! Watchers that are users: they ask for a token, and open their streams with it.

use crate::{
    agenda::Due,
    asking::Answer,
    client::completion,
    limits,
    world::{PhaseOfRun, World},
};
use whitewater_api::{
    AuthRequest, AuthResponse, Body, Caller, Completion, Error, Request, RequestId, auth::Secret,
};

/// Whom a watcher acts for.
#[derive(Debug, Default)]
pub(crate) struct Guest {
    token: Option<Secret>,
    /// Nobody is asked who it is.
    is_free: bool,
    /// The request for a token, and its place in the history.
    pending: Option<(RequestId, usize)>,
}

impl Guest {
    /// What it shows.
    pub(crate) fn caller(&self) -> Caller {
        self.token.clone().map_or(Caller::Nobody, Caller::Token)
    }

    /// It was turned away: the next time it comes with another token.
    pub(crate) fn forget(&mut self) {
        (self.token, self.is_free) = (None, false);
    }
}

impl World {
    /// Whether a watcher has to get a token first; then it asks for one. Once all is healed nobody waits for it, so it
    /// rests.
    pub(crate) fn wants_token(&mut self, index: usize, account: &(String, String)) -> bool {
        let guest = &self.watchers[index].guest;
        if guest.token.is_some() || guest.is_free {
            return false;
        }
        if self.phase != PhaseOfRun::Safety || guest.pending.is_some() {
            return true;
        }
        let watcher = &mut self.watchers[index];
        let id = RequestId { process: watcher.process, sequence: watcher.lists.sequence };
        watcher.lists.sequence += 1;
        let node = watcher.node;
        let (user, password) = (account.0.clone(), Secret::from(account.1.clone()));
        let request = Request::Auth(AuthRequest::Authenticate { user, password });
        let operation = self.invoke(id, node, None, request.clone());
        self.watchers[index].guest.pending = Some((id, operation));
        self.later(self.now + self.plan.timeout, Due::Timeout { id });
        self.ask(id, node, Caller::Nobody, request);
        true
    }

    /// A token, a refusal, or nothing in time. Gives the answer back if it is to something else.
    pub(crate) fn on_token_answer(
        &mut self,
        index: usize,
        id: RequestId,
        answer: Option<Answer>,
    ) -> Result<(), Option<Answer>> {
        let pending = self.watchers[index].guest.pending.take_if(|(pending, _)| *pending == id);
        let Some((_, operation)) = pending else { return Err(answer) };
        let completion = completion(answer, self.mutations);
        self.complete(operation, completion.clone());
        let guest = &mut self.watchers[index].guest;
        match completion {
            Completion::Ok(response) => {
                if let Body::Auth(AuthResponse::Token(token)) = response.body {
                    guest.token = Some(token);
                }
            }
            Completion::Fail(Error::AuthNotEnabled) => guest.is_free = true,
            Completion::Fail(Error::NotLeader { hint: Some(hint) }) => {
                self.watchers[index].node = hint;
            }
            Completion::Fail(_) => self.move_on(index),
            Completion::Info(_) => {
                self.move_on(index);
                self.retire_watcher(index);
            }
        }
        self.later(self.now + limits::STREAM_BACKOFF, Due::WatcherOpens { watcher: index });
        Ok(())
    }
}
