//! A damaged disk is repaired from the others, once they hold its member to nothing.
//!
//! A member that finds damage in what it promised does not know what that was: a vote, an acknowledgement, a term. To cut
//! the log would be to take part as if it had never been promised (Alagappan et al., FAST 2018); to copy the log of
//! another one brings back entries and no votes (Michael et al., DISC 2017). So it says nothing at all until its promises
//! cannot count any more:
//!
//! ```text
//!  damaged member                             leader
//!    damaged ──────────────────────────▶      makes it a learner: an entry, the barrier, that the others commit without it
//!    ◀──────────────────── start-over         the barrier is applied
//!    starts a new log in the leader's term, its vote the leader's
//!    follows as a learner, from a snapshot on
//!    renewed ──────────────────────────▶      gives it its vote back
//! ```
//!
//! # Why this is safe
//!
//! 1. The barrier is committed by a majority of the old configuration without the damaged member: it acknowledges nothing.
//!    So everything committed before is held by that majority alone, and every term that a leader was elected in is known
//!    to some member of it.
//! 2. A candidate that counts a forgotten vote asked before the barrier, and so does not hold it. Any majority that it may
//!    reach by the old configuration shares another member with the one that holds the barrier, which refuses it in every
//!    later term. In the leader's own term the new log says that its vote is the leader's.
//! 3. A forgotten acknowledgement that arrives late is of an index below the barrier, since no index beyond was ever sent.
//!    The member asks for its vote only when it holds the barrier, and with it everything below.
//! 4. What it knew of the disks of others may be lost too, so it vouches for no disk that it does not know.
//! 5. The new log counts from the moment its segment has its name, and the head of that segment, durable before, says that
//!    votes were forgotten. A crash leaves the damaged log or the new one, and nothing between.
//!
//! Where the others have no majority without it, it waits for a while, serves nobody, and stops, to be started again. A
//! member that knows of no others refuses to start. A disk that reads well at the next start was only read badly: its member
//! remembers everything, takes part, and asks for its vote if it was relieved meanwhile. An answer to what an earlier process
//! asked is passed over.

use crate::{
    config::Config,
    door::{Event, Phase},
    message::PeerMessage,
    persistence::Effect,
    recovery::OpenError,
    replica::Replica,
    wal::{self, Record, Renewal, WalError},
};
use raft::eraftpb::{ConfChangeType, ConfChangeV2};
use std::collections::BTreeMap;
use whitewater_api::{DiskImage, Incarnation, Index, Monotonic, NodeId, Term};
use whitewater_mutation::Mutation;

/// What a damaged member waits for, and how it will go on.
pub(crate) struct Repair {
    reason: String,
    /// Tells the question of this process from those of earlier ones, which may have read the disk otherwise.
    life: u64,
}

/// What a leader does for damaged members, in its term.
#[derive(Default)]
pub(crate) struct Reliefs {
    /// The one whose barrier is not yet applied.
    pending: Option<Relief>,
    /// Those that were relieved, each with its barrier.
    done: BTreeMap<u64, u64>,
}

struct Relief {
    node: NodeId,
    life: u64,
    barrier: u64,
}

impl Repair {
    /// `fresh` and `now` are those of the start: no two of one member have both in common.
    pub(crate) const fn new(reason: String, (fresh, now): (Incarnation, Monotonic)) -> Self {
        Self { reason, life: fresh.0 ^ now.0 }
    }
}

/// Whether others can repair what this error tells of. Whose disk it is must be beyond doubt, and that it is a disk of
/// ours and of this release.
pub(crate) fn is_repairable(error: &OpenError, config: &Config, image: &DiskImage) -> bool {
    let is_damage = match error {
        OpenError::Wal(error) => {
            matches!(error, WalError::Damaged { .. } | WalError::MissingSegment { .. })
        }
        OpenError::MissingSnapshot { .. } | OpenError::DamagedSnapshot { .. } => true,
        OpenError::Identity(_) | OpenError::MissingIdentity | OpenError::BadBackup { .. } => false,
    };
    let knows_others =
        || wal::readable_peers(image, config.release).keys().any(|node| *node != config.node);
    is_damage && (!config.boot.others(config.node).is_empty() || knows_others())
}

impl Replica {
    // The damaged member's side.

    /// A start has found damage.
    pub(crate) fn on_damage_found(&mut self) {
        let Some(repair) = &self.repair else { return };
        let reason = repair.reason.clone();
        self.event(Event::Damaged(reason));
        if self.config.mutations.has(Mutation::DamagedMemberForgets) {
            self.start_over(Term(0), None, None);
        }
        self.say_damaged();
    }

    /// Asks everybody: the leader may be one that was not there when this member first started.
    pub(crate) fn say_damaged(&mut self) {
        let Some(repair) = &self.repair else { return };
        let life = repair.life;
        let mut peers = self.audience();
        peers.extend(self.introduction.known.keys());
        peers.remove(&self.config.node);
        for peer in peers {
            self.send(peer, PeerMessage::Damaged { life });
        }
    }

