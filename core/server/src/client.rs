//! A client that waits for its answers: requests of the core over etcd's wire. For whoever drives a real cluster from a
//! thread, such as `whitewater live`.

mod asking;
mod convert;
mod crowd;
mod observing;
mod watching;

pub use self::crowd::{Crowd, Load};
pub use self::observing::{Led, Observing};
pub use self::watching::{Heard, Watching};

use crate::proto::etcdserverpb::{self as pb, maintenance_client::MaintenanceClient};
use asking::{ask, line_of};
use std::{future::Future, io, time::Duration};
use tokio::{runtime, time::timeout};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use whitewater_api::{Caller, Completion, Effect, Error, MemberStatus, NodeId, Request, Response};

/// A connection to one member. Made anew for a request after it broke.
#[derive(Debug)]
pub struct Client {
    runtime: runtime::Runtime,
    endpoint: Endpoint,
    channel: Option<Channel>,
    patience: Duration,
}

/// Who a member is, and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The member.
    pub member: NodeId,
    /// What it says of itself, and whom it takes for the leader.
    pub status: MemberStatus,
}

impl Client {
    /// To the member at this URL. A request that is not answered within `patience` has an unknown outcome.
    pub fn new(url: &str, patience: Duration) -> io::Result<Self> {
        let (runtime, endpoint) = line(url, patience)?;
        Ok(Self { runtime, endpoint, channel: None, patience })
    }

    /// Asks, showing what a caller has, and waits. Requests that etcd's wire has no call for are not for asking.
    pub fn ask(&mut self, caller: &Caller, request: &Request) -> Completion<Response, Error> {
        let Some(channel) = self.connect() else {
            // It reached no process, so it did not happen.
            return Completion::Fail(Error::NoLeader);
        };
        let completion = match self.wait(ask(line_of(channel, caller), request)) {
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
        let (member, status) = (NodeId(status.header?.member_id), convert::status(&status));
        Some(Seat { member, status })
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
        assert_eq!(
            client.ask(&Caller::Nobody, &Request::Put(put)),
            Completion::Fail(Error::NoLeader)
        );
        assert_eq!(client.seat(), None);
    }
}
