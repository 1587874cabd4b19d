//! The watchers: each a thread that holds a stream of watches open, and goes on at the next member when it breaks.
//!
//! It does what the simulator's do (`sim/world/src/watchers.rs`). One that keeps mirrors lists first, and watches from the next
//! revision on; when a compaction has overtaken it, it lists anew, on another stream.

use super::{asking::Asker, members::Members, stage::Stage};
use std::{
    thread,
    time::{Duration, Instant},
};
use whitewater_api::{
    Body, Completion, KeyRange, NodeId, Process, Request, Response, Revision, WatchId,
    WatchRequest, WatchResponse,
    request::RangeRequest,
    watch::{CancelReason, WatchBody, WatchCreate},
};
use whitewater_record::{AuthStep, SimTime, Step, WatchMessage, WatchRow, WatcherPlan};
use whitewater_server::client::{Heard, Watching};
use whitewater_world::{session::Session, steps::next_page};

/// A member that says nothing for so long, although it was asked, is left.
const PATIENCE: Duration = Duration::from_secs(2);

/// Before it opens another stream.
const BACKOFF: Duration = Duration::from_millis(50);

/// How often it asks how far its watches have come once there are no more steps, if its plan does not say.
const ASKS: Duration = Duration::from_millis(200);

/// One watcher.
struct Watcher<'a> {
    stage: &'a Stage,
    members: &'a Members,
    plan: &'a WatcherPlan,
    /// What it lists with, as the same process.
    asker: Asker<'a>,
    /// Whose its stream is. After a list of unknown outcome the next one goes on, with streams of its own.
    process: Process,
    /// The place of the member that it is at.
    target: usize,
    /// The member at the other end of its stream.
    node: NodeId,
    /// Whom it acts for.
    guest: Session,
    /// Streams that it has opened.
    streams: u32,
    /// By the plan's order: the first revision that was not told of.
    next: Vec<Option<Revision>>,
    /// By the plan's order: whether the watch is open on this stream.
    is_open: Vec<bool>,
    /// By the plan's order: the number that the watch has on this stream.
    numbers: Vec<WatchId>,
    /// How often it has canceled a watch.
    canceled: usize,
    /// How often a watch of this stream has ended, for a compaction or as it was asked. A number is used once: at a real etcd, that of a watch that
    /// was canceled stays taken.
    ended: usize,
}

/// Watches until it has heard of everything that anybody was told of, after the last step.
pub(super) fn watch(stage: &Stage, members: &Members, plan: &WatcherPlan) {
    let mut watcher = Watcher::new(stage, members, plan);
    let mut deadline = None;
    while !watcher.has_heard_all() {
        watcher.become_user();
        if watcher.plan.user.is_some() && stage.steps_are_over() {
            // It may have been forbidden to hear of everything.
            return;
        }
        watcher.live_a_stream(&mut deadline);
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            let (process, told) = (watcher.process, watcher.told());
            let reason = format!("{process} was told up to {told} of {}", stage.newest());
            return stage.note_unheard(reason);
        }
        watcher.target = (watcher.target + 1) % members.len();
        thread::sleep(BACKOFF);
    }
}

impl<'a> Watcher<'a> {
    fn new(stage: &'a Stage, members: &'a Members, plan: &'a WatcherPlan) -> Self {
        let home = usize::try_from(plan.home.0 - 1).expect("members are few");
        let asker = Asker::new(stage, members, home, PATIENCE);
        Self {
            stage,
            members,
            plan,
            process: asker.process(),
            asker,
            target: home % members.len(),
            node: NodeId(0),
            guest: Session::default(),
            streams: 0,
            next: vec![None; plan.watches.len()],
            is_open: vec![false; plan.watches.len()],
            numbers: vec![WatchId(0); plan.watches.len()],
            canceled: 0,
            ended: 0,
        }
    }

    /// Asks for a token, if it is a user and has none. Where nobody is asked who it is, there are none.
    fn become_user(&mut self) {
        let Some((user, password)) = &self.plan.user else { return };
        if self.guest.user().is_some() {
            return;
        }
        let login = Step::Auth(AuthStep::Login(user.clone(), password.clone()));
        let mut asker = Asker::new(self.stage, self.members, self.target, PATIENCE);
        if let Some(request) = self.guest.request(&login) {
            // Without one it may be refused, and comes back.
            drop(asker.ask(&mut self.guest, &request));
        }
    }

