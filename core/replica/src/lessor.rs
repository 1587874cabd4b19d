//! The lessor: when leases end, by the clock of the leader (etcd, `server/lease/lessor.go`).
//!
//! It says what is due; `leases.rs` puts that into the log. It works while this member leads and has applied an entry of
//! its own term, its *tenure*: from then on the store holds all that former leaders brought about, and whatever they have
//! in flight is lost. A former leader's clocks and keep-alives are not known here, so every lease that is found gets what
//! is left by its last checkpoint, or all of it, and an election timeout on top for the keep-alives that found no leader.
//!
//! # What is promised, in true time, if clocks drift by no more than a share ρ
//!
//! - *Not before* ([`earliest_nanos`]): a lease that was granted or kept alive by a request invoked at `t`, and answered
//!   with `ttl`, does not end before `t + ttl (1 - ρ)`. The same leader counts from the request on. A later one counts
//!   from its tenure on: that begins after `t`, because the answer waited until a quorum had confirmed the old leader after
//!   `t`. And it finds no checkpoint from before `t`, because the answer waited for the entry that takes that back.
//! - *Gone by* ([`latest_nanos`]): if nobody has asked to keep it alive after `t`, it is gone by `t + ttl (1 + ρ)`, and for
//!   each change of the leader since: the time without a lessor, the extension, and what had run since the last
//!   checkpoint, which is all that had run for leases shorter than the interval. Then comes what is in front of it in the
//!   queue: at most [`limits::LEASE_EXPIRIES_PER_SECOND`] end in a second, of those found by a new leader three quarters of
//!   that, so that a pile of them does not hold up the others. Then the time to commit.
//!
//! # Invariants
//!
//! 1. While a lease is here, it is in exactly one queue, or its end is in the log and not applied yet.
//! 2. A deadline never moves towards the present.
//! 3. At most one end of a lease, a client's or our own, is proposed at a time by the leader's clock: none while another
//!    one is in flight, be it for a lease of the same id that was granted again.
//! 4. After an answered keep-alive, no checkpoint from before it is the last one in the log.

use crate::limits;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};
use whitewater_api::{LeaseCheckpoint, LeaseId, Monotonic, RequestId, Tuning};
use whitewater_store::Lease;

const SECOND: u64 = 1_000_000_000;

/// For how long a lease of `ttl` seconds is there at least after it was granted or kept alive, in nanoseconds of true time,
/// by clocks that drift by at most `drift_ppm` parts per million.
pub fn earliest_nanos(ttl: i64, drift_ppm: u64) -> u64 {
    let nanos = nanos(ttl);
    nanos - nanos / 1_000_000 * drift_ppm.min(1_000_000)
}

/// For how long a lease of `ttl` seconds may be there after it was last granted or kept alive, in nanoseconds of true time,
/// by clocks that drift by at most `drift_ppm`, with so many changes of the leader since. Not counted: the times without
/// a leader that has applied an entry of its term, the queue of others that end, and the time to commit.
pub fn latest_nanos(ttl: i64, tuning: &Tuning, drift_ppm: u64, changes: u64) -> u64 {
    let own = nanos(ttl);
    let interval = tuning.lease_checkpoint_ms * 1_000_000;
    let lost = if interval == 0 { own } else { own.min(interval + SECOND) };
    let extension = tuning.election_ms() * 1_000_000;
    let local = own.saturating_add((lost + extension).saturating_mul(changes));
    local.saturating_add((local / 1_000_000).saturating_mul(drift_ppm))
}

/// The clocks of all leases.
#[derive(Default)]
pub(crate) struct Lessor {
    tenure: Option<Tenure>,
    /// Leases whose end is in the log, and at which index: a client wished it, or their time is over.
    ending: BTreeMap<LeaseId, u64>,
}

struct Tenure {
    term: u64,
    since: Monotonic,
    /// On top of what is left of the leases that are found, in nanoseconds.
    extension: u64,
    search: Search,
    clocks: BTreeMap<LeaseId, Clock>,
    /// Deadlines that this leader has set, and those that it found.
    own: Queue,
    found: Queue,
    /// When what is left is next written down.
    checkpoints: BTreeSet<(Monotonic, LeaseId)>,
    /// Nothing is proposed before then: raft had no room, or enough was.
    rests_until: Monotonic,
    checkpoints_rest_until: Monotonic,
    /// Keep-alives that wait until an index is applied.
    waiting: BTreeMap<u64, Vec<(RequestId, LeaseId)>>,
}

