//! Shapes of partitions (N7, N8) as sets of directed links.

use super::links::{LinkSet, Port};
use whitewater_api::NodeId;

/// A partition whose roles have been looked up: a leader, a victim or a list of nodes is a side by now (N11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// These nodes are the first side, all others the second.
    Side(Vec<NodeId>),
    /// The other nodes, by id, fall into two halves that only this one can reach both of. The first half, the smaller
    /// one, is the first side.
    Bridge(NodeId),
    /// Each node reaches only its two neighbours by id. There are no sides: clients reach everybody, and one-way
    /// means that only the way from a lower to a higher id is cut. Up to three nodes are all neighbours.
    Ring,
}

impl Split {
    /// The links that are cut. `nodes` are all machines of nodes, `clients` those clients that are cut off from the
    /// first side too. With `one_way`, only messages out of the first side are lost.
    pub fn links(&self, nodes: &[NodeId], clients: &[Port], one_way: bool) -> LinkSet {
        let mut nodes = nodes.to_vec();
        nodes.sort_unstable();
        nodes.dedup();
        match self {
            Self::Side(side) => {
                let others = nodes.iter().copied().filter(|node| !side.contains(node));
                between(side, others, clients, one_way)
            }
            Self::Bridge(bridge) => {
                nodes.retain(|node| node != bridge);
                let (first, second) = nodes.split_at(nodes.len() / 2);
                between(first, second.iter().copied(), clients, one_way)
            }
            Self::Ring => ring(&nodes, one_way),
        }
    }
}

fn between(
    first: &[NodeId],
    second: impl Iterator<Item = NodeId>,
    clients: &[Port],
    one_way: bool,
) -> LinkSet {
    let second: Vec<Port> = second.map(Port::node).chain(clients.iter().copied()).collect();
    let mut pairs = Vec::new();
    for a in first.iter().copied().map(Port::node) {
        for &b in &second {
            pairs.push((a, b));
            if !one_way {
                pairs.push((b, a));
            }
        }
    }
    LinkSet::pairs(pairs)
}

fn ring(nodes: &[NodeId], one_way: bool) -> LinkSet {
    let mut pairs = Vec::new();
    for (i, a) in nodes.iter().enumerate() {
        for (j, b) in nodes.iter().enumerate().skip(i + 1) {
            let are_neighbours = j == i + 1 || (i == 0 && j == nodes.len() - 1);
            if !are_neighbours {
                let (a, b) = (Port::node(*a), Port::node(*b));
                pairs.push((a, b));
                if !one_way {
                    pairs.push((b, a));
                }
            }
        }
    }
    LinkSet::pairs(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(n: u64) -> Vec<NodeId> {
        (1..=n).map(NodeId).collect()
    }

    fn port(node: u64) -> Port {
        Port::node(NodeId(node))
    }

    fn cut(links: &LinkSet) -> Vec<(u64, u64)> {
        let id = |port: Port| port.as_node().unwrap().0;
        links.as_pairs().unwrap().iter().map(|(a, b)| (id(*a), id(*b))).collect()
    }

    #[test]
    fn a_side_is_cut_from_all_others_in_both_directions_and_not_inside() {
        let links = Split::Side(vec![NodeId(1), NodeId(2)]).links(&nodes(3), &[], false);
        assert_eq!(cut(&links), [(1, 3), (2, 3), (3, 1), (3, 2)]);
    }

    #[test]
    fn one_way_cuts_only_what_leaves_the_first_side() {
        let client = Port::client(0);
        let links = Split::Side(vec![NodeId(2)]).links(&nodes(3), &[client], true);
        assert!(links.contains(port(2), port(1)) && links.contains(port(2), client));
        assert!(!links.contains(port(1), port(2)) && !links.contains(client, port(2)));
        assert!(!links.contains(port(1), client));
    }

    #[test]
    fn only_the_bridge_reaches_both_halves() {
        let links = Split::Bridge(NodeId(3)).links(&nodes(5), &[], true);
        assert_eq!(cut(&links), [(1, 4), (1, 5), (2, 4), (2, 5)]);
    }

    #[test]
    fn in_a_ring_each_node_reaches_its_two_neighbours() {
        let links = Split::Ring.links(&nodes(5), &[], false);
        for a in 1..=5 {
            let reached = (1..=5).filter(|b| *b != a && !links.contains(port(a), port(*b))).count();
            assert_eq!(reached, 2);
        }
        assert_eq!(cut(&Split::Ring.links(&nodes(3), &[], false)), []);
        assert_eq!(cut(&Split::Ring.links(&nodes(4), &[], true)), [(1, 3), (2, 4)]);
    }
}
