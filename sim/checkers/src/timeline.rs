//! Which operation made which revision: given by the answers, revealed by later reads, or found by a small search.
//!
//! A revision that nobody acknowledged was made by an operation of unknown outcome. Most give themselves away: somebody
//! reads the value, and the mod revision stands beside it. What is left, the dark revisions, made a change that was
//! gone before anybody looked. They are guessed in order, the replay goes on, and a contradiction takes the guess back. A
//! record may hint at who it was ([`whitewater_record::Operation::witness`]): that guess comes first, and is replayed like
//! any other.

use crate::{
    bounds::{Bounds, tells},
    case::{Case, Status, Step},
    limits::Budget,
    model::{Mismatch, Model},
    ruling::Ruling,
    writers::Writers,
};
use std::collections::BTreeMap;
use whitewater_api::Revision;

/// The order of all writes, and the store at every revision.
#[derive(Debug)]
pub(crate) struct Timeline<'a> {
    /// The store, all revisions.
    pub(crate) model: Model<'a>,
    /// By revision: who made it. The first two are empty, a store starts at revision 1.
    pub(crate) writes: Vec<u32>,
    /// What real time allows.
    pub(crate) bounds: Bounds,
    /// Operations of unknown outcome that may have written, and made none of the revisions.
    pub(crate) unused: Vec<u32>,
}

/// Nobody, yet.
pub(crate) const NOBODY: u32 = u32::MAX;

impl<'a> Timeline<'a> {
    /// Finds the order and replays it, or says what stands against it.
    pub(crate) fn new(case: &'a Case, writers: &Writers, budget: &Budget) -> Result<Self, Ruling> {
        let mut writes = acknowledged(case)?;
        let unknown = revealed(case, writers, &mut writes)?;
        let bounds = Bounds::new(case, made(&writes));
        respects_real_time(case, &writes, &bounds)?;
        let is_dark = writes.iter().skip(2).any(|op| *op == NOBODY);
        let mut timeline = Self { model: Model::new(case), writes, bounds, unused: unknown };
        if !is_dark {
            Search::new(case, &mut timeline, false).run(budget)?;
            return Ok(timeline);
        }
        // A guess should explain the serializable reads as well. If none does, that is for their own judge to say.
        let (writes, unused) = (timeline.writes.clone(), timeline.unused.clone());
        if Search::new(case, &mut timeline, true).run(budget).is_err() {
            timeline.model.undo(0);
            (timeline.writes, timeline.unused) = (writes, unused);
            Search::new(case, &mut timeline, false).run(budget)?;
        }
        timeline.bounds = Bounds::new(case, made(&timeline.writes));
        Ok(timeline)
    }
}

fn made(writes: &[u32]) -> impl Iterator<Item = (u64, u32)> {
    (0..).zip(writes.iter().copied()).filter(|(_, op)| *op != NOBODY)
}

/// The revisions that answers claim to have made.
fn acknowledged(case: &Case) -> Result<Vec<u32>, Ruling> {
    let told = (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op));
    let newest = told.clone().max_by_key(|(_, op)| op.revision);
    let (newest, newest_op) = newest.map_or((1, 0), |(op, newest)| (newest.revision, op));
    let can_write = |op: &&crate::case::Op| op.status != Status::Refused && op.step.can_write();
    let most = case.operations.iter().filter(can_write).count() as u64 + 1;
    if newest > most {
        let sentence = format!(
            "{} tells a revision that all {} writes together cannot have reached",
            case.operation(newest_op),
            most - 1
        );
        return Err(case.broken("unexplained-revision", sentence, &[newest_op]));
    }
    let newest = usize::try_from(newest).expect("bounded by the number of operations");
    let mut writes = vec![NOBODY; newest + 1];
    for (operation, op) in told.filter(|(_, op)| op.step.has_effect()) {
        let slot = usize::try_from(op.revision).expect("bounded by the newest");
        if slot < 2 {
            let sentence = format!(
                "{} wrote at {}, but the first write of a store makes r2",
                case.operation(operation),
                Revision(op.revision)
            );
            return Err(case.broken("wrong-revision", sentence, &[operation]));
        }
        if writes[slot] != NOBODY {
            let sentence = format!(
                "{} and {} both made {}",
                case.operation(operation),
                case.operation(writes[slot]),
                Revision(op.revision)
            );
            return Err(case.broken("revision-reused", sentence, &[operation, writes[slot]]));
        }
        writes[slot] = operation;
    }
    Ok(writes)
}

