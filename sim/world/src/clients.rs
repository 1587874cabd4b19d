//! The clients of a run, and the history that they record.

use crate::{
    agenda::Due,
    asking::{Answer, Asker},
    client::{Client, Pending, Then, completion},
    limits,
    steps::{self, Belief, Sight},
    world::{PhaseOfRun, World},
};
use whitewater_api::{Completion, Error, LeaseId, NodeId, Request, RequestId, Response, Revision};
use whitewater_mutation::Mutation;
use whitewater_record::{CallerRow, EndRow, Operation, RowKind, SimTime, Span};

impl World {
    /// Spawns all clients and plans their first operations.
    pub(crate) fn start_clients(&mut self) {
        for (index, plan) in self.plan.clone().clients.iter().enumerate() {
            let process = self.processes.spawn(Asker::Client(index));
            self.clients.push(Client::new(process, plan.home));
            self.plan_next(index, Span(0));
        }
    }

    /// Plans the next operation of a client, if it has one left.
    fn plan_next(&mut self, index: usize, wait: Span) {
        let client = &self.clients[index];
        if let Some(operation) = self.plan.clients[index].operations.get(client.next) {
            let wait = if client.attempts == 0 { operation.when.wait(self.now) } else { wait };
            self.later(self.now + wait, Due::Client { client: index });
        }
    }

    /// A client does its next operation.
    pub(crate) fn on_client(&mut self, index: usize) {
        if self.phase != PhaseOfRun::Safety {
            return;
        }
        let now = self.now;
        let client = &mut self.clients[index];
        if now < client.down_until {
            let until = client.down_until;
            self.later(until, Due::Client { client: index });
            return;
        }
        if client.attempts == 0 {
            client.began.push(now);
        }
        let step = &self.plan.clients[index].operations[client.next].step;
        let special = client.session.request(step);
        let request = special.unwrap_or_else(|| client.sight.request(step, self.mutations));
        let (id, node) = (client.take_id(), client.target);
        let (user, caller) = (client.session.user(), client.session.caller());
        self.record_beliefs(index, id);
        let user = user.map(|(user, login)| (user, Some(login)));
        let operation = self.invoke(id, node, user, request.clone());
        let pending = Pending { wire: id, operation, floor: self.acked, resends: 0 };
        self.clients[index].pending = Some(pending);
        self.later(self.now + self.plan.timeout, Due::Timeout { id });
        self.ask(id, node, caller, request);
    }

    /// Records an invocation, by nobody in particular or by a user, with the login that has named it, if one has.
    pub(crate) fn invoke(
        &mut self,
        id: RequestId,
        node: NodeId,
        user: Option<(String, Option<RequestId>)>,
        request: Request,
    ) -> usize {
        self.history.callers.extend(user.map(|(user, login)| CallerRow { id, user, login }));
        let fields = [u64::from(id.process.0), u64::from(id.sequence), steps::digest(&request)];
        self.begin(RowKind::Invoke, node.0, &fields);
        let completion = Completion::Info(Error::TimedOut);
        let (invoked, completed) = (self.now, SimTime::NEVER);
        let operation =
            Operation { id, node, invoked, completed, request, completion, witness: None };
        self.history.operations.push(operation);
        self.history.operations.len() - 1
    }

    /// Records a completion.
    pub(crate) fn complete(&mut self, operation: usize, completion: Completion<Response, Error>) {
        let now = self.now;
        let operation = &mut self.history.operations[operation];
        let (outcome, revision) = match &completion {
            Completion::Ok(response) => {
                self.acked = self.acked.max(response.header.revision);
                (0, response.header.revision.0)
            }
            Completion::Fail(_) => (1, 0),
            Completion::Info(_) => (2, 0),
        };
        operation.completed = now;
        operation.completion = completion;
        let is_corrupt = matches!(operation.completion, Completion::Fail(Error::Corrupt));
        let (id, node) = (operation.id, operation.node);
        let fields = [id.process.0.into(), id.sequence.into(), outcome, revision];
        self.begin(RowKind::Complete, node.0, &fields);
        if is_corrupt {
            self.observer.on_called_corrupt(node);
        }
    }

    /// An answer, or none in time.
    pub(crate) fn on_client_answer(&mut self, index: usize, id: RequestId, answer: Option<Answer>) {
        let Some(pending) = self.clients[index].pending.filter(|pending| pending.wire == id) else {
            return;
        };
        let completion = completion(answer, self.mutations);
        if matches!(completion, Completion::Info(_)) && self.resend(index, pending) {
            return;
        }
        self.clients[index].pending = None;
        let follows_hints = self.plan.clients[index].follows_hints;
        let members = self.observer.members().everybody();
        let Operation { id, request, .. } = &self.history.operations[pending.operation];
        let client = &mut self.clients[index];
        let again = client.session.learn(*id, request, &completion);
        let then = client.go_on(&completion, follows_hints, &members, again);
        if let Completion::Ok(response) = &completion {
            let request = &self.history.operations[pending.operation].request;
            self.clients[index].sight.learn(request, response);
        } else if matches!(then, Then::Advance)
            && let Completion::Fail(error) | Completion::Info(error) = &completion
        {
            let request = &self.history.operations[pending.operation].request;
            self.clients[index].sight.learn_of_failure(request, error);
        }
        let id = self.history.operations[pending.operation].id;
        self.record_beliefs(index, id);
        self.record_observed(index, id);
        let retires = matches!(completion, Completion::Info(_));
        self.complete(pending.operation, completion);
        if retires {
            self.clients[index].process = self.processes.spawn(Asker::Client(index));
            self.clients[index].sequence = 0;
        }
        let wait = match then {
            Then::Advance => Span(0),
            Then::Again => Span(limits::BACKOFF.0 << (self.clients[index].attempts - 1)),
        };
        self.plan_next(index, wait);
    }

