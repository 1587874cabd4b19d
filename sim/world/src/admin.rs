//! The admin: asks for membership changes and leadership transfers until they are done or their fault ends.
//!
//! Every attempt is a request of its own. These requests are no part of the judged history.

use crate::{
    agenda::Due,
    asking::{Answer, Asker},
    limits,
    world::World,
};
use std::collections::BTreeMap;
use whitewater_api::{Caller, Error, MemberChange, NodeId, Process, Request, RequestId, auth};

/// The admins at work, by fault.
#[derive(Debug, Default)]
pub(crate) struct Admins {
    all: BTreeMap<usize, Admin>,
}

#[derive(Debug)]
struct Admin {
    process: Process,
    sequence: u32,
    /// Whom it asks next, if it was told.
    hint: Option<NodeId>,
    pending: Option<RequestId>,
}

/// What operators show who do not belong to the plan: where permissions are asked about, they have all.
pub(crate) fn root() -> Caller {
    Caller::Certificate(auth::ROOT.to_owned())
}

impl World {
    /// An admin begins.
    pub(crate) fn start_admin(&mut self, fault: usize) {
        let process = self.processes.spawn(Asker::Admin(fault));
        self.admins.all.insert(fault, Admin { process, sequence: 0, hint: None, pending: None });
        self.later(self.now, Due::Admin { fault });
    }

    /// An admin asks.
    pub(crate) fn on_admin(&mut self, fault: usize) {
        if self.on_operator(fault) {
            return;
        }
        let (true, Some(request)) = (self.nemesis.is_on(fault), self.admin_request(fault)) else {
            return;
        };
        if self.has_to_wait(&request) {
            self.later(self.now + limits::ADMIN_BACKOFF, Due::Admin { fault });
            return;
        }
        let leader = self.machines.leader();
        let admin = self.admins.all.get_mut(&fault).expect("it has begun");
        let Some(node) = admin.hint.take().or(leader) else {
            self.later(self.now + limits::ADMIN_BACKOFF, Due::Admin { fault });
            return;
        };
        let id = RequestId { process: admin.process, sequence: admin.sequence };
        admin.sequence += 1;
        admin.pending = Some(id);
        self.later(self.now + limits::ADMIN_TIMEOUT, Due::Timeout { id });
        self.ask(id, node, root(), request);
    }

    /// Whether somebody would go whose word is needed.
    fn has_to_wait(&self, request: &Request) -> bool {
        let Request::Member(change) = request else { return false };
        match *change {
            MemberChange::Remove(node) => !self.may_leave(node, None),
            MemberChange::Replace { old, new } => !self.may_leave(old, Some(new)),
            MemberChange::Add(_) | MemberChange::AddLearner(_) | MemberChange::Promote(_) => false,
        }
    }

    fn admin_request(&self, fault: usize) -> Option<Request> {
        match self.nemesis.change(fault) {
            Some(change) => Some(Request::Member(change)),
            None => self.nemesis.victim(fault).map(Request::MoveLeader),
        }
    }

    /// An answer, or none in time.
    pub(crate) fn on_admin_answer(&mut self, fault: usize, id: RequestId, answer: Option<&Answer>) {
        if self.on_operator_answer(fault, id, answer) {
            return;
        }
        let Some(admin) = self.admins.all.get_mut(&fault) else { return };
        if admin.pending != Some(id) {
            return;
        }
        admin.pending = None;
        // The last three: done by an earlier attempt whose answer was lost, or never to be done.
        let is_over = matches!(
            answer,
            Some(Answer::Reply(
                Ok(_) | Err(Error::MemberExists | Error::MemberNotFound | Error::NotEnoughMembers)
            ))
        );
        if is_over {
            return;
        }
        if let Some(Answer::Reply(Err(Error::NotLeader { hint }))) = answer {
            admin.hint = *hint;
        }
        self.later(self.now + limits::ADMIN_BACKOFF, Due::Admin { fault });
    }
}
