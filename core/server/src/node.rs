//! What the services see of this member: somebody to ask.

use crate::{
    host::{Answer, Asker, Command, Stage, Told},
    limits,
    metrics::Metrics,
    peers::{Forwarded, Peers},
    server::unix_seconds,
};
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use whitewater_api::{
    Caller, ClusterId, ClusterRequest, Error, Header, Index, Member, NodeId, Request, StreamId,
    WatchRequest,
};
use whitewater_replica::{Input, Status, ids};

/// One member of a cluster, as the tasks of its process see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Node(Arc<Inner>);

/// What a node is made of.
pub(crate) struct Inner {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
    pub(crate) stage: Stage,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) members: watch::Receiver<Vec<Member>>,
    pub(crate) peers: Peers,
    pub(crate) metrics: Arc<Metrics>,
    /// Two elections, for which requests wait beside their own time (etcd, `config.go`, `ReqTimeout`).
    pub(crate) elections: Duration,
    pub(crate) last_stream: AtomicU64,
    /// Whether the member is coming to its end.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Node {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn id(&self) -> NodeId {
        self.0.node
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn status(&self) -> Status {
        self.0.status.borrow().clone()
    }

    /// All members, as they are known here.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.0.members.borrow().clone()
    }

    /// To wait for changes of the status.
    pub(crate) fn statuses(&self) -> watch::Receiver<Status> {
        self.0.status.clone()
    }

    /// Who speaks, where no request has brought a header with it.
    pub(crate) fn header(&self) -> Header {
        let status = self.0.status.borrow();
        let (cluster, node) = (self.0.cluster, self.0.node);
        Header { cluster, node, term: status.term, revision: status.revision }
    }

    /// Asks for something, whoever leads. What this member may not answer is carried to the leader, as etcd's followers
    /// do; while nobody leads, it waits.
    pub(crate) async fn ask(&self, caller: Caller, request: Request) -> Answer {
        let patience = limits::REQUEST_TIMEOUT + self.0.elections;
        let asked = timeout(patience, self.ask_whoever_leads(&caller, &request));
        let answer = asked.await.unwrap_or(Err(Error::TimedOut));
        if matches!(answer, Err(Error::TimedOut | Error::NoLeader | Error::LeaderChanged)) {
            self.0.metrics.proposals_failed.inc();
        }
        answer
    }

    async fn ask_whoever_leads(&self, caller: &Caller, request: &Request) -> Answer {
        loop {
            let answer = match self.ask_here(caller.clone(), request.clone()).await {
                // A learner asks the leader for nobody but itself: to be known by its name.
                Err(Error::Learner) if is_publication(request) => {
                    Err(Error::NotLeader { hint: self.status().leader })
                }
                answer => answer,
            };
            let refused_by = match answer {
                Err(Error::NotLeader { .. }) if matches!(request, Request::MoveLeader(_)) => {
                    return answer; // Asked of the leader only (etcd, `v3rpc/maintenance.go`).
                }
                Err(Error::NotLeader { hint: Some(leader) }) => {
                    match self.0.peers.forward(leader, caller, request).await {
                        Forwarded::Answered(Err(Error::NotLeader { .. } | Error::NoLeader), _)
                        | Forwarded::NotSent => Some(leader),
                        Forwarded::Answered(answer, applied) => {
                            return self.as_ours(answer, applied).await;
                        }
                        Forwarded::Lost => return Err(Error::TimedOut),
                    }
                }
                Err(Error::NotLeader { hint: None } | Error::NoLeader) => None,
                answer => return answer,
            };
            // None of these refusals took effect: what was asked may be asked again.
            let mut statuses = self.statuses();
            let is_new = |status: &Status| status.leader.is_some() && status.leader != refused_by;
            drop(timeout(limits::RETRY, statuses.wait_for(is_new)).await);
        }
    }

    /// The id of a member that is added now.
    pub(crate) fn new_member(peer_urls: &[String]) -> NodeId {
        let now = i64::try_from(unix_seconds()).unwrap_or(i64::MAX);
        ids::member_id(peer_urls, "", Some(now))
    }

    /// Asks this member only.
    pub(crate) async fn ask_here(&self, caller: Caller, request: Request) -> Answer {
        let work = self.0.metrics.works.begin(&request);
        let (asker, answered) = Asker::new();
        let command = Command::Ask { caller, request, asker };
        self.0.stage.bring(command).await?;
        let answer = answered.await.unwrap_or(Err(Error::Stopped));
        if let Some(work) = work {
            work.end(&answer);
        }
        answer
    }

    /// The leader's answer in our name, once what it tells of is here too: who asks this member next shall see it.
    async fn as_ours(&self, answer: Answer, applied: Index) -> Answer {
        let mut statuses = self.statuses();
        let here = statuses.wait_for(|status| status.applied >= applied);
        here.await.map_err(|_| Error::Stopped)?;
        answer.map(|mut response| {
            response.header.node = self.0.node;
            response
        })
    }

    /// Opens a stream of watches.
    pub(crate) async fn open_stream(
        &self,
        require_leader: bool,
        caller: Caller,
    ) -> Result<(Voice, Stream), Error> {
        let id = StreamId(self.0.last_stream.fetch_add(1, Ordering::Relaxed) + 1);
        let (messages, told) = mpsc::unbounded_channel();
        let command = Command::Open { stream: id, require_leader, caller, messages };
        self.0.stage.bring(command).await?;
        let voice = Voice { node: self.clone(), id };
        let stream = Stream { node: self.clone(), id, told, taken: 0 };
        self.tell(Input::StreamReady { stream: id, credit: limits::STREAM_CREDIT }).await?;
        Ok((voice, stream))
    }

    /// Returns when the member is coming to its end: what would go on for ever must not hold it up.
    pub(crate) async fn stopping(&self) {
        // The sender goes when the member has ended.
        drop(self.0.stopping.clone().wait_for(|stopping| *stopping).await);
    }

    /// Hands an input to the replica.
    pub(crate) async fn tell(&self, input: Input) -> Result<(), Error> {
        self.0.stage.bring(Command::Tell(input)).await
    }

    /// Lets the host come to its end.
    pub(crate) async fn stop(&self) {
        // It may have ended by itself.
        drop(self.0.stage.bring(Command::Stop).await);
    }
}

