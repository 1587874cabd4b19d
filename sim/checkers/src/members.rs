//! Members are who was made one (etcd, `server/etcdserver/api/membership/cluster.go`, `server/etcdserver/server.go`).
//!
//! Answers tell all members, with their URLs and whether they vote. What is known besides is when each change was asked for
//! and answered: of every member that clients have changed, what it may be at a time. Others (those of the start, and whom
//! faults add) are only held to having no URL of somebody else. A voter may become a learner when its disk is damaged, so
//! that somebody learns who should vote is held against nobody; that somebody votes who should learn, is.
//!
//! | code | promise |
//! |---|---|
//! | `shared-peer-url` | no answer tells two members with one peer URL |
//! | `wrong-members` | who was added is told of, who was removed is not, with the URLs that were given last, and a learner votes only once its promotion was asked for; an answer to a change tells of it |
//! | `wrong-refusal` | nobody is refused for a reason that certainly does not hold |
//!
//! A refusal because too few members are connected is looked at where the plan says how long a silence may be
//! ([`Budget::contact`]): a put that the same member has had acknowledged since then proves that a quorum is.
//!
//! Evaluations: answers that tell members, and refusals of changes. Discriminating: refusals, and answers that tell of
//! somebody whom a client has changed.

mod changes;

use crate::{
    case::Case,
    deed::{Fate, fate},
    limits::Budget,
    ruling::{Anomaly, Judgement, Ruling},
};
use changes::{Change, Changes, Window};
use std::collections::BTreeMap;
use whitewater_api::{Body, ClusterRequest, Error, Member, NodeId, Request};
use whitewater_record::{Checked, Operation, SimTime, Span};

/// The name of the judge.
pub(crate) const JUDGE: &str = "members";

/// Judges what is told of members.
pub(crate) fn judge(case: &Case, budget: &Budget) -> Judgement {
    let operations = &case.history.operations;
    let changes = Changes::new(operations);
    let mut review =
        Review { operations, changes, contact: budget.contact, checked: Checked::default() };
    let mut first: Option<Anomaly> = None;
    for (position, operation) in operations.iter().enumerate() {
        let Request::Cluster(request) = &operation.request else { continue };
        let Some((code, what)) = review.look(operation, request) else { continue };
        let number = u32::try_from(position).expect("operations are numbered by u32");
        let sentence = format!("{}: {what}", case.operation(number));
        let anomaly = Anomaly::new(code, sentence, vec![position], operation.completed);
        first = first.into_iter().chain([anomaly]).min_by_key(|anomaly| anomaly.at);
    }
    let ruling = match first {
        Some(anomaly) => Ruling::Broken(anomaly),
        None if review.checked.evaluations == 0 => {
            Ruling::NotApplicable("nobody asked about members".to_owned())
        }
        None => Ruling::Holds,
    };
    Judgement { judge: JUDGE, ruling, checked: review.checked }
}

/// What an operation did wrong.
type Objection = (&'static str, String);

struct Review<'h> {
    operations: &'h [Operation],
    changes: Changes<'h>,
    contact: Option<Span>,
    checked: Checked,
}

impl<'h> Review<'h> {
    fn look(&mut self, operation: &'h Operation, request: &'h ClusterRequest) -> Option<Objection> {
        let is_stale = matches!(request, ClusterRequest::List { linearizable: false });
        let from = if is_stale { SimTime(0) } else { operation.invoked };
        let window = Window { from, to: operation.completed };
        match fate(operation) {
            Fate::Done(response) => {
                let Body::Cluster(told) = &response.body else { return None };
                self.checked.evaluations += 1;
                self.checked.discriminating +=
                    u64::from(told.iter().any(|member| self.changes.has(member.id)));
                shared_url(told)
                    .or_else(|| own_effect(request, told))
                    .or_else(|| self.wrong_member(told, window))
            }
            Fate::Refused(error) => {
                self.checked.evaluations += 1;
                self.checked.discriminating += 1;
                self.wrong_refusal(operation, request, error, window)
            }
            Fate::Open => None,
        }
    }

