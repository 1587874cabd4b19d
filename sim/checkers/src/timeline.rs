//! Which operation made which revision: given by the answers, revealed by what others saw, or found by a small search.
//!
//! A revision that nobody acknowledged was made by an operation of unknown outcome. Most give themselves away: somebody
//! reads the value, and the mod revision stands beside it. What is left, the dark revisions, made a change that was
//! gone before anybody looked. They are guessed in order, the replay goes on, and a contradiction takes the guess back
//! ([`search`]). A record may hint at who it was ([`whitewater_record::Operation::witness`]): that guess comes first, and
//! is replayed like any other.
//!
//! A lease that ends, revoked or expired, makes a revision as well, if keys hang on it. That it expired nobody asked for,
//! so it is one more thing that may have made a dark revision ([`crate::ends`]): which keys go with it the replay knows.
//! An acknowledged revocation does not tell whether it made the revision in its header or found it made; the keys that hung
//! on the lease before decide that.
//!
//! # When it is exact
//!
//! A yes comes with an order of all writes that was replayed, and a no after all explanations were tried, so both are
//! always right. It is undecided only when the budget runs out. That cannot happen in these cases:
//!
//! - Every dark revision was made by a put or a delete of one key of which nothing else of unknown outcome may change
//!   the key: then each has one class of operations that fits, and no guess is taken back.
//! - All operations of unknown outcome are puts, and versions are recorded. Two reads of a key tell how many puts lie
//!   between them. So every stretch of a key's history wants a known number of puts before a known revision, and dark
//!   revisions are slots to fill. An operation of unknown outcome may take effect at any revision after the newest that
//!   was told before it was invoked, so there are release times and no deadlines but those of the stretches: the
//!   earliest deadline first fills the slots if anything does (Horn, Some Simple Scheduling Algorithms, 1974), and
//!   operations of equal effect need only be counted.
//!
//! Elsewhere, with transactions and deletes of unknown outcome that overlap on keys whose state nobody looked at, the
//! question contains that of an exact cover, and the search may be long. It jumps back over guesses that have nothing to
//! do with a contradiction, so that an outage costs what its worst part costs, and not the product of its parts; and it
//! remembers the states from which everything failed ([`failed`]), so that orders that come to the same are tried once. Forty
//! lost transactions of one kind over a few keys, that put pairs of keys or put and delete by turns, are decided; forty of
//! many kinds may not be.

mod class;
mod conflict;
mod evidence;
mod facts;
mod failed;
mod guessing;
mod probes;
mod regrants;
mod search;

use self::search::Search;
use crate::{
    bounds::{Bounds, tells},
    case::{Case, Op, Status},
    limits::Budget,
    model::{Mismatch, Model},
    ruling::Ruling,
    writers::{Kept, Writers},
};
use whitewater_api::Revision;

/// The order of all writes, and the store at every revision.
#[derive(Debug)]
pub(crate) struct Timeline<'a> {
    /// The store, all revisions.
    pub(crate) model: Model<'a>,
    /// By revision from `first` on: who made it. Of what was there before the history, nobody did.
    pub(crate) writes: Vec<u32>,
    /// The revision of the first of `writes`: 0 if the history begins with an empty store.
    pub(crate) first: u64,
    /// What real time allows.
    pub(crate) bounds: Bounds,
    /// Operations of unknown outcome that may have written, and made none of the revisions; ends of leases among them.
    pub(crate) unused: Vec<u32>,
    /// Serializable reads that are wrong, in the order of the revisions that they tell.
    pub(crate) stale: Vec<(u32, Mismatch)>,
    /// The revisions that nobody acknowledged and that nothing revealed, if more than one operation may have made them.
    pub(crate) guessed: Vec<u64>,
}

/// Nobody, yet.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Nobody, ever: a restoration left the revision out.
pub(crate) const LEFT_OUT: u32 = u32::MAX - 1;

impl<'a> Timeline<'a> {
    /// Finds the order and replays it, or says what stands against it.
    pub(crate) fn new(case: &'a Case, writers: &Writers, budget: &Budget) -> Result<Self, Ruling> {
        let mut believed = false;
        let found = Self::order(case, writers, budget, Some(&mut believed));
        // A stale read has revealed who made a revision. If it is wrong, that is for its own judge to say.
        if believed && matches!(found, Err(Ruling::Broken(_))) {
            return Self::order(case, writers, budget, None);
        }
        found
    }

