//! Histories with every option of every request, right by construction.

use crate::{
    generate::{Dice, shown},
    spec::Spec,
};
use whitewater_api::{
    Body, Completion, Error, Header, Key, KeyRange, NodeId, Process, Request, RequestId, Response,
    Revision,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, Sort, SortTarget, TxnOp, TxnRequest,
    },
};
use whitewater_record::{History, Operation, SimTime};

const KEYS: u64 = 5;
const PROCESSES: u64 = 5;

/// Each operation is executed at its own moment; neighbours overlap, those of one process do not.
pub(crate) fn history(operations: u64, dice: &mut Dice) -> History {
    let mut spec = Spec::new();
    let mut compacted = 0;
    let mut history = History::default();
    for i in 0..operations {
        let at = 1_000 + 100 * i;
        let request = request(&spec, compacted, dice, i);
        let is_unknown = dice.chance(20) && matches!(request, Request::Put(_));
        let completion = match complete(&mut spec, &mut compacted, &request) {
            Ok(_) if is_unknown => Completion::Info(Error::TimedOut),
            Ok(response) => Completion::Ok(response),
            Err(error) => Completion::Fail(error),
        };
        // An unknown outcome retires the process.
        let process = if is_unknown { 1_000 + i } else { i % PROCESSES };
        history.operations.push(Operation {
            id: RequestId { process: Process(process as u32), sequence: (i / PROCESSES) as u32 },
            node: NodeId(1),
            invoked: SimTime(at - dice.below(150)),
            completed: SimTime(at + dice.below(150)),
            request,
            completion,
            witness: None,
        });
    }
    history.operations.sort_by_key(|operation| (operation.invoked, operation.id));
    history
}

fn complete(spec: &mut Spec, compacted: &mut u64, request: &Request) -> Result<Response, Error> {
    match request {
        Request::Range(range) if range.revision.0 > spec.revision() => {
            Err(Error::FutureRevision { current: Revision(spec.revision()) })
        }
        Request::Range(range) if range.revision.0 != 0 && range.revision.0 < *compacted => {
            Err(Error::Compacted { compacted: Revision(*compacted) })
        }
        Request::Range(range) if range.revision.0 != 0 => {
            let mut response = spec.read_at(range, range.revision.0);
            response.header.revision = Revision(spec.revision());
            Ok(response)
        }
        Request::Range(range) if range.serializable => {
            Ok(spec.read_at(range, (spec.revision() - 1).max(1)))
        }
        Request::Compact(compact) => {
            *compacted = compact.revision.0;
            let header = Header {
                node: NodeId(1),
                revision: Revision(spec.revision()),
                ..Header::default()
            };
            Ok(Response { header, body: Body::Compact })
        }
        request => Ok(spec.execute(request)),
    }
}

fn request(spec: &Spec, compacted: u64, dice: &mut Dice, i: u64) -> Request {
    let key = Key::from(format!("k{}", dice.below(KEYS)));
    let value = format!("v{i}");
    let now = spec.states.last().unwrap();
    let there = now.get(&key);
    let all = RangeRequest::new(KeyRange::prefix("k"));
    let get = RangeRequest::new(KeyRange::single(key.clone()));
    let put = PutRequest::new(key.clone(), value.as_str());
    let newest = spec.revision();
    let compare =
        |relation, target| Compare { range: KeyRange::single(key.clone()), relation, target };
    let targets = [SortTarget::Key, SortTarget::Mod, SortTarget::Version, SortTarget::Create];
    let sort = Sort { target: targets[dice.below(4) as usize], descending: dice.chance(500) };
    match dice.below(20) {
        0..5 => Request::Put(PutRequest { prev_kv: dice.chance(500), ..put }),
        5 => Request::Range(get),
        6 => Request::Range(RangeRequest { limit: dice.below(KEYS), ..all }),
        7 => Request::Range(RangeRequest { limit: dice.below(KEYS), sort: Some(sort), ..all }),
        8 => {
            let min_mod_revision = Revision(newest.saturating_sub(dice.below(6)));
            Request::Range(RangeRequest { min_mod_revision, ..all })
        }
        9 => {
            let max_create_revision = Revision(newest.saturating_sub(dice.below(6)).max(1));
            Request::Range(RangeRequest { max_create_revision, ..all })
        }
        10 => Request::Range(RangeRequest { keys_only: true, ..all }),
        11 => Request::Range(RangeRequest { count_only: true, ..all }),
        12 => {
            let revision = Revision(newest.saturating_sub(dice.below(8)).max(1));
            Request::Range(RangeRequest { revision, ..all })
        }
        13 => Request::Range(RangeRequest { revision: Revision(newest + 1), ..get }),
        14 => Request::DeleteRange(DeleteRangeRequest {
            range: KeyRange::single(key),
            prev_kv: dice.chance(500),
        }),
        15 => Request::DeleteRange(DeleteRangeRequest {
            range: KeyRange::span("k0", "k2"),
            prev_kv: dice.chance(500),
        }),
        16 => Request::Txn(TxnRequest {
            compares: vec![match dice.below(4) {
                0 => compare(
                    Relation::Equal,
                    CompareTarget::Mod(there.map_or(Revision(0), |kv| kv.mod_revision)),
                ),
                1 => compare(Relation::Greater, CompareTarget::Version(1)),
                2 => compare(Relation::Equal, CompareTarget::Create(Revision(0))),
                _ => compare(Relation::Less, CompareTarget::Value("v5".into())),
            }],
            // Reads inside a transaction see its writes.
            success: vec![TxnOp::Put(put), TxnOp::Range(get)],
            failure: vec![TxnOp::Range(all)],
        }),
        17 => Request::Txn(TxnRequest {
            compares: Vec::new(),
            success: vec![TxnOp::Txn(TxnRequest {
                compares: vec![compare(Relation::Equal, CompareTarget::Create(Revision(0)))],
                success: vec![TxnOp::Put(put)],
                failure: vec![TxnOp::Range(get)],
            })],
            failure: Vec::new(),
        }),
        18 => Request::Range(RangeRequest { serializable: true, ..get }),
        _ if newest > compacted + 12 => {
            let revision = Revision(newest - 3);
            Request::Compact(CompactRequest { revision, physical: false })
        }
        _ => Request::Range(get),
    }
}

/// All keys that an answer shows, inside transactions, too.
pub(crate) fn has_kvs(operation: &Operation) -> bool {
    match &operation.completion {
        Completion::Ok(response) => !shown(&response.body).is_empty(),
        _ => false,
    }
}
