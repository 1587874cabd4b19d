//! The store and its door: [`Store::apply`] for what comes out of the log, [`Store::read`] for what need not go in.
//!
//! Invariants, checked by [`Store::check_invariants`]:
//!
//! - A request that writes makes exactly one revision; any other leaves the revision as it is (etcd, `mvcc/kvstore_txn.go`).
//! - A request that is refused leaves nothing behind (etcd #14110, #18749).
//! - An answer depends on the requests applied so far, never on physical compaction or open views (etcd #18667).
//! - Reads at or above the compaction revision find all that was there.

use crate::{
    alarm::Alarms,
    auth::Auth,
    check,
    count::Stretches,
    history::{History, Version},
    journal::Journal,
    lease::{FormerLeases, Leases},
    tally::Tally,
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};
use whitewater_api::{
    AlarmAction, Body, Error, Identity, Key, LeaseId, LeaseRequest, LeaseResponse,
    MaintenanceRequest, MaintenanceResponse, Request, Revision,
    request::{DeleteRangeRequest, PutRequest},
    response::{DeleteRangeResponse, PutResponse},
};
use whitewater_mutation::{Mutation, Mutations};

/// A multi-version key-value store.
///
/// A plain ordered map from key to history: since every version knows its revision, a consistent view of the past is
/// two numbers (see [`crate::View`]), and no persistent map is needed.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) keys: BTreeMap<Key, History>,
    /// How many of them there are, and where.
    pub(crate) stretches: Stretches,
    pub(crate) journal: Journal,
    pub(crate) leases: Leases,
    /// Shared with the views that are open.
    pub(crate) auth: Arc<Auth>,
    /// The alarms that are raised.
    pub(crate) alarms: Alarms,
    /// The most bytes that were held since the last defragmentation. Of this replica alone.
    /// Invariant: `bytes() <= peak` between requests.
    pub(crate) peak: u64,
    /// The newest revision. Never decreases.
    pub(crate) revision: Revision,
    /// Reads below this are refused; zero before the first compaction.
    /// Invariant: `compacted <= revision`; never decreases.
    pub(crate) compacted: Revision,
    /// Physical compaction has removed nothing that a read at or above this revision needs.
    /// Invariant: `scrubbed <= compacted`; never decreases.
    pub(crate) scrubbed: Revision,
    /// How many changes of the revision `compacted` physical compaction has visited. They stay in the journal.
    pub(crate) scrubbed_changes: usize,
    /// The views that are open, with what leases were to each. While there are any, physical compaction waits.
    pub(crate) views: BTreeMap<u64, FormerLeases>,
    /// How many views were ever opened: the id of the next one.
    pub(crate) views_opened: u64,
    /// Of this replica alone.
    pub(crate) tally: Tally,
    pub(crate) mutations: Mutations,
}

impl Store {
    /// An empty store, at revision 1.
    #[must_use]
    pub fn new(mutations: Mutations) -> Self {
        Self {
            keys: BTreeMap::new(),
            stretches: Stretches::new(),
            journal: Journal::new(),
            leases: Leases::default(),
            auth: Arc::default(),
            alarms: Alarms::new(),
            peak: 0,
            revision: Revision::FIRST,
            compacted: Revision(0),
            scrubbed: Revision(0),
            scrubbed_changes: 0,
            views: BTreeMap::new(),
            views_opened: 0,
            tally: Tally::default(),
            mutations,
        }
    }

    /// Whether a request is well formed, whatever the state: to be asked before it goes into the log.
    pub fn check(request: &Request, txn_ops_max: u64) -> Result<(), Error> {
        check::request(request, txn_ops_max)
    }

    /// Carries out a request for somebody, or for nobody, if it is permitted now, whatever was permitted when it was
    /// admitted.
    ///
    /// # Panics
    ///
    /// As [`Store::apply`].
    pub fn apply_for(&mut self, who: Option<&Identity>, request: &Request) -> Result<Body, Error> {
        if !self.mutations.has(Mutation::AuthOnlyAtAdmission) {
            self.permit(who, request)?;
        }
        assert_eq!(self.journal.pending, 0, "a request starts with changes pending");
        self.check_alarms(request)?;
        let outcome = self.carry_out(request);
        if let Ok(body) = &outcome {
            self.tally.note(request, body);
        }
        self.note_peak();
        outcome
    }

    /// Carries out a request for nobody. A refusal has no effect at all, and is the same on every replica.
    ///
    /// # Panics
    ///
    /// On requests that are not the store's: changes of the membership or leadership, and what only a leader's clock can
    /// say about leases. On a grant without an id, or with a time that no lease may have: both are settled before the log.
    pub fn apply(&mut self, request: &Request) -> Result<Body, Error> {
        self.apply_for(None, request)
    }

