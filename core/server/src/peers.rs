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

mod frame;
mod link;
mod listener;
mod secrets;

#[cfg(fuzzing)]
pub(crate) use self::frame::fuzz;
use self::link::Link;
pub(crate) use self::{
    frame::{Frame, Introduction, Purpose},
    link::{Setting, introduce},
    listener::{Listener, Reception},
};
use crate::{host::Answer, limits};
use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};
use whitewater_api::{Caller, Index, NodeId, Request};
use whitewater_replica::Envelope;

/// The links to all other members. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Inner>);

struct Inner {
    setting: Setting,
    links: RwLock<BTreeMap<NodeId, Link>>,
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
        Self(Arc::new(Inner { setting, links: RwLock::default() }))
    }

    /// Sends a message, or loses it.
    pub(crate) fn send(&self, envelope: Envelope) {
        let links = self.0.links.read().expect("nobody panics with it");
        if let Some(link) = links.get(&envelope.to) {
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

    /// Dials who has introduced itself from a place that is not known here, until it is known who the members are.
    pub(crate) fn meet(&self, node: NodeId, urls: &[String]) {
        let mut links = self.0.links.write().expect("nobody panics with it");
        if !links.contains_key(&node) && !urls.is_empty() && links.len() < limits::PEERS_MAX {
            links.insert(node, Link::dial(self.0.setting.clone(), node, urls.to_vec()));
        }
    }

    /// Dials those that are new, and lets go of those that are no members any more.
    pub(crate) fn set(&self, urls: BTreeMap<NodeId, Vec<String>>) {
        let me = self.0.setting.node;
        let mut links = self.0.links.write().expect("nobody panics with it");
        links.retain(|node, _| urls.contains_key(node));
        for (node, urls) in urls.into_iter().filter(|(node, urls)| *node != me && !urls.is_empty())
        {
            match links.get(&node) {
                Some(link) => link.redirect(urls),
                None => {
                    links.insert(node, Link::dial(self.0.setting.clone(), node, urls));
                }
            }
        }
    }
}
