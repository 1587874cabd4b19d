//! A client in line for locks, by etcd's recipe (`client/v3/concurrency`): what it asks, and what it believes.

use super::{Sight, compare, delete, get, put, txn};
use whitewater_api::{
    Body, Key, KeyRange, LeaseId, LeaseRequest, LeaseResponse, Request, Response, Revision, Value,
    request::{CompareTarget, PutRequest, RangeRequest, Sort, SortTarget, TxnOp},
    response::TxnOpResponse,
};
use whitewater_record::LockStep;

/// A client's own place in a line.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    key: Key,
    lease: LeaseId,
    /// The revision that created the key; nothing before that is known.
    revision: Option<Revision>,
    /// Whether the client believes that it holds the lock.
    holds: bool,
}

/// What a client has begun, or ceased, to believe.
#[derive(Clone, Debug)]
pub(crate) enum Belief {
    /// It holds the lock.
    Holds {
        /// The lock.
        lock: Key,
        /// What the keys of all contenders begin with.
        prefix: Key,
        /// The client's own key.
        key: Key,
        /// What the key hangs on.
        lease: LeaseId,
        /// What created the key.
        revision: Revision,
        /// When it was seen to be the oldest.
        seen: Revision,
    },
    /// It does not hold the lock any more.
    Lost(Key),
}

impl Sight {
    pub(super) fn lock_request(&mut self, step: &LockStep) -> Request {
        match step {
            LockStep::Join(lock, value) => self.join(lock, value),
            LockStep::Look(lock) => look(lock),
            LockStep::Write(lock, key, value) => match self.holder(lock) {
                Some((own, revision)) => fenced(own, revision, put(key, value)),
                None => Request::Range(get(key)),
            },
            LockStep::Proclaim(lock, value) => match self.holder(lock) {
                Some((own, revision)) => {
                    let put = PutRequest::new(own.clone(), value.clone());
                    let put = PutRequest { ignore_lease: true, ..put };
                    fenced(own, revision, TxnOp::Put(put))
                }
                None => look(lock),
            },
            LockStep::Leave(lock) => {
                let Some(contender) = self.locks.get(lock).cloned() else { return look(lock) };
                self.give_up(lock);
                Request::DeleteRange(delete(KeyRange::single(contender.key)))
            }
        }
    }

    fn join(&mut self, lock: &Key, value: &Value) -> Request {
        let lease = self.own_lease;
        if lease == LeaseId::NONE {
            return look(lock);
        }
        let key = Key::from(format!("{lock}/{:x}", lease.0));
        if self.locks.get(lock).is_none_or(|contender| contender.lease != lease) {
            // With a new lease comes a new place in the line. Nobody may hold one lock by two.
            self.give_up(lock);
            let contender = Contender { key: key.clone(), lease, revision: None, holds: false };
            self.locks.insert(lock.clone(), contender);
        }
        let put = PutRequest { lease, ..PutRequest::new(key.clone(), value.clone()) };
        let is_new = compare(&key, CompareTarget::Create(Revision(0)));
        txn(vec![is_new], vec![TxnOp::Put(put)], vec![TxnOp::Range(get(&key))])
    }

    /// The client's own key and what created it, if the client believes to hold the lock.
    fn holder(&self, lock: &Key) -> Option<(&Key, Revision)> {
        let contender = self.locks.get(lock).filter(|contender| contender.holds)?;
        contender.revision.map(|revision| (&contender.key, revision))
    }

    /// The client gets out of line.
    fn give_up(&mut self, lock: &Key) {
        if self.locks.remove(lock).is_some_and(|contender| contender.holds) {
            self.beliefs.push(Belief::Lost(lock.clone()));
        }
    }

    /// What it has begun and ceased to believe since the last time.
    pub(crate) fn take_beliefs(&mut self) -> Vec<Belief> {
        std::mem::take(&mut self.beliefs)
    }

    /// What an answer says about locks.
    pub(super) fn learn_of_locks(&mut self, request: &Request, response: &Response) {
        if self.locks.is_empty() {
            return;
        }
        match (request, &response.body) {
            (
                Request::Lease(LeaseRequest::KeepAlive(lease)),
                Body::Lease(LeaseResponse::KeepAlive { ttl: 0, .. }),
            ) => {
                let lost = self.locks.iter().filter(|(_, contender)| contender.lease == *lease);
                let lost: Vec<Key> = lost.map(|(lock, _)| lock.clone()).collect();
                for lock in lost {
                    self.give_up(&lock);
                }
            }
            (Request::Txn(asked), Body::Txn(answer)) => {
                let own = asked.compares.first().map(|compare| &compare.range.start);
                let of = self.locks.iter().find(|(_, contender)| Some(&contender.key) == own);
                let Some(lock) = of.map(|(lock, _)| lock.clone()) else { return };
                let found = match answer.responses.first() {
                    Some(TxnOpResponse::Range(found)) => found.kvs.first(),
                    _ => None,
                };
                let found = found.map(|kv| kv.create_revision);
                let is_new = answer.succeeded.then_some(response.header.revision);
                self.learn_of_place(&lock, found, is_new);
            }
            (Request::Range(asked), Body::Range(found)) if asked.sort.is_some() => {
                let of = |lock: &&Key| KeyRange::prefix(prefix(lock)) == asked.range;
                let Some(lock) = self.locks.keys().find(of).cloned() else { return };
                let first = found.kvs.first().map(|kv| (&kv.key, kv.create_revision));
                self.learn_of_owner(&lock, first, response.header.revision);
            }
            _ => {}
        }
    }

    /// A transaction under the condition of the client's own key has come back: a joining one that found its key there
    /// or created it, or a fenced one that succeeded or found out that the key is gone.
    fn learn_of_place(&mut self, lock: &Key, found: Option<Revision>, created: Option<Revision>) {
        let Some(contender) = self.locks.get_mut(lock) else { return };
        match (contender.revision, created) {
            (None, created) => contender.revision = created.or(found),
            (Some(revision), None) if found != Some(revision) => self.give_up(lock),
            (Some(_), _) => {}
        }
    }

    /// Somebody owns the lock.
    fn learn_of_owner(&mut self, lock: &Key, first: Option<(&Key, Revision)>, seen: Revision) {
        let Some(contender) = self.locks.get_mut(lock) else { return };
        let Some(revision) = contender.revision else { return };
        if first != Some((&contender.key, revision)) {
            if contender.holds {
                self.give_up(lock);
            }
            return;
        }
        if !contender.holds {
            contender.holds = true;
            let (key, lease) = (contender.key.clone(), contender.lease);
            let (lock, prefix) = (lock.clone(), prefix(lock));
            self.beliefs.push(Belief::Holds { lock, prefix, key, lease, revision, seen });
        }
    }
}

/// What the keys of all contenders begin with.
fn prefix(lock: &Key) -> Key {
    Key::from(format!("{lock}/"))
}

/// The oldest key.
fn look(lock: &Key) -> Request {
    let sort = Some(Sort { target: SortTarget::Create, descending: false });
    Request::Range(RangeRequest {
        sort,
        limit: 1,
        ..RangeRequest::new(KeyRange::prefix(prefix(lock)))
    })
}

/// Does something if the client's own key is the one that it joined with.
fn fenced(own: &Key, revision: Revision, op: TxnOp) -> Request {
    txn(vec![compare(own, CompareTarget::Create(revision))], vec![op], vec![TxnOp::Range(get(own))])
}
