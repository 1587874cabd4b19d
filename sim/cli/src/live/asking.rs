//! Whoever asks: one request at a time, each of them recorded.

use super::{
    members::{Member, Members},
    stage::Stage,
};
use std::{sync::Arc, time::Duration};
use whitewater_api::{Body, Completion, Error, Process, Request, RequestId, Response};
use whitewater_record::{CallerRow, Operation};
use whitewater_server::client::Client;
use whitewater_world::session::Session;

/// A chain of processes that ask: after an unknown outcome the next one goes on.
pub(super) struct Asker<'a> {
    stage: &'a Stage,
    members: &'a Members,
    patience: Duration,
    id: RequestId,
    /// The place of the member that it asks.
    target: usize,
    /// The connection, and to whom: another member may have come to the place.
    line: Option<(Arc<Member>, Client)>,
    /// Its session would have it ask for the same again.
    again: bool,
    /// What it asked last.
    asked: RequestId,
}

impl<'a> Asker<'a> {
    /// One that begins at the member in a place, and takes an answer for lost that takes longer than its patience.
    pub(super) fn new(
        stage: &'a Stage,
        members: &'a Members,
        target: usize,
        patience: Duration,
    ) -> Self {
        let (id, target) = (stage.new_process(), target % members.len());
        Self { stage, members, patience, id, target, line: None, again: false, asked: id }
    }

    pub(super) const fn stage(&self) -> &'a Stage {
        self.stage
    }

    pub(super) const fn process(&self) -> Process {
        self.id.process
    }

    /// Whether what was asked last is worth asking again, because of who asked.
    pub(super) const fn again(&self) -> bool {
        self.again
    }

    /// The request that it asked last.
    pub(super) const fn asked(&self) -> RequestId {
        self.asked
    }

    /// Goes to the next member.
    pub(super) fn turn(&mut self) {
        self.go_to((self.target + 1) % self.members.len());
    }

    /// Goes to the member in a place.
    pub(super) fn go_to(&mut self, place: usize) {
        self.target = place;
        self.line = None;
    }

    /// One attempt, for the record, as whoever the session says. It learns from the answer.
    pub(super) fn ask(
        &mut self,
        session: &mut Session,
        request: &Request,
    ) -> Completion<Response, Error> {
        let (id, invoked) = (self.id, self.stage.now());
        self.asked = id;
        self.id.sequence += 1;
        if let Some((user, login)) = session.user() {
            self.stage.note_caller(CallerRow { id, user, login: Some(login) });
        }
        let member = self.members.at(self.target);
        self.line.take_if(|(held, _)| held.node != member.node);
        if self.line.is_none() {
            let client = Client::new(&member.url, self.patience).ok();
            self.line = client.map(|client| (Arc::clone(&member), client));
        }
        let completion = match &mut self.line {
            Some((_, client)) => client.ask(&session.caller(), &self.stage.as_known(request)),
            None => Completion::Fail(Error::NoLeader),
        };
        match &completion {
            Completion::Ok(response) => {
                self.stage.told(response.header.revision);
                // Before the answer counts as given: who hears of it may ask for somebody at once.
                if let Body::Cluster(members) = &response.body {
                    self.stage.introduce(members);
                }
            }
            Completion::Info(_) => self.id = self.stage.new_process(),
            Completion::Fail(_) => {}
        }
        self.stage.note(Operation {
            id,
            node: member.node,
            invoked,
            completed: self.stage.now(),
            request: request.clone(),
            completion: completion.clone(),
            witness: None,
        });
        self.again = session.learn(id, request, &completion);
        completion
    }
}