/// Fills in the writes of unknown outcome that somebody read. Returns the other operations of unknown outcome.
fn revealed(case: &Case, writers: &Writers, writes: &mut [u32]) -> Result<Vec<u32>, Ruling> {
    let is_open =
        |(_, op): &(u32, &crate::case::Op)| op.status == Status::Unknown && op.step.can_write();
    let mut unknown: BTreeMap<u32, u64> =
        (0..).zip(&case.operations).filter(is_open).map(|(op, _)| (op, 0)).collect();
    if unknown.is_empty() {
        return Ok(Vec::new());
    }
    let mut twice = None;
    let mut look = |reader: u32, is_evidence: bool| {
        case.operations[reader as usize].step.seen(&mut |kv| {
            let Some(write) = writers.of(kv.key, kv.value) else { return };
            let writer = writers.writes[write as usize].operation;
            let Some(revision) = unknown.get_mut(&writer) else { return };
            let Some(slot) = usize::try_from(kv.modified).ok().and_then(|r| writes.get_mut(r))
            else {
                return;
            };
            if *slot == NOBODY && *revision == 0 {
                (*slot, *revision) = (writer, kv.modified);
            } else if is_evidence && *revision != kv.modified && *revision != 0 && twice.is_none() {
                twice = Some((reader, writer, *revision, *kv));
            }
        });
    };
    let count = u32::try_from(case.operations.len()).expect("operations are numbered by u32");
    (0..count).filter(|op| tells(case, *op)).for_each(|op| look(op, true));
    // A stale read may reveal as much. If it is wrong, that is for its own judge to say.
    let is_stale = |op: &u32| case.operations[*op as usize].step.is_serializable();
    (0..count).filter(is_stale).for_each(|op| look(op, false));
    if let Some((reader, writer, revision, kv)) = twice {
        let sentence = format!(
            "{} saw {}, but {} took effect already at {}",
            case.operation(reader),
            case.seen(&kv),
            case.operation(writer),
            Revision(revision)
        );
        return Err(case.broken("duplicate-effect", sentence, &[reader, writer]));
    }
    unknown.retain(|_, revision| *revision == 0);
    Ok(unknown.into_keys().collect())
}

/// No operation may lie, by its revision, before one that had returned when it was invoked.
fn respects_real_time(case: &Case, writes: &[u32], bounds: &Bounds) -> Result<(), Ruling> {
    let object = |operation: u32, revision: u64, code: &str, verb: &str| {
        let (floor, witness) = bounds.floor[operation as usize];
        let sentence = format!(
            "{} {verb} {}, but {} was told before it was asked, by {}",
            case.operation(operation),
            Revision(revision),
            Revision(floor),
            case.operation(witness)
        );
        Err(case.broken(code, sentence, &[operation, witness]))
    };
    for (revision, operation) in (0..).zip(writes).filter(|(_, op)| **op != NOBODY) {
        if bounds.floor[*operation as usize].0 >= revision {
            return object(*operation, revision, "write-out-of-order", "made");
        }
    }
    for (operation, op) in (0..).zip(&case.operations) {
        if tells(case, operation) && op.revision < bounds.floor[operation as usize].0 {
            return object(operation, op.revision, "stale-read", "saw");
        }
    }
    Ok(())
}

/// What was answered without an effect, by revision; serializable reads too, if asked for.
fn reads(case: &Case, with_stale: bool) -> Vec<(u64, u32)> {
    let ops = (0..).zip(&case.operations);
    let quiet = ops.filter(|(id, op)| {
        let is_stale = with_stale && op.status == Status::Known && op.step.is_serializable();
        is_stale || (tells(case, *id) && !op.step.has_effect())
    });
    let mut reads: Vec<(u64, u32)> = quiet.map(|(id, op)| (op.revision, id)).collect();
    reads.sort_unstable();
    reads
}

/// By key: the revisions at which reads show it, each with the mod revision they show, 0 for absent.
type Facts = Vec<Vec<(u64, u64)>>;

struct Guess {
    revision: u64,
    candidates: Vec<u32>,
}

struct Search<'a, 'm, 'h> {
    case: &'a Case<'h>,
    reads: Vec<(u64, u32)>,
    /// Made when the first guess is due.
    facts: Option<Facts>,
    guesses: Vec<Guess>,
    /// The contradiction at the highest revision.
    worst: Option<(u64, u32, Option<Mismatch>)>,
    with_stale: bool,
    timeline: &'a mut Timeline<'m>,
}

impl<'a, 'm, 'h> Search<'a, 'm, 'h> {
    fn new(case: &'a Case<'h>, timeline: &'a mut Timeline<'m>, with_stale: bool) -> Self {
        let reads = reads(case, with_stale);
        let (facts, guesses, worst) = (None, Vec::new(), None);
        Self { case, reads, facts, guesses, worst, with_stale, timeline }
    }

    fn run(mut self, budget: &Budget) -> Result<(), Ruling> {
        let newest = self.timeline.writes.len() as u64 - 1;
        let (mut revision, mut replays) = (1, 0);
        while revision <= newest {
            replays += 1;
            if replays > newest + budget.replays_max {
                return Err(Ruling::Undecided(format!(
                    "{} revisions were acknowledged by nobody, and {} replays did not tell who made them",
                    self.guesses.len(),
                    budget.replays_max
                )));
            }
            match self.replay(revision) {
                Ok(()) => revision += 1,
                Err((operation, mismatch)) => {
                    if self.worst.is_none_or(|(worst, ..)| worst < revision) {
                        self.worst = Some((revision, operation, mismatch));
                    }
                    revision = self.back()?;
                }
            }
        }
        for guess in &self.guesses {
            let made = self.timeline.writes[slot(guess.revision)];
            self.timeline.unused.retain(|op| *op != made);
        }
        Ok(())
    }

