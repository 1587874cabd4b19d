//! Who observes an election (etcd, `client/v3/concurrency/election.go`, `observe`).
//!
//! It is told of what the present leader proclaims, then of who comes after it. Leaders that came and went while nobody
//! looked may be missed; the last one never is, and none is told twice.

use crate::{call::Step, requests::by_creation};
use whitewater_api::{
    Body, Error, Key, KeyRange, KeyValue, Request, Response, Revision, WatchResponse,
    concurrency::{LeaderKey, ServiceError, ServiceResponse},
    response::Header,
    watch::{CancelReason, EventKind, WatchBody, WatchCreate},
};
use whitewater_mutation::{Mutation, Mutations};

/// Who watches an election.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    name: Key,
    stage: Stage,
    /// The proclamation that was told last: when its leader's key was created, and when it was said. Who has waited comes
    /// after who led, and may have said what it has to say before.
    told: (Revision, Revision),
    mutations: Mutations,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Asks who leads.
    Looking,
    /// Nobody does: waits for whoever comes.
    Empty,
    /// Somebody does: hears what it says, until it is gone.
    Led,
}

impl Observer {
    pub(crate) fn begin(name: Key, mutations: Mutations) -> (Self, Vec<Step>) {
        let mut observer =
            Self { name, stage: Stage::Looking, told: (Revision(0), Revision(0)), mutations };
        let step = observer.look();
        (observer, vec![step])
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a range is answered by a range")]
    pub(crate) fn on_answer(&mut self, answer: Result<&Response, Error>) -> Vec<Step> {
        let response = match answer {
            Ok(response) => response,
            Err(error) => return vec![Step::Done(Err(error.into()))],
        };
        let range = match &response.body {
            Body::Range(range) => range,
            other => panic!("a range was answered by {other:?}"),
        };
        let header = response.header;
        match range.kvs.first() {
            Some(leader) => {
                let mut steps = self.tell(header, leader);
                steps.push(self.follow(leader.key.clone(), header.revision));
                steps
            }
            None => vec![self.wait(header.revision)],
        }
    }

    pub(crate) fn on_watch(&mut self, message: &WatchResponse) -> Vec<Step> {
        let events = match &message.body {
            WatchBody::Created | WatchBody::Progress => return Vec::new(),
            WatchBody::Events { events, .. } => events,
            WatchBody::Canceled(CancelReason::Refused(why)) => {
                return vec![Step::Done(Err(ServiceError::WatchRefused(why.clone())))];
            }
            // What it may have missed, the next look tells.
            WatchBody::Canceled(_) => return vec![self.look()],
        };
        let mut steps = Vec::new();
        for event in events {
            match (self.stage, event.kind) {
                (Stage::Looking, _) | (Stage::Empty, EventKind::Delete) => {}
                // Somebody came; whether first, the look tells.
                (Stage::Empty, EventKind::Put) => steps.push(self.look()),
                (Stage::Led, EventKind::Put) => {
                    let revision = event.kv.mod_revision;
                    steps.extend(self.tell(Header { revision, ..message.header }, &event.kv));
                }
                (Stage::Led, EventKind::Delete) => {
                    let revision = event.kv.mod_revision;
                    let skips = self.mutations.has(Mutation::ObserveSkipsSuccessor);
                    steps.push(if skips { self.wait(revision) } else { self.look() });
                    break;
                }
            }
        }
        steps
    }

    pub(crate) fn on_watch_lost(&mut self) -> Vec<Step> {
        if self.stage == Stage::Looking { Vec::new() } else { vec![self.look()] }
    }

    fn look(&mut self) -> Step {
        self.stage = Stage::Looking;
        Step::Ask(Request::Range(by_creation(LeaderKey::prefix(&self.name), false)))
    }

    /// Waits for anybody, from behind this revision on.
    fn wait(&mut self, after: Revision) -> Step {
        self.stage = Stage::Empty;
        let mut watch = WatchCreate::new(KeyRange::prefix(LeaderKey::prefix(&self.name)));
        watch.start = after.next();
        Step::Watch(watch)
    }

    /// Hears what this leader says, from behind this revision on.
    fn follow(&mut self, leader: Key, after: Revision) -> Step {
        self.stage = Stage::Led;
        let mut watch = WatchCreate::new(KeyRange::single(leader));
        watch.start = after.next();
        Step::Watch(watch)
    }

    fn tell(&mut self, header: Header, kv: &KeyValue) -> Vec<Step> {
        let said = (kv.create_revision, kv.mod_revision);
        if said <= self.told {
            return Vec::new(); // After a broken watch.
        }
        self.told = said;
        vec![Step::Tell(ServiceResponse::Leader { header, kv: kv.clone() })]
    }
}
