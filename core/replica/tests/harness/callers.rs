//! Calls of locks and elections: what a host does for them.

use crate::harness::cluster::Cluster;
use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{
    Error, NodeId, Request, RequestId, Response, StreamId, WatchRequest, WatchResponse,
    concurrency::{LeaderKey, ServiceError, ServiceRequest, ServiceResponse},
};
use whitewater_concurrency::{Call, Step};
use whitewater_replica::Input;

/// Processes of calls begin here, and so do their streams.
const FIRST: u32 = 100;

/// The calls of a script, by number.
#[derive(Default)]
pub(crate) struct Callers {
    calls: BTreeMap<u32, Caller>,
    asked: BTreeMap<RequestId, u32>,
    streams: BTreeMap<StreamId, u32>,
    opened: u32,
    /// What came back and was not yet handed over.
    news: VecDeque<(u32, News)>,
}

struct Caller {
    request: ServiceRequest,
    call: Call,
    node: NodeId,
    /// What it asked last.
    asked: Option<Request>,
    stream: Option<StreamId>,
    won: Option<LeaderKey>,
}

enum News {
    Answer(Result<Response, Error>),
    Watch(WatchResponse),
}

impl Callers {
    /// What a call has won.
    pub(crate) fn won(&self, number: u32) -> Option<LeaderKey> {
        self.calls.get(&number)?.won.clone()
    }

    pub(crate) fn on_reply(&mut self, id: RequestId, result: &Result<Response, Error>) {
        if let Some(number) = self.asked.remove(&id) {
            self.news.push_back((number, News::Answer(result.clone())));
        }
    }

    pub(crate) fn on_watch(&mut self, stream: StreamId, response: &WatchResponse) {
        if let Some(number) = self.streams.get(&stream) {
            self.news.push_back((*number, News::Watch(response.clone())));
        }
    }
}

impl Cluster {
    /// Begins a call at a node.
    pub(crate) fn call(&mut self, number: u32, node: NodeId, request: ServiceRequest) {
        self.say(&format!("c{number} {request} -> {node}"));
        let (call, steps) = Call::begin(request.clone(), self.mutations);
        let caller = Caller { request, call, node, asked: None, stream: None, won: None };
        let former = self.callers.calls.insert(number, caller);
        assert!(former.is_none_or(|former| former.call.is_over()), "c{number} is under way");
        self.take_steps(number, steps);
    }

    /// A caller does not want to wait any longer.
    pub(crate) fn give_up(&mut self, number: u32) {
        self.say(&format!("c{number} gives up"));
        let steps = self.caller(number).call.cancel();
        self.take_steps(number, steps);
    }

    /// A caller goes on at another node; its watch is lost.
    pub(crate) fn move_caller(&mut self, number: u32, node: NodeId) {
        self.caller(number).node = node;
        if let Some(stream) = self.caller(number).stream.take() {
            self.callers.streams.remove(&stream);
            let steps = self.caller(number).call.on_watch_lost();
            self.take_steps(number, steps);
        }
    }

    /// Hands over what came back.
    pub(crate) fn advance_callers(&mut self) {
        while let Some((number, news)) = self.callers.news.pop_front() {
            let caller = self.caller(number);
            let steps = match news {
                News::Answer(Err(Error::NotLeader { hint: Some(hint) })) => {
                    caller.node = hint;
                    vec![Step::Ask(caller.asked.clone().expect("this was its answer"))]
                }
                News::Answer(Ok(response)) => caller.call.on_answer(Ok(&response)),
                News::Answer(Err(error)) => caller.call.on_answer(Err(error)),
                News::Watch(message) if caller.stream.is_some() => caller.call.on_watch(&message),
                News::Watch(_) => Vec::new(),
            };
            self.take_steps(number, steps);
        }
    }

    fn caller(&mut self, number: u32) -> &mut Caller {
        self.callers.calls.get_mut(&number).expect("a call of the script")
    }

    fn take_steps(&mut self, number: u32, steps: Vec<Step>) {
        for step in steps {
            if !matches!(step, Step::Tell(_)) {
                self.end_watch(number);
            }
            let node = self.caller(number).node;
            match step {
                Step::Ask(request) => {
                    self.caller(number).asked = Some(request.clone());
                    let id = self.next_id(FIRST + number);
                    self.callers.asked.insert(id, number);
                    self.ask(node, FIRST + number, request);
                }
                Step::Watch(create) => {
                    self.callers.opened += 1;
                    let stream = StreamId((FIRST + self.callers.opened).into());
                    self.callers.streams.insert(stream, number);
                    self.caller(number).stream = Some(stream);
                    let caller = whitewater_api::Caller::Nobody;
                    self.step(node, Input::StreamOpened { stream, require_leader: false, caller });
                    self.step(node, Input::StreamReady { stream, credit: 100 });
                    self.watch(node, stream, WatchRequest::Create(create));
                }
                Step::Tell(response) => self.tell(number, &Ok(response)),
                Step::Done(result) => self.tell(number, &result),
            }
        }
    }

    fn end_watch(&mut self, number: u32) {
        let node = self.caller(number).node;
        if let Some(stream) = self.caller(number).stream.take() {
            self.callers.streams.remove(&stream);
            self.step(node, Input::StreamClosed { stream });
        }
    }

    fn tell(&mut self, number: u32, result: &Result<ServiceResponse, ServiceError>) {
        let caller = self.caller(number);
        let text = match result {
            Ok(
                ServiceResponse::Lock { header, leader }
                | ServiceResponse::Campaign { header, leader },
            ) => {
                caller.won = Some(leader.clone());
                format!("has {} of {}, seen at {}", leader.key, leader.revision, header.revision)
            }
            Ok(
                ServiceResponse::Unlock(header)
                | ServiceResponse::Proclaim(header)
                | ServiceResponse::Resign(header),
            ) => format!("ok {}", header.revision),
            Ok(ServiceResponse::Leader { header, kv }) => {
                format!("{}={} leads, {}", kv.key, kv.value, header.revision)
            }
            Err(error) => format!("fails: {error}"),
        };
        let line = format!("c{number} {} => {text}", caller.request);
        self.say(&line);
    }
}
