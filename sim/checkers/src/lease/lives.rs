//! What is known about each lease: when it was granted, prolonged and revoked, or may have been.

use crate::{
    deed::{Fate, fate},
    limits::LeaseBound,
};
use std::collections::BTreeMap;
use whitewater_api::{
    AuthRequest, Body, Error, LeaseId, LeaseRequest, LeaseResponse, Request, Term,
};
use whitewater_record::{History, Operation, SimTime, Span};

/// One lease.
#[derive(Default)]
pub(crate) struct Life {
    /// Grants of this id that happened or may have.
    pub(crate) grants: Vec<u32>,
    /// The acknowledged grant: the operation, and the time to live in seconds.
    pub(crate) granted: Option<(u32, i64)>,
    /// Acknowledged grants and keep-alives, in the order of the record.
    pub(crate) renewals: Vec<Renewal>,
    /// A keep-alive of unknown outcome may have prolonged it at any time.
    pub(crate) has_open_renewal: bool,
    /// Acknowledged revocations: the revision in the header, and the operation.
    pub(crate) revoked: Option<(u64, u32)>,
    /// The earliest invocation of a revocation that happened or may have.
    pub(crate) revocable: Option<SimTime>,
}

/// The time to live began anew at some moment between these.
#[derive(Clone, Copy)]
pub(crate) struct Renewal {
    pub(crate) operation: u32,
    pub(crate) invoked: SimTime,
    pub(crate) completed: SimTime,
    pub(crate) ttl: i64,
    /// Of who answered.
    term: Term,
}

/// All leases of a history.
pub(crate) struct Lives {
    pub(crate) by_id: BTreeMap<LeaseId, Life>,
    /// A grant of unknown outcome may have made a lease of any id.
    pub(crate) has_open_grant: bool,
    /// By term: when somebody was first told something by the clock of its leader, which counted from then on.
    offices: BTreeMap<Term, SimTime>,
    bound: LeaseBound,
}

impl Life {
    /// The id was granted twice, perhaps: two leases that cannot be told apart.
    pub(crate) fn is_reused(&self) -> bool {
        self.grants.len() > 1
    }

    /// Nobody can have revoked it before `at`.
    pub(crate) fn is_unrevoked(&self, at: SimTime) -> bool {
        self.revocable.is_none_or(|revocable| revocable > at)
    }
}

impl Lives {
    /// Collects them.
    pub(crate) fn new(history: &History, bound: LeaseBound) -> Self {
        let (by_id, offices) = (BTreeMap::new(), BTreeMap::new());
        let mut lives = Self { by_id, has_open_grant: false, offices, bound };
        let enabled: Vec<(SimTime, SimTime)> =
            history.operations.iter().filter_map(enabling).collect();
        let may_renew = |told: &Operation, error: &Error| {
            let mut meanwhile = enabled.iter();
            *error == Error::TooManyRequests
                || meanwhile.any(|(from, to)| *from <= told.completed && *to >= told.invoked)
        };
        // What a backup holds was answered by another cluster, which counted terms of its own.
        let founded = history.epochs.last().map_or(SimTime::ZERO, |epoch| epoch.at);
        for (operation, told) in (0..).zip(&history.operations) {
            let Request::Lease(request) = &told.request else { continue };
            let body = match fate(told) {
                // The time began anew when it was asked, and then there was no room in the log, or somebody asked who it was.
                Fate::Refused(error) if is_keep_alive(request) && may_renew(told, error) => None,
                Fate::Refused(_) => continue,
                Fate::Open => None,
                Fate::Done(response) => Some(&response.body),
            };
            let (invoked, completed) = (told.invoked, told.completed);
            let term = if invoked < founded { Term::default() } else { term(told) };
            if body.is_some() && term != Term::default() && is_by_clock(request) {
                let since = lives.offices.entry(term).or_insert(completed);
                *since = completed.min(*since);
            }
            let renewal = |ttl| Renewal { operation, invoked, completed, ttl, term };
            match (request, body) {
                (LeaseRequest::Grant { lease: LeaseId::NONE, .. }, None) => {
                    lives.has_open_grant = true;
                }
                (LeaseRequest::Grant { lease, .. }, None) => {
                    lives.life(*lease).grants.push(operation);
                }
                (
                    LeaseRequest::Grant { .. },
                    Some(Body::Lease(LeaseResponse::Grant { lease, ttl })),
                ) => {
                    let life = lives.life(*lease);
                    life.grants.push(operation);
                    life.granted.get_or_insert((operation, *ttl));
                    life.renewals.push(renewal(*ttl));
                }
                (LeaseRequest::KeepAlive(lease), None) => {
                    lives.life(*lease).has_open_renewal = true;
                }
                (
                    LeaseRequest::KeepAlive(lease),
                    Some(Body::Lease(LeaseResponse::KeepAlive { ttl, .. })),
                ) if *ttl > 0 => lives.life(*lease).renewals.push(renewal(*ttl)),
                (LeaseRequest::Revoke(lease), body) => {
                    let life = lives.life(*lease);
                    let revocable = life.revocable.unwrap_or(SimTime::NEVER).min(invoked);
                    life.revocable = Some(revocable);
                    if body.is_some()
                        && let Fate::Done(response) = fate(told)
                    {
                        life.revoked.get_or_insert((response.header.revision.0, operation));
                    }
                }
                (
                    LeaseRequest::Grant { .. }
                    | LeaseRequest::KeepAlive(_)
                    | LeaseRequest::TimeToLive { .. }
                    | LeaseRequest::List,
                    _,
                ) => {}
            }
        }
        lives
    }

