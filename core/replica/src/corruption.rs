//! Whether members hold the same: their hashes at one revision are compared (etcd, `server/etcdserver/corrupt.go`).
//!
//! ```text
//!  leader                                   others
//!    ask: "your hash at r41?"     ───────▶
//!    ◀───────  answer: hash, and the compaction that it depends on; or none, if r41 is not applied or compacted
//!    compare those with the same compaction; who differs from most is corrupt; raise the alarm by the log
//! ```
//!
//! A leader asks from time to time, after compactions, and when an operator wants it; a member that starts on a disk that
//! holds something asks before it serves anybody. Who is right is for the majority to say, never for who asks: a leader may
//! be the corrupt one (etcd #14828). Where no majority agrees, the alarm names nobody.
//!
//! Invariants:
//!
//! - Hashes are compared only at the same revision and the same compaction: other ones differ without any fault.
//! - An alarm is raised only against a member that differs from a majority of all members, or where there is none.

use crate::{chores::Asker, door::StopReason, limits, message::PeerMessage, replica::Replica};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{
    Alarm, Body, Error, KvHash, MaintenanceResponse, Monotonic, NodeId, RequestId, Revision,
};
use whitewater_mutation::Mutation;

/// The comparison under way, and when the next is due.
#[derive(Default)]
pub(crate) struct Corruption {
    round: Option<Round>,
    rounds: u64,
    /// Ticks since the last comparison of this leader.
    ticks: u64,
    /// The compaction after which the members were last compared.
    compared_compaction: Revision,
    /// Whether this member may serve: it has compared itself, or need not.
    is_start_settled: bool,
}

struct Round {
    number: u64,
    /// This member's own hash, once it has it.
    own: Option<KvHash>,
    started: Monotonic,
    others: BTreeSet<NodeId>,
    answers: BTreeMap<NodeId, KvHash>,
    /// Who has revisions that the log has not.
    ahead: BTreeSet<NodeId>,
    /// Operators who wait for what comes of it.
    askers: Vec<RequestId>,
    /// Before this member serves anybody.
    is_start: bool,
}

/// What a comparison says.
#[derive(Debug, PartialEq, Eq)]
struct Ruling {
    /// How many others could be compared.
    compared: u64,
    /// Who differs from most; node 0 where there is no most.
    corrupt: Vec<NodeId>,
}

impl Round {
    /// Compares what can be compared, with `own` of `me`.
    fn rule(
        &self,
        (me, own): (NodeId, KvHash),
        trusts_asker: bool,
        ignores_compaction: bool,
    ) -> Ruling {
        let mut groups: BTreeMap<u32, Vec<NodeId>> = BTreeMap::from([(own.hash, vec![me])]);
        let mut compared = 0;
        for (node, answer) in &self.answers {
            if ignores_compaction || answer.compacted == own.compacted {
                compared += 1;
                groups.entry(answer.hash).or_default().push(*node);
            }
        }
        if groups.len() < 2 {
            return Ruling { compared, corrupt: self.ahead.iter().copied().collect() };
        }
        let members = self.others.len() + 1;
        let quorum = members / 2 + 1;
        let most = groups.iter().find(|(_, group)| group.len() >= quorum).map(|(hash, _)| *hash);
        let right = if trusts_asker { Some(own.hash) } else { most };
        let mut corrupt: Vec<NodeId> = match right {
            Some(right) => groups
                .into_iter()
                .filter(|(hash, _)| *hash != right)
                .flat_map(|group| group.1)
                .collect(),
            None => vec![NodeId(0)],
        };
        corrupt.extend(&self.ahead);
        corrupt.sort_unstable();
        corrupt.dedup();
        Ruling { compared, corrupt }
    }
}

impl Replica {
    /// An operator wants the members compared.
    pub(crate) fn check_corruption(&mut self, id: RequestId) {
        if let Some(round) = &mut self.corruption.round {
            return round.askers.push(id);
        }
        self.start_round(vec![id], false);
    }

    /// Whether this member has yet to compare itself before it serves anybody.
    pub(crate) fn is_under_suspicion(&self) -> bool {
        self.config.tuning.corruption_check_at_start && !self.corruption.is_start_settled
    }

