//! Who is hit: roles are looked up when a fault begins (N11).

use crate::{machine::Life, world::World};
use whitewater_api::NodeId;
use whitewater_physics::Split;
use whitewater_record::{Shape, Victim};
use whitewater_replica::{Phase, Role};

impl World {
    /// The node behind a role; `None` if nobody has it.
    pub(crate) fn victim(&self, victim: Victim) -> Option<NodeId> {
        let up = || self.machines.iter().filter(|machine| machine.life == Life::Up);
        match victim {
            Victim::Node(node) => (self.machines.get(node).life != Life::Absent).then_some(node),
            Victim::Leader => self.machines.leader(),
            Victim::Follower(number) => {
                let leader = self.machines.leader();
                let others = up().map(|machine| machine.node).filter(|node| Some(*node) != leader);
                let others: Vec<NodeId> = others.collect();
                let count = u64::try_from(others.len()).expect("a length fits 64 bits");
                let place = number.checked_rem(count)?;
                others.get(usize::try_from(place).expect("below a length")).copied()
            }
            Victim::Receiver => {
                up().find(|machine| machine.status.receives_snapshot).map(|machine| machine.node)
            }
        }
    }

    /// The sides of a partition; `None` if nobody has the role that it is about.
    pub(crate) fn split(&self, shape: &Shape) -> Option<Split> {
        match shape {
            Shape::Nodes(nodes) => Some(Split::Side(nodes.clone())),
            Shape::Isolate(victim) => Some(Split::Side(vec![self.victim(*victim)?])),
            Shape::LeaderAndMinority => {
                let leader = self.machines.leader()?;
                let voters = &self.observer.members().voters;
                let more = (voters.len().saturating_sub(1) / 2).saturating_sub(1);
                let others = voters.iter().copied().filter(|node| *node != leader);
                // Those behind the leader by id, round: another leader takes other company.
                let (below, above): (Vec<_>, Vec<_>) = others.partition(|node| *node < leader);
                let company = above.into_iter().chain(below).take(more);
                Some(Split::Side(std::iter::once(leader).chain(company).collect()))
            }
            Shape::Bridge(node) => Some(Split::Bridge(*node)),
            Shape::Ring => Some(Split::Ring),
        }
    }

    /// What a node is right now, in a word.
    pub(crate) fn role_name(&self, node: NodeId) -> &'static str {
        let machine = self.machines.get(node);
        let status = &machine.status;
        if machine.life != Life::Up {
            "down"
        } else if status.phase != Phase::Active {
            "starting"
        } else if status.receives_snapshot {
            "receiver"
        } else if self.observer.members().learners.contains(&node) {
            "learner"
        } else {
            match status.role {
                Role::Leader => "leader",
                Role::Candidate | Role::PreCandidate => "candidate",
                Role::Follower => "follower",
            }
        }
    }

    /// Whether the node leads, as far as it knows.
    pub(crate) fn leads(&self, node: NodeId) -> bool {
        let machine = self.machines.get(node);
        machine.life == Life::Up && machine.status.role == Role::Leader
    }
}
