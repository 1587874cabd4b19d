//! The connection that this member dials to another one.

use super::{
    frame::{Frame, Introduction, MAGIC, Purpose, malformed},
    pace::Pace,
};
use crate::{host::Answer, limits, metrics::Metrics, sockets::Dialer};
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter, split},
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};
use whitewater_api::{Caller, ClusterId, Index, Member, NodeId, Request, Term};
use whitewater_replica::wire;

/// What all links of a member have in common.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
    pub(crate) dialer: Dialer,
    pub(crate) metrics: Arc<Metrics>,
    /// How often a leader tells that it is there.
    pub(crate) heartbeat: Duration,
    /// The members, as they are known here.
    pub(crate) members: watch::Receiver<Vec<Member>>,
}

impl Setting {
    /// This member, where it is known to be one: it says where it is reached to who may have forgotten.
    fn own(&self) -> Vec<Member> {
        let members = self.members.borrow();
        members.iter().filter(|member| member.id == self.node).cloned().collect()
    }
}

/// The requests that were carried to a peer and are not answered.
type Waiting = Mutex<BTreeMap<u64, oneshot::Sender<(Answer, Index)>>>;

/// A link to one member. It is dialled again and again until it is dropped.
pub(super) struct Link {
    queue: mpsc::Sender<Frame>,
    state: Arc<State>,
    urls: watch::Sender<Vec<String>>,
    task: AbortHandle,
    /// Where it leads is known from nobody but whoever is said to be there.
    is_met: bool,
}

struct State {
    is_connected: AtomicBool,
    last_number: AtomicU64,
    waiting: Waiting,
    failures: prometheus::IntCounter,
    round_trips: prometheus::Histogram,
    active: prometheus::IntGauge,
    pace: Pace,
    late_heartbeats: prometheus::IntCounter,
}

impl Link {
    pub(super) fn dial(setting: Setting, to: NodeId, urls: Vec<String>) -> Self {
        let (queue, frames) = mpsc::channel(limits::PEER_QUEUE);
        let (urls, known) = watch::channel(urls);
        let (own, label) = (format!("{:x}", setting.node.0), format!("{:x}", to.0));
        let state = Arc::new(State {
            is_connected: AtomicBool::new(false),
            last_number: AtomicU64::new(0),
            waiting: Waiting::default(),
            failures: setting.metrics.peers.failures.with_label_values(&[&label]),
            round_trips: setting.metrics.peers.round_trips.with_label_values(&[&label]),
            active: setting.metrics.peers.active.with_label_values(&[&own, &label]),
            pace: Pace::new(setting.heartbeat),
            late_heartbeats: setting.metrics.peers.late_heartbeats.clone(),
        });
        let sent = setting.metrics.peers.sent.with_label_values(&[&label]);
        let dialing = Dialing { setting, to, urls: known, frames, state: state.clone(), sent };
        let task = tokio::spawn(dialing.run()).abort_handle();
        Self { queue, state, urls, task, is_met: false }
    }

    /// The same, to somebody of whom nothing is known but what it has said itself.
    pub(super) const fn of_met(mut self) -> Self {
        self.is_met = true;
        self
    }

    pub(super) const fn is_met(&self) -> bool {
        self.is_met
    }

    /// It is a member, and known to be found there.
    pub(super) fn know(&mut self, urls: Vec<String>) {
        self.is_met = false;
        self.redirect(urls);
    }

    /// The member is found elsewhere from now on.
    pub(super) fn redirect(&self, urls: Vec<String>) {
        self.urls.send_if_modified(|known| {
            let is_new = *known != urls;
            *known = urls;
            is_new
        });
    }

    /// Sends a frame, if there is a connection and room. Whether it did.
    pub(super) fn send(&self, frame: Frame) -> bool {
        let sent =
            self.state.is_connected.load(Ordering::Acquire) && self.queue.try_send(frame).is_ok();
        if !sent {
            self.state.failures.inc();
        }
        sent
    }

    /// A heartbeat of this leader leaves.
    pub(super) fn note_heartbeat(&self, term: Term) {
        if self.state.pace.is_late(term, Instant::now()) {
            self.state.late_heartbeats.inc();
        }
    }

