//! Leases: what clients ask of them, and what the lessor wants put into the log.
//!
//! Grants and revocations are writes like any other. What depends on the leader's clock only it can answer, and only after
//! a quorum has confirmed it: a deposed leader would promise time that its successor does not know of (etcd #15247).
//! What the leader does by itself, ending leases and writing down what is left of them, goes through the log too, so that
//! every replica does it at the same place.

use crate::{
    auth::Login,
    door::{Event, LeaseClock},
    lessor::{Search, nanos},
    limits,
    replica::Replica,
    timeouts::mix,
    writes::{Answer, OWN, encode},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use whitewater_api::{
    Alarm, Body, Error, Incarnation, LeaseCheckpoint, LeaseId, LeaseRequest, LeaseResponse,
    Monotonic, NodeId, Request, RequestId, Revision,
};
use whitewater_mutation::Mutation;

/// What a leader puts into the log by itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum OwnCommand {
    /// The time of a lease is over.
    Expire(LeaseId),
    /// What is left of leases.
    Checkpoint(Vec<LeaseCheckpoint>),
    /// A client has shown its password.
    Login(Login),
    /// Something is wrong with a member.
    Alarm(NodeId, Alarm),
    /// History below a revision may go.
    Compact(Revision),
    /// A member was vouched for with this disk.
    Disk(NodeId, Incarnation),
}

/// When each lease was granted by the clock of this member. For mutations that end leases by it.
pub(crate) type Grants = BTreeMap<LeaseId, (Monotonic, i64)>;

impl Replica {
    // Requests.

    /// Settles what a grant leaves open, before it goes into the log: there it must mean the same to everybody.
    pub(crate) fn settle_grant(&self, request: Request) -> Request {
        let Request::Lease(LeaseRequest::Grant { lease, ttl }) = request else { return request };
        let lease = if lease == LeaseId::NONE { self.pick_lease_id() } else { lease };
        Request::Lease(LeaseRequest::Grant { lease, ttl: ttl.max(self.lease_ttl_min()) })
    }

    /// The least time to live: in one and a half election timeouts a client may find a new leader
    /// (etcd, `server/etcdserver/server.go`).
    fn lease_ttl_min(&self) -> i64 {
        let elections = (self.election_nanos() / 2 * 3).div_ceil(nanos(1));
        i64::try_from(elections.max(self.config.tuning.lease_ttl_min_s)).unwrap_or(i64::MAX)
    }

    /// A positive id from the term and the index that the grant will have, which no other grant of this cluster has, mixed
    /// so that it meets no id that clients choose.
    fn pick_lease_id(&self) -> LeaseId {
        let index = self.raft.raft.raft_log.last_index() + 1;
        let seed = mix(mix(self.config.cluster.0, self.config.node.0), self.raft.raft.term);
        let mut id = mix(seed, index);
        loop {
            let lease = LeaseId((id >> 1).cast_signed());
            if lease != LeaseId::NONE && self.store.lease(lease).is_none() {
                return lease;
            }
            id = mix(id, index);
        }
    }

    /// A request that the leader's clock answers has arrived. Whether it is done with.
    pub(crate) fn on_lease_read(&mut self, id: RequestId, request: LeaseRequest) -> bool {
        if !self.is_leader() {
            let error = self.not_leader();
            self.reply(id, Err(error));
            return true;
        }
        if let LeaseRequest::KeepAlive(lease) = request {
            // From its arrival on, so that it wins against the end of the lease if it came first, however long it takes to
            // confirm that this is still the leader. If it is not, its clock counts for nothing. Where somebody may not keep
            // it alive, that is known only then.
            if !self.store.auth().is_enabled() {
                self.renew(lease);
            }
            if self.config.mutations.has(Mutation::KeepAliveUnconfirmed) {
                self.answer_lease(id, request);
                return true;
            }
        }
        false
    }

