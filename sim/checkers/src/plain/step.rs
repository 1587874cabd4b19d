//! What can happen to a configuration before an operation returns.
//!
//! Operations take effect just in time (Lowe, "Testing for linearizability"): when one has to return, the sequences of
//! open operations that end with it are tried, and nothing else. Such a sequence is short, because
//!
//! - an observer is done as soon as it finds what it saw, and nothing is tried for it before it has to return;
//! - a blind write or an append is only tried where something observes it before it is overwritten. Otherwise it might
//!   as well have taken effect right before the write that hides it; so an overwrite excuses all open ones at once;
//! - of operations that do the same, the one that has to return first is taken, and one without an answer last.

use super::{
    act::Act,
    row::{self, Layout},
    values::{ABSENT, FOREVER, OTHER, State, Values},
};

/// An operation that is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// Which one.
    pub(crate) op: u32,
    pub(crate) act: Act,
    pub(crate) class: u32,
    pub(crate) slot: u32,
    /// Orders the returns.
    pub(crate) deadline: u64,
}

/// Unknown operations of one class that were invoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) lane: u32,
    pub(crate) class: u32,
    pub(crate) act: Act,
    /// How many.
    pub(crate) count: u32,
    /// The last return for which they are of use.
    pub(crate) last: u64,
}

/// The operations that may take effect at a moment, and what they would do to a row.
#[derive(Debug)]
pub(crate) struct Stepper<'h> {
    pub(crate) values: Values<'h>,
    pub(crate) layout: Layout,
    /// Open operations by deadline.
    open: Vec<Open>,
    /// Unknown operations by lane.
    offers: Vec<Offer>,
    /// Slots of open blind writes and appends.
    blind: Vec<u64>,
    /// By class: in which expansion it was last seen, and how.
    stamps: Vec<(u64, Seen)>,
    expansion: u64,
    wants: Wants,
    scratch: Vec<u64>,
}

/// What was seen of a class among the open operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Excused,
    Pending,
}

/// What a row waits for.
#[derive(Debug, Default)]
struct Wants {
    /// States that pending observers saw.
    is: Vec<State>,
    /// States that pending observers did not see.
    not: Vec<State>,
    /// States that swaps can use up.
    swaps: Vec<State>,
    /// Appends that are available.
    appends: u32,
    /// An observer that did not see something returns later.
    is_denied_later: bool,
}

/// The rows that an expansion leads to.
#[derive(Debug, Default)]
pub(crate) struct Successors {
    /// Rows in which the goal still waits.
    pub(crate) stay: Vec<u64>,
    /// Rows in which the goal is reached, and its slot free.
    pub(crate) leave: Vec<u64>,
}

/// Who makes a step.
#[derive(Clone, Copy)]
enum Actor {
    Known { slot: u32, is_goal: bool },
    Unknown { lane: u32 },
}

impl<'h> Stepper<'h> {
    pub(crate) fn new(values: Values<'h>, layout: Layout) -> Self {
        let blind = vec![0; layout.slot_words];
        Self {
            values,
            layout,
            open: Vec::new(),
            offers: Vec::new(),
            blind,
            stamps: Vec::new(),
            expansion: 0,
            wants: Wants::default(),
            scratch: Vec::new(),
        }
    }

    /// The open operations by deadline, and the unknown ones.
    pub(crate) fn present(&self) -> (&[Open], &[Offer]) {
        (&self.open, &self.offers)
    }

    /// Nothing is open any more.
    pub(crate) fn reset(&mut self) {
        self.open.clear();
        self.offers.clear();
        self.blind.fill(0);
    }

    /// Rows have another layout from now on.
    pub(crate) fn set_layout(&mut self, layout: Layout) {
        self.blind.resize(layout.slot_words, 0);
        self.layout = layout;
    }

    /// States have other numbers from now on, and classes too.
    pub(crate) fn renumber(&mut self, mut class: impl FnMut(Act) -> (Act, u32)) {
        self.stamps.clear();
        for open in &mut self.open {
            (open.act, open.class) = class(open.act);
        }
        for offer in &mut self.offers {
            (offer.act, offer.class) = class(offer.act);
        }
    }

    /// An operation may take effect from now on.
    pub(crate) fn open(&mut self, open: Open) {
        let place = self.open.partition_point(|other| other.deadline < open.deadline);
        self.open.insert(place, open);
        if open.act.is_blind() {
            self.blind[open.slot as usize / 64] |= 1 << (open.slot % 64);
        }
    }

