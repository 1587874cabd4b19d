//! The replay, with guesses where nobody tells who made a revision.
//!
//! Guesses are made in the order of revisions, by classes: puts of one key whose values nobody can have seen are as good
//! as each other, and so are deletes of the same keys. A guess that leads into a contradiction is taken back, and with
//! it all later ones; those whose choices have nothing to do with the keys of the contradiction are passed over (Prosser,
//! Hybrid Algorithms for the Constraint Satisfaction Problem, 1993: conflict-directed backjumping).

use super::{
    NOBODY, Timeline,
    conflict::Conflict,
    evidence::{Evidence, Room},
    probes::{Probe, Probes},
};
use crate::{
    bounds::tells,
    case::{Case, Keys, Step},
    intern::Table,
    limits::Budget,
    model::Mismatch,
    ruling::Ruling,
};
use std::{cmp::Reverse, collections::BinaryHeap};
use whitewater_api::{
    Revision,
    request::{CompareTarget, SortTarget},
};

/// So many looks at a class of operations cost as much as one replay.
const LOOKS: u64 = 8;

pub(super) struct Search<'a, 'm, 'h> {
    case: &'a Case<'h>,
    timeline: &'a mut Timeline<'m>,
    probes: Probes,
    /// Made when the first guess is due.
    guessing: Option<Guessing>,
    /// The contradiction at the highest revision.
    worst: Option<(u64, u32, Option<Box<Mismatch>>)>,
    /// Serializable reads must be right, too.
    with_stale: bool,
}

/// What is known about the operations of unknown outcome.
#[derive(Debug, Default)]
struct Guessing {
    evidence: Evidence,
    classes: Vec<Class>,
    /// By operation.
    class_of: Table<u32, u32>,
    guesses: Vec<Guess>,
    /// Classes that a guess may choose, and those that need not be looked at up to a revision.
    open: Vec<u32>,
    closed: BinaryHeap<Reverse<(u64, u32)>>,
    /// The lowest revision that was guessed anew.
    lowest: u64,
    /// Classes looked at so far, for a guess.
    looks: u64,
}

/// Operations of equal effect.
#[derive(Debug)]
struct Class {
    /// By the newest revision told before they were invoked, with that revision.
    members: Vec<(u64, u32)>,
    /// Members that a guess has placed.
    used: Vec<bool>,
    used_count: usize,
    /// What it puts, if it puts one key and nothing else.
    put: Option<u32>,
    /// What it deletes, if it deletes and nothing else.
    delete: Option<Keys>,
    touches: Vec<Keys>,
}

#[derive(Debug)]
struct Guess {
    revision: u64,
    /// The class that is tried, and which of its members.
    class: u32,
    member: usize,
    /// Classes that are still to try, the best last.
    rest: Vec<u32>,
    /// Classes that could have made it; those that other guesses stand against with the revision of the first such.
    all: Vec<(u32, Option<u64>)>,
    /// The keys of the contradictions so far.
    conflict: Conflict,
}

/// What a guess may choose from.
struct Options {
    /// The best last.
    options: Vec<u32>,
    /// See [`Guess`].
    all: Vec<(u32, Option<u64>)>,
}

/// Where a replay came to an end: who cannot be explained, by what, and what that is about.
struct Contradiction {
    operation: u32,
    mismatch: Option<Box<Mismatch>>,
    /// Of guesses that were left without a choice.
    conflict: Conflict,
}

impl<'a, 'm, 'h> Search<'a, 'm, 'h> {
    pub(super) fn new(
        case: &'a Case<'h>,
        timeline: &'a mut Timeline<'m>,
        with_stale: bool,
    ) -> Self {
        let probes = Probes::new(case, timeline.first, timeline.newest());
        timeline.stale.clear();
        timeline.guessed.clear();
        Self { case, timeline, probes, guessing: None, worst: None, with_stale }
    }