    fn carry_out(&mut self, request: &Request) -> Result<Body, Error> {
        match request {
            Request::Put(put) => {
                // Alone, a put looks for its lease before it looks for its key; in a transaction it is the other way.
                check_lease(put, &self.leases)?;
                let response = self.put(put)?;
                self.commit();
                Ok(Body::Put(response))
            }
            Request::Range(range) => self.range(range, self.compacted).map(Body::Range),
            Request::DeleteRange(delete) => {
                let response = self.delete_range(delete);
                self.commit();
                Ok(Body::DeleteRange(response))
            }
            Request::Txn(txn) => self.transact(txn).map(Body::Txn),
            Request::Compact(compact) => self.compact(compact.revision).map(|()| Body::Compact),
            Request::Lease(LeaseRequest::Grant { lease, ttl }) => {
                self.grant(*lease, *ttl)?;
                Ok(Body::Lease(LeaseResponse::Grant { lease: *lease, ttl: *ttl }))
            }
            Request::Lease(LeaseRequest::Revoke(lease)) => {
                self.revoke(*lease)?;
                Ok(Body::Lease(LeaseResponse::Revoke))
            }
            Request::Auth(auth) => self.change_auth(auth).map(Body::Auth),
            Request::Maintenance(MaintenanceRequest::Alarm { action, member, alarm }) => {
                let alarms = self.alarm(*action, *member, *alarm);
                Ok(Body::Maintenance(MaintenanceResponse::Alarm(alarms)))
            }
            Request::Lease(
                LeaseRequest::KeepAlive(_) | LeaseRequest::TimeToLive { .. } | LeaseRequest::List,
            )
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Cluster(_) => {
                panic!("not the store's: {request}")
            }
        }
    }

    /// Answers a request that cannot write for nobody: a range, a transaction of nothing else, or a question about
    /// alarms, users or roles.
    ///
    /// # Panics
    ///
    /// On requests that can write.
    pub fn read(&self, request: &Request) -> Result<Body, Error> {
        self.read_for(None, request)
    }

    /// The same for somebody, if it is permitted now.
    ///
    /// # Panics
    ///
    /// On requests that can write.
    pub fn read_for(&self, who: Option<&Identity>, request: &Request) -> Result<Body, Error> {
        self.permit(who, request)?;
        self.check_alarms(request)?;
        match request {
            Request::Range(range) => self.range(range, self.compacted).map(Body::Range),
            Request::Txn(txn) => self.read_txn(txn).map(Body::Txn),
            Request::Maintenance(request) => Ok(Body::Maintenance(self.maintain(*request))),
            Request::Auth(auth) => self.auth.read(auth).map(Body::Auth),
            Request::Put(_)
            | Request::DeleteRange(_)
            | Request::Compact(_)
            | Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Cluster(_) => panic!("not a read: {request}"),
        }
    }

    /// What an operator asks of the store alone.
    fn maintain(&self, request: MaintenanceRequest) -> MaintenanceResponse {
        match request {
            MaintenanceRequest::Alarm { action: AlarmAction::Get, alarm, .. } => {
                let shown = self.alarms().filter(|raised| alarm.is_none_or(|a| a == raised.alarm));
                MaintenanceResponse::Alarm(shown.collect())
            }
            MaintenanceRequest::Status
            | MaintenanceRequest::Hash
            | MaintenanceRequest::HashKv { .. }
            | MaintenanceRequest::Backup { .. }
            | MaintenanceRequest::Alarm { .. }
            | MaintenanceRequest::Defragment
            | MaintenanceRequest::CheckCorruption => panic!("not the store's: {request}"),
        }
    }

