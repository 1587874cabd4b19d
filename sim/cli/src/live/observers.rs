//! The observers of elections: each a thread that holds a call to observe open, and goes on at the next member when it breaks.
//!
//! In the simulator a client looks from step to step; here a server is asked, which has to tell by itself.

use super::{asking::Asker, members::Members, stage::Stage};
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};
use whitewater_api::{
    Body, Completion, Key, KeyRange, Request, RequestId, Response, Revision,
    concurrency::LeaderKey,
    request::{RangeRequest, Sort, SortTarget},
};
use whitewater_record::{LockStep, ObservedRow, Plan, Proclamation, Step};
use whitewater_server::client::{Heard, Led, Observing};
use whitewater_world::session::Session;

/// A member that cannot be reached, or does not answer a question, for so long is left.
const PATIENCE: Duration = Duration::from_secs(2);

/// Before it calls again.
const BACKOFF: Duration = Duration::from_millis(50);

/// One observer of one election.
pub(super) struct Observer<'a> {
    stage: &'a Stage,
    members: &'a Members,
    election: Key,
    /// The place of the member that it asks.
    target: usize,
    /// What it asks with, who leads in the end.
    asker: Asker<'a>,
}

/// The elections that are observed, each with the place where that begins: for each client those that its plan observes. Nobody
/// observes where clients have to say who they are.
pub(super) fn observed(plan: &Plan) -> Vec<(usize, Key)> {
    if super::clients::root_login(plan).is_some() {
        return Vec::new();
    }
    let mut observed = Vec::new();
    for client in &plan.clients {
        let home = usize::try_from(client.home.0 - 1).expect("members are few");
        let steps = client.operations.iter().map(|operation| &operation.step);
        let elections = steps.filter_map(|step| {
            let Step::Lock(LockStep::Observe(election)) = step else { return None };
            Some(election.clone())
        });
        let elections: BTreeSet<Key> = elections.collect();
        observed.extend(elections.into_iter().map(|election| (home, election)));
    }
    observed
}

impl<'a> Observer<'a> {
    pub(super) fn new(
        stage: &'a Stage,
        members: &'a Members,
        (home, election): (usize, Key),
    ) -> Self {
        let target = home % members.len();
        let asker = Asker::new(stage, members, home, PATIENCE);
        Self { stage, members, election, target, asker }
    }

    /// Observes until it has been told of who leads after the last step.
    pub(super) fn observe(mut self) {
        let mut deadline = None;
        while !self.live_a_call(&mut deadline) {
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                let (who, election) = (self.asker.process(), &self.election);
                let reason = format!("{who} observes {election}, and is not told who leads");
                return self.stage.note_unheard(reason);
            }
            self.target = (self.target + 1) % self.members.len();
            thread::sleep(BACKOFF);
        }
    }

    /// Calls, and listens until the call breaks. Whether there is nothing more to be told.
    fn live_a_call(&mut self, deadline: &mut Option<Instant>) -> bool {
        let url = self.members.at(self.target).url.clone();
        let opened = Observing::open(&url, PATIENCE, &self.election);
        let mut call = opened.expect("the URL of a member is one, and threads can be had");
        let id = self.stage.new_process();
        let mut told = (Revision(0), Revision(0));
        loop {
            match call.next(super::TICK) {
                Heard::Message(led) => told = self.record(id, led),
                Heard::Silence if self.stage.steps_are_over() => {
                    let deadline = *deadline.get_or_insert_with(Stage::recovery_deadline);
                    if self.leader().is_some_and(|leader| leader <= told) {
                        return true;
                    }
                    if Instant::now() > deadline {
                        return false;
                    }
                }
                Heard::Silence => {}
                Heard::End => return false,
            }
        }
    }

    /// Who was told of: since when it stands, and when it said what it has said last.
    fn record(&self, call: RequestId, led: Led) -> (Revision, Revision) {
        let Led { header, kv } = led;
        let (create, modified) = (kv.create_revision, kv.mod_revision);
        self.stage.told(header.revision);
        self.stage.note_observed(ObservedRow {
            call,
            prefix: LeaderKey::prefix(&self.election),
            at: self.stage.now(),
            revision: header.revision,
            told: Some(Proclamation { key: kv.key, create, modified }),
        });
        (create, modified)
    }

    /// The same of who leads now, if that is answered: zeros, if nobody does.
    fn leader(&mut self) -> Option<(Revision, Revision)> {
        let oldest = Sort { target: SortTarget::Create, descending: false };
        let all = RangeRequest::new(KeyRange::prefix(LeaderKey::prefix(&self.election)));
        let request = Request::Range(RangeRequest { limit: 1, sort: Some(oldest), ..all });
        match self.asker.ask(&mut Session::default(), &request) {
            Completion::Ok(Response { body: Body::Range(found), .. }) => {
                let first = found.kvs.first();
                Some(
                    first.map_or((Revision(0), Revision(0)), |kv| {
                        (kv.create_revision, kv.mod_revision)
                    }),
                )
            }
            Completion::Ok(_) | Completion::Fail(_) | Completion::Info(_) => {
                self.asker.turn();
                None
            }
        }
    }
}
