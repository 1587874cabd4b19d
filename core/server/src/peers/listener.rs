//! The connections that other members dial to this one.

use super::frame::{Frame, Introduction, MAGIC, Purpose, malformed};
use super::{Met, Peers};
use crate::{limits, node::Node, sockets::Socket};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, split},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use whitewater_api::{ClusterId, NodeId};
use whitewater_replica::{Envelope, Input, wire};

/// What a listener needs to receive peers.
#[derive(Clone)]
pub(crate) struct Reception {
    pub(crate) node: Node,
    pub(crate) peers: Peers,
    pub(crate) me: NodeId,
    pub(crate) cluster: ClusterId,
}

/// Who has dialled.
struct Guest {
    from: NodeId,
    /// Of the messages on this connection.
    version: u16,
    cluster: Option<ClusterId>,
    /// Where it says that it is reached.
    urls: Vec<String>,
}

/// One connection that was accepted.
pub(crate) struct Listener {
    reception: Reception,
    socket: Socket,
}

impl Listener {
    pub(crate) fn new(reception: Reception, socket: Socket) -> Self {
        Self { reception, socket }
    }

    /// Serves it until it breaks.
    pub(crate) async fn serve(mut self) -> io::Result<()> {
        let handshake = timeout(limits::HANDSHAKE_TIMEOUT, self.shake_hands()).await;
        let Some(other) = handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))? else {
            return Ok(());
        };
        let _met = self.meet(&other);
        let Guest { from, version, .. } = other;
        let (reader, writer) = split(self.socket);
        let (answers, queue) = mpsc::channel(limits::FORWARDED_MAX);
        let writing = tokio::spawn(write(writer, version, queue));
        let hearing = Hearing { reception: self.reception, from, version, answers };
        let result = hearing.hear(BufReader::new(reader)).await;
        writing.abort();
        result
    }

    /// Who dials, if it wants to talk.
    async fn shake_hands(&mut self) -> io::Result<Option<Guest>> {
        let mut magic = [0; MAGIC.len()];
        self.socket.read_exact(&mut magic).await?;
        if magic != MAGIC {
            return Err(malformed("no member of ours"));
        }
        let Frame::Introduction(other) = Frame::read_first(&mut self.socket).await? else {
            return Err(malformed("no introduction"));
        };
        if let Some(objection) = self.objection(&other) {
            Frame::Refusal(objection.clone()).write(wire::VERSION, &mut self.socket).await?;
            self.socket.flush().await?;
            return Err(malformed(&objection));
        }
        let mut own = Introduction {
            cluster: Some(self.reception.cluster),
            node: Some(self.reception.me),
            to: other.node,
            ..Introduction::new(other.purpose)
        };
        if other.purpose == Purpose::Ask {
            own.members = self.reception.node.members();
        }
        Frame::Introduction(own).write(wire::VERSION, &mut self.socket).await?;
        self.socket.flush().await?;
        let version = other.common_version().map_err(io::Error::other)?;
        let talks = other.node.filter(|_| other.purpose == Purpose::Talk);
        Ok(talks.map(|from| {
            let of_itself = other.members.into_iter().find(|member| member.id == from);
            let urls = of_itself.map_or_else(Vec::new, |member| member.attributes.peer_urls);
            Guest { from, version, cluster: other.cluster, urls }
        }))
    }

    /// Others may have come in since this member last heard of changes, or its disk may have lost who they are: the answer to
    /// those who find it, a leader among them, would find nobody. What it is told lasts as long as this.
    fn meet(&self, guest: &Guest) -> Option<Met> {
        let Reception { peers, cluster, .. } = &self.reception;
        (guest.cluster == Some(*cluster)).then(|| peers.meet(guest.from, &guest.urls))?
    }

    fn objection(&self, other: &Introduction) -> Option<String> {
        let Reception { me, cluster, .. } = self.reception;
        if other.cluster.is_some_and(|theirs| theirs != cluster) {
            return Some(format!(
                "this is a member of cluster {:x}; check --initial-cluster and --initial-cluster-token",
                cluster.0
            ));
        }
        if other.node == Some(me) {
            return Some("this is that member itself".to_owned());
        }
        if other.to.is_some_and(|to| to != me) {
            return Some(format!("this is member {:x}; check the peer URLs", me.0));
        }
        other.common_version().err()
    }
}

/// What hears a member.
struct Hearing {
    reception: Reception,
    from: NodeId,
    /// Of the messages on this connection.
    version: u16,
    answers: mpsc::Sender<Frame>,
}

impl Hearing {
    async fn hear(self, mut reader: impl tokio::io::AsyncRead + Unpin) -> io::Result<()> {
        let label = format!("{:x}", self.from.0);
        let received = self.reception.node.metrics().peers.received.with_label_values(&[&label]);
        let room = Arc::new(Semaphore::new(limits::FORWARDED_MAX));
        loop {
            let (frame, bytes) = Frame::read(self.version, &mut reader).await?;
            received.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
            match frame {
                Frame::Message(body) => {
                    let envelope = Envelope { from: self.from, to: self.reception.me, body };
                    let told = self.reception.node.tell(Input::Message(envelope)).await;
                    told.map_err(|error| io::Error::other(error.to_string()))?;
                }
                Frame::Forward { number, caller, request } => {
                    let permit = Arc::clone(&room).acquire_owned().await;
                    let (node, answers) = (self.reception.node.clone(), self.answers.clone());
                    tokio::spawn(async move {
                        let answer = node.ask_here(caller, request).await;
                        let applied = node.status().applied;
                        // Where the connection has broken, the other end knows that it knows nothing.
                        drop(answers.send(Frame::Answered { number, answer, applied }).await);
                        drop(permit);
                    });
                }
                Frame::Introduction(_) | Frame::Refusal(_) | Frame::Answered { .. } => {
                    return Err(malformed("something that is not a peer's to say"));
                }
            }
        }
    }
}

async fn write(
    writer: impl tokio::io::AsyncWrite + Unpin,
    version: u16,
    mut queue: mpsc::Receiver<Frame>,
) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    while let Some(frame) = queue.recv().await {
        frame.write(version, &mut writer).await?;
        if queue.is_empty() {
            writer.flush().await?;
        }
    }
    Ok(())
}
