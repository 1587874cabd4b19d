//! Histories of clients that contend for locks, by etcd's recipe.

use crate::generate::{Dice, MILLI, Run, compare};
use whitewater_api::{
    Key, KeyRange, LeaseId, LeaseRequest, LeaseResponse, Request, Response, Revision,
    request::{CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, TxnOp, TxnRequest},
    response::{Body, TxnOpResponse},
};
use whitewater_record::{History, HoldRow, SimTime};

const PREFIX: &str = "lock/";

/// How far a contender has come.
#[derive(Clone)]
enum Stage {
    Idle,
    Leased(LeaseId),
    Waiting { lease: LeaseId, key: Key, revision: u64 },
    Holding { hold: HoldRow },
}

struct Contender {
    client: usize,
    stage: Stage,
}

/// Clients that take a lock, write under it, and let it go, or lose it with their lease.
pub(crate) fn history(steps: u64, dice: &mut Dice) -> History {
    let count = 2 + dice.below(4);
    let mut run = Run::new(count as u32);
    run.store.drift = dice.below(101) as i64 - 50;
    let mut contenders: Vec<Contender> =
        (0..count as usize).map(|client| Contender { client, stage: Stage::Idle }).collect();
    for _ in 0..steps {
        let nanos = 1 + dice.below(60 * MILLI);
        run.advance(nanos);
        let which = dice.below(count) as usize;
        if run.is_free(which) {
            contenders[which].act(&mut run, dice);
        }
    }
    let now = SimTime(run.store.now);
    for contender in contenders {
        if let Stage::Holding { hold, .. } = contender.stage {
            run.history.holds.push(HoldRow { to: now.max(hold.from), ..hold });
        }
    }
    run.history.holds.sort_by_key(|hold| (hold.from, hold.revision));
    run.finish()
}

impl Contender {
    fn ask(&self, run: &mut Run, request: Request, dice: &mut Dice) -> Option<Response> {
        run.perform(self.client, request, dice, 0).and_then(Result::ok)
    }

    fn act(&mut self, run: &mut Run, dice: &mut Dice) {
        self.stage = match self.stage.clone() {
            Stage::Idle => self.lease(run, dice),
            Stage::Leased(lease) => self.contend(run, lease, dice),
            Stage::Waiting { lease, key, revision } => self.wait(run, lease, key, revision, dice),
            Stage::Holding { hold } => self.hold(run, hold, dice),
        }
    }

    fn lease(&self, run: &mut Run, dice: &mut Dice) -> Stage {
        let ttl = 2 + dice.below(3) as i64;
        let grant = LeaseRequest::Grant { lease: LeaseId::NONE, ttl };
        let Response { body, .. } = self.ask(run, Request::Lease(grant), dice).unwrap();
        match body {
            Body::Lease(LeaseResponse::Grant { lease, .. }) => Stage::Leased(lease),
            _ => unreachable!(),
        }
    }

    fn contend(&self, run: &mut Run, lease: LeaseId, dice: &mut Dice) -> Stage {
        let key = Key::from(format!("{PREFIX}{}", lease.0));
        let value = run.value();
        let txn = TxnRequest {
            compares: vec![compare(&key, CompareTarget::Create(Revision(0)))],
            success: vec![TxnOp::Put(PutRequest {
                lease,
                ..PutRequest::new(key.clone(), value.as_str())
            })],
            failure: vec![TxnOp::Range(RangeRequest::new(KeyRange::single(key.clone())))],
        };
        let Some(response) = self.ask(run, Request::Txn(txn), dice) else { return Stage::Idle };
        Stage::Waiting { lease, key, revision: response.header.revision.0 }
    }

    fn wait(
        &self,
        run: &mut Run,
        lease: LeaseId,
        key: Key,
        revision: u64,
        dice: &mut Dice,
    ) -> Stage {
        if dice.chance(300) {
            let keep = Request::Lease(LeaseRequest::KeepAlive(lease));
            self.ask(run, keep, dice);
            return Stage::Waiting { lease, key, revision };
        }
        let list = Request::Range(RangeRequest::new(KeyRange::prefix(PREFIX)));
        let Response { header, body } = self.ask(run, list, dice).unwrap();
        let Body::Range(range) = body else { unreachable!() };
        if !range.kvs.iter().any(|kv| kv.key == key) {
            return Stage::Idle;
        }
        let first = range.kvs.iter().min_by_key(|kv| kv.create_revision).unwrap();
        if first.key != key {
            return Stage::Waiting { lease, key, revision };
        }
        let from = run.history.operations.last().unwrap().completed;
        let hold = HoldRow {
            process: run.process(self.client),
            prefix: PREFIX.into(),
            key,
            lease,
            revision: Revision(revision),
            seen: header.revision,
            resigned: None,
            from,
            to: SimTime::NEVER,
        };
        Stage::Holding { hold }
    }

    fn hold(&self, run: &mut Run, hold: HoldRow, dice: &mut Dice) -> Stage {
        match dice.below(100) {
            0..25 => {
                let to = SimTime(run.store.now - 1).max(hold.from);
                let value = run.value();
                let own = KeyRange::single(hold.key.clone());
                let delete = match dice.below(4) {
                    0..2 => Request::DeleteRange(DeleteRangeRequest { range: own, prev_kv: false }),
                    2 => Request::Lease(LeaseRequest::Revoke(hold.lease)),
                    _ => Request::Txn(TxnRequest {
                        compares: vec![compare(&hold.key, CompareTarget::Create(hold.revision))],
                        success: vec![
                            TxnOp::Put(PutRequest::new("data", value.as_str())),
                            TxnOp::DeleteRange(DeleteRangeRequest { range: own, prev_kv: true }),
                        ],
                        failure: Vec::new(),
                    }),
                };
                self.ask(run, delete, dice);
                // The client lets go when it asks.
                let asked = run.history.operations.last().unwrap().invoked;
                run.history.holds.push(HoldRow { to: to.min(asked).max(hold.from), ..hold });
                Stage::Idle
            }
            25..50 => {
                let keep = Request::Lease(LeaseRequest::KeepAlive(hold.lease));
                self.ask(run, keep, dice);
                Stage::Holding { hold }
            }
            // Stuck, perhaps beyond the end of the lease.
            50..55 => Stage::Holding { hold },
            _ => {
                let value = run.value();
                let data = Key::from("data");
                let txn = TxnRequest {
                    compares: vec![compare(&hold.key, CompareTarget::Create(hold.revision))],
                    success: vec![TxnOp::Put(PutRequest::new(data.clone(), value.as_str()))],
                    failure: vec![TxnOp::Range(RangeRequest::new(KeyRange::single(data)))],
                };
                let response = self.ask(run, Request::Txn(txn), dice).unwrap();
                let Body::Txn(answer) = response.body else { unreachable!() };
                if answer.succeeded {
                    assert!(matches!(answer.responses[..], [TxnOpResponse::Put(_)]));
                    return Stage::Holding { hold };
                }
                let to = run.history.operations.last().unwrap().completed;
                run.history.holds.push(HoldRow { to, ..hold });
                Stage::Idle
            }
        }
    }
}