    /// Compares what was recovered, once it is all applied: the first tick comes after that.
    fn compare_at_start(&mut self) {
        let is_new = self.store.revision() == Revision::FIRST;
        if is_new || self.others().is_empty() {
            self.corruption.is_start_settled = true;
        } else {
            self.start_round(Vec::new(), true);
        }
    }

    pub(crate) fn on_corruption_tick(&mut self) {
        if self.is_under_suspicion() && self.corruption.round.is_none() {
            return self.compare_at_start();
        }
        self.continue_round();
        if !self.is_leader() || self.corruption.round.is_some() {
            return;
        }
        let tuning = &self.config.tuning;
        self.corruption.ticks += 1;
        let period = tuning.corruption_check_ms.div_ceil(tuning.tick_ms.max(1));
        let is_periodic = period > 0 && self.corruption.ticks >= period;
        let compacted = self.store.compacted();
        let is_compacted = tuning.corruption_check_compactions
            && compacted > self.corruption.compared_compaction
            && self.corruption.ticks >= limits::CORRUPTION_REST_TICKS;
        if is_periodic || is_compacted {
            self.start_round(Vec::new(), false);
        }
    }

    /// Every other member of the applied configuration.
    fn others(&self) -> BTreeSet<NodeId> {
        let conf = self.raft.store().conf_state();
        let ids = conf.voters.iter().chain(&conf.voters_outgoing).chain(&conf.learners);
        ids.map(|id| NodeId(*id)).filter(|node| *node != self.config.node).collect()
    }

    fn start_round(&mut self, askers: Vec<RequestId>, is_start: bool) {
        self.corruption.rounds += 1;
        self.corruption.ticks = 0;
        // Unique among the lives of this process too.
        let number = self.booted.0.rotate_left(20) ^ self.corruption.rounds;
        let (started, others) = (self.now, self.others());
        let (answers, ahead) = (BTreeMap::new(), BTreeSet::new());
        let round = Round { number, own: None, started, others, answers, ahead, askers, is_start };
        self.corruption.round = Some(round);
        self.want_hash_kv(Asker::Round(number), Revision::LATEST);
    }

    /// This member's own hash is there: the others may be asked for theirs.
    pub(crate) fn begin_round(&mut self, number: u64, own: Result<KvHash, Error>) {
        let own = own.expect("the newest is never refused");
        let Some(round) = self.corruption.round.as_mut().filter(|round| round.number == number)
        else {
            return;
        };
        round.own = Some(own);
        round.started = self.now;
        self.ask_for_hashes();
        self.conclude_round();
    }

    fn ask_for_hashes(&mut self) {
        let Some(round) = &self.corruption.round else { return };
        let Some(own) = round.own else { return };
        let (number, revision) = (round.number, own.revision);
        let missing: Vec<NodeId> =
            round.others.iter().filter(|node| !round.answers.contains_key(node)).copied().collect();
        for node in missing {
            self.send(node, PeerMessage::HashAsk { number, revision });
        }
    }

    /// A member asks for the hash at a revision.
    pub(crate) fn on_hash_ask(&mut self, from: NodeId, number: u64, revision: Revision) {
        if !self.hashes_for(from, number) {
            self.want_hash_kv(Asker::Peer(from, number), revision);
        }
    }

    /// A member answers. One that has applied more than a leader that has applied all that is committed made it up: its
    /// hash at an older revision may be as good as any.
    pub(crate) fn on_hash_answer(
        &mut self,
        from: NodeId,
        number: u64,
        hash: KvHash,
        newest: Revision,
    ) {
        let raft = &self.raft.raft;
        let knows_all = self.is_leader()
            && raft.commit_to_current_term()
            && raft.raft_log.committed == self.raft.store().applied().0;
        let is_ahead = knows_all && newest > self.store.revision();
        let Some(round) = &mut self.corruption.round else { return };
        if round.number == number
            && round.others.contains(&from)
            && round.own.is_some_and(|own| own.revision == hash.revision)
        {
            round.answers.insert(from, hash);
            if is_ahead {
                round.ahead.insert(from);
            }
            self.conclude_round();
        }
    }