    /// `believed`: tells whether a stale read revealed something. Nothing, if none is to be believed.
    fn order(
        case: &'a Case,
        writers: &Writers,
        budget: &Budget,
        believed: Option<&mut bool>,
    ) -> Result<Self, Ruling> {
        let first = if case.origin.revision == Revision::FIRST.0 { 0 } else { case.origin.oldest };
        let mut timeline = Self {
            model: Model::new(case),
            writes: Vec::new(),
            first,
            bounds: Bounds::default(),
            unused: Vec::new(),
            stale: Vec::new(),
            guessed: Vec::new(),
        };
        timeline.acknowledged(case)?;
        timeline.unused = timeline.revealed(case, writers, believed)?;
        timeline.bounds = Bounds::new(case, timeline.made());
        timeline.respects_real_time(case)?;
        if timeline.dark(case).next().is_none() {
            Search::new(case, &mut timeline, false).run(budget)?;
            return Ok(timeline);
        }
        // A guess should explain the serializable reads as well. If none does, that is for their own judge to say.
        let (writes, unused) = (timeline.writes.clone(), timeline.unused.clone());
        if Search::new(case, &mut timeline, true).run(budget).is_err() {
            timeline.model = Model::new(case);
            (timeline.writes, timeline.unused) = (writes, unused);
            Search::new(case, &mut timeline, false).run(budget)?;
        }
        timeline.bounds.ceiling = Bounds::ceilings(case, timeline.made());
        Ok(timeline)
    }

    /// The newest revision that an answer tells.
    pub(crate) fn newest(&self) -> u64 {
        self.first + self.writes.len() as u64 - 1
    }

    /// Who made `revision`.
    pub(crate) fn writer(&self, revision: u64) -> u32 {
        self.writes[slot(revision, self.first)]
    }

    /// The same, if the revision is one of those.
    pub(crate) fn writer_at(&self, revision: u64) -> Option<u32> {
        let slot = usize::try_from(revision.checked_sub(self.first)?).ok()?;
        self.writes.get(slot).copied()
    }

    fn set_writer(&mut self, revision: u64, operation: u32) {
        let slot = slot(revision, self.first);
        self.writes[slot] = operation;
    }

    fn made(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        (self.first..).zip(self.writes.iter().copied()).filter(|(_, op)| *op < LEFT_OUT)
    }

