//! The search: passes propose, the caller says which proposal still fails, and in the end all is proved.

use crate::{
    cluster, ddmin, fair, faults, items, items::Items, limits, operations, settings, size::Size,
    steps, times, watchers,
};
use whitewater_record::{FailureClass, Plan, SimTime};

/// A plan that fails, and when its promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The plan.
    pub plan: Plan,
    /// When the first violation is seen.
    pub at: SimTime,
    /// When each operation was invoked, by client; nothing, if that is not known.
    pub began: Vec<Vec<SimTime>>,
}

/// How far candidates must be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Only as far as the failure can still be expected: a little beyond where it was seen last.
    Quick,
    /// To the end of the plan, as a replay does.
    Full,
}

/// What became of candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The one at `place`, the first in the order, still fails.
    Fails {
        /// Its place among the candidates, from 0.
        place: usize,
        /// It.
        failing: Box<Failing>,
    },
    /// None of them does.
    Passes,
    /// The budget is spent, so it is not known.
    Spent,
}

/// Asks which of the candidates is the first that still fails with the signature. It takes as many as it needs; how many
/// it takes makes no difference to the answer.
pub type Ask<'a> = dyn FnMut(Depth, &mut dyn Iterator<Item = Plan>) -> Answer + 'a;

/// How sure it is that nothing more can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Removing any one item ends the failure. All were tried, in full.
    Minimal(Items),
    /// The budget was spent before that was known.
    Open(Items),
}

/// What is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest plan found that fails with the signature.
    pub failing: Failing,
    /// Whether it is 1-minimal.
    pub proof: Proof,
}

/// Shrinks a failing plan. `class` says where failures of its kind are seen.
pub fn shrink(failing: Failing, class: FailureClass, ask: &mut Ask<'_>) -> Shrunk {
    let keeps_fair = fair::is_fair(&failing.plan);
    let size = Size::of(&failing.plan);
    let mut search = Search { best: failing, size, keeps_fair, ask, is_spent: false };
    if class != FailureClass::Liveness {
        search.first([times::without_tail(&search.best.plan, search.best.at)].into_iter());
    }
    for _ in 0..limits::ROUNDS_MAX {
        search.settle();
        if search.is_spent {
            break;
        }
        if search.escape() {
            continue;
        }
        if search.prove() {
            let items = Items::of(&search.best.plan);
            return Shrunk { failing: search.best, proof: Proof::Minimal(items) };
        }
    }
    let items = Items::of(&search.best.plan);
    Shrunk { failing: search.best, proof: Proof::Open(items) }
}

struct Search<'a, 'b> {
    /// The smallest plan so far.
    best: Failing,
    /// Its size.
    size: Size,
    /// Whether candidates must be fair, as the first plan was.
    keeps_fair: bool,
    ask: &'a mut Ask<'b>,
    is_spent: bool,
}

impl Search<'_, '_> {
    /// All passes, the cheapest first, until a whole round of them finds nothing.
    fn settle(&mut self) {
        loop {
            let before = self.size.clone();
            self.sweep(|failing| times::shorter(&failing.plan, failing.at));
            self.sweep(|failing| times::without_head(&failing.plan, failing.at));
            self.sweep(|failing| settings::calmed(&failing.plan));
            self.fewer_faults();
            self.fewer_operations();
            self.sweep(|failing| watchers::without_each(&failing.plan));
            self.sweep(|failing| cluster::fewer_clients(&failing.plan));
            self.sweep(|failing| cluster::fewer_nodes(&failing.plan));
            self.sweep(|failing| settings::calmed_each(&failing.plan));
            self.sweep(|failing| operations::simplified(&failing.plan));
            self.sweep(|failing| watchers::simplified(&failing.plan));
            self.sweep(|failing| faults::simplified(&failing.plan));
            self.sweep(|failing| times::earlier(&failing.plan));
            self.sweep(|failing| times::rounder(&failing.plan));
            self.sweep(|failing| times::rounder_each(&failing.plan));
            if self.size == before || self.is_spent {
                return;
            }
        }
    }

