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
    let mut depth = Depth {
        problem,
        stepper,
        cursor: Cursor::default(),
        seen: Rows::new(problem.layout.stride()),
        stack: Vec::new(),
        furthest: 0,
    };
    let mut start = problem.start();
    row::set_passed(&mut start, true);
    depth.push(&start);
    let (mut current, mut successors) = (Vec::new(), Successors::default());
    for _ in 0..visits_max {
        let Some(position) = depth.stack.pop() else {
            return Search::Exhausted { event: depth.furthest };
        };
        if !meter.step() || !meter.hold(depth.seen.bytes() + 4 * depth.stack.capacity()) {
            break;
        }
        current.clear();
        current.extend_from_slice(depth.seen.row(position as usize));
        if row::has_passed(&current) {
            if depth.advance(&mut current) {
                return Search::Found;
            }
        } else {
            depth.visit(&mut current, &mut successors);
        }
    }
    Search::GaveUp { event: depth.furthest, known: 0 }
}

struct Depth<'p, 's, 'h> {
    problem: &'p Problem,
    stepper: &'s mut Stepper<'h>,
    cursor: Cursor,
    seen: Rows,
    /// Positions in `seen` of rows to visit.
    stack: Vec<u32>,
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
                        self.push(row);
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

    /// Tries what can be done about the return for which a row waits. What is pushed last is visited first.
    fn visit(&mut self, row: &mut [u64], successors: &mut Successors) {
        let event = row::event(row);
        self.cursor.seek(self.problem, self.stepper, event);
        successors.clear();
        self.stepper.expand(row, successors);
        let stride = row.len();
        for stay in successors.stay.chunks_exact(stride).rev() {
            self.push(stay);
        }
        let Event::Return(op) = self.problem.events[event] else {
            unreachable!("rows wait for returns")
        };
        let slot = self.problem.ops[op as usize].slot;
        let layout = &self.problem.layout;
        if !row::is_under_way(row) && !row::is_pending(row, slot) {
            layout.clear(row, slot);
            self.pass(row, event);
        }
        for left in successors.leave.chunks_exact_mut(stride).rev() {
            self.pass(left, event);
        }
    }

    /// A row has dealt with the return at `event`.
    fn pass(&mut self, row: &mut [u64], event: usize) {
        row::set_event(row, event + 1);
        row::set_passed(row, true);
        self.push(row);
    }

    fn push(&mut self, row: &[u64]) {
        if self.seen.insert(&self.problem.layout, row) {
            self.stack.push(u32::try_from(self.seen.len() - 1).expect("fewer than 2^32 rows"));
        }
    }
}
