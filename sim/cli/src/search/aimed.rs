//! Faults aimed by role and phase: what was drawn for any node at any time hits the leader or whoever receives a snapshot,
//! just when something rare is going on.

use super::{
    policy::{Deck, Policy, valid},
    rarity::Rarity,
};
use crate::{exit::CliError, job::Sighting};
use std::collections::{BTreeSet, VecDeque};
use whitewater_record::{Plan, Seed, SimTime, Span, Stream, Victim};

/// Plays a seed, then the same seed with some faults moved to its rarest moments.
pub(crate) struct Aimed {
    deck: Deck,
    rarity: Rarity,
    /// Seeds that were played, with their rarest moments.
    known: VecDeque<(Plan, Vec<SimTime>)>,
    /// Seeds that were played as they are.
    played: BTreeSet<Seed>,
}

/// How many moments of a seed are aimed at.
const MOMENTS: usize = 4;

/// How many faults of a plan are moved.
const MOVED_MAX: u64 = 4;

/// How far behind the moment a fault begins at most; drawn evenly over orders of magnitude.
const BEHIND: (Span, Span) = (Span::micros(100), Span::seconds(2));

impl Aimed {
    pub(crate) const fn new(deck: Deck) -> Self {
        Self { deck, rarity: Rarity::new(), known: VecDeque::new(), played: BTreeSet::new() }
    }
}

impl Policy for Aimed {
    fn plan(&mut self, place: u64) -> Result<Plan, CliError> {
        let Some((plan, moments)) = self.known.pop_front() else { return self.deck.deal() };
        let mut luck = self.deck.luck("aimed", place);
        let aimed = aim(plan.clone(), &moments, &mut luck);
        Ok(valid(aimed, plan))
    }

    fn learn(&mut self, plan: &Plan, sighting: &Sighting) {
        if !self.played.insert(plan.seed) {
            return;
        }
        self.rarity.learn(sighting);
        let moments = self.rarity.rarest(sighting, MOMENTS);
        if !moments.is_empty() {
            self.known.push_back((plan.clone(), moments));
        }
    }
}

fn aim(mut plan: Plan, moments: &[SimTime], luck: &mut Stream) -> Plan {
    let movable: Vec<usize> = (0..plan.faults.len())
        .filter(|place| !plan.faults[*place].fault.loses_disk())
        .filter(|place| plan.faults[*place].fault.newcomer().is_none())
        .collect();
    if movable.is_empty() {
        return plan;
    }
    for _ in 0..luck.between(1, MOVED_MAX) {
        let planned = &mut plan.faults[*luck.pick(&movable)];
        let (low, high) = BEHIND;
        let behind = Span(low.0 << luck.below(u64::from((high.0 / low.0).ilog2())));
        planned.at = *luck.pick(moments) + Span(luck.between(0, behind.0));
        if let Some(victim) = planned.fault.victim_mut() {
            *victim = *luck.pick(&[Victim::Leader, Victim::Leader, Victim::Receiver, *victim]);
        }
    }
    plan
}
