//! The host of one replica: hands it inputs and performs its outputs. It decides nothing.
//!
//! Read it beside `sim/world/src/host.rs`: the same loop, with a real clock, real files and real sockets. As there, the replica
//! lies on a stage where it is stepped: see [`Stage`].

mod baton;
mod mailbox;
mod stage;

pub(crate) use self::{
    mailbox::{Asker, Mailbox},
    stage::{Brought, Stage},
};

use crate::{clock, disk::Writer, entropy, limits, metrics::Metrics, peers::Peers};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{mpsc, watch};
use whitewater_api::{
    Caller, Error, Member, Monotonic, Process, Request, RequestId, Response, StreamEnd, StreamId,
    WatchResponse,
};
use whitewater_replica::{Asked, Event, Input, Output, Replica, Role, Status, StopReason};

/// What comes back to whoever asked.
pub(crate) type Answer = Result<Response, Error>;

/// What the host is told by the rest of the process.
pub(crate) enum Command {
    /// Ask the replica, and say what came of it.
    Ask { caller: Caller, request: Request, asker: Asker },
    /// Open a stream of watches.
    Open {
        stream: StreamId,
        require_leader: bool,
        caller: Caller,
        messages: mpsc::UnboundedSender<Told>,
    },
    /// Hand this over as it is.
    Tell(Input),
    /// Come to an end.
    Stop,
}

/// What a stream of watches is told.
pub(crate) enum Told {
    Message(WatchResponse),
    End(StreamEnd),
}

/// Why a host has come to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was asked to.
    Asked,
    /// The replica has stopped by itself.
    Stopped(StopReason),
}

/// What the host hands outputs to, and what it takes inputs from.
pub(crate) struct Surroundings {
    pub(crate) stage: Stage,
    pub(crate) brought: Brought,
    pub(crate) writer: Writer,
    pub(crate) outbox: Peers,
    pub(crate) status: watch::Sender<Status>,
    /// All members, as they are known here.
    pub(crate) members: watch::Sender<Vec<Member>>,
    pub(crate) metrics: Arc<Metrics>,
}

pub(crate) struct Host {
    replica: Replica,
    around: Surroundings,
    waiting: BTreeMap<RequestId, Asker>,
    streams: BTreeMap<StreamId, mpsc::UnboundedSender<Told>>,
    next_id: RequestId,
    /// When to look at the members again.
    members_due: Monotonic,
    /// Kept for the next step, so that it does not allocate.
    outputs: Vec<Output>,
    /// Taken out of the inbox, and not played yet.
    put_back: Option<Command>,
    /// The last input was that time has passed.
    has_ticked: bool,
    /// Mailboxes in which answers wait for the end of the step.
    to_wake: Vec<Mailbox>,
}

/// What is to be done next.
enum Next {
    Step(Input),
    End,
}

/// How a turn ended.
enum Turn {
    /// Nothing more is there to be played.
    Idle,
    /// Something is, but this was enough at a time.
    Full,
    /// The host has come to its end.
    Ended(Ended),
}

impl Host {
    /// `outputs`: those of the opening.
    pub(crate) fn new(replica: Replica, outputs: Vec<Output>, around: Surroundings) -> Self {
        let next_id = RequestId { process: new_process(), sequence: 0 };
        Self {
            replica,
            around,
            waiting: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_id,
            members_due: Monotonic(0),
            outputs,
            put_back: None,
            has_ticked: false,
            to_wake: Vec::new(),
        }
    }

    /// Plays what is there, so many inputs at most, after what is left to be performed.
    fn turn(&mut self, most: usize) -> Turn {
        // The outputs of the opening.
        if !self.outputs.is_empty()
            && let Some(ended) = self.perform()
        {
            return Turn::Ended(ended);
        }
        for _ in 0..most {
            match self.next() {
                None => return Turn::Idle,
                Some(Next::End) => return Turn::Ended(Ended::Asked),
                Some(Next::Step(input)) => self.step(input),
            }
            if let Some(ended) = self.perform() {
                return Turn::Ended(ended);
            }
        }
        let brought = &self.around.brought;
        let is_idle =
            brought.done.is_empty() && brought.inbox.is_empty() && self.put_back.is_none();
        if is_idle { Turn::Idle } else { Turn::Full }
    }

    fn step(&mut self, input: Input) {
        self.around.writer.hasten();
        let now = clock::now();
        self.replica.step(now, input, &mut self.outputs);
        if clock::now().since(now) > limits::SLOW_STEP_NANOS {
            self.around.metrics.slow_applies.inc();
        }
        self.look_at_members(now);
    }

    /// The next input, if there is one: what the disk has done first, for others wait for it; then everybody else. But before
    /// all, time, though not twice in a row: a replica that works on something long wants to be stepped at once, again and again,
    /// and would hear of nothing else. What time there is left is the clock's to tell.
    fn next(&mut self) -> Option<Next> {
        self.has_ticked = !self.has_ticked && self.replica.next_wake() <= clock::now();
        if self.has_ticked {
            return Some(Next::Step(Input::Tick));
        }
        if let Ok(input) = self.around.brought.done.try_recv() {
            return Some(Next::Step(input));
        }
        Some(match self.next_command()? {
            Command::Ask { caller, request, asker } => {
                let mut asked = vec![self.take_in(caller, request, asker)];
                asked.extend(self.more_requests());
                Next::Step(Input::Requests(asked))
            }
            Command::Open { stream, require_leader, caller, messages } => {
                self.streams.insert(stream, messages);
                Next::Step(Input::StreamOpened { stream, require_leader, caller })
            }
            Command::Tell(input) => {
                if let Input::StreamClosed { stream } = &input {
                    self.streams.remove(stream);
                }
                Next::Step(input)
            }
            Command::Stop => Next::End,
        })
    }

