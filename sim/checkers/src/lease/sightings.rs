//! What is seen of keys that hang on leases, and what is missed.

use super::{Review, absences::Reads};
use crate::{
    case::Case,
    chronicle::{Act, Change, Chronicle, Source},
    deed::{Fate, fate},
    ruling::{Anomaly, Ruling},
};
use std::collections::BTreeMap;
use whitewater_api::{
    Body, KeyValue, LeaseId, Request, Revision,
    request::{RangeRequest, TxnOp, TxnRequest},
    response::{RangeResponse, TxnOpResponse, TxnResponse},
};
use whitewater_record::{Operation, SimTime};

/// Which revisions real time leaves to an operation, by acknowledged writes.
pub(super) struct Windows {
    /// By completion: the newest revision that was made by then.
    floors: Vec<(SimTime, u64)>,
    /// By invocation: the newest revision whose write was asked for by then.
    ceilings: Vec<(SimTime, u64)>,
}

impl Windows {
    pub(super) fn new(case: &Case, chronicle: &Chronicle) -> Self {
        let newest = |of: fn(&Operation) -> SimTime| {
            let at = |act: &Act| of(&case.history.operations[act.operation as usize]);
            let acts = chronicle.acts.iter().map(|act| (at(act), act.revision));
            let mut acts: Vec<(SimTime, u64)> = acts.collect();
            acts.sort_unstable();
            let mut newest = 1;
            for (_, revision) in &mut acts {
                newest = newest.max(*revision);
                *revision = newest;
            }
            acts
        };
        Self { floors: newest(|op| op.completed), ceilings: newest(|op| op.invoked) }
    }

    pub(super) fn of(&self, operation: &Operation) -> [u64; 2] {
        let newest = |of: &[(SimTime, u64)], end: usize| of[..end].last().map_or(1, |(_, r)| *r);
        let floor = self.floors.partition_point(|(at, _)| *at < operation.invoked);
        let ceiling = self.ceilings.partition_point(|(at, _)| *at <= operation.completed);
        let floor = newest(&self.floors, floor);
        [floor, newest(&self.ceilings, ceiling).max(floor)]
    }
}

/// The keys that were ever attached to each lease, as far as is known.
pub(super) fn attached(chronicle: &Chronicle) -> BTreeMap<LeaseId, Vec<u32>> {
    let mut attached: BTreeMap<LeaseId, Vec<u32>> = BTreeMap::new();
    for (key, chain) in (0..).zip(&chronicle.chains) {
        for lease in chain.iter().filter_map(|change| change.lease) {
            let keys = attached.entry(lease).or_default();
            if lease != LeaseId::NONE && keys.last() != Some(&key) {
                keys.push(key);
            }
        }
    }
    attached
}