    /// Runs what made `revision`, then everything that saw it.
    fn replay(&mut self, revision: u64) -> Result<(), (u32, Option<Mismatch>)> {
        if revision > 1 {
            if self.timeline.writes[slot(revision)] == NOBODY {
                self.guess(revision)?;
            }
            let operation = self.timeline.writes[slot(revision)];
            let step = &self.case.operations[operation as usize].step;
            match self.timeline.model.run(step, revision) {
                Ok(true) => {}
                Ok(false) => return Err((operation, Some(Mismatch::Effect { changed: true }))),
                Err(mismatch) => return Err((operation, Some(mismatch))),
            }
        }
        let first = self.reads.partition_point(|(at, _)| *at < revision);
        for (_, operation) in self.reads[first..].iter().take_while(|(at, _)| *at == revision) {
            let step = &self.case.operations[*operation as usize].step;
            let read = self.timeline.model.read(step, revision);
            read.map_err(|mismatch| (*operation, Some(mismatch)))?;
        }
        Ok(())
    }

    /// Takes the last guess back and makes the next best.
    fn back(&mut self) -> Result<u64, Ruling> {
        while let Some(guess) = self.guesses.last_mut() {
            let revision = guess.revision;
            self.timeline.model.undo(revision - 1);
            self.timeline.writes[slot(revision)] = NOBODY;
            if let Some(next) = guess.candidates.pop() {
                self.timeline.writes[slot(revision)] = next;
                return Ok(revision);
            }
            self.guesses.pop();
        }
        Err(self.objection())
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

    fn guess(&mut self, revision: u64) -> Result<(), (u32, Option<Mismatch>)> {
        let facts = self.facts.take().unwrap_or_else(|| facts(self.case));
        let mut candidates: Vec<u32> = Vec::new();
        for operation in self.timeline.unused.iter().rev() {
            let is_used =
                self.guesses.iter().any(|g| self.timeline.writes[slot(g.revision)] == *operation);
            let floor = self.timeline.bounds.floor[*operation as usize].0;
            if !is_used
                && floor < revision
                && !self.was_read_before(*operation, revision)
                && self.is_possible(&facts, *operation, revision)
            {
                candidates.push(*operation);
            }
        }
        self.facts = Some(facts);
        // A hint, if the record has one. It is tried first and has to stand the same replay.
        let hint = candidates.iter().position(|op| self.case.witness(*op) == revision);
        if let Some(place) = hint {
            let hinted = candidates.remove(place);
            candidates.push(hinted);
        }
        let Some(first) = candidates.pop() else {
            let teller = (0..).zip(&self.case.operations).filter(|(op, _)| tells(self.case, *op));
            let first =
                teller.filter(|(_, op)| op.revision >= revision).min_by_key(|(_, op)| op.completed);
            return Err((first.map_or(0, |(op, _)| op), None));
        };
        self.timeline.writes[slot(revision)] = first;
        self.guesses.push(Guess { revision, candidates });
        Ok(())
    }

    /// Whether a serializable read had told the revision when the operation was invoked.
    fn was_read_before(&self, operation: u32, revision: u64) -> bool {
        let invoked = self.case.operations[operation as usize].invoked;
        self.with_stale
            && self.case.operations.iter().any(|op| {
                op.revision >= revision && op.completed < invoked && op.step.is_serializable()
            })
    }

    /// Whether the next reads of the keys that the operation changes leave room for it at `revision`.
    fn is_possible(&self, facts: &Facts, operation: u32, revision: u64) -> bool {
        let leaves_room = |key: u32| {
            let facts = &facts[key as usize];
            let next = facts.partition_point(|(at, _)| *at < revision);
            facts.get(next).is_none_or(|(_, modified)| *modified == 0 || *modified >= revision)
        };
        let before = revision - 1;
        match &self.case.operations[operation as usize].step {
            Step::Put(put) => leaves_room(put.key),
            Step::Delete(delete) => {
                let mut present = self.timeline.model.present(delete.keys, before).peekable();
                present.peek().is_some() && present.all(leaves_room)
            }
            Step::Txn(_) => true,
            Step::Range(_) | Step::Compact(_) | Step::Other => false,
        }
    }
}

fn slot(revision: u64) -> usize {
    usize::try_from(revision).expect("bounded by the number of operations")
}

fn facts(case: &Case) -> Facts {
    let mut facts = vec![Vec::new(); case.keys.len()];
    for (_, op) in (0..).zip(&case.operations).filter(|(id, _)| tells(case, *id)) {
        let Step::Range(range) = &op.step else { continue };
        let Some(answer) = range.answer.as_ref().filter(|_| range.is_plain) else { continue };
        let mut shown = answer.kvs.iter().peekable();
        for key in range.keys.iter() {
            if answer.more && shown.peek().is_none() {
                break;
            }
            let modified = shown.next_if(|kv| kv.key == key).map_or(0, |kv| kv.modified);
            facts[key as usize].push((op.revision, modified));
        }
    }
    for facts in &mut facts {
        facts.sort_unstable();
    }
    facts
}