    pub(super) fn run(mut self, budget: &Budget) -> Result<(), Ruling> {
        let newest = self.timeline.newest();
        let (mut revision, mut replays) = (self.begin(), 0);
        while revision <= newest {
            replays += 1;
            // A look at a class is cheaper than a replay, but there may be many.
            let looks = self.guessing.as_ref().map_or(0, |guessing| guessing.looks / LOOKS);
            if replays + looks > newest - self.timeline.first + budget.replays_max {
                return Err(self.undecided(budget));
            }
            match self.replay(revision) {
                Ok(()) => revision += 1,
                Err(Contradiction { operation, mismatch, mut conflict }) => {
                    if let (Some(mismatch), Some(guessing)) = (&mismatch, &self.guessing) {
                        let op = &self.case.operations[operation as usize];
                        guessing.blame(&op.step, mismatch, revision, &mut conflict);
                    }
                    if self.worst.as_ref().is_none_or(|(worst, ..)| *worst < revision) {
                        self.worst = Some((revision, operation, mismatch));
                    }
                    revision = self.back(conflict)?;
                }
            }
        }
        let guessing = self.guessing.take().unwrap_or_default();
        let in_doubt = guessing.guesses.iter().filter(|guess| guessing.is_in_doubt(guess));
        self.timeline.guessed = in_doubt.map(|guess| guess.revision).collect();
        let guesses = guessing.guesses;
        let mut placed: Vec<u32> =
            guesses.iter().map(|guess| self.timeline.writer(guess.revision)).collect();
        placed.sort_unstable();
        self.timeline.unused.retain(|op| placed.binary_search(op).is_err());
        Ok(())
    }

    /// What was there before the history. Returns the first revision to replay.
    fn begin(&mut self) -> u64 {
        let origin = &self.case.origin;
        let mut versions = origin.versions.iter().peekable();
        for revision in origin.oldest..=origin.revision {
            while let Some((_, key, cell)) = versions.next_if(|(at, ..)| *at <= revision) {
                self.timeline.model.write(*key, revision, *cell);
            }
            // Only reads, whose contradictions no guess can solve; the replay of the next revision meets them again.
            if revision < origin.revision && self.read(revision).is_err() {
                return revision;
            }
        }
        origin.revision
    }

    /// Runs what made `revision`, then everything that saw it.
    fn replay(&mut self, revision: u64) -> Result<(), Contradiction> {
        if revision > self.case.origin.revision {
            if self.timeline.writer(revision) == NOBODY {
                self.guess(revision)?;
            }
            let operation = self.timeline.writer(revision);
            let step = &self.case.operations[operation as usize].step;
            let mismatch = match self.timeline.model.run(step, revision) {
                Ok(true) => None,
                Ok(false) => Some(Mismatch::Effect { changed: true }),
                Err(mismatch) => Some(mismatch),
            };
            if let Some(mismatch) = mismatch {
                return Err(contradiction(operation, mismatch));
            }
        }
        self.read(revision)
    }

    fn read(&mut self, revision: u64) -> Result<(), Contradiction> {
        for Probe { operation, is_stale } in self.probes.at(revision) {
            let op = &self.case.operations[*operation as usize];
            let Err(mismatch) = self.timeline.model.read(&op.step, op.revision) else {
                continue;
            };
            if *is_stale && !self.with_stale {
                // A wrong effect cannot be taken back alone, but a serializable operation has none.
                self.timeline.stale.push((*operation, mismatch));
            } else {
                return Err(contradiction(*operation, mismatch));
            }
        }
        Ok(())
    }

    /// Takes back the last guess that has to do with `conflict`, and makes the next best.
    fn back(&mut self, mut conflict: Conflict) -> Result<u64, Ruling> {
        while let Some(mut guess) = self.guessing.as_mut().and_then(|g| g.guesses.pop()) {
            let revision = guess.revision;
            let Some(guessing) = &mut self.guessing else { break };
            guessing.take(&guess, false);
            guessing.lowest = guessing.lowest.min(revision);
            // Closed classes stay closed for good reasons, but up to a revision that may lie ahead again.
            guessing.open.extend(guessing.closed.drain().map(|Reverse((_, class))| class));
            self.timeline.model.undo(revision - 1);
            self.timeline.set_writer(revision, NOBODY);
            self.timeline.stale.retain(|(op, _)| {
                let op = &self.case.operations[*op as usize];
                super::probes::shown(&op.step, op.revision) < revision
            });
            guessing.looks += guess.all.len() as u64;
            let classes = &guessing.classes;
            let meets = |class: &u32| classes[*class as usize].meets(&conflict, revision);
            // What has nothing to do with the conflict does not solve it in place of what has nothing to do with it.
            let next = if meets(&guess.class) {
                guess.rest.len().checked_sub(1)
            } else {
                guess.rest.iter().rposition(meets)
            };
            let touched: Vec<_> = guess.all.iter().filter(|(class, _)| meets(class)).collect();
            if touched.is_empty() {
                continue;
            }
            for option in touched {
                guessing.excuse(*option, &mut guess.conflict);
            }
            guess.conflict.join(&conflict);
            let Some(next) = next else {
                conflict = guess.conflict;
                continue;
            };
            let class = guess.rest.remove(next);
            guess.class = class;
            self.place(guess);
            return Ok(revision);
        }
        Err(self.objection())
    }

