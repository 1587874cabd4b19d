//! Who can send to whom: ports and sets of directed links.

use crate::limits::{CLIENTS_MAX, NODE_IDS_MAX};
use std::fmt;
use whitewater_api::NodeId;

/// An end of links: a node's or a client's machine. Dense, because links are looked up by it for each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(u16);

const FIRST_CLIENT: u16 = 64;
const _: () = assert!(FIRST_CLIENT as u64 == NODE_IDS_MAX, "clients follow the nodes");

impl Port {
    /// The port of a node. Its id must lie below [`NODE_IDS_MAX`].
    pub fn node(node: NodeId) -> Self {
        assert!(node.0 < NODE_IDS_MAX, "{node} is not below {NODE_IDS_MAX}");
        Self(u16::try_from(node.0).expect("the limit fits 16 bits"))
    }

    /// The port of the so-manieth client, from 0, below [`CLIENTS_MAX`].
    pub fn client(client: u16) -> Self {
        assert!(client < CLIENTS_MAX, "client {client} is not below {CLIENTS_MAX}");
        Self(FIRST_CLIENT + client)
    }

    /// The node that it is, if it is one.
    pub fn as_node(self) -> Option<NodeId> {
        (self.0 < FIRST_CLIENT).then(|| NodeId(u64::from(self.0)))
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The name of the stream of draws of the link from here to `to`.
    pub(super) fn stream_entity(self, to: Self) -> u64 {
        u64::from(self.0) << 32 | u64::from(to.0)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_node() {
            Some(node) => node.fmt(f),
            None => write!(f, "client {}", self.0 - FIRST_CLIENT),
        }
    }
}

/// A set of directed links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSet(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Every link to and from the port, of clients too, and of those that are not there yet.
    Of(Port),
    /// Sorted, each once.
    Pairs(Vec<(Port, Port)>),
}

impl LinkSet {
    /// All links to and from `port`.
    pub fn of(port: Port) -> Self {
        Self(Kind::Of(port))
    }

    /// These links, each from its first port to its second.
    pub fn pairs(mut pairs: Vec<(Port, Port)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        Self(Kind::Pairs(pairs))
    }

    /// Whether the link from `from` to `to` is one of them.
    pub fn contains(&self, from: Port, to: Port) -> bool {
        match &self.0 {
            Kind::Of(port) => *port == from || *port == to,
            Kind::Pairs(pairs) => pairs.binary_search(&(from, to)).is_ok(),
        }
    }

    /// The links, if they are listed; nothing for all links of a port.
    pub fn as_pairs(&self) -> Option<&[(Port, Port)]> {
        match &self.0 {
            Kind::Of(_) => None,
            Kind::Pairs(pairs) => Some(pairs),
        }
    }
}
