//! Which operations of unknown outcome are guessed to have made which revisions, and which may be.

use super::{
    NOBODY, Timeline, class::Class, conflict::Conflict, evidence::Evidence, facts::Room,
    failed::State,
};
use crate::{
    alike,
    case::{Case, Keys, Status, Step},
    intern::Table,
    model::Mismatch,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};
use whitewater_api::request::{CompareTarget, SortTarget};
use whitewater_record::SimTime;

/// What is known about the operations of unknown outcome.
#[derive(Debug, Default)]
pub(super) struct Guessing {
    pub(super) evidence: Evidence,
    pub(super) classes: Vec<Class>,
    /// By operation.
    pub(super) class_of: Table<u32, u32>,
    pub(super) guesses: Vec<Guess>,
    /// By lease: the class of its ends.
    leases: BTreeMap<i64, u32>,
    /// By revision: the classes of the ends of leases that tell it.
    revokes: BTreeMap<u64, Vec<u32>>,
    /// It stands for the ends of all leases on which nothing hangs, as things are.
    idle: Option<u32>,
    /// Classes that a guess may choose, and those that need not be looked at up to a revision.
    pub(super) open: Vec<u32>,
    pub(super) closed: BinaryHeap<Reverse<(u64, u32)>>,
    /// The lowest revision that was guessed anew.
    pub(super) lowest: u64,
    /// Classes looked at so far, for a guess.
    pub(super) looks: u64,
    pub(super) has_seen_values: bool,
}

#[derive(Debug)]
pub(super) struct Guess {
    pub(super) revision: u64,
    /// The class that is tried, and which of its members.
    pub(super) class: u32,
    pub(super) member: usize,
    /// Classes that are still to try, the best last.
    pub(super) rest: Vec<u32>,
    /// Classes that could have made it; those that other guesses stand against with the revision of the first such.
    pub(super) all: Vec<(u32, Option<u64>)>,
    /// The keys of the contradictions so far.
    pub(super) conflict: Conflict,
    /// What there was before it, if that is worth remembering.
    pub(super) state: Option<State>,
}

/// What a guess may choose from.
pub(super) struct Options {
    /// The best last.
    pub(super) options: Vec<u32>,
    /// See [`Guess`].
    pub(super) all: Vec<(u32, Option<u64>)>,
}

impl Guessing {
    pub(super) fn new(case: &Case, timeline: &Timeline, with_stale: bool) -> Self {
        let evidence = Evidence::new(case, timeline, &timeline.unused, with_stale);
        let has_seen_values = case.operations.iter().any(|op| sees_values(&op.step));
        let told = if with_stale { told_by_stale(case) } else { Vec::new() };
        let mut classes: Vec<Class> = Vec::new();
        let mut class_of: Table<u32, u32> = Table::default();
        let mut numbers: Table<(u32, u32, i64), u32> = Table::default();
        let mut signatures: Table<Vec<u64>, u32> = Table::default();
        let mut leases: BTreeMap<i64, u32> = BTreeMap::new();
        for operation in &timeline.unused {
            let op = &case.operations[*operation as usize];
            let next = u32::try_from(classes.len()).expect("no more than operations");
            let number = match &*op.step {
                Step::Revoke(revoke) => *leases.entry(revoke.lease).or_insert(next),
                Step::Put(put) if put.is_plain && !has_seen_values => {
                    *numbers.entry((put.key, u32::MAX, 0)).or_insert(next)
                }
                Step::Delete(delete) => {
                    *numbers.entry((delete.keys.low, delete.keys.high, 1)).or_insert(next)
                }
                Step::Txn(txn) => match alike::signature(txn, has_seen_values) {
                    Some(signature) => *signatures.entry(signature).or_insert(next),
                    None => next,
                },
                Step::Put(_) | Step::Range(_) | Step::Compact(_) | Step::Other => next,
            };
            if number == next {
                classes.push(Class::new(&op.step));
            }
            let class = &mut classes[number as usize];
            class.members.push((floor(case, timeline, &told, *operation), *operation));
            class.is_asked |= (*operation as usize) < case.history.operations.len();
            class_of.insert(*operation, number);
        }
        let mut guessing =
            Self { evidence, classes, class_of, leases, has_seen_values, ..Self::default() };
        guessing.revokes(case, timeline, &told);
        for class in &mut guessing.classes {
            class.members.sort_unstable();
            class.used = vec![false; class.members.len()];
        }
        let is_plain = |class: &Class| class.lease.is_none() && !class.members.is_empty();
        let numbered = (0..).zip(&guessing.classes);
        guessing.open = numbered.filter(|(_, class)| is_plain(class)).map(|(n, _)| n).collect();
        guessing.lowest = u64::MAX;
        guessing
    }

