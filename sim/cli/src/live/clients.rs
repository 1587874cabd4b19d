//! The clients: each a thread that does the steps of its plan, one at a time.
//!
//! As in the simulator (`sim/world/src/client.rs`), one invocation is one attempt: what was refused and did not happen may be
//! asked again as a fresh one; after an unknown outcome the process retires, and the next one goes on.

use super::{asking::Asker, members::Members, newcomers, stage::Stage};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};
use whitewater_api::{
    ClusterRequest, Completion, Key, KeyRange, Request, RequestId, auth::ROOT,
    request::RangeRequest,
};
use whitewater_mutation::Mutations;
use whitewater_record::{AuthStep, Plan, Span, Step};
use whitewater_world::{
    session::Session,
    steps::{ATTEMPTS_MAX, BACKOFF, Belief, Sight, is_worth_another},
};

/// A member that has just come back may take so long to answer the last questions.
const FINAL_PATIENCE: Duration = Duration::from_secs(10);

/// One client.
struct Player<'a> {
    asker: Asker<'a>,
    members: &'a Members,
    sight: Sight,
    session: Session,
    /// Where the record has its belief to hold a lock, by lock.
    holds: BTreeMap<Key, usize>,
    /// The request that its call to observe began with, by election.
    observes: BTreeMap<Key, RequestId>,
}

/// Does the steps of a client until they or the time are over.
pub(super) fn play(stage: &Stage, members: &Members, plan: &Plan, client: usize) {
    let plan_of_client = &plan.clients[client];
    let home = usize::try_from(plan_of_client.home.0 - 1).expect("members are few");
    let asker = Asker::new(stage, members, home, Duration::from_nanos(plan.timeout.0));
    let mut player = Player::new(asker, members);
    let is_played = |step: &Step| members.are_ours() || !is_change(step);
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
    fn new(asker: Asker<'a>, members: &'a Members) -> Self {
        let (sight, session) = (Sight::default(), Session::default());
        let (holds, observes) = (BTreeMap::new(), BTreeMap::new());
        Self { asker, members, sight, session, holds, observes }
    }

    fn rest(&self, wait: Span) {
        let until = Instant::now() + Duration::from_nanos(wait.0);
        while Instant::now() < until && !self.asker.stage().steps_are_over() {
            let left = until.saturating_duration_since(Instant::now());
            thread::sleep(left.min(super::TICK));
        }
    }

    /// Whether it is worth to do it again.
    fn do_step(&mut self, step: &Step, moves: bool) -> bool {
        let newcomers = self.members.newcomers();
        let request = match (self.session.request(step), step) {
            (Some(special), _) => special,
            (None, Step::Cluster(step)) => {
                Request::Cluster(newcomers.request(self.asker.stage(), self.members, step))
            }
            (None, step) => self.sight.request(step, Mutations::none()),
        };
        self.record_beliefs();
        let completion = self.asker.ask(&mut self.session, &request);
        if let Request::Cluster(request) = &request {
            newcomers.learn(self.members, request, &completion);
        }
        let mut again = self.asker.again();
        match &completion {
            Completion::Ok(response) => self.sight.learn(&request, response),
            Completion::Fail(error) if moves && is_worth_another(error) => again = true,
            Completion::Fail(error) | Completion::Info(error) if !again => {
                self.sight.learn_of_failure(&request, error);
            }
            Completion::Fail(_) | Completion::Info(_) => {}
        }
        self.record_beliefs();
        self.record_observed();
        let is_refused = matches!(&completion, Completion::Fail(error) if is_worth_another(error));
        if moves && (is_refused || matches!(completion, Completion::Info(_))) {
            self.asker.turn();
        }
        again
    }

    /// What it has learned of the elections that it observes, by its last request.
    fn record_observed(&mut self) {
        let (stage, id) = (self.asker.stage(), self.asker.asked());
        for observed in self.sight.take_observed() {
            let call = self.observes.entry(observed.election.clone()).or_insert(id);
            if observed.is_first {
                *call = id;
            }
            stage.note_observed(observed.row(*call, stage.now()));
        }
    }

    fn record_beliefs(&mut self) {
        let stage = self.asker.stage();
        for belief in self.sight.take_beliefs() {
            match belief {
                Belief::Holds(held) => {
                    let lock = held.lock.clone();
                    let row = held.row(self.asker.process(), stage.now());
                    self.holds.insert(lock, stage.begin_hold(row));
                }
                Belief::Lost(lock) => {
                    if let Some(place) = self.holds.remove(&lock) {
                        stage.end_hold(place, stage.now());
                    }
                }
                // By which request, the record of a real cluster does not say.
                Belief::Resigns(_) => {}
            }
        }
    }
}

/// Whether a step changes who is a member.
pub(super) const fn is_change(step: &Step) -> bool {
    matches!(step, Step::Cluster(request) if !matches!(request, ClusterRequest::List { .. }))
}

/// How somebody who belongs to no client becomes root, where the plan has one: its login.
pub(super) fn root_login(plan: &Plan) -> Option<&Step> {
    let steps = plan.clients.iter().flat_map(|client| &client.operations);
    let mut steps = steps.map(|operation| &operation.step);
    steps.find(|step| matches!(step, Step::Auth(AuthStep::Login(user, _)) if user == ROOT))
}

/// After the faults, whoever was added by a request whose answer was lost is found, and starts. Who does not answer, if nobody does.
pub(super) fn find_newcomers(stage: &Stage, members: &Members, plan: &Plan) -> Result<(), String> {
    if !newcomers::are_in(plan) || !members.are_ours() {
        return Ok(());
    }
    let deadline = Stage::recovery_deadline();
    let mut asker = Asker::new(stage, members, 0, FINAL_PATIENCE);
    let list = ClusterRequest::List { linearizable: true };
    loop {
        let completion = asker.ask(&mut Session::default(), &Request::Cluster(list.clone()));
        members.newcomers().learn(members, &list, &completion);
        if matches!(completion, Completion::Ok(_)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("nobody tells who the members are".to_owned());
        }
        asker.turn();
        thread::sleep(super::TICK);
    }
}

/// After the faults, everything is read once more at every member: it must answer, and what was acknowledged is there. Who
/// does not answer, if somebody does not.
pub(super) fn read_everything(stage: &Stage, members: &Members, plan: &Plan) -> Result<(), String> {
    let deadline = Stage::recovery_deadline();
    for target in 0..members.len() {
        let mut asker = Asker::new(stage, members, target, FINAL_PATIENCE);
        let mut session = Session::default();
        let mut login = root_login(plan).and_then(|login| session.request(login));
        for key in keys(plan) {
            let range = Request::Range(RangeRequest::new(KeyRange::single(key.clone())));
            loop {
                let request = login.take().or_else(|| session.request(&Step::Get(key.clone())));
                let is_read = request.is_none();
                let completion = asker.ask(&mut session, &request.unwrap_or_else(|| range.clone()));
                match completion {
                    Completion::Ok(_) if is_read => break,
                    Completion::Fail(_) | Completion::Info(_) if Instant::now() > deadline => {
                        return Err(format!("{} does not answer", members.at(target).node));
                    }
                    Completion::Ok(_) => {}
                    Completion::Fail(_) | Completion::Info(_) => thread::sleep(super::TICK),
                }
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
        | Step::Nest(..)
        | Step::ByVersion(..)
        | Step::Option(_)
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
