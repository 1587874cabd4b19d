//! The judge of members against histories of known truth.

use whitewater_api::{
    Body, ClusterRequest, Completion, Error, Header, Member, MemberAttributes, NodeId, Process,
    Request, RequestId, Response, request::PutRequest, response::PutResponse,
};
use whitewater_checkers::{Budget, judge};
use whitewater_record::{History, Operation, SimTime, Span};

/// Two operations at a time are of two processes; the node is always the same.
#[derive(Default)]
struct Story {
    history: History,
}

impl Story {
    fn add(
        mut self,
        request: Request,
        when: (u64, u64),
        completion: Completion<Response, Error>,
    ) -> Self {
        let place = u32::try_from(self.history.operations.len()).expect("few");
        self.history.operations.push(Operation {
            id: RequestId { process: Process(place), sequence: 0 },
            node: NodeId(1),
            invoked: SimTime(when.0),
            completed: SimTime(when.1),
            request,
            completion,
            witness: None,
        });
        self
    }

    /// Something that was answered with these members: id, URL, whether it learns.
    fn told(
        self,
        request: ClusterRequest,
        when: (u64, u64),
        members: &[(u64, &str, bool)],
    ) -> Self {
        let member = |(id, url, is_learner): &(u64, &str, bool)| Member {
            id: NodeId(*id),
            attributes: MemberAttributes { peer_urls: urls(url), ..MemberAttributes::default() },
            is_learner: *is_learner,
        };
        let body = Body::Cluster(members.iter().map(member).collect());
        self.add(Request::Cluster(request), when, ok(body))
    }

    fn refused(self, request: ClusterRequest, when: (u64, u64), error: Error) -> Self {
        self.add(Request::Cluster(request), when, Completion::Fail(error))
    }

    fn open(self, request: ClusterRequest, when: (u64, u64)) -> Self {
        self.add(Request::Cluster(request), when, Completion::Info(Error::TimedOut))
    }

    fn put(self, when: (u64, u64)) -> Self {
        let put = Request::Put(PutRequest::new("k", "v"));
        self.add(put, when, ok(Body::Put(PutResponse::default())))
    }

    fn code(&self) -> Option<String> {
        let budget = Budget { contact: Some(Span(100)), ..Budget::default() };
        let judgements = judge(&self.history, &budget);
        let members = judgements.iter().find(|it| it.judge == "members").expect("a judge");
        members.ruling.anomaly().map(|anomaly| anomaly.code.clone())
    }
}

fn ok(body: Body) -> Completion<Response, Error> {
    let header =
        Header { node: NodeId(1), revision: whitewater_api::Revision(2), ..Header::default() };
    Completion::Ok(Response { header, body })
}

fn urls(url: &str) -> Vec<String> {
    if url.is_empty() { Vec::new() } else { vec![url.to_owned()] }
}

fn add(member: u64, url: &str, is_learner: bool) -> ClusterRequest {
    ClusterRequest::Add { member: NodeId(member), peer_urls: urls(url), is_learner }
}

fn update(member: u64, url: &str) -> ClusterRequest {
    ClusterRequest::Update { member: NodeId(member), peer_urls: urls(url) }
}

const LIST: ClusterRequest = ClusterRequest::List { linearizable: true };
const STALE: ClusterRequest = ClusterRequest::List { linearizable: false };
const PROMOTE: ClusterRequest = ClusterRequest::Promote(NodeId(4));
const REMOVE: ClusterRequest = ClusterRequest::Remove(NodeId(4));
const ALONE: (u64, &str, bool) = (1, "", false);
const LEARNER: (u64, &str, bool) = (4, "a", true);
const VOTER: (u64, &str, bool) = (4, "a", false);

fn with_learner() -> Story {
    Story::default().told(add(4, "a", true), (10, 20), &[ALONE, LEARNER])
}

#[test]
fn no_two_members_have_one_url() {
    let told = |url| Story::default().told(LIST, (0, 5), &[(1, "a", false), (2, url, false)]);
    assert_eq!(told("b").code(), None);
    assert_eq!(told("a").code().as_deref(), Some("shared-peer-url"));
}

#[test]
fn who_was_added_is_told_of_and_who_was_removed_is_not() {
    let wrong = Some("wrong-members".to_owned());
    assert_eq!(with_learner().told(LIST, (30, 40), &[ALONE, LEARNER]).code(), None);
    assert_eq!(with_learner().told(LIST, (30, 40), &[ALONE]).code(), wrong);
    assert_eq!(with_learner().told(STALE, (30, 40), &[ALONE]).code(), None, "it may be older");
    assert_eq!(with_learner().told(LIST, (15, 40), &[ALONE]).code(), None, "at the same time");
    let before = Story::default().told(LIST, (0, 5), &[ALONE, LEARNER]);
    let before = before.told(add(4, "a", true), (10, 20), &[ALONE, LEARNER]);
    assert_eq!(before.code(), wrong, "nobody had asked for it");
    let removed = || with_learner().told(REMOVE, (30, 40), &[ALONE]);
    assert_eq!(removed().told(LIST, (50, 60), &[ALONE]).code(), None);
    assert_eq!(removed().told(LIST, (50, 60), &[ALONE, LEARNER]).code(), wrong);
    assert_eq!(removed().told(LIST, (35, 60), &[ALONE, LEARNER]).code(), None);
    let open = with_learner().open(REMOVE, (30, 40));
    assert_eq!(open.told(LIST, (50, 60), &[ALONE]).code(), None, "it may have come about");
}

