//! Lock and Election: calls of `core/concurrency`, carried out at this node in the caller's name.

use super::{Answers, Services, caller};
use crate::{
    convert,
    host::Told,
    node::Stream,
    proto::{
        v3electionpb::{self as el, election_server::Election},
        v3lockpb::{self as lo, lock_server::Lock},
    },
};
use std::collections::VecDeque;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request as Call, Response as Reply, Status};
use whitewater_api::{
    Caller, Key, LeaseId, Revision, Value, WatchRequest,
    concurrency::{LeaderKey, ServiceError, ServiceRequest, ServiceResponse},
    watch::WatchCreate,
};
use whitewater_concurrency::{Call as Service, Step};
use whitewater_mutation::Mutations;

/// A call that is under way.
struct Running {
    services: Services,
    caller: Caller,
    call: Service,
    steps: VecDeque<Step>,
    watch: Option<Stream>,
    /// Closed when whoever called has gone.
    gone: oneshot::Receiver<()>,
    is_canceled: bool,
}

/// What comes next of a call.
type Outcome = Result<ServiceResponse, ServiceError>;

impl Running {
    fn begin(
        services: &Services,
        caller: Caller,
        request: ServiceRequest,
        gone: oneshot::Receiver<()>,
    ) -> Self {
        let (call, steps) = Service::begin(request, Mutations::none());
        let (services, steps) = (services.clone(), steps.into());
        Self { services, caller, call, steps, watch: None, gone, is_canceled: false }
    }

    /// The next thing that the caller is told. Nothing after the last.
    async fn next(&mut self) -> Option<Outcome> {
        loop {
            let more = match self.steps.pop_front() {
                Some(Step::Ask(request)) => {
                    self.watch = None;
                    let answer = self.services.node.ask(self.caller.clone(), request).await;
                    self.call.on_answer(answer.as_ref().map_err(Clone::clone))
                }
                Some(Step::Watch(create)) => {
                    self.watch = self.open(create).await;
                    if self.watch.is_some() { Vec::new() } else { self.call.on_watch_lost() }
                }
                Some(Step::Tell(response)) => return Some(Ok(response)),
                Some(Step::Done(outcome)) => {
                    self.watch = None;
                    return Some(outcome);
                }
                None => self.wait().await?,
            };
            self.steps.extend(more);
        }
    }

    /// Waits for what the watch says. Who goes away meanwhile does not want to wait any longer: what it had put to contend
    /// is taken back.
    async fn wait(&mut self) -> Option<Vec<Step>> {
        let watch = self.watch.as_mut()?;
        let told = tokio::select! {
            biased;
            _ = &mut self.gone, if !self.is_canceled => {
                self.is_canceled = true;
                return Some(self.call.cancel());
            }
            told = watch.next() => told,
        };
        Some(match told {
            Some(Told::Message(message)) => self.call.on_watch(&message),
            Some(Told::End(_)) | None => {
                self.watch = None;
                self.call.on_watch_lost()
            }
        })
    }

    async fn open(&self, create: WatchCreate) -> Option<Stream> {
        let opened = self.services.node.open_stream(true, self.caller.clone()).await;
        let (voice, stream) = opened.ok()?;
        voice.say(WatchRequest::Create(create)).await.ok()?;
        Some(stream)
    }
}

impl Services {
    /// Carries a call through to its end, even if the caller goes: then to the end of its cancellation.
    async fn contend(
        &self,
        caller: Caller,
        request: ServiceRequest,
    ) -> Result<ServiceResponse, Status> {
        let (here, gone) = oneshot::channel();
        let mut running = Running::begin(self, caller, request, gone);
        let outcome = tokio::spawn(async move { running.next().await }).await;
        drop(here);
        let outcome = outcome.ok().flatten();
        let outcome = outcome.ok_or_else(|| Status::internal("a call ended without an outcome"))?;
        outcome.map_err(|error| refusal(&error))
    }
}

fn refusal(error: &ServiceError) -> Status {
    match error {
        ServiceError::Store(error) => convert::refusal(error),
        ServiceError::Canceled => Status::new(Code::Cancelled, error.to_string()),
        // etcd gives these no code.
        ServiceError::SessionExpired
        | ServiceError::NotLeader
        | ServiceError::NoLeader
        | ServiceError::MissingLeader
        | ServiceError::WatchRefused(_) => Status::unknown(error.to_string()),
    }
}

fn leader_key(leader: el::LeaderKey) -> LeaderKey {
    LeaderKey {
        name: Key(leader.name),
        key: Key(leader.key),
        revision: Revision(u64::try_from(leader.rev).unwrap_or(0)),
        lease: LeaseId(leader.lease),
    }
}

