//! Client requests that go through the log.

use crate::{door::Phase, replica::Replica};
use raft::eraftpb::Entry;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, mem};
use whitewater_api::{
    AuthRequest, Body, Caller, Error, Identity, LeaseRequest, MaintenanceRequest, NodeId, Process,
    Request, RequestId, Revision, request::CompactRequest, response::PutResponse,
};
use whitewater_mutation::Mutation;
use whitewater_store::Store;

/// What an entry holds: the request, and by which id its client waits for it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Proposal {
    /// Whose request.
    pub(crate) id: RequestId,
    /// The request.
    pub(crate) request: Request,
}

/// The id of what a leader puts into the log by itself. No client has it.
pub(crate) const OWN: RequestId = RequestId { process: Process(u32::MAX), sequence: u32::MAX };

/// The id before what somebody in particular asks: who it is follows, and then the proposal.
const STAMPED: RequestId = RequestId { process: Process(u32::MAX), sequence: u32::MAX - 1 };
/// The member whose memory is bad under [`Mutation::ApplyRots`].
const ROTTEN: NodeId = NodeId(2);

/// Why decoding what is in the log cannot fail.
const KNOWN: &str = "what was proposed can be read";

/// What an entry holds.
pub(crate) fn encode(what: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(what).expect("plain data has an encoding")
}

/// A client that waited, and what it gets.
pub(crate) type Answer = (RequestId, Result<Body, Error>);

/// The clients that wait for an entry.
#[derive(Default)]
pub(crate) struct Writes {
    /// By id, because at the index that an entry was proposed for another one may be committed (openraft 43dd8b6f).
    /// The value is that index.
    waiters: BTreeMap<RequestId, u64>,
    /// A leadership transfer that a client waits for.
    moving: Option<(RequestId, NodeId)>,
}

impl Writes {
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(crate) const fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// Lets `id` wait for the entry at `index`.
    pub(crate) fn wait(&mut self, id: RequestId, index: u64) {
        self.waiters.insert(id, index);
    }

    /// The client that waits for `id`, if it waits here.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<RequestId> {
        self.waiters.remove(&id).map(|_| id)
    }

    fn take_by_index(&mut self, index: u64) -> Option<RequestId> {
        let id =
            self.waiters.iter().find(|(_, waits_for)| **waits_for == index).map(|(id, _)| *id)?;
        self.take(id)
    }
}

impl Replica {
    /// Admits a request, or refuses it before anything happened.
    pub(crate) fn on_request(&mut self, id: RequestId, caller: Caller, request: Request) {
        assert!(id != OWN && id != STAMPED, "a client has the id of the replicas");
        if let Request::Maintenance(maintenance) = &request
            && maintenance.is_local()
            && self.phase == Phase::Active
            && (!self.is_learner() || maintenance.is_for_learners())
        {
            return match self.permit_here(&caller, &request) {
                Ok(()) => self.on_maintenance(id, None, *maintenance),
                Err(error) => self.reply(id, Err(error)),
            };
        }
        if let Err(error) = self.admit(&request) {
            return self.reply(id, Err(error));
        }
        if self.config.mutations.has(Mutation::LoginFromStaleState)
            && let Request::Auth(AuthRequest::Authenticate { user, password }) = &request
        {
            if let Err(error) = self.log_in(id, user, password) {
                self.reply(id, Err(error));
            }
            return;
        }
        if request.is_read() || is_login(&request) {
            return self.on_read(id, caller, request);
        }
        match self.identify(&caller) {
            Ok(who) => self.on_write(id, who, request),
            // This member may be behind, and auth be disabled meanwhile: only who is up to date refuses.
            Err(_) => self.await_state(id, caller, request),
        }
    }

    /// Goes on with a write that somebody asks for, or refuses it.
    pub(crate) fn on_write(&mut self, id: RequestId, who: Option<Identity>, request: Request) {
        if let Err(error) = self.admit_write(id, who, request) {
            self.reply(id, Err(error));
        }
    }

    /// Whether whoever asks may have this answered by this member alone. Its status is nobody's secret, as in etcd.
    fn permit_here(&mut self, caller: &Caller, request: &Request) -> Result<(), Error> {
        if *request == Request::Maintenance(MaintenanceRequest::Status) {
            return Ok(());
        }
        let who = self.identify(caller)?;
        self.store.permit(who.as_ref(), request)
    }

