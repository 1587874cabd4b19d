//! Streams of watches between watchers and nodes: connections, as TCP makes them.
//!
//! What is sent on one direction arrives in order and once, or not at all. A packet that is lost is sent again a little
//! later; a partition silences a direction for good, which the client notices because nothing answers its pings; a
//! process that dies while its machine lives on resets its connections. Nobody is told of anything else.

use crate::{agenda::Due, asking::Asker, limits, machine::Life, world::World};
use std::collections::BTreeMap;
use whitewater_api::{Caller, NodeId, StreamId, WatchRequest, WatchResponse};
use whitewater_physics::{Fate, Port};
use whitewater_record::SimTime;
use whitewater_replica::Input;

/// What a client sends on its connection.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    /// The stream begins.
    Open { require_leader: bool, caller: Caller },
    /// There is room for so many more messages.
    Ready(u64),
    /// A request.
    Say(Box<WatchRequest>),
    /// Are you there?
    Ping,
    /// The client is gone.
    Close,
}

/// What a node sends on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    /// A message.
    Say(Box<WatchResponse>),
    /// The stream is over.
    End,
    /// The answer to a ping.
    Pong,
    /// There is no such connection.
    Reset,
}

/// All connections of a run.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    opened: u64,
    connections: BTreeMap<StreamId, Connection>,
}

/// One connection. It is there as long as one of its ends believes in it.
#[derive(Debug)]
struct Connection {
    watcher: usize,
    node: NodeId,
    /// The life of the process that serves it; `None` before it begins and after it has ended there.
    served_by: Option<u64>,
    is_open: bool,
    up: Lane,
    down: Lane,
    /// When the node last heard of its client.
    heard: SimTime,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    /// When the last packet arrives.
    last: SimTime,
    /// Nothing more arrives.
    is_silent: bool,
}

impl World {
    // The client's end.

    /// Opens a connection.
    pub(crate) fn connect(&mut self, watcher: usize, node: NodeId) -> StreamId {
        self.streams.opened += 1;
        let stream = StreamId(self.streams.opened);
        let (up, down, heard) = (Lane::default(), Lane::default(), self.now);
        let connection =
            Connection { watcher, node, served_by: None, is_open: true, up, down, heard };
        self.streams.connections.insert(stream, connection);
        stream
    }

    /// The client leaves. The node hears of it, if the connection still carries anything.
    pub(crate) fn disconnect(&mut self, stream: StreamId) {
        self.send_up(stream, Up::Close);
        if let Some(connection) = self.streams.connections.get_mut(&stream) {
            connection.is_open = false;
        }
        self.forget_stream(stream);
    }

    /// Sends something to the node.
    pub(crate) fn send_up(&mut self, stream: StreamId, packet: Up) {
        let Some(connection) = self.streams.connections.get(&stream) else { return };
        let from = self.port(Asker::Watcher(connection.watcher));
        let at = self.carry(stream, from, Port::node(connection.node), |c| &mut c.up);
        if let Some(at) = at {
            self.later(at, Due::Up { stream, packet });
        }
    }

    // The node's end.

    /// Something arrives at a node.
    pub(crate) fn on_up(&mut self, stream: StreamId, packet: Up) {
        let Some(connection) = self.streams.connections.get(&stream) else { return };
        let node = connection.node;
        let machine = self.machines.get(node);
        if machine.sleeps() {
            return;
        }
        match machine.life {
            Life::Up => {}
            Life::Down { powered: true } | Life::Retired => {
                return self.send_down(stream, Down::Reset);
            }
            Life::Down { powered: false } | Life::Absent => return,
        }
        let (epoch, is_paused) = (machine.epoch, !machine.pauses.is_empty());
        if let Up::Open { require_leader, caller } = packet {
            let connection = self.connection(stream);
            connection.served_by = Some(epoch);
            self.later(self.now + limits::STREAM_PATIENCE, Due::StreamIdle { stream });
            return self.input(node, Input::StreamOpened { stream, require_leader, caller });
        }
        if connection.served_by != Some(epoch) {
            return self.send_down(stream, Down::Reset);
        }
        self.connection(stream).heard = self.now;
        match packet {
            Up::Open { .. } => unreachable!("it was handled above"),
            Up::Ready(credit) => self.input(node, Input::StreamReady { stream, credit }),
            Up::Say(request) => self.input(node, Input::Watch { stream, request }),
            // The process answers, so one that stands still does not.
            Up::Ping if is_paused => {}
            Up::Ping => self.send_down(stream, Down::Pong),
            Up::Close => self.stop_serving(stream),
        }
    }

