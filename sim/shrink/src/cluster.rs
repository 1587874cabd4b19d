//! Fewer nodes and fewer clients.

use crate::{operations, size::Size};
use std::collections::BTreeSet;
use whitewater_api::{MemberChange, NodeId};
use whitewater_record::{ClientPlan, Fault, Plan, Seed, Shape, Victim, When};

/// The plan with fewer nodes: the largest step first.
pub(crate) fn fewer_nodes(plan: &Plan) -> Vec<Plan> {
    let nodes = plan.cluster.nodes;
    let mut all: Vec<Plan> = (1..nodes).filter_map(|target| reduced(plan, target)).collect();
    all.extend((1..=nodes).rev().filter_map(|node| without_node(plan, node)));
    all
}

/// The plan with fewer nodes and another seed, with which somebody else leads.
pub(crate) fn fewer_nodes_reseeded(plan: &Plan, seeds: u64) -> Vec<Plan> {
    let reseed = |plan: Plan| (1..=seeds).map(move |n| Plan { seed: Seed(n), ..plan.clone() });
    fewer_nodes(plan).into_iter().flat_map(reseed).collect()
}

/// Down to `target` nodes: those that the plan names stay, as far as there is room.
fn reduced(plan: &Plan, target: u64) -> Option<Plan> {
    let mut less = plan.clone();
    while less.cluster.nodes > target {
        let named: BTreeSet<NodeId> =
            less.faults.iter().flat_map(|fault| fault.fault.nodes()).collect();
        let unnamed = (1..=less.cluster.nodes).rev().find(|node| !named.contains(&NodeId(*node)));
        less = without_node(&less, unnamed.unwrap_or(less.cluster.nodes))?;
    }
    Some(less)
}

/// The plan without a member of the start. Those above it move down by one; faults that name it go.
pub(crate) fn without_node(plan: &Plan, node: u64) -> Option<Plan> {
    let nodes = plan.cluster.nodes;
    if nodes < 2 {
        return None;
    }
    let moved = |NodeId(id): NodeId| {
        if id == node {
            None
        } else if id > node && id <= nodes {
            Some(NodeId(id - 1))
        } else {
            Some(NodeId(id))
        }
    };
    let mut less = plan.clone();
    less.cluster.nodes -= 1;
    let place = usize::try_from(node - 1).unwrap_or(usize::MAX);
    if place < less.cluster.clocks.len() {
        less.cluster.clocks.remove(place);
    }
    for client in &mut less.clients {
        client.home = moved(client.home).unwrap_or(NodeId(node.min(nodes - 1)));
    }
    for watcher in &mut less.watchers {
        watcher.home = moved(watcher.home).unwrap_or(NodeId(node.min(nodes - 1)));
    }
    less.faults.retain_mut(|fault| match moved_fault(&fault.fault, &moved) {
        Some(fault_moved) => {
            fault.fault = fault_moved;
            true
        }
        None => false,
    });
    drop_orphans(&mut less);
    Some(less)
}

/// The plan with the members of the start under each other's names: all rotations, then all exchanges of two. The luck of
/// elections goes by name, so another one leads where it matters.
pub(crate) fn renamed(plan: &Plan) -> Vec<Plan> {
    let nodes = plan.cluster.nodes;
    let mut all: Vec<Plan> =
        (1..nodes).filter_map(|by| with_names(plan, &|id| (id - 1 + by) % nodes + 1)).collect();
    for a in 1..nodes {
        for b in a + 1..=nodes {
            all.extend(with_names(plan, &|id| match id {
                id if id == a => b,
                id if id == b => a,
                id => id,
            }));
        }
    }
    all
}

fn with_names(plan: &Plan, name: &dyn Fn(u64) -> u64) -> Option<Plan> {
    let renamed =
        |NodeId(id): NodeId| Some(NodeId(if id <= plan.cluster.nodes { name(id) } else { id }));
    let mut other = plan.clone();
    for client in &mut other.clients {
        client.home = renamed(client.home)?;
    }
    for watcher in &mut other.watchers {
        watcher.home = renamed(watcher.home)?;
    }
    for fault in &mut other.faults {
        fault.fault = moved_fault(&fault.fault, &renamed)?;
    }
    Some(other)
}

/// The fault with other node ids; nothing if it is about one that is gone.
fn moved_fault(fault: &Fault, moved: &impl Fn(NodeId) -> Option<NodeId>) -> Option<Fault> {
    let mut fault = fault.clone();
    if let Some(Victim::Node(node)) = fault.victim() {
        *fault.victim_mut()? = Victim::Node(moved(node)?);
        return Some(fault);
    }
    if let Fault::ZoneLoss { nodes, .. } = &mut fault {
        *nodes = nodes.iter().copied().filter_map(moved).collect();
        return (!nodes.is_empty()).then_some(fault);
    }
    if let Fault::Partition { shape, .. } = &mut fault {
        match shape {
            Shape::Nodes(side) => {
                *side = side.iter().copied().filter_map(moved).collect();
                if side.is_empty() {
                    return None;
                }
            }
            Shape::Isolate(Victim::Node(node)) | Shape::Bridge(node) => *node = moved(*node)?,
            Shape::Isolate(Victim::Leader | Victim::Follower(_) | Victim::Receiver)
            | Shape::LeaderAndMinority
            | Shape::Ring => {}
        }
    } else if let Fault::Member { change } = &mut fault {
        match change {
            MemberChange::Remove(node) | MemberChange::Promote(node) => *node = moved(*node)?,
            MemberChange::Replace { old, .. } => *old = moved(*old)?,
            MemberChange::Add(_) | MemberChange::AddLearner(_) => {}
        }
    }
    Some(fault)
}

/// Takes away the faults that name a node which never comes, until there are none.
pub(crate) fn drop_orphans(plan: &mut Plan) {
    loop {
        let is_orphan = |fault: &Fault| fault.nodes().into_iter().any(|node| !plan.has_node(node));
        let kept: Vec<_> =
            plan.faults.iter().filter(|fault| !is_orphan(&fault.fault)).cloned().collect();
        if kept.len() == plan.faults.len() {
            return;
        }
        plan.faults = kept;
    }
}

/// The plan with fewer clients: without those that do nothing, or with two merged.
pub(crate) fn fewer_clients(plan: &Plan) -> Vec<Plan> {
    let mut busy = plan.clone();
    busy.clients.retain(|client| !client.operations.is_empty());
    let mut all = vec![busy];
    for (place, client) in plan.clients.iter().enumerate() {
        if client.operations.is_empty() {
            let mut less = plan.clone();
            less.clients.remove(place);
            all.push(less);
        }
    }
    for from in (1..plan.clients.len()).rev() {
        for into in 0..from {
            all.extend(merged(plan, into, from));
        }
    }
    all
}

/// The plan with the operations of one client done by another, at the same moments.
fn merged(plan: &Plan, into: usize, from: usize) -> Option<Plan> {
    let mut less = plan.clone();
    let moved = less.clients.remove(from).operations;
    let ClientPlan { operations, .. } = &mut less.clients[into];
    operations.extend(moved);
    let at = |when: When| match when {
        When::At(at) => Some(at),
        When::After(_) => None,
    };
    if operations.iter().any(|operation| at(operation.when).is_none()) {
        return None;
    }
    operations.sort_by_key(|operation| at(operation.when));
    (Size::of(&less) < Size::of(plan) && operations::places(&less).len() > 1).then_some(less)
}
