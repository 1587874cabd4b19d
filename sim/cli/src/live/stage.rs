//! What all threads of a round share: its clock, its phases, and the record.

use super::names::Names;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use whitewater_api::{Member, NodeId, Process, Request, RequestId, Revision};
use whitewater_record::{CallerRow, History, HoldRow, ObservedRow, Operation, SimTime, WatchRow};

/// How long after the last fault a watcher may take to hear of everything.
const RECOVERY: Duration = Duration::from_secs(30);

/// The shared state of a round.
pub(super) struct Stage {
    start: Instant,
    /// No more faults.
    faults_are_over: AtomicBool,
    /// There are faults that have to be played first.
    owes_faults: AtomicBool,
    /// No more steps of clients either.
    steps_are_over: AtomicBool,
    names: Mutex<Names>,
    /// Who will come to a peer URL, by what the history calls it.
    expected: Mutex<BTreeMap<String, NodeId>>,
    processes: AtomicU32,
    /// The newest revision that anybody was told of.
    newest: AtomicU64,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    history: History,
    /// Why the cluster cannot be said to have recovered.
    unheard: Option<String>,
}

impl Stage {
    /// `seats`: the members' own ids, by place.
    pub(super) fn new(seats: Vec<NodeId>) -> Self {
        Self {
            start: Instant::now(),
            faults_are_over: AtomicBool::new(false),
            owes_faults: AtomicBool::new(false),
            steps_are_over: AtomicBool::new(false),
            names: Mutex::new(Names::of(seats)),
            expected: Mutex::default(),
            processes: AtomicU32::new(1),
            newest: AtomicU64::new(1),
            record: Mutex::default(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn now(&self) -> SimTime {
        let nanos = self.start.elapsed().as_nanos();
        SimTime(u64::try_from(nanos).expect("a run is shorter than 500 years"))
    }

    pub(super) fn end_faults(&self) {
        self.faults_are_over.store(true, Ordering::Release);
    }

    /// Whether there are faults that have to be played before the round may end.
    pub(super) fn owe_faults(&self, are_owed: bool) {
        self.owes_faults.store(are_owed, Ordering::Release);
    }

    pub(super) fn owes_faults(&self) -> bool {
        self.owes_faults.load(Ordering::Acquire)
    }

    pub(super) fn end_steps(&self) {
        self.steps_are_over.store(true, Ordering::Release);
    }

    pub(super) fn faults_are_over(&self) -> bool {
        self.faults_are_over.load(Ordering::Acquire)
    }

    pub(super) fn steps_are_over(&self) -> bool {
        self.steps_are_over.load(Ordering::Acquire)
    }

    /// Waits so many milliseconds, or until the faults are over.
    pub(super) fn rest(&self, milliseconds: u64) {
        let until = Instant::now() + Duration::from_millis(milliseconds);
        while Instant::now() < until && !self.faults_are_over() {
            thread::sleep(super::TICK);
        }
    }

    /// Whoever is told to have this peer URL, and was not told of before, is `node` in the history.
    pub(super) fn expect(&self, peer_url: String, node: NodeId) {
        self.expected.lock().expect("nobody panics with it").insert(peer_url, node);
    }

    /// These are told to be members.
    pub(super) fn introduce(&self, members: &[Member]) {
        let expected = self.expected.lock().expect("nobody panics with it");
        let mut names = self.names();
        for member in members.iter().filter(|member| !names.has(member.id)).collect::<Vec<_>>() {
            let mut urls = member.attributes.peer_urls.iter();
            if let Some(node) = urls.find_map(|url| expected.get(url)) {
                names.meet(member.id, *node);
            }
        }
    }

    /// A request of the history, as the members know themselves.
    pub(super) fn as_known(&self, request: &Request) -> Request {
        self.names().as_known(request)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().expect("nobody panics with it")
    }

    /// The first request of a process that nobody has been.
    pub(super) fn new_process(&self) -> RequestId {
        let process = Process(self.processes.fetch_add(1, Ordering::Relaxed));
        RequestId { process, sequence: 0 }
    }

    /// Somebody was told of a revision.
    pub(super) fn told(&self, revision: Revision) {
        self.newest.fetch_max(revision.0, Ordering::AcqRel);
    }

    pub(super) fn newest(&self) -> Revision {
        Revision(self.newest.load(Ordering::Acquire))
    }

    pub(super) fn note(&self, operation: Operation) {
        self.record().history.operations.push(operation);
    }

    /// As whom something is asked.
    pub(super) fn note_caller(&self, row: CallerRow) {
        self.record().history.callers.push(row);
    }

    pub(super) fn note_watch(&self, row: WatchRow) {
        self.record().history.watches.push(row);
    }

    /// An observer of an election was told something.
    pub(super) fn note_observed(&self, row: ObservedRow) {
        self.record().history.observed.push(row);
    }

    /// A client began to believe that it holds a lock. Where the record has it.
    pub(super) fn begin_hold(&self, row: HoldRow) -> usize {
        let holds = &mut self.record().history.holds;
        holds.push(row);
        holds.len() - 1
    }

    pub(super) fn end_hold(&self, place: usize, at: SimTime) {
        self.record().history.holds[place].to = at;
    }

    /// Whoever waits for something after the last fault has given up, for this reason.
    pub(super) fn note_unheard(&self, reason: String) {
        self.record().unheard.get_or_insert(reason);
    }

    pub(super) fn unheard(&self) -> Option<String> {
        self.record().unheard.clone()
    }

    /// Until when somebody who is asked now may take to answer.
    pub(super) fn recovery_deadline() -> Instant {
        Instant::now() + RECOVERY
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics with it")
    }

    pub(super) fn into_history(self) -> History {
        let end = self.now();
        let mut history = self.record.into_inner().expect("nobody panics with it").history;
        self.names.into_inner().expect("nobody panics with it").tell(&mut history);
        history.operations.sort_by_key(|operation| (operation.invoked, operation.id));
        history.watches.sort_by_key(|row| row.at);
        history.observed.sort_by_key(|row| row.at);
        for hold in history.holds.iter_mut().filter(|hold| hold.to == SimTime::NEVER) {
            hold.to = end;
        }
        history.holds.sort_by_key(|hold| hold.from);
        history
    }
}
