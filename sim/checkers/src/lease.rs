//! A lease keeps its keys as long as was granted, and takes them all with it when it ends.
//!
//! The promises are etcd's (`learning/api_guarantees`, Lease APIs; `rpc.proto`, service Lease; `server/lease/lessor.go`).
//! A lease of an id that may have been granted twice is judged by its answers only, for the two cannot be told apart.
//! True time enters through [`LeaseBound`](crate::LeaseBound): a lease that nobody can have revoked lives at least until
//! the invocation of its last acknowledged renewal, plus its time to live on the fastest clock.
//!
//! | code | promise |
//! |---|---|
//! | `early-expiry` | not gone before its time: by a key that vanished, a time to live of -1 or 0, a refusal |
//! | `late-expiry` | gone some time after its end, for linearizable reads, keep-alives and questions |
//! | `revived-lease` | once gone it stays gone (etcd #20616) |
//! | `outlived` | no key that hangs on it is seen at or after the revision of its end |
//! | `split-revocation` | all its keys go at one revision |
//! | `attached-after-end`, `attached-to-nothing` | a key is attached to a lease that is there |
//! | `wrong-attachment` | a key hangs on the lease that its last put named |
//! | `wrong-keys` | the keys that are listed are those that hang on it |
//! | `wrong-lease-answer`, `short-grant`, `wrong-granted`, `wrong-time-to-live` | answers fit questions and each other |
//! | `double-grant`, `unexplained-lease-exists` | an id is refused if and only if it is taken |
//!
//! Evaluations: answers about leases, and keys seen or missed that hang, or hung, on one. Discriminating: those about
//! a lease whose grant is known.

mod absences;
mod answers;
mod lives;
mod sightings;

