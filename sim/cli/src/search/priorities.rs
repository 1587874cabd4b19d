//! Priorities: in place of all other weather nodes have an order, the messages of each are slower than those of the one before
//! it, and at a few moments the order changes. That is probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010) for
//! messages (Ozkan et al., OOPSLA 2018), where a bug that needs `d` such changes is found with a chance that falls with `d`.

use super::policy::{Deck, Policy, valid};
use crate::{exit::CliError, job::Sighting};
use whitewater_api::NodeId;
use whitewater_record::{Fault, Plan, PlannedFault, SimTime, Span, Stream, Victim};

/// Plays seeds with the weather of priorities.
pub(crate) struct Priorities {
    deck: Deck,
}

/// How often the order changes at most.
const CHANGES_MAX: u64 = 12;

/// By how much each node is slower than the one before, in powers of two of the first.
const SLOWER: (Span, u64) = (Span::millis(1), 8);

impl Priorities {
    pub(crate) const fn new(deck: Deck) -> Self {
        Self { deck }
    }
}

impl Policy for Priorities {
    fn plan(&mut self, place: u64) -> Result<Plan, CliError> {
        let plan = self.deck.deal()?;
        let mut luck = self.deck.luck("priorities", place);
        Ok(valid(prioritised(plan.clone(), &mut luck), plan))
    }

    fn learn(&mut self, _: &Plan, _: &Sighting) {}
}

fn prioritised(mut plan: Plan, luck: &mut Stream) -> Plan {
    plan.faults.retain(|planned| {
        !matches!(planned.fault, Fault::Weather { .. } | Fault::Clog { .. } | Fault::Shuffle { .. })
    });
    let mut changes: Vec<u64> =
        (0..luck.between(1, CHANGES_MAX)).map(|_| luck.below(plan.duration.0)).collect();
    changes.extend([0, plan.duration.0]);
    changes.sort_unstable();
    let step = SLOWER.0.0 << luck.below(SLOWER.1);
    for window in changes.windows(2) {
        let (at, end) = (SimTime(window[0]), SimTime(window[1]));
        let mut order: Vec<u64> = (1..=plan.cluster.nodes).collect();
        for place in (1..order.len()).rev() {
            let other = luck.below(place as u64 + 1);
            order.swap(place, usize::try_from(other).expect("below a length"));
        }
        for (rank, node) in (1..).zip(order.into_iter().skip(1)) {
            let fault = Fault::Weather {
                victim: Victim::Node(NodeId(node)),
                loss_ppm: 0,
                duplicate_ppm: 0,
                reorder_ppm: 0,
                delay: Span(step * rank),
            };
            if end > at {
                plan.faults.push(PlannedFault { at, lasts: end.since(at), fault });
            }
        }
    }
    plan
}
