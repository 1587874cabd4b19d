//! Hashes over revisions that a real etcd told, against what it was asked.

use crate::spec::Spec;
use serde::Deserialize;
use whitewater_api::{
    Body, Completion, Header, KvHash, MaintenanceRequest, MaintenanceResponse, NodeId, Process,
    Request, RequestId, Response, Revision,
};
use whitewater_checkers::{Budget, Judgement, Ruling, judge};
use whitewater_record::{History, Operation, SimTime};

/// What a real etcd gave for the operations of `core/store/tests/hash_kv.rs`, which says how they were recorded.
const VECTORS: &str = include_str!("../../../../core/store/tests/vectors/hash_kv.jsonl");

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    start: bool,
    request: Option<Request>,
    hash_kv: Option<Revision>,
    hash: Option<u32>,
    compacted: Option<i64>,
    error: Option<String>,
}

/// One client asks for all that was recorded of a real etcd, up to the next one that is new.
fn recorded() -> Vec<History> {
    let mut histories = Vec::new();
    let mut spec = Spec::new();
    for line in VECTORS.lines() {
        let row: Row = serde_json::from_str(line).expect("a line is a row");
        if row.start {
            spec = Spec::new();
            histories.push(History::default());
        }
        let history: &mut History = histories.last_mut().expect("it starts");
        let asked = row.request.or(row
            .hash_kv
            .map(|revision| Request::Maintenance(MaintenanceRequest::HashKv { revision })));
        let (Some(request), None) = (asked, row.error) else { continue };
        let header = Header { node: NodeId(1), ..Header::default() };
        let response = match &request {
            Request::Maintenance(_) => {
                let compacted = row.compacted.expect("it is told");
                let hash = KvHash {
                    hash: row.hash.expect("it is told"),
                    revision: Revision(
                        row.hash_kv
                            .filter(|asked| asked.0 != 0)
                            .map_or(spec.revision(), |asked| asked.0),
                    ),
                    compacted: Revision(u64::try_from(compacted).unwrap_or(0)),
                };
                let body = Body::Maintenance(MaintenanceResponse::HashKv(hash));
                Response { header: Header { revision: Revision(spec.revision()), ..header }, body }
            }
            Request::Compact(_) => Response {
                header: Header { revision: Revision(spec.revision()), ..header },
                body: Body::Compact,
            },
            request => spec.attempt(request).expect("etcd did it"),
        };
        let sequence = u32::try_from(history.operations.len()).expect("few");
        history.operations.push(Operation {
            id: RequestId { process: Process(0), sequence },
            node: NodeId(1),
            invoked: SimTime(u64::from(sequence) * 10),
            completed: SimTime(u64::from(sequence) * 10 + 5),
            request,
            completion: Completion::Ok(response),
            witness: None,
        });
    }
    histories
}

fn hash(history: &History) -> Judgement {
    let judgements = judge(history, &Budget::default());
    let holds = |judgement: &&Judgement| {
        matches!(judgement.ruling, Ruling::Holds | Ruling::NotApplicable(_))
    };
    let others = judgements.iter().filter(|judgement| judgement.judge != "hash");
    assert!(others.clone().all(|judgement| holds(&judgement)), "{:#?}", others.collect::<Vec<_>>());
    judgements.into_iter().find(|judgement| judgement.judge == "hash").expect("a judge")
}

#[test]
fn hashes_of_a_real_etcd_are_worked_out_from_what_it_was_asked() {
    let (mut told, mut worked_out) = (0, 0);
    for history in recorded() {
        let judgement = hash(&history);
        assert!(judgement.ruling.anomaly().is_none(), "{judgement:#?}");
        told += judgement.checked.evaluations;
        worked_out += judgement.checked.discriminating;
    }
    assert!(told > 600, "{told}");
    assert_eq!(worked_out, told);
}

#[test]
fn a_hash_of_anything_else_is_rejected() {
    let mut rejected = 0;
    for mut history in recorded() {
        let told = history.operations.iter_mut().rev().find_map(|operation| {
            match &mut operation.completion {
                Completion::Ok(Response {
                    body: Body::Maintenance(MaintenanceResponse::HashKv(hash)),
                    ..
                }) => Some(hash),
                _ => None,
            }
        });
        let Some(told) = told else { continue };
        told.hash ^= 1;
        let judgement = hash(&history);
        let code = judgement.ruling.anomaly().map(|anomaly| anomaly.code.as_str());
        assert!(matches!(code, Some("wrong-hash" | "hashes-differ")), "{judgement:#?}");
        rejected += u32::from(code == Some("wrong-hash"));
    }
    assert!(rejected > 0);
}
