//! Where inputs are brought to the replica, and who plays them.

use super::{
    Command, Ended, Host, Turn,
    baton::{Baton, Left},
};
use crate::{clock, limits, reactors};
use std::{
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};
use whitewater_api::{Error, Monotonic};
use whitewater_replica::Input;

/// The stage of a host. Cheap to clone.
///
/// The replica has no thread of its own: one would have to be woken for each request and wake whoever asked, which takes
/// longer than to play it. Whoever brings something plays it, and what others bring in the meantime; so one plays at a time, and the
/// others go on with their work.
#[derive(Clone)]
pub(crate) struct Stage(Arc<Inner>);

struct Inner {
    commands: mpsc::Sender<Command>,
    done: mpsc::UnboundedSender<Input>,
    baton: Baton<Play>,
    /// When the replica wants to be stepped, whatever is brought, in nanoseconds of its clock.
    wake: AtomicU64,
    runtime: runtime::Handle,
}

/// What whoever plays holds.
enum Play {
    /// The host is being made.
    Closed,
    Open(Box<Open>),
    Over,
}

struct Open {
    host: Host,
    /// The thread that keeps the time.
    clock: Thread,
    tell: oneshot::Sender<Ended>,
}

/// What comes out at a stage's other end: for a host.
pub(crate) struct Brought {
    pub(crate) done: mpsc::UnboundedReceiver<Input>,
    pub(crate) inbox: mpsc::Receiver<Command>,
}

impl Stage {
    /// An empty one, whose plays may go on in tasks of `runtime`.
    pub(crate) fn new(runtime: runtime::Handle) -> (Self, Brought) {
        let (done, brought) = mpsc::unbounded_channel();
        let (commands, inbox) = mpsc::channel(limits::INBOX);
        let inner = Inner {
            commands,
            done,
            baton: Baton::new(Play::Closed),
            wake: AtomicU64::new(0),
            runtime,
        };
        (Self(Arc::new(inner)), Brought { done: brought, inbox })
    }

    /// Lets a host play on it, from the outputs of its opening on. Tells how that ends; where nothing is told, a step has
    /// panicked.
    pub(crate) fn open(&self, host: Host) -> io::Result<oneshot::Receiver<Ended>> {
        let (tell, end) = oneshot::channel();
        let (stage, mut play) = (self.clone(), self.0.baton.lock());
        let clock = thread::Builder::new().name("clock".to_owned());
        let clock = clock.spawn(move || stage.keep_time())?.thread().clone();
        *play = Play::Open(Box::new(Open { host, clock, tell }));
        drop(play);
        self.play(limits::TURN);
        Ok(end)
    }

    /// Brings something of a client or a peer, when there is room. A thread that serves clients plays it once it has heard out
    /// all of them that speak.
    pub(crate) async fn bring(&self, command: Command) -> Result<(), Error> {
        self.0.commands.send(command).await.map_err(|_| Error::Stopped)?;
        if !reactors::plays_soon() {
            self.play_on();
        }
        Ok(())
    }

    /// Plays what was brought, unless somebody does.
    pub(crate) fn play_on(&self) {
        self.play(limits::TURN);
    }

    /// Brings what the disk or another thread has done, or what is no more than messages that were told: of that there is never
    /// too much. Their time is not for others: they play no more than this.
    pub(crate) fn done(&self, input: Input) {
        // Where the host has ended, nobody waits for it any more.
        drop(self.0.done.send(input));
        self.play(1);
    }

    /// Does this on a thread that may take its time, and brings what comes of it.
    pub(crate) fn work(&self, work: impl FnOnce() -> Input + Send + 'static) {
        let stage = self.clone();
        self.0.runtime.spawn_blocking(move || stage.done(work()));
    }

    /// Plays unless somebody does: then that one will find what was brought. Whether it was this one.
    fn play(&self, most: usize) -> bool {
        let left = self.0.baton.bring(|play| self.turn(play, most));
        left.map(|left| self.hand_on(left)).is_some()
    }

    /// Leaves what is more to another task.
    fn hand_on(&self, left: Left) {
        if left == Left::More {
            let stage = self.clone();
            self.0.runtime.spawn(async move {
                stage.hand_on(stage.0.baton.go_on(|play| stage.turn(play, limits::TURN)));
            });
        }
    }

    fn turn(&self, play: &mut Play, most: usize) -> Left {
        let mut playing = Playing(play);
        let Play::Open(open) = &mut *playing.0 else { return Left::Nobody };
        let Open { host, clock, .. } = &mut **open;
        let turn = host.turn(most);
        // The clock that sleeps longer than that is woken.
        let wake = host.replica.next_wake().0;
        if wake < self.0.wake.swap(wake, Ordering::AcqRel) {
            clock.unpark();
        }
        match turn {
            Turn::Ended(ended) => {
                playing.end(ended);
                Left::Nobody
            }
            Turn::Full => Left::More,
            Turn::Idle => Left::Nothing,
        }
    }

    /// Plays when the replica wants to be stepped.
    fn keep_time(&self) {
        while !matches!(*self.0.baton.lock(), Play::Over) {
            let left = Monotonic(self.0.wake.load(Ordering::Acquire)).since(clock::now());
            let rest = match left {
                0 if self.play(limits::TURN) => continue,
                // Who plays looks at the time itself.
                0 => limits::CLOCK_REST,
                left => Duration::from_nanos(left),
            };
            thread::park_timeout(rest);
        }
    }
}

/// Somebody plays. If that panics, all is over, and nobody waits for what will not come.
struct Playing<'a>(&'a mut Play);

impl Playing<'_> {
    fn end(&mut self, ended: Ended) {
        if let Play::Open(open) = mem::replace(self.0, Play::Over) {
            // The rest of the process may be gone already.
            drop(open.tell.send(ended));
        }
    }
}

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            *self.0 = Play::Over;
        }
    }
}
