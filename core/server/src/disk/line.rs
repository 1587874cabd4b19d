//! Who works with the disk, and in which order: batches stand in line, and one at a time is carried out, by a thread of its own or by whoever
//! it was left to.
//!
//! Tried in all ways in which threads can meet here: `tests/interleavings`.

use crate::sync::{Condvar, Mutex, MutexGuard, ThreadId, current};
use std::collections::VecDeque;

/// The line before a disk.
pub(crate) struct Line<D, B, R> {
    queue: Mutex<Queue<D, B>>,
    /// Whoever waits for the thread's work, or for its end.
    changed: Condvar,
    perform: fn(&mut D, &B) -> R,
    /// Is told of each batch, once it is carried out, and before the next one is.
    done: Box<dyn Fn(B, R) + Send + Sync>,
}

struct Queue<D, B> {
    batches: VecDeque<B>,
    /// Not there while somebody works with it.
    disk: Option<D>,
    /// Whom the first batch is left to.
    left: Option<ThreadId>,
    is_closed: bool,
    /// Whether the thread has ended.
    is_over: bool,
}

impl<D, B, R> Line<D, B, R> {
    pub(crate) fn new(
        disk: D,
        perform: fn(&mut D, &B) -> R,
        done: impl Fn(B, R) + Send + Sync + 'static,
    ) -> Self {
        let (batches, disk) = (VecDeque::new(), Some(disk));
        let queue = Queue { batches, disk, left: None, is_closed: false, is_over: false };
        let (queue, changed) = (Mutex::new(queue), Condvar::new());
        Self { queue, changed, perform, done: Box::new(done) }
    }

    /// Hands over a batch. It may be left to this thread, if that works when it has nothing else to do.
    pub(crate) fn submit(&self, batch: B, works: bool) {
        let mut queue = self.lock();
        let left = works && queue.batches.is_empty() && queue.disk.is_some();
        queue.left = left.then(|| current().id());
        let is_thread_wanted = !left && queue.disk.is_some();
        queue.batches.push_back(batch);
        drop(queue);
        if is_thread_wanted {
            self.changed.notify_all();
        }
    }

    /// Something else has come up: what was left is left no longer. A thread that has more to do would let it wait.
    pub(crate) fn hasten(&self) {
        if self.lock().left.take().is_some() {
            self.changed.notify_all();
        }
    }

    /// Carries out what was left to this thread, if anything was. To be called when there is nothing else to do.
    pub(crate) fn work(&self) {
        let mut queue = self.lock();
        if queue.left.take_if(|left| *left == current().id()).is_none() {
            return;
        }
        if let Some((disk, batch)) = queue.take() {
            queue = self.carry_out(queue, disk, batch);
        }
        // What has come meanwhile is not for this thread to do, which has answers to send.
        if !queue.batches.is_empty() || queue.is_closed {
            self.changed.notify_all();
        }
    }

    /// Waits until everything that was handed over is done, and the thread has ended.
    pub(crate) fn finish(&self) {
        let mut queue = self.lock();
        (queue.is_closed, queue.left) = (true, None);
        self.changed.notify_all();
        while !queue.is_over {
            queue = self.changed.wait(queue).expect("nobody panics with it");
        }
    }

    /// The life of the thread.
    pub(crate) fn work_on(&self) {
        // Whoever waits for the end is told of it, even if this panics.
        let _over = Over(self);
        let mut queue = self.lock();
        loop {
            let taken = if queue.left.is_some() { None } else { queue.take() };
            if let Some((disk, batch)) = taken {
                queue = self.carry_out(queue, disk, batch);
            } else if queue.is_closed && queue.disk.is_some() {
                return;
            } else {
                queue = self.changed.wait(queue).expect("nobody panics with it");
            }
        }
    }

    /// Nobody else is held up by it but for the disk, which comes back to the queue.
    fn carry_out<'a>(
        &'a self,
        queue: MutexGuard<'a, Queue<D, B>>,
        mut disk: D,
        batch: B,
    ) -> MutexGuard<'a, Queue<D, B>> {
        drop(queue);
        let result = (self.perform)(&mut disk, &batch);
        (self.done)(batch, result);
        let mut queue = self.lock();
        queue.disk = Some(disk);
        queue
    }

    fn lock(&self) -> MutexGuard<'_, Queue<D, B>> {
        self.queue.lock().expect("nobody panics with it")
    }
}

impl<D, B> Queue<D, B> {
    /// The disk, and what is to be done on it.
    fn take(&mut self) -> Option<(D, B)> {
        let disk = self.disk.take_if(|_| !self.batches.is_empty())?;
        Some((disk, self.batches.pop_front()?))
    }
}

struct Over<'a, D, B, R>(&'a Line<D, B, R>);

impl<D, B, R> Drop for Over<'_, D, B, R> {
    fn drop(&mut self) {
        if let Ok(mut queue) = self.0.queue.lock() {
            queue.is_over = true;
        }
        self.0.changed.notify_all();
    }
}