/// How far the search has come for the leases that were there before the tenure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// It goes on behind this lease, or from the first on.
    Behind(Option<LeaseId>),
    /// All are found.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    granted: i64,
    deadline: Monotonic,
    /// Whether the deadline is that of a lease that was found and not kept alive since.
    is_found: bool,
    checkpoint: Option<Monotonic>,
    /// Whether less than all is left by the last checkpoint in the log.
    is_cut: bool,
    /// The index of the last entry that took a checkpoint back.
    reset: u64,
}

/// Deadlines in order, and how fast they may be taken.
struct Queue {
    deadlines: BTreeSet<(Monotonic, LeaseId)>,
    /// Nanoseconds from one to the next, in the long run (a leaky bucket).
    interval: u64,
    /// When the next one would come if all had come evenly.
    even: Monotonic,
}

impl Queue {
    fn new(per_second: u64) -> Self {
        Self { deadlines: BTreeSet::new(), interval: SECOND / per_second, even: Monotonic(0) }
    }

    /// When one may be taken.
    fn opens(&self) -> Monotonic {
        Monotonic(self.even.0.saturating_sub(limits::LEASE_EXPIRY_BURST_NANOS))
    }

    fn take(&mut self, now: Monotonic) {
        self.even = self.even.max(now).after(self.interval);
    }
}

impl Lessor {
    /// Begins a tenure: all leases of the store have yet to be found.
    pub(crate) fn begin(&mut self, term: u64, now: Monotonic, extension: u64) {
        let per_second = limits::LEASE_EXPIRIES_PER_SECOND;
        self.tenure = Some(Tenure {
            term,
            since: now,
            extension,
            search: Search::Behind(None),
            clocks: BTreeMap::new(),
            own: Queue::new(per_second),
            found: Queue::new(per_second / 4 * 3),
            checkpoints: BTreeSet::new(),
            rests_until: now,
            checkpoints_rest_until: now,
            waiting: BTreeMap::new(),
        });
    }

    /// Ends the tenure, if there is one. Answers with the keep-alives that waited.
    pub(crate) fn end(&mut self) -> Vec<RequestId> {
        self.ending.clear();
        let waiting = self.tenure.take().map(|tenure| tenure.waiting).unwrap_or_default();
        waiting.into_values().flatten().map(|(id, _)| id).collect()
    }

    /// The term of the tenure.
    pub(crate) fn term(&self) -> Option<u64> {
        self.tenure.as_ref().map(|tenure| tenure.term)
    }

    /// How many keep-alives wait.
    pub(crate) fn len(&self) -> usize {
        self.tenure.as_ref().map_or(0, |tenure| tenure.waiting.values().map(Vec::len).sum())
    }

    /// How far the search has come.
    pub(crate) fn search(&self) -> Search {
        self.tenure.as_ref().map_or(Search::Over, |tenure| tenure.search)
    }

    /// Says how far it has come.
    pub(crate) fn searched(&mut self, search: Search) {
        if let Some(tenure) = &mut self.tenure {
            tenure.search = search;
        }
    }

    /// A lease was found in the store: it has `left` seconds from the beginning of the tenure on, and the extension.
    pub(crate) fn find(&mut self, id: LeaseId, lease: &Lease, left: i64, interval: u64) {
        let is_ending = self.ending.contains_key(&id);
        let Some(tenure) = &mut self.tenure else { return };
        if tenure.clocks.contains_key(&id) {
            return;
        }
        let deadline = tenure.since.after(nanos(left)).after(tenure.extension);
        tenure.clocks.insert(
            id,
            Clock {
                granted: lease.granted(),
                deadline,
                is_found: true,
                checkpoint: None,
                is_cut: lease.is_cut(),
                reset: 0,
            },
        );
        let since = tenure.since;
        tenure.plan_checkpoint(id, since, interval);
        if !is_ending {
            tenure.found.deadlines.insert((deadline, id));
        }
    }