    fn admit_write(
        &mut self,
        id: RequestId,
        who: Option<Identity>,
        request: Request,
    ) -> Result<(), Error> {
        if !self.is_leader() && !self.forwards() {
            return Err(self.not_leader());
        }
        let only_here =
            matches!(request, Request::Member(_) | Request::MoveLeader(_) | Request::Cluster(_));
        if only_here || self.config.mutations.has(Mutation::AuthOnlyAtAdmission) {
            // These are asked about here alone: what carries them out is not the store (etcd, v3rpc/member.go).
            self.store.permit(who.as_ref(), &request)?;
        }
        match &request {
            Request::MoveLeader(to) => self.move_leader(id, *to),
            Request::Member(change) => self.propose_member_change(id, *change),
            Request::Cluster(cluster) => self.on_cluster(id, who, cluster.clone()),
            Request::Maintenance(maintenance) => {
                self.on_maintenance(id, who, *maintenance);
                Ok(())
            }
            Request::Put(_)
            | Request::DeleteRange(_)
            | Request::Txn(_)
            | Request::Compact(_)
            | Request::Lease(_)
            | Request::Auth(_)
            | Request::Range(_) => {
                if self.hash_first(id, who.as_ref(), &request)? {
                    return Ok(());
                }
                self.propose(id, who, request)
            }
        }
    }

    fn admit(&mut self, request: &Request) -> Result<(), Error> {
        if self.phase != Phase::Active || self.is_under_suspicion() {
            return Err(Error::NoLeader);
        }
        Store::check(request, self.config.tuning.txn_ops_max)?;
        if self.is_learner() && !request.is_serializable() {
            return Err(Error::Learner);
        }
        self.check_space(request)?;
        self.check_memory(request)?;
        let (tuning, raft_log) = (&self.config.tuning, &self.raft.raft.raft_log);
        let gap = raft_log.committed - self.raft.store().applied().0;
        if self.pending() as u64 >= tuning.pending_requests_max || gap > tuning.apply_gap_max {
            return Err(Error::TooManyRequests);
        }
        Ok(())
    }

    /// What keeps a promise or gives memory back is done even where there is none to spare.
    fn check_memory(&mut self, request: &Request) -> Result<(), Error> {
        let is_spared = matches!(
            request,
            Request::Compact(_)
                | Request::DeleteRange(_)
                | Request::Lease(LeaseRequest::KeepAlive(_) | LeaseRequest::Revoke(_))
        );
        if !self.is_low_on_memory || is_spared {
            return Ok(());
        }
        if self.config.mutations.has(Mutation::RefusedAfterProposed) && !request.is_read() {
            return Ok(());
        }
        self.sometimes("refused for want of memory");
        Err(Error::TooManyRequests)
    }

    pub(crate) fn is_learner(&self) -> bool {
        self.raft.store().conf_state().learners.contains(&self.config.node.0)
    }

    /// Under this mutation followers hand proposals to raft, which forwards them.
    fn forwards(&self) -> bool {
        self.config.mutations.has(Mutation::ForeignTermlessMessage) && self.leader().is_some()
    }

    pub(crate) fn not_leader(&self) -> Error {
        match self.leader() {
            Some(leader) if leader != self.config.node => Error::NotLeader { hint: Some(leader) },
            _ => Error::NoLeader,
        }
    }

    pub(crate) fn propose(
        &mut self,
        id: RequestId,
        who: Option<Identity>,
        request: Request,
    ) -> Result<(), Error> {
        if self.persistence.is_full() {
            return Err(Error::NoSpace);
        }
        let put = matches!(request, Request::Put(_));
        let request = self.settle_grant(request);
        let mut revoked = None;
        if let Request::Lease(LeaseRequest::Revoke(lease)) = &request {
            revoked = Some(*lease);
        }
        let proposal = Proposal { id, request };
        let data = match who {
            Some(who) => encode(&(STAMPED, who, proposal)),
            None => encode(&proposal),
        };
        if data.len() as u64 > self.config.tuning.request_bytes_max {
            return Err(Error::RequestTooLarge);
        }
        if self.raft.propose(Vec::new(), data).is_err() {
            return Err(self.dropped());
        }
        if put && self.config.mutations.has(Mutation::AckOnAppend) {
            self.reply(id, Ok(Body::Put(PutResponse::default())));
            return Ok(());
        }
        if self.is_low_on_memory && self.config.mutations.has(Mutation::RefusedAfterProposed) {
            return Err(Error::TooManyRequests);
        }
        let index = self.raft.raft.raft_log.last_index();
        self.writes.wait(id, index);
        if let Some(lease) = revoked {
            self.on_lease_proposed(index, lease);
        }
        Ok(())
    }