const fn is_publication(request: &Request) -> bool {
    matches!(request, Request::Cluster(ClusterRequest::Publish { .. }))
}

/// What a client says on a stream of watches.
pub(crate) struct Voice {
    node: Node,
    id: StreamId,
}

impl Voice {
    pub(crate) async fn say(&self, request: WatchRequest) -> Result<(), Error> {
        self.node.tell(Input::Watch { stream: self.id, request: Box::new(request) }).await
    }
}

/// What is told on a stream of watches. The stream ends with it.
pub(crate) struct Stream {
    node: Node,
    id: StreamId,
    told: mpsc::UnboundedReceiver<Told>,
    /// Messages that were taken since the replica was last told that there is room.
    taken: u64,
}

impl Stream {
    /// The next thing that is said on it; nothing where the member has stopped.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, for who polls. The replica is told that there is room for more.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Told>> {
        let told = ready!(self.told.poll_recv(context));
        if let Some(Told::Message(message)) = &told {
            self.node.metrics().answers.note_taken(message);
        }
        self.taken += 1;
        // Not for each message, which would be a step of the replica for each watcher of each event.
        if self.taken * 2 >= limits::STREAM_CREDIT {
            let (stream, credit) = (self.id, std::mem::take(&mut self.taken));
            self.node.0.stage.done(Input::StreamReady { stream, credit });
        }
        Poll::Ready(told)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // First nothing more comes, then what has come is counted out.
        self.told.close();
        while let Ok(told) = self.told.try_recv() {
            if let Told::Message(message) = told {
                self.node.metrics().answers.note_dropped(&message);
            }
        }
        let (node, stream) = (self.node.clone(), self.id);
        // Nobody waits in a destructor, and it must come after its opening.
        tokio::spawn(async move { node.tell(Input::StreamClosed { stream }).await });
    }
}
