//! A place among the events of a problem, and what is open there.

use super::{
    problem::{Event, Problem, Retirement},
    row,
    step::{Offer, Open, Stepper},
};

/// A place among the events. It moves either way, and keeps a stepper's open operations up to date.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The event to come.
    at: usize,
}

impl Cursor {
    /// Moves to right before `event`.
    pub(crate) fn seek(&mut self, problem: &Problem, stepper: &mut Stepper, event: usize) {
        while self.at < event {
            match problem.events[self.at] {
                Event::Invoke(op) => stepper.open(problem.open(op)),
                Event::Return(op) => {
                    stepper.close(op);
                    for (lane, heir) in problem.heirs(self.at) {
                        let count = stepper.offered(heir) + stepper.offered(lane);
                        stepper.offer(problem.offer(heir, count));
                    }
                }
                Event::Offer(lane) => {
                    stepper.offer(problem.offer(lane, stepper.offered(lane) + 1));
                }
                Event::Idle => {}
            }
            self.at += 1;
        }
        while self.at > event {
            self.at -= 1;
            match problem.events[self.at] {
                Event::Invoke(op) => stepper.close(op),
                Event::Return(op) => {
                    stepper.open(problem.open(op));
                    for (lane, heir) in problem.heirs(self.at) {
                        let count = stepper.offered(heir) - stepper.offered(lane);
                        stepper.offer(problem.offer(heir, count));
                    }
                }
                Event::Offer(lane) => {
                    stepper.offer(problem.offer(lane, stepper.offered(lane) - 1));
                }
                Event::Idle => {}
            }
        }
    }
}

impl Problem {
    fn open(&self, op: u32) -> Open {
        let told = self.ops[op as usize];
        Open {
            op,
            act: told.act,
            class: told.class,
            slot: told.slot,
            deadline: u64::from(told.deadline),
        }
    }

    fn offer(&self, lane: u32, count: u32) -> Offer {
        let told = self.lanes[lane as usize];
        let act = self.classes[told.class as usize];
        Offer { lane, class: told.class, act, count, last: u64::from(told.last) }
    }

    /// Takes from a row what cannot matter after the return at `event`. Whether there was something.
    pub(crate) fn fade(&self, stepper: &mut Stepper, row: &mut [u64], event: usize) -> bool {
        let now = u32::try_from(event).expect("events are numbered by u32");
        let mut has_changed = stepper.fade(row, u64::from(now));
        for Retirement { lane, heir, .. } in self.retirements(now) {
            let used = self.layout.used(row, *lane);
            if used > 0 {
                has_changed = true;
                self.layout.forget(row, *lane);
                if let Some(heir) = heir {
                    self.layout.use_more(row, *heir, used);
                }
            }
        }
        has_changed
    }

    fn retirements(&self, event: u32) -> &[Retirement] {
        let first = self.retirements.partition_point(|retirement| retirement.event < event);
        let rest = &self.retirements[first..];
        let count = rest.iter().take_while(|retirement| retirement.event == event).count();
        &rest[..count]
    }

    /// The lanes that retire with a return, and their heirs.
    fn heirs(&self, event: usize) -> impl Iterator<Item = (u32, u32)> {
        let event = u32::try_from(event).expect("events are numbered by u32");
        let heir = |retirement: &Retirement| Some((retirement.lane, retirement.heir?));
        self.retirements(event).iter().filter_map(heir)
    }

    /// The row in which nothing has happened yet.
    pub(crate) fn start(&self) -> Vec<u64> {
        let mut start = vec![0; self.layout.stride()];
        row::set_state(&mut start, self.initial);
        start
    }
}
