//! What threads of this crate meet by, in one place: where they hand over to each other, all ways in which they can meet are tried with
//! others in its stead (`tests/interleavings`).

pub(crate) use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{ThreadId, current},
};