    /// A node looks whether the client of a stream is still there.
    pub(crate) fn on_stream_idle(&mut self, stream: StreamId) {
        let Some(connection) = self.streams.connections.get(&stream) else { return };
        if connection.served_by.is_none() {
            return;
        }
        let due = connection.heard + limits::STREAM_PATIENCE;
        if due > self.now {
            return self.later(due, Due::StreamIdle { stream });
        }
        self.observer.tally.sometimes("silent watcher given up");
        self.stop_serving(stream);
    }

    /// The node forgets a stream.
    fn stop_serving(&mut self, stream: StreamId) {
        let connection = self.connection(stream);
        let (node, epoch) = (connection.node, connection.served_by.take());
        let machine = self.machines.get(node);
        if machine.life == Life::Up && epoch == Some(machine.epoch) {
            self.input(node, Input::StreamClosed { stream });
        }
        self.forget_stream(stream);
    }

    /// A replica says something on a stream.
    pub(crate) fn say(&mut self, stream: StreamId, response: Box<WatchResponse>) {
        self.send_down(stream, Down::Say(response));
    }

    /// A replica has ended a stream.
    pub(crate) fn end_stream(&mut self, stream: StreamId) {
        self.send_down(stream, Down::End);
        if let Some(connection) = self.streams.connections.get_mut(&stream) {
            connection.served_by = None;
        }
        self.forget_stream(stream);
    }

    /// A process is gone. Its machine resets its connections, unless it is without power.
    pub(crate) fn break_streams(&mut self, node: NodeId, is_powered: bool) {
        let served = |c: &Connection| c.node == node && c.served_by.is_some();
        let broken: Vec<StreamId> =
            self.streams.connections.iter().filter(|(_, c)| served(c)).map(|(id, _)| *id).collect();
        for stream in broken {
            if is_powered {
                self.send_down(stream, Down::Reset);
            }
            self.connection(stream).served_by = None;
            self.forget_stream(stream);
        }
    }

    /// All streams of a node break: both ends are told.
    pub(crate) fn reset_streams(&mut self, node: NodeId) -> bool {
        let served = |c: &Connection| c.node == node && c.served_by.is_some();
        let broken: Vec<StreamId> =
            self.streams.connections.iter().filter(|(_, c)| served(c)).map(|(id, _)| *id).collect();
        for stream in &broken {
            self.send_down(*stream, Down::Reset);
            self.stop_serving(*stream);
        }
        !broken.is_empty()
    }

    fn send_down(&mut self, stream: StreamId, packet: Down) {
        let Some(connection) = self.streams.connections.get(&stream) else { return };
        let to = self.port(Asker::Watcher(connection.watcher));
        let at = self.carry(stream, Port::node(connection.node), to, |c| &mut c.down);
        if let Some(at) = at {
            self.later(at, Due::Down { stream, packet });
        }
    }

    /// Something arrives at a client, if it still listens.
    pub(crate) fn on_down(&mut self, stream: StreamId, packet: Down) {
        let Some(connection) = self.streams.connections.get(&stream) else { return };
        if connection.is_open {
            self.on_watcher_packet(connection.watcher, stream, packet);
        }
    }

    // Between them.

    /// When a packet arrives, if it does.
    fn carry(
        &mut self,
        stream: StreamId,
        from: Port,
        to: Port,
        lane: impl Fn(&mut Connection) -> &mut Lane,
    ) -> Option<SimTime> {
        if lane(self.connection(stream)).is_silent {
            return None;
        }
        let now = self.now;
        let at = match self.network.send(now, from, to, || limits::PACKET_BYTES) {
            Fate::Once(at) | Fate::Twice(at, _) => at,
            Fate::Lost => now + limits::RETRANSMISSION,
            Fate::Cut => {
                self.network.credit_cut(from, to);
                lane(self.connection(stream)).is_silent = true;
                return None;
            }
        };
        let lane = lane(self.connection(stream));
        lane.last = lane.last.max(at);
        Some(lane.last)
    }

    fn connection(&mut self, stream: StreamId) -> &mut Connection {
        self.streams.connections.get_mut(&stream).expect("the caller has seen it")
    }

    /// Forgets a connection that both ends have forgotten.
    fn forget_stream(&mut self, stream: StreamId) {
        let is_over = |c: &Connection| !c.is_open && c.served_by.is_none();
        if self.streams.connections.get(&stream).is_some_and(is_over) {
            self.streams.connections.remove(&stream);
        }
    }
}
