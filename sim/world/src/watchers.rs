//! The watchers of a run: clients that hold a stream of watches open and record what they are told.

mod noting;
mod taking;

use crate::{
    agenda::Due,
    asking::Asker,
    guests::Guest,
    limits,
    mirrors::Lists,
    streams::Up,
    world::{PhaseOfRun, World},
};
use std::collections::VecDeque;
use whitewater_api::{
    Caller, NodeId, Process, Revision, StreamId, WatchId, WatchRequest, WatchResponse,
    watch::WatchCreate,
};
use whitewater_record::{SimTime, Span, WatchMessage, WatcherPlan};

/// The state of one watcher.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) process: Process,
    /// The node that it is at, or goes to next.
    pub(crate) node: NodeId,
    /// How many streams it has opened.
    pub(crate) streams: u32,
    /// Whom it acts for.
    pub(crate) guest: Guest,
    /// What it lists before it watches.
    pub(crate) lists: Lists,
    /// The stream that is open.
    stream: Option<StreamId>,
    /// When it last heard anything from its node.
    heard: SimTime,
    /// Messages that have come and that it has not taken.
    inbox: VecDeque<WatchResponse>,
    is_taking: bool,
    /// Messages that it took since it last said that there is room.
    taken: u64,
    /// By the plan's order.
    watches: Vec<Watched>,
    next_question: SimTime,
    next_move: SimTime,
    next_cancel: SimTime,
    /// How often it has canceled a watch.
    canceled: usize,
}

/// How far a watch has come.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    /// The first revision that it has not been told of; `None` before it was ever open.
    next: Option<Revision>,
    /// On this stream.
    state: State,
}

/// What is between a watcher and its node about one watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing.
    #[default]
    Closed,
    /// The watcher has asked for it.
    Asked,
    /// The node tells of it.
    Open,
    /// The watcher has asked that it end. The node may still tell of it.
    Ending,
}

impl State {
    const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Ending)
    }

    const fn is_owed(self) -> bool {
        matches!(self, Self::Asked | Self::Ending)
    }
}

impl Watcher {
    fn new(process: Process, plan: &WatcherPlan) -> Self {
        Self {
            process,
            node: plan.home,
            streams: 0,
            guest: Guest::default(),
            lists: Lists::default(),
            stream: None,
            heard: SimTime::ZERO,
            inbox: VecDeque::new(),
            is_taking: false,
            taken: 0,
            watches: vec![Watched::default(); plan.watches.len()],
            next_question: SimTime::ZERO,
            next_move: SimTime::NEVER,
            next_cancel: SimTime::NEVER,
            canceled: 0,
        }
    }

    /// The watch with that number on the stream. The client chooses the numbers.
    fn watched(&mut self, watch: WatchId) -> Option<&mut Watched> {
        self.watches.get_mut(place(watch)?)
    }

    /// Whether it has a stream open.
    pub(crate) const fn has_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// What all its watches have been told.
    fn told(&self) -> Revision {
        let nexts = self.watches.iter().map(|watched| watched.next.unwrap_or(Revision(1)));
        Revision(nexts.min().unwrap_or(Revision(u64::MAX)).0 - 1)
    }

    /// The watch that it has asked something about, on the stream that is open, and was not answered.
    fn waits_for(&self) -> Option<WatchId> {
        self.stream?;
        self.watches.iter().position(|watched| watched.state.is_owed()).map(number)
    }

    /// Whether one of its watches waits for what comes behind the revision after `newest`.
    fn is_ahead_of(&self, newest: Revision) -> bool {
        self.watches.iter().any(|watched| watched.next > Some(Revision(newest.0 + 1)))
    }
}

impl World {
    /// Spawns all watchers and plans their first streams.
    pub(crate) fn start_watchers(&mut self) {
        for (index, plan) in self.plan.clone().watchers.iter().enumerate() {
            let process = self.processes.spawn(Asker::Watcher(index));
            self.watchers.push(Watcher::new(process, plan));
            self.later(self.now + plan.starts, Due::WatcherOpens { watcher: index });
        }
    }

    /// A watcher opens a stream, and all its watches on it.
    pub(crate) fn on_watcher_opens(&mut self, index: usize) {
        let plan = self.plan.watchers[index].clone();
        if let Some(account) = &plan.user
            && self.wants_token(index, account)
        {
            return;
        }
        let (now, node) = (self.now, self.watchers[index].node);
        let stream = self.connect(index, node);
        let watcher = &mut self.watchers[index];
        watcher.stream = Some(stream);
        watcher.streams += 1;
        (watcher.heard, watcher.taken) = (now, 0);
        watcher.next_question = after(now, plan.asks);
        watcher.next_move = after(now, plan.moves);
        watcher.next_cancel = after(now, plan.cancels);
        let caller = self.watchers[index].guest.caller();
        let user = plan.user.filter(|_| caller != Caller::Nobody);
        if let Some((user, _)) = user {
            self.record_watch(index, WatchMessage::As(user));
        }
        self.send_up(stream, Up::Open { require_leader: plan.require_leader, caller });
        self.send_up(stream, Up::Ready(plan.window));
        for place in 0..plan.watches.len() {
            if plan.lists.is_some() && self.watchers[index].watches[place].next.is_none() {
                self.want_list(index, place);
            } else {
                self.create_watch(index, stream, place);
            }
        }
        self.later(now + limits::PING_EVERY, Due::WatcherTick { watcher: index, stream });
    }

