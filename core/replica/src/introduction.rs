//! A member with a new disk proves that it never had another one.
//!
//! A member that lost its disk has lost its votes and acknowledgements too; taking part again under its old identity can
//! lose what was committed (etcd #20269, qdrant #1235). It cannot know that it forgot. So each disk has an incarnation,
//! every peer durably remembers the first one that it heard of, and a member with a new disk takes part only after a
//! majority of its elders has said that it knows no other one: of those that were members when it became one itself, gone by
//! now or not ([`Membership`](crate::membership)). Any two such majorities share a member, so a second disk is always found out.
//!
//! ```text
//!  new member                                   members
//!    hello, my disk ──────────────────────▶     each elder notes it down, unless it knows another one
//!    ◀────────────────────────── welcome        whoever is no elder says who is
//!    notes down that it has proved itself, takes part
//!    vouched, my disk ────────────────────▶     the leader writes it into the log
//! ```
//!
//! In the log it outlives those that have vouched: who comes later knows it too. Founders are known to founders only, who are
//! counted in whether they are still there or not.

use crate::{
    config::Boot,
    door::{Phase, StopReason},
    leases::OwnCommand,
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
    /// Of whom a majority has to vouch for this disk, as told.
    elders: Vec<NodeId>,
    /// Who has spoken to this member since it started. Those that it knew may all be gone.
    heard: BTreeSet<NodeId>,
    /// Term and index in which this member, a leader, has last put a disk into the log.
    recorded: (u64, u64),
    pub(crate) ticks: u64,
}

impl Introduction {
    pub(crate) const fn new(
        incarnation: Incarnation,
        known: BTreeMap<NodeId, Incarnation>,
    ) -> Self {
        Self {
            incarnation,
            known,
            welcomed_by: BTreeSet::new(),
            elders: Vec::new(),
            heard: BTreeSet::new(),
            recorded: (0, 0),
            ticks: 0,
        }
    }

    /// Somebody speaks to a member that does not take part yet.
    pub(crate) fn hear(&mut self, from: NodeId) {
        self.heard.insert(from);
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
        let tuning = &self.config.tuning;
        if tuning.advance_at_start && !tuning.lease_reads {
            let waited = usize::try_from(tuning.election_ticks).unwrap_or(usize::MAX);
            let raft = &mut self.raft.raft;
            raft.election_elapsed =
                raft.election_elapsed.max(waited.saturating_sub(limits::TICKS_FOR_A_LEADER));
        }
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
        for node in self.audience() {
            self.send(node, PeerMessage::Hello(self.introduction.incarnation));
        }
    }