#[test]
fn an_answer_tells_what_was_asked_for() {
    let wrong = Some("wrong-members".to_owned());
    let told = |members: &[_]| Story::default().told(add(4, "a", true), (10, 20), members).code();
    assert_eq!(told(&[ALONE, LEARNER]), None);
    assert_eq!(told(&[ALONE]), wrong);
    assert_eq!(told(&[ALONE, VOTER]), wrong);
    assert_eq!(told(&[ALONE, (4, "b", true)]), wrong);
    assert_eq!(with_learner().told(REMOVE, (30, 40), &[ALONE, LEARNER]).code(), wrong);
}

#[test]
fn a_learner_votes_only_once_its_promotion_was_asked_for() {
    let wrong = Some("wrong-members".to_owned());
    assert_eq!(with_learner().told(LIST, (30, 40), &[ALONE, VOTER]).code(), wrong);
    let updated = with_learner().told(update(4, "b"), (30, 40), &[ALONE, (4, "b", false)]);
    assert_eq!(updated.code(), wrong, "other URLs are no promotion");
    let open = with_learner().open(PROMOTE, (30, 40));
    assert_eq!(open.told(LIST, (50, 60), &[ALONE, VOTER]).code(), None);
    let promoted = with_learner().told(PROMOTE, (30, 40), &[ALONE, VOTER]);
    assert_eq!(
        promoted.told(LIST, (50, 60), &[ALONE, LEARNER]).code(),
        None,
        "its disk was damaged"
    );
}

#[test]
fn urls_are_those_that_were_given_last() {
    let wrong = Some("wrong-members".to_owned());
    let moved = || with_learner().told(update(4, "b"), (30, 40), &[ALONE, (4, "b", true)]);
    assert_eq!(moved().told(LIST, (50, 60), &[ALONE, (4, "b", true)]).code(), None);
    assert_eq!(moved().told(LIST, (50, 60), &[ALONE, LEARNER]).code(), wrong);
    assert_eq!(moved().told(LIST, (35, 60), &[ALONE, LEARNER]).code(), None, "at the same time");
}

#[test]
fn nobody_is_refused_for_a_reason_that_does_not_hold() {
    let wrong = Some("wrong-refusal".to_owned());
    let refused = |story: Story, request, error| story.refused(request, (50, 60), error).code();
    let none = Story::default;
    assert_eq!(refused(with_learner(), PROMOTE, Error::MemberNotFound), wrong);
    assert_eq!(refused(none(), PROMOTE, Error::MemberNotFound), None);
    let removed = with_learner().open(REMOVE, (30, 40));
    assert_eq!(refused(removed, PROMOTE, Error::MemberNotFound), None);
    assert_eq!(refused(with_learner(), PROMOTE, Error::NotLearner), wrong);
    let promoted = with_learner().open(PROMOTE, (30, 40));
    assert_eq!(refused(promoted, PROMOTE, Error::NotLearner), None);
    assert_eq!(refused(with_learner(), PROMOTE, Error::LearnerNotReady), None);
    assert_eq!(refused(none(), add(5, "b", true), Error::MemberExists), wrong);
    assert_eq!(refused(with_learner(), add(4, "b", true), Error::MemberExists), None);
    assert_eq!(
        refused(with_learner(), add(1, "b", true), Error::MemberExists),
        None,
        "it is told of"
    );
    assert_eq!(refused(with_learner(), add(5, "b", true), Error::PeerUrlsExist), wrong);
    assert_eq!(refused(with_learner(), add(5, "a", true), Error::PeerUrlsExist), None);
    assert_eq!(refused(with_learner(), update(4, "a"), Error::PeerUrlsExist), wrong, "its own");
}

#[test]
fn a_quorum_that_has_just_acknowledged_is_connected() {
    let wrong = Some("wrong-refusal".to_owned());
    let add = || add(5, "b", true);
    let story = |put| Story::default().put(put).refused(add(), (150, 160), Error::Unhealthy);
    assert_eq!(story((100, 110)).code(), wrong);
    assert_eq!(story((50, 60)).code(), None, "too long ago");
    assert_eq!(story((145, 155)).code(), None, "perhaps only afterwards");
    let promoted = with_learner().put((100, 110)).open(PROMOTE, (105, 120));
    let promoted = promoted.refused(add(), (150, 160), Error::Unhealthy);
    assert_eq!(promoted.code(), None, "there may be another quorum");
}