    /// What all its watches have been told.
    fn told(&self) -> Revision {
        let nexts = self.next.iter().map(|next| next.unwrap_or(Revision(1)));
        Revision(nexts.min().map_or(u64::MAX, |next| next.0) - 1)
    }

    fn has_heard_all(&self) -> bool {
        self.stage.steps_are_over() && self.told() >= self.stage.newest()
    }

    /// Lists whatever it has no mirror of. Whether it has them all.
    fn list_all(&mut self) -> bool {
        let Some(limit) = self.plan.lists else { return true };
        self.asker.go_to(self.target);
        for place in 0..self.next.len() {
            if self.next[place].is_none() {
                self.next[place] = self.list(place, limit).map(Revision::next);
            }
        }
        if self.asker.process() != self.process {
            (self.process, self.streams) = (self.asker.process(), 0);
        }
        self.next.iter().all(Option::is_some)
    }

    /// Lists what it is going to watch, page by page at one revision. Which, if nothing has come between.
    fn list(&mut self, place: usize, limit: u64) -> Option<Revision> {
        let range = self.plan.watches[place].0.range.clone();
        let (mut keys, mut at) = (range.clone(), Revision::LATEST);
        loop {
            let page = RangeRequest { limit, revision: at, ..RangeRequest::new(keys) };
            let Completion::Ok(Response { header, body: Body::Range(found) }) =
                self.asker.ask(&mut self.guest, &Request::Range(page))
            else {
                return None;
            };
            if at == Revision::LATEST {
                at = header.revision;
            }
            let Some(start) = next_page(&found) else { return Some(at) };
            keys = KeyRange { start, end: range.end.clone() };
        }
    }

    /// Opens a stream and listens until it breaks, the watcher has enough of the member, or it has heard all.
    fn live_a_stream(&mut self, deadline: &mut Option<Instant>) {
        if !self.list_all() {
            if self.stage.steps_are_over() {
                deadline.get_or_insert_with(Stage::recovery_deadline);
            }
            return;
        }
        self.ended = 0;
        self.is_open.fill(false);
        let first: Vec<WatchRequest> =
            (0..self.next.len()).map(|place| self.create(place)).collect();
        let member = self.members.at(self.target);
        let began = self.stage.now();
        let (require_leader, caller) = (self.plan.require_leader, self.guest.caller());
        let opened = Watching::open(&member.url, PATIENCE, require_leader, &caller, &first);
        let Some(mut stream) = opened.ok().flatten() else {
            if self.stage.steps_are_over() {
                deadline.get_or_insert_with(Stage::recovery_deadline);
            }
            return;
        };
        self.streams += 1;
        self.node = member.node;
        if let Some((user, _)) = self.guest.user() {
            self.record_at(began, WatchMessage::As(user));
        }
        for request in first {
            self.record_at(began, WatchMessage::Sent(request));
        }
        let opened = Instant::now();
        let (mut heard, mut asked, mut canceled) = (opened, opened, opened);
        while !self.has_heard_all() {
            if self.stage.steps_are_over() {
                let deadline = deadline.get_or_insert_with(Stage::recovery_deadline);
                if Instant::now() > *deadline {
                    break;
                }
            }
            match stream.next(super::TICK) {
                Heard::Message(message) => {
                    heard = Instant::now();
                    if !self.on_message(&stream, message) {
                        break;
                    }
                    self.dawdle();
                }
                Heard::Silence => {}
                Heard::End => break,
            }
            let wants_to_move = self.plan.moves.0 > 0 && opened.elapsed() > span(self.plan.moves.0);
            let is_silent = heard.elapsed() > PATIENCE && self.asks_every().is_some();
            if is_silent || wants_to_move && !self.stage.steps_are_over() {
                break;
            }
            if self.asks_every().is_some_and(|every| asked.elapsed() > every) {
                asked = Instant::now();
                self.say(&stream, &WatchRequest::Progress);
            }
            let cancels = self.plan.cancels.0 > 0 && !self.stage.steps_are_over();
            if cancels && canceled.elapsed() > span(self.plan.cancels.0) {
                canceled = Instant::now();
                self.cancel_next(&stream);
            }
        }
        self.record(WatchMessage::Broken);
    }

    /// Never, if its plan says so and there is still something to hear of.
    fn asks_every(&self) -> Option<Duration> {
        let planned = (self.plan.asks.0 > 0).then(|| span(self.plan.asks.0));
        if self.stage.steps_are_over() { Some(ASKS) } else { planned }
    }