    fn place(&mut self, mut guess: Guess) {
        let Some(guessing) = &mut self.guessing else { return };
        let hint = guessing.evidence.hints.get(&guess.revision).copied();
        let class = &guessing.classes[guess.class as usize];
        let floor = |member: &(u64, u32)| member.0 < guess.revision;
        let end = class.members.partition_point(floor);
        let is_free = |place: &usize| !class.used[*place];
        let hinted = (0..end).find(|place| is_free(place) && Some(class.members[*place].1) == hint);
        guess.member = hinted.or_else(|| (0..end).find(is_free)).unwrap_or_default();
        let operation = class.members[guess.member].1;
        guessing.take(&guess, true);
        self.timeline.set_writer(guess.revision, operation);
        guessing.guesses.push(guess);
    }

    fn guess(&mut self, revision: u64) -> Result<(), Contradiction> {
        let case = self.case;
        let mut guessing = self
            .guessing
            .take()
            .unwrap_or_else(|| Guessing::new(case, self.timeline, self.with_stale));
        let Options { mut options, all } = guessing.options(case, self.timeline, revision);
        let rest: Option<u32> = options.pop();
        self.guessing = Some(guessing);
        let Some(class) = rest else {
            let teller = (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op));
            let first =
                teller.filter(|(_, op)| op.revision >= revision).min_by_key(|(_, op)| op.completed);
            let operation = first.map_or(0, |(op, _)| op);
            let mut conflict = Conflict::default();
            if let Some(guessing) = &self.guessing {
                for option in &all {
                    guessing.excuse(*option, &mut conflict);
                }
            }
            return Err(Contradiction { operation, mismatch: None, conflict });
        };
        self.place(Guess {
            revision,
            class,
            member: 0,
            rest: options,
            all,
            conflict: Conflict::default(),
        });
        Ok(())
    }

    fn undecided(&self, budget: &Budget) -> Ruling {
        let lowest = self.guessing.as_ref().map_or(0, |guessing| guessing.lowest);
        let highest = self.worst.as_ref().map_or(lowest, |(worst, ..)| *worst);
        let dark = self.guessing.as_ref().map_or(0, |guessing| {
            let within = |guess: &&Guess| (lowest..=highest).contains(&guess.revision);
            guessing.guesses.iter().filter(within).count()
        });
        Ruling::Undecided(format!(
            "{} replays did not tell who made revisions between {} and {} that were acknowledged by nobody, {dark} at \
             least; everything before is explained",
            budget.replays_max,
            Revision(lowest),
            Revision(highest),
        ))
    }

    fn objection(&self) -> Ruling {
        let Some((revision, operation, mismatch)) = &self.worst else {
            return Ruling::Undecided("the search ended without a contradiction".to_owned());
        };
        let who = self.case.operation(*operation);
        let Some(mismatch) = mismatch else {
            let sentence = format!(
                "{} was acknowledged by nobody, and no operation of unknown outcome can have made it; {who} tells of it",
                Revision(*revision)
            );
            return self.case.broken("unexplained-revision", sentence, &[*operation]);
        };
        let (code, what) = self.case.mismatch(mismatch);
        let sentence = format!("{who} {what} at {}", Revision(*revision));
        self.case.broken(code, sentence, &[*operation])
    }
}

