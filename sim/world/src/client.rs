//! One client: a chain of logical processes that do the plan's operations, one at a time.
//!
//! One invocation is one attempt. What was refused and did not happen may be asked again as a fresh invocation; after an
//! unknown outcome the process retires, and the next one goes on with the next operation.

use crate::{
    asking::Answer,
    limits,
    session::Session,
    steps::{self, Sight},
};
use std::collections::BTreeMap;
use whitewater_api::{
    Completion, Effect, Error, Key, NodeId, Process, RequestId, Response, Revision,
};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_record::SimTime;

/// The state of one client.
#[derive(Debug)]
pub(crate) struct Client {
    /// The process that acts now.
    pub(crate) process: Process,
    /// The number of its next request.
    pub(crate) sequence: u32,
    /// The node that it asks next.
    pub(crate) target: NodeId,
    /// The operation of the plan that it does next.
    pub(crate) next: usize,
    /// Attempts at that operation that were refused.
    pub(crate) attempts: u32,
    /// When each operation of the plan was invoked, the first time; shorter than the plan if the run was.
    pub(crate) began: Vec<SimTime>,
    /// What it has seen.
    pub(crate) sight: Sight,
    /// Where the history holds its belief to hold a lock, by lock.
    pub(crate) holds: BTreeMap<Key, usize>,
    /// The request that its call to observe began with, by election.
    pub(crate) observes: BTreeMap<Key, RequestId>,
    /// Whom it acts for.
    pub(crate) session: Session,
    /// What it waits for.
    pub(crate) pending: Option<Pending>,
    /// Nobody takes over the work of one that has died before this.
    pub(crate) down_until: SimTime,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// The id on the wire; the invocation's own, but for the mutation that sends again.
    pub(crate) wire: RequestId,
    /// Its place in the history.
    pub(crate) operation: usize,
    /// The newest revision that anybody had been told of when it was asked.
    pub(crate) floor: Revision,
    /// How often the mutation has sent it again.
    pub(crate) resends: u32,
}

/// What a client does after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Its next operation.
    Advance,
    /// The same operation again, as a fresh invocation.
    Again,
}

impl Client {
    pub(crate) fn new(process: Process, home: NodeId) -> Self {
        Self {
            process,
            sequence: 0,
            target: home,
            next: 0,
            attempts: 0,
            began: Vec::new(),
            sight: Sight::default(),
            holds: BTreeMap::new(),
            observes: BTreeMap::new(),
            session: Session::default(),
            pending: None,
            down_until: SimTime::ZERO,
        }
    }

    /// The id of the next request.
    pub(crate) fn take_id(&mut self) -> RequestId {
        let id = RequestId { process: self.process, sequence: self.sequence };
        self.sequence += 1;
        id
    }

    /// Where and when to go on after a completion. `members` are the nodes that there are to choose from, by id; `again`
    /// says that there is a reason of its own to do the same operation again.
    pub(crate) fn go_on(
        &mut self,
        completion: &Completion<Response, Error>,
        follows_hints: bool,
        members: &[NodeId],
        mut again: bool,
    ) -> Then {
        match completion {
            Completion::Ok(_) => {}
            Completion::Fail(error) => {
                let is_worth = follows_hints && steps::is_worth_another(error);
                again |= is_worth;
                if let Error::NotLeader { hint: Some(hint) } = error {
                    if follows_hints {
                        self.target = *hint;
                    }
                } else if is_worth {
                    self.turn(members);
                }
            }
            Completion::Info(_) => {
                if follows_hints {
                    self.turn(members);
                }
            }
        }
        self.attempts += 1;
        if again && self.attempts < limits::ATTEMPTS_MAX {
            return Then::Again;
        }
        self.attempts = 0;
        self.next += 1;
        Then::Advance
    }

    /// Goes to the next member by id.
    fn turn(&mut self, members: &[NodeId]) {
        let next = members.iter().find(|member| **member > self.target).or_else(|| members.first());
        self.target = next.copied().unwrap_or(self.target);
    }
}

/// How an invocation ends with this answer; `None` for none in time.
pub(crate) fn completion(
    answer: Option<Answer>,
    mutations: Mutations,
) -> Completion<Response, Error> {
    match answer {
        Some(Answer::Reply(Ok(response))) => Completion::Ok(*response),
        Some(Answer::Reply(Err(error))) => match error.effect() {
            Effect::None => Completion::Fail(error),
            Effect::Unknown => Completion::Info(error),
        },
        // It reached no process, so it did not happen.
        Some(Answer::Refused) => Completion::Fail(Error::NoLeader),
        Some(Answer::Reset) => Completion::Info(Error::Stopped),
        // By a reason that stands for "it did not happen", or the record would contradict itself.
        None if mutations.has(Mutation::TimeoutIsFailure) => Completion::Fail(Error::NoLeader),
        None => Completion::Info(Error::TimedOut),
    }
}