    /// Answers a request that the leader's clock answers, once it is confirmed. Whether there was an answer, or a refusal:
    /// a keep-alive may have to wait.
    pub(crate) fn answer_lease(&mut self, id: RequestId, request: LeaseRequest) -> bool {
        if !self.is_lessor() {
            let error = self.not_leader();
            self.reply(id, Err(error));
            return true;
        }
        let response = match request {
            LeaseRequest::KeepAlive(lease) => return self.answer_keep_alive(id, lease),
            LeaseRequest::TimeToLive { lease, keys } => self.time_to_live(lease, keys),
            LeaseRequest::List => {
                // What ends first comes first, as in etcd.
                let mut leases: Vec<LeaseId> = self.store.leases(None).map(|(id, _)| id).collect();
                leases.sort_by_key(|id| (self.lessor.left(*id, self.now).unwrap_or(0), *id));
                LeaseResponse::List(leases)
            }
            LeaseRequest::Grant { .. } | LeaseRequest::Revoke(_) => {
                panic!("not a read: {request}")
            }
        };
        self.reply(id, Ok(Body::Lease(response)));
        true
    }

    fn time_to_live(&mut self, lease: LeaseId, keys: bool) -> LeaseResponse {
        self.find_lease(lease);
        let Some(found) = self.store.lease(lease) else {
            return LeaseResponse::TimeToLive { lease, ttl: -1, granted: 0, keys: Vec::new() };
        };
        let ttl = self.lessor.left(lease, self.now).unwrap_or(0);
        let granted = found.granted();
        let keys = if keys { found.keys().cloned().collect() } else { Vec::new() };
        LeaseResponse::TimeToLive { lease, ttl, granted, keys }
    }

    /// Answers a keep-alive, or lets it wait: for the end of the lease, if that is in the log; or for the entry that takes
    /// its checkpoint back, because a new leader would go by that.
    fn answer_keep_alive(&mut self, id: RequestId, lease: LeaseId) -> bool {
        let Some(ttl) = self.store.lease(lease).map(whitewater_store::Lease::granted) else {
            let response = LeaseResponse::KeepAlive { lease, ttl: 0 };
            self.reply(id, Ok(Body::Lease(response)));
            return true;
        };
        let hasty = self.config.mutations.has(Mutation::KeepAliveAfterRevoke);
        if let Some(index) = self.lessor.end_of(lease).filter(|_| !hasty) {
            self.sometimes("keep-alive waits for the end of its lease");
            self.lessor.wait(id, lease, index);
            return false;
        }
        self.renew(lease);
        let keeps = self.config.mutations.has(Mutation::LeaseCheckpointNotReset);
        if self.lessor.is_cut(lease) && !keeps {
            let reset = OwnCommand::Checkpoint(vec![LeaseCheckpoint { lease, remaining: 0 }]);
            let Some(index) = self.propose_own(&reset) else {
                self.reply(id, Err(Error::TooManyRequests));
                return true;
            };
            self.sometimes("keep-alive takes a checkpoint back");
            self.lessor.on_reset_proposed(lease, index);
        }
        let reset = self.lessor.reset_of(lease);
        if reset > self.raft.store().applied().0 {
            self.lessor.wait(id, lease, reset);
            return false;
        }
        self.reply(id, Ok(Body::Lease(LeaseResponse::KeepAlive { lease, ttl })));
        true
    }

    // The tenure.

    /// Whether this member's clock counts: it leads, and has applied an entry of its term.
    fn is_lessor(&self) -> bool {
        self.is_leader() && self.lessor.term() == Some(self.raft.raft.term)
    }

    fn checkpoint_interval(&self) -> u64 {
        self.config.tuning.lease_checkpoint_ms * 1_000_000
    }

    /// Ends the tenure: nobody's clock counts until there is another one.
    pub(crate) fn end_tenure(&mut self) {
        for id in self.lessor.end() {
            self.reply(id, Err(Error::LeaderChanged));
        }
    }

