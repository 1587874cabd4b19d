//! What stands in the place of `src/sync.rs`: loom's, which try all orders, and which can be told to leave something out.

use std::{
    collections::BTreeSet,
    panic::Location,
    sync::{Mutex as Plain, PoisonError as Poisoned},
};

pub(crate) use loom::{
    sync::{Mutex, MutexGuard, atomic::Ordering},
    thread::{ThreadId, current},
};
pub(crate) use std::sync::PoisonError;

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Omission {
    /// Nobody is woken by this line.
    WakeUp(u32),
    /// What was brought meanwhile is not looked for.
    Look,
}

static LEFT_OUT: Plain<Option<Omission>> = Plain::new(None);

/// The lines that have woken somebody.
static WAKERS: Plain<BTreeSet<u32>> = Plain::new(BTreeSet::new());

pub(crate) fn leave_out(omission: Option<Omission>) {
    *LEFT_OUT.lock().unwrap_or_else(Poisoned::into_inner) = omission;
}

fn is_left_out(omission: Omission) -> bool {
    *LEFT_OUT.lock().unwrap_or_else(Poisoned::into_inner) == Some(omission)
}

pub(crate) fn wakers() -> Vec<u32> {
    WAKERS.lock().unwrap_or_else(Poisoned::into_inner).iter().copied().collect()
}

pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> Result<MutexGuard<'a, T>, PoisonError<MutexGuard<'a, T>>> {
        self.0.wait(guard)
    }

    #[track_caller]
    pub(crate) fn notify_all(&self) {
        let line = Location::caller().line();
        WAKERS.lock().unwrap_or_else(Poisoned::into_inner).insert(line);
        if !is_left_out(Omission::WakeUp(line)) {
            self.0.notify_all();
        }
    }
}

pub(crate) struct AtomicUsize(loom::sync::atomic::AtomicUsize);

impl AtomicUsize {
    pub(crate) fn new(number: usize) -> Self {
        Self(loom::sync::atomic::AtomicUsize::new(number))
    }

    pub(crate) fn fetch_add(&self, number: usize, order: Ordering) -> usize {
        self.0.fetch_add(number, order)
    }

    pub(crate) fn load(&self, order: Ordering) -> usize {
        self.0.load(order)
    }

    pub(crate) fn store(&self, number: usize, order: Ordering) {
        self.0.store(number, order);
    }

    pub(crate) fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        if is_left_out(Omission::Look) {
            self.0.store(new, success);
            return Ok(current);
        }
        self.0.compare_exchange(current, new, success, failure)
    }
}
