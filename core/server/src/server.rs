//! The life of a member: from its data directory to its last answer.

mod belonging;

pub(crate) use self::belonging::Belonging;

use self::belonging::{belonging, first};
use crate::{
    alone, clock, descriptors,
    disk::{Places, Writer},
    entropy,
    host::{Ended, Host, Stage, Surroundings},
    limits,
    listen::{Bounds, Door, PROTOCOLS, Site, accept_each},
    memory::Cgroup,
    metrics::Metrics,
    node::{Inner, Node},
    peers::{Listener, Peers, Reception, Setting},
    reactors::Reactors,
    services::Services,
    settings::{Settings, Url},
    sockets::{Acceptor, Dialer},
    tls::TlsError,
};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use thiserror::Error as ThisError;
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, oneshot, watch},
    time::timeout,
};
use whitewater_api::{Caller, ClusterRequest, DiskImage, Incarnation, Member, Request};
use whitewater_mutation::Mutations;
use whitewater_replica::{
    Boot, Config, Input, OpenError, Replica, Restoration, Role, Security, StopReason,
    identity::{Identity, IdentityError},
};

/// Why a member does not start, or has ended.
#[derive(Debug, ThisError)]
pub enum ServerError {
    /// The data directory is in use, or cannot be used.
    #[error("{path}: {error}. Is another process using the directory?")]
    Data {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A new member would overwrite an old one.
    #[error("{0}: there is a member in it already. Name a new folder by --data-dir")]
    InUse(PathBuf),
    /// An address cannot be listened at.
    #[error("cannot listen at {authority}: {error}")]
    Listen {
        /// Host and port.
        authority: String,
        /// Why.
        error: io::Error,
    },
    /// The system lets it have too few files and sockets to serve anybody.
    #[error("only {0} files and sockets may be open: more than {needed} are needed (ulimit -n)", needed = limits::RESERVED_FILES)]
    TooFewFiles(usize),
    /// The identity file is damaged.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The disk is refused.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Certificates do not do.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The old log and the new one would lie in one folder.
    #[error(
        "--force-new-cluster cannot be used with --wal-dir: move the log beside the data first"
    )]
    Elsewhere,
    /// None of the members could be asked who this one is.
    #[error("none of the members of --initial-cluster told who this one is: {0}")]
    Strangers(String),
    /// The members know nobody with these URLs.
    #[error("no member has the peer URLs {0:?}: say `etcdctl member add` first")]
    NotAdded(Vec<String>),
    /// The replica has stopped.
    #[error("the replica has stopped: {}", words(*.0))]
    Stopped(StopReason),
    /// Something of the operating system's.
    #[error(transparent)]
    System(#[from] io::Error),
}

const fn words(reason: StopReason) -> &'static str {
    match reason {
        StopReason::DiskFailed(_) => {
            "a write or sync failed, and nothing after it can be trusted; start again when the disk is well"
        }
        StopReason::Corrupt => {
            "most members hold other content; remove this member, wipe its data and add it again"
        }
        StopReason::WipedDisk => {
            "the others know this member with another disk; remove it and add it again"
        }
        StopReason::DamagedDisk => "the disk is damaged, and the members have not made up for it",
    }
}

/// Runs a member until a signal ends it, or its replica stops.
pub async fn run(settings: Settings) -> Result<(), ServerError> {
    let data = settings.data_dir.clone();
    let places = places(&settings);
    let unusable = |error| ServerError::Data { path: data.clone(), error };
    alone::finish_swap(&places).map_err(unusable)?;
    let _locked = places.open(&data).map_err(unusable)?;
    let mut image = places.read().map_err(unusable)?;
    let doors = Doors::open(&settings).await?;
    let dialer = Dialer::new(settings.tls.peer.as_ref())?;
    let mut belonging = belonging(&settings, &image, &dialer).await?;
    if settings.force_new_cluster && !image.is_empty() {
        alone::go_alone(&settings, &places, &belonging)?;
        image = places.read().map_err(unusable)?;
        if let Some(identity) = Identity::read(&image)? {
            belonging.cluster = identity.cluster;
        }
        belonging.boot = Boot::Bootstrap { members: vec![belonging.node] };
        belonging.urls.retain(|node, _| *node == belonging.node);
    }
    tracing::info!(
        name = settings.name,
        member = %format!("{:x}", belonging.node.0),
        cluster = %format!("{:x}", belonging.cluster.0),
        "starting"
    );
    let started = start(&settings, places, image, &belonging, dialer)?;
    started.live(settings, belonging, doors).await
}

/// The listeners, bound before anything else is done: a port that is taken is told at once.
struct Doors {
    clients: Vec<Door>,
    peers: Vec<Door>,
    watchers: Vec<Door>,
}

