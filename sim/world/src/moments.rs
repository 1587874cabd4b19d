//! Rare moments that the world sees: see `whitewater_record::moment`. Noting one changes nothing in a run.

use crate::{asking::Answer, machine::Life, world::World};
use whitewater_api::{DiskError, Error, NodeId};
use whitewater_physics::Loss;
use whitewater_record::CrashPoint;
use whitewater_replica::{MessageKind, Phase, Role, Status, StopReason};

/// Entries that are committed at once.
const MANY_COMMITTED: u64 = 10;
/// Entries that nobody has committed.
const MANY_UNCOMMITTED: u64 = 100;

impl World {
    fn note(&mut self, happened: bool, name: &'static str) {
        if happened {
            self.observer.tally.sometimes(name);
        }
    }

    /// A step was made.
    pub(crate) fn note_step_moments(&mut self, node: NodeId, before: &Status, after: &Status) {
        let stood = before.role == Role::Candidate;
        let led = before.role == Role::Leader;
        let rises = after.term > before.term;
        let roles_moved = (before.role, before.term) != (after.role, after.term);
        if roles_moved {
            let leads = after.role == Role::Leader;
            let other_leads = leads
                && self
                    .machines
                    .iter()
                    .any(|m| m.node != node && m.life == Life::Up && m.status.role == Role::Leader);
            self.note(other_leads, "two leaders at once");
            self.note(stood && after.role == Role::Follower, "election lost");
            self.note(stood && after.role == Role::Candidate && rises, "election repeated");
            self.note(after.term.0 > before.term.0 + 1, "term jumped by more than one");
            let stands = after.role == Role::Candidate;
            self.note(stands && after.receives_snapshot, "candidate while a snapshot came in");
            let changed = rises && before.receives_snapshot;
            self.note(changed, "term changed while a snapshot came in");
            let fell = led && !leads;
            self.note(fell && before.transfers, "leader stepped down while handing over");
            self.note(fell && before.pending > 0, "leader stepped down with requests pending");
        }
        if before.commit != after.commit {
            let many = after.commit.0 > before.commit.0 + MANY_COMMITTED;
            self.note(many, "commit advanced by more than ten entries");
            if after.role == Role::Leader {
                self.note(after.is_joint, "leader in a joint configuration");
                let votes = self.observer.members().voters.contains(&node);
                self.note(!votes, "leader that has no vote");
            }
        }
        let was_long = before.last.0 > before.commit.0 + MANY_UNCOMMITTED;
        let is_long = after.last.0 > after.commit.0 + MANY_UNCOMMITTED;
        self.note(is_long && !was_long, "more than a hundred uncommitted entries");
        let lags = after.applied < after.commit && before.applied == before.commit;
        self.note(lags, "applied behind the commit index");
        let is_bare = after.first > after.last && before.first <= before.last;
        self.note(is_bare, "log compacted to its end");
    }

    /// A process has died; `before` is its last status.
    pub(crate) fn note_crash_moments(&mut self, before: &Status, loss: Loss) {
        if before.phase == Phase::Active {
            self.note(before.role == Role::Leader, "leader crashed");
            self.note(before.role == Role::Candidate, "candidate crashed");
        }
        let started = matches!(before.phase, Phase::Starting | Phase::Proving | Phase::Damaged);
        self.note(started, "crash before it took part");
        self.note(before.receives_snapshot, "crash while receiving a snapshot");
        self.note(before.is_joint, "crash in a joint configuration");
        self.note(loss.batches > 0, "crash with a batch under way");
        self.note(loss.bytes > 0, "unsynced bytes lost");
        self.note(loss.sectors_torn > 0, "sector torn");
        self.note(loss.names_lost > 0, "name lost");
        let up = self.machines.iter().filter(|m| m.life == Life::Up).count();
        self.note(up == 0, "everybody down at once");
        let voters = self.observer.members().voters.clone();
        let able = voters.iter().filter(|n| self.machines.get(**n).life == Life::Up).count();
        self.note(2 * able <= voters.len(), "majority down at once");
    }

    /// The power goes at a named point.
    pub(crate) fn note_point(&mut self, point: CrashPoint) {
        let name = match point {
            CrashPoint::InsideWrite => "power lost inside a write",
            CrashPoint::BeforePersisted => "power lost before a write was told of",
            CrashPoint::BeforeSend => "power lost before messages left",
            CrashPoint::SnapshotPart => "power lost at a part of a snapshot",
            CrashPoint::SnapshotInstalled => "power lost at an installed snapshot",
            CrashPoint::Rename => "power lost at a rename",
            CrashPoint::MemberChange => "power lost at a change of members",
        };
        self.note(true, name);
    }

    /// A replica has stopped by itself; `before` is its last status.
    pub(crate) fn note_stop(&mut self, reason: StopReason, before: &Status) {
        let failed = reason == StopReason::DiskFailed(DiskError::Io);
        self.note(failed && before.role == Role::Leader, "disk failed under a leader");
    }

    /// A process goes on that stood still.
    pub(crate) fn note_resumed(&mut self, node: NodeId) {
        let led = self.machines.get(node).status.role == Role::Leader;
        let replaced = led && self.machines.leader().is_some_and(|leader| leader != node);
        self.note(replaced, "paused leader was replaced meanwhile");
    }

    /// A message leaves a node.
    pub(crate) fn note_message(&mut self, kind: MessageKind) {
        self.note(kind == MessageKind::AppendReject, "append refused");
        self.note(kind == MessageKind::PreVoteNo, "pre-vote refused");
        self.note(kind == MessageKind::VoteNo, "vote denied");
        self.note(kind == MessageKind::TimeoutNow, "leadership handed over");
    }

    /// A request is refused.
    pub(crate) fn note_error(&mut self, error: &Error) {
        self.note(matches!(error, Error::TooManyRequests), "refused as too many");
        self.note(matches!(error, Error::NoSpace), "refused for want of space");
        self.note(matches!(error, Error::NotLeader { .. }), "follower asked");
        self.note(matches!(error, Error::NoLeader), "nobody to lead");
        self.note(matches!(error, Error::LeaderChanged), "leader lost under a request");
        self.note(matches!(error, Error::TimedOut), "read timed out");
        self.note(matches!(error, Error::Compacted { .. }), "compacted revision asked for");
    }

    /// An answer reaches a client, which waits for it or does not.
    pub(crate) fn note_answer(&mut self, answer: &Answer, is_awaited: bool) {
        self.note(!is_awaited, "answer came too late");
        self.note(matches!(answer, Answer::Reset), "request reset");
    }

    /// The run is over: what the network has seen.
    pub(crate) fn note_network(&mut self) {
        let counts = self.network_before.into_iter().chain([self.network.counts()]);
        for counts in counts.collect::<Vec<_>>() {
            self.note(counts.duplicated > 0, "message doubled");
            self.note(counts.reordered > 0, "message overtaken");
            self.note(counts.clogged > 0, "message held by a clog");
            self.note(counts.overflowed > 0, "queue overflowed");
        }
    }
}
