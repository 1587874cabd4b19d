//! What the judge of locks says of observers and of who steps down, against histories of known truth.

use whitewater_api::{
    Body, Completion, Error, Header, KeyRange, LeaseId, NodeId, Process, Request, RequestId,
    Response, Revision, Value,
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, Relation, TxnOp, TxnRequest,
    },
    response::{DeleteRangeResponse, PutResponse, TxnOpResponse, TxnResponse},
};
use whitewater_checkers::{Budget, judge};
use whitewater_record::{History, HoldRow, ObservedRow, Operation, Proclamation, SimTime};

/// A key, when it was created, and when it said so.
type Told<'a> = (&'a str, u64, u64);

/// One revision after another, each made by an operation of a process of its own; times are revisions.
#[derive(Default)]
struct Story {
    history: History,
}

impl Story {
    fn add(&mut self, request: Request, body: Body) -> RequestId {
        let place = u32::try_from(self.history.operations.len()).expect("few");
        let revision = u64::from(place) + 2;
        let id = RequestId { process: Process(place), sequence: 0 };
        let header = Header { revision: Revision(revision), ..Header::default() };
        let completion: Completion<Response, Error> = Completion::Ok(Response { header, body });
        self.history.operations.push(Operation {
            id,
            node: NodeId(1),
            invoked: SimTime(10 * revision),
            completed: SimTime(10 * revision + 5),
            request,
            completion,
            witness: None,
        });
        id
    }

    /// Nobody writes a value twice.
    fn value(&self) -> Value {
        format!("v{}", self.history.operations.len()).as_str().into()
    }

    fn put(&mut self, key: &str) {
        self.add(
            Request::Put(PutRequest::new(key, self.value())),
            Body::Put(PutResponse::default()),
        );
    }

    /// A candidate puts its key, which was not there.
    fn campaign(&mut self, key: &str) {
        let is_new = Compare {
            range: KeyRange::single(key),
            relation: Relation::Equal,
            target: CompareTarget::Create(Revision(0)),
        };
        let success = vec![TxnOp::Put(PutRequest::new(key, self.value()))];
        let txn = TxnRequest { compares: vec![is_new], success, failure: Vec::new() };
        let responses = vec![TxnOpResponse::Put(PutResponse::default())];
        self.add(Request::Txn(txn), Body::Txn(TxnResponse { succeeded: true, responses }));
    }

    fn delete(&mut self, key: &str) -> RequestId {
        let range = KeyRange::single(key);
        let request = Request::DeleteRange(DeleteRangeRequest { range, prev_kv: false });
        self.add(
            request,
            Body::DeleteRange(DeleteRangeResponse { deleted: 1, prev_kvs: Vec::new() }),
        )
    }

    fn hold(&mut self, key: &str, revision: u64, seen: u64, until: u64) {
        self.history.holds.push(HoldRow {
            process: Process(70),
            prefix: "m/".into(),
            key: key.into(),
            lease: LeaseId::NONE,
            revision: Revision(revision),
            seen: Revision(seen),
            resigned: None,
            from: SimTime(10 * seen + 6),
            to: SimTime(10 * until),
        });
    }

    /// An observer's look at a revision, and what it was told of.
    fn look(&mut self, at: u64, told: Option<Told<'_>>) {
        let proclamation = |(key, create, modified): Told<'_>| Proclamation {
            key: key.into(),
            create: Revision(create),
            modified: Revision(modified),
        };
        self.history.observed.push(ObservedRow {
            call: RequestId { process: Process(80), sequence: 0 },
            prefix: "m/".into(),
            at: SimTime(10 * at + 7),
            revision: Revision(at),
            told: told.map(proclamation),
        });
    }

    fn code(&self) -> Option<String> {
        let judgements = judge(&self.history, &Budget::default());
        let lock = judgements.iter().find(|judgement| judgement.judge == "lock").expect("a judge");
        lock.ruling.anomaly().map(|anomaly| anomaly.code.clone())
    }
}

/// m/7 leads from r2 to r4, then m/8, which waited since r3, and proclaims at r5 and r6.
fn succession() -> Story {
    let mut story = Story::default();
    story.campaign("m/7");
    story.campaign("m/8");
    story.hold("m/7", 2, 2, 4);
    story.delete("m/7");
    story.hold("m/8", 3, 4, 9);
    story.put("m/8");
    story.put("m/8");
    story
}

#[test]
fn an_observer_hears_of_each_leader_that_stays() {
    let told = |looks: &[(u64, Option<Told<'_>>)]| {
        let mut story = succession();
        for (at, told) in looks {
            story.look(*at, *told);
        }
        story.code()
    };
    let first = (2, Some(("m/7", 2, 2)));
    assert_eq!(told(&[first, (4, None), (5, Some(("m/8", 3, 5)))]), None);
    assert_eq!(told(&[first, (4, None), (5, None)]).as_deref(), Some("missed-leader"));
    assert_eq!(told(&[first, (4, None)]), None, "it has yet to look who has come");
    assert_eq!(told(&[first]), None);
}

#[test]
fn an_observer_is_told_of_leaders_only_and_in_order() {
    let told = |looks: &[(u64, Told<'_>)]| {
        let mut story = succession();
        for (at, told) in looks {
            story.look(*at, Some(*told));
        }
        story.code()
    };
    assert_eq!(told(&[(4, ("m/8", 3, 3)), (5, ("m/8", 3, 5))]), None);
    assert_eq!(told(&[(3, ("m/8", 3, 3))]).as_deref(), Some("no-leader"), "m/7 is older");
    assert_eq!(told(&[(4, ("m/7", 2, 4))]).as_deref(), Some("no-leader"), "that was its end");
    let again = told(&[(5, ("m/8", 3, 5)), (5, ("m/8", 3, 5))]);
    assert_eq!(again.as_deref(), Some("told-backwards"));
}

#[test]
fn who_steps_down_takes_nobody_else_along() {
    let story = |is_other: bool| {
        let mut story = Story::default();
        story.campaign("m/7");
        story.hold("m/7", 2, 2, 9);
        if is_other {
            story.delete("m/7");
            story.campaign("m/7");
        }
        let resigned = story.delete("m/7");
        story.history.holds[0].resigned = Some(resigned);
        story.code()
    };
    assert_eq!(story(false), None);
    assert_eq!(story(true).as_deref(), Some("resigned-other"));
}
