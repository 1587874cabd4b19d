//! The threads that serve clients: each connection lives on one of them, with all its requests, so that nothing between a
//! request and its answer has to wake another thread.

use std::{
    cell::Cell,
    future::{Future, pending},
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tokio::runtime::{Builder, Handle};

thread_local! {
    static IS_ONE: Cell<bool> = const { Cell::new(false) };
}

/// All of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reactors(Arc<Inner>);

struct Inner {
    handles: Vec<Handle>,
    next: AtomicUsize,
}

/// Whether this thread is one.
pub(crate) fn is_one() -> bool {
    IS_ONE.get()
}

impl Reactors {
    /// One for each processor. Each calls `rest` when it has nothing to do, before it sleeps. They end with the process.
    pub(crate) fn start(rest: impl Fn() + Clone + Send + Sync + 'static) -> io::Result<Self> {
        let count = thread::available_parallelism()?.get();
        let mut handles = Vec::new();
        for number in 0..count {
            let runtime =
                Builder::new_current_thread().enable_all().on_thread_park(rest.clone()).build()?;
            handles.push(runtime.handle().clone());
            let name = format!("clients {number}");
            thread::Builder::new().name(name).spawn(move || {
                IS_ONE.set(true);
                runtime.block_on(pending::<()>());
            })?;
        }
        Ok(Self(Arc::new(Inner { handles, next: AtomicUsize::new(0) })))
    }

    /// Lets the next one in turn do this.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let next = self.0.next.fetch_add(1, Ordering::Relaxed);
        drop(self.0.handles[next % self.0.handles.len()].spawn(task));
    }
}