    /// Why raft dropped a proposal. It did not happen.
    pub(crate) fn dropped(&mut self) -> Error {
        if let Some(to) = self.raft.raft.lead_transferee {
            Error::NotLeader { hint: Some(NodeId(to)) }
        } else {
            self.sometimes("uncommitted bytes at their bound");
            Error::TooManyRequests
        }
    }

    /// Applies an entry of the store. Answers with the client that waits for it here and what it gets, with the request and
    /// the revision that it made, and with the request if it was not refused.
    pub(crate) fn apply_write(
        &mut self,
        entry: &Entry,
    ) -> (Option<Answer>, Option<(RequestId, Revision)>, Option<RequestId>) {
        if entry.data.is_empty() {
            return (None, None, None); // A new leader's first entry.
        }
        let (id, command) = postcard::take_from_bytes::<RequestId>(&entry.data).expect(KNOWN);
        if id == OWN {
            let answer = self.apply_own(entry.index, &postcard::from_bytes(command).expect(KNOWN));
            return (answer, None, None);
        }
        let (who, mut proposal): (Option<Identity>, Proposal) = if id == STAMPED {
            let (who, proposal) = postcard::from_bytes(command).expect(KNOWN);
            (Some(who), proposal)
        } else {
            (None, postcard::from_bytes(&entry.data).expect(KNOWN))
        };
        if self.config.mutations.has(Mutation::ApplyRots) {
            self.rot(&mut proposal.request);
        }
        let before = self.store.revision();
        let result = if let Request::Cluster(cluster) = &proposal.request {
            self.apply_cluster(cluster)
        } else {
            self.store.apply_for(who.as_ref(), &proposal.request)
        };
        let after = self.store.revision();
        self.on_lease_applied(entry.index, &proposal.request, result.is_ok());
        if result.is_ok() {
            self.on_auth_applied(&proposal.request);
        }
        let made = (after > before).then_some((proposal.id, after));
        let done = result.is_ok().then_some(proposal.id);
        let waiter = if self.config.mutations.has(Mutation::AckByIndex) {
            self.writes.take_by_index(entry.index)
        } else {
            self.writes.take(proposal.id)
        };
        if let (Some(id), Ok(_), Request::Compact(CompactRequest { physical: true, .. })) =
            (waiter, &result, &proposal.request)
        {
            self.want_scrubbed(id);
            return (None, made, done);
        }
        (waiter.map(|id| (id, result)), made, done)
    }

    /// A bit flips in what one member applies, and nothing says so.
    fn rot(&self, request: &mut Request) {
        if let Request::Put(put) = request
            && self.config.node == ROTTEN
        {
            put.value = [put.value.as_slice(), b"?"].concat().into();
        }
    }

    /// Tells all waiting clients that their outcome is not known here any more.
    pub(crate) fn fail_writes(&mut self) {
        if self.config.mutations.has(Mutation::AckByIndex) {
            return;
        }
        let waiters = mem::take(&mut self.writes.waiters);
        if self.config.mutations.has(Mutation::ClientsForgotten) {
            return;
        }
        for id in waiters.into_keys() {
            self.reply(id, Err(Error::LeaderChanged));
        }
    }

    fn move_leader(&mut self, id: RequestId, to: NodeId) -> Result<(), Error> {
        let raft = &self.raft.raft;
        let is_voter = raft.prs().conf().voters().contains(to.0);
        if !is_voter || self.writes.is_moving() || raft.lead_transferee.is_some() {
            return Err(Error::BadTransferee);
        }
        if to == self.config.node {
            // It is there already (etcd, `server.go`, `moveLeader`).
            self.reply(id, Ok(Body::MoveLeader));
            return Ok(());
        }
        // A candidate that the leader sends is not refused for the lease, even if its order comes late (X3).
        self.forbid_lease();
        self.raft.transfer_leader(to.0);
        self.writes.moving = Some((id, to));
        Ok(())
    }

    /// Answers the client that waits for a transfer, once it is clear how that went.
    pub(crate) fn notice_moved_leader(&mut self) {
        let Some((id, to)) = self.writes.moving else { return };
        let result = match self.leader() {
            Some(leader) if leader == to => Ok(Body::MoveLeader),
            Some(leader) if leader != self.config.node => Err(Error::LeaderChanged),
            Some(_) if self.raft.raft.lead_transferee.is_none() => Err(Error::TimedOut),
            _ => return,
        };
        self.writes.moving = None;
        self.reply(id, result);
    }
}

/// Whether a request shows a password: it is compared as of now, like a read (etcd, `v3_server.go`).
fn is_login(request: &Request) -> bool {
    matches!(request, Request::Auth(AuthRequest::Authenticate { .. }))
}
