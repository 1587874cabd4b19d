//! The operator who takes backups of members and starts the cluster over from the newest one (X3).
//!
//! A restoration is the end of a cluster and the beginning of another one, on the machines of the first members: its disks
//! are empty, its identity is another one, its log begins anew. Nothing of the old one reaches it, neither a message that is
//! under way nor a request, for connections end with the processes that held them. So whoever waited for an answer will
//! never have one, and what the observer knew of logs, terms and members is of no use any more. The history says when it
//! was, and what the backup holds ([`EpochRow`]): that, and nothing else, the new cluster must hold.

use crate::{
    admin::root,
    agenda::Due,
    asking::{Answer, Asker},
    import::Import,
    lifecycle::Hold,
    limits,
    machine::Life,
    tally::Code,
    world::World,
};
use std::collections::BTreeMap;
use whitewater_api::{
    Body, Index, MaintenanceRequest, MaintenanceResponse, NodeId, Process, Request, RequestId,
};
use whitewater_mutation::Mutation;
use whitewater_record::{EpochRow, Fault, Plan};
use whitewater_replica::{BackupStatus, Boot, Restoration, backup_status};

/// The backups of a run.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    /// Whether any is ever taken.
    are_planned: bool,
    /// Those under way, by fault.
    open: BTreeMap<usize, Taking>,
    /// The newest that is whole.
    newest: Option<Taken>,
    /// What the log of this cluster has carried out, by index.
    done: BTreeMap<Index, RequestId>,
    /// What this cluster was started from, unless it is the first one.
    origin: Option<Restoration>,
    /// How often a cluster was started over.
    pub(crate) restored: u64,
}

/// A backup under way.
#[derive(Debug)]
struct Taking {
    process: Process,
    sequence: u32,
    pending: Option<RequestId>,
    /// Its number; 0 before the first part has come.
    number: u64,
    part: u64,
    bytes: Vec<u8>,
}

/// A whole backup.
#[derive(Debug)]
struct Taken {
    bytes: Vec<u8>,
    status: BackupStatus,
    kept: Vec<RequestId>,
}

impl Backups {
    pub(crate) fn new(plan: &Plan, import: Option<&Import>) -> Self {
        let is_one = |fault: &Fault| matches!(fault, Fault::Backup { .. });
        let are_planned = plan.faults.iter().any(|planned| is_one(&planned.fault));
        Self { are_planned, origin: import.map(Import::restoration), ..Self::default() }
    }

    /// The log has carried out a request.
    pub(crate) fn note(&mut self, index: Index, done: Option<RequestId>) {
        if let Some(id) = done.filter(|_| self.are_planned) {
            self.done.insert(index, id);
        }
    }

    /// How the first members of the cluster begin.
    pub(crate) fn boot(&self, members: Vec<NodeId>) -> Boot {
        match &self.origin {
            None => Boot::Bootstrap { members },
            Some(from) => Boot::Restore { members, from: from.clone() },
        }
    }
}

impl World {
    /// An operator begins to take a backup.
    pub(crate) fn start_backup(&mut self, fault: usize) {
        let process = self.processes.spawn(Asker::Admin(fault));
        let bytes = Vec::new();
        let taking = Taking { process, sequence: 0, pending: None, number: 0, part: 0, bytes };
        self.backups.open.insert(fault, taking);
        self.later(self.now, Due::Admin { fault });
    }

    /// Whether the fault is a backup; then its operator asks for the next part.
    pub(crate) fn on_operator(&mut self, fault: usize) -> bool {
        let Some(taking) = self.backups.open.get_mut(&fault) else { return false };
        let (true, Some(node)) = (self.nemesis.is_on(fault), self.nemesis.victim(fault)) else {
            return true;
        };
        let id = RequestId { process: taking.process, sequence: taking.sequence };
        taking.sequence += 1;
        taking.pending = Some(id);
        let request = MaintenanceRequest::Backup { backup: taking.number, part: taking.part };
        self.later(self.now + limits::ADMIN_TIMEOUT, Due::Timeout { id });
        self.ask(id, node, root(), Request::Maintenance(request));
        true
    }

