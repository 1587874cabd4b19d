//! Many clients at once on few connections, and how long each of them waited. For whoever measures a cluster.

use super::asking::{Line, ask, line_of};
use crate::proto::etcdserverpb::{
    self as pb, lease_client::LeaseClient, watch_client::WatchClient, watch_request::RequestUnion,
};
use bytes::Bytes;
use std::{
    future::Future,
    io,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    runtime,
    sync::mpsc,
    task::{JoinSet, LocalSet},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming, transport::Endpoint};
use whitewater_api::{Caller, Key, Request, request::PutRequest};

/// Connections that many clients share, in turn.
#[derive(Debug)]
pub struct Crowd {
    runtime: runtime::Runtime,
    lines: Vec<Line>,
}

/// What a crowd had of it.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// How long each request took that was answered.
    pub latencies: Vec<Duration>,
    /// Requests that were refused or lost.
    pub refused: u64,
    /// From the first request to the last answer.
    pub took: Duration,
}

impl Load {
    fn merge(loads: Vec<Self>, took: Duration) -> Self {
        let mut whole = Self { took, ..Self::default() };
        for mut load in loads {
            whole.latencies.append(&mut load.latencies);
            whole.refused += load.refused;
        }
        whole.latencies.sort_unstable();
        whole
    }

    fn note(&mut self, start: Instant, is_answered: bool) {
        if is_answered {
            self.latencies.push(start.elapsed());
        } else {
            self.refused += 1;
        }
    }
}

impl Crowd {
    /// Connects so many times, to these URLs in turn.
    pub fn connect(urls: &[String], connections: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let mut lines = Vec::new();
        for url in urls.iter().cycle().take(connections) {
            let endpoint = Endpoint::from_shared(url.clone()).map_err(io::Error::other)?;
            let channel = runtime.block_on(endpoint.tcp_nodelay(true).connect());
            lines.push(line_of(channel.map_err(io::Error::other)?, &Caller::Nobody));
        }
        Ok(Self { runtime, lines })
    }

    /// So many clients ask for `length`, each its next request when the last one is answered. `request` makes the request
    /// of a client and its number.
    pub fn ask(
        &self,
        clients: usize,
        length: Duration,
        request: impl Fn(usize, u64) -> Request + 'static,
    ) -> Load {
        let request = Rc::new(request);
        self.all(
            clients,
            move |client, line, end| {
                let request = Rc::clone(&request);
                async move {
                    let mut load = Load::default();
                    for number in 0.. {
                        let start = Instant::now();
                        if start >= end {
                            break;
                        }
                        let asked = ask(line.clone(), &request(client, number)).await;
                        load.note(start, asked.is_ok());
                    }
                    load
                }
            },
            length,
        )
    }

    /// The same, so many requests of each client, however long it takes.
    pub fn ask_all(
        &self,
        clients: usize,
        count: u64,
        request: impl Fn(usize, u64) -> Request + 'static,
    ) -> Load {
        let request = Rc::new(request);
        let live = move |client, line: Line, _| {
            let request = Rc::clone(&request);
            async move {
                let mut load = Load::default();
                for number in 0..count {
                    let start = Instant::now();
                    let asked = ask(line.clone(), &request(client, number)).await;
                    load.note(start, asked.is_ok());
                }
                load
            }
        };
        self.all(clients, live, Duration::ZERO)
    }

    /// So many clients keep a lease each alive for `length`, on a stream each.
    pub fn keep_alive(&self, clients: usize, length: Duration) -> Load {
        self.all(
            clients,
            |_, line, end| async move {
                let mut load = Load::default();
                if keep_alive(line, end, &mut load).await.is_err() {
                    load.refused += 1;
                }
                load
            },
            length,
        )
    }

    /// So many watchers, a stream each, and so many puts, each when the last one was told to all. How long each watcher
    /// waited from the moment that the put was asked for.
    pub fn watch(&self, watchers: usize, puts: u64) -> Result<Load, Status> {
        self.runtime.block_on(async {
            let mut streams = Vec::new();
            for line in self.lines.iter().cycle().take(watchers) {
                streams.push(watch(line.clone()).await?);
            }
            let (mut load, begin) = (Load::default(), Instant::now());
            for number in 0..puts {
                let put = PutRequest::new(Key::from(WATCHED), number.to_string().as_str());
                let start = Instant::now();
                ask(self.lines[0].clone(), &Request::Put(put)).await?;
                for (_, messages) in &mut streams {
                    messages.message().await?;
                    load.latencies.push(start.elapsed());
                }
            }
            Ok(Load::merge(vec![load], begin.elapsed()))
        })
    }

    fn all<F>(
        &self,
        clients: usize,
        live: impl Fn(usize, Line, Instant) -> F,
        length: Duration,
    ) -> Load
    where
        F: Future<Output = Load> + 'static,
    {
        let local = LocalSet::new();
        local.block_on(&self.runtime, async {
            let (begin, mut tasks) = (Instant::now(), JoinSet::new());
            for (client, line) in (0..clients).zip(self.lines.iter().cycle()) {
                tasks.spawn_local(live(client, line.clone(), begin + length));
            }
            let loads = tasks.join_all().await;
            Load::merge(loads, begin.elapsed())
        })
    }
}

const WATCHED: &str = "watched";

type Watched = (mpsc::UnboundedSender<pb::WatchRequest>, Streaming<pb::WatchResponse>);

/// Opens a stream with one watch of one key.
async fn watch(line: Line) -> Result<Watched, Status> {
    let (requests, said) = mpsc::unbounded_channel();
    let create = pb::WatchCreateRequest {
        key: Bytes::from_static(WATCHED.as_bytes()),
        ..pb::WatchCreateRequest::default()
    };
    let create = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    requests.send(create).expect("the other end is here");
    let answers = WatchClient::new(line).watch(UnboundedReceiverStream::new(said)).await?;
    let mut answers = answers.into_inner();
    answers.message().await?;
    Ok((requests, answers))
}

async fn keep_alive(line: Line, end: Instant, load: &mut Load) -> Result<(), Status> {
    let mut client = LeaseClient::new(line);
    let granted = client.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 0 }).await?;
    let id = granted.into_inner().id;
    let (requests, said) = mpsc::unbounded_channel();
    let keep = || pb::LeaseKeepAliveRequest { id };
    requests.send(keep()).expect("the other end is here");
    let answers = client.lease_keep_alive(UnboundedReceiverStream::new(said)).await?;
    let mut answers = answers.into_inner();
    answers.message().await?;
    loop {
        let start = Instant::now();
        if start >= end {
            return Ok(());
        }
        if requests.send(keep()).is_err() {
            return Ok(());
        }
        let answer = answers.message().await?;
        load.note(start, answer.is_some_and(|answer| answer.ttl > 0));
    }
}