fn contradiction(operation: u32, mismatch: Mismatch) -> Contradiction {
    let mismatch = Some(Box::new(mismatch));
    Contradiction { operation, mismatch, conflict: Conflict::default() }
}

impl Guessing {
    fn new(case: &Case, timeline: &Timeline, with_stale: bool) -> Self {
        let evidence = Evidence::new(case, timeline, &timeline.unused, with_stale);
        let has_seen_values = case.operations.iter().any(|op| sees_values(&op.step));
        let told = if with_stale { told_by_stale(case) } else { Vec::new() };
        let mut classes: Vec<Class> = Vec::new();
        let mut class_of: Table<u32, u32> = Table::default();
        let mut numbers: Table<(u32, u32, i64), u32> = Table::default();
        for operation in &timeline.unused {
            let op = &case.operations[*operation as usize];
            let next = u32::try_from(classes.len()).expect("no more than operations");
            let number = match &op.step {
                Step::Put(put) if put.is_plain && !has_seen_values => {
                    *numbers.entry((put.key, u32::MAX, 0)).or_insert(next)
                }
                Step::Delete(delete) => {
                    *numbers.entry((delete.keys.low, delete.keys.high, 1)).or_insert(next)
                }
                Step::Put(_) | Step::Range(_) | Step::Txn(_) | Step::Compact(_) | Step::Other => {
                    next
                }
            };
            if number == next {
                classes.push(Class::new(&op.step));
            }
            let before = told.partition_point(|(completed, _)| *completed < op.invoked);
            let stale = before.checked_sub(1).map_or(0, |last| told[last].1);
            let floor = timeline.bounds.floor[*operation as usize].0.max(stale);
            classes[number as usize].members.push((floor, *operation));
            class_of.insert(*operation, number);
        }
        for class in &mut classes {
            class.members.sort_unstable();
            class.used = vec![false; class.members.len()];
        }
        let open = (0..).zip(&classes).map(|(number, _)| number).collect();
        Self { evidence, classes, class_of, open, lowest: u64::MAX, ..Self::default() }
    }