    /// Records what a client has begun and ceased to believe about locks, by this request.
    fn record_beliefs(&mut self, index: usize, id: RequestId) {
        let now = self.now;
        let client = &mut self.clients[index];
        for belief in client.sight.take_beliefs() {
            match belief {
                Belief::Holds(held) => {
                    client.holds.insert(held.lock.clone(), self.history.holds.len());
                    self.history.holds.push(held.row(client.process, now));
                    self.observer.tally.sometimes("client held a lock");
                }
                Belief::Lost(lock) => {
                    if let Some(place) = client.holds.remove(&lock) {
                        self.history.holds[place].to = now;
                    }
                }
                Belief::Resigns(lock) => {
                    if let Some(place) = client.holds.get(&lock) {
                        self.history.holds[*place].resigned = Some(id);
                    }
                }
            }
        }
    }

    /// Records what a client has learned of the elections that it observes, by this request.
    fn record_observed(&mut self, index: usize, id: RequestId) {
        let client = &mut self.clients[index];
        for observed in client.sight.take_observed() {
            if observed.is_first {
                client.observes.insert(observed.election.clone(), id);
            }
            let call = client.observes.get(&observed.election).copied().unwrap_or(id);
            self.history.observed.push(observed.row(call, self.now));
        }
    }

    /// A client dies. What it waits for it will never learn of, and what it has seen is forgotten. Whether it waited.
    pub(crate) fn crash_client(&mut self, client: u64, until: SimTime) -> bool {
        let count = u64::try_from(self.clients.len()).expect("a length fits 64 bits");
        let Some(index) = client.checked_rem(count) else { return false };
        let index = usize::try_from(index).expect("below a length");
        let now = self.now;
        let client = &mut self.clients[index];
        client.down_until = client.down_until.max(until);
        client.sight = Sight::default();
        for place in std::mem::take(&mut client.holds).into_values() {
            self.history.holds[place].to = now;
        }
        let pending = client.pending;
        if let Some(pending) = pending {
            self.on_client_answer(index, pending.wire, Some(Answer::Reset));
        }
        pending.is_some()
    }

    /// The connections of clients to a node break, those of watchers too. Whether there were any.
    pub(crate) fn reset_connections(&mut self, node: NodeId) -> bool {
        let mut was_any = self.reset_streams(node);
        for index in 0..self.clients.len() {
            let Some(pending) = self.clients[index].pending else { continue };
            if self.clients[index].target == node {
                self.on_client_answer(index, pending.wire, Some(Answer::Reset));
                was_any = true;
            }
        }
        was_any
    }

    /// The mutation `client-retries`: sends a write of unknown outcome again, inside the same invocation.
    fn resend(&mut self, index: usize, pending: Pending) -> bool {
        let request = self.history.operations[pending.operation].request.clone();
        let resends = self.mutations.has(Mutation::ClientRetries)
            && pending.resends < limits::RESENDS_MAX
            && !request.is_read();
        if resends {
            let client = &mut self.clients[index];
            let wire = client.take_id();
            client.target = NodeId(client.target.0 % self.plan.cluster.nodes + 1);
            client.pending = Some(Pending { wire, resends: pending.resends + 1, ..pending });
            let node = client.target;
            self.later(self.now + self.plan.timeout, Due::Timeout { id: wire });
            let caller = self.clients[index].session.caller();
            self.ask(wire, node, caller, request);
        }
        resends
    }

    /// Tells of the operations of unknown outcome which revision they made, if they made one.
    fn bear_witness(&mut self) {
        let mut witnessed = std::mem::take(&mut self.witnessed);
        witnessed.sort_unstable();
        let unknown =
            |operation: &&mut Operation| matches!(operation.completion, Completion::Info(_));
        for operation in self.history.operations.iter_mut().filter(unknown) {
            let place = witnessed.partition_point(|(id, _)| *id < operation.id);
            operation.witness = witnessed
                .get(place)
                .filter(|(id, _)| *id == operation.id)
                .map(|(_, revision)| *revision);
        }
    }

    /// A replica carried out the end of a lease: the first tells of the revision that this made.
    pub(crate) fn note_end(&mut self, lease: LeaseId, made: Option<Revision>) {
        let Some(revision) = made else { return };
        // Each replica tells them in order, so what is new is newer, unless the cluster was started over since.
        let founded = self.history.epochs.last().map_or(SimTime::ZERO, |epoch| epoch.at);
        let told = self.history.ends.last().filter(|end| end.at > founded);
        if told.is_none_or(|told| told.revision < revision) {
            self.history.ends.push(EndRow { lease, revision, at: self.now });
        }
    }

    /// Ends what is still open at the end of the run.
    pub(crate) fn close_history(&mut self) {
        let end = self.now;
        for operation in &mut self.history.operations {
            if operation.completed == SimTime::NEVER {
                operation.completed = end;
            }
        }
        for hold in self.history.holds.iter_mut().filter(|hold| hold.to == SimTime::NEVER) {
            hold.to = end;
        }
        self.bear_witness();
    }
}