    fn create_watch(&mut self, index: usize, stream: StreamId, place: usize) {
        let planned = self.plan.watchers[index].watches[place].0.clone();
        let watched = &mut self.watchers[index].watches[place];
        watched.state = State::Asked;
        let start = watched.next.unwrap_or(planned.start);
        let create = WatchCreate { watch: number(place), start, ..planned };
        self.send_watch(index, stream, WatchRequest::Create(create));
    }

    /// Cancels the next of its watches that is open.
    fn cancel_watch(&mut self, index: usize, stream: StreamId) {
        let every = self.plan.watchers[index].cancels;
        let watcher = &mut self.watchers[index];
        watcher.next_cancel = after(self.now, every);
        let place = watcher.canceled % watcher.watches.len();
        watcher.canceled += 1;
        if watcher.watches[place].state == State::Open {
            watcher.watches[place].state = State::Ending;
            self.send_watch(index, stream, WatchRequest::Cancel(number(place)));
        }
    }

    /// A list has come, as of this revision: its watch goes on from there.
    pub(crate) fn begin_mirror(&mut self, index: usize, place: usize, listed: Revision) {
        let watcher = &mut self.watchers[index];
        watcher.watches[place].next = Some(listed.next());
        if let Some(stream) = watcher.stream {
            self.create_watch(index, stream, place);
        }
    }

    fn send_watch(&mut self, index: usize, stream: StreamId, mut request: WatchRequest) {
        self.record_watch(index, WatchMessage::Sent(request.clone()));
        if let Some(import) = &self.import {
            import.namespace().enter_watch(&mut request);
        }
        self.send_up(stream, Up::Say(Box::new(request)));
    }

    /// A watcher looks whether its node is still there, and whether it wants to ask or to leave.
    pub(crate) fn on_watcher_tick(&mut self, index: usize, stream: StreamId) {
        let now = self.now;
        self.cause = None;
        let watcher = &self.watchers[index];
        if watcher.stream != Some(stream) {
            return;
        }
        let is_recovering = self.phase != PhaseOfRun::Safety;
        // A member that was removed goes on telling what it knows, and learns nothing.
        let is_lost = is_recovering && !self.observer.members().everybody().contains(&watcher.node);
        if now.since(watcher.heard) >= limits::PING_PATIENCE || now >= watcher.next_move || is_lost
        {
            return self.break_stream(index);
        }
        if now >= watcher.next_question || is_recovering {
            let asks = self.plan.watchers[index].asks;
            self.watchers[index].next_question = after(now, asks);
            self.send_watch(index, stream, WatchRequest::Progress);
        }
        if now >= self.watchers[index].next_cancel && !is_recovering {
            self.cancel_watch(index, stream);
        }
        self.send_up(stream, Up::Ping);
        self.later(now + limits::PING_EVERY, Due::WatcherTick { watcher: index, stream });
    }

    /// The stream is broken, or given up. The watcher goes to the next member.
    pub(crate) fn break_stream(&mut self, index: usize) {
        self.record_watch(index, WatchMessage::Broken);
        self.forget_lists(index);
        let Some(stream) = self.watchers[index].stream.take() else { return };
        self.move_on(index);
        let watcher = &mut self.watchers[index];
        watcher.inbox.clear();
        watcher.is_taking = false;
        watcher.watches.iter_mut().for_each(|watched| watched.state = State::Closed);
        self.disconnect(stream);
        self.observer.tally.sometimes("watcher moved to another node");
        self.later(self.now + limits::STREAM_BACKOFF, Due::WatcherOpens { watcher: index });
    }

    /// It goes to the next member.
    pub(crate) fn move_on(&mut self, index: usize) {
        let members = self.observer.members().everybody();
        let watcher = &mut self.watchers[index];
        let next = members.iter().copied().filter(|node| *node > watcher.node).min();
        watcher.node = next.or(members.into_iter().min()).unwrap_or(watcher.node);
    }

    /// Who has not been told all that anybody was told of: the last event must not be lost either. Nor may an answer be owed.
    pub(crate) fn unheard(&self) -> Option<String> {
        let waiting = self.watchers.iter().find_map(|it| Some((it, it.waits_for()?)));
        if let Some((Watcher { process, node, .. }, watch)) = waiting {
            return Some(format!("{node} has not answered the watcher {process} about {watch}"));
        }
        // Who watches as a user may have been forbidden to. And a cluster that was restored may be behind what a watcher has
        // been told by the old one: until it gets there, it says nothing of how far that stream has come (etcd #20221).
        let mut watchers = self.watchers.iter().zip(&self.plan.watchers);
        let behind = watchers.find(|(watcher, plan)| {
            plan.user.is_none() && watcher.told() < self.acked && !watcher.is_ahead_of(self.acked)
        });
        behind.map(|(watcher, _)| {
            let (process, node, told) = (watcher.process, watcher.node, watcher.told());
            format!("the watcher {process} at {node} was told up to {told} of {}", self.acked)
        })
    }
}

/// The watcher's number for a watch of its plan.
fn number(place: usize) -> WatchId {
    WatchId(i64::try_from(place + 1).expect("watches of a plan are few"))
}

/// The place in its plan of the watch that has that number.
fn place(watch: WatchId) -> Option<usize> {
    usize::try_from(watch.0 - 1).ok()
}

/// When something is due that happens every so often; zero is never.
fn after(now: SimTime, every: Span) -> SimTime {
    if every == Span(0) { SimTime::NEVER } else { now + every }
}