#[tonic::async_trait]
impl Lock for Services {
    async fn lock(&self, call: Call<lo::LockRequest>) -> Result<Reply<lo::LockResponse>, Status> {
        let caller = caller(&call);
        let lo::LockRequest { name, lease } = call.into_inner();
        let request = ServiceRequest::Lock { name: Key(name), lease: LeaseId(lease) };
        let ServiceResponse::Lock { header, leader } = self.contend(caller, request).await? else {
            return convert::unexpected();
        };
        Ok(Reply::new(lo::LockResponse { header: convert::header(&header), key: leader.key.0 }))
    }

    async fn unlock(
        &self,
        call: Call<lo::UnlockRequest>,
    ) -> Result<Reply<lo::UnlockResponse>, Status> {
        let caller = caller(&call);
        let request = ServiceRequest::Unlock { key: Key(call.into_inner().key) };
        let ServiceResponse::Unlock(header) = self.contend(caller, request).await? else {
            return convert::unexpected();
        };
        Ok(Reply::new(lo::UnlockResponse { header: convert::header(&header) }))
    }
}

#[tonic::async_trait]
impl Election for Services {
    type ObserveStream = Answers<el::LeaderResponse>;

    async fn campaign(
        &self,
        call: Call<el::CampaignRequest>,
    ) -> Result<Reply<el::CampaignResponse>, Status> {
        let caller = caller(&call);
        let el::CampaignRequest { name, lease, value } = call.into_inner();
        let (name, lease, value) = (Key(name), LeaseId(lease), Value(value));
        let request = ServiceRequest::Campaign { name, lease, value };
        let won = self.contend(caller, request).await?;
        let ServiceResponse::Campaign { header, leader } = won else {
            return convert::unexpected();
        };
        let leader = el::LeaderKey {
            name: leader.name.0,
            key: leader.key.0,
            rev: convert::signed(leader.revision.0),
            lease: leader.lease.0,
        };
        let header = convert::header(&header);
        Ok(Reply::new(el::CampaignResponse { header, leader: Some(leader) }))
    }

    async fn proclaim(
        &self,
        call: Call<el::ProclaimRequest>,
    ) -> Result<Reply<el::ProclaimResponse>, Status> {
        let caller = caller(&call);
        let el::ProclaimRequest { leader, value } = call.into_inner();
        let leader = leader.map(leader_key);
        let request = ServiceRequest::Proclaim { leader, value: Value(value) };
        let ServiceResponse::Proclaim(header) = self.contend(caller, request).await? else {
            return convert::unexpected();
        };
        Ok(Reply::new(el::ProclaimResponse { header: convert::header(&header) }))
    }

    async fn leader(
        &self,
        call: Call<el::LeaderRequest>,
    ) -> Result<Reply<el::LeaderResponse>, Status> {
        let caller = caller(&call);
        let request = ServiceRequest::Leader { name: Key(call.into_inner().name) };
        leader_response(self.contend(caller, request).await?).map(Reply::new)
    }

    async fn observe(
        &self,
        call: Call<el::LeaderRequest>,
    ) -> Result<Reply<Self::ObserveStream>, Status> {
        let caller = caller(&call);
        let request = ServiceRequest::Observe { name: Key(call.into_inner().name) };
        let (here, gone) = oneshot::channel();
        let mut running = Running::begin(self, caller, request, gone);
        let (sink, answers) = mpsc::channel(1);
        tokio::spawn(async move {
            let _here = here;
            loop {
                let outcome = tokio::select! {
                    biased;
                    () = sink.closed() => return,
                    outcome = running.next() => outcome,
                };
                let Some(outcome) = outcome else { return };
                let answer = outcome.map_err(|error| refusal(&error)).and_then(leader_response);
                let is_last = answer.is_err();
                if sink.send(answer).await.is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Reply::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn resign(
        &self,
        call: Call<el::ResignRequest>,
    ) -> Result<Reply<el::ResignResponse>, Status> {
        let caller = caller(&call);
        let leader = call.into_inner().leader.map(leader_key);
        let resigned = self.contend(caller, ServiceRequest::Resign { leader }).await?;
        let ServiceResponse::Resign(header) = resigned else { return convert::unexpected() };
        Ok(Reply::new(el::ResignResponse { header: convert::header(&header) }))
    }
}

fn leader_response(response: ServiceResponse) -> Result<el::LeaderResponse, Status> {
    let ServiceResponse::Leader { header, kv } = response else { return convert::unexpected() };
    let kv = Some(convert::key_value(kv));
    Ok(el::LeaderResponse { header: convert::header(&header), kv })
}
