//! Who works with the disk.

use super::{Disk, Places};
use crate::{metrics::Metrics, reactors};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, ThreadId},
};
use whitewater_api::{DiskError, DiskOp, WriteId};

/// Who carries batches out, in order, one at a time: a thread of its own, or whoever has nothing else to do.
///
/// A thread has to be woken, and to wake those who wait for it: for a put that is alone, that takes as long as the sync. So
/// a thread that serves clients works on the batch that it has brought itself, when it would sleep otherwise, unless
/// something else has come up until then.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Line>);

struct Line {
    queue: Mutex<Queue>,
    /// Whoever waits for the thread's work, or for its end.
    changed: Condvar,
    done: Box<dyn Fn(WriteId, Result<(), DiskError>) + Send + Sync>,
}

type Batch = (WriteId, Vec<DiskOp>);

struct Queue {
    batches: VecDeque<Batch>,
    /// Not there while somebody works with it.
    disk: Option<Disk>,
    /// Whom the first batch is left to.
    left: Option<ThreadId>,
    is_closed: bool,
    /// Whether the thread has ended.
    is_over: bool,
}

impl Writer {
    /// Starts the thread. `done` is told of each batch.
    pub(crate) fn start(
        places: Places,
        metrics: Arc<Metrics>,
        done: impl Fn(WriteId, Result<(), DiskError>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let queue = Queue {
            batches: VecDeque::new(),
            disk: Some(Disk { places, metrics, open: BTreeMap::new() }),
            left: None,
            is_closed: false,
            is_over: false,
        };
        let (queue, changed) = (Mutex::new(queue), Condvar::new());
        let writer = Self(Arc::new(Line { queue, changed, done: Box::new(done) }));
        let line = Arc::clone(&writer.0);
        thread::Builder::new().name("disk".to_owned()).spawn(move || line.work_on())?;
        Ok(writer)
    }

    /// Hands over a batch. It may be left to the thread that hands it over, if that works when it has nothing else to do.
    pub(crate) fn submit(&self, write: WriteId, ops: Vec<DiskOp>) {
        let mut queue = self.0.lock();
        let is_idle = queue.batches.is_empty() && queue.disk.is_some();
        let left = is_idle && reactors::is_one();
        queue.left = left.then(|| thread::current().id());
        let is_thread_wanted = !left && queue.disk.is_some();
        queue.batches.push_back((write, ops));
        drop(queue);
        if is_thread_wanted {
            self.0.changed.notify_all();
        }
    }

    /// Something else has come up: what was left is left no longer. A thread that has more to do would let it wait.
    pub(crate) fn hasten(&self) {
        if self.0.lock().left.take().is_some() {
            self.0.changed.notify_all();
        }
    }

    /// Carries out what was left to this thread, if anything was. To be called when there is nothing else to do.
    pub(crate) fn work(&self) {
        let mut queue = self.0.lock();
        if queue.left.take_if(|left| *left == thread::current().id()).is_none() {
            return;
        }
        if let Some((disk, batch)) = queue.take() {
            queue = self.0.carry_out(queue, disk, batch);
        }
        // What has come meanwhile is not for this thread to do, which has answers to send.
        if !queue.batches.is_empty() || queue.is_closed {
            self.0.changed.notify_all();
        }
    }

    /// Waits until everything that was handed over is done.
    pub(crate) fn finish(self) {
        let mut queue = self.0.lock();
        (queue.is_closed, queue.left) = (true, None);
        self.0.changed.notify_all();
        while !queue.is_over {
            queue = self.0.changed.wait(queue).expect("nobody panics with it");
        }
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nobody panics with it")
    }

    /// The life of the thread.
    fn work_on(&self) {
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
        queue: MutexGuard<'a, Queue>,
        mut disk: Disk,
        (write, ops): Batch,
    ) -> MutexGuard<'a, Queue> {
        drop(queue);
        let result = disk.perform(&ops);
        (self.done)(write, result);
        let mut queue = self.lock();
        queue.disk = Some(disk);
        queue
    }
}

impl Queue {
    /// The disk, and what is to be done on it.
    fn take(&mut self) -> Option<(Disk, Batch)> {
        let disk = self.disk.take_if(|_| !self.batches.is_empty())?;
        Some((disk, self.batches.pop_front()?))
    }
}

struct Over<'a>(&'a Line);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if let Ok(mut queue) = self.0.queue.lock() {
            queue.is_over = true;
        }
        self.0.changed.notify_all();
    }
}
