//! The judge of hashes against histories of known truth.

use whitewater_api::{
    Body, Completion, Header, KvHash, MaintenanceRequest, MaintenanceResponse, NodeId, Process,
    Request, RequestId, Response, Revision,
};
use whitewater_checkers::{Budget, judge};
use whitewater_record::{History, Operation, SimTime};

/// Members in turn tell these hashes, of these revisions after these compactions.
fn code(told: &[(u32, u64, u64)]) -> Option<String> {
    let mut history = History::default();
    for (place, (hash, revision, compacted)) in (0..).zip(told) {
        let revision = Revision(*revision);
        let told = KvHash { hash: *hash, revision, compacted: Revision(*compacted) };
        let body = Body::Maintenance(MaintenanceResponse::HashKv(told));
        history.operations.push(Operation {
            id: RequestId { process: Process(place), sequence: 0 },
            node: NodeId(u64::from(place) + 1),
            invoked: SimTime(u64::from(place) * 10),
            completed: SimTime(u64::from(place) * 10 + 5),
            request: Request::Maintenance(MaintenanceRequest::HashKv { revision }),
            completion: Completion::Ok(Response { header: Header::default(), body }),
            witness: None,
        });
    }
    let budget = Budget { configurations_max: 0, replays_max: 0, ..Budget::default() };
    let judgements = judge(&history, &budget);
    let hash = judgements.iter().find(|judgement| judgement.judge == "hash").expect("a judge");
    hash.ruling.anomaly().map(|anomaly| anomaly.code.clone())
}

#[test]
fn hashes_of_one_revision_after_one_compaction_are_the_same() {
    assert_eq!(code(&[(7, 5, 2), (7, 5, 2), (8, 6, 2)]), None);
    assert_eq!(code(&[(7, 5, 2), (8, 5, 3)]), None, "another compaction");
    assert_eq!(code(&[(7, 5, 2), (9, 6, 2), (8, 5, 2)]).as_deref(), Some("hashes-differ"));
}