    fn continue_round(&mut self) {
        let Some(round) = &self.corruption.round else { return };
        let waited = self.now.since(round.started);
        if waited >= self.election_nanos() * limits::CORRUPTION_PATIENCE_ELECTIONS {
            return self.end_round();
        }
        self.ask_for_hashes();
    }

    fn conclude_round(&mut self) {
        if self
            .corruption
            .round
            .as_ref()
            .is_some_and(|round| round.answers.len() == round.others.len())
        {
            self.end_round();
        }
    }

    fn end_round(&mut self) {
        let Some(round) = self.corruption.round.take_if(|round| round.own.is_some()) else {
            return;
        };
        let own = round.own.expect("it was just looked at");
        let mutations = self.config.mutations;
        let ruling = round.rule(
            (self.config.node, own),
            mutations.has(Mutation::CorruptLeaderTrusted),
            mutations.has(Mutation::CorruptAcrossCompactions),
        );
        if ruling.compared == round.others.len() as u64 {
            self.corruption.compared_compaction = own.compacted;
        }
        if round.is_start {
            self.corruption.is_start_settled = true;
            if ruling.corrupt.contains(&self.config.node) {
                return self.stop(StopReason::Corrupt);
            }
        }
        if self.is_leader() {
            for node in &ruling.corrupt {
                self.sometimes("members found to differ");
                self.raise_alarm(*node, Alarm::Corrupt);
            }
        }
        for id in round.askers {
            let Ruling { compared, corrupt } = &ruling;
            let response = MaintenanceResponse::CheckCorruption {
                compared: *compared,
                corrupt: corrupt.clone(),
            };
            self.reply(id, Ok(Body::Maintenance(response)));
        }
    }

    /// This member leads no longer: what it found out nobody may act on.
    pub(crate) fn drop_round(&mut self) {
        if let Some(round) = self.corruption.round.take_if(|round| !round.is_start) {
            for id in round.askers {
                let error = self.not_leader();
                self.reply(id, Err(error));
            }
        }
    }

    pub(crate) fn is_comparing(&self) -> bool {
        self.corruption.round.is_some()
            || self.is_under_suspicion()
            || self.is_leader() && self.compares_by_itself()
    }

    fn compares_by_itself(&self) -> bool {
        self.config.tuning.corruption_check_ms > 0
            || self.config.tuning.corruption_check_compactions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(hash: u32, compacted: u64) -> KvHash {
        KvHash { hash, revision: Revision(9), compacted: Revision(compacted) }
    }

    /// Member 1 asks and holds 7; the others hold these, at these compactions.
    fn rule(others: &[(u64, Option<(u32, u64)>)]) -> Ruling {
        let answers = others.iter().filter_map(|(node, answer)| {
            answer.map(|(value, compacted)| (NodeId(*node), hash(value, compacted)))
        });
        let round = Round {
            number: 1,
            own: Some(hash(7, 3)),
            started: Monotonic(0),
            others: others.iter().map(|(node, _)| NodeId(*node)).collect(),
            answers: answers.collect(),
            ahead: BTreeSet::new(),
            askers: Vec::new(),
            is_start: false,
        };
        round.rule((NodeId(1), hash(7, 3)), false, false)
    }

    fn ruling(compared: u64, corrupt: &[u64]) -> Ruling {
        Ruling { compared, corrupt: corrupt.iter().copied().map(NodeId).collect() }
    }

    #[test]
    fn the_majority_is_right_whoever_asks() {
        assert_eq!(rule(&[(2, Some((7, 3))), (3, Some((7, 3)))]), ruling(2, &[]));
        assert_eq!(rule(&[(2, Some((7, 3))), (3, Some((8, 3)))]), ruling(2, &[3]));
        assert_eq!(rule(&[(2, Some((8, 3))), (3, Some((8, 3)))]), ruling(2, &[1]));
        assert_eq!(rule(&[(2, Some((8, 3))), (3, Some((9, 3)))]), ruling(2, &[0]));
    }

    #[test]
    fn what_cannot_be_compared_counts_for_nothing() {
        assert_eq!(rule(&[(2, Some((8, 4))), (3, None)]), ruling(0, &[]));
        assert_eq!(rule(&[(2, Some((8, 3))), (3, None)]), ruling(1, &[0]), "one against one");
        assert_eq!(rule(&[]), ruling(0, &[]));
    }
}
