//! What a step has changed, as rows of the trace and for those who check it.

use crate::{asking::Asker, invariants::stalled_leader, tally::Code, world::World};
use whitewater_api::{Monotonic, NodeId, Request, RequestId, Revision, request::CompactRequest};
use whitewater_record::{CrashPoint, RowKind};
use whitewater_replica::{Event, Phase, Role, Status};

impl World {
    /// Rows and checks for what has changed in a step.
    pub(crate) fn note_status(&mut self, node: NodeId, status: Status, next_wake: Monotonic) {
        let now = self.now;
        let machine = self.machines.get_mut(node);
        machine.next_wake = next_wake;
        for fault in &machine.jumps {
            self.nemesis.witness_jump(*fault, machine.clock.wall(now), now);
        }
        machine.is_proven |= status.phase == Phase::Active;
        if status.phase == Phase::Active {
            machine.damage.take_if(|damaged| damaged.starts_over);
        }
        let before = std::mem::replace(&mut machine.status, status);
        let after = machine.status.clone();
        if (before.role, before.term, before.leader) != (after.role, after.term, after.leader) {
            let leader = after.leader.map_or(0, |leader| leader.0);
            self.row(RowKind::Role, node.0, &[after.role as u64, after.term.0, leader]);
        }
        if before.vote != after.vote
            && let Some(candidate) = after.vote
        {
            self.row(RowKind::Vote, node.0, &[after.term.0, candidate.0]);
        }
        if before.commit != after.commit {
            self.row(RowKind::Commit, node.0, &[after.commit.0, after.term.0]);
        }
        if before.revision != after.revision {
            self.note_revision(after.revision);
        }
        self.note_step_moments(node, &before, &after);
        self.check_stall(node, before.role);
        let moved =
            (before.role, before.term, before.commit) != (after.role, after.term, after.commit);
        if moved {
            self.note_state();
        }
        if self.observer.on_status(node, &before, &after) {
            self.nemesis.on_leader(node);
        }
    }

    /// A leader answers a read because its lease allows it.
    fn note_lease_read(&mut self, node: NodeId, id: RequestId) {
        let Some(asked) = self.asked(id) else { return };
        let term = self.machines.get(node).status.term;
        let is_contested = self.machines.iter().any(|machine| machine.status.term > term);
        self.observer.on_lease_read(node, term, asked, is_contested);
    }

    /// A leader was stepped while a write to its log was under way.
    fn check_stall(&mut self, node: NodeId, before: Role) {
        let machine = self.machines.get_mut(node);
        let now = machine.time(self.now, self.mutations);
        let leads = machine.status.role == Role::Leader;
        let led_since = match machine.leads_since {
            Some(since) => since,
            None if leads => now,
            None => return,
        };
        machine.leads_since = leads.then_some(led_since);
        let Some(asked) = machine.log_writes.values().min().copied() else { return };
        let late =
            stalled_leader::check(node, asked.max(led_since), now, &self.plan.cluster.tuning);
        let discriminates = before == Role::Leader && (late.is_some() || !leads);
        let wrong = late.filter(|_| leads);
        self.observer.tally.check(Code::StalledLeader, Some(node), discriminates, wrong);
    }

    pub(crate) fn note_event(&mut self, node: NodeId, event: &Event) {
        match event {
            Event::Appended { first, last, term, replaced } => {
                self.row(RowKind::Append, node.0, &[first.0, last.0, term.0, *replaced]);
            }
            Event::Applied { index, term, chain, made, done, .. } => {
                let (process, sequence, revision) = made.map_or((0, 0, 0), |(id, revision)| {
                    (id.process.0.into(), id.sequence.into(), revision.0)
                });
                let numbers = [index.0, term.0, *chain, process, sequence, revision];
                self.row(RowKind::Apply, node.0, &numbers);
                self.witnessed.extend(made);
                self.backups.note(*index, *done);
            }
            Event::Members { index, voters, outgoing, learners } => {
                let numbers = [index.0, mask(voters), mask(outgoing), mask(learners)];
                self.row(RowKind::Members, node.0, &numbers);
                self.nemesis.on_members(event);
                self.start_newcomers(voters.iter().chain(learners));
                self.pass(node, CrashPoint::MemberChange);
            }
            Event::Snapshot { index, term, installed, .. } => {
                self.row(RowKind::Snapshot, node.0, &[index.0, term.0, u64::from(*installed)]);
                if *installed {
                    self.pass(node, CrashPoint::SnapshotInstalled);
                }
            }
            Event::SnapshotPart { .. } => {
                self.pass(node, CrashPoint::SnapshotPart);
            }
            Event::Read { id, revision, applied, lease } => {
                let (process, sequence) = (id.process.0.into(), id.sequence.into());
                let numbers = [process, sequence, applied.0, revision.0, u64::from(*lease)];
                self.row(RowKind::Read, node.0, &numbers);
                let floor = self.floor(*id);
                self.observer.on_read(node, *id, *revision, floor);
                if *lease {
                    self.note_lease_read(node, *id);
                }
            }
            Event::LeaseExpired { lease, made } => {
                let number = lease.0.cast_unsigned();
                self.row(RowKind::Lease, node.0, &[number, made.map_or(0, |made| made.0)]);
                self.note_end(*lease, *made);
            }
            Event::AutoCompaction { revision } => self.note_compaction(node, *revision),
            Event::Damaged(reason) => {
                self.on_damage_found(node, reason);
            }
            Event::StartedOver { .. } => {
                let machine = self.machines.get_mut(node);
                machine.has_forgotten = true;
                if let Some(damaged) = &mut machine.damage {
                    damaged.starts_over = true;
                }
            }
            Event::Sometimes(_) => {}
        }
        let machine = self.machines.get(node);
        self.observer.on_event(node, event, &machine.status);
    }

    /// A member's content is of this revision, which matters where its age does.
    pub(crate) fn note_revision(&mut self, revision: Revision) {
        if self.plan.cluster.tuning.auto_compaction_period_ms > 0 {
            self.observer.on_revision(revision);
        }
    }

    /// A leader compacts by itself: in the history somebody asks for it, who never hears what came of it.
    fn note_compaction(&mut self, node: NodeId, revision: Revision) {
        self.observer.on_auto_compaction(node, revision, &self.plan.cluster.tuning);
        let id = RequestId { process: self.processes.spawn(Asker::Probe), sequence: 0 };
        let compact = CompactRequest { revision, physical: false };
        self.invoke(id, node, None, Request::Compact(compact));
        self.observer.tally.sometimes("compaction by itself");
    }
}

fn mask(nodes: &[NodeId]) -> u64 {
    nodes.iter().fold(0, |mask, node| mask | 1 << node.0)
}
