//! The threads that serve clients: each connection lives on one of them, with all its requests, so that nothing between a
//! request and its answer has to wake another thread.

use crate::{host::Mailbox, limits};
use std::{
    cell::OnceCell,
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
    /// What this thread has of its own, if it is one.
    static OWN: OnceCell<Own> = const { OnceCell::new() };
}

#[derive(Clone, Default)]
struct Own {
    /// Where it is sent answers.
    mailbox: Mailbox,
    /// That it plays when it comes to that.
    turn: Arc<Notify>,
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
    OWN.with(|own| own.get().is_some())
}

/// Where this thread is sent answers, if it is one.
pub(crate) fn mailbox() -> Option<Mailbox> {
    OWN.with(|own| own.get().map(|own| own.mailbox.clone()))
}

/// Whether a mailbox is this thread's.
pub(crate) fn is_here(mailbox: &Mailbox) -> bool {
    OWN.with(|own| own.get().is_some_and(|own| own.mailbox.is(mailbox)))
}

/// Sees to it that this thread plays what was brought after all tasks that are to go on now, if it is one. Whether it is.
pub(crate) fn plays_soon() -> bool {
    OWN.with(|own| own.get().inspect(|own| own.turn.notify_one()).is_some())
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
                let Own { mailbox, turn } = OWN.with(|own| own.get_or_init(Own::default).clone());
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