    /// It may no longer.
    pub(crate) fn close(&mut self, op: u32) {
        let place = self.open.iter().position(|open| open.op == op).expect("it was opened");
        let open = self.open.remove(place);
        self.blind[open.slot as usize / 64] &= !(1 << (open.slot % 64));
    }

    /// Sets how many unknown operations of a lane there are; with none the lane is left alone.
    pub(crate) fn offer(&mut self, offer: Offer) {
        match self.offers.binary_search_by_key(&offer.lane, |known| known.lane) {
            Ok(place) if offer.count == 0 => {
                self.offers.remove(place);
            }
            Ok(place) => self.offers[place] = offer,
            Err(_) if offer.count == 0 => {}
            Err(place) => self.offers.insert(place, offer),
        }
    }

    /// How many unknown operations of a lane there are.
    pub(crate) fn offered(&self, lane: u32) -> u32 {
        let place = self.offers.binary_search_by_key(&lane, |known| known.lane);
        place.map_or(0, |place| self.offers[place].count)
    }

    /// An operation is invoked.
    pub(crate) fn enter(&mut self, row: &mut [u64], act: Act, slot: u32) {
        let state = row::state(row);
        let is_done = match act {
            Act::Is(_) | Act::Not(_) => act.is_true_in(state),
            Act::Set(to) => to == state,
            Act::Append(chunk) => self.values.append(state, chunk) == state,
            Act::Swap(..) => false,
        };
        if !is_done {
            row::set_pending(row, slot);
        }
    }

    /// Whether letting an excused operation take effect at the last moment can be of use.
    pub(crate) fn is_useful(&self, row: &[u64], act: Act, now: u64) -> bool {
        let to = match act {
            Act::Set(to) => to,
            // What it makes depends on the steps before it.
            Act::Append(_) => {
                return self.last(ABSENT).max(self.last(OTHER)) > now;
            }
            Act::Is(_) | Act::Not(_) | Act::Swap(..) => return false,
        };
        if to == row::state(row) {
            // It would hide what is pending, or take the key back to where it was.
            return row[1..=self.layout.slot_words].iter().any(|pending| *pending != 0);
        }
        self.last(to).max(self.last(OTHER)) > now
    }

    /// The last return for which it can matter that the key holds this.
    fn last(&self, state: State) -> u64 {
        match self.values.last_named(state) {
            FOREVER => u64::MAX,
            last => u64::from(last),
        }
    }

    /// Forgets a value for which nobody will ask after `now`. Whether the row holds one.
    pub(crate) fn fade(&mut self, row: &mut [u64], now: u64) -> bool {
        let state = row::state(row);
        let fades = state != OTHER && self.last(state) <= now;
        if fades {
            self.arrive(row, OTHER);
        }
        fades
    }

    /// The rows to which one step leads from `row` on the way to the return of `goal`, which is the open operation
    /// with the first deadline.
    pub(crate) fn expand(&mut self, row: &[u64], successors: &mut Successors) {
        let goal = self.open[0];
        self.expansion += 1;
        self.want(row);
        for place in 0..self.open.len() {
            let Open { act, class, slot, .. } = self.open[place];
            if act.is_observer() || self.layout.is_done(row, slot) {
                continue;
            }
            let seen = self.seen(class);
            if seen == Some(Seen::Pending) {
                continue;
            }
            let is_pending = row::is_pending(row, slot);
            if seen == Some(Seen::Excused) && !is_pending {
                continue;
            }
            self.see(class, if is_pending { Seen::Pending } else { Seen::Excused });
            let is_goal = slot == goal.slot;
            self.step(row, act, Actor::Known { slot, is_goal }, goal, successors);
        }
        for place in 0..self.offers.len() {
            let Offer { lane, class, act, count, last } = self.offers[place];
            let is_useful = last >= goal.deadline && self.seen(class).is_none();
            if is_useful && self.layout.used(row, lane) < count {
                self.step(row, act, Actor::Unknown { lane }, goal, successors);
            }
        }
    }

