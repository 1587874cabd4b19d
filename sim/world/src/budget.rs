//! What the members can bear to lose: inside this budget all of them must come to rest in the end.

use crate::{machine::Life, world::World};
use whitewater_api::NodeId;

/// Whose word is there for members that have yet to prove themselves, if one is missing.
struct Words {
    /// Members that give it to nobody, beside that one.
    silent: usize,
    /// Members that have forgotten who was there before, and give it to those only who come from now on.
    forgetful: usize,
    /// How many need it.
    new: usize,
    /// How many members may be silent.
    spare: usize,
}

impl Words {
    /// Whether those who need it get it, come what may.
    const fn are_enough(&self) -> bool {
        self.new == 0 || self.silent + self.forgetful + 1 + self.new <= self.spare
    }
}

impl World {
    /// Whether the members bear the loss of this disk now. What a plan takes away from members that are all known is the plan's
    /// own business.
    pub(crate) fn may_lose_disk(&self, node: NodeId) -> bool {
        !self.stage.needs_word_of(node) && self.words_without(node, None).are_enough()
    }

    /// Whether an operator takes a member away now, who knows which disks are lost: the replicas do not, and count on the word
    /// of a member that will never be heard again. One whose disk is gone has no word to lose.
    pub(crate) fn may_leave(&self, node: NodeId, successor: Option<NodeId>) -> bool {
        let words = self.words_without(node, successor);
        let is_sound = words.silent + words.forgetful == 0;
        let has_word = self.machines.get(node).disks == 1;
        // The successor needs the word of a majority, too.
        let is_spared = words.silent == 0 || words.silent < words.spare;
        !has_word || is_sound || words.are_enough() && is_spared
    }

    /// A member whose own disk is new needs the word of a majority of the others that it never had another, and one without its
    /// disk never gives it, nor one that was repaired to those who were there: until everybody has been heard once, they are
    /// missing.
    fn words_without(&self, node: NodeId, successor: Option<NodeId>) -> Words {
        let known = self.observer.members();
        let others = |nodes: Vec<NodeId>| nodes.into_iter().filter(|other| *other != node);
        let is_silent = |other: &NodeId| {
            let machine = self.machines.get(*other);
            machine.disks > 1 || machine.damage.is_some()
        };
        let is_forgetful =
            |other: &NodeId| self.machines.get(*other).has_forgotten && !is_silent(other);
        // Those too that are not members yet, and soon will be.
        let is_new = |other: &NodeId| {
            let machine = self.machines.get(*other);
            let is_expected = machine.life != Life::Retired && Some(*other) != successor;
            !is_silent(other) && !machine.has_forgotten && !machine.is_proven && is_expected
        };
        let spare = |voters: &[NodeId]| voters.len().saturating_sub(1) / 2;
        // In a joint configuration each half needs its own majority.
        let halves = [&known.voters, &known.outgoing].into_iter().filter(|half| !half.is_empty());
        Words {
            silent: others(known.everybody()).filter(is_silent).count(),
            forgetful: others(known.everybody()).filter(is_forgetful).count(),
            new: others(self.machines.started()).filter(is_new).count(),
            spare: halves.map(|half| spare(half)).min().unwrap_or(0),
        }
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
