//! The life of a member: from its data directory to its last answer.

mod belonging;
mod error;
mod life;

pub use self::error::ServerError;

pub(crate) use self::belonging::Belonging;

use self::{
    belonging::{belonging, first},
    life::Started,
};
use crate::{
    alone, clock,
    disk::{Places, Writer},
    entropy,
    host::{Host, Stage, Surroundings},
    listen::Door,
    metrics::Metrics,
    node::{Inner, Node},
    peers::{Peers, Setting},
    settings::{Settings, Url},
    sockets::Dialer,
};
use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, runtime, sync::watch};
use whitewater_api::{DiskImage, Incarnation};
use whitewater_mutation::Mutations;
use whitewater_replica::{Boot, Config, Input, Replica, Restoration, Security, identity::Identity};

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

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