    /// Collects what pending observers and available operations could make of a state.
    fn want(&mut self, row: &[u64]) {
        self.wants.is_denied_later = self.last(OTHER) > self.open[0].deadline;
        let Wants { is, not, swaps, appends, .. } = &mut self.wants;
        is.clear();
        not.clear();
        swaps.clear();
        *appends = 0;
        for open in &self.open {
            let is_pending = row::is_pending(row, open.slot);
            match open.act {
                Act::Is(state) if is_pending => is.push(state),
                Act::Not(state) if is_pending => not.push(state),
                Act::Swap(from, _) if is_pending => swaps.push(from),
                Act::Append(_) if !self.layout.is_done(row, open.slot) => *appends += 1,
                Act::Is(_) | Act::Not(_) | Act::Swap(..) | Act::Append(_) | Act::Set(_) => {}
            }
        }
        for offer in &self.offers {
            let left = offer.count - self.layout.used(row, offer.lane);
            match offer.act {
                Act::Swap(from, _) if left > 0 => swaps.push(from),
                Act::Append(_) => *appends += left,
                Act::Is(_) | Act::Not(_) | Act::Swap(..) | Act::Set(_) => {}
            }
        }
    }

    fn seen(&self, class: u32) -> Option<Seen> {
        let (expansion, seen) = self.stamps.get(class as usize)?;
        (*expansion == self.expansion).then_some(*seen)
    }

    fn see(&mut self, class: u32, seen: Seen) {
        if self.stamps.len() <= class as usize {
            self.stamps.resize(class as usize + 1, (0, Seen::Excused));
        }
        self.stamps[class as usize] = (self.expansion, seen);
    }

    /// Whether a blind operation is pending.
    fn hides(&self, row: &[u64]) -> bool {
        row[1..].iter().zip(&self.blind).any(|(pending, blind)| pending & blind != 0)
    }

    fn step(
        &mut self,
        row: &[u64],
        act: Act,
        actor: Actor,
        goal: Open,
        successors: &mut Successors,
    ) {
        let state = row::state(row);
        let is_goal = matches!(actor, Actor::Known { is_goal: true, .. });
        let to = match act {
            Act::Set(_) if row::is_unseen(row) => return,
            Act::Set(to) => to,
            Act::Append(chunk) => self.values.append(state, chunk),
            Act::Swap(from, to) if from == state => to,
            Act::Swap(..) => return,
            Act::Is(_) | Act::Not(_) => unreachable!("observers take no steps"),
        };
        let is_certain = is_goal || matches!((act, actor), (Act::Swap(..), Actor::Known { .. }));
        let is_seen = is_certain || to != state && self.wants.observe(to);
        let is_append = matches!(act, Act::Append(_));
        // A write of what is there already is of use only for what it hides.
        let is_idle = to == state && (is_append || !self.hides(row));
        if !is_goal && (is_idle || !is_seen && !self.wants.consume(to, is_append)) {
            return;
        }
        let mut next = std::mem::take(&mut self.scratch);
        next.clear();
        next.extend_from_slice(row);
        match actor {
            Actor::Known { slot, .. } => self.layout.set_done(&mut next, slot),
            Actor::Unknown { lane } => self.layout.use_more(&mut next, lane, 1),
        }
        if matches!(act, Act::Set(_)) {
            for (word, blind) in next[1..].iter_mut().zip(&self.blind) {
                *word &= !blind;
            }
        }
        self.arrive(&mut next, to);
        let is_reached = is_goal || goal.act.is_observer() && !row::is_pending(&next, goal.slot);
        if is_reached {
            row::settle(&mut next);
            self.layout.clear(&mut next, goal.slot);
            successors.leave.extend_from_slice(&next);
        } else {
            row::set_unseen(&mut next, !is_seen);
            row::set_under_way(&mut next);
            successors.stay.extend_from_slice(&next);
        }
        self.scratch = next;
    }

    /// The key holds `state` now: observers that find what they saw are done, and writes that would change nothing are
    /// excused.
    fn arrive(&mut self, row: &mut [u64], state: State) {
        row::set_state(row, state);
        for open in &self.open {
            if !row::is_pending(row, open.slot) {
                continue;
            }
            let is_met = match open.act {
                Act::Is(_) | Act::Not(_) => open.act.is_true_in(state),
                Act::Set(to) => to == state,
                Act::Append(chunk) => self.values.append(state, chunk) == state,
                Act::Swap(..) => false,
            };
            if is_met {
                row::excuse(row, open.slot);
            }
        }
    }
}

impl Wants {
    /// Whether a pending observer saw this.
    fn observe(&self, state: State) -> bool {
        self.is.contains(&state) || self.not.iter().any(|unseen| *unseen != state)
    }

    /// Whether an operation can make something of this, beside an append that just did.
    fn consume(&self, state: State, is_append: bool) -> bool {
        self.swaps.contains(&state)
            || self.appends > u32::from(is_append) && (state != OTHER || self.is_denied_later)
    }
}

impl Successors {
    pub(crate) fn clear(&mut self) {
        self.stay.clear();
        self.leave.clear();
    }
}