    /// Somebody is told of who cannot be a member, or not like that; or somebody who must be one is not.
    fn wrong_member(&self, told: &[Member], window: Window) -> Option<Objection> {
        let object = |what: String| Some(("wrong-members", what));
        let told: BTreeMap<NodeId, &Member> = told.iter().map(|it| (it.id, it)).collect();
        for (member, changes) in self.changes.all() {
            let Some(told) = told.get(&member) else {
                if changes.must_be_there(window) {
                    return object(format!("it leaves out {member}, which was added and stays"));
                }
                continue;
            };
            if !changes.may_be_there(window) {
                return object(format!("it tells of {member}, which is certainly no member"));
            }
            let urls = &told.attributes.peer_urls;
            if !changes.may_have(urls, window) {
                return object(format!("{member} was certainly not given {}", urls.join(",")));
            }
            if !told.is_learner && !changes.may_vote(window) {
                return object(format!("{member} votes, and certainly was not promoted"));
            }
        }
        None
    }

    /// A change was refused for a reason that certainly does not hold.
    fn wrong_refusal(
        &self,
        operation: &'h Operation,
        request: &'h ClusterRequest,
        error: &Error,
        window: Window,
    ) -> Option<Objection> {
        let member = subject(request)?;
        let changes = self.changes.of(member);
        let what = match (request, error) {
            (ClusterRequest::Add { .. }, Error::Unhealthy) => self.is_connected(operation),
            (ClusterRequest::Add { .. }, Error::MemberExists) => {
                let others = changes.is_some_and(|it| it.may_have_been_added(operation.id, window));
                (!others && !self.changes.is_told(member))
                    .then(|| format!("nobody has ever added {member}"))
            }
            (_, Error::MemberNotFound) => changes
                .is_some_and(|changes| changes.must_be_there(window))
                .then(|| format!("{member} was added and stays")),
            (ClusterRequest::Promote(_), Error::NotLearner) => {
                changes.is_some_and(|changes| !changes.may_vote(window)).then(|| {
                    format!("{member} was added as a learner, and certainly was not promoted")
                })
            }
            (
                ClusterRequest::Add { peer_urls, .. } | ClusterRequest::Update { peer_urls, .. },
                Error::PeerUrlsExist,
            ) => (!self.changes.may_be_taken(member, peer_urls, window.to))
                .then(|| "nobody else was ever given such a URL".to_owned()),
            _ => None,
        };
        what.map(|what| ("wrong-refusal", format!("it was refused ({error}), though {what}")))
    }

    /// The put that proves that a quorum was connected when this was refused.
    fn is_connected(&self, refused: &Operation) -> Option<String> {
        let since = SimTime(refused.completed.0.saturating_sub(self.contact?.0));
        let begin = self.operations.partition_point(|it| it.invoked < since);
        let recent = self.operations[begin..].iter();
        let mut before = recent.take_while(|it| it.invoked < refused.invoked);
        let proof = before.find(|it| {
            let is_answered =
                matches!(fate(it), Fate::Done(response) if response.header.node == refused.node);
            is_answered
                && matches!(it.request, Request::Put(_))
                && it.node == refused.node
                && it.completed <= refused.invoked
                && !self.changes.may_be_changed(Window { from: it.invoked, to: refused.completed })
        })?;
        Some(format!("{} had {} acknowledged by a quorum just before", refused.node, proof.request))
    }
}

/// Whom a change is about.
const fn subject(request: &ClusterRequest) -> Option<NodeId> {
    match request {
        ClusterRequest::Add { member, .. }
        | ClusterRequest::Remove(member)
        | ClusterRequest::Promote(member)
        | ClusterRequest::Update { member, .. }
        | ClusterRequest::Publish { member, .. } => Some(*member),
        ClusterRequest::List { .. } => None,
    }
}

fn shared_url(told: &[Member]) -> Option<Objection> {
    let mut owners: BTreeMap<&str, NodeId> = BTreeMap::new();
    for member in told {
        for url in &member.attributes.peer_urls {
            let owner = *owners.entry(url).or_insert(member.id);
            if owner != member.id {
                let what = format!("{owner} and {} have {url}", member.id);
                return Some(("shared-peer-url", what));
            }
        }
    }
    None
}

/// What an answer to a change must tell of the one who was changed.
fn own_effect(request: &ClusterRequest, told: &[Member]) -> Option<Objection> {
    let member = subject(request)?;
    let told = told.iter().find(|it| it.id == member);
    let change = Change::of(request)?;
    let is_told = match (change, told) {
        (Change::Gone, told) => told.is_none(),
        (_, None) => false,
        (Change::Added { urls, is_learner }, Some(told)) => {
            told.attributes.peer_urls == *urls && told.is_learner == is_learner
        }
        (Change::Moved(urls), Some(told)) => told.attributes.peer_urls == *urls,
        (Change::Votes, Some(told)) => !told.is_learner,
    };
    (!is_told).then(|| ("wrong-members", format!("its answer does not tell so of {member}")))
}