    /// Ends of leases that were acknowledged: each made the revision that it tells, or found nothing to delete at it.
    fn revokes(&mut self, case: &Case, timeline: &Timeline, told: &[(SimTime, u64)]) {
        let next =
            |classes: &[Class]| u32::try_from(classes.len()).expect("no more than operations");
        for (operation, op) in (0..).zip(&case.operations) {
            if let Step::Revoke(revoke) = &*op.step
                && op.status == Status::Known
                && !revoke.keys.is_empty()
                && op.revision > case.origin.revision
                && timeline.writer(op.revision) == NOBODY
            {
                let number = next(&self.classes);
                let mut class = Class::new(&op.step);
                class.members.push((floor(case, timeline, told, operation), operation));
                self.classes.push(class);
                self.revokes.entry(op.revision).or_default().push(number);
            }
        }
        let mut touches = Conflict::default();
        for class in self.classes.iter().filter(|class| class.lease.is_some()) {
            class.touches.iter().for_each(|keys| touches.add(*keys, 0));
        }
        let touches: Vec<Keys> = touches.keys().collect();
        if !touches.is_empty() {
            self.idle = Some(next(&self.classes));
            self.classes.push(Class { touches, ..Class::default() });
        }
    }

    /// The classes that may have made `revision`, the best last; and the keys that say why others may not.
    pub(super) fn options(&mut self, case: &Case, timeline: &Timeline, revision: u64) -> Options {
        let mut all = Vec::new();
        while self.closed.peek().is_some_and(|Reverse((until, _))| *until < revision) {
            self.open.extend(self.closed.pop().map(|Reverse((_, class))| class));
        }
        let must = self.evidence.must(revision);
        let hint = self.evidence.hints.get(&revision);
        let hint = hint.and_then(|op| self.class_of.get(op)).copied();
        // An end that tells the revision left nothing on its lease, whoever made it; unless it was granted again before.
        let told = self.told_ends(timeline, revision).into_iter().map(|(_, lease)| lease);
        let is_again = |lease: i64| {
            let grants = timeline.model.grants(lease);
            grants.is_some_and(|grants| grants.has_between(revision, revision + 1))
        };
        let due = told.filter(|lease| !is_again(*lease)).min();
        let mut options: Vec<((u8, u64), u32)> = self.ends(timeline, revision, due.is_some());
        all.extend(options.iter().map(|(_, number)| (*number, None)));
        all.extend(self.idle.map(|idle| (idle, Some(0))));
        let mut open = std::mem::take(&mut self.open);
        self.looks += open.len() as u64;
        open.retain(|number| {
            let class = &self.classes[*number as usize];
            let available = class.members.partition_point(|(floor, _)| *floor < revision);
            let is_due = due.is_none_or(|lease| class.may_change(timeline, lease));
            if must.is_some_and(|key| !class.may_put(key)) || available == 0 || !is_due {
                return true;
            }
            if available <= class.used_count {
                all.push((*number, Some(0)));
                return true;
            }
            let is_hinted = hint == Some(*number);
            let (_, operation) = class.members[0];
            let step = &case.operations[operation as usize].step;
            match class.room(step, &self.evidence, timeline, revision) {
                room @ (Room::Yes { .. } | Room::Hardly) => {
                    all.push((*number, None));
                    options.push((self.rank(class, room, is_hinted), *number));
                    true
                }
                Room::NotUntil(until) => {
                    self.closed.push(Reverse((until, *number)));
                    false
                }
                Room::Taken(since) => {
                    all.push((*number, Some(since)));
                    true
                }
            }
        });
        self.open = open;
        options.sort_unstable();
        let options = options.into_iter().map(|(_, class)| class).collect();
        Options { options, all }
    }

    /// What is wanted elsewhere comes last.
    fn rank(&self, class: &Class, room: Room, is_hinted: bool) -> (u8, u64) {
        let deadline = if let Room::Yes { deadline } = room { deadline } else { u64::MAX };
        let is_free =
            room != Room::Hardly && !class.touches.iter().any(|keys| self.evidence.wants(*keys));
        let rank = match (is_hinted, class.put) {
            (true, _) => 4,
            (false, _) if deadline != u64::MAX => 3,
            (false, Some(_)) if is_free => 2,
            (false, None) if is_free => 1,
            (false, _) => 0,
        };
        (rank, u64::MAX - deadline)
    }

    /// The classes of acknowledged ends of leases that tell `revision`, if something hung on the lease before.
    fn told_ends(&self, timeline: &Timeline, revision: u64) -> Vec<(u32, i64)> {
        let told = self.revokes.get(&revision).into_iter().flatten().copied();
        let lease = |number: u32| self.classes[number as usize].lease;
        told.filter_map(|number| Some((number, lease(number)?)))
            .filter(|(_, lease)| timeline.model.hanging(*lease).is_some())
            .collect()
    }

