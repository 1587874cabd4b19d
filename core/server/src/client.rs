//! A client that waits for its answers: requests of the core over etcd's wire. For whoever drives a real cluster from a
//! thread, such as `whitewater live`.

mod convert;
mod crowd;
mod watching;

pub use self::crowd::{Crowd, Load};
pub use self::watching::{Heard, Watching};

use crate::proto::etcdserverpb::{
    self as pb, kv_client::KvClient, lease_client::LeaseClient,
    maintenance_client::MaintenanceClient,
};
use std::{future::Future, io, time::Duration};
use tokio::{runtime, time::timeout};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use whitewater_api::{
    Body, Completion, Effect, Error, LeaseId, LeaseRequest, LeaseResponse, NodeId, Request,
    Response,
};

/// A connection to one member. Made anew for a request after it broke.
#[derive(Debug)]
pub struct Client {
    runtime: runtime::Runtime,
    endpoint: Endpoint,
    channel: Option<Channel>,
    patience: Duration,
}

/// Who a member is, and whom it takes for the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The member.
    pub member: NodeId,
    /// The leader, as far as it knows.
    pub leader: Option<NodeId>,
}

impl Client {
    /// To the member at this URL. A request that is not answered within `patience` has an unknown outcome.
    pub fn new(url: &str, patience: Duration) -> io::Result<Self> {
        let (runtime, endpoint) = line(url, patience)?;
        Ok(Self { runtime, endpoint, channel: None, patience })
    }

    /// Asks for keys or leases, and waits.
    pub fn ask(&mut self, request: &Request) -> Completion<Response, Error> {
        let Some(channel) = self.connect() else {
            // It reached no process, so it did not happen.
            return Completion::Fail(Error::NoLeader);
        };
        let completion = match self.wait(ask(channel, request)) {
            Some(Ok(response)) => Completion::Ok(response),
            Some(Err(status)) => outcome(&status),
            None => Completion::Info(Error::TimedOut),
        };
        if matches!(completion, Completion::Info(_)) {
            self.channel = None;
        }
        completion
    }

    /// Who is there, if anybody is.
    pub fn seat(&mut self) -> Option<Seat> {
        let mut client = MaintenanceClient::new(self.connect()?);
        let Some(Ok(status)) = self.wait(client.status(pb::StatusRequest {})) else {
            self.channel = None;
            return None;
        };
        let status = status.into_inner();
        let member = NodeId(status.header?.member_id);
        Some(Seat { member, leader: (status.leader != 0).then_some(NodeId(status.leader)) })
    }

    /// Nothing, if it takes too long.
    fn wait<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        self.runtime.block_on(async { timeout(self.patience, asked).await.ok() })
    }

    fn connect(&mut self) -> Option<Channel> {
        if self.channel.is_none() {
            self.channel = self.runtime.block_on(self.endpoint.connect()).ok();
        }
        self.channel.clone()
    }
}

/// What a connection is made with. Its tasks run while its owner waits.
fn line(url: &str, patience: Duration) -> io::Result<(runtime::Runtime, Endpoint)> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(io::Error::other)?;
    Ok((runtime, endpoint.connect_timeout(patience)))
}

async fn ask(channel: Channel, request: &Request) -> Result<Response, Status> {
    let mut kv = KvClient::new(channel.clone());
    let (header, body) = match request {
        Request::Put(put) => {
            let answer = kv.put(convert::put(put)).await?.into_inner();
            (answer.header, Body::Put(convert::put_response(answer.prev_kv)))
        }
        Request::Range(range) => {
            let mut answer = kv.range(convert::range(range)).await?.into_inner();
            (answer.header.take(), Body::Range(convert::range_response(answer)))
        }
        Request::DeleteRange(delete) => {
            let mut answer = kv.delete_range(convert::delete(delete)).await?.into_inner();
            (answer.header.take(), Body::DeleteRange(convert::delete_response(answer)))
        }
        Request::Txn(txn) => {
            let mut answer = kv.txn(convert::txn(txn)).await?.into_inner();
            (answer.header.take(), Body::Txn(convert::txn_response(answer)?))
        }
        Request::Compact(compact) => {
            let answer = kv.compact(convert::compact(compact)).await?.into_inner();
            (answer.header, Body::Compact)
        }
        Request::Lease(lease) => {
            let (header, answer) = ask_lease(LeaseClient::new(channel), *lease).await?;
            (header, Body::Lease(answer))
        }
        Request::Member(_)
        | Request::Cluster(_)
        | Request::MoveLeader(_)
        | Request::Maintenance(_)
        | Request::Auth(_) => unreachable!("whoever asks asks for keys or leases: {request}"),
    };
    Ok(Response { header: convert::header(header), body })
}