    /// Begins a tenure when it is time, and does what is due in it.
    pub(crate) fn pump_leases(&mut self) {
        if self.config.mutations.has(Mutation::LeaseExpiryOnFollower) {
            return self.expire_by_own_clock();
        }
        let (term, applied) = (self.raft.raft.term, self.raft.store().applied());
        if !self.is_lessor() {
            if !self.is_leader() || applied.1 != term {
                return;
            }
            self.lessor.begin(term, self.now, self.election_nanos());
            if self.config.mutations.has(Mutation::LeaseNeverExpires) {
                self.lessor.searched(Search::Over);
            }
        }
        self.find_leases();
        for (id, lease) in self.lessor.take_waiting(applied.0) {
            self.answer_keep_alive(id, lease);
        }
        self.expire_leases();
        self.write_checkpoints();
    }

    /// Looks for leases that were there before the tenure, a bounded number of them at a time.
    fn find_leases(&mut self) {
        let Search::Behind(after) = self.lessor.search() else { return };
        let ids: Vec<LeaseId> =
            self.store.leases(after).take(limits::LEASES_FOUND_MAX).map(|(id, _)| id).collect();
        for id in &ids {
            self.find_lease(*id);
        }
        let is_all = ids.len() < limits::LEASES_FOUND_MAX;
        self.lessor.searched(if is_all {
            Search::Over
        } else {
            Search::Behind(ids.last().copied())
        });
    }

    /// Gives a lease that is in the store a clock, if it has none yet.
    fn find_lease(&mut self, id: LeaseId) {
        if self.lessor.has(id) {
            return;
        }
        let Some(lease) = self.store.lease(id) else { return };
        let ignores = self.config.mutations.has(Mutation::LeaseCheckpointIgnored);
        let left = if ignores { lease.granted() } else { lease.remaining() };
        self.lessor.find(id, lease, left, self.checkpoint_interval());
        if self.config.mutations.has(Mutation::LeaseExpiredEarly)
            && let Some((granted, ttl)) = self.lease_grants.get(&id)
        {
            self.lessor.force(id, granted.after(nanos(*ttl)));
        }
    }

    fn renew(&mut self, id: LeaseId) {
        if !self.is_lessor() {
            return;
        }
        self.find_lease(id);
        self.lessor.renew(id, self.now, self.checkpoint_interval());
        if self.config.mutations.has(Mutation::LeaseExpiryOnFollower)
            && let Some((granted, _)) = self.lease_grants.get_mut(&id)
        {
            *granted = self.now;
        }
    }

    /// Proposes the end of every lease whose time is over, as fast as the pace allows.
    fn expire_leases(&mut self) {
        while let Some(id) = self.lessor.next_expired(self.now) {
            let Some(index) = self.propose_own(&OwnCommand::Expire(id)) else {
                return self.lessor.rest(self.now, self.tick_nanos());
            };
            self.lessor.on_expiry_proposed(id, index, self.now);
        }
    }

    /// Writes down what is left of the leases that it is time for.
    fn write_checkpoints(&mut self) {
        let due = self.lessor.due_checkpoints(self.now);
        if due.is_empty() {
            return;
        }
        if self.propose_own(&OwnCommand::Checkpoint(due.clone())).is_none() {
            return self.lessor.rest(self.now, self.tick_nanos());
        }
        let (rest, interval) = (self.now.after(self.tick_nanos()), self.checkpoint_interval());
        self.lessor.on_checkpoints_proposed(&due, self.now, rest, interval);
    }

    /// Puts a command of our own into the log. Answers with its index, unless there is no room.
    pub(crate) fn propose_own(&mut self, command: &OwnCommand) -> Option<u64> {
        if self.persistence.is_full() {
            return None;
        }
        self.raft.propose(Vec::new(), encode(&(OWN, command))).ok()?;
        Some(self.raft.raft.raft_log.last_index())
    }

