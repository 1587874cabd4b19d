//! What the members can bear to lose: inside this budget all of them must come to rest in the end.

use crate::{machine::Life, world::World};
use whitewater_api::NodeId;

/// Whose word is there for members that have yet to prove themselves, if one is missing.
struct Words {
    /// Members that have none, beside that one.
    lost: usize,
    /// How many need it.
    new: usize,
    /// Whether a majority has it, come what may.
    is_enough: bool,
}

impl World {
    /// Whether the members bear the loss of this disk now. What a plan takes away from members that are all known is the plan's
    /// own business.
    pub(crate) fn may_lose_disk(&self, node: NodeId) -> bool {
        let Words { new, is_enough, .. } = self.words_without(node, None);
        !self.stage.needs_word_of(node) && (new == 0 || is_enough)
    }

    /// Whether an operator takes a member away now, who knows which disks are lost: the replicas do not, and count on the word
    /// of a member that will never be heard again. One whose disk is gone has no word to lose.
    pub(crate) fn may_leave(&self, node: NodeId, successor: Option<NodeId>) -> bool {
        let Words { lost, is_enough, .. } = self.words_without(node, successor);
        self.machines.get(node).disks > 1 || lost == 0 || is_enough
    }

    /// A member whose own disk is new needs the word of a majority of the others that it never had another, and one without its
    /// disk never gives it, nor one that was repaired: until everybody has been heard once, they are missing.
    fn words_without(&self, node: NodeId, successor: Option<NodeId>) -> Words {
        let known = self.observer.members();
        let others = |nodes: Vec<NodeId>| nodes.into_iter().filter(|other| *other != node);
        let is_lost = |other: &NodeId| {
            let machine = self.machines.get(*other);
            machine.disks > 1 || machine.damage.is_some() || machine.has_forgotten
        };
        // Those too that are not members yet, and soon will be.
        let is_new = |other: &NodeId| {
            let machine = self.machines.get(*other);
            let is_expected = machine.life != Life::Retired && Some(*other) != successor;
            !is_lost(other) && !machine.is_proven && is_expected
        };
        let lost = others(known.everybody()).filter(is_lost).count();
        let new = others(self.machines.started()).filter(is_new).count();
        let spare = |voters: &[NodeId]| voters.len().saturating_sub(1) / 2;
        // In a joint configuration each half needs its own majority.
        let halves = [&known.voters, &known.outgoing].into_iter().filter(|half| !half.is_empty());
        let spare = halves.map(|half| spare(half)).min().unwrap_or(0);
        Words { lost, new, is_enough: lost + 1 + new <= spare }
    }

    /// Whether the others can take the vote of this voter away: a majority of all is sound without it.
    pub(crate) fn may_lose_vote(&self, node: NodeId) -> bool {
        let members = self.observer.members();
        let is_sound = |other: &&NodeId| {
            let machine = self.machines.get(**other);
            **other != node && machine.damage.is_none() && machine.life != Life::Retired
        };
        let sound = members.voters.iter().filter(is_sound).count();
        members.outgoing.is_empty() && 2 * sound > members.voters.len()
    }
}
