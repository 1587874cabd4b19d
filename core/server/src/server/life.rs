//! A member that lives: serves peers and clients until it is told to end or its replica stops, and goes in peace.

use super::{Belonging, Doors, ServerError};
use crate::{
    descriptors,
    disk::Writer,
    host::{Ended, Stage},
    limits,
    listen::{Bounds, Door, PROTOCOLS, Site, accept_each},
    memory::Cgroup,
    node::Node,
    peers::{Listener, Peers, Reception},
    reactors::Reactors,
    services::Services,
    settings::Settings,
    sockets::Acceptor,
};
use std::{io, sync::Arc};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, oneshot, watch},
    time::timeout,
};
use whitewater_api::{Caller, ClusterRequest, Member, Request};
use whitewater_replica::{Input, Role};

/// A member whose replica lives.
pub(super) struct Started {
    pub(super) node: Node,
    pub(super) peers: Peers,
    pub(super) members: watch::Receiver<Vec<Member>>,
    pub(super) ended: oneshot::Receiver<Ended>,
    pub(super) stage: Stage,
    pub(super) writer: Writer,
    pub(super) stop: watch::Sender<bool>,
}

impl Started {
    pub(super) async fn live(
        mut self,
        settings: Settings,
        belonging: Belonging,
        doors: Doors,
    ) -> Result<(), ServerError> {
        // Before anybody can know that this member is there: who is told to end at once ends in peace, too.
        let (mut terminated, mut interrupted) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stopped = self.stop.subscribe();
        let reception = Reception {
            node: self.node.clone(),
            peers: self.peers.clone(),
            me: belonging.node,
            cluster: belonging.cluster,
        };
        let acceptor = Acceptor::new(settings.tls.peer.as_ref(), &[])?;
        for door in doors.peers {
            let (reception, acceptor) = (reception.clone(), acceptor.clone());
            tokio::spawn(listen_to_peers(door, acceptor, reception, stopped.clone()));
        }
        tokio::spawn(follow_members(self.peers.clone(), self.members.clone()));
        if let Some(group) = Cgroup::of_this_process() {
            tokio::spawn(watch_memory(self.node.clone(), group));
        }
        let writer = self.writer.clone();
        let stage = self.stage.clone();
        let reactors = Reactors::start(move || stage.play_on(), move || writer.work())?;
        let (node, watchers) = (self.node.clone(), doors.watchers);
        let serving = serve_clients(node, reactors, &settings, doors.clients, watchers, stopped)?;
        let ended = tokio::select! {
            biased;
            ended = &mut self.ended => ended,
            _ = terminated.recv() => self.stop(serving).await,
            _ = interrupted.recv() => self.stop(serving).await,
        };
        let panicked = |_| ServerError::System(io::Error::other("a step of the replica panicked"));
        let ended = ended.map_err(panicked)?;
        self.writer.finish();
        match ended {
            Ended::Asked => {
                tracing::info!("stopped");
                Ok(())
            }
            Ended::Stopped(reason) => Err(ServerError::Stopped(reason)),
        }
    }

    /// Hands the leadership over, lets clients finish, and ends the host.
    async fn stop(
        &mut self,
        serving: tokio::task::JoinHandle<()>,
    ) -> Result<Ended, oneshot::error::RecvError> {
        tracing::info!("stopping");
        hand_over(&self.node).await;
        self.stop.send_replace(true);
        if serving.await.is_err() {
            tracing::error!("the clients' task panicked");
        }
        self.node.stop().await;
        (&mut self.ended).await
    }
}

/// A leader that goes lets another voter lead before, so that nobody waits for an election. Where the others go at the same
/// time nobody will: whoever has no quorum any more leads no more, and waits for nobody.
async fn hand_over(node: &Node) {
    if node.status().role != Role::Leader {
        return;
    }
    let mut statuses = node.statuses();
    let moved = async {
        for heir in node.members() {
            let is_voter = !heir.is_learner && heir.id != node.id();
            if is_voter && node.ask_here(Caller::Nobody, Request::MoveLeader(heir.id)).await.is_ok()
            {
                return;
            }
        }
    };
    let leads_no_more = statuses.wait_for(|status| status.role != Role::Leader);
    let over = async {
        tokio::select! {
            biased;
            () = moved => {}
            _ = leads_no_more => {}
        }
    };
    if timeout(limits::REQUEST_TIMEOUT, over).await.is_err() {
        tracing::warn!("nobody has taken the leadership over");
    }
    if let Some(heir) = node.status().leader.filter(|heir| *heir != node.id()) {
        tracing::info!(to = %format!("{:x}", heir.0), "leadership handed over");
    }
}

