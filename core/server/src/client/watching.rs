//! A stream of watches, as a thread sees it.

use super::{asking::Badge, convert, line};
use crate::proto::etcdserverpb::{self as pb, watch_client::WatchClient};
use std::{io, time::Duration};
use tokio::{runtime, sync::mpsc, time::timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Request as Call, Streaming, service::interceptor::InterceptedService, transport::Endpoint,
};
use whitewater_api::{Caller, WatchRequest, WatchResponse};

/// A stream of watches at one member.
#[derive(Debug)]
pub struct Watching {
    runtime: runtime::Runtime,
    requests: mpsc::UnboundedSender<pb::WatchRequest>,
    messages: Streaming<pb::WatchResponse>,
}

/// What was heard on a stream.
#[derive(Debug)]
pub enum Heard<T> {
    /// This.
    Message(T),
    /// Nothing in this time.
    Silence,
    /// That nothing more comes.
    End,
}

impl Watching {
    /// Opens a stream at the member at this URL, and says this first: some servers answer nothing before they are told
    /// something. Nothing, if it cannot be opened in time.
    pub fn open(
        url: &str,
        patience: Duration,
        require_leader: bool,
        caller: &Caller,
        first: &[WatchRequest],
    ) -> io::Result<Option<Self>> {
        let (runtime, endpoint) = line(url, patience)?;
        let (requests, said) = mpsc::unbounded_channel();
        for request in first {
            requests.send(convert::watch(request)).expect("the other end is here");
        }
        let mut call = Call::new(UnboundedReceiverStream::new(said));
        if require_leader {
            call.metadata_mut().insert("hasleader", "true".parse().expect("it is plain text"));
        }
        let opened = runtime.block_on(async {
            timeout(patience, connect(endpoint, Badge::of(caller), call)).await
        });
        Ok(opened.ok().flatten().map(|messages| Self { runtime, requests, messages }))
    }

    /// Says something on it. A stream that has ended swallows it.
    pub fn say(&self, request: &WatchRequest) {
        drop(self.requests.send(convert::watch(request)));
    }

    /// What comes next, within this time.
    pub fn next(&mut self, patience: Duration) -> Heard<WatchResponse> {
        let Self { runtime, messages, .. } = self;
        match runtime.block_on(async { timeout(patience, messages.message()).await }) {
            Err(_) => Heard::Silence,
            Ok(Ok(Some(message))) => Heard::Message(convert::watch_response(message)),
            Ok(Ok(None) | Err(_)) => Heard::End,
        }
    }
}

async fn connect(
    endpoint: Endpoint,
    badge: Badge,
    call: Call<UnboundedReceiverStream<pb::WatchRequest>>,
) -> Option<Streaming<pb::WatchResponse>> {
    let channel = endpoint.connect().await.ok()?;
    let line = InterceptedService::new(channel, badge);
    let opened = WatchClient::new(line).watch(call).await;
    opened.ok().map(tonic::Response::into_inner)
}