    /// The deadline of a lease that was found is another one ([`whitewater_mutation::Mutation::LeaseExpiredEarly`]).
    pub(crate) fn force(&mut self, id: LeaseId, deadline: Monotonic) {
        let Some(tenure) = &mut self.tenure else { return };
        let Some(clock) = tenure.clocks.get_mut(&id) else { return };
        tenure.found.deadlines.remove(&(clock.deadline, id));
        tenure.found.deadlines.insert((deadline, id));
        clock.deadline = deadline;
    }

    /// A lease was granted now.
    pub(crate) fn grant(&mut self, id: LeaseId, granted: i64, now: Monotonic, interval: u64) {
        let Some(tenure) = &mut self.tenure else { return };
        tenure.drop_clock(id);
        let deadline = now.after(nanos(granted));
        let clock =
            Clock { granted, deadline, is_found: false, checkpoint: None, is_cut: false, reset: 0 };
        tenure.clocks.insert(id, clock);
        tenure.plan_checkpoint(id, now, interval);
        if !self.ending.contains_key(&id) {
            tenure.own.deadlines.insert((deadline, id));
        }
    }

    /// Begins the time to live anew, unless the end of the lease is in the log.
    pub(crate) fn renew(&mut self, id: LeaseId, now: Monotonic, interval: u64) {
        if self.ending.contains_key(&id) {
            return;
        }
        let Some(tenure) = &mut self.tenure else { return };
        let Some(clock) = tenure.clocks.get_mut(&id) else { return };
        let queue = if clock.is_found { &mut tenure.found } else { &mut tenure.own };
        assert!(queue.deadlines.remove(&(clock.deadline, id)), "{id} is in no queue: {clock:?}");
        clock.deadline = clock.deadline.max(now.after(nanos(clock.granted)));
        clock.is_found = false;
        tenure.own.deadlines.insert((clock.deadline, id));
        tenure.plan_checkpoint(id, now, interval);
    }

    /// A lease has ended: the entry at `index` was applied.
    pub(crate) fn forget(&mut self, id: LeaseId, index: u64) {
        if self.ending.get(&id) == Some(&index) {
            self.ending.remove(&id);
        }
        if let Some(tenure) = &mut self.tenure {
            tenure.drop_clock(id);
        }
    }

    /// The end of a lease was refused when the entry at `index` was carried out: its time goes on as if nobody had asked.
    pub(crate) fn keep(&mut self, id: LeaseId, index: u64, now: Monotonic, interval: u64) {
        if self.ending.get(&id) != Some(&index) {
            return; // Another end of it is in the log.
        }
        self.ending.remove(&id);
        let Some(tenure) = &mut self.tenure else { return };
        let Some(clock) = tenure.clocks.get(&id).copied() else { return };
        let queue = if clock.is_found { &mut tenure.found } else { &mut tenure.own };
        queue.deadlines.insert((clock.deadline, id));
        tenure.plan_checkpoint(id, now, interval);
    }

    /// The end of a lease was proposed, at `index`.
    pub(crate) fn on_end_proposed(&mut self, id: LeaseId, index: u64) {
        self.ending.insert(id, index);
        let Some(tenure) = &mut self.tenure else { return };
        if let Some(clock) = tenure.clocks.get(&id).copied() {
            tenure.own.deadlines.remove(&(clock.deadline, id));
            tenure.found.deadlines.remove(&(clock.deadline, id));
            tenure.plan_checkpoint(id, clock.deadline, 0);
        }
    }

    /// Where the end of a lease is in the log, if it is and is not applied.
    pub(crate) fn end_of(&self, id: LeaseId) -> Option<u64> {
        self.ending.get(&id).copied()
    }

    /// The lease whose end is to be proposed next, if it is time.
    pub(crate) fn next_expired(&self, now: Monotonic) -> Option<LeaseId> {
        let tenure = self.tenure.as_ref()?;
        if now < tenure.rests_until.max(tenure.own.opens()) {
            return None;
        }
        let own = tenure.own.deadlines.first();
        let found = tenure.found.deadlines.first().filter(|_| now >= tenure.found.opens());
        let (deadline, id) = own.into_iter().chain(found).min()?;
        (*deadline <= now).then_some(*id)
    }

