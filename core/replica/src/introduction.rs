//! A member with a new disk proves that it never had another one.
//!
//! A member that lost its disk has lost its votes and acknowledgements too; taking part again under its old identity can
//! lose what was committed (etcd #20269, qdrant #1235). It cannot know that it forgot. So each disk has an incarnation,
//! every peer durably remembers the first one that it heard of, and a member with a new disk takes part only after a
//! majority of the others has said that it knows no other one. Any two such majorities share a member, so a second disk
//! is always found out.

use crate::{
    door::{Phase, StopReason},
    limits,
    message::PeerMessage,
    persistence::Effect,
    replica::Replica,
    wal::Record,
};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{Incarnation, NodeId};
use whitewater_mutation::Mutation;

/// Who knows whom by which disk.
pub(crate) struct Introduction {
    /// The life of this disk.
    pub(crate) incarnation: Incarnation,
    /// The peers that introduced themselves; this member too, once it has proved itself.
    pub(crate) known: BTreeMap<NodeId, Incarnation>,
    welcomed_by: BTreeSet<NodeId>,
    pub(crate) ticks: u64,
}

impl Introduction {
    pub(crate) const fn new(
        incarnation: Incarnation,
        known: BTreeMap<NodeId, Incarnation>,
    ) -> Self {
        Self { incarnation, known, welcomed_by: BTreeSet::new(), ticks: 0 }
    }
}

impl Replica {
    /// The disk is as a start needs it.
    pub(crate) fn on_started(&mut self) {
        if self.introduction.known.contains_key(&self.config.node) {
            return self.activate();
        }
        self.phase = Phase::Proving;
        self.say_hello();
        self.count_welcomes();
    }

    fn activate(&mut self) {
        self.phase = Phase::Active;
    }

    pub(crate) fn on_introduction_tick(&mut self) {
        if !matches!(self.phase, Phase::Proving | Phase::Damaged) {
            return;
        }
        self.introduction.ticks += 1;
        let patience = limits::DAMAGED_PATIENCE_ELECTIONS * self.config.tuning.election_ticks;
        if self.phase == Phase::Damaged && self.introduction.ticks > patience {
            return self.stop(StopReason::DamagedDisk);
        }
        if self.introduction.ticks.is_multiple_of(limits::HELLO_TICKS) {
            if self.phase == Phase::Damaged { self.say_damaged() } else { self.say_hello() }
        }
    }

    fn say_hello(&mut self) {
        for node in self.config.boot.others(self.config.node) {
            self.send(node, PeerMessage::Hello(self.introduction.incarnation));
        }
    }

    /// A peer introduces itself.
    pub(crate) fn on_hello(&mut self, from: NodeId, incarnation: Incarnation) {
        let known = self.introduction.known.get(&from).copied();
        let can_vouch = match self.phase {
            Phase::Starting | Phase::Stopped => false,
            Phase::Damaged => known == Some(incarnation),
            Phase::Proving | Phase::Active => true,
        };
        if !can_vouch {
            return; // It asks again.
        }
        match known {
            // It may have known it by another disk, and has forgotten.
            None if self.renewal.is_some() => self.sometimes("new member not vouched for"),
            None => {
                self.introduction.known.insert(from, incarnation);
                self.wal.append(&Record::Peer { node: from, incarnation });
                self.persistence.require();
                self.welcome(from, incarnation);
            }
            Some(same) if same == incarnation => self.welcome(from, incarnation),
            Some(_) if self.config.mutations.has(Mutation::WipedMemberVotes) => {
                self.welcome(from, incarnation);
            }
            Some(other) => {
                self.sometimes("member with another disk turned away");
                self.send(from, PeerMessage::Ghost(other));
            }
        }
    }

    /// The welcome leaves when it is durable that this peer is known.
    fn welcome(&mut self, to: NodeId, incarnation: Incarnation) {
        let body = PeerMessage::Welcome(incarnation);
        let envelope = crate::message::Envelope { from: self.config.node, to, body };
        self.persistence.after_writes(Effect::Send(envelope));
    }

    pub(crate) fn on_welcome(&mut self, from: NodeId, incarnation: Incarnation) {
        if self.phase == Phase::Proving && incarnation == self.introduction.incarnation {
            self.introduction.welcomed_by.insert(from);
            self.count_welcomes();
        }
    }

    fn count_welcomes(&mut self) {
        let others = self.config.boot.others(self.config.node);
        let welcomes =
            others.iter().filter(|node| self.introduction.welcomed_by.contains(node)).count();
        let enough = if others.is_empty() { 0 } else { others.len() / 2 + 1 };
        if welcomes < enough || self.introduction.known.contains_key(&self.config.node) {
            return;
        }
        let (node, incarnation) = (self.config.node, self.introduction.incarnation);
        self.introduction.known.insert(node, incarnation);
        self.wal.append(&Record::Peer { node, incarnation });
        self.persistence.require();
        self.persistence.after_writes(Effect::Proven);
    }

    pub(crate) fn on_proven(&mut self) {
        self.activate();
    }

    /// A peer knows this member by another disk.
    pub(crate) fn on_ghost(&mut self, other: Incarnation) {
        if self.phase == Phase::Proving && other != self.introduction.incarnation {
            self.stop(StopReason::WipedDisk);
        }
    }
}