    /// The classes that may have made `revision`, the best last; and the keys that say why others may not.
    fn options(&mut self, case: &Case, timeline: &Timeline, revision: u64) -> Options {
        let mut all = Vec::new();
        while self.closed.peek().is_some_and(|Reverse((until, _))| *until < revision) {
            self.open.extend(self.closed.pop().map(|Reverse((_, class))| class));
        }
        let must = self.evidence.must(revision);
        let hint = self.evidence.hints.get(&revision);
        let hint = hint.and_then(|op| self.class_of.get(op)).copied();
        let mut options: Vec<((u8, u64), u32)> = Vec::new();
        let mut open = std::mem::take(&mut self.open);
        self.looks += open.len() as u64;
        open.retain(|number| {
            let class = &self.classes[*number as usize];
            let available = class.members.partition_point(|(floor, _)| *floor < revision);
            if must.is_some_and(|key| !class.may_put(key)) || available == 0 {
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
                    let deadline =
                        if let Room::Yes { deadline } = room { deadline } else { u64::MAX };
                    // What is wanted elsewhere comes last.
                    let is_free = room != Room::Hardly
                        && !class.touches.iter().any(|keys| self.evidence.wants(*keys));
                    let rank = match (is_hinted, class.put) {
                        (true, _) => 4,
                        (false, _) if deadline != u64::MAX => 3,
                        (false, Some(_)) if is_free => 2,
                        (false, None) if is_free => 1,
                        (false, _) => 0,
                    };
                    all.push((*number, None));
                    options.push(((rank, u64::MAX - deadline), *number));
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

    /// Why a class did not solve a conflict: other guesses stand against it, or what it does hangs on more than the
    /// conflict is about, as with a transaction.
    fn excuse(&self, (class, taken): (u32, Option<u64>), conflict: &mut Conflict) {
        let class = &self.classes[class as usize];
        let is_simple = class.put.is_some() || class.delete.is_some();
        let since = if is_simple { taken } else { Some(0) };
        if let Some(since) = since {
            class.touches.iter().for_each(|keys| conflict.add(*keys, since));
        }
    }

    /// The keys whose state explains a mismatch that the replay found at `revision`.
    fn blame(&self, step: &Step, mismatch: &Mismatch, revision: u64, conflict: &mut Conflict) {
        let mut add = |keys: Keys| {
            if !self.evidence.seen_before(keys, revision, &mut |keys, since| {
                conflict.add(keys, since);
            }) {
                conflict.add(Keys { low: 0, high: u32::MAX }, 0);
            }
        };
        match (step, mismatch) {
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
    fn is_in_doubt(&self, guess: &Guess) -> bool {
        let class = &self.classes[guess.class as usize];
        let available = class.members.partition_point(|(floor, _)| *floor < guess.revision);
        guess.all.len() > 1 || available > 1
    }

    /// A guess is made, or taken back.
    fn take(&mut self, guess: &Guess, is_made: bool) {
        let class = &mut self.classes[guess.class as usize];
        class.used[guess.member] = is_made;
        class.used_count = if is_made { class.used_count + 1 } else { class.used_count - 1 };
        if let Some(key) = class.put {
            self.evidence.guess(key, guess.revision, is_made);
        }
    }
}

impl Class {
    fn new(step: &Step) -> Self {
        let mut touches = Vec::new();
        step.touches(&mut |keys| touches.push(keys));
        let put = if let Step::Put(put) = step { Some(put.key) } else { None };
        let delete = if let Step::Delete(delete) = step { Some(delete.keys) } else { None };
        Self { members: Vec::new(), used: Vec::new(), used_count: 0, put, delete, touches }
    }

    fn meets(&self, conflict: &Conflict, revision: u64) -> bool {
        self.touches.iter().any(|keys| conflict.meets(*keys, revision))
    }

    fn may_put(&self, key: u32) -> bool {
        match self.put {
            Some(put) => put == key,
            None => self.touches.iter().any(|keys| keys.contains(key)),
        }
    }

    fn room(&self, step: &Step, evidence: &Evidence, timeline: &Timeline, revision: u64) -> Room {
        match (step, self.put, self.delete) {
            (_, Some(key), _) => evidence.room(key, revision),
            // A delete of nothing makes no revision.
            (_, _, Some(keys)) => {
                let mut present = timeline.model.present(keys, revision - 1);
                match (evidence.room_to_delete(keys, revision), present.next()) {
                    (Room::Yes { .. } | Room::Hardly, None) => {
                        let mut since = u64::MAX;
                        let mut note = |_, seen: u64| since = since.min(seen);
                        let is_known = evidence.seen_before(keys, revision, &mut note);
                        Room::Taken(if is_known && since != u64::MAX { since } else { 0 })
                    }
                    (room, _) => room,
                }
            }
            (Step::Txn(txn), ..) => {
                let holds = timeline.model.all_hold(txn, revision - 1);
                let writes = |branch: &[Step]| branch.iter().any(Step::can_write);
                if !writes(txn.branch(holds)) {
                    return Room::Taken(0);
                }
                let mut room = Room::Yes { deadline: u64::MAX };
                let mut narrow = |key: u32| match evidence.room(key, revision) {
                    Room::Yes { deadline } => {
                        if let Room::Yes { deadline: earliest } = &mut room {
                            *earliest = deadline.min(*earliest);
                        }
                    }
                    Room::Hardly => room = Room::Hardly,
                    Room::NotUntil(until) if !writes(txn.branch(!holds)) => {
                        room = Room::NotUntil(until);
                    }
                    Room::NotUntil(_) | Room::Taken(_) => room = Room::Taken(0),
                };
                // Inside, a branch may be left out.
                for step in txn.branch(holds) {
                    if let Step::Put(put) = step {
                        narrow(put.key);
                    }
                }
                room
            }
            (
                Step::Put(_) | Step::Range(_) | Step::Delete(_) | Step::Compact(_) | Step::Other,
                ..,
            ) => Room::Yes { deadline: u64::MAX },
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
        Step::Delete(_) | Step::Compact(_) | Step::Other => false,
    }
}

/// By completion: the newest revision that a serializable read has told.
fn told_by_stale(case: &Case) -> Vec<(whitewater_record::SimTime, u64)> {
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