    /// Larger steps, dearer ones. Whether one was found.
    fn escape(&mut self) -> bool {
        let Failing { plan, began, at: _ } = self.best.clone();
        let steps: [&dyn Fn() -> Vec<Plan>; 6] = [
            &|| steps::without_chunks(&times::pinned(&plan, &began)),
            &|| settings::tighter(&plan, &steps::without_chunks(&plan)),
            &|| steps::without_one_renamed(&plan),
            &|| steps::without_pairs(&plan),
            &|| steps::without_stretches(&plan),
            &|| cluster::fewer_nodes_reseeded(&plan, limits::SEEDS),
        ];
        steps.into_iter().any(|step| self.first(step().into_iter()).is_some())
    }

    fn fewer_faults(&mut self) {
        let plan = self.best.plan.clone();
        let groups = items::fault_groups(&plan);
        ddmin::minimise(groups.len(), |lists| {
            let candidates = lists.map(|kept| {
                let gone: Vec<usize> = (0..groups.len())
                    .filter(|group| kept.binary_search(group).is_err())
                    .flat_map(|group| groups[group].iter().copied())
                    .collect();
                items::without_faults(&plan, &gone)
            });
            self.first(candidates)
        });
    }

    /// Whole clients first, then operations by time.
    fn fewer_operations(&mut self) {
        let plan = self.best.plan.clone();
        let places = operations::places(&plan);
        ddmin::minimise(plan.clients.len(), |lists| {
            let candidates = lists.map(|kept| {
                let idle = places.iter().filter(|(client, _)| kept.binary_search(client).is_err());
                operations::without(&plan, &idle.copied().collect::<Vec<_>>())
            });
            self.first(candidates)
        });
        let plan = self.best.plan.clone();
        let places = operations::places(&plan);
        ddmin::minimise(places.len(), |lists| {
            let candidates = lists.map(|kept| {
                let gone = (0..places.len()).filter(|place| kept.binary_search(place).is_err());
                operations::without(&plan, &gone.map(|place| places[place]).collect::<Vec<_>>())
            });
            self.first(candidates)
        });
    }

    /// Tries what a pass proposes, from the first proposal to the last and round again, until none of them fails.
    fn sweep(&mut self, pass: impl Fn(&Failing) -> Vec<Plan>) {
        let (mut from, mut is_smaller) = (0, false);
        while !self.is_spent {
            let proposals = pass(&self.best);
            match self.first(proposals.into_iter().skip(from)) {
                Some(place) => {
                    from += place;
                    is_smaller = true;
                }
                None if is_smaller && from > 0 => (from, is_smaller) = (0, false),
                None => return,
            }
        }
    }

    /// Takes the first candidate that still fails. Returns its place among all candidates.
    fn first(&mut self, candidates: impl Iterator<Item = Plan>) -> Option<usize> {
        if self.is_spent {
            return None;
        }
        let mut places = Vec::new();
        let (size, keeps_fair) = (&self.size, self.keeps_fair);
        let mut admitted = candidates.enumerate().filter_map(|(place, plan)| {
            admits(size, keeps_fair, &plan).then(|| {
                places.push(place);
                plan
            })
        });
        match (self.ask)(Depth::Quick, &mut admitted) {
            Answer::Fails { place, failing } => {
                let place = places[place];
                self.accept(*failing);
                Some(place)
            }
            Answer::Passes => None,
            Answer::Spent => {
                self.is_spent = true;
                None
            }
        }
    }

    fn accept(&mut self, failing: Failing) {
        let size = Size::of(&failing.plan);
        assert!(size < self.size, "a step made the plan larger: {:?} to {size:?}", self.size);
        (self.best, self.size) = (failing, size);
    }

    /// Tries every single removal, in full. Whether none fails any more; if one does, it is taken.
    fn prove(&mut self) -> bool {
        let answer = {
            let all = items::removals(&self.best.plan).flat_map(|removal| removal.plans);
            let (size, keeps_fair) = (&self.size, self.keeps_fair);
            let mut candidates = all.filter(|plan| admits(size, keeps_fair, plan));
            (self.ask)(Depth::Full, &mut candidates)
        };
        match answer {
            Answer::Passes => true,
            Answer::Fails { failing, .. } => {
                self.accept(*failing);
                false
            }
            Answer::Spent => {
                self.is_spent = true;
                false
            }
        }
    }
}

/// Whether a candidate is smaller, as fair as it must be, and can be played.
fn admits(size: &Size, keeps_fair: bool, plan: &Plan) -> bool {
    Size::of(plan) < *size && (!keeps_fair || fair::is_fair(plan)) && plan.check().is_ok()
}

#[cfg(test)]
mod tests;