    /// What was carried out here.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// The newest revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The oldest revision that can be read; zero before the first compaction.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.compacted
    }

    /// A rolling hash over every effect so far: equal on replicas that have applied the same requests. Costs nothing to
    /// ask for. Snapshots carry it on.
    #[must_use]
    pub fn chain(&self) -> u64 {
        self.journal.chain.value()
    }

    /// Roughly the bytes of everything held, history and what physical compaction has yet to take included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.journal.bytes + self.leases.bytes() + self.auth.bytes()
    }

    /// The most bytes that were held since the last defragmentation: what the allocator was asked for and keeps.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak
    }

    pub(crate) fn note_peak(&mut self) {
        self.peak = self.peak.max(self.bytes());
    }

    /// Makes what was written a revision.
    pub(crate) fn commit(&mut self) {
        if self.journal.pending > 0 {
            self.journal.pending = 0;
            self.revision = self.revision.next();
        }
    }

    /// Writes a key, as part of the revision in the making. Key and value share the request's buffers: who decodes
    /// requests in place from something large should copy them first.
    pub(crate) fn put(&mut self, put: &PutRequest) -> Result<PutResponse, Error> {
        let place = (self.revision.next(), self.journal.pending);
        match self.keys.entry(put.key.clone()) {
            Entry::Vacant(entry) => {
                let version = next_version(put, None, place, &self.leases)?;
                self.leases.relink(entry.key(), LeaseId::NONE, version.lease);
                self.journal.record(entry.key().clone(), &version);
                let is_full = self.stretches.on_new(entry.key());
                entry.insert(History::new(version));
                self.cut_stretch(&put.key, is_full);
                Ok(PutResponse::default())
            }
            Entry::Occupied(mut entry) => {
                // The map's own copy of the key, so that the request's can go.
                let key = entry.key().clone();
                let history = entry.get_mut();
                let mut version = next_version(put, history.live(), place, &self.leases)?;
                if self.mutations.has(Mutation::VersionNotReset) && history.live().is_none() {
                    version.version += history.before_newest().map_or(0, |former| former.version);
                }
                let prev_kv =
                    history.live().filter(|_| put.prev_kv).map(|previous| previous.key_value(&key));
                let former = history.live().map_or(LeaseId::NONE, |version| version.lease);
                let forgets = self.mutations.has(Mutation::LeaseDetachForgotten)
                    && version.lease == LeaseId::NONE;
                if !forgets {
                    self.leases.relink(&key, former, version.lease);
                }
                if history.live().is_none() {
                    self.stretches.on_put_again(&key);
                }
                self.journal.record(key, &version);
                history.push(version);
                Ok(PutResponse { prev_kv })
            }
        }
    }

    /// Deletes keys, as part of the revision in the making.
    pub(crate) fn delete_range(&mut self, delete: &DeleteRangeRequest) -> DeleteRangeResponse {
        let mut response = DeleteRangeResponse::default();
        let revision = self.revision.next();
        let Some(bounds) = crate::range::bounds(&delete.range) else { return response };
        for (key, history) in self.keys.range_mut::<Key, _>(bounds) {
            let Some(previous) = history.live() else { continue };
            response.deleted += 1;
            if delete.prev_kv {
                response.prev_kvs.push(previous.key_value(key));
            }
            self.leases.relink(key, previous.lease, LeaseId::NONE);
            self.stretches.on_deleted(key);
            let tombstone = Version::tombstone(revision, self.journal.pending);
            self.journal.record(key.clone(), &tombstone);
            history.push(tombstone);
        }
        response
    }

    /// Makes a restored store that of a new cluster: so many revisions are left out, and everything before may count as
    /// compacted (etcd, `etcdutl/snapshot/v3_snapshot.go`).
    pub fn start_anew(&mut self, revision_bump: u64, mark_compacted: bool) {
        if revision_bump == 0 {
            return;
        }
        self.revision.0 = self.revision.0.saturating_add(revision_bump);
        self.journal.record_bump(revision_bump);
        if mark_compacted {
            self.compact(self.revision).expect("it is the newest, and above the last compaction");
        }
    }

    /// The keys with their history, without what would change them or keep somebody from them: leases, users and alarms.
    #[must_use]
    pub fn keys_alone(mut self) -> Self {
        self.keys.values_mut().flat_map(History::iter_mut).for_each(|it| it.lease = LeaseId::NONE);
        (self.leases, self.auth, self.alarms) = (Leases::default(), Arc::default(), Alarms::new());
        self
    }

    /// Forgets what was before `revision`. Only moves the limit: [`Store::scrub`] frees the space, step by step.
    pub fn compact(&mut self, revision: Revision) -> Result<(), Error> {
        if revision > self.revision {
            return Err(Error::FutureRevision { current: self.revision });
        }
        if revision <= self.compacted {
            return Err(Error::Compacted { compacted: self.compacted });
        }
        self.compacted = revision;
        self.scrubbed_changes = 0;
        self.journal.record_compaction(revision);
        Ok(())
    }
}

/// What a put makes of the version before it, if there is a live one.
fn next_version(
    put: &PutRequest,
    previous: Option<&Version>,
    (revision, sub): (Revision, u32),
    leases: &Leases,
) -> Result<Version, Error> {
    if previous.is_none() && (put.ignore_value || put.ignore_lease) {
        return Err(Error::KeyNotFound);
    }
    check_lease(put, leases)?;
    let kept_value = previous.filter(|_| put.ignore_value).map(|version| &version.value);
    let kept_lease = previous.filter(|_| put.ignore_lease).map(|version| version.lease);
    Ok(Version {
        value: kept_value.unwrap_or(&put.value).clone(),
        created: previous.map_or(revision, |version| version.created),
        modified: revision,
        sub,
        version: previous.map_or(0, |version| version.version) + 1,
        lease: kept_lease.unwrap_or(put.lease),
    })
}

fn check_lease(put: &PutRequest, leases: &Leases) -> Result<(), Error> {
    if put.lease == LeaseId::NONE || leases.get(put.lease).is_some() {
        Ok(())
    } else {
        Err(Error::LeaseNotFound)
    }
}

#[cfg(test)]
mod tests;
