//! Operations of unknown outcome that are as good as each other, and whether one of them can have made a revision.

use super::{Timeline, conflict::Conflict, evidence::Evidence, facts::Room};
use crate::case::{Keys, Step};

/// Operations of equal effect.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// By the newest revision told before they were invoked, with that revision.
    pub(super) members: Vec<(u64, u32)>,
    /// Members that a guess has placed.
    pub(super) used: Vec<bool>,
    pub(super) used_count: usize,
    /// What it puts, if it puts one key and nothing else.
    pub(super) put: Option<u32>,
    /// What it deletes, if it deletes and nothing else.
    pub(super) delete: Option<Keys>,
    /// The lease that it ends, if that is what it does.
    pub(super) lease: Option<i64>,
    /// Some member is the operation of a client.
    pub(super) is_asked: bool,
    pub(super) touches: Vec<Keys>,
}

impl Class {
    pub(super) fn new(step: &Step) -> Self {
        let mut touches = Vec::new();
        step.touches(&mut |keys| touches.push(keys));
        let put = if let Step::Put(put) = step { Some(put.key) } else { None };
        let delete = if let Step::Delete(delete) = step { Some(delete.keys) } else { None };
        let lease = if let Step::Revoke(revoke) = step { Some(revoke.lease) } else { None };
        Self { put, delete, lease, touches, ..Self::default() }
    }

    pub(super) fn meets(&self, conflict: &Conflict, revision: u64) -> bool {
        self.touches.iter().any(|keys| conflict.meets(*keys, revision))
    }

    pub(super) fn may_put(&self, key: u32) -> bool {
        match self.put {
            Some(put) => put == key,
            None => self.touches.iter().any(|keys| keys.contains(key)),
        }
    }

    /// Whether it may take away what hangs on the lease of another class.
    pub(super) fn may_change(&self, timeline: &Timeline, lease: i64) -> bool {
        let Some(keys) = timeline.model.hanging(lease) else { return true };
        keys.iter().all(|key| self.touches.iter().any(|keys| keys.contains(*key)))
    }

    pub(super) fn room(
        &self,
        step: &Step,
        evidence: &Evidence,
        timeline: &Timeline,
        revision: u64,
    ) -> Room {
        match (step, self.put, self.delete) {
            (_, Some(key), _) => evidence.room(key, revision),
            // A delete of nothing makes no revision.
            (_, _, Some(keys)) => {
                let mut present = timeline.model.present(keys, revision - 1);
                match (evidence.room_to_delete(keys, revision), present.next()) {
                    (Room::Yes { .. } | Room::Hardly, None) => {
                        let mut since = u64::MAX;
                        let mut note = |_, seen: u64| since = since.min(seen);
                        let is_known = evidence.seen_before(keys, revision, &mut note);
                        Room::Taken(if is_known && since != u64::MAX { since } else { 0 })
                    }
                    (room, _) => room,
                }
            }
            (Step::Txn(txn), ..) => {
                let holds = timeline.model.all_hold(txn, revision - 1);
                let writes = |branch: &[Step]| branch.iter().any(Step::can_write);
                if !writes(txn.branch(holds)) {
                    return Room::Taken(0);
                }
                let mut room = Room::Yes { deadline: u64::MAX };
                let mut narrow = |key: u32| match evidence.room(key, revision) {
                    Room::Yes { deadline } => {
                        if let Room::Yes { deadline: earliest } = &mut room {
                            *earliest = deadline.min(*earliest);
                        }
                    }
                    Room::Hardly => room = Room::Hardly,
                    Room::NotUntil(until) if !writes(txn.branch(!holds)) => {
                        room = Room::NotUntil(until);
                    }
                    Room::NotUntil(_) | Room::Taken(_) => room = Room::Taken(0),
                };
                // Inside, a branch may be left out.
                for step in txn.branch(holds) {
                    if let Step::Put(put) = step {
                        narrow(put.key);
                    }
                }
                room
            }
            (
                Step::Put(_)
                | Step::Range(_)
                | Step::Delete(_)
                | Step::Revoke(_)
                | Step::Compact(_)
                | Step::Other,
                ..,
            ) => Room::Yes { deadline: u64::MAX },
        }
    }
}
