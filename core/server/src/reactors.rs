//! The threads that serve clients: each connection lives on one of them, with all its requests, so that nothing between a
//! request and its answer has to wake another thread.

use crate::{host::Mailbox, limits};
use std::{
    cell::RefCell,
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tokio::{
    runtime::{Builder, Handle},
    sync::Notify,
    time::interval,
};

thread_local! {
    static MAILBOX: RefCell<Option<Mailbox>> = const { RefCell::new(None) };
    static TURN: RefCell<Option<Arc<Notify>>> = const { RefCell::new(None) };
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
    MAILBOX.with_borrow(Option::is_some)
}

/// Where this thread is sent answers, if it is one.
pub(crate) fn mailbox() -> Option<Mailbox> {
    MAILBOX.with_borrow(Option::clone)
}

/// Whether a mailbox is this thread's.
pub(crate) fn is_here(mailbox: &Mailbox) -> bool {
    MAILBOX.with_borrow(|own| own.as_ref().is_some_and(|own| own.is(mailbox)))
}

/// Sees to it that this thread plays what was brought after all tasks that are to go on now, if it is one. Whether it is.
pub(crate) fn plays_soon() -> bool {
    TURN.with_borrow(|turn| turn.as_ref().inspect(|turn| turn.notify_one()).is_some())
}

impl Reactors {
    /// One for each processor. Each calls `play` when its clients have brought something, and `rest` when it has nothing to do,
    /// before it sleeps. They end with the process.
    pub(crate) fn start(
        play: impl Fn() + Clone + Send + Sync + 'static,
        rest: impl Fn() + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let count = thread::available_parallelism()?.get();
        let mut handles = Vec::new();
        for number in 0..count {
            let runtime =
                Builder::new_current_thread().enable_all().on_thread_park(rest.clone()).build()?;
            handles.push(runtime.handle().clone());
            let (name, play) = (format!("clients {number}"), play.clone());
            thread::Builder::new().name(name).spawn(move || {
                let mailbox = Mailbox::default();
                MAILBOX.set(Some(mailbox.clone()));
                let turn = Arc::new(Notify::new());
                TURN.set(Some(Arc::clone(&turn)));
                runtime.spawn(take_turns(turn, play));
                runtime.spawn(tick());
                runtime.block_on(mailbox.hand_out());
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

/// Plays once for all that was brought since it was told to, when it comes to its turn among the tasks of its thread.
async fn take_turns(turn: Arc<Notify>, play: impl Fn()) {
    loop {
        turn.notified().await;
        play();
    }
}

/// A timer that is due before those of requests. The runtime wakes itself, by a call of the operating system, for each that is
/// due before all others, or that is the only one: so it would for nearly every request.
async fn tick() {
    let mut ticks = interval(limits::REACTOR_TICK);
    loop {
        ticks.tick().await;
    }
}
