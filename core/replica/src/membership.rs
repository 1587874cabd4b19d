//! What is known of the members beside the configuration itself, the same on every member as of the same index.
//!
//! Whose disk is whose is settled in two steps. A new disk is vouched for by word: by a majority of the voters that were there
//! when its own member came in ([`Membership::elders`]). That set does not change, so any two such majorities share a member,
//! however the configuration has moved on. Then the disk is written into the log, and from there on everybody knows it, those
//! too that came later.
//!
//! Invariants:
//!
//! - Who is removed never comes back under its id.
//! - As long as a member's disk is not in the log, nobody is removed without whose word it could not prove itself any more.

use crate::{cluster::Roster, members::sorted};
use raft::eraftpb::ConfState;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{Incarnation, NodeId};

/// What is known of the members, as of one index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Members that were removed. Their ids are never used again.
    pub(crate) removed: BTreeSet<NodeId>,
    /// Members that lost their vote with their disk, and get it back.
    pub(crate) relieved: BTreeSet<NodeId>,
    /// Names and URLs.
    pub(crate) roster: Roster,
    /// The first members, gone or not.
    pub(crate) founders: Vec<NodeId>,
    /// The members that came later.
    pub(crate) joined: BTreeMap<NodeId, Joined>,
}

/// How a member came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Joined {
    /// It has yet to prove that it never had another disk.
    Unknown {
        /// The voters that were there.
        elders: Vec<NodeId>,
        /// Those of them that are gone, or have forgotten whom they knew.
        mute: BTreeSet<NodeId>,
    },
    /// Its disk is in the log.
    Known(Incarnation),
}

impl Membership {
    /// The configuration has changed from `before` to `after`, perhaps by relieving a member whose disk is damaged.
    pub(crate) fn on_changed(
        &mut self,
        before: &ConfState,
        after: &ConfState,
        relieved: Option<NodeId>,
    ) {
        // A learner has no vote to get back.
        self.relieved.extend(relieved.filter(|node| before.voters.contains(&node.0)));
        self.relieved.retain(|node| after.learners.contains(&node.0));
        let (old, new) = (everybody(before), everybody(after));
        for node in new.difference(&old) {
            let joined = Joined::Unknown { elders: elders(before, after), mute: BTreeSet::new() };
            self.joined.insert(*node, joined);
        }
        self.joined.retain(|node, _| new.contains(node));
        let silenced = old.difference(&new).copied().chain(relieved);
        for gone in silenced.collect::<Vec<_>>() {
            for joined in self.joined.values_mut() {
                if let Joined::Unknown { mute, .. } = joined {
                    mute.insert(gone);
                }
            }
        }
    }

    /// The log says which disk a member has. The first one counts.
    pub(crate) fn on_disk_known(&mut self, node: NodeId, incarnation: Incarnation) {
        if let Some(joined @ Joined::Unknown { .. }) = self.joined.get_mut(&node) {
            *joined = Joined::Known(incarnation);
        }
    }

    /// The disk that the log says a member has.
    pub(crate) fn disk(&self, node: NodeId) -> Option<Incarnation> {
        match self.joined.get(&node)? {
            Joined::Known(incarnation) => Some(*incarnation),
            Joined::Unknown { .. } => None,
        }
    }

    /// Whether a member came later, and its disk is not in the log yet.
    pub(crate) fn lacks_disk(&self, node: NodeId) -> bool {
        matches!(self.joined.get(&node), Some(Joined::Unknown { .. }))
    }

    /// Who was there when a member came in: a majority of them has to vouch for its disk. Of a founder the other founders.
    pub(crate) fn elders(&self, node: NodeId) -> Vec<NodeId> {
        match self.joined.get(&node) {
            Some(Joined::Unknown { elders, .. }) => elders.clone(),
            Some(Joined::Known(_)) => Vec::new(),
            None => self.founders.iter().copied().filter(|founder| *founder != node).collect(),
        }
    }

    /// Whether the word of `elder` counts for `node`, if its disk forgot nothing since it began.
    pub(crate) fn may_vouch(&self, elder: NodeId, node: NodeId) -> bool {
        let is_mute = match self.joined.get(&node) {
            Some(Joined::Unknown { mute, .. }) => mute.contains(&elder),
            Some(Joined::Known(_)) | None => false,
        };
        !is_mute && self.elders(node).contains(&elder)
    }

    /// Whether a member that has yet to prove itself could not do so any more without the word of `node`.
    pub(crate) fn needs_word_of(&self, node: NodeId) -> bool {
        self.joined.iter().any(|(newcomer, joined)| match joined {
            Joined::Unknown { elders, mute } => {
                let able = elders.iter().filter(|elder| !mute.contains(elder)).count();
                let has_word = elders.contains(&node) && !mute.contains(&node);
                *newcomer != node && has_word && able == elders.len() / 2 + 1
            }
            Joined::Known(_) => false,
        })
    }
}

/// The members in both halves of a configuration.
fn everybody(conf: &ConfState) -> BTreeSet<NodeId> {
    let voters = conf.voters.iter().chain(&conf.voters_outgoing);
    let ids = voters.chain(&conf.learners).chain(&conf.learners_next);
    ids.copied().map(NodeId).collect()
}