    fn life(&mut self, lease: LeaseId) -> &mut Life {
        self.by_id.entry(lease).or_default()
    }

    /// What is known about a lease that can be told apart from others of its id.
    pub(crate) fn known(&self, lease: LeaseId) -> Option<&Life> {
        self.by_id.get(&lease).filter(|life| life.granted.is_some() && !life.is_reused())
    }

    /// Until when the lease must live, if nobody revokes it, and the renewal that says so.
    pub(crate) fn deadline(&self, life: &Life) -> Option<(SimTime, Renewal)> {
        let end = |renewal: &Renewal| renewal.invoked + self.shortest(renewal.ttl);
        let ends = life.renewals.iter().map(|renewal| (end(renewal), *renewal));
        ends.max_by_key(|(end, _)| *end)
    }

    /// When the lease must have ended, by all renewals asked for before `asked` but this one, if that can be said.
    ///
    /// A new leader begins the time of all leases anew, and how many there were nobody tells. But if `asked` was answered in
    /// the term of a renewal, the same leader was in office all the time between, and what was renewed in other terms is
    /// of no account: to that leader it was known when it took office.
    pub(crate) fn latest(&self, life: &Life, asked: &Operation, but: u32) -> Option<SimTime> {
        if life.has_open_renewal {
            return None;
        }
        let others = life.renewals.iter();
        let others = others.filter(|r| r.operation != but && r.invoked <= asked.invoked);
        let end = |renewal: &Renewal| renewal.completed + self.longest(renewal.ttl);
        let term = term(asked);
        let steady = others.clone().filter(|r| r.term == term && term != Term::default()).map(end);
        let steady = steady.max().map(|end| end + self.bound.steady);
        steady.or_else(|| others.map(end).max().map(|end| end + self.bound.slack))
    }

    /// When the clock of the leader that answered `asked` runs out at the latest, unless somebody has asked to keep the lease
    /// alive since then, if that can be said: it began anew in this office, or when this office began, with an extension.
    pub(crate) fn office_end(&self, life: &Life, asked: &Operation) -> Option<SimTime> {
        let (_, granted) = life.granted.filter(|_| !life.has_open_renewal)?;
        let term = term(asked);
        let since = self.offices.get(&term).copied()?;
        let whole = self.longest(granted.saturating_add(self.extension()).saturating_add(1));
        let renewals = life.renewals.iter();
        let own = renewals.filter(|r| r.term >= term && r.invoked <= asked.completed);
        let ends = own.map(|renewal| renewal.completed + self.longest(renewal.ttl));
        ends.chain([since + whole]).max()
    }