    fn next_command(&mut self) -> Option<Command> {
        self.put_back.take().or_else(|| self.around.brought.inbox.try_recv().ok())
    }

    /// Requests that have come after one: they are written by one batch, and read by one round.
    fn more_requests(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        while asked.len() + 1 < limits::REQUESTS_AT_ONCE {
            match self.next_command() {
                Some(Command::Ask { caller, request, asker }) => {
                    asked.push(self.take_in(caller, request, asker));
                }
                other => {
                    self.put_back = other;
                    break;
                }
            }
        }
        asked
    }

    fn take_in(&mut self, caller: Caller, request: Request, asker: Asker) -> Asked {
        let id = self.take_id();
        self.waiting.insert(id, asker);
        Asked { id, caller, request: Box::new(request) }
    }

    /// Performs the outputs of a step, in order. Says so if one was the last.
    fn perform(&mut self) -> Option<Ended> {
        // First, so that whoever has an answer sees a state that it holds in.
        let status = self.replica.status();
        self.around.metrics.note_leader(status.leader);
        self.around.status.send_if_modified(|before| {
            let has_changed = *before != status;
            *before = status;
            has_changed
        });
        let mut outputs = std::mem::take(&mut self.outputs);
        let ended = outputs.drain(..).find_map(|output| self.carry_out(output));
        self.outputs = outputs;
        self.to_wake.drain(..).for_each(|mailbox| mailbox.wake());
        ended
    }

    /// Carries out one output. Says so if it was the last.
    fn carry_out(&mut self, output: Output) -> Option<Ended> {
        match output {
            Output::Send(envelope) => self.around.outbox.send(envelope),
            Output::Disk { write, ops } => self.around.writer.submit(write, ops),
            Output::Reply { id, result } => {
                if let Ok(response) = &result {
                    self.around.metrics.answers.note(response);
                }
                if let Some(asker) = self.waiting.remove(&id) {
                    self.to_wake.extend(asker.answer(result.map(|response| *response)));
                }
            }
            Output::Password { id, work } => {
                self.around.stage.work(move || Input::PasswordDone { id, done: work.run() });
            }
            Output::Watch { stream, response } => self.tell(stream, Told::Message(*response)),
            Output::StreamEnded { stream, end } => {
                self.tell(stream, Told::End(end));
                self.streams.remove(&stream);
            }
            Output::Event(event) => self.note(&event),
            Output::Stop(reason) => return Some(Ended::Stopped(reason)),
        }
        None
    }

    /// A change of the configuration is seen before anybody is told that it is done; URLs change without one, so it is looked
    /// from time to time, too.
    fn look_at_members(&mut self, now: Monotonic) {
        let is_change = |output: &Output| matches!(output, Output::Event(Event::Members { .. }));
        if now < self.members_due && !self.outputs.iter().any(is_change) {
            return;
        }
        self.members_due = now.after(limits::MEMBERS_NANOS);
        let members = self.replica.members();
        self.around.members.send_if_modified(|known| {
            let has_changed = *known != members;
            *known = members;
            has_changed
        });
    }

    fn tell(&self, stream: StreamId, told: Told) {
        let Some(messages) = self.streams.get(&stream) else { return };
        let answers = &self.around.metrics.answers;
        if let Told::Message(message) = &told {
            answers.note_waiting(message);
        }
        // A client that has gone closes its stream; what is still on its way to it is nobody's.
        if let Err(mpsc::error::SendError(Told::Message(message))) = messages.send(told) {
            answers.note_dropped(&message);
        }
    }

    fn note(&self, event: &Event) {
        self.around.metrics.note(event, || self.around.status.borrow().role == Role::Leader);
        match event {
            Event::Damaged(what) => {
                tracing::error!(what, "the disk is damaged; asking the members");
            }
            Event::StartedOver { barrier } => tracing::warn!(?barrier, "started over from nothing"),
            Event::Snapshot { index, installed, .. } => {
                tracing::info!(%index, installed, "snapshot in use");
            }
            Event::LeaseExpired { lease, .. } => tracing::debug!(%lease, "lease expired"),
            Event::AutoCompaction { revision } => tracing::info!(%revision, "automatic compaction"),
            Event::Sometimes(what) => tracing::debug!(what),
            Event::Appended { .. }
            | Event::Applied { .. }
            | Event::Members { .. }
            | Event::SnapshotPart { .. }
            | Event::Read { .. } => {}
        }
    }

    /// A number for a request that no other has had: entries of older lives and of other members are in the log, too.
    fn take_id(&mut self) -> RequestId {
        let id = self.next_id;
        self.next_id = match id.sequence.checked_add(1) {
            Some(sequence) => RequestId { sequence, ..id },
            None => RequestId { process: new_process(), sequence: 0 },
        };
        id
    }
}

/// One in four thousand million; the largest is the replicas' own.
fn new_process() -> Process {
    Process(u32::from_le_bytes(entropy::bytes()) % u32::MAX)
}
