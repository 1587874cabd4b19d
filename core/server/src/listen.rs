//! The port of the clients: gRPC, the JSON gateway, health and metrics, all on one.

use crate::{
    counted::Counted,
    gateway, http, limits,
    node::Node,
    reactors::Reactors,
    services::{CommonName, Services},
    sockets::{Acceptor, Socket},
};
use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use std::{convert::Infallible, future::Future, io, sync::Arc};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::timeout,
};
use tower_service::Service as _;

/// The protocols that a TLS client may choose.
pub(crate) const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// A listener, and whether TLS is spoken there.
pub(crate) type Door = (TcpListener, bool);

/// What is served at a port.
#[derive(Clone)]
pub(crate) struct Site {
    node: Node,
    reactors: Reactors,
    grpc: Option<Router>,
    http: Router,
    acceptor: Acceptor,
    /// For connections, at all its doors together.
    room: Arc<Semaphore>,
    max_concurrent_streams: u32,
}

/// What clients may have at the same time.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    /// Of each connection.
    pub(crate) max_concurrent_streams: u32,
}

impl Site {
    /// Everything, for clients.
    pub(crate) fn for_clients(
        node: &Node,
        reactors: Reactors,
        services: &Services,
        acceptor: Acceptor,
        Bounds { connections, max_concurrent_streams }: Bounds,
    ) -> Self {
        let routes = services.routes().prepare();
        let http = http::router(node.clone()).merge(gateway::router(&routes));
        let grpc = Some(routes.into_axum_router());
        let (node, room) = (node.clone(), Arc::new(Semaphore::new(connections)));
        Self { node, reactors, grpc, http, acceptor, room, max_concurrent_streams }
    }

    /// Health and metrics, for who watches over the member.
    pub(crate) fn for_watchers(node: &Node, reactors: Reactors, acceptor: Acceptor) -> Self {
        let http = http::router(node.clone());
        let (node, max_concurrent_streams) = (node.clone(), u32::MAX);
        let room = Arc::new(Semaphore::new(limits::WATCHER_CONNECTIONS));
        Self { node, reactors, grpc: None, http, acceptor, room, max_concurrent_streams }
    }

    /// Serves until `stop` says so, and lets what is under way finish for a while.
    pub(crate) async fn serve(self, (listener, is_tls): Door, stop: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        accept_each(&listener, stop, |stream| {
            let (site, watcher) = (self.clone(), graceful.watcher());
            let room = Arc::clone(&self.room);
            async move {
                let Ok(permit) = room.try_acquire_owned() else {
                    return Err(io::Error::other("too many connections"));
                };
                let (from, stream) = (stream.peer_addr()?, stream.into_std()?);
                site.reactors.clone().spawn(async move {
                    if let Err(error) = site.receive(stream, is_tls, watcher).await {
                        tracing::debug!(%from, %error, "a connection ended");
                    }
                    drop(permit);
                });
                Ok(())
            }
        })
        .await;
        drop(listener);
        if timeout(limits::DRAIN, graceful.shutdown()).await.is_err() {
            tracing::info!("connections were cut that did not end by themselves");
        }
    }

    async fn receive(
        self,
        stream: std::net::TcpStream,
        is_tls: bool,
        watcher: Watcher,
    ) -> io::Result<()> {
        let stream = TcpStream::from_std(stream)?;
        let socket = timeout(limits::HANDSHAKE_TIMEOUT, self.acceptor.accept(stream, is_tls));
        let socket = socket.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        self.talk(socket, watcher).await
    }

    async fn talk(self, socket: Socket, watcher: Watcher) -> io::Result<()> {
        let name = socket.common_name().map(CommonName);
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_concurrent_streams)
            .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
            .initial_stream_window_size(limits::STREAM_WINDOW_BYTES);
        builder.http1().timer(TokioTimer::new());
        let Self { node, grpc, http, .. } = self;
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            if let Some(name) = &name {
                request.extensions_mut().insert(name.clone());
            }
            let kind = request.headers().get(header::CONTENT_TYPE);
            let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
            let router = if is_grpc { grpc.as_ref().unwrap_or(&http) } else { &http };
            let mut router = router.clone();
            let path = request.uri().path();
            let mut call =
                if is_grpc { node.metrics().calls.begin(path, request.headers()) } else { None };
            async move {
                let request = match &call {
                    Some(call) => request.map(|body| Body::new(Counted::request(body, call))),
                    None => request.map(Body::new),
                };
                let mut response = router.call(request).await?;
                // A refusal comes with the head, and nothing behind it.
                let mut refusal = tonic::Status::from_header_map(response.headers());
                if let Some(larger) = refusal.as_ref().and_then(larger_than_max) {
                    refusal = Some(larger.clone());
                    drop(larger.add_header(response.headers_mut()));
                }
                if let (Some(refusal), Some(call)) = (refusal, &mut call) {
                    call.end(refusal.code());
                }
                Ok::<_, Infallible>(response.map(|body| Counted::response(body, call)))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(socket), service);
        let served = watcher.watch(connection.into_owned()).await;
        served.map_err(|error| io::Error::other(error.to_string()))
    }
}

/// What etcd's library says of a message that is too large, for which tonic has other words and another code.
fn larger_than_max(refusal: &tonic::Status) -> Option<tonic::Status> {
    let said = refusal.message().strip_prefix("Error, decoded message length too large: found ")?;
    let (found, rest) = said.split_once(" bytes, the limit is: ")?;
    let limit = rest.strip_suffix(" bytes")?;
    let words = format!("grpc: received message larger than max ({found} vs. {limit})");
    Some(tonic::Status::resource_exhausted(words))
}

/// Accepts connections and lets each be served by a task of its own, until `stop` says so.
pub(crate) async fn accept_each<F>(
    listener: &TcpListener,
    mut stop: watch::Receiver<bool>,
    serve: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                let serving = serve(stream);
                tokio::spawn(async move {
                    if let Err(error) = serving.await {
                        tracing::debug!(%from, %error, "a connection ended");
                    }
                });
            }
            Err(error) => {
                // Too many open files, most likely: they come back as connections end.
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(limits::RETRY).await;
            }
        }
    }
}
