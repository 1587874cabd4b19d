//! Members talk to each other over streams that each of them dials.
//!
//! ```text
//!   dialer                                   listener
//!     ── Introduction (version, cluster, who) ──▶
//!     ◀─ Introduction, or a refusal in words ───
//!     ── Message, Forward … ────────────────────▶
//!     ◀─ Answered … ────────────────────────────
//! ```
//!
//! Messages of the replica go one way only, on the sender's own connection, and are lost where there is none: the replica
//! expects that of a network. Requests that were carried to the leader are answered on the connection that they came on.

mod acquaintances;
mod frame;
mod link;
mod listener;
mod pace;
mod secrets;

#[cfg(fuzzing)]
pub(crate) use self::frame::fuzz;
use self::{
    acquaintances::{Acquaintances, Saying},
    link::Link,
};
pub(crate) use self::{
    frame::{Frame, Introduction, Purpose},
    link::{Setting, introduce},
    listener::{Listener, Reception},
};
use crate::{host::Answer, limits};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, RwLock},
};
use whitewater_api::{Caller, Index, NodeId, Request};
use whitewater_replica::Envelope;

/// The links to all other members. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Inner>);

struct Inner {
    setting: Setting,
    links: RwLock<BTreeMap<NodeId, Link>>,
    acquaintances: Mutex<Acquaintances>,
}

/// As long as this lasts, it counts where somebody has said that it is reached.
pub(crate) struct Met {
    peers: Peers,
    saying: Saying,
}

impl Drop for Met {
    fn drop(&mut self) {
        self.peers.part(&self.saying);
    }
}

/// What came of a request that was carried to the leader.
pub(crate) enum Forwarded {
    /// Its answer, and what was applied there by then.
    Answered(Answer, Index),
    /// It never left.
    NotSent,
    /// It left, and nobody knows what came of it.
    Lost,
}

impl Peers {
    pub(crate) fn new(setting: Setting) -> Self {
        let acquaintances = Mutex::new(Acquaintances::new(setting.dialer.has_tls()));
        Self(Arc::new(Inner { setting, links: RwLock::default(), acquaintances }))
    }

    /// Sends a message, or loses it.
    pub(crate) fn send(&self, envelope: Envelope) {
        let links = self.0.links.read().expect("nobody panics with it");
        if let Some(link) = links.get(&envelope.to) {
            if let Some(term) = envelope.body.heartbeat() {
                link.note_heartbeat(term);
            }
            link.send(Frame::Message(envelope.body));
        }
    }

    /// Carries a request to the leader.
    pub(crate) async fn forward(
        &self,
        leader: NodeId,
        caller: &Caller,
        request: &Request,
    ) -> Forwarded {
        let answered = {
            let links = self.0.links.read().expect("nobody panics with it");
            links.get(&leader).and_then(|link| link.forward(caller, request))
        };
        match answered {
            Some(answered) => match answered.await {
                Ok((answer, applied)) => Forwarded::Answered(answer, applied),
                Err(_) => Forwarded::Lost,
            },
            None => Forwarded::NotSent,
        }
    }

    /// Dials who has introduced itself and of whom nothing else is known here, until it is known who the members are, or it has
    /// hung up.
    pub(crate) fn meet(&self, node: NodeId, urls: &[String]) -> Option<Met> {
        let mut links = self.0.links.write().expect("nobody panics with it");
        let is_known = links.get(&node).is_some_and(|link| !link.is_met());
        if is_known || links.len() >= limits::PEERS_MAX && !links.contains_key(&node) {
            return None;
        }
        let mut acquaintances = self.0.acquaintances.lock().expect("nobody panics with it");
        let saying = acquaintances.hear(node, urls)?;
        let urls = acquaintances.urls(node);
        if let Some(link) = links.get(&node) {
            link.redirect(urls);
        } else {
            let link = Link::dial(self.0.setting.clone(), node, urls);
            links.insert(node, link.of_met());
        }
        Some(Met { peers: self.clone(), saying })
    }

