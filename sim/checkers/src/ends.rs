//! Leases as makers of revisions: one that ends, revoked or expired, deletes what hangs on it at one revision.
//!
//! That a lease expires is no client's operation. Here it is one: each grant comes with a revocation of unknown outcome,
//! by nobody, that may take effect at any time from then on, or never. Whether it came too early or too late is for the
//! judge of leases to say.

use crate::{
    case::{Op, Origin, Revoke, Status, Step},
    deed::{Fate, fate, tells_newest},
};
use std::collections::BTreeMap;
use whitewater_api::{Body, LeaseRequest, LeaseResponse, Process, Request, RequestId};
use whitewater_record::{History, Operation, SimTime};

/// The grants of one lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    /// Those that were acknowledged, by the revision in their headers.
    pub(crate) told: Vec<Grant>,
    /// Those that may have happened, at any revision from some on.
    pub(crate) open: Vec<Grant>,
    /// When it ended before the history begins.
    pub(crate) ended: Ended,
    /// Grants that are not in `told` any more.
    forgotten: usize,
}

/// One grant. It came at some revision from `low` to `high`: etcd reads the one of the header when it answers,
/// which may be after others have written (server/etcdserver/api/v3rpc/lease.go), and by then the lease may be in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grant {
    /// The revision in the header; the highest there is, if nobody told.
    pub(crate) high: u64,
    /// The highest revision that was told before it was asked for, by answers that tell the newest.
    pub(crate) low: u64,
    /// When it was asked for.
    pub(crate) asked: SimTime,
}

/// When a lease ended last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// At which revision; 0 for none.
    pub(crate) revision: u64,
    /// How often it has ended.
    pub(crate) times: usize,
}

/// The leases that keys may hang on, by id.
pub(crate) type Leases = BTreeMap<i64, Grants>;

impl Grants {
    /// Takes note of a grant that happened or may have, asked for when `floor` had been told. Nobody knows the id of one that
    /// the cluster should have picked.
    pub(crate) fn note(operation: &Operation, floor: u64) -> Option<(i64, Self)> {
        let Request::Lease(LeaseRequest::Grant { lease: asked, .. }) = &operation.request else {
            return None;
        };
        let mut grants = Self::default();
        let lease = match fate(operation) {
            Fate::Refused(_) => return None,
            Fate::Open => {
                grants.open.push(Grant { high: u64::MAX, low: floor, asked: operation.invoked });
                *asked
            }
            Fate::Done(response) => {
                let asked = operation.invoked;
                match response.header.revision.0 {
                    0 => grants.open.push(Grant { high: u64::MAX, low: floor, asked }),
                    high => grants.told.push(Grant { high, low: floor.min(high), asked }),
                }
                let Body::Lease(LeaseResponse::Grant { lease, .. }) = &response.body else {
                    return None;
                };
                *lease
            }
        };
        (lease.0 != 0).then_some((lease.0, grants))
    }

    /// Adds others of the same lease.
    pub(crate) fn join(&mut self, other: Self) {
        self.told.extend(other.told);
        self.told.sort_unstable();
        self.open.extend(other.open);
    }

    /// Whether one of them may have come at or after `low` and before `high`.
    pub(crate) fn has_between(&self, low: u64, high: u64) -> bool {
        let mut all = self.told.iter().chain(&self.open);
        all.any(|grant| grant.low < high && grant.high >= low)
    }

    /// Whether the lease can be there after it has ended so: it was granted once more, by a grant that may have come before
    /// `until`, or by one of unknown outcome that no end before needed.
    pub(crate) fn outnumber(&self, ended: Ended, until: u64) -> bool {
        let in_time = || self.told.iter().filter(|told| told.low < until);
        let open = self.open.iter().filter(|open| open.low < until).count();
        // Those of the revision of the end may have come before it, or after it.
        let before = in_time().filter(|told| told.low <= ended.revision).count();
        let needed = ended.times.saturating_sub(self.forgotten + before);
        let is_more = self.forgotten + in_time().count() + open > ended.times;
        is_more && (open > needed || in_time().any(|told| told.high >= ended.revision))
    }

    /// Whether it may be granted again after its end.
    pub(crate) fn is_renewable(&self) -> bool {
        self.told.len() + self.open.len() + self.forgotten > 1
    }

    /// Whether nobody is known to have asked for the lease: it may come from before the record.
    pub(crate) fn is_unasked(&self) -> bool {
        self.told.is_empty() && self.open.is_empty() && self.forgotten == 0
    }

