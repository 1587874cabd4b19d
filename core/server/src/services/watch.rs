//! Watch.

use super::{Answers, Services, caller};
use crate::{
    convert,
    host::Told,
    node::Stream,
    proto::etcdserverpb::{self as pb, watch_request::RequestUnion, watch_server::Watch},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request as Call, Response as Reply, Status, Streaming};
use whitewater_api::{Error, StreamEnd, WatchId, WatchRequest};

/// The metadata by which a client says that it would rather lose the stream than stay without a leader.
const REQUIRE_LEADER: &str = "hasleader";

/// What comes back on a stream.
type Sink = mpsc::Sender<Result<pb::WatchResponse, Status>>;

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
        let stream = opened.map_err(|error| convert::refusal(&error))?;
        let (sink, messages) = mpsc::channel(1);
        let serving = Serving { services: self.clone(), stream, sink };
        tokio::spawn(serving.serve(call.into_inner()));
        Ok(Reply::new(Box::pin(ReceiverStream::new(messages))))
    }
}

/// One stream, between its client and the replica.
struct Serving {
    services: Services,
    stream: Stream,
    sink: Sink,
}

impl Serving {
    async fn serve(mut self, mut requests: Streaming<pb::WatchRequest>) {
        let gauge = self.services.node.metrics().watch_streams.clone();
        gauge.inc();
        self.carry(&mut requests).await;
        gauge.dec();
    }

    /// Carries requests and messages until one end has enough.
    async fn carry(&mut self, requests: &mut Streaming<pb::WatchRequest>) {
        // A client that has said everything may go on listening.
        let mut speaks = true;
        loop {
            let goes_on = tokio::select! {
                biased;
                () = self.sink.closed() => false,
                () = self.services.node.stopping() => self.tell(None).await,
                told = self.stream.next() => self.tell(told).await,
                request = requests.message(), if speaks => match request {
                    Ok(Some(request)) => self.on_request(request).await,
                    Ok(None) => {
                        speaks = false;
                        true
                    }
                    Err(_) => false,
                },
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn on_request(&self, request: pb::WatchRequest) -> bool {
        let request = match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => {
                if create.start_revision < 0 {
                    return self.refuse_past().await;
                }
                WatchRequest::Create(convert::watch_create(create))
            }
            Some(RequestUnion::CancelRequest(cancel)) => {
                WatchRequest::Cancel(WatchId(cancel.watch_id))
            }
            Some(RequestUnion::ProgressRequest(_)) => WatchRequest::Progress,
            None => return true, // Passed over by etcd too.
        };
        self.stream.say(request).await.is_ok()
    }

    /// A revision below all others is long forgotten (etcd, `v3rpc/watch.go`).
    async fn refuse_past(&self) -> bool {
        let compacted = Error::Compacted { compacted: whitewater_api::Revision::FIRST };
        let message = pb::WatchResponse {
            header: convert::header(&self.services.node.header()),
            watch_id: WatchId::ALL.0,
            created: true,
            canceled: true,
            cancel_reason: compacted.to_string(),
            ..pb::WatchResponse::default()
        };
        self.sink.send(Ok(message)).await.is_ok()
    }

    async fn tell(&self, told: Option<Told>) -> bool {
        let end = match told {
            Some(Told::Message(message)) => {
                return self.sink.send(Ok(convert::watch_response(message))).await.is_ok();
            }
            Some(Told::End(end)) => {
                let code = match end {
                    StreamEnd::TooMany | StreamEnd::Overrun => Code::ResourceExhausted,
                    StreamEnd::NoLeader => Code::Unavailable,
                };
                Status::new(code, end.to_string())
            }
            None => convert::refusal(&Error::Stopped),
        };
        // The client may have gone: then nobody wants to know.
        drop(self.sink.send(Err(end)).await);
        false
    }
}