    /// Somebody who was met has hung up.
    fn part(&self, saying: &Saying) {
        let mut links = self.0.links.write().expect("nobody panics with it");
        let mut acquaintances = self.0.acquaintances.lock().expect("nobody panics with it");
        acquaintances.forget(saying);
        let urls = acquaintances.urls(saying.0);
        if let Some(link) = links.get(&saying.0).filter(|link| link.is_met()) {
            if urls.is_empty() {
                links.remove(&saying.0);
            } else {
                link.redirect(urls);
            }
        }
    }

    /// Dials those that are new, and lets go of those that are no members any more. Who has introduced itself may be one of whom
    /// this member has yet to hear.
    pub(crate) fn set(&self, urls: BTreeMap<NodeId, Vec<String>>) {
        let me = self.0.setting.node;
        let mut links = self.0.links.write().expect("nobody panics with it");
        links.retain(|node, link| urls.contains_key(node) || link.is_met());
        for (node, urls) in urls.into_iter().filter(|(node, urls)| *node != me && !urls.is_empty())
        {
            match links.get_mut(&node) {
                Some(link) => link.know(urls),
                None => {
                    links.insert(node, Link::dial(self.0.setting.clone(), node, urls));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metrics::Metrics, sockets::Dialer};
    use std::time::Duration;
    use tokio::{net::TcpListener, sync::watch};
    use whitewater_api::ClusterId;

    const MEMBER: NodeId = NodeId(7);

    fn peers() -> Peers {
        Peers::new(Setting {
            node: NodeId(1),
            cluster: ClusterId(1),
            dialer: Dialer::new(None).unwrap(),
            metrics: Arc::new(Metrics::new()),
            heartbeat: Duration::from_millis(100),
            members: watch::channel(Vec::new()).1,
        })
    }

    async fn listener() -> (TcpListener, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, vec![url])
    }

    fn dials(peers: &Peers, node: NodeId) -> bool {
        peers.0.links.read().unwrap().contains_key(&node)
    }

    #[tokio::test]
    async fn an_impostor_that_says_to_be_a_member_does_not_keep_that_from_being_found() {
        let peers = peers();
        let ((impostor, said), (member, says)) = (listener().await, listener().await);
        let first = peers.meet(MEMBER, &said).expect("it is met");
        impostor.accept().await.unwrap();
        drop(impostor); // It is nobody to talk to.
        let second = peers.meet(MEMBER, &says).expect("it is met, too");
        member.accept().await.unwrap();
        drop(first);
        assert!(dials(&peers, MEMBER));
        drop(second);
        assert!(!dials(&peers, MEMBER), "whoever has hung up is not dialled any more");
    }

    #[tokio::test]
    async fn who_is_known_is_not_found_elsewhere_because_somebody_says_so() {
        let peers = peers();
        let ((_impostor, said), (member, known)) = (listener().await, listener().await);
        let met = peers.meet(MEMBER, &said).expect("nothing is known yet");
        peers.set(BTreeMap::from([(MEMBER, known)]));
        member.accept().await.unwrap();
        assert!(peers.meet(MEMBER, &said).is_none());
        drop(met);
        assert!(dials(&peers, MEMBER), "it is a member, whoever hangs up");
        peers.set(BTreeMap::new());
        assert!(!dials(&peers, MEMBER));
    }

    #[tokio::test]
    async fn as_many_are_met_as_make_sense_and_those_who_hang_up_make_room() {
        let peers = peers();
        let (_listener, said) = listener().await;
        let nodes = (100..).map(NodeId).take(limits::PEERS_MAX);
        let mut met: Vec<_> = nodes.map(|node| peers.meet(node, &said).unwrap()).collect();
        assert!(peers.meet(MEMBER, &said).is_none());
        met.pop();
        assert!(peers.meet(MEMBER, &said).is_some());
    }
}
