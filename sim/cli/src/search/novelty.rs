//! Novelty: plans that led to abstract states which nobody had seen are changed a little and played again, as coverage-guided
//! fuzzers do with inputs.

use super::policy::{Deck, Policy, valid};
use crate::{exit::CliError, job::Sighting};
use std::collections::{BTreeSet, VecDeque};
use whitewater_record::{Fork, Plan, SimTime, Span, Stream};

/// Half of what is played is new, half comes of plans that were novel.
pub(crate) struct Novelty {
    deck: Deck,
    seen: BTreeSet<u32>,
    /// The newest of them, each with how many states were new.
    corpus: VecDeque<(Plan, u64)>,
}

/// How many plans are remembered.
const CORPUS_MAX: usize = 64;

impl Novelty {
    pub(crate) const fn new(deck: Deck) -> Self {
        Self { deck, seen: BTreeSet::new(), corpus: VecDeque::new() }
    }

    /// One of the remembered plans, those that showed more the more likely.
    fn parent(&self, luck: &mut Stream) -> Option<Plan> {
        let all: u64 = self.corpus.iter().map(|(_, gain)| gain).sum();
        let mut place = luck.below(all.max(1));
        let chosen = self.corpus.iter().find(|(_, gain)| {
            let is_here = place < *gain;
            place = place.saturating_sub(*gain);
            is_here
        });
        chosen.map(|(plan, _)| plan.clone())
    }

    /// A child of a plan: another future, faults of another seed, or the same faults at other times.
    fn child(&mut self, parent: Plan, luck: &mut Stream) -> Result<Plan, CliError> {
        let mut child = parent.clone();
        match luck.below(3) {
            0 => {
                let at = SimTime(luck.below(parent.duration.0.max(1)));
                child.fork = Some(Fork { at, salt: luck.bits() });
            }
            1 => {
                let other = self.deck.deal()?;
                let few = other.faults.into_iter().filter(|planned| {
                    !planned.fault.loses_disk() && planned.fault.newcomer().is_none()
                });
                child.faults.extend(few.filter(|_| luck.below(2) == 0));
            }
            _ => {
                for planned in &mut child.faults {
                    if luck.below(4) == 0 {
                        let moved = planned.at.0.saturating_add(luck.below(2_000_000_000));
                        planned.at = SimTime(moved.saturating_sub(1_000_000_000));
                        planned.lasts = Span((planned.lasts.0 / 2).max(1) << luck.below(3));
                    }
                }
            }
        }
        Ok(valid(child, parent))
    }
}

impl Policy for Novelty {
    fn plan(&mut self, place: u64) -> Result<Plan, CliError> {
        let mut luck = self.deck.luck("novelty", place);
        match self.parent(&mut luck) {
            Some(parent) if luck.below(2) == 0 => self.child(parent, &mut luck),
            _ => self.deck.deal(),
        }
    }

    fn learn(&mut self, plan: &Plan, sighting: &Sighting) {
        let sample = &sighting.outcome.coverage.sample;
        let new: Vec<u32> =
            sample.iter().copied().filter(|state| self.seen.insert(*state)).collect();
        let gain = u64::try_from(new.len()).unwrap_or(u64::MAX);
        if gain > 0 {
            self.corpus.push_back((plan.clone(), gain));
            if self.corpus.len() > CORPUS_MAX {
                self.corpus.pop_front();
            }
        }
    }
}