    /// The least true time in which a clock can show so many seconds.
    pub(crate) fn shortest(&self, seconds: i64) -> Span {
        scaled(seconds, 1_000_000 + u64::from(self.bound.drift_ppm))
    }

    /// The most.
    fn longest(&self, seconds: i64) -> Span {
        scaled(seconds, 1_000_000_u64.saturating_sub(u64::from(self.bound.drift_ppm)).max(1))
    }

    /// The most seconds that a clock can show to have gone by.
    pub(crate) fn elapsed(&self, span: Span) -> i64 {
        let rate = 1_000_000 + u128::from(self.bound.drift_ppm);
        let seconds = u128::from(span.0) * rate / 1_000_000_000_000_000;
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }

    /// By how many seconds more than granted a lease may have to live.
    pub(crate) fn extension(&self) -> i64 {
        i64::try_from(self.bound.extension.0 / 1_000_000_000).unwrap_or(i64::MAX)
    }
}

/// When authentication may have been enabled, if an operation may have done that.
fn enabling(operation: &Operation) -> Option<(SimTime, SimTime)> {
    let is_it = matches!(operation.request, Request::Auth(AuthRequest::Enable));
    let (invoked, completed) = (operation.invoked, operation.completed);
    match fate(operation) {
        Fate::Done(_) if is_it => Some((invoked, completed)),
        Fate::Open if is_it => Some((invoked, SimTime::NEVER)),
        Fate::Done(_) | Fate::Open | Fate::Refused(_) => None,
    }
}

fn is_keep_alive(request: &LeaseRequest) -> bool {
    matches!(request, LeaseRequest::KeepAlive(_))
}

/// Whether only the clock of a leader in office can answer.
fn is_by_clock(request: &LeaseRequest) -> bool {
    matches!(
        request,
        LeaseRequest::KeepAlive(_) | LeaseRequest::TimeToLive { .. } | LeaseRequest::List
    )
}

/// The term of who answered, if anybody did.
fn term(operation: &Operation) -> Term {
    match fate(operation) {
        Fate::Done(response) => response.header.term,
        Fate::Refused(_) | Fate::Open => Term::default(),
    }
}

