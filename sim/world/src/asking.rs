//! Requests and answers between those who ask (clients, admins, probes) and nodes.
//!
//! Connections are streams: what is sent on them is never doubled. It may be lost, which whoever asked sees as a timeout;
//! and when a process dies while its machine lives on, its connections are reset.

use crate::{agenda::Due, limits, world::World};
use whitewater_api::{Caller, Error, NodeId, Process, Request, RequestId, Response, Revision};
use whitewater_physics::{Fate, Port};
use whitewater_record::SimTime;

/// What comes back to whoever asked.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The node's own answer.
    Reply(Result<Box<Response>, Error>),
    /// Nobody listened: the request never reached a process.
    Refused,
    /// The connection broke while the request was being served.
    Reset,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A client of the plan.
    Client(usize),
    /// The admin that carries out a fault.
    Admin(usize),
    /// The probes of the liveness phase.
    Probe,
    /// Who reads what came from elsewhere.
    Auditor,
    /// A watcher of the plan. It has streams, and asks for nothing but lists.
    Watcher(usize),
}

/// All processes of a run, by id from 1.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    askers: Vec<Asker>,
}

impl Processes {
    /// A new process.
    pub(crate) fn spawn(&mut self, asker: Asker) -> Process {
        self.askers.push(asker);
        Process(u32::try_from(self.askers.len()).expect("processes are bounded by operations"))
    }

    /// Who it is.
    pub(crate) fn asker(&self, process: Process) -> Asker {
        self.askers[process.0 as usize - 1]
    }
}

impl World {
    /// The machine of whoever asks.
    pub(crate) fn port(&self, asker: Asker) -> Port {
        let (clients, faults) = (self.plan.clients.len(), self.plan.faults.len());
        let place = match asker {
            Asker::Client(client) => client,
            Asker::Admin(fault) => clients + fault,
            // No two of them ask at once.
            Asker::Probe | Asker::Auditor => clients + faults,
            Asker::Watcher(watcher) => clients + faults + 1 + watcher,
        };
        Port::client(u16::try_from(place).expect("clients and faults are fewer than ports"))
    }

    /// The machines of the plan's clients and watchers.
    pub(crate) fn client_ports(&self) -> Vec<Port> {
        let clients = (0..self.plan.clients.len()).map(Asker::Client);
        let watchers = (0..self.plan.watchers.len()).map(Asker::Watcher);
        clients.chain(watchers).map(|asker| self.port(asker)).collect()
    }

    /// Sends a request, into the namespace if there is one.
    pub(crate) fn ask(
        &mut self,
        id: RequestId,
        node: NodeId,
        caller: Caller,
        mut request: Request,
    ) {
        if let Some(import) = &self.import {
            import.namespace().enter(&mut request);
        }
        self.ask_as_it_is(id, node, caller, request);
    }

    /// Sends a request.
    pub(crate) fn ask_as_it_is(
        &mut self,
        id: RequestId,
        node: NodeId,
        caller: Caller,
        request: Request,
    ) {
        let (from, to) = (self.port(self.processes.asker(id.process)), Port::node(node));
        match self.network.send(self.now, from, to, || limits::PACKET_BYTES) {
            Fate::Once(at) | Fate::Twice(at, _) => {
                self.later(at, Due::Request { node, id, caller, request: Box::new(request) });
            }
            Fate::Cut => {
                if self.machines.is_alive(node) {
                    self.network.credit_cut(from, to);
                }
            }
            Fate::Lost => {}
        }
    }

    /// Sends something back.
    pub(crate) fn answer(&mut self, node: NodeId, id: RequestId, answer: Answer) {
        let (from, to) = (Port::node(node), self.port(self.processes.asker(id.process)));
        match self.network.send(self.now, from, to, || limits::PACKET_BYTES) {
            Fate::Once(at) | Fate::Twice(at, _) => self.later(at, Due::Answer { id, answer }),
            Fate::Cut => self.network.credit_cut(from, to),
            Fate::Lost => {}
        }
    }

    /// The newest revision that anybody had been told of when this was asked; nothing if nobody waits for it.
    pub(crate) fn floor(&self, id: RequestId) -> Option<Revision> {
        match self.processes.asker(id.process) {
            Asker::Client(client) => {
                let pending = self.clients[client].pending.filter(|pending| pending.wire == id);
                pending.map(|pending| pending.floor)
            }
            Asker::Admin(_) | Asker::Auditor => None,
            Asker::Watcher(watcher) => self.watchers[watcher].lists.floor(id),
            Asker::Probe => self.recovery.floor(id),
        }
    }

    /// When a client asked for this; nothing if no client waits for it.
    pub(crate) fn asked(&self, id: RequestId) -> Option<SimTime> {
        let Asker::Client(client) = self.processes.asker(id.process) else { return None };
        let pending = self.clients[client].pending.filter(|pending| pending.wire == id)?;
        Some(self.history.operations[pending.operation].invoked)
    }

    /// Something came back.
    pub(crate) fn on_answer(&mut self, id: RequestId, mut answer: Answer) {
        let asker = self.processes.asker(id.process);
        if let (Some(import), Answer::Reply(Ok(response))) = (&self.import, &mut answer)
            && asker != Asker::Auditor
        {
            import.namespace().leave(&mut response.body);
        }
        match asker {
            Asker::Client(client) => {
                let waits = self.clients[client].pending.is_some_and(|pending| pending.wire == id);
                self.note_answer(&answer, waits);
                self.on_client_answer(client, id, Some(answer));
            }
            Asker::Admin(fault) => self.on_admin_answer(fault, id, Some(&answer)),
            Asker::Probe => self.on_probe_answer(id, Some(answer)),
            Asker::Auditor => self.on_audited(id, Some(&answer)),
            Asker::Watcher(watcher) => self.on_watcher_answer(watcher, id, Some(answer)),
        }
    }

    /// Nothing came back in time.
    pub(crate) fn on_timeout(&mut self, id: RequestId) {
        match self.processes.asker(id.process) {
            Asker::Client(client) => self.on_client_answer(client, id, None),
            Asker::Admin(fault) => self.on_admin_answer(fault, id, None),
            Asker::Probe => self.on_probe_answer(id, None),
            Asker::Auditor => self.on_audited(id, None),
            Asker::Watcher(watcher) => self.on_watcher_answer(watcher, id, None),
        }
    }
}
