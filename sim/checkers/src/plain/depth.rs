//! Depth first, with a memory of what was tried. Finds the order of a good history fast, and looks no further.

use super::{
    cursor::Cursor,
    meter::Meter,
    problem::{Event, Problem},
    row::{self, Rows},
    search::Search,
    step::{Stepper, Successors},
};

/// Looks for an order of all operations, visiting at most `visits_max` configurations.
pub(crate) fn search(
    problem: &Problem,
    stepper: &mut Stepper,
    meter: &mut Meter,
    visits_max: u64,
) -> Search {
    stepper.reset();
    let stride = problem.layout.stride();
    let mut depth = Depth {
        problem,
        stepper,
        cursor: Cursor::default(),
        seen: Rows::new(stride),
        stack: Vec::new(),
        successors: Successors::default(),
        furthest: 0,
    };
    let mut row = problem.start();
    row::set_passed(&mut row, true);
    for _ in 0..visits_max {
        if !meter.step() || !meter.hold(depth.bytes()) {
            break;
        }
        if row::has_passed(&row) && depth.advance(&mut row) {
            return Search::Found;
        }
        if depth.visit(&mut row) {
            continue;
        }
        let Some(rest) = depth.stack.len().checked_sub(stride) else {
            return Search::Exhausted { event: depth.furthest };
        };
        row.copy_from_slice(&depth.stack[rest..]);
        depth.stack.truncate(rest);
    }
    Search::GaveUp { event: depth.furthest, known: 0 }
}

struct Depth<'p, 's, 'h> {
    problem: &'p Problem,
    stepper: &'s mut Stepper<'h>,
    cursor: Cursor,
    /// Rows from which more than one way led on. Where there is only one way, nothing is won by remembering it.
    seen: Rows,
    /// Words of the rows to visit, the next one last.
    stack: Vec<u64>,
    successors: Successors,
    /// The latest event at which a row waited.
    furthest: usize,
}

impl Depth<'_, '_, '_> {
    /// Moves a row on, to the first return that it does not pass by itself. Whether there is none.
    fn advance(&mut self, row: &mut [u64]) -> bool {
        row::set_passed(row, false);
        let first = row::event(row);
        self.cursor.seek(self.problem, self.stepper, first);
        if first > 0 {
            self.problem.fade(self.stepper, row, first - 1);
        }
        for at in first..self.problem.events.len() {
            match self.problem.events[at] {
                Event::Invoke(op) => {
                    let op = self.problem.ops[op as usize];
                    self.stepper.enter(row, op.act, op.slot);
                }
                Event::Offer(_) | Event::Idle => {}
                Event::Return(op) => {
                    let op = self.problem.ops[op as usize];
                    let layout = &self.problem.layout;
                    let passes = !row::is_pending(row, op.slot)
                        && (layout.is_done(row, op.slot)
                            || !self.stepper.is_useful(row, op.act, at as u64));
                    if !passes {
                        self.furthest = self.furthest.max(at);
                        row::set_event(row, at);
                        return false;
                    }
                    layout.clear(row, op.slot);
                    self.cursor.seek(self.problem, self.stepper, at + 1);
                    self.problem.fade(self.stepper, row, at);
                }
            }
        }
        true
    }

    /// Takes the first way in which a row can deal with the return for which it waits, and puts the others on the stack.
    /// Whether there is a way that was not tried before.
    fn visit(&mut self, row: &mut [u64]) -> bool {
        let event = row::event(row);
        self.cursor.seek(self.problem, self.stepper, event);
        self.successors.clear();
        self.stepper.expand(row, &mut self.successors);
        let Event::Return(op) = self.problem.events[event] else {
            unreachable!("rows wait for returns")
        };
        let slot = self.problem.ops[op as usize].slot;
        let Successors { stay, leave } = &mut self.successors;
        for left in leave.chunks_exact_mut(row.len()) {
            pass(left, event);
        }
        let may_excuse = !row::is_under_way(row) && !row::is_pending(row, slot);
        let ways = (stay.len() + leave.len()) / row.len() + usize::from(may_excuse);
        if ways == 0 || ways > 1 && !self.seen.insert(&self.problem.layout, row) {
            return false;
        }
        // What is pushed last is visited first.
        let first = self.stack.len();
        for stay in stay.chunks_exact(row.len()).rev() {
            self.stack.extend_from_slice(stay);
        }
        if may_excuse {
            self.problem.layout.clear(row, slot);
            pass(row, event);
            self.stack.extend_from_slice(row);
        }
        for left in leave.chunks_exact(row.len()).rev() {
            self.stack.extend_from_slice(left);
        }
        let rest = self.stack.len() - row.len();
        assert!(rest >= first, "some way leads on");
        row.copy_from_slice(&self.stack[rest..]);
        self.stack.truncate(rest);
        true
    }

    /// Bytes held.
    fn bytes(&self) -> usize {
        self.seen.bytes() + self.stack.capacity() * size_of::<u64>()
    }
}

/// A row has dealt with the return at `event`.
fn pass(row: &mut [u64], event: usize) {
    row::set_event(row, event + 1);
    row::set_passed(row, true);
}
