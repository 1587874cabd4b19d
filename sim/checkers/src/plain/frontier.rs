//! Breadth first, in the order of time: all configurations that are possible at a moment.
//!
//! What covers another configuration makes it superfluous. A frontier that is cut to a width can still show that there
//! is an order; only one that was never cut can show that there is none.

use super::{
    cursor::Cursor,
    meter::Meter,
    problem::{Event, Problem},
    row::{self, Rows},
    search::Search,
    step::{Open, Stepper, Successors},
};

/// Rows that a row is compared with at most, to see whether one of them covers it.
const RIVALS_MAX: usize = 256;

/// Configurations that are visited for one return, for each that may be kept.
const CLOSURE_PER_ROW: usize = 32;

/// Looks for an order of all operations, keeping at most `width` configurations at a time.
pub(crate) fn search(
    problem: &Problem,
    stepper: &mut Stepper,
    meter: &mut Meter,
    width: usize,
) -> Search {
    stepper.reset();
    let mut cursor = Cursor::default();
    let mut frontier = Frontier::new(&problem.start(), width);
    let mut known = 0;
    for (at, event) in problem.events.iter().enumerate() {
        if !frontier.was_cut {
            known = at;
        }
        match *event {
            Event::Invoke(op) => {
                let op = problem.ops[op as usize];
                frontier.each(|row| stepper.enter(row, op.act, op.slot));
            }
            Event::Offer(_) | Event::Idle => {}
            Event::Return(op) => {
                cursor.seek(problem, stepper, at);
                let now = u64::from(problem.ops[op as usize].deadline);
                if !frontier.settle(stepper, meter, now) {
                    return Search::GaveUp { event: at, known };
                }
                cursor.seek(problem, stepper, at + 1);
                frontier.fade(|row| problem.fade(stepper, row, at));
                frontier.prune(stepper);
                if frontier.is_empty() {
                    return if frontier.was_cut {
                        Search::GaveUp { event: at, known }
                    } else {
                        Search::Exhausted { event: at }
                    };
                }
            }
        }
    }
    Search::Found
}

/// All configurations that are possible at a moment, or the best of them.
#[derive(Debug)]
pub(crate) struct Frontier {
    stride: usize,
    /// Without doubles, as far as `prune` has seen them.
    words: Vec<u64>,
    width: usize,
    /// Some were dropped because there were too many.
    pub(crate) was_cut: bool,
    /// It changed in a way that may have left doubles.
    is_dirty: bool,
    closure: Rows,
    next: Rows,
    successors: Successors,
}

impl Frontier {
    pub(crate) fn new(start: &[u64], width: usize) -> Self {
        let stride = start.len();
        Self {
            stride,
            words: start.to_vec(),
            width,
            was_cut: false,
            is_dirty: false,
            closure: Rows::new(stride),
            next: Rows::new(stride),
            successors: Successors::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len() / self.stride
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.words.chunks_exact(self.stride)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.closure.bytes() + self.next.bytes() + self.words.capacity() * size_of::<u64>()
    }

    /// Does the same to all of them.
    pub(crate) fn each(&mut self, change: impl FnMut(&mut [u64])) {
        self.words.chunks_exact_mut(self.stride).for_each(change);
    }

    /// Takes from all of them what cannot matter any more. `fade` says whether there was something.
    pub(crate) fn fade(&mut self, mut fade: impl FnMut(&mut [u64]) -> bool) {
        for row in self.words.chunks_exact_mut(self.stride) {
            self.is_dirty |= fade(row);
        }
    }

    /// Replaces all of them by rows of another layout.
    pub(crate) fn replace(&mut self, stride: usize, words: Vec<u64>) {
        self.stride = stride;
        self.words = words;
        self.closure = Rows::new(stride);
        self.next = Rows::new(stride);
    }

    /// The open operation with the first deadline returns: whatever cannot come to terms with that is dropped. `now` is
    /// its event. Whether the budget sufficed.
    pub(crate) fn settle(&mut self, stepper: &mut Stepper, meter: &mut Meter, now: u64) -> bool {
        let goal = stepper.present().0[0];
        let Self { closure, next, words, stride, .. } = self;
        let must_act = |stepper: &mut Stepper, row: &[u64]| {
            row::is_pending(row, goal.slot) || may_act(stepper, row, goal, now)
        };
        if !words.chunks_exact(*stride).any(|row| must_act(stepper, row)) {
            for row in words.chunks_exact_mut(*stride) {
                self.is_dirty |= stepper.layout.is_done(row, goal.slot);
                stepper.layout.clear(row, goal.slot);
            }
            return meter.step();
        }
        next.clear();
        closure.clear();
        let mut scratch = Vec::with_capacity(*stride);
        for row in words.chunks_exact(*stride) {
            let is_pending = row::is_pending(row, goal.slot);
            if is_pending || may_act(stepper, row, goal, now) {
                closure.insert(&stepper.layout, row);
            }
            if !is_pending {
                scratch.clear();
                scratch.extend_from_slice(row);
                stepper.layout.clear(&mut scratch, goal.slot);
                next.insert(&stepper.layout, &scratch);
            }
        }
        let mut place = 0;
        let visits_max = self.width.saturating_mul(CLOSURE_PER_ROW);
        while place < closure.len() {
            if place >= visits_max {
                self.was_cut = true;
                break;
            }
            let held = closure.bytes() + next.bytes();
            if !meter.step() || !meter.hold(held) {
                return false;
            }
            self.successors.clear();
            stepper.expand(closure.row(place), &mut self.successors);
            for stay in self.successors.stay.chunks_exact(*stride) {
                closure.insert(&stepper.layout, stay);
            }
            for left in self.successors.leave.chunks_exact(*stride) {
                next.insert(&stepper.layout, left);
            }
            place += 1;
        }
        words.clear();
        next.iter().for_each(|row| words.extend_from_slice(row));
        self.is_dirty = true;
        true
    }

    /// Drops what is covered, and the heaviest beyond the width.
    pub(crate) fn prune(&mut self, stepper: &Stepper) {
        if !std::mem::take(&mut self.is_dirty) || self.len() < 2 {
            return;
        }
        let layout = &stepper.layout;
        let row = |place: &u32| &self.words[*place as usize * self.stride..][..self.stride];
        let mut order: Vec<(u64, u32, u32)> = (0..)
            .zip(self.rows())
            .map(|(place, row)| (row[0], layout.weight(row), place))
            .collect();
        order.sort_unstable();
        let mut kept: Vec<(u32, u32)> = Vec::with_capacity(order.len());
        let mut first = 0;
        for (head, weight, place) in order {
            if kept.last().is_some_and(|(_, last)| row(last)[0] != head) {
                first = kept.len();
            }
            let rivals = &kept[first..];
            let this = row(&place);
            let is_covered =
                rivals.iter().take(RIVALS_MAX).any(|(_, rival)| layout.covers(row(rival), this));
            if !is_covered {
                kept.push((weight, place));
            }
        }
        if kept.len() > self.width {
            kept.sort_unstable();
            kept.truncate(self.width);
            self.was_cut = true;
        }
        let mut words = Vec::with_capacity(kept.len() * self.stride);
        for (_, place) in &kept {
            words.extend_from_slice(row(place));
        }
        self.words = words;
    }
}

/// Whether a row may let the operation that returns take effect, though it need not.
fn may_act(stepper: &mut Stepper, row: &[u64], goal: Open, now: u64) -> bool {
    !row::is_pending(row, goal.slot)
        && !stepper.layout.is_done(row, goal.slot)
        && stepper.is_useful(row, goal.act, now)
}
