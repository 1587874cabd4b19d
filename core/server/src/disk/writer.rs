//! Who works with the disk.

use super::{Disk, Places, line::Line};
use crate::{metrics::Metrics, reactors};
use std::{collections::BTreeMap, io, sync::Arc, thread};
use whitewater_api::{DiskError, DiskOp, WriteId};

/// Who carries batches out, in order, one at a time: a thread of its own, or whoever has nothing else to do.
///
/// A thread has to be woken, and to wake those who wait for it: for a put that is alone, that takes as long as the sync. So
/// a thread that serves clients works on the batch that it has brought itself, when it would sleep otherwise, unless
/// something else has come up until then.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Line<Disk, Batch, Result<(), DiskError>>>);

type Batch = (WriteId, Vec<DiskOp>);

impl Writer {
    /// Starts the thread. `done` is told of each batch.
    pub(crate) fn start(
        places: Places,
        metrics: Arc<Metrics>,
        done: impl Fn(WriteId, Result<(), DiskError>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let disk = Disk { places, metrics, open: BTreeMap::new() };
        let perform = |disk: &mut Disk, (_, ops): &Batch| disk.perform(ops);
        let line = Line::new(disk, perform, move |(write, _): Batch, result| done(write, result));
        let writer = Self(Arc::new(line));
        let line = Arc::clone(&writer.0);
        thread::Builder::new().name("disk".to_owned()).spawn(move || line.work_on())?;
        Ok(writer)
    }

    /// Hands over a batch. It may be left to the thread that hands it over, if that works when it has nothing else to do.
    pub(crate) fn submit(&self, write: WriteId, ops: Vec<DiskOp>) {
        self.0.submit((write, ops), reactors::is_one());
    }

    /// Something else has come up: what was left is left no longer. A thread that has more to do would let it wait.
    pub(crate) fn hasten(&self) {
        self.0.hasten();
    }

    /// Carries out what was left to this thread, if anything was. To be called when there is nothing else to do.
    pub(crate) fn work(&self) {
        self.0.work();
    }

    /// Waits until everything that was handed over is done.
    pub(crate) fn finish(self) {
        self.0.finish();
    }
}