async fn ask_lease(
    mut client: LeaseClient<Channel>,
    request: LeaseRequest,
) -> Result<(Option<pb::ResponseHeader>, LeaseResponse), Status> {
    Ok(match request {
        LeaseRequest::Grant { lease, ttl } => {
            let grant = pb::LeaseGrantRequest { ttl, id: lease.0 };
            let answer = client.lease_grant(grant).await?.into_inner();
            (answer.header, LeaseResponse::Grant { lease: LeaseId(answer.id), ttl: answer.ttl })
        }
        LeaseRequest::Revoke(lease) => {
            let revoke = pb::LeaseRevokeRequest { id: lease.0 };
            (client.lease_revoke(revoke).await?.into_inner().header, LeaseResponse::Revoke)
        }
        LeaseRequest::KeepAlive(lease) => {
            let keep = tokio_stream::once(pb::LeaseKeepAliveRequest { id: lease.0 });
            let mut answers = client.lease_keep_alive(keep).await?.into_inner();
            let answer = answers.message().await?;
            let answer = answer.ok_or_else(|| Status::unavailable("no answer"))?;
            (answer.header, LeaseResponse::KeepAlive { lease, ttl: answer.ttl })
        }
        LeaseRequest::TimeToLive { lease, keys } => {
            let ask = pb::LeaseTimeToLiveRequest { id: lease.0, keys };
            let answer = client.lease_time_to_live(ask).await?.into_inner();
            let (ttl, granted) = (answer.ttl, answer.granted_ttl);
            let keys = answer.keys.into_iter().map(whitewater_api::Key).collect();
            (answer.header, LeaseResponse::TimeToLive { lease, ttl, granted, keys })
        }
        LeaseRequest::List => {
            let answer = client.lease_leases(pb::LeaseLeasesRequest {}).await?.into_inner();
            let leases = answer.leases.iter().map(|lease| LeaseId(lease.id)).collect();
            (answer.header, LeaseResponse::List(leases))
        }
    })
}

/// How a request ended that was refused in these words. What is not known to have had no effect may have had one.
fn outcome(status: &Status) -> Completion<Response, Error> {
    match convert::error(status.message()) {
        Some(error) if error.effect() == Effect::None => Completion::Fail(error),
        Some(error) => Completion::Info(error),
        None if status.code() == Code::Unavailable => Completion::Info(Error::Stopped),
        None => Completion::Info(Error::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The promise that the judges rest on: a failure is only what is known to be one.
    #[test]
    fn what_is_not_known_to_have_failed_is_unknown() {
        let refused = |code, text: &str| outcome(&Status::new(code, text));
        let unknown = [
            (Code::Unavailable, "etcdserver: request timed out"),
            (Code::Unavailable, "etcdserver: request timed out, possibly due to connection lost"),
            (Code::Unavailable, "etcdserver: leader changed"),
            (Code::Unavailable, "transport is closing"),
            (Code::Unknown, "h2 protocol error: error reading a body from connection"),
            (Code::Internal, "broken pipe"),
            (Code::ResourceExhausted, "something that nobody knows"),
            (Code::Cancelled, "Timeout expired"),
        ];
        for (code, text) in unknown {
            assert!(matches!(refused(code, text), Completion::Info(_)), "{code:?} {text}");
        }
        let failed = [
            (Code::InvalidArgument, "etcdserver: key not found", Error::KeyNotFound),
            (Code::ResourceExhausted, "etcdserver: too many requests", Error::TooManyRequests),
            (Code::NotFound, "etcdserver: requested lease not found", Error::LeaseNotFound),
        ];
        for (code, text, error) in failed {
            assert_eq!(refused(code, text), Completion::Fail(error));
        }
    }

    #[test]
    fn where_nobody_listens_nothing_has_happened() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let mut client = Client::new(&url, Duration::from_secs(5)).unwrap();
        let put = whitewater_api::request::PutRequest::new("k", "v");
        assert_eq!(client.ask(&Request::Put(put)), Completion::Fail(Error::NoLeader));
        assert_eq!(client.seat(), None);
    }
}
