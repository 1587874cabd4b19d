//! A client in line for locks, by the state machine of etcd's services (`core/concurrency`): what it asks, and what it
//! believes.
//!
//! One step of a plan is one request of a call: `lock-join` begins a call or goes on with it, `lock-look` goes on with it. What
//! the call would watch, the client looks up from step to step, and hands over as the event that a watch would bring.

use super::{Sight, compare, get, put, txn};
use whitewater_api::{
    Body, Error, Header, Key, KeyRange, KeyValue, LeaseId, LeaseRequest, LeaseResponse, Process,
    Request, Response, Revision, Value, WatchId, WatchResponse,
    concurrency::{LeaderKey, ServiceError, ServiceRequest, ServiceResponse},
    request::{CompareTarget, RangeRequest, Sort, SortTarget, TxnOp},
    response::TxnOpResponse,
    watch::{EventKind, WatchBody, WatchCreate, WatchEvent},
};
use whitewater_concurrency::{Call, Step};
use whitewater_mutation::Mutations;
use whitewater_record::{HoldRow, LockStep, SimTime};

/// A client's own place in a line.
#[derive(Clone, Debug)]
pub(super) struct Place {
    lease: LeaseId,
    /// What the client believes to hold.
    held: Option<LeaderKey>,
    /// A call that is under way, and what it wants next.
    call: Option<(Call, Next)>,
}

/// What a call wants next.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// This is to be asked.
    Ask(Request),
    /// This is to be watched.
    Watch(WatchCreate),
}

/// What a client has begun, or ceased, to believe.
#[derive(Clone, Debug)]
pub enum Belief {
    /// It holds the lock.
    Holds(Held),
    /// It does not hold the lock any more.
    Lost(Key),
    /// It gives the lock back, by the next request.
    Resigns(Key),
}

/// A lock as a client holds it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The lock.
    pub lock: Key,
    /// What the keys of all contenders begin with.
    prefix: Key,
    /// The client's own key, the lease that it hangs on, and the revision that created it.
    leader: LeaderKey,
    /// When it was seen to be the oldest.
    seen: Revision,
}

impl Held {
    /// For the record: since `from`, until something else is known.
    pub fn row(self, process: Process, from: SimTime) -> HoldRow {
        let LeaderKey { key, lease, revision, .. } = self.leader;
        let (prefix, seen, to) = (self.prefix, self.seen, SimTime::NEVER);
        HoldRow { process, prefix, key, lease, revision, seen, resigned: None, from, to }
    }
}

impl Next {
    pub(super) fn request(&self) -> Request {
        match self {
            Self::Ask(request) => request.clone(),
            Self::Watch(watch) => Request::Range(RangeRequest::new(watch.range.clone())),
        }
    }
}

impl Sight {
    pub(super) fn lock_request(&mut self, step: &LockStep, mutations: Mutations) -> Request {
        match step {
            LockStep::Join(lock, value) => self.join(lock, value, mutations),
            LockStep::Look(lock) => self.go_on(lock),
            LockStep::Write(lock, key, value) => match self.held(lock) {
                Some(leader) => {
                    let is_mine = compare(&leader.key, CompareTarget::Create(leader.revision));
                    let own = TxnOp::Range(get(&leader.key));
                    txn(vec![is_mine], vec![put(key, value)], vec![own])
                }
                None => Request::Range(get(key)),
            },
            LockStep::Proclaim(lock, value) => {
                let Some(leader) = self.held(lock).cloned() else { return self.go_on(lock) };
                let (leader, value) = (Some(leader), value.clone());
                self.begin(lock, ServiceRequest::Proclaim { leader, value }, mutations)
            }
            LockStep::Leave(lock) => {
                let Some(leader) = self.held(lock).cloned() else { return self.go_on(lock) };
                self.beliefs.push(Belief::Resigns(lock.clone()));
                self.give_up(lock);
                let resign = ServiceRequest::Resign { leader: Some(leader) };
                only_request(Call::begin(resign, mutations).1)
            }
            LockStep::Observe(election) => self.observe(election, mutations),
        }
    }

    /// Gets in line. With a new lease comes a new place: nobody may hold one lock by two.
    fn join(&mut self, lock: &Key, value: &Value, mutations: Mutations) -> Request {
        let lease = self.own_lease;
        if lease == LeaseId::NONE {
            return look(lock);
        }
        if self.locks.get(lock).is_some_and(|place| place.lease == lease) {
            return self.go_on(lock);
        }
        self.give_up(lock);
        self.locks.insert(lock.clone(), Place { lease, held: None, call: None });
        let (name, value) = (lock.clone(), value.clone());
        self.begin(lock, ServiceRequest::Campaign { name, lease, value }, mutations)
    }

    /// The next request of the call that is under way; else who is first.
    fn go_on(&mut self, lock: &Key) -> Request {
        let call = self.locks.get(lock).and_then(|place| place.call.as_ref());
        let Some((_, next)) = call else { return look(lock) };
        let request = next.request();
        self.asked = Some((lock.clone(), request.clone()));
        request
    }

    fn begin(&mut self, lock: &Key, request: ServiceRequest, mutations: Mutations) -> Request {
        let (call, steps) = Call::begin(request, mutations);
        let first = only_request(steps);
        if let Some(place) = self.locks.get_mut(lock) {
            place.call = Some((call, Next::Ask(first)));
        }
        self.go_on(lock)
    }

    fn held(&self, lock: &Key) -> Option<&LeaderKey> {
        self.locks.get(lock)?.held.as_ref()
    }