    /// The leader says that this member's promises do not count any more.
    pub(crate) fn on_start_over(&mut self, from: NodeId, life: u64, term: Term, renewal: Renewal) {
        let is_answer = self.repair.as_ref().is_some_and(|repair| repair.life == life);
        if self.phase == Phase::Damaged && is_answer {
            self.start_over(term, Some(from), Some(renewal));
        }
    }

    /// Writes the new log, all in its head: when that has its name, what was promised before is forgotten.
    fn start_over(&mut self, term: Term, leader: Option<NodeId>, renewal: Option<Renewal>) {
        if self.repair.take().is_none() {
            return;
        }
        self.phase = Phase::Starting;
        self.event(Event::StartedOver { barrier: renewal.map(|renewal| renewal.barrier) });
        self.introduction.known.insert(self.config.node, self.introduction.incarnation);
        let peer = |(node, incarnation): (&NodeId, &Incarnation)| Record::Peer {
            node: *node,
            incarnation: *incarnation,
        };
        let mut records: Vec<Record> = self.introduction.known.iter().map(peer).collect();
        records.extend(renewal.map(Record::Renewal));
        self.renewal = renewal;
        let leader = leader.map_or(raft::INVALID_ID, |node| node.0);
        self.raft.raft.become_follower(term.0, leader);
        self.raft.raft.vote = leader;
        self.pin_timeout();
        records.extend(self.take_hard_state());
        let mut ops = Vec::new();
        let batch = self.wal.begin(&records, &mut ops);
        self.persistence.require();
        self.persistence.after_writes(Effect::Proven);
        self.launch(Some(batch), ops);
    }

    /// Whether this member has forgotten votes that may still matter: the barrier is not here yet.
    pub(crate) fn has_forgotten_votes(&self) -> bool {
        let applied = self.raft.store().applied().0;
        self.renewal.is_some_and(|renewal| applied < renewal.barrier.0)
    }

    /// Whether this member holds the barrier and shall ask for its vote.
    pub(crate) fn lacks_vote(&self) -> bool {
        self.membership.relieved.contains(&self.config.node) && !self.has_forgotten_votes()
    }

    // The leader's side.

    /// A member asks to be relieved of its vote. It asks again, so all that hinders now is passed over.
    pub(crate) fn on_damaged(&mut self, from: NodeId, life: u64) {
        let conf = self.raft.store().conf_state();
        let others = conf.voters.iter().filter(|node| **node != from.0).count();
        let is_spared = others > conf.voters.len() / 2;
        let is_member = conf.voters.contains(&from.0) || conf.learners.contains(&from.0);
        if !self.is_leader() || !is_member || self.is_changing_members() {
            return;
        }
        if !is_spared {
            return self.sometimes("damaged member cannot be spared");
        }
        if self.propose_single(ConfChangeType::AddLearnerNode, from) {
            let barrier = self.raft.raft.raft_log.last_index();
            self.reliefs.pending = Some(Relief { node: from, life, barrier });
        }
    }

    /// A configuration was applied: perhaps the barrier.
    pub(crate) fn on_barrier(&mut self, index: u64) {
        let pending = &mut self.reliefs.pending;
        let Some(relief) = pending.take_if(|relief| relief.barrier == index) else { return };
        let Relief { node, life, barrier } = relief;
        self.sometimes("damaged member relieved of its vote");
        self.drop_transfer(node);
        self.reliefs.done.insert(node.0, barrier);
        self.forget_progress(node.0);
        let (term, barrier) = (Term(self.raft.raft.term), Index(barrier));
        self.send(node, PeerMessage::StartOver { life, term, barrier });
    }

    /// A member rejects what it seems to have acknowledged: in the life that it has forgotten, if that is below the
    /// barrier. Whether it was so.
    pub(crate) fn has_forgotten(&mut self, node: u64, index: u64) -> bool {
        let Some(barrier) = self.reliefs.done.get(&node).copied() else { return false };
        let matched = self.raft.raft.prs().get(node).map_or(0, |progress| progress.matched);
        let is_forgotten = index <= matched && matched < barrier;
        if is_forgotten {
            self.sometimes("acknowledgement of a forgotten life");
            self.forget_progress(node);
        }
        is_forgotten
    }

    /// What the member held it will not hold.
    fn forget_progress(&mut self, node: u64) {
        let next = self.raft.raft.raft_log.last_index() + 1;
        if let Some(progress) = self.raft.raft.mut_prs().get_mut(node) {
            progress.become_probe();
            (progress.matched, progress.next_idx) = (0, next);
        }
    }

    /// A member that was repaired asks for its vote.
    pub(crate) fn on_renewed(&mut self, from: NodeId) {
        if self.is_leader()
            && self.membership.relieved.contains(&from)
            && !self.is_changing_members()
            && self.has_caught_up(from)
            && self.propose_single(ConfChangeType::AddNode, from)
        {
            self.sometimes("repaired member gets its vote back");
        }
    }

    /// Proposes a change that no client asked for. Whether raft took it.
    fn propose_single(&mut self, kind: ConfChangeType, node: NodeId) -> bool {
        let mut message = ConfChangeV2::default();
        message.set_changes(vec![crate::members::single(kind, node)].into());
        self.raft.propose_conf_change(Vec::new(), message).is_ok()
    }
}