    /// The revisions that nobody is known to have made.
    fn dark(&self, case: &Case) -> impl Iterator<Item = u64> + '_ {
        let before = case.origin.revision;
        let all = (self.first..).zip(&self.writes);
        all.filter(move |(at, op)| *at > before && **op == NOBODY).map(|(at, _)| at)
    }

    /// The revisions that answers claim to have made.
    fn acknowledged(&mut self, case: &Case) -> Result<(), Ruling> {
        let before = case.origin.revision;
        let told = (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op));
        let newest = told.clone().max_by_key(|(_, op)| op.revision);
        let (newest, newest_op) = newest.map_or((before, 0), |(op, newest)| (newest.revision, op));
        let can_write = |op: &&Op| op.status != Status::Refused && op.can_write;
        let left_out: u64 =
            case.epochs.iter().map(|epoch| epoch.first - epoch.backup.max(before)).sum();
        let first = case.epochs.last().map_or(before, |epoch| epoch.first);
        let most = case.operations.iter().filter(can_write).count() as u64 + before + left_out;
        if newest > most {
            let sentence = format!(
                "{} tells a revision that all {} writes together cannot have reached",
                case.operation(newest_op),
                most - before
            );
            return Err(case.broken("unexplained-revision", sentence, &[newest_op]));
        }
        self.writes = vec![NOBODY; slot(newest.max(first), self.first) + 1];
        for epoch in &case.epochs {
            for revision in (epoch.backup + 1).max(self.first)..=epoch.first {
                self.set_writer(revision, LEFT_OUT);
            }
        }
        for (operation, op) in told.filter(|(_, op)| op.has_effect) {
            if op.revision <= before {
                let sentence = format!(
                    "{} wrote at {}, but the next write made {}",
                    case.operation(operation),
                    Revision(op.revision),
                    Revision(before + 1)
                );
                return Err(case.broken("wrong-revision", sentence, &[operation]));
            }
            let other = self.writer(op.revision);
            if other == LEFT_OUT {
                let sentence = format!(
                    "{} made {}, which was left out when the cluster was started over from a backup",
                    case.operation(operation),
                    Revision(op.revision)
                );
                return Err(case.broken("revision-left-out", sentence, &[operation]));
            }
            if other != NOBODY {
                let sentence = format!(
                    "{} and {} both made {}",
                    case.operation(operation),
                    case.operation(other),
                    Revision(op.revision)
                );
                return Err(case.broken("revision-reused", sentence, &[operation, other]));
            }
            self.set_writer(op.revision, operation);
        }
        Ok(())
    }

    /// Fills in the writes of unknown outcome that somebody read, stale reads among them if they are believed. Returns the other operations of unknown outcome.
    fn revealed(
        &mut self,
        case: &Case,
        writers: &Writers,
        believed: Option<&mut bool>,
    ) -> Result<Vec<u32>, Ruling> {
        let may_write = |op: &Op| op.status == Status::Unknown && op.can_write;
        let mut unknown: Vec<u32> = (0..)
            .zip(&case.operations)
            .filter(|(_, op)| may_write(op))
            .map(|(operation, _)| operation)
            .collect();
        if unknown.is_empty() {
            return Ok(unknown);
        }
        // By operation: 0 if it is known, or the revision that it made; 1 as long as nobody tells.
        let mut revision = vec![0; case.operations.len()];
        // By value: whether one of them puts it. Few values are, and most looks end here.
        let mut is_open = vec![false; case.values.len()];
        for op in &unknown {
            revision[*op as usize] = 1;
            case.operations[*op as usize].step.puts(&mut |put| is_open[put.value as usize] = true);
        }
        let mut is_by_stale = false;
        let mut twice = None;
        let (before, newest) = (case.origin.revision, self.newest());
        let mut look = |reader: u32, is_evidence: bool| {
            case.operations[reader as usize].step.seen(&mut |kv| {
                // An empty value may be one that was left out.
                if !is_open[kv.value as usize] || case.values[kv.value as usize].is_empty() {
                    return;
                }
                let Some(write) = writers.of(kv.key, kv.value) else { return };
                let is_told = |at: u64| at > before && at <= newest && self.writer(at) != NOBODY;
                match writers.kept[kv.key as usize] {
                    Kept::Never => {}
                    Kept::Known if !is_told(kv.modified) => {}
                    Kept::Known | Kept::Perhaps => return,
                }
                let writer = writers.writes[write as usize].operation;
                let made = &mut revision[writer as usize];
                if *made == 0 || kv.modified <= before || kv.modified > newest {
                    return;
                }
                if *made == 1 && self.writer(kv.modified) == NOBODY {
                    *made = kv.modified;
                    self.set_writer(kv.modified, writer);
                    is_by_stale |= !is_evidence;
                } else if is_evidence && *made != kv.modified && *made != 1 && twice.is_none() {
                    twice = Some((reader, writer, *made, *kv));
                }
            });
        };
        let count = u32::try_from(case.operations.len()).expect("operations are numbered by u32");
        (0..count).filter(|op| tells(case, *op)).for_each(|op| look(op, true));
        if let Some(believed) = believed {
            let is_stale = |op: &u32| case.operations[*op as usize].is_serializable;
            (0..count).filter(is_stale).for_each(|op| look(op, false));
            *believed = is_by_stale;
        }
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
        unknown.retain(|op| revision[*op as usize] == 1);
        Ok(unknown)
    }

    /// No operation may lie, by its revision, before one that had returned when it was invoked.
    fn respects_real_time(&self, case: &Case) -> Result<(), Ruling> {
        let object = |operation: u32, revision: u64, code: &str, verb: &str| {
            let (floor, witness) = self.bounds.floor[operation as usize];
            let (who, floor) = (case.operation(operation), Revision(floor));
            let revision = Revision(revision);
            let told = format!("{who} {verb} {revision}, but {floor} was told before it was asked");
            if witness == NOBODY {
                return Err(case.broken(code, told, &[operation]));
            }
            let sentence = format!("{told}, by {}", case.operation(witness));
            Err(case.broken(code, sentence, &[operation, witness]))
        };
        for (revision, operation) in self.made() {
            if self.bounds.floor[operation as usize].0 >= revision {
                return object(operation, revision, "write-out-of-order", "made");
            }
        }
        for (operation, op) in (0..).zip(&case.operations) {
            if op.revision < self.bounds.floor[operation as usize].0 && tells(case, operation) {
                return object(operation, op.revision, "stale-read", "saw");
            }
        }
        Ok(())
    }
}

fn slot(revision: u64, first: u64) -> usize {
    usize::try_from(revision - first).expect("bounded by the number of operations")
}