    /// The client gets out of line.
    fn give_up(&mut self, lock: &Key) {
        if self.locks.remove(lock).is_some_and(|place| place.held.is_some()) {
            self.beliefs.push(Belief::Lost(lock.clone()));
        }
    }

    /// What it has begun and ceased to believe since the last time.
    pub fn take_beliefs(&mut self) -> Vec<Belief> {
        std::mem::take(&mut self.beliefs)
    }

    /// What an answer says about locks.
    pub(super) fn learn_of_locks(&mut self, request: &Request, response: &Response) {
        if self.learn_of_election(request, response) {
            return;
        }
        if let Some((lock, _)) = self.asked.take_if(|(_, asked)| asked == request) {
            return self.advance(&lock, Ok(response));
        }
        match (request, &response.body) {
            (
                Request::Lease(LeaseRequest::KeepAlive(lease)),
                Body::Lease(LeaseResponse::KeepAlive { ttl: 0, .. }),
            ) => {
                let lost = self.locks.iter().filter(|(_, place)| place.lease == *lease);
                let lost: Vec<Key> = lost.map(|(lock, _)| lock.clone()).collect();
                for lock in lost {
                    self.give_up(&lock);
                }
            }
            (Request::Txn(asked), Body::Txn(answer)) if !answer.succeeded => {
                let own = asked.compares.first().map(|compare| &compare.range.start);
                let found = match answer.responses.first() {
                    Some(TxnOpResponse::Range(found)) => found.kvs.first(),
                    _ => None,
                };
                self.lose(|leader| {
                    Some(&leader.key) == own
                        && found.is_none_or(|kv| kv.create_revision != leader.revision)
                });
            }
            (Request::Range(asked), Body::Range(found)) if asked.sort.is_some() => {
                let first = found.kvs.first().map(|kv| (&kv.key, kv.create_revision));
                self.lose(|leader| {
                    KeyRange::prefix(LeaderKey::prefix(&leader.name)) == asked.range
                        && first != Some((&leader.key, leader.revision))
                });
            }
            _ => {}
        }
    }

    /// A request is not going to be asked again, and nobody knows more of it than this.
    pub fn learn_of_failure(&mut self, request: &Request, error: &Error) {
        self.lose_election(request, error);
        if let Some((lock, _)) = self.asked.take_if(|(_, asked)| asked == request) {
            self.advance(&lock, Err(error.clone()));
        }
    }

    /// Gives up what is certainly not held any more.
    fn lose(&mut self, is_lost: impl Fn(&LeaderKey) -> bool) {
        let held = self.locks.iter().filter(|(_, place)| place.held.as_ref().is_some_and(&is_lost));
        let lost: Vec<Key> = held.map(|(lock, _)| lock.clone()).collect();
        for lock in lost {
            self.give_up(&lock);
        }
    }

    /// Hands an answer to the call that it is for.
    fn advance(&mut self, lock: &Key, answer: Result<&Response, Error>) {
        let Some(place) = self.locks.get_mut(lock) else { return };
        let Some((call, next)) = &mut place.call else { return };
        let steps = match (&*next, answer) {
            (Next::Ask(_), answer) => call.on_answer(answer),
            (Next::Watch(watch), Ok(response)) => match deletion(&watch.range.start, response) {
                Some(message) => call.on_watch(&message),
                None => Vec::new(),
            },
            (Next::Watch(_), Err(_)) => Vec::new(),
        };
        for step in steps {
            match step {
                Step::Ask(request) => *next = Next::Ask(request),
                Step::Watch(watch) => *next = Next::Watch(watch),
                Step::Tell(_) => {}
                Step::Done(result) => {
                    place.call = None;
                    return self.finish(lock, result);
                }
            }
        }
    }

    fn finish(&mut self, lock: &Key, result: Result<ServiceResponse, ServiceError>) {
        match result {
            Ok(ServiceResponse::Campaign { header, leader }) => {
                let Some(place) = self.locks.get_mut(lock) else { return };
                place.held = Some(leader.clone());
                let (lock, prefix) = (lock.clone(), LeaderKey::prefix(&leader.name));
                let seen = header.revision;
                self.beliefs.push(Belief::Holds(Held { lock, prefix, leader, seen }));
            }
            Ok(_) => {}
            // Whoever leads and could not say so leads still, unless it was told otherwise.
            Err(error) if self.held(lock).is_some() && error != ServiceError::NotLeader => {}
            Err(_) => self.give_up(lock),
        }
    }
}

/// What a watch would say of a key that is found absent.
fn deletion(key: &Key, response: &Response) -> Option<WatchResponse> {
    let Body::Range(found) = &response.body else { return None };
    let header: Header = response.header;
    let kv = KeyValue { key: key.clone(), mod_revision: header.revision, ..KeyValue::default() };
    let event = WatchEvent { kind: EventKind::Delete, kv, prev_kv: None };
    let body = WatchBody::Events { events: vec![event], fragment: false };
    found.kvs.is_empty().then_some(WatchResponse { header, watch: WatchId(0), body })
}

/// The request that a call begins with.
fn only_request(steps: Vec<Step>) -> Request {
    let mut requests = steps.into_iter().filter_map(|step| match step {
        Step::Ask(request) => Some(request),
        Step::Watch(_) | Step::Tell(_) | Step::Done(_) => None,
    });
    requests.next().expect("what has a lease or a leader begins with a request")
}

/// The oldest key.
fn look(lock: &Key) -> Request {
    let sort = Some(Sort { target: SortTarget::Create, descending: false });
    Request::Range(RangeRequest {
        sort,
        limit: 1,
        ..RangeRequest::new(KeyRange::prefix(LeaderKey::prefix(lock)))
    })
}