impl Doors {
    async fn open(settings: &Settings) -> Result<Self, ServerError> {
        Ok(Self {
            clients: bind(&settings.listen_client_urls).await?,
            peers: bind(&settings.listen_peer_urls).await?,
            watchers: bind(&settings.listen_metrics_urls).await?,
        })
    }
}

async fn bind(urls: &[Url]) -> Result<Vec<Door>, ServerError> {
    let mut doors = Vec::new();
    for Url { is_tls, authority } in urls {
        let bound = TcpListener::bind(authority).await;
        let authority = authority.clone();
        let listener = bound.map_err(|error| ServerError::Listen { authority, error })?;
        doors.push((listener, *is_tls));
    }
    Ok(doors)
}

/// Makes the data directory of a first member of a new cluster that has the content of a backup.
pub(crate) fn restore(settings: &Settings, from: Restoration) -> Result<(), ServerError> {
    let (data, places) = (settings.data_dir.clone(), places(settings));
    let unusable = |error| ServerError::Data { path: data.clone(), error };
    let _locked = places.open(&data).map_err(unusable)?;
    let image = places.read().map_err(unusable)?;
    if !image.is_empty() {
        return Err(ServerError::InUse(data));
    }
    let mut belonging = first(settings);
    let Boot::Bootstrap { members } = belonging.boot else { unreachable!("it is a first one") };
    belonging.boot = Boot::Restore { members, from };
    alone::write(settings, places, &belonging)
}

fn places(settings: &Settings) -> Places {
    let member = settings.data_dir.join("member");
    Places {
        wal: settings.wal_dir.clone().unwrap_or_else(|| member.clone()),
        member,
        unsafe_no_fsync: settings.unsafe_no_fsync,
    }
}

/// A member whose replica lives.
struct Started {
    node: Node,
    peers: Peers,
    members: watch::Receiver<Vec<Member>>,
    ended: oneshot::Receiver<Ended>,
    stage: Stage,
    writer: Writer,
    stop: watch::Sender<bool>,
}

fn start(
    settings: &Settings,
    places: Places,
    image: DiskImage,
    belonging: &Belonging,
    dialer: Dialer,
) -> Result<Started, ServerError> {
    let metrics = Arc::new(Metrics::new());
    let mut outputs = Vec::new();
    let incarnation = Incarnation(entropy::number());
    let config = config(settings, belonging);
    let replica = Replica::open(config, incarnation, clock::now(), image, &mut outputs)?;
    let (node, cluster) = (belonging.node, belonging.cluster);
    metrics.name(node);
    let (members, members_changed) = watch::channel(Vec::new());
    let setting = Setting {
        node,
        cluster,
        dialer,
        metrics: Arc::clone(&metrics),
        heartbeat: Duration::from_millis(settings.tuning.heartbeat_ticks * settings.tuning.tick_ms),
        members: members_changed.clone(),
    };
    let peers = Peers::new(setting);
    peers.set(belonging.urls.clone());
    let (stage, brought) = Stage::new(runtime::Handle::current());
    let disk_done = stage.clone();
    let writer = Writer::start(places, Arc::clone(&metrics), move |write, result| {
        disk_done.done(Input::DiskDone { write, result });
    })?;
    let (status, statuses) = watch::channel(replica.status());
    let around = Surroundings {
        stage: stage.clone(),
        brought,
        writer: writer.clone(),
        outbox: peers.clone(),
        status,
        members,
        metrics: Arc::clone(&metrics),
    };
    let ended = stage.open(Host::new(replica, outputs, around))?;
    let elections = Duration::from_millis(2 * settings.tuning.election_ms());
    let (stop, _) = watch::channel(false);
    let node = Node::new(Inner {
        node,
        cluster,
        stage: stage.clone(),
        status: statuses,
        members: members_changed.clone(),
        peers: peers.clone(),
        metrics,
        elections,
        last_stream: AtomicU64::new(0),
        stopping: stop.subscribe(),
    });
    Ok(Started { node, peers, members: members_changed, ended, stage, writer, stop })
}

pub(crate) fn config(settings: &Settings, belonging: &Belonging) -> Config {
    Config {
        node: belonging.node,
        cluster: belonging.cluster,
        peers: belonging.urls.clone(),
        boot: belonging.boot.clone(),
        seed: belonging.cluster.0,
        tuning: settings.tuning.clone(),
        release: settings.release,
        security: Security {
            entropy: entropy::bytes(),
            unix_seconds: unix_seconds(),
            token_key: settings.token_key.clone(),
        },
        mutations: Mutations::none(),
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

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Started {
    async fn live(
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