    /// The end of a lease whose time was over was proposed, at `index`.
    pub(crate) fn on_expiry_proposed(&mut self, id: LeaseId, index: u64, now: Monotonic) {
        assert!(!self.ending.contains_key(&id), "the end of {id} was proposed twice");
        if let Some(tenure) = &mut self.tenure {
            let clock = tenure.clocks.get(&id).expect("what has expired has a clock");
            assert!(clock.deadline <= now, "{id} ends too early: {clock:?} at {now:?}");
            tenure.own.take(now); // All of them count there.
            if clock.is_found {
                tenure.found.take(now);
            }
        }
        self.on_end_proposed(id, index);
    }

    /// Raft had no room: nothing is due for so long.
    pub(crate) fn rest(&mut self, now: Monotonic, nanos: u64) {
        if let Some(tenure) = &mut self.tenure {
            tenure.rests_until = now.after(nanos);
            tenure.checkpoints_rest_until = now.after(nanos);
        }
    }

    /// What is to be written down now: of so many leases at most.
    pub(crate) fn due_checkpoints(&self, now: Monotonic) -> Vec<LeaseCheckpoint> {
        let Some(tenure) = &self.tenure else { return Vec::new() };
        if now < tenure.checkpoints_rest_until {
            return Vec::new();
        }
        let due = tenure.checkpoints.iter().take_while(|(at, _)| *at <= now);
        let due = due.take(limits::LEASE_CHECKPOINTS_MAX).map(|(_, id)| {
            let clock = tenure.clocks.get(id).expect("a checkpoint is of a lease");
            // Something is left even if the end is due: 0 would stand for all of it.
            let left = seconds_up(clock.deadline.since(now)).clamp(1, clock.granted);
            LeaseCheckpoint { lease: *id, remaining: left }
        });
        due.collect()
    }

    /// That was proposed. The next ones are not due before `rest`.
    pub(crate) fn on_checkpoints_proposed(
        &mut self,
        proposed: &[LeaseCheckpoint],
        now: Monotonic,
        rest: Monotonic,
        interval: u64,
    ) {
        let Some(tenure) = &mut self.tenure else { return };
        tenure.checkpoints_rest_until = rest;
        for LeaseCheckpoint { lease, .. } in proposed {
            if let Some(clock) = tenure.clocks.get_mut(lease) {
                clock.is_cut = true;
            }
            tenure.plan_checkpoint(*lease, now, interval);
        }
    }

    /// Whether a keep-alive has to take a checkpoint back.
    pub(crate) fn is_cut(&self, id: LeaseId) -> bool {
        self.clock(id).is_some_and(|clock| clock.is_cut)
    }

    /// That was proposed, at `index`.
    pub(crate) fn on_reset_proposed(&mut self, id: LeaseId, index: u64) {
        let clock = self.tenure.as_mut().and_then(|tenure| tenure.clocks.get_mut(&id));
        if let Some(clock) = clock {
            clock.is_cut = false;
            clock.reset = index;
        }
    }

    /// The index of the last entry that took a checkpoint of this lease back; 0 if none did.
    pub(crate) fn reset_of(&self, id: LeaseId) -> u64 {
        self.clock(id).map_or(0, |clock| clock.reset)
    }

    /// Lets a keep-alive wait until `index` is applied.
    pub(crate) fn wait(&mut self, id: RequestId, lease: LeaseId, index: u64) {
        if let Some(tenure) = &mut self.tenure {
            tenure.waiting.entry(index).or_default().push((id, lease));
        }
    }

    /// The keep-alives that need not wait any longer.
    pub(crate) fn take_waiting(&mut self, applied: u64) -> Vec<(RequestId, LeaseId)> {
        let Some(tenure) = &mut self.tenure else { return Vec::new() };
        if tenure.waiting.first_key_value().is_none_or(|(index, _)| *index > applied) {
            return Vec::new();
        }
        let later = tenure.waiting.split_off(&(applied + 1));
        mem::replace(&mut tenure.waiting, later).into_values().flatten().collect()
    }

