//! One plays at a time: whoever brings something while another one plays leaves it to that one, and goes on with its work.
//!
//! Tried in all ways in which threads can meet here: `tests/interleavings`.

use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// What one plays with, and who may.
pub(crate) struct Baton<T> {
    /// How often something was brought since somebody began to play. Who makes it one plays until it is nothing again.
    brought: AtomicUsize,
    play: Mutex<T>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing more was there to be played.
    Nothing,
    /// Something is, but this was enough at a time.
    More,
    /// Nothing will ever be played again, or nothing can be yet.
    Nobody,
}

impl<T> Baton<T> {
    pub(crate) fn new(play: T) -> Self {
        Self { brought: AtomicUsize::new(0), play: Mutex::new(play) }
    }

    /// What is played with, while nobody plays.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        // Who panicked with it has left it in order.
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was brought: plays, unless somebody does. Then that one will find what was brought. Whether it was this one, and
    /// how it ended.
    pub(crate) fn bring(&self, turn: impl FnMut(&mut T) -> Left) -> Option<Left> {
        let is_free = self.brought.fetch_add(1, Ordering::AcqRel) == 0;
        is_free.then(|| self.go_on(turn))
    }

    /// Plays on, for who has played and left more.
    pub(crate) fn go_on(&self, mut turn: impl FnMut(&mut T) -> Left) -> Left {
        let mut play = self.lock();
        loop {
            let brought = self.brought.load(Ordering::Acquire);
            match turn(&mut play) {
                Left::More => return Left::More,
                Left::Nobody => {
                    self.brought.store(0, Ordering::Release);
                    return Left::Nobody;
                }
                Left::Nothing => {
                    // What was brought since then may have come too late for the turn.
                    let nothing = self.brought.compare_exchange(
                        brought,
                        0,
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    );
                    if nothing.is_ok() {
                        return Left::Nothing;
                    }
                }
            }
        }
    }
}