    /// It takes its time over each message, while there is some.
    fn dawdle(&self) {
        if !self.stage.steps_are_over() {
            thread::sleep(span(self.plan.pace.0));
        }
    }

    /// Cancels the next of its watches that is open.
    fn cancel_next(&mut self, stream: &Watching) {
        let place = self.canceled % self.numbers.len();
        self.canceled += 1;
        if self.is_open[place] {
            self.say(stream, &WatchRequest::Cancel(self.numbers[place]));
        }
    }

    /// The client chooses the numbers, from 1.
    fn create(&mut self, place: usize) -> WatchRequest {
        let planned = self.plan.watches[place].0.clone();
        let number = self.ended * self.next.len() + place + 1;
        let watch = WatchId(i64::try_from(number).expect("watches of a stream are few"));
        let start = self.next[place].unwrap_or(planned.start);
        self.numbers[place] = watch;
        WatchRequest::Create(WatchCreate { watch, start, ..planned })
    }

    /// Whose number this is.
    fn place(&self, watch: WatchId) -> Option<usize> {
        let number = usize::try_from(watch.0).ok()?.checked_sub(1)?;
        (!self.next.is_empty()).then(|| number % self.next.len())
    }

    /// A watch has ended: another one takes its place.
    fn go_on(&mut self, stream: &Watching, place: usize) {
        self.is_open[place] = false;
        self.ended += 1;
        let create = self.create(place);
        self.say(stream, &create);
    }

    fn say(&self, stream: &Watching, request: &WatchRequest) {
        self.record(WatchMessage::Sent(request.clone()));
        stream.say(request);
    }

    /// Whether the stream is of use any longer.
    fn on_message(&mut self, stream: &Watching, message: WatchResponse) -> bool {
        self.record(WatchMessage::Received(message.clone()));
        let WatchResponse { header, watch, body } = message;
        let reached = header.revision.next();
        if watch == WatchId::ALL && body == WatchBody::Progress {
            for (next, _) in self.next.iter_mut().zip(&self.is_open).filter(|(_, open)| **open) {
                *next = (*next).max(Some(reached));
            }
            return true;
        }
        let Some(place) = self.place(watch) else { return false };
        let next = &mut self.next[place];
        match body {
            WatchBody::Created => {
                self.is_open[place] = true;
                next.get_or_insert(reached);
            }
            WatchBody::Progress | WatchBody::Events { fragment: false, .. } => {
                *next = (*next).max(Some(reached));
            }
            WatchBody::Events { fragment: true, .. } => {}
            WatchBody::Canceled(CancelReason::Compacted(_)) if self.plan.lists.is_some() => {
                *next = None;
                return false;
            }
            WatchBody::Canceled(CancelReason::Compacted(compacted)) => {
                // It goes on from the oldest that there is.
                *next = (*next).max(Some(compacted));
                self.go_on(stream, place);
            }
            WatchBody::Canceled(CancelReason::Asked) => self.go_on(stream, place),
            WatchBody::Canceled(_) => {
                // Who was refused comes back with another token.
                self.guest = Session::default();
                return false;
            }
        }
        true
    }

    fn record(&self, message: WatchMessage) {
        self.record_at(self.stage.now(), message);
    }

    fn record_at(&self, at: SimTime, message: WatchMessage) {
        let (process, stream) = (self.process, self.streams - 1);
        let node = self.node;
        self.stage.note_watch(WatchRow { process, stream, node, at, message });
    }
}

const fn span(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_api::KeyRange;
    use whitewater_record::PlannedWatch;

    fn watch_of(key: &str) -> PlannedWatch {
        PlannedWatch(WatchCreate::new(KeyRange::single(key)))
    }

    /// A real etcd does not give the number of a watch that it has canceled to another one of the stream.
    #[test]
    fn a_number_is_used_once_on_a_stream_and_says_whose_it_is() {
        let plan =
            WatcherPlan { watches: vec![watch_of("k"), watch_of("l")], ..WatcherPlan::default() };
        let (stage, members) = (Stage::new(Vec::new()), Members::of(&["host".to_owned()]));
        let mut watcher = Watcher::new(&stage, &members, &plan);
        let mut numbers = Vec::new();
        for _ in 0..3 {
            for place in 0..2 {
                let WatchRequest::Create(create) = watcher.create(place) else {
                    panic!("no watch")
                };
                assert_eq!(watcher.place(create.watch), Some(place));
                numbers.push(create.watch.0);
            }
            watcher.ended += 1; // A compaction has ended both.
        }
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    }
}