    /// All leases, if this member's clock is what counts and it has found them. Looks at everything.
    pub fn lease_clocks(&self) -> Option<impl Iterator<Item = LeaseClock>> {
        let knows_all = self.is_lessor() && self.lessor.search() == Search::Over;
        let clock = |(lease, found): (LeaseId, &whitewater_store::Lease)| {
            let clock = self.lessor.clock_of(lease, self.now);
            LeaseClock {
                lease,
                remaining: found.remaining(),
                left: clock.map(|(left, _)| left),
                is_found: clock.is_some_and(|(_, is_found)| is_found),
            }
        };
        knows_all.then(|| self.store.leases(None).map(clock))
    }

    // What was applied.

    /// A leader's own command was applied, at `index`. Answers whoever waits for it.
    pub(crate) fn apply_own(&mut self, index: u64, command: &OwnCommand) -> Option<Answer> {
        match command {
            OwnCommand::Expire(lease) => {
                let before = self.store.revision();
                // A client was faster, perhaps.
                if self.store.revoke(*lease).is_ok() {
                    let after = self.store.revision();
                    let made = (after > before).then_some(after);
                    self.event(Event::LeaseExpired { lease: *lease, made });
                }
                self.lessor.forget(*lease, index);
            }
            OwnCommand::Checkpoint(checkpoints) => self.store.checkpoint(checkpoints),
            OwnCommand::Alarm(member, alarm) => self.store.raise_alarm(*member, *alarm),
            OwnCommand::Compact(revision) => {
                // A client was faster, perhaps.
                if self.store.compact(*revision).is_err() {
                    self.sometimes("compaction by itself came late");
                }
            }
            OwnCommand::Disk(node, incarnation) => {
                self.membership.on_disk_known(*node, *incarnation);
            }
            OwnCommand::Login(login) => return self.apply_login(index, login),
        }
        None
    }

    /// A client's request was applied, at `index`: the clocks follow.
    pub(crate) fn on_lease_applied(&mut self, index: u64, request: &Request, is_done: bool) {
        match request {
            Request::Lease(LeaseRequest::Grant { lease, ttl }) if is_done => {
                self.lessor.grant(*lease, *ttl, self.now, self.checkpoint_interval());
                if self.config.mutations.has(Mutation::LeaseExpiredEarly)
                    || self.config.mutations.has(Mutation::LeaseExpiryOnFollower)
                {
                    self.lease_grants.insert(*lease, (self.now, *ttl));
                }
            }
            // Whoever may not write what hangs on a lease may not end it.
            Request::Lease(LeaseRequest::Revoke(lease)) if self.store.lease(*lease).is_some() => {
                self.lessor.keep(*lease, index, self.now, self.checkpoint_interval());
            }
            Request::Lease(LeaseRequest::Revoke(lease)) => self.lessor.forget(*lease, index),
            Request::Put(put) if self.config.mutations.has(Mutation::LeaseRenewedByPut) => {
                self.renew(put.lease);
            }
            Request::Put(_)
            | Request::Range(_)
            | Request::DeleteRange(_)
            | Request::Txn(_)
            | Request::Compact(_)
            | Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => {}
        }
    }

    /// A client's request was proposed, at `index`: while a lease may be ending, its time is not up for decision.
    pub(crate) fn on_lease_proposed(&mut self, index: u64, lease: LeaseId) {
        if self.is_leader() {
            self.lessor.on_end_proposed(lease, index);
        }
    }

    // The mutation that goes past the log.

    fn expire_by_own_clock(&mut self) {
        let now = self.now;
        let over = |(granted, ttl): &(Monotonic, i64)| granted.after(nanos(*ttl)) <= now;
        let due: Vec<LeaseId> =
            self.lease_grants.iter().filter(|(_, grant)| over(grant)).map(|(id, _)| *id).collect();
        for id in due {
            self.lease_grants.remove(&id);
            if self.store.revoke(id).is_err() {
                self.sometimes("lease ended past the log was gone");
            }
            self.tell_watches();
        }
    }
}