/// Who vouches for a member that comes in with this change: voters, who have or will soon have the entry whether the newcomer
/// takes part or not. Learners may be far behind. One that goes is counted in unless its word would only make more of them
/// needed.
fn elders(before: &ConfState, after: &ConfState) -> Vec<NodeId> {
    let voters = sorted(&before.voters);
    let staying: Vec<NodeId> =
        voters.iter().copied().filter(|voter| after.voters.contains(&voter.0)).collect();
    if staying.len() / 2 < voters.len() / 2 { staying } else { voters }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(voters: &[u64], learners: &[u64], outgoing: &[u64]) -> ConfState {
        let mut conf = ConfState::from((voters.to_vec(), learners.to_vec()));
        conf.set_voters_outgoing(outgoing.to_vec());
        conf
    }

    fn nodes(ids: &[u64]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn three() -> Membership {
        Membership { founders: nodes(&[1, 2, 3]), ..Membership::default() }
    }

    /// 3 is replaced by 4, and the joint configuration left.
    fn replaced() -> Membership {
        let mut members = three();
        members.on_changed(&conf(&[1, 2, 3], &[], &[]), &conf(&[1, 2, 4], &[], &[1, 2, 3]), None);
        members.on_changed(&conf(&[1, 2, 4], &[], &[1, 2, 3]), &conf(&[1, 2, 4], &[], &[]), None);
        members
    }

    #[test]
    fn who_was_there_vouches_and_who_came_later_does_not() {
        let mut members = replaced();
        assert_eq!(members.elders(NodeId(4)), nodes(&[1, 2, 3]));
        assert!(!members.may_vouch(NodeId(3), NodeId(4)), "it is gone");
        members.on_changed(&conf(&[1, 2, 4], &[], &[]), &conf(&[1, 2, 4], &[5], &[]), None);
        assert_eq!(members.elders(NodeId(5)), nodes(&[1, 2, 4]));
        members.on_changed(&conf(&[1, 2, 4], &[5], &[]), &conf(&[1, 2, 4, 6], &[5], &[]), None);
        assert_eq!(members.elders(NodeId(6)), nodes(&[1, 2, 4]), "no learner");
        assert!(members.may_vouch(NodeId(4), NodeId(5)));
        assert!(!members.may_vouch(NodeId(5), NodeId(4)));
        assert!(!members.may_vouch(NodeId(4), NodeId(1)), "a founder is for founders to know");
        assert!(members.may_vouch(NodeId(2), NodeId(1)));
    }

    #[test]
    fn one_that_goes_is_counted_in_where_that_helps() {
        let mut members = Membership { founders: nodes(&[1, 2]), ..Membership::default() };
        members.on_changed(&conf(&[1, 2], &[], &[]), &conf(&[1, 3], &[], &[1, 2]), None);
        assert_eq!(members.elders(NodeId(3)), nodes(&[1]));
        let mut members = Membership { founders: nodes(&[1]), ..Membership::default() };
        members.on_changed(&conf(&[1], &[], &[]), &conf(&[2], &[], &[1]), None);
        assert_eq!(members.elders(NodeId(2)), nodes(&[1]));
        assert!(members.may_vouch(NodeId(1), NodeId(2)));
    }

    #[test]
    fn the_first_disk_in_the_log_counts() {
        let mut members = replaced();
        assert!(members.lacks_disk(NodeId(4)));
        members.on_disk_known(NodeId(4), Incarnation(7));
        members.on_disk_known(NodeId(4), Incarnation(8));
        members.on_disk_known(NodeId(1), Incarnation(9));
        assert_eq!(members.disk(NodeId(4)), Some(Incarnation(7)));
        assert_eq!(members.disk(NodeId(1)), None, "founders are vouched for by word");
        assert!(!members.lacks_disk(NodeId(4)));
        members.on_changed(&conf(&[1, 2, 4], &[], &[]), &conf(&[1, 2], &[], &[]), None);
        assert_eq!(members.disk(NodeId(4)), None, "it is gone");
    }

    #[test]
    fn the_last_majority_that_can_vouch_is_kept() {
        let mut members = three();
        members.on_changed(&conf(&[1, 2, 3], &[], &[]), &conf(&[1, 2, 3, 4], &[], &[]), None);
        assert!(!members.needs_word_of(NodeId(1)), "two others are enough");
        let relief = (conf(&[1, 2, 3, 4], &[], &[]), conf(&[1, 2, 4], &[3], &[]));
        members.on_changed(&relief.0, &relief.1, Some(NodeId(3)));
        assert!(members.relieved.contains(&NodeId(3)));
        assert!(!members.may_vouch(NodeId(3), NodeId(4)), "it has forgotten");
        assert!(members.needs_word_of(NodeId(1)));
        assert!(!members.needs_word_of(NodeId(3)), "it has no word any more");
        assert!(!members.needs_word_of(NodeId(4)), "it may go itself");
        members.on_changed(&relief.1, &conf(&[1, 2, 3, 4], &[], &[]), None);
        assert!(!members.may_vouch(NodeId(3), NodeId(4)), "its vote is back, and not its memory");
        members.on_changed(&conf(&[1, 2, 3, 4], &[], &[]), &conf(&[1, 2, 3, 4], &[5], &[]), None);
        assert!(members.may_vouch(NodeId(3), NodeId(5)), "who came later it cannot have known");
        members.on_disk_known(NodeId(4), Incarnation(7));
        assert!(!members.needs_word_of(NodeId(1)));
    }
}
