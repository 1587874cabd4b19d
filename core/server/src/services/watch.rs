//! Watch.

use super::{Answers, Services, caller};
use crate::{
    convert,
    host::Told,
    node::{Node, Stream, Voice},
    proto::etcdserverpb::{self as pb, watch_request::RequestUnion, watch_server::Watch},
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{sync::mpsc, task::AbortHandle};
use tonic::{Code, Request as Call, Response as Reply, Status, Streaming};
use whitewater_api::{Error, StreamEnd, WatchId, WatchRequest};

/// The metadata by which a client says that it would rather lose the stream than stay without a leader.
const REQUIRE_LEADER: &str = "hasleader";

/// What comes back on a stream.
type Answer = Result<pb::WatchResponse, Status>;

#[tonic::async_trait]
impl Watch for Services {
    type WatchStream = Answers<pb::WatchResponse>;

    async fn watch(
        &self,
        call: Call<Streaming<pb::WatchRequest>>,
    ) -> Result<Reply<Self::WatchStream>, Status> {
        let require_leader =
            call.metadata().get(REQUIRE_LEADER).is_some_and(|value| value == "true");
        let opened = self.node.open_stream(require_leader, caller(&call)).await;
        let (voice, stream) = opened.map_err(|error| convert::refusal(&error))?;
        let (asides, said) = mpsc::unbounded_channel();
        let listening = Listening { node: self.node.clone(), voice, asides };
        let listening = tokio::spawn(listening.carry(call.into_inner())).abort_handle();
        self.node.metrics().watch_streams.inc();
        let node = self.node.clone();
        let stopping = Box::pin(async move { node.stopping().await });
        let (node, is_over) = (self.node.clone(), false);
        let messages = Messages { node, stream, asides: said, stopping, listening, is_over };
        Ok(Reply::new(Box::pin(messages)))
    }
}

/// What a client says on its stream, on its way to the replica.
struct Listening {
    node: Node,
    voice: Voice,
    /// What is answered without the replica.
    asides: mpsc::UnboundedSender<Answer>,
}

impl Listening {
    /// Carries requests until the client has said everything; it may go on listening.
    async fn carry(self, mut requests: Streaming<pb::WatchRequest>) {
        loop {
            let goes_on = match requests.message().await {
                Ok(Some(request)) => self.on_request(request).await,
                Ok(None) => false,
                Err(broken) => {
                    // The client has gone, most likely.
                    drop(self.asides.send(Err(broken)));
                    false
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Whether there is any use in going on.
    async fn on_request(&self, request: pb::WatchRequest) -> bool {
        let request = match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => {
                if create.start_revision < 0 {
                    return self.refuse_past();
                }
                WatchRequest::Create(convert::watch_create(create))
            }
            Some(RequestUnion::CancelRequest(cancel)) => {
                WatchRequest::Cancel(WatchId(cancel.watch_id))
            }
            Some(RequestUnion::ProgressRequest(_)) => WatchRequest::Progress,
            None => return true, // Passed over by etcd too.
        };
        self.voice.say(request).await.is_ok()
    }

    /// A revision below all others is long forgotten (etcd, `v3rpc/watch.go`).
    fn refuse_past(&self) -> bool {
        let compacted = Error::Compacted { compacted: whitewater_api::Revision::FIRST };
        let message = pb::WatchResponse {
            header: convert::header(&self.node.header()),
            watch_id: WatchId::ALL.0,
            created: true,
            canceled: true,
            cancel_reason: compacted.to_string(),
            ..pb::WatchResponse::default()
        };
        self.asides.send(Ok(message)).is_ok()
    }
}

/// What is told on a stream, as its connection takes it: no task stands between.
struct Messages {
    node: Node,
    stream: Stream,
    asides: mpsc::UnboundedReceiver<Answer>,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    listening: AbortHandle,
    is_over: bool,
}

impl tokio_stream::Stream for Messages {
    type Item = Answer;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Answer>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let answer = ready!(self.poll_answer(context));
        self.is_over = answer.is_err();
        Poll::Ready(Some(answer))
    }
}

impl Messages {
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Answer> {
        if self.stopping.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(convert::refusal(&Error::Stopped)));
        }
        if let Poll::Ready(Some(aside)) = self.asides.poll_recv(context) {
            return Poll::Ready(aside);
        }
        Poll::Ready(match ready!(self.stream.poll_next(context)) {
            Some(Told::Message(message)) => Ok(convert::watch_response(message)),
            Some(Told::End(end)) => {
                let code = match end {
                    StreamEnd::TooMany | StreamEnd::Overrun => Code::ResourceExhausted,
                    StreamEnd::NoLeader => Code::Unavailable,
                };
                Err(Status::new(code, end.to_string()))
            }
            None => Err(convert::refusal(&Error::Stopped)),
        })
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.listening.abort();
        self.node.metrics().watch_streams.dec();
    }
}