    /// Whether the fault is a backup; then this is a part of it, a refusal, or nothing in time.
    pub(crate) fn on_operator_answer(
        &mut self,
        fault: usize,
        id: RequestId,
        answer: Option<&Answer>,
    ) -> bool {
        let Some(taking) = self.backups.open.get_mut(&fault) else { return false };
        if taking.pending.take_if(|pending| *pending == id).is_none() {
            return true;
        }
        match answer {
            Some(Answer::Reply(Ok(response))) => {
                let Body::Maintenance(MaintenanceResponse::Backup { backup, bytes, remaining }) =
                    &response.body
                else {
                    return true;
                };
                taking.number = *backup;
                taking.part += 1;
                taking.bytes.extend_from_slice(bytes.as_slice());
                if *remaining == 0 {
                    self.end_backup(fault);
                } else {
                    self.later(self.now, Due::Admin { fault });
                }
            }
            // The member gives the part once more, if it still knows of the backup.
            None if taking.number != 0 => self.later(self.now, Due::Admin { fault }),
            Some(_) | None => {
                (taking.number, taking.part) = (0, 0);
                taking.bytes.clear();
                self.later(self.now + limits::ADMIN_BACKOFF, Due::Admin { fault });
            }
        }
        true
    }

    /// All parts have come.
    fn end_backup(&mut self, fault: usize) {
        let Some(Taking { bytes, .. }) = self.backups.open.remove(&fault) else { return };
        let node = self.nemesis.victim(fault);
        let status = match backup_status(&bytes) {
            Ok(status) => status,
            Err(error) => {
                let wrong = format!("a backup was taken whole and cannot be used: {error}");
                return self.observer.tally.check(Code::SnapshotContent, node, true, Some(wrong));
            }
        };
        self.observer.tally.check(Code::SnapshotContent, node, true, None);
        self.observer.tally.sometimes("backup taken");
        self.nemesis.witness(fault);
        let index = status.index.unwrap_or(Index(0));
        let mut kept: Vec<RequestId> =
            self.backups.done.range(..=index).map(|(_, id)| *id).collect();
        kept.sort_unstable();
        self.backups.newest = Some(Taken { bytes, status, kept });
    }

    /// The cluster is stopped for good, and its disks go. Nothing if there is no backup to start another one from.
    pub(crate) fn restore(&mut self, fault: usize) -> bool {
        let Fault::Restore { revision_bump, mark_compacted } = self.plan.faults[fault].fault else {
            return false;
        };
        let Some(Taken { bytes, status, kept }) = self.backups.newest.take() else { return false };
        let backup = status.content;
        let (at, from_elsewhere) = (self.now, false);
        let epoch = EpochRow { at, backup, revision_bump, mark_compacted, from_elsewhere, kept };
        self.acked = epoch.first();
        self.history.epochs.push(epoch);
        let nodes = self.plan.cluster.nodes;
        for node in self.machines.started() {
            self.crash(node, false);
            self.clear_machine(node, node.0 <= nodes);
            if node.0 <= nodes {
                self.hold(node, Hold::Fault(fault));
            }
        }
        self.hang_up();
        self.nemesis.forget_changes();
        self.observer.start_over(nodes);
        let origin = Restoration { backup: bytes.into(), revision_bump, mark_compacted };
        let restored = self.backups.restored + 1;
        let are_planned = self.backups.are_planned;
        self.backups =
            Backups { are_planned, origin: Some(origin), restored, ..Backups::default() };
        self.observer.tally.sometimes("cluster started over from a backup");
        true
    }

    /// A machine for the new cluster, or one that nobody needs before it is added.
    fn clear_machine(&mut self, node: NodeId, is_first: bool) {
        let is_cleared = !self.mutations.has(Mutation::RestoreOnOldData);
        let machine = self.machines.get_mut(node);
        if is_cleared || !is_first {
            machine.replace_disk();
        }
        machine.damage = None;
        machine.is_proven = false;
        machine.life = if is_first { Life::Down { powered: true } } else { Life::Absent };
    }

    /// All connections end, and what is under way on them is lost.
    fn hang_up(&mut self) {
        self.agenda.retain(|due| {
            !matches!(
                due,
                Due::Deliver { .. } | Due::DeliverBytes(_) | Due::Request { .. } | Due::Up { .. }
            )
        });
        for index in 0..self.clients.len() {
            if let Some(pending) = self.clients[index].pending {
                self.on_client_answer(index, pending.wire, Some(Answer::Reset));
            }
        }
        for index in 0..self.watchers.len() {
            if self.watchers[index].has_stream() {
                self.break_stream(index);
            }
        }
    }
}
