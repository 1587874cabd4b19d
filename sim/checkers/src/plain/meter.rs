//! What a search may still spend.

use crate::limits::Budget;

/// Configurations between two questions to the stop hook.
const POLL_STEPS: u64 = 1 << 10;

/// Counts the work of a search, and says when to give up.
pub(crate) struct Meter<'s> {
    /// Configurations expanded so far, by all searches.
    pub(crate) steps: u64,
    /// The most bytes that a search held.
    pub(crate) bytes: usize,
    steps_max: u64,
    bytes_max: u64,
    next_poll: u64,
    is_spent: Option<Spent>,
    stop: &'s dyn Fn() -> bool,
}

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    Steps,
    Bytes,
    Time,
}

impl<'s> Meter<'s> {
    pub(crate) fn new(budget: &Budget, stop: &'s dyn Fn() -> bool) -> Self {
        Self {
            steps: 0,
            bytes: 0,
            steps_max: budget.plain_configurations_max,
            bytes_max: budget.plain_bytes_max,
            next_poll: 0,
            is_spent: None,
            stop,
        }
    }

    /// What ran out, if anything.
    pub(crate) fn spent(&self) -> Option<Spent> {
        self.is_spent
    }

    /// What a search held is free again: another one that needs less may go on.
    pub(crate) fn free(&mut self) {
        if self.is_spent == Some(Spent::Bytes) {
            self.is_spent = None;
        }
    }

    /// One more configuration was expanded. Whether the search may go on.
    pub(crate) fn step(&mut self) -> bool {
        self.steps += 1;
        if self.steps > self.steps_max {
            self.is_spent = Some(Spent::Steps);
        }
        if self.steps >= self.next_poll {
            self.next_poll = self.steps + POLL_STEPS;
            if (self.stop)() {
                self.is_spent = Some(Spent::Time);
            }
        }
        self.is_spent.is_none()
    }

    /// A search holds so many bytes. Whether it may go on.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.max(bytes);
        if bytes as u64 > self.bytes_max {
            self.is_spent = Some(Spent::Bytes);
        }
        self.is_spent.is_none()
    }
}
