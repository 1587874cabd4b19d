//! The clients: each a thread that does the steps of its plan, one at a time.
//!
//! As in the simulator (`sim/world/src/client.rs`), one invocation is one attempt: what was refused and did not happen may be
//! asked again as a fresh one; after an unknown outcome the process retires, and the next one goes on.

use super::{members::Members, stage::Stage};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};
use whitewater_api::{
    Completion, Error, Key, KeyRange, Request, RequestId, Response, request::RangeRequest,
};
use whitewater_mutation::Mutations;
use whitewater_record::{Operation, Plan, Span, Step};
use whitewater_server::client::Client;
use whitewater_world::steps::{ATTEMPTS_MAX, BACKOFF, Belief, Sight, is_worth_another};

/// A member that has just come back may take so long to answer the last questions.
const FINAL_PATIENCE: Duration = Duration::from_secs(10);

/// One client.
struct Player<'a> {
    stage: &'a Stage,
    members: &'a Members,
    patience: Duration,
    sight: Sight,
    id: RequestId,
    /// The place of the member that it asks, and the connection to it.
    target: usize,
    client: Option<Client>,
    /// Where the record has its belief to hold a lock, by lock.
    holds: BTreeMap<Key, usize>,
}

/// Does the steps of a client until they or the time are over.
pub(super) fn play(stage: &Stage, members: &Members, plan: &Plan, client: usize) {
    let plan_of_client = &plan.clients[client];
    let home = usize::try_from(plan_of_client.home.0 - 1).expect("members are few");
    let mut player = Player::new(stage, members, home, Duration::from_nanos(plan.timeout.0));
    for operation in plan_of_client.operations.iter().filter(|operation| is_played(&operation.step))
    {
        let wait = operation.when.wait(stage.now());
        player.rest(wait);
        for attempt in 0..ATTEMPTS_MAX {
            if stage.steps_are_over() {
                return;
            }
            if !player.do_step(&operation.step, plan_of_client.follows_hints) {
                break;
            }
            thread::sleep(Duration::from_nanos(BACKOFF.0 << attempt));
        }
    }
}

impl<'a> Player<'a> {
    fn new(stage: &'a Stage, members: &'a Members, target: usize, patience: Duration) -> Self {
        Self {
            stage,
            members,
            patience,
            sight: Sight::default(),
            id: stage.new_process(),
            target: target % members.len(),
            client: None,
            holds: BTreeMap::new(),
        }
    }

    fn rest(&self, wait: Span) {
        let until = Instant::now() + Duration::from_nanos(wait.0);
        while Instant::now() < until && !self.stage.steps_are_over() {
            let left = until.saturating_duration_since(Instant::now());
            thread::sleep(left.min(super::TICK));
        }
    }

    /// Whether it is worth to do it again.
    fn do_step(&mut self, step: &Step, moves: bool) -> bool {
        let request = self.sight.request(step, Mutations::none());
        self.record_beliefs();
        let completion = self.ask(&request);
        let again = match &completion {
            Completion::Ok(response) => {
                self.sight.learn(&request, response);
                false
            }
            Completion::Fail(error) if moves && is_worth_another(error) => true,
            Completion::Fail(error) | Completion::Info(error) => {
                self.sight.learn_of_failure(&request, error);
                false
            }
        };
        self.record_beliefs();
        if again || matches!(completion, Completion::Info(_)) && moves {
            self.target = (self.target + 1) % self.members.len();
            self.client = None;
        }
        again
    }

    /// One attempt, for the record.
    fn ask(&mut self, request: &Request) -> Completion<Response, Error> {
        let (id, invoked) = (self.id, self.stage.now());
        self.id.sequence += 1;
        let (url, patience) = (self.members.url(self.target), self.patience);
        let client = match self.client.take() {
            Some(client) => Some(client),
            None => Client::new(url, patience).ok(),
        };
        self.client = client;
        let mut completion = match &mut self.client {
            Some(client) => client.ask(request),
            None => Completion::Fail(Error::NoLeader),
        };
        match &mut completion {
            Completion::Ok(response) => {
                response.header.node = self.stage.name(response.header.node);
                self.stage.told(response.header.revision);
            }
            Completion::Info(_) => self.id = self.stage.new_process(),
            Completion::Fail(_) => {}
        }
        self.stage.note(Operation {
            id,
            node: self.members.node(self.target),
            invoked,
            completed: self.stage.now(),
            request: request.clone(),
            completion: completion.clone(),
            witness: None,
        });
        completion
    }

    fn record_beliefs(&mut self) {
        for belief in self.sight.take_beliefs() {
            match belief {
                Belief::Holds(held) => {
                    let lock = held.lock.clone();
                    let row = held.row(self.id.process, self.stage.now());
                    self.holds.insert(lock, self.stage.begin_hold(row));
                }
                Belief::Lost(lock) => {
                    if let Some(place) = self.holds.remove(&lock) {
                        self.stage.end_hold(place, self.stage.now());
                    }
                }
                // By which request, the record of a real cluster does not say.
                Belief::Resigns(_) => {}
            }
        }
    }
}

/// What a client of a real cluster does here.
const fn is_played(step: &Step) -> bool {
    !matches!(
        step,
        Step::Auth(_)
            | Step::Maintain(_)
            | Step::Cluster(_)
            | Step::Lock(whitewater_record::LockStep::Observe(_))
    )
}

/// After the faults, everything is read once more at every member: it must answer, and what was acknowledged is there. Who
/// does not answer, if somebody does not.
pub(super) fn read_everything(stage: &Stage, members: &Members, plan: &Plan) -> Result<(), String> {
    let deadline = Stage::recovery_deadline();
    for target in 0..members.len() {
        let mut player = Player::new(stage, members, target, FINAL_PATIENCE);
        for key in keys(plan) {
            let request = Request::Range(RangeRequest::new(KeyRange::single(key)));
            while !matches!(player.ask(&request), Completion::Ok(_)) {
                if Instant::now() > deadline {
                    return Err(format!("{} does not answer", members.node(target)));
                }
                thread::sleep(super::TICK);
            }
        }
    }
    Ok(())
}

/// The keys that the steps of a plan write.
fn keys(plan: &Plan) -> Vec<Key> {
    let steps = plan.clients.iter().flat_map(|client| &client.operations);
    let mut keys: Vec<Key> = steps.filter_map(|operation| key_of(&operation.step)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn key_of(step: &Step) -> Option<Key> {
    match step {
        Step::Put(key, _)
        | Step::Get(key)
        | Step::Delete(key)
        | Step::Swap(key, _)
        | Step::Create(key, _)
        | Step::Append(key, _) => Some(key.clone()),
        Step::StaleGet(_)
        | Step::List(..)
        | Step::DeleteAll(_)
        | Step::Both(..)
        | Step::PutPast(..)
        | Step::Compact(_)
        | Step::Lease(_)
        | Step::Remove(_)
        | Step::If(..)
        | Step::Turn(_)
        | Step::CompactTurned
        | Step::Lock(_)
        | Step::Auth(_)
        | Step::Maintain(_)
        | Step::Cluster(_) => None,
    }
}