    /// Carries a request over. Nothing where there is no connection.
    pub(super) fn forward(
        &self,
        caller: &Caller,
        request: &Request,
    ) -> Option<oneshot::Receiver<(Answer, Index)>> {
        let number = self.state.last_number.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.state.waiting.lock().expect("nobody panics with it");
        waiting.insert(number, answer);
        let frame = Frame::Forward { number, caller: caller.clone(), request: request.clone() };
        if self.send(frame) {
            return Some(answered);
        }
        waiting.remove(&number);
        None
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Dialing {
    setting: Setting,
    to: NodeId,
    urls: watch::Receiver<Vec<String>>,
    frames: mpsc::Receiver<Frame>,
    state: Arc<State>,
    sent: prometheus::IntCounter,
}

impl Dialing {
    async fn run(mut self) {
        let mut last_error = String::new();
        loop {
            let urls = self.urls.borrow_and_update().clone();
            for url in &urls {
                let error = match self.connect(url).await {
                    Ok(()) => continue,
                    Err(error) => format!("{url}: {error}"),
                };
                if error != last_error {
                    tracing::warn!(peer = %format!("{:x}", self.to.0), error, "no connection to a peer");
                }
                last_error = error;
            }
            tokio::select! {
                biased;
                // Whoever held the other end is gone, and so is this task.
                changed = self.urls.changed() => if changed.is_err() { return },
                () = sleep(limits::REDIAL) => {}
            }
        }
    }

    /// Dials one address, and talks until the connection breaks or the member is found elsewhere.
    async fn connect(&mut self, url: &str) -> io::Result<()> {
        let introduction = Introduction {
            cluster: Some(self.setting.cluster),
            node: Some(self.setting.node),
            to: Some(self.to),
            members: self.setting.own(),
            ..Introduction::new(Purpose::Talk)
        };
        let (stream, other, round_trip) =
            introduce(&self.setting.dialer, url, introduction).await?;
        self.state.round_trips.observe(round_trip.as_secs_f64());
        tracing::info!(peer = %format!("{:x}", self.to.0), url, "connected to a peer");
        self.state.is_connected.store(true, Ordering::Release);
        let version = other.common_version().map_err(io::Error::other)?;
        let (reader, writer) = split(stream);
        let mut urls = self.urls.clone();
        let is_elsewhere = |urls: &Vec<String>| !urls.iter().any(|known| known == url);
        let _active = Active::new(&self.state);
        let result = tokio::select! {
            biased;
            _ = urls.wait_for(is_elsewhere) => Ok(()),
            () = probe(&self.setting, self.to, url, &self.state) => Ok(()),
            result = hear(reader, version, &self.state) => result,
            result = speak(writer, version, &mut self.frames, &self.sent) => result,
        };
        self.state.is_connected.store(false, Ordering::Release);
        // What was meant for this connection is late or lost; what was carried over has an unknown outcome.
        while self.frames.try_recv().is_ok() {}
        self.state.waiting.lock().expect("nobody panics with it").clear();
        result
    }
}

/// The peer counts as active while this lasts.
struct Active<'a>(&'a State);

impl<'a> Active<'a> {
    fn new(state: &'a State) -> Self {
        state.active.set(1);
        Self(state)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.set(0);
    }
}

/// Asks now and then how long an answer takes, on a connection of its own: on the other one it would wait for what is said there.
async fn probe(setting: &Setting, to: NodeId, url: &str, state: &State) {
    loop {
        sleep(limits::PROBE).await;
        let (cluster, node, to) = (Some(setting.cluster), Some(setting.node), Some(to));
        let question = Introduction { cluster, node, to, ..Introduction::new(Purpose::Ask) };
        // One that does not answer is not measured, as at etcd; the other connection will break.
        if let Ok((_, _, round_trip)) = introduce(&setting.dialer, url, question).await {
            state.round_trips.observe(round_trip.as_secs_f64());
        }
    }
}

/// Takes the answers to what was carried over.
async fn hear(reader: impl AsyncRead + Unpin, version: u16, state: &State) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    loop {
        let (frame, _) = Frame::read(version, &mut reader).await?;
        let Frame::Answered { number, answer, applied } = frame else {
            return Err(malformed("something else than an answer"));
        };
        let waiter = state.waiting.lock().expect("nobody panics with it").remove(&number);
        if let Some(waiter) = waiter {
            // Whoever asked may have gone.
            drop(waiter.send((answer, applied)));
        }
    }
}

/// Writes what is queued, and lets it go as soon as nothing more is.
async fn speak(
    writer: impl AsyncWrite + Unpin,
    version: u16,
    frames: &mut mpsc::Receiver<Frame>,
    sent: &prometheus::IntCounter,
) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    while let Some(mut frame) = frames.recv().await {
        loop {
            let bytes = frame.write(version, &mut writer).await?;
            sent.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
            match frames.try_recv() {
                Ok(next) => frame = next,
                Err(_) => break,
            }
        }
        writer.flush().await?;
    }
    Ok(())
}

/// Dials, and tells who it is. Gives the connection, what the other end says of itself, and how long that took it.
pub(crate) async fn introduce(
    dialer: &Dialer,
    url: &str,
    introduction: Introduction,
) -> io::Result<(crate::sockets::Socket, Introduction, Duration)> {
    let handshake = async {
        let mut stream = dialer.dial(url).await?;
        let start = Instant::now();
        stream.write_all(&MAGIC).await?;
        Frame::Introduction(introduction).write(wire::VERSION, &mut stream).await?;
        stream.flush().await?;
        match Frame::read_first(&mut stream).await? {
            Frame::Introduction(other) => match other.common_version() {
                Err(objection) => Err(malformed(&objection)),
                Ok(_) => Ok((stream, other, start.elapsed())),
            },
            Frame::Refusal(why) => Err(malformed(&why)),
            Frame::Message(_) | Frame::Forward { .. } | Frame::Answered { .. } => {
                Err(malformed("no introduction"))
            }
        }
    };
    let patience = limits::HANDSHAKE_TIMEOUT;
    timeout(patience, handshake).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
