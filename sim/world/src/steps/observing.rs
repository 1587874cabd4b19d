//! A client that observes elections, by the state machine of etcd's service (`core/concurrency`).
//!
//! One step of a plan is one request of the call. What the call would watch, the client looks up from step to step, and hands
//! over as the events that a watch would bring by then.

use super::{Sight, locks::Next};
use std::collections::btree_map::Entry;
use whitewater_api::{
    Body, Error, Key, KeyValue, Request, Response, Revision, WatchId, WatchResponse,
    concurrency::{LeaderKey, ServiceRequest, ServiceResponse},
    range::End,
    watch::{EventKind, WatchBody, WatchCreate, WatchEvent},
};
use whitewater_concurrency::{Call, Step};
use whitewater_mutation::Mutations;
use whitewater_record::{ObservedRow, Proclamation, SimTime};

/// An election that is observed.
#[derive(Clone, Debug)]
pub(super) struct Observing {
    call: Call,
    next: Next,
    /// Nothing was answered yet.
    is_new: bool,
}

/// What one more answer has told.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The election.
    pub election: Key,
    /// It was the first answer of the call.
    pub is_first: bool,
    revision: Revision,
    told: Option<Proclamation>,
}

impl Observed {
    /// For the record: answered at this time, to the call that began with this request.
    pub fn row(self, call: whitewater_api::RequestId, at: SimTime) -> ObservedRow {
        let Self { election, revision, told, .. } = self;
        ObservedRow { call, prefix: LeaderKey::prefix(&election), at, revision, told }
    }
}

impl Sight {
    pub(super) fn observe(&mut self, election: &Key, mutations: Mutations) -> Request {
        let observing = match self.observers.entry(election.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let name = election.clone();
                let (call, steps) = Call::begin(ServiceRequest::Observe { name }, mutations);
                let first = steps.into_iter().find_map(next).expect("an observer asks who leads");
                entry.insert(Observing { call, next: first, is_new: true })
            }
        };
        let request = observing.next.request();
        self.watched = Some((election.clone(), request.clone()));
        request
    }

    /// Whether this was an answer to an observer.
    pub(super) fn learn_of_election(&mut self, request: &Request, response: &Response) -> bool {
        let Some((election, _)) = self.watched.take_if(|(_, asked)| asked == request) else {
            return false;
        };
        let Some(observing) = self.observers.get_mut(&election) else { return true };
        let steps = match &observing.next {
            Next::Ask(_) => observing.call.on_answer(Ok(response)),
            Next::Watch(watch) => {
                let message = news(watch, response);
                message.map_or_else(Vec::new, |message| observing.call.on_watch(&message))
            }
        };
        let mut told = None;
        for step in steps {
            if let Step::Tell(ServiceResponse::Leader { kv, .. }) = &step {
                let (create, modified) = (kv.create_revision, kv.mod_revision);
                told = Some(Proclamation { key: kv.key.clone(), create, modified });
            }
            if let Some(next) = next(step) {
                observing.next = next;
            }
        }
        let is_first = std::mem::take(&mut observing.is_new);
        let is_over = observing.call.is_over();
        if is_over {
            self.observers.remove(&election);
        }
        let revision = response.header.revision;
        self.observed.push(Observed { election, is_first, revision, told });
        true
    }

    /// A request is not going to be asked again. A watch that breaks is opened anew; a call that cannot ask is over.
    pub(super) fn lose_election(&mut self, request: &Request, error: &Error) {
        let Some((election, _)) = self.watched.take_if(|(_, asked)| asked == request) else {
            return;
        };
        let Some(observing) = self.observers.get_mut(&election) else { return };
        if matches!(observing.next, Next::Ask(_)) {
            observing.call.on_answer(Err(error.clone()));
            self.observers.remove(&election);
        }
    }

    /// What observers have learned since the last time.
    pub fn take_observed(&mut self) -> Vec<Observed> {
        std::mem::take(&mut self.observed)
    }
}

fn next(step: Step) -> Option<Next> {
    match step {
        Step::Ask(request) => Some(Next::Ask(request)),
        Step::Watch(watch) => Some(Next::Watch(watch)),
        Step::Tell(_) | Step::Done(_) => None,
    }
}

/// What a watch would have said by now. A key that was created since it was opened was gone before.
fn news(watch: &WatchCreate, response: &Response) -> Option<WatchResponse> {
    let Body::Range(found) = &response.body else { return None };
    let header = response.header;
    let event = |kind, kv| Some(WatchEvent { kind, kv, prev_kv: None });
    let is_new = |kv: &&KeyValue| kv.mod_revision >= watch.start;
    let event = if watch.range.end == End::Single {
        let key = watch.range.start.clone();
        let gone = KeyValue { key, mod_revision: header.revision, ..KeyValue::default() };
        match found.kvs.first() {
            Some(kv) if kv.create_revision < watch.start => {
                Some(kv).filter(is_new).and_then(|kv| event(EventKind::Put, kv.clone()))
            }
            Some(_) | None => event(EventKind::Delete, gone),
        }
    } else {
        found.kvs.iter().find(is_new).and_then(|kv| event(EventKind::Put, kv.clone()))
    };
    let body = WatchBody::Events { events: vec![event?], fragment: false };
    Some(WatchResponse { header, watch: WatchId(0), body })
}