impl<'h> Review<'_, 'h> {
    /// Whether the key can have hung on the lease at some revision of the window.
    pub(super) fn may_hang(&self, key: u32, lease: LeaseId, [floor, ceiling]: [u64; 2]) -> bool {
        let hangs = |change: &Change| change.is_put && change.lease.is_none_or(|is| is == lease);
        let before = self.chronicle.last(key, floor);
        self.chronicle.open[key as usize]
            || before.is_some_and(hangs)
            || self.chronicle.between(key, floor + 1, ceiling).iter().any(hangs)
    }

    /// Whether it hung on it at all of them.
    pub(super) fn must_hang(&self, key: u32, lease: LeaseId, [floor, ceiling]: [u64; 2]) -> bool {
        let Some(change) = self.chronicle.last(key, floor) else { return false };
        let later = self.chronicle.between(key, change.revision + 1, u64::MAX);
        change.is_put
            && change.lease == Some(lease)
            && !self.chronicle.open[key as usize]
            && !self.chronicle.is_wiped(key, change.revision, ceiling)
            && later.iter().all(|later| {
                later.revision > ceiling && matches!(later.source, Source::Operation(_))
            })
    }

    /// When leases took keys with them: by answers to revocations, and by watches.
    pub(super) fn revocations(&mut self) -> Result<(), Ruling> {
        for (lease, life) in &self.lives.by_id {
            if let Some((revision, operation)) = life.revoked.filter(|_| !life.is_reused()) {
                let who = self.case.operation(operation);
                self.ends.insert(*lease, (revision, who));
            }
        }
        for (key, chain) in (0..).zip(&self.chronicle.chains) {
            if self.chronicle.open[key as usize] {
                continue;
            }
            for pair in chain.windows(2) {
                let [before, change] = pair else { continue };
                if let Some(lease) = self.taken(key, before, change) {
                    self.vanished(key, lease, change)?;
                }
            }
        }
        Ok(())
    }

    /// The lease that took a key with it, if that is what happened.
    fn taken(&self, key: u32, before: &Change, change: &Change) -> Option<LeaseId> {
        let lease = before.lease.filter(|lease| before.is_put && *lease != LeaseId::NONE)?;
        let is_told = matches!(change.source, Source::Told(_)) && !change.is_put;
        let is_free = self.chronicle.acts_at(change.revision).is_empty()
            && !self.chronicle.is_wiped(key, before.revision, change.revision);
        (is_told && is_free && self.lives.known(lease).is_some()).then_some(lease)
    }

    /// A watch told that a key vanished, and only its lease can have taken it.
    fn vanished(&mut self, key: u32, lease: LeaseId, change: &Change) -> Result<(), Ruling> {
        let Source::Told(number) = change.source else { return Ok(()) };
        let told = &self.streams.told[number as usize];
        let at = self.case.history.watches[told.row as usize].at;
        let name = self.keys.key(key);
        let revision = change.revision;
        self.checked.evaluations += 1;
        self.gone(lease, SimTime::NEVER, at, || {
            (
                None,
                format!(
                    "at {at} a watch was told that {name} vanished at {} with its lease",
                    Revision(revision)
                ),
            )
        })
        .map_err(|ruling| in_row(self.case, ruling, told.row))?;
        let who = format!("{name}, as a watch was told");
        let (end, first) = self.ends.entry(lease).or_insert_with(|| (revision, who.clone()));
        if *end == revision {
            return Ok(());
        }
        let sentence = format!(
            "the keys of {lease} vanished at two revisions: at {} by {first}, and at {} {who}",
            Revision(*end),
            Revision(revision)
        );
        Err(in_row(self.case, self.case.broken("split-revocation", sentence, &[]), told.row))
    }

    /// All keys in answers and events.
    pub(super) fn sightings(&mut self) -> Result<(), Ruling> {
        for (number, operation) in (0..).zip(&self.case.history.operations) {
            let Fate::Done(response) = fate(operation) else { continue };
            let header = response.header.revision.0;
            match (&operation.request, &response.body) {
                (Request::Range(request), Body::Range(answer)) => {
                    self.range(number, operation, request, answer, header)?;
                }
                (Request::Txn(request), Body::Txn(answer)) => {
                    self.txn(number, operation, request, answer, header)?;
                }
                (request, body) => self.before(number, request, body)?,
            }
        }
        self.absences(&Reads::new(self.case, self.keys))?;
        self.attachments()
    }

    /// What was there before a write hung on what its last put named.
    fn before(&mut self, number: u32, request: &Request, body: &Body) -> Result<(), Ruling> {
        let kvs = match (request, body) {
            (Request::Put(_), Body::Put(answer)) => answer.prev_kv.as_slice(),
            (Request::DeleteRange(_), Body::DeleteRange(answer)) => &answer.prev_kvs,
            (
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
                | Request::Cluster(_),
                _,
            ) => &[],
        };
        kvs.iter().try_for_each(|kv| self.attachment(number, kv))
    }

    fn txn(
        &mut self,
        number: u32,
        operation: &'h Operation,
        request: &'h TxnRequest,
        answer: &'h TxnResponse,
        header: u64,
    ) -> Result<(), Ruling> {
        let branch = if answer.succeeded { &request.success } else { &request.failure };
        for (op, response) in branch.iter().zip(&answer.responses) {
            match (op, response) {
                (TxnOp::Range(request), TxnOpResponse::Range(answer)) => {
                    for kv in &answer.kvs {
                        self.seen(number, operation, request, kv, header)?;
                    }
                }
                (TxnOp::Txn(request), TxnOpResponse::Txn(answer)) => {
                    self.txn(number, operation, request, answer, header)?;
                }
                (TxnOp::Put(_) | TxnOp::Range(_) | TxnOp::DeleteRange(_) | TxnOp::Txn(_), _) => {}
            }
        }
        Ok(())
    }

    fn range(
        &mut self,
        number: u32,
        operation: &'h Operation,
        request: &'h RangeRequest,
        answer: &'h RangeResponse,
        header: u64,
    ) -> Result<(), Ruling> {
        for kv in &answer.kvs {
            self.seen(number, operation, request, kv, header)?;
        }
        Ok(())
    }

    fn attachment(&mut self, number: u32, kv: &KeyValue) -> Result<(), Ruling> {
        let Some((_, change)) = self.chronicle.change(self.keys.number(&kv.key), kv.mod_revision.0)
        else {
            return Ok(());
        };
        let Some(lease) = change.lease.filter(|_| change.is_put) else { return Ok(()) };
        if lease == kv.lease {
            return Ok(());
        }
        let what = format!(
            "saw {} of {} on {}, but it was put there on {lease}",
            kv.key, kv.mod_revision, kv.lease
        );
        Err(self.object("wrong-attachment", number, &what))
    }

    /// A read shows a key.
    fn seen(
        &mut self,
        number: u32,
        operation: &Operation,
        request: &RangeRequest,
        kv: &KeyValue,
        header: u64,
    ) -> Result<(), Ruling> {
        self.attachment(number, kv)?;
        if kv.lease == LeaseId::NONE {
            return Ok(());
        }
        self.checked.evaluations += 1;
        let Some(life) = self.lives.known(kv.lease) else { return Ok(()) };
        self.checked.discriminating += 1;
        let is_now = request.revision == Revision::LATEST;
        let state = if is_now { header } else { request.revision.0 };
        if let Some((end, who)) = self.ends.get(&kv.lease).filter(|(end, _)| *end <= state) {
            let what = format!(
                "saw {} on {} at {}, but that lease had ended at {}: {who}",
                kv.key,
                kv.lease,
                Revision(state),
                Revision(*end)
            );
            return Err(self.object("outlived", number, &what));
        }
        let latest = self.lives.latest(life, operation, u32::MAX);
        if is_now && !request.serializable && latest.is_some_and(|end| end < operation.invoked) {
            let end = latest.unwrap_or_default();
            let what = format!("saw {} on {}, which must have ended by {end}", kv.key, kv.lease);
            return Err(self.object("late-expiry", number, &what));
        }
        Ok(())
    }

    /// Keys are attached only to leases that are there.
    fn attachments(&mut self) -> Result<(), Ruling> {
        for (key, chain) in (0..).zip(&self.chronicle.chains) {
            for change in chain {
                let lease = change.lease.unwrap_or_default();
                if lease != LeaseId::NONE {
                    self.checked.evaluations += 1;
                    self.attached_to(key, lease, change)?;
                }
            }
        }
        Ok(())
    }

    fn attached_to(&self, key: u32, lease: LeaseId, change: &Change) -> Result<(), Ruling> {
        let (row, who, operation) = match change.source {
            Source::Operation(operation) => (None, self.case.operation(operation), Some(operation)),
            Source::Told(number) => {
                let row = self.streams.told[number as usize].row;
                let at = self.case.history.watches[row as usize].at;
                (Some(row), format!("at {at} a watch was told of a put that"), None)
            }
        };
        let object = |code: &str, why: String| {
            let (key, revision) = (self.keys.key(key), Revision(change.revision));
            let sentence = format!("{who} attached {key} to {lease} at {revision}, but {why}");
            let operations: Vec<u32> = operation.into_iter().collect();
            let ruling = self.case.broken(code, sentence, &operations);
            Err(match row {
                Some(row) => in_row(self.case, ruling, row),
                None => ruling,
            })
        };
        let life = self.lives.by_id.get(&lease);
        let is_made = self.lives.has_open_grant || life.is_some_and(|life| !life.grants.is_empty());
        if !is_made {
            return object("attached-to-nothing", "nobody has made that lease".to_owned());
        }
        match self.ends.get(&lease) {
            Some((end, by)) if *end < change.revision => {
                object("attached-after-end", format!("it had ended at {}: {by}", Revision(*end)))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether an answer shows all keys of its range.
pub(crate) fn is_complete(request: &RangeRequest, answer: &RangeResponse) -> bool {
    !answer.more
        && request.sort.is_none()
        && !request.count_only
        && request.min_mod_revision.0 == 0
        && request.max_mod_revision.0 == 0
        && request.min_create_revision.0 == 0
        && request.max_create_revision.0 == 0
}

/// The anomaly was seen in this row.
fn in_row(case: &Case, ruling: Ruling, row: u32) -> Ruling {
    let at = case.history.watches[row as usize].at;
    match ruling {
        Ruling::Broken(anomaly) => {
            Ruling::Broken(Anomaly { at, rows: vec![row as usize], ..anomaly })
        }
        Ruling::Holds | Ruling::Undecided(_) | Ruling::NotApplicable(_) | Ruling::Withheld(_) => {
            ruling
        }
    }
}
