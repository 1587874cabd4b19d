//! Answers on their way to another thread, which is woken once for as many as there are.
//!
//! An answer wakes whoever waits for it. On another thread that is a call of the operating system each, and that thread sends
//! each answer by itself, as the first to wake; dozens may come of one step, when a batch is on the disk or a round of reads
//! is confirmed.

use super::Answer;
use crate::reactors;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// Whoever waits for an answer.
pub(crate) struct Asker {
    answer: oneshot::Sender<Answer>,
    /// Of the thread that it waits on, if that has one.
    mailbox: Option<Mailbox>,
}

/// What is to be handed out by one thread. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Mailbox(Arc<Inner>);

#[derive(Default)]
struct Inner {
    letters: Mutex<Vec<Letter>>,
    arrived: Notify,
}

/// An answer, and who waits for it.
type Letter = (oneshot::Sender<Answer>, Answer);

impl Asker {
    /// One that waits here, and what it waits for.
    pub(crate) fn new() -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { answer, mailbox: reactors::mailbox() }, answered)
    }

    /// Answers. Names the mailbox that is to be woken once no more answers come.
    pub(super) fn answer(self, answer: Answer) -> Option<Mailbox> {
        match self.mailbox {
            Some(mailbox) if !reactors::is_here(&mailbox) => {
                mailbox.put((self.answer, answer)).then_some(mailbox)
            }
            Some(_) | None => {
                // Whoever asked may have gone.
                drop(self.answer.send(answer));
                None
            }
        }
    }
}

impl Mailbox {
    /// Whether both are the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Leaves a letter. Whether it is the first, for which the thread is to be woken.
    fn put(&self, letter: Letter) -> bool {
        let mut letters = self.letters();
        letters.push(letter);
        letters.len() == 1
    }

    /// Wakes the thread.
    pub(super) fn wake(&self) {
        self.0.arrived.notify_one();
    }

    /// The life of the thread.
    pub(crate) async fn hand_out(self) {
        loop {
            self.0.arrived.notified().await;
            for (asker, answer) in std::mem::take(&mut *self.letters()) {
                // Whoever asked may have gone.
                drop(asker.send(answer));
            }
        }
    }

    fn letters(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.0.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Asker, Mailbox};
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };
    use tokio::sync::oneshot;
    use whitewater_api::Error;

    #[test]
    fn many_answers_wake_their_thread_once() {
        let mailbox = Mailbox::default();
        let asks = || {
            let (answer, answered) = oneshot::channel();
            (Asker { answer, mailbox: Some(mailbox.clone()) }, answered)
        };
        let (askers, mut answered): (Vec<_>, Vec<_>) = (0..3).map(|_| asks()).unzip();
        let to_wake: Vec<Mailbox> =
            askers.into_iter().filter_map(|asker| asker.answer(Err(Error::Stopped))).collect();
        assert_eq!(to_wake.len(), 1);
        assert!(answered.iter_mut().all(|answered| answered.try_recv().is_err()), "not yet");

        let mut thread = pin!(mailbox.clone().hand_out());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(thread.as_mut().poll(&mut context), Poll::Pending, "nobody has woken it");
        to_wake[0].wake();
        assert_eq!(thread.as_mut().poll(&mut context), Poll::Pending);
        assert!(answered.iter_mut().all(|answered| answered.try_recv().is_ok()));

        // The next one is the first again.
        let (asker, mut answer) = asks();
        asker.answer(Err(Error::Stopped)).unwrap().wake();
        assert_eq!(thread.as_mut().poll(&mut context), Poll::Pending);
        assert!(answer.try_recv().is_ok());
    }

    #[test]
    fn who_waits_on_a_thread_without_a_mailbox_is_answered_at_once() {
        let (asker, mut answered) = Asker::new();
        assert!(asker.answer(Err(Error::Stopped)).is_none());
        assert!(answered.try_recv().is_ok());
    }
}
