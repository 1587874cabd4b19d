//! The judge of space against histories of known truth.

use whitewater_api::{
    Alarm, AlarmAction, Body, Completion, Error, Header, MaintenanceRequest, MaintenanceResponse,
    NodeId, Process, Request, RequestId, Response, Revision, request::PutRequest,
    response::PutResponse,
};
use whitewater_checkers::{Budget, judge};
use whitewater_record::{History, Operation, SimTime};

#[derive(Clone, Copy)]
enum What {
    Raise(u64),
    Disarm(u64),
    Put,
}

use What::{Disarm, Put, Raise};

/// Who does what from when to when; false if nobody knows what came of it.
fn code(did: &[(What, u64, u64, bool)]) -> Option<String> {
    let mut history = History::default();
    let mut revision = 1;
    for (place, (what, invoked, completed, is_known)) in (0..).zip(did) {
        let alarm = |action, member| {
            let request = MaintenanceRequest::Alarm {
                action,
                member: NodeId(member),
                alarm: Some(Alarm::NoSpace),
            };
            let body = Body::Maintenance(MaintenanceResponse::Alarm(Vec::new()));
            (Request::Maintenance(request), body)
        };
        let (request, body) = match *what {
            Raise(member) => alarm(AlarmAction::Activate, member),
            Disarm(member) => alarm(AlarmAction::Deactivate, member),
            Put => {
                revision += 1;
                let put = PutRequest::new("k", format!("v{place}").as_str());
                (Request::Put(put), Body::Put(PutResponse::default()))
            }
        };
        let header = Header { revision: Revision(revision), ..Header::default() };
        let completion = if *is_known {
            Completion::Ok(Response { header, body })
        } else {
            Completion::Info(Error::TimedOut)
        };
        history.operations.push(Operation {
            id: RequestId { process: Process(place), sequence: 0 },
            node: NodeId(1),
            invoked: SimTime(*invoked),
            completed: SimTime(*completed),
            request,
            completion,
            witness: None,
        });
    }
    let judgements = judge(&history, &Budget::default());
    let space = judgements.iter().find(|judgement| judgement.judge == "space").expect("a judge");
    space.ruling.anomaly().map(|anomaly| anomaly.code.clone())
}

#[test]
fn nothing_is_put_while_an_alarm_is_certainly_raised() {
    let wrong = Some("write-without-space");
    let raise = (Raise(1), 0, 10, true);
    assert_eq!(code(&[raise, (Put, 20, 30, true)]).as_deref(), wrong);
    assert_eq!(code(&[raise, (Put, 5, 30, true)]), None, "it may have come before");
    assert_eq!(code(&[raise, (Put, 20, 30, false)]), None, "it may not have happened");
    assert_eq!(
        code(&[(Raise(1), 0, 10, false), (Put, 20, 30, true)]),
        None,
        "it may not be raised"
    );
    let disarm = |from, known| (Disarm(1), from, from + 5, known);
    assert_eq!(code(&[raise, disarm(12, true), (Put, 20, 30, true)]), None);
    assert_eq!(code(&[raise, disarm(25, true), (Put, 20, 30, true)]), None, "at the same time");
    assert_eq!(code(&[raise, (Put, 20, 30, true), disarm(31, true)]).as_deref(), wrong);
    assert_eq!(code(&[raise, (Disarm(2), 12, 15, true), (Put, 20, 30, true)]).as_deref(), wrong);
    // Put down, and raised again.
    let again = (Raise(1), 20, 25, true);
    assert_eq!(code(&[raise, disarm(12, true), again, (Put, 30, 35, true)]).as_deref(), wrong);
    let late = [raise, disarm(12, false), again, (Put, 30, 35, true)];
    assert_eq!(code(&late), None, "nobody knows when it is put down");
    // Another member's alarm is as good.
    let both = [raise, (Raise(2), 1, 11, true), disarm(12, true), (Put, 20, 30, true)];
    assert_eq!(code(&both).as_deref(), wrong);
}
