//! Where the processes leave their replicas, for the main task to step.
//!
//! A process is a task on a node of madsim's: it opens the replica, puts it on the stage, and lives until it is killed.
//! Whoever plays the world steps the replicas there; a switch of tasks an event would cost a tenth of a run.

use crate::world::Shared;
use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Poll, Waker},
};
use whitewater_api::NodeId;
use whitewater_replica::{Input, Output, Replica};

/// Where the processes leave their replicas, for the main task to step.
pub(crate) struct Stage {
    /// The main task, while it waits for a process to open its replica or to be gone.
    main: Option<Waker>,
    /// By node, from 1.
    seats: Vec<Seat>,
    doomed: Vec<NodeId>,
    /// Kept for the next step, so that it does not allocate.
    pub(crate) outputs: Vec<Output>,
}

#[derive(Default)]
pub(crate) struct Seat {
    /// Inputs, each with its cause.
    pub(crate) inbox: VecDeque<(Option<u64>, Input)>,
    pub(crate) process: Process,
}

/// What there is of a process.
#[derive(Default)]
pub(crate) enum Process {
    /// Nothing.
    #[default]
    Gone,
    /// Its task exists.
    Opening,
    /// Its replica can be stepped.
    Open(Box<Replica>),
    /// Its replica is being stepped, or has had enough. The task is still there.
    Idle,
}

impl Stage {
    pub(crate) fn new(highest: u64) -> Self {
        let seats = (1..=highest).map(|_| Seat::default()).collect();
        Self { main: None, seats, doomed: Vec::new(), outputs: Vec::new() }
    }

    /// Whether a replica knows of a member that could not prove itself any more without the word of `node`.
    pub(crate) fn needs_word_of(&self, node: NodeId) -> bool {
        self.seats.iter().any(
            |seat| matches!(&seat.process, Process::Open(replica) if replica.needs_word_of(node)),
        )
    }

    pub(crate) fn at(&mut self, node: NodeId) -> &mut Seat {
        &mut self.seats[usize::try_from(node.0 - 1).expect("ids are below 64")]
    }

    /// Puts an input before the replica of a node.
    pub(crate) fn seat(&mut self, node: NodeId, cause: Option<u64>, input: Input) {
        self.at(node).inbox.push_back((cause, input));
    }

    /// A process is about to be spawned.
    pub(crate) fn take(&mut self, node: NodeId) {
        let seat = self.at(node);
        assert!(matches!(seat.process, Process::Gone), "{node} has a process already");
        *seat = Seat { process: Process::Opening, ..Seat::default() };
    }

    /// What was meant for the process is void.
    pub(crate) fn clear(&mut self, node: NodeId) {
        self.at(node).inbox.clear();
    }

    /// The process of a node shall die before anything else happens.
    pub(crate) fn doom(&mut self, node: NodeId) {
        self.doomed.push(node);
    }

    /// The next one that shall die.
    pub(crate) fn next_doomed(&mut self) -> Option<NodeId> {
        self.doomed.pop()
    }

    pub(crate) fn wake_main(&mut self) {
        if let Some(main) = self.main.take() {
            main.wake();
        }
    }
}

/// Waits until a process that was spawned has opened its replica, or has ended over it.
pub(crate) async fn opened(shared: &Shared, node: NodeId) {
    wait(shared, node, |process| !matches!(process, Process::Opening)).await;
}

/// Waits until the task of a process is gone.
pub(crate) async fn gone(shared: &Shared, node: NodeId) {
    wait(shared, node, |process| matches!(process, Process::Gone)).await;
}

async fn wait(shared: &Shared, node: NodeId, is_over: impl Fn(&Process) -> bool) {
    poll_fn(|context| {
        let stage = &mut shared.lock().stage;
        if is_over(&stage.at(node).process) {
            return Poll::Ready(());
        }
        stage.main = Some(context.waker().clone());
        Poll::Pending
    })
    .await;
}

/// The place of a process. Left when its task ends, by itself or killed.
pub(crate) struct Place {
    pub(crate) shared: Shared,
    pub(crate) node: NodeId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let stage = &mut self.shared.lock().stage;
        // The seats are gone where a run broke off and is being cleared away.
        let place = usize::try_from(self.node.0 - 1).expect("ids are below 64");
        if let Some(seat) = stage.seats.get_mut(place) {
            *seat = Seat::default();
        }
        stage.wake_main();
    }
}