    /// The others that this member was told of, when it started or since, or that have spoken to it.
    pub(crate) fn audience(&self) -> BTreeSet<NodeId> {
        let Introduction { heard, elders, .. } = &self.introduction;
        let others = self.config.boot.others(self.config.node);
        others.into_iter().chain(heard.iter().chain(elders).copied()).collect()
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
        match self.membership.disk(from).or(known) {
            None if !self.is_member(from) => self.sometimes("stranger not vouched for"),
            None if !self.may_vouch(from) => self.name_elders(from),
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

    /// The others that can vouch for a newcomer may have come in after it was told whom to ask, and say nothing to it themselves.
    fn name_elders(&mut self, newcomer: NodeId) {
        self.sometimes("new member not vouched for");
        self.send(newcomer, PeerMessage::AskElders(self.membership.elders(newcomer)));
    }

    /// Whether this member would know if that one had had another disk. If it has forgotten anything itself, it can speak only
    /// for those that came in behind its barrier, and so of none of the founders.
    fn may_vouch(&self, node: NodeId) -> bool {
        let has_joined = self.membership.joined.contains_key(&node);
        let remembers = self.renewal.is_none() || has_joined && !self.has_forgotten_votes();
        remembers && self.membership.may_vouch(self.config.node, node)
    }

    /// Whether a member that came later and has yet to prove itself could not do so any more without the word of `node`, as far as
    /// this one knows.
    #[must_use]
    pub fn needs_word_of(&self, node: NodeId) -> bool {
        self.membership.needs_word_of(node)
    }

    /// The welcome leaves when it is durable that this peer is known.
    fn welcome(&mut self, to: NodeId, incarnation: Incarnation) {
        let elders = self.membership.elders(to);
        let body = PeerMessage::Welcome { incarnation, elders };
        let envelope = crate::message::Envelope { from: self.config.node, to, body };
        self.persistence.after_writes(Effect::Send(envelope));
    }

    pub(crate) fn on_welcome(
        &mut self,
        from: NodeId,
        incarnation: Incarnation,
        elders: Vec<NodeId>,
    ) {
        if self.phase == Phase::Proving && incarnation == self.introduction.incarnation {
            self.introduction.welcomed_by.insert(from);
            // A member whose own disk is damaged remembers a disk, and not who was there.
            if !elders.is_empty() {
                self.introduction.elders = elders;
            }
            self.count_welcomes();
        }
    }

    /// Who can vouch for this member, as told by one that cannot. It is asked next time.
    pub(crate) fn on_ask_elders(&mut self, elders: Vec<NodeId>) {
        if self.phase == Phase::Proving {
            self.introduction.elders = elders;
        }
    }

    fn count_welcomes(&mut self) {
        if !self.is_welcome() || self.introduction.known.contains_key(&self.config.node) {
            return;
        }
        let (node, incarnation) = (self.config.node, self.introduction.incarnation);
        self.introduction.known.insert(node, incarnation);
        self.wal.append(&Record::Peer { node, incarnation });
        self.persistence.require();
        self.persistence.after_writes(Effect::Proven);
    }

    /// Whether a majority of the elders vouches for this disk. A founder knows them from the start.
    fn is_welcome(&self) -> bool {
        let Introduction { welcomed_by, elders, .. } = &self.introduction;
        let others = self.config.boot.others(self.config.node);
        let elders = match &self.config.boot {
            Boot::Join { .. } if elders.is_empty() => return false,
            Boot::Bootstrap { .. } | Boot::Restore { .. } if others.is_empty() => return true,
            Boot::Bootstrap { .. } | Boot::Restore { .. } if elders.is_empty() => &others,
            Boot::Bootstrap { .. } | Boot::Restore { .. } | Boot::Join { .. } => elders,
        };
        let welcomes = elders.iter().filter(|elder| welcomed_by.contains(elder)).count();
        welcomes > elders.len() / 2
    }

    pub(crate) fn on_proven(&mut self) {
        self.activate();
    }

    /// What a member that takes part asks of its leader: the vote that it was relieved of, a place in the log for its disk.
    pub(crate) fn on_asking_tick(&mut self) {
        let me = self.config.node;
        let (lacks_vote, lacks_disk) = (self.lacks_vote(), self.membership.lacks_disk(me));
        let Some(leader) = self.leader().filter(|_| lacks_vote || lacks_disk) else { return };
        self.introduction.ticks += 1;
        if !self.introduction.ticks.is_multiple_of(limits::HELLO_TICKS) {
            return;
        }
        if lacks_vote {
            self.send(leader, PeerMessage::Renewed);
        }
        let incarnation = self.introduction.incarnation;
        if lacks_disk && leader == me {
            self.on_vouched(me, incarnation);
        } else if lacks_disk {
            self.send(leader, PeerMessage::Vouched(incarnation));
        }
    }

    /// A member has been vouched for: its disk goes into the log. It asks again, so one at a time is enough.
    pub(crate) fn on_vouched(&mut self, from: NodeId, incarnation: Incarnation) {
        let (term, index) = self.introduction.recorded;
        let is_under_way = term == self.raft.raft.term && index > self.raft.store().applied().0;
        if !self.is_leader() || !self.membership.lacks_disk(from) || is_under_way {
            return;
        }
        if let Some(index) = self.propose_own(&OwnCommand::Disk(from, incarnation)) {
            self.introduction.recorded = (self.raft.raft.term, index);
        }
    }

    /// A peer knows this member by another disk.
    pub(crate) fn on_ghost(&mut self, other: Incarnation) {
        if self.phase == Phase::Proving && other != self.introduction.incarnation {
            self.stop(StopReason::WipedDisk);
        }
    }
}