    /// Forgets what came before an end.
    pub(crate) fn end(&mut self, revision: u64) {
        self.ended = Ended { revision, times: self.ended.times + 1 };
        let before = self.told.partition_point(|told| told.high < revision);
        self.forgotten += before;
        self.told.drain(..before);
    }
}

/// Finds the leases that keys may hang on, tells revocations of those keys, and adds the ends of leases that nobody asks
/// for to the operations.
pub(crate) fn add<'h>(history: &'h History, origin: &Origin, ops: &mut Vec<Op<'h>>) -> Leases {
    let mut attachable: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    let mut attach = |lease: i64, key: u32| {
        if lease != 0 {
            attachable.entry(lease).or_default().push(key);
        }
    };
    for (_, key, cell) in &origin.versions {
        attach(cell.map_or(0, |cell| cell.lease), *key);
    }
    for op in ops.iter().filter(|op| op.status != Status::Refused) {
        op.step.puts(&mut |put| attach(put.lease.unwrap_or_default(), put.key));
    }
    for op in ops.iter() {
        // Who has no lease names none, and is refused; nothing hangs on that.
        if let Step::Revoke(revoke) = &*op.step
            && revoke.lease != 0
        {
            attachable.entry(revoke.lease).or_default();
        }
    }
    if attachable.is_empty() {
        return Leases::new();
    }
    for keys in attachable.values_mut() {
        keys.sort_unstable();
        keys.dedup();
    }
    let mut leases: Leases = attachable
        .keys()
        .map(|lease| (*lease, origin.grants.get(lease).cloned().unwrap_or_default()))
        .collect();
    for (operation, floor) in grants_of(history) {
        if let Some((lease, grants)) = Grants::note(operation, floor)
            && let Some(known) = leases.get_mut(&lease)
        {
            known.join(grants);
        }
    }
    for op in ops.iter_mut() {
        if let Step::Revoke(revoke) = &mut *op.step {
            revoke.keys = attachable.get(&revoke.lease).cloned().unwrap_or_default();
            op.can_write = !revoke.keys.is_empty();
        }
    }
    for (lease, keys) in attachable {
        let Some(grants) = leases.get(&lease) else { continue };
        let asked = grants.told.iter().chain(&grants.open).map(|grant| grant.asked);
        let asked: Vec<SimTime> = asked.collect();
        // Nobody can tell that a lease ended on which nothing hung, unless it was granted again.
        if keys.is_empty() && asked.len() < 2 {
            continue;
        }
        let before = asked.is_empty().then_some(SimTime::ZERO);
        ops.extend(asked.into_iter().chain(before).map(|asked| expiry(lease, keys.clone(), asked)));
    }
    leases
}

/// The grants of a history, each with the highest revision that was told before it was asked for.
fn grants_of(history: &History) -> Vec<(&Operation, u64)> {
    let is_grant =
        |it: &&Operation| matches!(it.request, Request::Lease(LeaseRequest::Grant { .. }));
    let mut grants: Vec<&Operation> = history.operations.iter().filter(is_grant).collect();
    if grants.is_empty() {
        return Vec::new();
    }
    grants.sort_by_key(|grant| grant.invoked);
    let answer = |operation: &Operation| match fate(operation) {
        Fate::Done(response) if tells_newest(&operation.request) => {
            Some((operation.completed, response.header.revision.0))
        }
        Fate::Done(_) | Fate::Open | Fate::Refused(_) => None,
    };
    let mut answers: Vec<(SimTime, u64)> = history.operations.iter().filter_map(answer).collect();
    answers.sort_unstable();
    let (mut answers, mut floor) = (answers.into_iter().peekable(), 0);
    let with_floor = grants.into_iter().map(|grant| {
        while let Some((_, revision)) = answers.next_if(|(at, _)| *at < grant.invoked) {
            floor = floor.max(revision);
        }
        (grant, floor)
    });
    with_floor.collect()
}

/// The end of a lease, at some time from `asked` on.
fn expiry<'h>(lease: i64, keys: Vec<u32>, asked: SimTime) -> Op<'h> {
    Op {
        id: RequestId { process: Process(u32::MAX), sequence: 0 },
        invoked: asked,
        completed: SimTime::NEVER,
        status: Status::Unknown,
        revision: 0,
        tells: false,
        has_effect: false,
        can_write: !keys.is_empty(),
        is_serializable: false,
        is_of_past: false,
        step: Box::new(Step::Revoke(Revoke { lease, keys })),
    }
}
