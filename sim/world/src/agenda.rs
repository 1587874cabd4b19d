//! All that will happen, by time.

use crate::{
    asking::Answer,
    lifecycle::Hold,
    streams::{Down, Up},
};
use bytes::Bytes;
use std::{cmp::Ordering, collections::BinaryHeap};
use whitewater_api::{Caller, NodeId, Request, RequestId, StreamId, WriteId};
use whitewater_record::SimTime;
use whitewater_replica::{Envelope, PasswordDone};

/// Something that is due at a moment. What belongs to one life of a process carries its epoch, and is void in the next.
#[derive(Debug)]
pub(crate) enum Due {
    /// A message reaches its node.
    Deliver { message: u64, copy: u64, envelope: Envelope },
    /// A message that was written as bytes reaches its node.
    DeliverBytes(Box<Packed>),
    /// A request reaches a node.
    Request { node: NodeId, id: RequestId, caller: Caller, request: Box<Request> },
    /// An answer reaches whoever asked.
    Answer { id: RequestId, answer: Answer },
    /// Whoever asked has waited long enough.
    Timeout { id: RequestId },
    /// A batch is done.
    DiskDone { node: NodeId, epoch: u64, write: WriteId },
    /// A thread of a node's process is done with a password.
    PasswordDone { node: NodeId, epoch: u64, id: RequestId, done: PasswordDone },
    /// The host of a node hands over what it was asked.
    Gathered { node: NodeId, epoch: u64 },
    /// A node's timer fires.
    Wake { node: NodeId, epoch: u64, generation: u64 },
    /// A client does its next operation.
    Client { client: usize },
    /// Something that a watcher sent reaches its node.
    Up { stream: StreamId, packet: Up },
    /// Something that a node sent reaches the watcher.
    Down { stream: StreamId, packet: Down },
    /// A node looks whether the watcher of a stream is still there.
    StreamIdle { stream: StreamId },
    /// A watcher opens a stream.
    WatcherOpens { watcher: usize },
    /// A watcher sees to its stream.
    WatcherTick { watcher: usize, stream: StreamId },
    /// A slow watcher takes a message.
    WatcherTakes { watcher: usize, stream: StreamId },
    /// An admin asks again.
    Admin { fault: usize },
    /// A fault of the plan begins.
    FaultOn { fault: usize },
    /// A partition flaps.
    Flap { fault: usize, up: bool },
    /// A fault of the plan ends.
    FaultOff { fault: usize },
    /// A node crashes here, with loss of power.
    CrashPoint { node: NodeId, epoch: u64 },
    /// What holds a node down lets go.
    Release { node: NodeId, hold: Hold },
    /// From here on the draws are others.
    Fork { salt: u64 },
    /// The safety phase ends.
    Heal,
    /// The liveness phase looks at the cluster.
    Look,
}

/// A message on its way as bytes: because bits of it have flipped, or because its two ends are of different releases.
/// All others travel as they are, which is less work and comes to the same.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) message: u64,
    pub(crate) copy: u64,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    /// The lives of both processes when it was sent: with one of them the connection ends.
    pub(crate) epochs: [u64; 2],
    /// Whether it is not what was sent any more.
    pub(crate) is_changed: bool,
    pub(crate) bytes: Bytes,
}

/// The heap. Entries of the same moment keep the order of their ranks, and below that in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Key>,
    /// Payloads lie here, so that the heap moves small keys only.
    slots: Vec<Option<(Option<u64>, Due)>>,
    free: Vec<u32>,
    added: u32,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    at: SimTime,
    /// Its rank, and below that how many were added before it.
    place: u64,
    slot: u32,
}

impl Agenda {
    /// Adds one entry, with the event that it comes of. What is due never is left out.
    pub(crate) fn add(&mut self, (at, rank): (SimTime, u32), cause: Option<u64>, due: Due) {
        if at == SimTime::NEVER {
            return;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("events in flight are bounded by memory")
        });
        self.slots[slot as usize] = Some((cause, due));
        let place = u64::from(rank) << 32 | u64::from(self.added);
        self.heap.push(Key { at, place, slot });
        self.added += 1;
    }

    /// Forgets what is not wanted any more.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&Due) -> bool) {
        let Self { heap, slots, free, .. } = self;
        heap.retain(|key| {
            let slot = &mut slots[key.slot as usize];
            let stays = slot.as_ref().is_some_and(|(_, due)| is_wanted(due));
            if !stays {
                *slot = None;
                free.push(key.slot);
            }
            stays
        });
    }

    /// When the earliest entry is due.
    pub(crate) fn earliest(&self) -> Option<SimTime> {
        self.heap.peek().map(|key| key.at)
    }

    /// Takes the earliest entry.
    pub(crate) fn pop(&mut self) -> Option<(SimTime, Option<u64>, Due)> {
        let Key { at, place: _, slot } = self.heap.pop()?;
        let (cause, due) = self.slots[slot as usize].take().expect("a key points to its payload");
        self.free.push(slot);
        Some((at, cause, due))
    }
}

impl Ord for Key {
    /// The earliest is the greatest, for the heap is one of the greatest. No two have the same place.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at).then_with(|| other.place.cmp(&self.place))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
