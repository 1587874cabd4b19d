//! The replay, with guesses where nobody tells who made a revision.
//!
//! Guesses are made in the order of revisions, by classes: puts of one key whose values nobody can have seen are as good
//! as each other, and so are deletes of the same keys. A guess that leads into a contradiction is taken back, and with
//! it all later ones; those whose choices have nothing to do with the keys of the contradiction are passed over (Prosser,
//! Hybrid Algorithms for the Constraint Satisfaction Problem, 1993: conflict-directed backjumping).

use super::{
    LEFT_OUT, NOBODY, Timeline,
    conflict::Conflict,
    failed::Failed,
    guessing::{Guess, Guessing, Options},
    probes::{Probe, Probes},
    regrants::Regrants,
};
use crate::{
    bounds::tells,
    case::Case,
    doubt::{Doubt, Window},
    limits::Budget,
    model::Mismatch,
    ruling::Ruling,
};
use std::cmp::Reverse;
use whitewater_api::Revision;
use whitewater_record::SimTime;

/// So many looks at a class of operations cost as much as one replay.
const LOOKS: u64 = 8;

pub(super) struct Search<'a, 'm, 'h> {
    case: &'a Case<'h>,
    timeline: &'a mut Timeline<'m>,
    probes: Probes,
    regrants: Regrants<'a>,
    /// Made when the first guess is due.
    guessing: Option<Guessing>,
    failed: Failed,
    /// The contradiction at the highest revision.
    worst: Option<(u64, u32, Option<Box<Mismatch>>)>,
    /// Serializable reads must be right, too.
    with_stale: bool,
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
        Self {
            case,
            timeline,
            probes,
            regrants: Regrants::new(case),
            guessing: None,
            failed: Failed::default(),
            worst: None,
            with_stale,
        }
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
            if operation == LEFT_OUT {
                return self.read(revision);
            }
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
            // The end of a lease that made the revision did not find it made.
            if *operation == self.timeline.writer(revision) {
                continue;
            }
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
        match self.regrants.impossible(&self.timeline.model, revision) {
            Some((operation, mismatch)) => Err(contradiction(operation, mismatch)),
            None => Ok(()),
        }
    }

    /// Takes back the last guess that has to do with `conflict`, and makes the next best.
    fn back(&mut self, mut conflict: Conflict) -> Result<u64, Ruling> {
        if let Some(guessing) = &self.guessing {
            self.failed.count(self.case, guessing.has_seen_values);
        }
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
                super::probes::shown(op) < revision
            });
            guessing.looks += guess.all.len() as u64;
            let classes = &guessing.classes;
            let meets = |class: &u32| classes[*class as usize].meets(&conflict, revision);
            // What has nothing to do with the conflict does not solve it in place of what has nothing to do with it. But
            // anything may do so in place of what has: also what other guesses have used up.
            let is_own = meets(&guess.class);
            let next = if is_own {
                guess.rest.len().checked_sub(1)
            } else {
                guess.rest.iter().rposition(meets)
            };
            let touched = guess.all.iter().filter(|(class, _)| is_own || meets(class));
            let touched: Vec<_> = touched.collect();
            if touched.is_empty() {
                if let Some(state) = guess.state {
                    self.failed.remember(state, &conflict);
                }
                continue;
            }
            for option in touched {
                guessing.excuse(*option, &mut guess.conflict);
            }
            guess.conflict.join(&conflict);
            let Some(next) = next else {
                conflict = guess.conflict;
                if let Some(state) = guess.state {
                    self.failed.remember(state, &conflict);
                }
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
        let state = self.failed.state(self.timeline, &guessing, revision);
        if let Some(conflict) = state.as_ref().and_then(|state| self.failed.conflict(state)) {
            let conflict = conflict.clone();
            self.guessing = Some(guessing);
            return Err(Contradiction { operation: 0, mismatch: None, conflict });
        }
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
            state,
        });
        Ok(())
    }

    fn undecided(&self, budget: &Budget) -> Ruling {
        let worst = self.worst.as_ref().map(|(worst, ..)| *worst);
        // If none was guessed anew yet, the last guess would be the first.
        let last = self.guessing.as_ref().and_then(|guessing| guessing.guesses.last());
        let anew = self.guessing.as_ref().map(|guessing| guessing.lowest);
        let lowest = [anew, last.map(|guess| guess.revision), worst];
        let lowest = lowest.into_iter().flatten().min().filter(|lowest| *lowest != u64::MAX);
        let lowest = lowest.unwrap_or(self.case.origin.revision);
        let highest = worst.unwrap_or(lowest).max(lowest);
        let dark = self.guessing.as_ref().map_or(0, |guessing| {
            let within = |guess: &&Guess| (lowest..=highest).contains(&guess.revision);
            guessing.guesses.iter().filter(within).count()
        });
        let reason = format!(
            "{} replays did not tell who made revisions between {} and {} that were acknowledged by nobody, {dark} at \
             least; everything before is explained",
            budget.replays_max,
            Revision(lowest),
            Revision(highest),
        );
        Ruling::Undecided(Doubt { reason, window: self.window(lowest, highest) })
    }

    /// From the answer that told the revision before the first open one, to the first that tells of the last.
    fn window(&self, lowest: u64, highest: u64) -> Option<Window> {
        let ops = || (0..).zip(&self.case.operations).filter(|(op, _)| tells(self.case, *op));
        let before = ops().filter(|(_, op)| op.revision < lowest);
        let after = ops().filter(|(_, op)| op.revision >= highest);
        let (last, until) =
            after.map(|(op, told)| (op, told.completed)).min_by_key(|told| told.1)?;
        let from = before.map(|(_, op)| op.invoked).max().unwrap_or(SimTime::ZERO).min(until);
        let window = Window::of(self.case, last, [from, until], ops().map(|(op, _)| op))?;
        Some(Window { revisions: Some([Revision(lowest), Revision(highest)]), ..window })
    }

    fn objection(&self) -> Ruling {
        let Some((revision, operation, mismatch)) = &self.worst else {
            return Ruling::Undecided("the search ended without a contradiction".into());
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
