//! What an operator asks of a member: status, alarms, hashes, defragmentation.
//!
//! What a member says about itself it says at once, whoever leads. Alarms go through the log, because they decide what is
//! refused: every replica must begin and end refusing at the same place.

use crate::{chores::Asker, leases::OwnCommand, replica::Replica};
use std::{collections::BTreeMap, mem};
use whitewater_api::{
    Alarm, AlarmMember, Body, Error, Identity, Index, MaintenanceRequest, MaintenanceResponse,
    MemberStatus, NodeId, Request, RequestId, Term,
};
use whitewater_mutation::Mutation;

/// What is under way for operators.
#[derive(Default)]
pub(crate) struct Maintenance {
    /// The defragmentations that wait for a snapshot that covers this index.
    defragmenting: Vec<(RequestId, Index)>,
    /// The alarms that this leader raised by itself, and where they stand in the log: raised once, not with every refusal.
    raised: BTreeMap<AlarmMember, u64>,
}

impl Replica {
    /// Answers what the member that is asked answers for itself.
    pub(crate) fn on_maintenance(
        &mut self,
        id: RequestId,
        who: Option<Identity>,
        request: MaintenanceRequest,
    ) {
        match request {
            MaintenanceRequest::Status => {
                let status = MaintenanceResponse::Status(self.member_status());
                self.reply(id, Ok(Body::Maintenance(status)));
            }
            MaintenanceRequest::Hash => self.want_hash(id),
            MaintenanceRequest::HashKv { revision } => {
                self.want_hash_kv(Asker::Client(id), revision);
            }
            MaintenanceRequest::Backup { backup, part } => self.on_backup(id, backup, part),
            MaintenanceRequest::Defragment => self.start_defragmenting(id),
            MaintenanceRequest::CheckCorruption => self.check_corruption(id),
            MaintenanceRequest::Alarm { .. } => {
                if let Err(error) = self.propose(id, who, Request::Maintenance(request)) {
                    self.reply(id, Err(error));
                }
            }
        }
    }

    fn member_status(&self) -> MemberStatus {
        let raft = &self.raft.raft;
        MemberStatus {
            size: self.store.peak(),
            size_in_use: self.store.bytes(),
            quota: self.config.tuning.quota_bytes,
            leader: self.leader(),
            index: Index(raft.raft_log.committed),
            term: Term(raft.term),
            applied: Index(self.raft.store().applied().0),
            is_learner: self.is_learner(),
            alarms: self.store.alarms().collect(),
        }
    }

    // The quota.

    /// Refuses what alarms refuse, and what would go over the quota; then the alarm is raised that keeps it so until an
    /// operator has made room (etcd, `server/etcdserver/api/v3rpc/quota.go`). What was admitted before the alarm is in the
    /// log still passes: then the quota is exceeded by at most what waited.
    pub(crate) fn check_space(&mut self, request: &Request) -> Result<(), Error> {
        self.store.check_alarms(request)?;
        let (quota, cost) = (self.config.tuning.quota_bytes, self.store.cost(request));
        if quota == 0 || cost == 0 || self.store.peak() + cost < quota {
            return Ok(());
        }
        if self.is_leader() && !self.config.mutations.has(Mutation::QuotaRaisesNoAlarm) {
            self.raise_alarm(self.config.node, Alarm::NoSpace);
        }
        Err(Error::NoSpace)
    }

    /// Raises an alarm by way of the log, unless one is on its way.
    pub(crate) fn raise_alarm(&mut self, member: NodeId, alarm: Alarm) {
        let (about, applied) = (AlarmMember { member, alarm }, self.raft.store().applied().0);
        self.maintenance.raised.retain(|_, index| *index > applied);
        let is_raised = self.store.alarms().any(|raised| raised == about);
        if is_raised || self.maintenance.raised.contains_key(&about) {
            return;
        }
        if let Some(index) = self.propose_own(&OwnCommand::Alarm(member, alarm)) {
            self.maintenance.raised.insert(about, index);
            self.sometimes("alarm raised");
        }
    }

    // Defragmentation.

    /// Writes a snapshot of what is here now, so that the log before it goes, then builds the store anew. A crash in
    /// between finds the old snapshot and the log, or the new one: what they hold is the same.
    fn start_defragmenting(&mut self, id: RequestId) {
        let applied = Index(self.raft.store().applied().0);
        self.maintenance.defragmenting.push((id, applied));
        let covered = self.wal.mark().map_or(Index(0), |mark| mark.index);
        self.finish_defragmenting(covered);
    }

    /// Whether a snapshot is wanted, however short the log is.
    pub(crate) fn wants_snapshot(&self) -> bool {
        !self.maintenance.defragmenting.is_empty()
    }

    /// A snapshot that covers everything up to an index is durable and in use.
    pub(crate) fn finish_defragmenting(&mut self, covered: Index) {
        let waiting = mem::take(&mut self.maintenance.defragmenting);
        let (done, left): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, index)| *index <= covered);
        self.maintenance.defragmenting = left;
        if done.is_empty() {
            return;
        }
        self.want_room(done.into_iter().map(|(id, _)| id).collect());
    }

    pub(crate) fn maintenance_len(&self) -> usize {
        self.maintenance.defragmenting.len() + self.chores.len()
    }
}