    /// What is left of a lease, in whole seconds that have not begun.
    pub(crate) fn left(&self, id: LeaseId, now: Monotonic) -> Option<i64> {
        let nanos = self.clock(id)?.deadline.since(now);
        Some(i64::try_from(nanos / SECOND).unwrap_or(i64::MAX))
    }

    /// What is left of a lease, in nanoseconds, and whether it was found and not kept alive since.
    pub(crate) fn clock_of(&self, id: LeaseId, now: Monotonic) -> Option<(u64, bool)> {
        let clock = self.clock(id)?;
        Some((clock.deadline.since(now), clock.is_found))
    }

    /// Whether a lease has a clock.
    pub(crate) fn has(&self, id: LeaseId) -> bool {
        self.clock(id).is_some()
    }

    /// When something is due next.
    pub(crate) fn next_wake(&self, now: Monotonic, tick: u64) -> Option<Monotonic> {
        let tenure = self.tenure.as_ref()?;
        let first = |queue: &Queue| Some(queue.deadlines.first()?.0.max(queue.opens()));
        let expiry = first(&tenure.own).into_iter().chain(first(&tenure.found)).min();
        let expiry = expiry.map(|at| at.max(tenure.own.opens()).max(tenure.rests_until));
        let checkpoint = tenure.checkpoints.first();
        let checkpoint = checkpoint.map(|(at, _)| (*at).max(tenure.checkpoints_rest_until));
        let search = (tenure.search != Search::Over).then(|| now.after(tick));
        expiry.into_iter().chain(checkpoint).chain(search).min()
    }

    fn clock(&self, id: LeaseId) -> Option<&Clock> {
        self.tenure.as_ref()?.clocks.get(&id)
    }

    /// Checks the first invariant. Looks at everything.
    #[cfg(test)]
    fn check_invariants(&self) {
        let Some(tenure) = &self.tenure else { return };
        for (id, clock) in &tenure.clocks {
            let place = (clock.deadline, *id);
            let own = usize::from(tenure.own.deadlines.contains(&place));
            let found = usize::from(tenure.found.deadlines.contains(&place));
            let ending = usize::from(self.ending.contains_key(id));
            assert_eq!(own + found + ending, 1, "{id}: {clock:?}");
            assert_eq!(found == 1, clock.is_found && ending == 0, "{id}: {clock:?}");
            let planned =
                clock.checkpoint.is_some_and(|at| tenure.checkpoints.contains(&(at, *id)));
            assert_eq!(planned, clock.checkpoint.is_some(), "{id}: {clock:?}");
        }
        let queued = tenure.own.deadlines.len() + tenure.found.deadlines.len();
        assert!(queued <= tenure.clocks.len(), "{queued} deadlines of {}", tenure.clocks.len());
    }
}

impl Tenure {
    fn drop_clock(&mut self, id: LeaseId) {
        let Some(clock) = self.clocks.remove(&id) else { return };
        self.own.deadlines.remove(&(clock.deadline, id));
        self.found.deadlines.remove(&(clock.deadline, id));
        if let Some(at) = clock.checkpoint {
            self.checkpoints.remove(&(at, id));
        }
    }

    /// Plans the next checkpoint: an interval from now, if more than that is left; none for an interval of 0.
    fn plan_checkpoint(&mut self, id: LeaseId, now: Monotonic, interval: u64) {
        let Some(clock) = self.clocks.get_mut(&id) else { return };
        if let Some(at) = clock.checkpoint.take() {
            self.checkpoints.remove(&(at, id));
        }
        if interval > 0 && clock.deadline.since(now) > interval {
            let at = now.after(interval);
            clock.checkpoint = Some(at);
            self.checkpoints.insert((at, id));
        }
    }
}

/// Nanoseconds of so many seconds.
pub(crate) fn nanos(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(SECOND)
}

/// Seconds of so many nanoseconds, rounded up: what is written down is never less than what is left.
fn seconds_up(nanos: u64) -> i64 {
    i64::try_from(nanos.div_ceil(SECOND)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
