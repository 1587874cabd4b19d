//! The hand-over between who plays (`src/host/baton.rs`) and who works with the disk (`src/disk/line.rs`), in all ways in which
//! a thread that serves clients, another one, and the disk's can meet, up to so many interruptions. Both files are the server's own, with
//! loom's locks for the system's; around them stands a host that does nothing but write down what it is asked and say that it has.
//!
//! What must hold: everything that is brought is played, every batch is carried out, once, in order, and told of before the next one; nothing
//! is acknowledged before its batch is on the disk; and who waits for the end is told of it. Where somebody is not woken, loom finds everybody
//! waiting, which is how each wake-up proves to be needed.

#![expect(clippy::unwrap_used, reason = "loom's locks are never poisoned")]

#[path = "../../src/host/baton.rs"]
mod baton;
#[path = "../../src/disk/line.rs"]
mod line;
mod sync;

use baton::{Baton, Left};
use line::Line;
use loom::{
    model::Builder,
    sync::{Condvar, Mutex},
    thread,
};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use sync::Omission;

/// A thread is interrupted so many times at most where it could have gone on.
const INTERRUPTIONS: usize = 2;

/// Inputs that are played at a time: fewer than there are.
const TURN: usize = 1;

/// What the disk holds.
#[derive(Default)]
struct Disk {
    synced: Vec<u32>,
}

/// What stands in line.
struct Batch(u32);

/// That so many batches are on the disk.
struct Synced(usize);

enum Input {
    Request,
    Done(Batch, Synced),
}

struct Host {
    line: Arc<Line<Disk, Batch, Synced>>,
}

/// A stage, what is brought to it, and what came of that.
struct Stage {
    baton: Baton<Option<Host>>,
    inbox: Mutex<VecDeque<Input>>,
    so_far: Mutex<SoFar>,
    more: Condvar,
}

/// What came of what was brought.
#[derive(Default)]
struct SoFar {
    submitted: u32,
    acknowledged: Vec<u32>,
}

fn perform(disk: &mut Disk, Batch(number): &Batch) -> Synced {
    disk.synced.push(*number);
    Synced(disk.synced.len())
}

impl Stage {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            baton: Baton::new(None),
            inbox: Mutex::new(VecDeque::new()),
            so_far: Mutex::new(SoFar::default()),
            more: Condvar::new(),
        })
    }

    /// Lets a host play, and gives its line.
    fn open(self: &Arc<Self>) -> Arc<Line<Disk, Batch, Synced>> {
        let stage = Arc::clone(self);
        let done = move |batch, synced| stage.bring(Input::Done(batch, synced), false);
        let line = Arc::new(Line::new(Disk::default(), perform, done));
        *self.baton.lock() = Some(Host { line: Arc::clone(&line) });
        self.play(false);
        line
    }

    /// `works`: this thread works when it has nothing else to do.
    fn bring(&self, input: Input, works: bool) {
        self.inbox.lock().unwrap().push_back(input);
        self.play(works);
    }

    fn play(&self, works: bool) {
        let mut left = self.baton.bring(|host| self.turn(host, works));
        while left == Some(Left::More) {
            left = Some(self.baton.go_on(|host| self.turn(host, works)));
        }
    }

    fn turn(&self, host: &mut Option<Host>, works: bool) -> Left {
        let Some(host) = host else { return Left::Nobody };
        for _ in 0..TURN {
            let Some(input) = self.inbox.lock().unwrap().pop_front() else { return Left::Nothing };
            host.line.hasten();
            let mut so_far = self.so_far.lock().unwrap();
            match input {
                Input::Request => {
                    host.line.submit(Batch(so_far.submitted), works);
                    so_far.submitted += 1;
                }
                Input::Done(Batch(batch), Synced(synced)) => {
                    let place = so_far.acknowledged.len();
                    assert_eq!(usize::try_from(batch).unwrap(), place, "batches go in order");
                    assert_eq!(synced, place + 1, "acknowledged is what the disk holds");
                    so_far.acknowledged.push(batch);
                }
            }
            self.more.notify_all();
        }
        if self.inbox.lock().unwrap().is_empty() { Left::Nothing } else { Left::More }
    }

    fn wait_until(&self, is_enough: impl Fn(&SoFar) -> bool) {
        let mut so_far = self.so_far.lock().unwrap();
        while !is_enough(&so_far) {
            so_far = self.more.wait(so_far).unwrap();
        }
    }

    /// Nobody plays any more: what goes round in a circle goes.
    fn close(&self) {
        *self.baton.lock() = None;
    }
}

/// Tries all orders.
fn try_all(model: fn()) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(INTERRUPTIONS);
    builder.check(model);
}

/// A thread that serves clients writes, and so does another one.
fn two_write() {
    let stage = Stage::new();
    let line = stage.open();
    let disk = thread::spawn({
        let line = Arc::clone(&line);
        move || line.work_on()
    });
    let other = thread::spawn({
        let stage = Arc::clone(&stage);
        move || stage.bring(Input::Request, false)
    });
    stage.bring(Input::Request, true);
    line.work();
    stage.wait_until(|so_far| so_far.acknowledged.len() == 2);
    line.finish();
    other.join().unwrap();
    disk.join().unwrap();
    stage.close();
}

/// The same, and all ends as soon as that is played.
fn two_write_and_all_ends() {
    let stage = Stage::new();
    let line = stage.open();
    let disk = thread::spawn({
        let line = Arc::clone(&line);
        move || line.work_on()
    });
    let server = thread::spawn({
        let (stage, line) = (Arc::clone(&stage), Arc::clone(&line));
        move || {
            stage.bring(Input::Request, true);
            line.work();
        }
    });
    stage.bring(Input::Request, false);
    stage.wait_until(|so_far| so_far.submitted == 2);
    line.finish();
    server.join().unwrap();
    disk.join().unwrap();
    let acknowledged = &stage.so_far.lock().unwrap().acknowledged;
    assert_eq!(*acknowledged, [0, 1], "what was handed over is done");
    stage.close();
}

/// Something is brought while the host is being made.
fn one_comes_early() {
    let stage = Stage::new();
    let early = thread::spawn({
        let stage = Arc::clone(&stage);
        move || stage.bring(Input::Request, false)
    });
    let line = stage.open();
    let disk = thread::spawn({
        let line = Arc::clone(&line);
        move || line.work_on()
    });
    stage.wait_until(|so_far| so_far.acknowledged.len() == 1);
    early.join().unwrap();
    line.finish();
    disk.join().unwrap();
    stage.close();
}

const MODELS: [fn(); 3] = [two_write, two_write_and_all_ends, one_comes_early];

/// One test, because what is left out is left out for the whole process.
#[test]
fn whatever_the_order_all_is_done_and_each_wake_up_is_needed() {
    MODELS.into_iter().for_each(try_all);
    let wakers = sync::wakers();
    let wake_ups = wakers.iter().map(|line| Omission::WakeUp(*line));
    for omission in wake_ups.chain([Omission::Look]) {
        sync::leave_out(Some(omission));
        let is_found = MODELS
            .into_iter()
            .any(|model| catch_unwind(AssertUnwindSafe(|| try_all(model))).is_err());
        sync::leave_out(None);
        assert!(is_found, "{omission:?} is not missed");
    }
}