use crate::{
    case::Case,
    chronicle::Chronicle,
    deed::{Fate, fate},
    keyring::Keyring,
    limits::Budget,
    ruling::{Judgement, Ruling},
    watch::streams::Streams,
};
pub(crate) use lives::{Life, Lives};
pub(crate) use sightings::is_complete;
use std::collections::BTreeMap;
use whitewater_api::{
    Body, Error, LeaseId, LeaseRequest, LeaseResponse, Request,
    request::{TxnOp, TxnRequest},
};
use whitewater_record::{Checked, Operation, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "lease";

/// Judges all leases.
pub(crate) fn judge(
    case: &Case,
    keys: &Keyring,
    streams: &Streams,
    chronicle: &Chronicle,
    lives: &Lives,
) -> Judgement {
    let mut review = Review {
        case,
        keys,
        streams,
        chronicle,
        lives,
        ends: BTreeMap::new(),
        attached: sightings::attached(chronicle),
        windows: sightings::Windows::new(case, chronicle),
        checked: Checked::default(),
    };
    let ruling = if lives.by_id.is_empty() && !lives.has_open_grant {
        Ruling::NotApplicable("there are no leases".to_owned())
    } else {
        review.run().err().unwrap_or(Ruling::Holds)
    };
    Judgement { judge: JUDGE, ruling, checked: review.checked }
}

/// The leases of a history.
pub(crate) fn lives(case: &Case, budget: &Budget) -> Lives {
    Lives::new(case.history, budget.lease)
}

struct Review<'a, 'h> {
    case: &'a Case<'h>,
    keys: &'a Keyring<'h>,
    streams: &'a Streams<'h>,
    chronicle: &'a Chronicle<'h>,
    lives: &'a Lives,
    /// The revision at which a lease took its keys with it, and who says so.
    ends: BTreeMap<LeaseId, (u64, String)>,
    /// The keys that were ever attached to a lease, as far as is known.
    attached: BTreeMap<LeaseId, Vec<u32>>,
    windows: sightings::Windows,
    checked: Checked,
}

impl Review<'_, '_> {
    fn run(&mut self) -> Result<(), Ruling> {
        self.grants()?;
        for (number, operation) in (0..).zip(&self.case.history.operations) {
            self.answer(number, operation)?;
        }
        self.revocations()?;
        self.sightings()
    }

    fn object(&self, code: &str, operation: u32, what: &str) -> Ruling {
        let sentence = format!("{} {what}", self.case.operation(operation));
        self.case.broken(code, sentence, &[operation])
    }

    fn object_with(&self, code: &str, operations: [u32; 2], what: &str) -> Ruling {
        let [first, second] = operations;
        let sentence =
            format!("{} {what} {}", self.case.operation(first), self.case.operation(second));
        self.case.broken(code, sentence, &[first, second])
    }

    /// One id is not granted twice, unless it was free again in between.
    fn grants(&mut self) -> Result<(), Ruling> {
        let history = self.case.history;
        for life in self.lives.by_id.values() {
            let Some((first, _)) = life.granted else { continue };
            let end = self.lives.deadline(life).map_or(SimTime::ZERO, |(end, _)| end);
            for other in life.grants.iter().filter(|other| **other != first) {
                let told = &history.operations[*other as usize];
                let is_done = matches!(fate(told), Fate::Done(_));
                self.checked.evaluations += 1;
                // Only the first one's own time counts: renewals may be of either.
                let one = &life.renewals[0];
                let end = end.min(one.invoked + self.lives.shortest(one.ttl));
                if is_done && told.completed < end && life.is_unrevoked(told.completed) {
                    let what = "made a lease that was there already, by";
                    return Err(self.object_with("double-grant", [*other, first], what));
                }
            }
        }
        Ok(())
    }

    /// What one operation says about leases.
    fn answer(&mut self, number: u32, operation: &Operation) -> Result<(), Ruling> {
        match (fate(operation), &operation.request) {
            (Fate::Done(response), Request::Lease(request)) => {
                let Body::Lease(answer) = &response.body else { return Ok(()) };
                self.checked.evaluations += 1;
                self.lease_answer(number, operation, request, answer)
            }
            (
                Fate::Refused(Error::LeaseExists),
                Request::Lease(LeaseRequest::Grant { lease, .. }),
            ) => self.exists(number, operation, *lease),
            (Fate::Refused(Error::LeaseNotFound), request) => match names(request) {
                Some(lease) => {
                    self.checked.evaluations += 1;
                    self.gone(lease, operation.invoked, operation.completed, || {
                        (Some(number), "was refused, because there is no such lease".to_owned())
                    })
                }
                None => Ok(()),
            },
            (Fate::Done(_) | Fate::Open | Fate::Refused(_), _) => Ok(()),
        }
    }

    fn lease_answer(
        &mut self,
        number: u32,
        operation: &Operation,
        request: &LeaseRequest,
        answer: &LeaseResponse,
    ) -> Result<(), Ruling> {
        let (invoked, completed) = (operation.invoked, operation.completed);
        let told = |what: &str| (Some(number), what.to_owned());
        match (request, answer) {
            (
                LeaseRequest::Grant { lease: asked, ttl: least },
                LeaseResponse::Grant { lease, ttl },
            ) => {
                if (*asked != LeaseId::NONE && asked != lease) || lease.0 <= 0 {
                    return Err(self.object(
                        "wrong-lease-answer",
                        number,
                        &format!("was given {lease}"),
                    ));
                }
                if ttl < least {
                    let what = format!("was given {ttl}s only");
                    return Err(self.object("short-grant", number, &what));
                }
                Ok(())
            }
            (LeaseRequest::KeepAlive(asked), LeaseResponse::KeepAlive { lease, ttl }) => {
                self.is_about(number, *asked, *lease)?;
                if *ttl <= 0 {
                    return self.gone(*lease, invoked, completed, || {
                        told("was told that there is no such lease")
                    });
                }
                self.granted(number, *lease, *ttl)?;
                self.alive(number, operation, *lease)
            }
            (
                LeaseRequest::TimeToLive { lease: asked, keys: with_keys },
                LeaseResponse::TimeToLive { lease, ttl, granted, keys },
            ) => {
                self.is_about(number, *asked, *lease)?;
                if *ttl < 0 {
                    return self.gone(*lease, invoked, completed, || {
                        told("was told that there is no such lease")
                    });
                }
                self.granted(number, *lease, *granted)?;
                self.alive(number, operation, *lease)?;
                self.left(number, operation, *lease, *ttl)?;
                if *with_keys { self.hanging(number, operation, *lease, keys) } else { Ok(()) }
            }
            (LeaseRequest::List, LeaseResponse::List(leases)) => {
                let is_known = |lease: &&LeaseId| {
                    let life = self.lives.by_id.get(lease);
                    self.lives.has_open_grant || life.is_some_and(|life| !life.grants.is_empty())
                };
                match leases.iter().find(|lease| !is_known(lease)) {
                    Some(lease) => {
                        let what = format!("lists {lease}, which nobody made");
                        Err(self.object("wrong-lease-answer", number, &what))
                    }
                    None => Ok(()),
                }
            }
            (LeaseRequest::Revoke(_), _) => Ok(()),
            (
                LeaseRequest::Grant { .. }
                | LeaseRequest::KeepAlive(_)
                | LeaseRequest::TimeToLive { .. }
                | LeaseRequest::List,
                _,
            ) => {
                Err(self.object("wrong-lease-answer", number, "got the answer to another question"))
            }
        }
    }

    fn is_about(&self, number: u32, asked: LeaseId, lease: LeaseId) -> Result<(), Ruling> {
        if asked == lease {
            return Ok(());
        }
        Err(self.object("wrong-lease-answer", number, &format!("was told about {lease}")))
    }

    /// The time to live that was granted stays what it was.
    fn granted(&mut self, number: u32, lease: LeaseId, ttl: i64) -> Result<(), Ruling> {
        let Some(Life { granted: Some((grant, granted)), .. }) = self.lives.known(lease) else {
            return Ok(());
        };
        self.checked.discriminating += 1;
        if ttl == *granted {
            return Ok(());
        }
        let what = format!("was told of {ttl}s, but {granted}s were granted, to");
        Err(self.object_with("wrong-granted", [number, *grant], &what))
    }
}

/// The one lease that a request cannot do without, if there is one.
fn names(request: &Request) -> Option<LeaseId> {
    match request {
        Request::Put(put) => Some(put.lease),
        Request::Txn(txn) => {
            let mut leases = Vec::new();
            collect(txn, &mut leases);
            leases.dedup();
            match leases[..] {
                [lease] => Some(lease),
                _ => None,
            }
        }
        Request::Lease(LeaseRequest::Revoke(lease)) => Some(*lease),
        Request::Lease(_)
        | Request::Range(_)
        | Request::DeleteRange(_)
        | Request::Compact(_)
        | Request::Member(_)
        | Request::MoveLeader(_)
        | Request::Maintenance(_)
        | Request::Auth(_)
        | Request::Cluster(_) => None,
    }
}

fn collect(txn: &TxnRequest, leases: &mut Vec<LeaseId>) {
    for op in txn.success.iter().chain(&txn.failure) {
        match op {
            TxnOp::Put(put) if put.lease != LeaseId::NONE => leases.push(put.lease),
            TxnOp::Txn(txn) => collect(txn, leases),
            TxnOp::Put(_) | TxnOp::Range(_) | TxnOp::DeleteRange(_) => {}
        }
    }
}