/// The true time in which a clock that shows `rate` microseconds a second shows so many seconds.
fn scaled(seconds: i64, rate: u64) -> Span {
    let nanos = u128::from(seconds.unsigned_abs()) * 1_000_000_000 * 1_000_000;
    Span(u64::try_from(nanos / u128::from(rate)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Budget, Ruling, judge, lease::JUDGE};
    use whitewater_api::{
        Completion, Header, KvHash, NodeId, Process, RequestId, Response, Revision,
    };
    use whitewater_record::EpochRow;

    fn answered(number: u32, at: u64, term: u64, body: LeaseResponse) -> Operation {
        let (lease, ttl) = (LeaseId(7), 10);
        let is_grant = matches!(body, LeaseResponse::Grant { .. });
        let asked = LeaseRequest::TimeToLive { lease, keys: false };
        let request = if is_grant { LeaseRequest::Grant { lease, ttl } } else { asked };
        let header = Header { term: Term(term), ..Header::default() };
        Operation {
            id: RequestId { process: Process(number), sequence: 0 },
            node: NodeId(1),
            invoked: SimTime::ZERO + Span::seconds(at),
            completed: SimTime::ZERO + Span::seconds(at + 1),
            request: Request::Lease(request),
            completion: Completion::Ok(Response { header, body: Body::Lease(body) }),
            witness: None,
        }
    }

    /// Whoever begins anew says so: a keep-alive, or a new leader with its first answer.
    #[test]
    fn in_one_office_the_time_runs_out() {
        let (lease, ttl) = (LeaseId(7), 10);
        let told = || LeaseResponse::TimeToLive { lease, ttl: 5, granted: ttl, keys: Vec::new() };
        let grant = answered(0, 9, 3, LeaseResponse::Grant { lease, ttl });
        let operations = vec![grant, answered(1, 29, 4, told()), answered(2, 39, 4, told())];
        let history = History { operations, ..History::default() };
        let lives = Lives::new(&history, LeaseBound { drift_ppm: 0, ..LeaseBound::USUAL });
        let end = |term| lives.office_end(&lives.by_id[&lease], &answered(3, 49, term, told()));
        assert_eq!(end(3), None, "nobody was told anything by that clock");
        let extension = LeaseBound::USUAL.extension + Span::seconds(1);
        assert_eq!(end(4), Some(SimTime::ZERO + Span::seconds(30 + 10) + extension));
    }

    /// Under one leader a lease has what was granted, from its first answer at the latest, an extension, and a second that
    /// has begun.
    #[test]
    fn time_does_not_begin_anew_by_itself() {
        let (lease, granted) = (LeaseId(7), 10);
        let told = |ttl| LeaseResponse::TimeToLive { lease, ttl, granted, keys: Vec::new() };
        let ruling = |ttl| {
            let grant = answered(0, 0, 3, LeaseResponse::Grant { lease, ttl: granted });
            let operations = vec![grant, answered(1, 1, 3, told(9)), answered(2, 8, 3, told(ttl))];
            let history = History { operations, ..History::default() };
            let extension = Span::seconds(2);
            let lease = LeaseBound { drift_ppm: 0, extension, ..LeaseBound::USUAL };
            let judgements = judge(&history, &Budget { lease, ..Budget::default() });
            judgements.into_iter().find(|judgement| judgement.judge == JUDGE).unwrap().ruling
        };
        assert_eq!(ruling(8), Ruling::Holds);
        let wrong = ruling(9);
        let code = wrong.anomaly().map(|anomaly| anomaly.code.as_str());
        assert_eq!(code, Some("wrong-time-to-live"), "{wrong:?}");
    }

    #[test]
    fn under_one_leader_a_lease_ends_by_its_clock() {
        let (lease, ttl) = (LeaseId(7), 10);
        let grant = answered(0, 9, 3, LeaseResponse::Grant { lease, ttl });
        let history = History { operations: vec![grant], ..History::default() };
        let lives = Lives::new(&history, LeaseBound::USUAL);
        let latest = |term| {
            let keys = Vec::new();
            let told = LeaseResponse::TimeToLive { lease, ttl: 5, granted: ttl, keys };
            lives.latest(&lives.by_id[&lease], &answered(1, 200, term, told), u32::MAX).unwrap()
        };
        let longest = SimTime::ZERO + Span::millis(22_500);
        assert_eq!(latest(3), longest + LeaseBound::USUAL.steady);
        assert_eq!(latest(4), longest + LeaseBound::USUAL.slack);
    }

    /// A cluster that was founded on a backup counts terms anew.
    #[test]
    fn a_term_of_another_cluster_says_nothing() {
        let (lease, ttl) = (LeaseId(7), 10);
        let grant = answered(0, 9, 3, LeaseResponse::Grant { lease, ttl });
        let at = SimTime::ZERO + Span::seconds(100);
        let epoch = EpochRow {
            at,
            backup: KvHash { hash: 0, revision: Revision(1), compacted: Revision(0) },
            revision_bump: 0,
            mark_compacted: false,
            from_elsewhere: false,
            kept: Vec::new(),
        };
        let history =
            History { operations: vec![grant], epochs: vec![epoch], ..History::default() };
        let lives = Lives::new(&history, LeaseBound::USUAL);
        let told = LeaseResponse::TimeToLive { lease, ttl: 5, granted: ttl, keys: Vec::new() };
        let latest = lives.latest(&lives.by_id[&lease], &answered(1, 200, 3, told), u32::MAX);
        assert_eq!(latest, Some(SimTime::ZERO + Span::millis(22_500) + LeaseBound::USUAL.slack));
    }
}