    /// Ends of leases that may have made `revision`.
    fn ends(&mut self, timeline: &Timeline, revision: u64, is_due: bool) -> Vec<((u8, u64), u32)> {
        let is_available = |number: u32| {
            let class = &self.classes[number as usize];
            class.members.partition_point(|(floor, _)| *floor < revision) > class.used_count
        };
        if self.evidence.must(revision).is_some() {
            return Vec::new();
        }
        let told = self.told_ends(timeline, revision).into_iter();
        let mut options: Vec<((u8, u64), u32)> = told
            .filter(|(number, _)| is_available(*number))
            .map(|(number, _)| ((5, 0), number))
            .collect();
        if is_due {
            return options;
        }
        let vanished = self.evidence.vanished.get(&revision);
        let ended = self.evidence.ended.get(&revision);
        for (lease, keys) in timeline.model.attached() {
            self.looks += 1;
            let (Some(number), Some(grants)) =
                (self.leases.get(&lease), timeline.model.grants(lease))
            else {
                continue;
            };
            let room = self.evidence.room_to_end(lease, grants, keys, revision);
            let Some(deadline) = room.filter(|_| is_available(*number)) else { continue };
            let rank = match (vanished, deadline) {
                _ if ended == Some(&lease) => 5,
                (Some(key), _) if keys.contains(key) => 4,
                (_, u64::MAX) => 1,
                _ => 3,
            };
            options.push(((rank, u64::MAX - deadline), *number));
        }
        options
    }

    /// Why a class did not solve a conflict: other guesses stand against it, or what it does hangs on more than the
    /// conflict is about, as with a transaction.
    pub(super) fn excuse(&self, (class, taken): (u32, Option<u64>), conflict: &mut Conflict) {
        let class = &self.classes[class as usize];
        let is_simple = class.put.is_some() || class.delete.is_some();
        let since = if is_simple { taken } else { Some(0) };
        if let Some(since) = since {
            class.touches.iter().for_each(|keys| conflict.add(*keys, since));
        }
    }

    /// The keys whose state explains a mismatch that the replay found at `revision`.
    pub(super) fn blame(
        &self,
        step: &Step,
        mismatch: &Mismatch,
        revision: u64,
        conflict: &mut Conflict,
    ) {
        // What was seen since has nothing to do with what was there then.
        let revision = step.oldest_past().map_or(revision, |past| past.min(revision));
        let mut add = |keys: Keys| {
            if !self.evidence.seen_before(keys, revision, &mut |keys, since| {
                conflict.add(keys, since);
            }) {
                conflict.add(Keys { low: 0, high: u32::MAX }, 0);
            }
        };
        match (step, mismatch) {
            // When the lease ended, no state of its keys tells.
            (_, Mismatch::Lease { .. } | Mismatch::Granted { .. }) => {
                conflict.add(Keys { low: 0, high: u32::MAX }, 0);
            }
            (Step::Range(_), Mismatch::Kv { key, saw, .. }) => {
                add(Keys { low: *key, high: key + 1 });
                if let Some(saw) = saw {
                    add(Keys { low: saw.key, high: saw.key + 1 });
                }
            }
            _ => step.touches(&mut add),
        }
    }

    /// Whether another operation may have made the revision.
    pub(super) fn is_in_doubt(&self, guess: &Guess) -> bool {
        let class = &self.classes[guess.class as usize];
        let available = class.members.partition_point(|(floor, _)| *floor < guess.revision);
        let others = guess.all.iter().filter(|(number, _)| Some(*number) != self.idle);
        others.count() > 1 || (available > 1 && class.is_asked)
    }

    /// A guess is made, or taken back.
    pub(super) fn take(&mut self, guess: &Guess, is_made: bool) {
        let class = &mut self.classes[guess.class as usize];
        class.used[guess.member] = is_made;
        class.used_count = if is_made { class.used_count + 1 } else { class.used_count - 1 };
        if let Some(key) = class.put {
            self.evidence.guess(key, guess.revision, is_made);
        }
    }
}

/// Whether an answer may depend on a value that it does not show.
fn sees_values(step: &Step) -> bool {
    match step {
        Step::Put(put) => put.ignore_value,
        Step::Range(range) => {
            range.request.sort.is_some_and(|sort| sort.target == SortTarget::Value)
        }
        Step::Txn(txn) => {
            let is_value = txn.compares.iter().any(|c| matches!(c.target, CompareTarget::Value(_)));
            is_value || txn.success.iter().chain(&txn.failure).any(sees_values)
        }
        Step::Delete(_) | Step::Revoke(_) | Step::Compact(_) | Step::Other => false,
    }
}

/// The newest revision that was told before an operation was invoked, serializable reads among `told`.
fn floor(case: &Case, timeline: &Timeline, told: &[(SimTime, u64)], operation: u32) -> u64 {
    let invoked = case.operations[operation as usize].invoked;
    let before = told.partition_point(|(completed, _)| *completed < invoked);
    let stale = before.checked_sub(1).map_or(0, |last| told[last].1);
    timeline.bounds.floor[operation as usize].0.max(stale)
}

/// By completion: the newest revision that a serializable read has told.
fn told_by_stale(case: &Case) -> Vec<(SimTime, u64)> {
    let is_told = |op: &&crate::case::Op| op.revision != 0 && op.is_serializable;
    let mut told: Vec<_> =
        case.operations.iter().filter(is_told).map(|op| (op.completed, op.revision)).collect();
    told.sort_unstable();
    let mut newest = 0;
    for (_, revision) in &mut told {
        newest = newest.max(*revision);
        *revision = newest;
    }
    told
}
