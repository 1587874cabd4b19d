//! What can be said of a key while a history is read: a yes, or nothing.

use super::{
    eager::Eager,
    sweep::{self, Sweep},
};
use whitewater_record::PlainHistory;

/// The engine that looks at a key.
#[derive(Debug)]
pub(crate) enum Glance<'h> {
    /// First it is assumed that values are not written twice while they are there.
    Sweep(Sweep<'h>),
    /// Then, that there are few.
    Eager(Eager<'h>),
    /// A search has to tell.
    Nothing,
}

/// Where values are few that shows soon. What comes to light later is a fault, more likely.
const SOON: usize = 4_096;

impl<'h> Glance<'h> {
    pub(crate) fn new(history: &'h PlainHistory) -> Self {
        Self::Sweep(Sweep::new(history.initial.as_ref(), sweep::CLUSTERS))
    }

    /// The last of these operations is invoked; of the others it was told before.
    pub(crate) fn add(&mut self, history: &'h PlainHistory, positions: &[u32]) {
        let told = |position: &u32| &history.operations[*position as usize];
        let Some(last) = positions.last() else { return };
        let goes_on = match self {
            Self::Sweep(sweep) => sweep.add(told(last)),
            Self::Eager(eager) => eager.add(told(last)),
            Self::Nothing => true,
        };
        if goes_on {
            return;
        }
        let mut next = Self::Nothing;
        if matches!(self, Self::Sweep(_)) && positions.len() <= SOON {
            let mut eager = Eager::new(history.initial.as_ref());
            if positions.iter().all(|position| eager.add(told(position))) {
                next = Self::Eager(eager);
            }
        }
        *self = next;
    }

    /// Whether there is an order; if not, that is for others to say.
    pub(crate) fn finish(self) -> bool {
        match self {
            Self::Sweep(sweep) => sweep.finish(),
            Self::Eager(eager) => eager.finish(),
            Self::Nothing => false,
        }
    }
}