async fn listen_to_peers(
    (listener, is_tls): Door,
    acceptor: Acceptor,
    reception: Reception,
    stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits::PEER_CONNECTIONS));
    accept_each(&listener, stop, |stream| {
        let (acceptor, reception) = (acceptor.clone(), reception.clone());
        let room = Arc::clone(&room);
        async move {
            let Ok(_permit) = room.try_acquire_owned() else {
                return Err(io::Error::other("too many connections"));
            };
            let accepted = timeout(limits::HANDSHAKE_TIMEOUT, acceptor.accept(stream, is_tls));
            let socket = accepted.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            Listener::new(reception, socket).serve().await
        }
    })
    .await;
}

/// Keeps the links to where the members are.
async fn follow_members(peers: Peers, mut members: watch::Receiver<Vec<Member>>) {
    while members.changed().await.is_ok() {
        let members = members.borrow_and_update().clone();
        // A member that was added and has nothing yet knows only those that it was told of.
        if !members.is_empty() {
            peers.set(members.into_iter().map(|m| (m.id, m.attributes.peer_urls)).collect());
        }
    }
}

/// Tells the replica when memory becomes low, and when it is not any more.
async fn watch_memory(node: Node, mut group: Cgroup) {
    loop {
        tokio::time::sleep(limits::MEMORY_LOOK).await;
        let Some(is_low) = group.change() else { continue };
        tracing::warn!(is_low, "memory near the limit of the control group");
        if node.tell(Input::Memory { is_low }).await.is_err() {
            return;
        }
    }
}
/// Serves clients once this member has told the others who it is.
fn serve_clients(
    node: Node,
    reactors: Reactors,
    settings: &Settings,
    doors: Vec<Door>,
    watchers: Vec<Door>,
    stop: watch::Receiver<bool>,
) -> Result<tokio::task::JoinHandle<()>, ServerError> {
    let bytes = usize::try_from(settings.tuning.request_bytes_max).unwrap_or(usize::MAX);
    let services = Services::new(node.clone(), bytes.saturating_add(limits::GRPC_OVERHEAD_BYTES));
    let acceptor = Acceptor::new(settings.tls.client.as_ref(), PROTOCOLS)?;
    let connections = descriptors::room().map_err(ServerError::TooFewFiles)?;
    let bounds = Bounds { connections, max_concurrent_streams: settings.max_concurrent_streams };
    let clients = Site::for_clients(&node, reactors.clone(), &services, acceptor.clone(), bounds);
    let metrics = Site::for_watchers(&node, reactors, acceptor);
    let publish = ClusterRequest::Publish {
        member: node.id(),
        name: settings.name.clone(),
        client_urls: settings.advertise_client_urls.clone(),
    };
    Ok(tokio::spawn(async move {
        let mut serving = tokio::task::JoinSet::new();
        for door in watchers {
            serving.spawn(metrics.clone().serve(door, stop.clone()));
        }
        let mut stopped = stop.clone();
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = announce(&node, publish) => {}
        }
        for door in doors {
            let at = door.0.local_addr().map_or_else(|_| String::new(), |at| at.to_string());
            serving.spawn(clients.clone().serve(door, stop.clone()));
            tracing::info!(at, "ready to serve client requests");
        }
        while serving.join_next().await.is_some() {}
    }))
}

/// Tells the members who this one is, as often as it takes.
async fn announce(node: &Node, publish: ClusterRequest) {
    loop {
        match node.ask(Caller::Nobody, Request::Cluster(publish.clone())).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "the members do not know yet who this one is"),
        }
        tokio::time::sleep(limits::RETRY).await;
    }
}
