//! What a plan is made of, and the plan without one of its items.

use crate::{cluster, fair, operations, settings, watchers};
use std::fmt;
use whitewater_record::{Plan, PlannedFault};

/// How many items a plan has, of each sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Items {
    /// Faults; one is a start with its end.
    pub faults: usize,
    /// Operations of all clients.
    pub operations: usize,
    /// Clients that do nothing but watch.
    pub watchers: usize,
    /// Members at the start.
    pub nodes: usize,
    /// Settings of the network, the disks, the clocks and the replicas that are neither calm nor usual.
    pub settings: usize,
}

impl Items {
    /// The items of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            faults: plan.faults.len(),
            operations: plan.clients.iter().map(|client| client.operations.len()).sum(),
            watchers: plan.watchers.len(),
            nodes: usize::try_from(plan.cluster.nodes).unwrap_or(usize::MAX),
            settings: settings::unusual(plan),
        }
    }

    /// All of them.
    pub const fn total(&self) -> usize {
        self.faults + self.operations + self.watchers + self.nodes + self.settings
    }
}

impl fmt::Display for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.faults, "fault"),
            (self.operations, "operation"),
            (self.watchers, "watcher"),
            (self.nodes, "node"),
            (self.settings, "setting"),
        ];
        let mut separator = "";
        for (n, word) in words {
            if n > 0 {
                write!(f, "{separator}{n} {word}{}", if n == 1 { "" } else { "s" })?;
                separator = ", ";
            }
        }
        if separator.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}

/// One item, and the plan without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The item, for people: its sort, and the item itself as the plan writes it.
    pub item: String,
    /// The plans that count as the plan without it, the best first.
    pub plans: Vec<Plan>,
}

/// The plan without each of its items, one at a time: a plan is large, and most who ask want the first few.
pub fn removals(plan: &Plan) -> impl Iterator<Item = Removal> {
    let faults = fault_groups(plan).into_iter().map(move |group| Removal {
        item: format!("fault {}", list(group.iter().map(|place| fault(&plan.faults[*place])))),
        plans: vec![without_faults(plan, &group)],
    });
    let operations = operations::places(plan).into_iter().map(move |(client, place)| Removal {
        item: format!("c{} {}", client + 1, plan.clients[client].operations[place]),
        plans: vec![operations::without(plan, &[(client, place)])],
    });
    let watchers = plan.watchers.iter().zip(watchers::without_each(plan));
    let watchers = watchers.map(|(watcher, less)| Removal {
        item: format!("watcher of {}", list(watcher.watches.iter().map(ToString::to_string))),
        plans: vec![less],
    });
    let nodes = (1..=plan.cluster.nodes).filter_map(move |node| {
        let plans = vec![cluster::without_node(plan, node)?];
        Some(Removal { item: format!("member n{node}"), plans })
    });
    let settings = settings::each_usual(plan);
    faults.chain(operations).chain(watchers).chain(nodes).chain(settings)
}

/// A fault in a word, and when it holds.
fn fault(planned: &PlannedFault) -> String {
    let PlannedFault { at, lasts, fault } = planned;
    let nodes: Vec<String> = fault.nodes().iter().map(ToString::to_string).collect();
    let of = if nodes.is_empty() { String::new() } else { format!(" of {}", nodes.join("+")) };
    format!("{}{of} at {at} for {lasts}", fault.name())
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// The faults, by place, in groups that make sense only together: what wipes a disk, and what replaces its member.
pub(crate) fn fault_groups(plan: &Plan) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, fault) in plan.faults.iter().enumerate() {
        let wipe = groups
            .iter_mut()
            .find(|group| group.len() == 1 && fair::replaces(fault, &plan.faults[group[0]]));
        match wipe {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups
}

/// The plan without the faults at these places, and without those that then name nobody.
pub(crate) fn without_faults(plan: &Plan, places: &[usize]) -> Plan {
    let mut less = plan.clone();
    let mut place = 0;
    less.faults.retain(|_| {
        place += 1;
        !places.contains(&(place - 1))
    });
    cluster::drop_orphans(&mut less);
    less
}
