//! What later answers say about revisions that nobody acknowledged, before anything is guessed.
//!
//! A read that shows a key unchanged leaves no room for a put before it. Two that show its versions tell how many puts
//! lie between them. A creation or a mod revision that is shown names the key that was put at it.

use super::{
    NOBODY, Timeline,
    facts::{Fact, KeyFacts, Room},
};
use crate::{
    case::{Case, Keys, Op, Range, SeenKv, Status, Step, Txn},
    ends::Grants,
    intern::Table,
};
use std::collections::BTreeSet;
use whitewater_api::{
    request::{CompareTarget, Relation},
    watch::{EventKind, WatchBody},
};
use whitewater_record::WatchMessage;

/// What is known about the keys that an operation of unknown outcome may have changed.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The keys, ascending.
    watched: Vec<u32>,
    /// By key: its place in `watched`, or none.
    places: Vec<u32>,
    /// By place.
    keys: Vec<KeyFacts>,
    /// Something of unknown outcome may have deleted keys that are not watched.
    has_wide_delete: bool,
    /// Answers looked at so far.
    answers: u64,
    /// By revision that nobody is known to have made: a key that was put at it.
    musts: Table<u64, u32>,
    /// By such a revision: a key that vanished at it, by a watch.
    pub(super) vanished: Table<u64, u32>,
    /// By lease, in order: revisions up to which it cannot have ended, unless it was granted again, because it was used.
    uses: Table<i64, Vec<u64>>,
    /// By such a revision: the operation that a watch or the record names.
    pub(super) hints: Table<u64, u32>,
    /// By revision: the lease whose end made it, as the record says.
    pub(super) ended: Table<u64, i64>,
}

/// Of a wider delete of unknown outcome, not all keys are watched.
const WATCHED_MAX: u32 = 4_096;

impl Evidence {
    /// `unknown` are the operations that may have made the dark revisions of `timeline`.
    /// Serializable reads are believed, too, if asked for.
    pub(super) fn new(case: &Case, timeline: &Timeline, unknown: &[u32], with_stale: bool) -> Self {
        let mut evidence = Self { places: vec![NOBODY; case.keys.len()], ..Self::default() };
        let step = |op: &u32| &case.operations[*op as usize].step;
        for op in unknown {
            step(op).puts(&mut |put| evidence.watched.push(put.key));
            step(op).deletes(&mut |keys| {
                if keys.high - keys.low <= WATCHED_MAX {
                    evidence.watched.extend(keys.iter());
                } else {
                    evidence.has_wide_delete = true;
                }
            });
        }
        evidence.watched.sort_unstable();
        evidence.watched.dedup();
        for (place, key) in (0..).zip(&evidence.watched) {
            evidence.places[*key as usize] = place;
        }
        evidence.keys.resize_with(evidence.watched.len(), KeyFacts::default);
        for op in unknown {
            step(op).deletes(&mut |keys| evidence.each(keys, |key| key.may_vanish = true));
        }
        for (_, key, cell) in &case.origin.versions {
            if let Some(key) = evidence.key(*key) {
                let at = case.origin.revision;
                key.facts.clear();
                key.facts.extend(cell.map(|cell| Fact {
                    at,
                    from: at,
                    modified: cell.modified,
                    create: cell.create,
                    version: cell.version,
                }));
            }
        }
        for (revision, op) in timeline.made() {
            evidence.known(&case.operations[op as usize], revision);
        }
        if case.recorded.modified {
            let is_told = |op: &&Op| {
                let is_stale = op.is_serializable && op.status == Status::Known;
                op.tells || (with_stale && is_stale && op.revision <= timeline.newest())
            };
            let told = case.operations.iter().filter(is_told);
            told.for_each(|op| evidence.answer(op, timeline, case.origin.revision));
            for (revision, op) in timeline.made() {
                let op = &case.operations[op as usize];
                if let Step::Txn(txn) = &*op.step
                    && txn.answer.is_none()
                    && !txn.failure.iter().any(Step::can_write)
                {
                    // It made a revision, so its compares held.
                    evidence.compares(txn, revision - 1, timeline, case.origin.revision);
                }
            }
        }
        evidence.uses(case);
        evidence.keys.iter_mut().for_each(KeyFacts::finish);
        evidence.watches(case, timeline, unknown);
        evidence.ended =
            case.history.ends.iter().map(|end| (end.revision.0, end.lease.0)).collect();
        for op in unknown {
            let revision = case.witness(*op);
            if revision != 0 {
                evidence.hints.entry(revision).or_insert(*op);
            }
        }
        evidence
    }

    /// The key that was put at `revision`, if anything tells.
    pub(super) fn must(&self, revision: u64) -> Option<u32> {
        self.musts.get(&revision).copied()
    }

    /// Tells of all of `keys` that guesses may change the newest revision before `revision` at which they were seen:
    /// guesses up to then have nothing to do with what they are at `revision`. False if a write that is known to have
    /// happened may hang on other keys.
    pub(super) fn seen_before(
        &self,
        keys: Keys,
        revision: u64,
        tell: &mut impl FnMut(Keys, u64),
    ) -> bool {
        let from = self.watched.partition_point(|key| *key < keys.low);
        let to = self.watched.partition_point(|key| *key < keys.high).max(from);
        let watched = &self.keys[from..to];
        if watched.iter().any(|key| key.is_vague) {
            return false;
        }
        if self.has_wide_delete {
            tell(keys, 0);
            return true;
        }
        for (key, evidence) in self.watched[from..to].iter().zip(watched) {
            tell(Keys { low: *key, high: key + 1 }, evidence.seen_before(revision));
        }
        true
    }

    /// Whether a put of `key` fits at `revision`.
    pub(super) fn room(&self, key: u32, revision: u64) -> Room {
        if self.must(revision) == Some(key) {
            return Room::Yes { deadline: revision };
        }
        self.keys[self.places[key as usize] as usize].room(revision)
    }

    /// Whether a delete of `keys` fits at `revision`.
    pub(super) fn room_to_delete(&self, keys: Keys, revision: u64) -> Room {
        let from = self.watched.partition_point(|key| *key < keys.low);
        let to = self.watched.partition_point(|key| *key < keys.high).max(from);
        let until = self.keys[from..to].iter().filter_map(|key| key.stays_until(revision)).max();
        until.map_or(Room::Yes { deadline: u64::MAX }, Room::NotUntil)
    }

    /// Whether the end of a lease, with these keys, fits at `revision`; and until when the keys must be gone.
    pub(super) fn room_to_end(
        &self,
        lease: i64,
        grants: &Grants,
        keys: &BTreeSet<u32>,
        revision: u64,
    ) -> Option<u64> {
        if self.musts.contains_key(&revision) {
            return None;
        }
        let uses = self.uses.get(&lease).map(Vec::as_slice).unwrap_or_default();
        let next = uses[uses.partition_point(|used| *used < revision)..].first();
        if next.is_some_and(|used| !grants.has_between(revision, used + 1)) {
            return None;
        }
        let mut deadline = u64::MAX;
        for key in keys {
            let Some(key) = self.keys.get(self.places[*key as usize] as usize) else { continue };
            if key.stays_until(revision).is_some() {
                return None;
            }
            deadline = deadline.min(key.gone_by(revision));
        }
        Some(deadline)
    }

    /// Whether puts of some of `keys` are missing somewhere.
    pub(super) fn wants(&self, keys: Keys) -> bool {
        let from = self.watched.partition_point(|key| *key < keys.low);
        self.watched[from..]
            .iter()
            .zip(&self.keys[from..])
            .take_while(|(key, _)| keys.contains(**key))
            .any(|(_, key)| key.is_wanted)
    }

    /// A put of `key` is guessed at `revision`, or the guess is taken back.
    pub(super) fn guess(&mut self, key: u32, revision: u64, is_made: bool) {
        self.keys[self.places[key as usize] as usize].guess(revision, is_made);
    }

    /// How many puts of `key` are guessed between what was seen of it before and after `revision`.
    pub(super) fn guessed(&self, key: u32, revision: u64) -> u64 {
        let place = self.places[key as usize] as usize;
        self.keys.get(place).map_or(0, |key| key.guessed(revision))
    }

    fn each(&mut self, keys: Keys, mut change: impl FnMut(&mut KeyFacts)) {
        let from = self.watched.partition_point(|key| *key < keys.low);
        let to = self.watched.partition_point(|key| *key < keys.high);
        self.keys[from..to.max(from)].iter_mut().for_each(&mut change);
    }

    fn key(&mut self, key: u32) -> Option<&mut KeyFacts> {
        self.keys.get_mut(self.places[key as usize] as usize)
    }

    /// Notes a write whose place is known.
    fn known(&mut self, op: &Op, revision: u64) {
        let is_vague = op.revision == 0 && hangs_on_others(&op.step);
        op.step.puts(&mut |put| {
            if let Some(key) = self.key(put.key) {
                key.puts.push(revision);
                key.is_vague |= is_vague;
            }
        });
        op.step.deletes(&mut |keys| self.each(keys, |key| key.deletes.push(revision)));
    }

    /// Notes what an answer shows.
    fn answer(&mut self, op: &Op, timeline: &Timeline, before: u64) {
        op.step.seen(&mut |kv| {
            self.put_at(kv.key, kv.modified, timeline, before);
            self.put_at(kv.key, kv.create, timeline, before);
        });
        let at = if op.has_effect { op.revision - 1 } else { op.revision };
        match &*op.step {
            Step::Put(put) => {
                let seen =
                    put.answer.as_ref().and_then(|answer| answer.prev_kv.as_deref().copied());
                if put.prev_kv {
                    self.shown(Keys { low: put.key, high: put.key + 1 }, at, seen.as_slice(), true);
                }
            }
            Step::Range(range) => self.range(range, op.revision),
            Step::Delete(delete) => {
                let Some(answer) = &delete.answer else { return };
                if delete.prev_kv || answer.deleted == 0 {
                    self.shown(delete.keys, at, &answer.prev_kvs, true);
                }
            }
            Step::Txn(txn) => {
                let Some(taken) = txn.answer else { return };
                if taken {
                    self.compares(txn, at, timeline, before);
                }
                if !op.has_effect {
                    for step in txn.branch(taken) {
                        if let Step::Range(range) = step {
                            self.range(range, op.revision);
                        }
                    }
                }
            }
            Step::Revoke(_) | Step::Compact(_) | Step::Other => {}
        }
    }

    fn range(&mut self, range: &Range, revision: u64) {
        let (Some(answer), request) = (&range.answer, range.request) else { return };
        let filters = [
            request.min_mod_revision,
            request.max_mod_revision,
            request.min_create_revision,
            request.max_create_revision,
        ];
        let is_complete =
            !answer.more && !request.count_only && filters.iter().all(|filter| filter.0 == 0);
        let at = if range.past == 0 { revision } else { range.past.min(revision) };
        self.shown(range.keys, at, &answer.kvs, is_complete);
    }

    fn shown(&mut self, keys: Keys, at: u64, kvs: &[SeenKv], is_complete: bool) {
        self.answers += 1;
        let answer = self.answers;
        for kv in kvs {
            if let Some(key) = self.key(kv.key) {
                let (modified, create, version) = (kv.modified, kv.create, kv.version);
                key.note(Fact { at, from: at, modified, create, version });
                key.shown_in = answer;
            }
        }
        if is_complete {
            self.each(keys, |key| {
                if key.shown_in != answer {
                    key.note(Fact { at, from: at, modified: 0, create: 0, version: 0 });
                }
            });
        }
    }

    /// Compares that held at a revision.
    fn compares(&mut self, txn: &Txn, at: u64, timeline: &Timeline, before: u64) {
        for condition in &txn.compares {
            let CompareTarget::Mod(revision) = condition.target else { continue };
            let key = condition.keys.low;
            if !condition.is_single || condition.relation != Relation::Equal {
                continue;
            }
            self.put_at(key, revision.0, timeline, before);
            if let Some(key) = self.key(key) {
                let modified = revision.0;
                key.note(Fact { at, from: at, modified, create: 0, version: 0 });
            }
        }
    }

    /// Somebody saw that `key` was put at `revision`.
    fn put_at(&mut self, key: u32, revision: u64, timeline: &Timeline, before: u64) {
        let is_told = revision > before && revision <= timeline.newest();
        if is_told && timeline.writer(revision) == NOBODY {
            self.musts.entry(revision).or_insert(key);
            if let Some(key) = self.key(key) {
                key.is_wanted = true;
            }
        }
    }

    /// A lease that a put names was there until then, and one that was revoked was there before.
    fn uses(&mut self, case: &Case) {
        if case.leases.is_empty() {
            return;
        }
        for op in case.operations.iter().filter(|op| op.status == Status::Known) {
            if let Step::Revoke(revoke) = &*op.step {
                self.uses.entry(revoke.lease).or_default().push(op.revision);
            } else if op.has_effect {
                op.step.puts(&mut |put| {
                    if let Some(lease) = put.lease.filter(|lease| *lease != 0) {
                        self.uses.entry(lease).or_default().push(op.revision - 1);
                    }
                });
            }
        }
        for lease in case.leases.keys() {
            if let Some(uses) = self.uses.get_mut(lease) {
                uses.sort_unstable();
            }
        }
    }

    /// What was watched names its operation by key and value. Only a hint: watches have a judge of their own.
    fn watches(&mut self, case: &Case, timeline: &Timeline, unknown: &[u32]) {
        let mut by_content: Table<(u32, &[u8]), u32> = Table::default();
        for op in unknown {
            case.operations[*op as usize].step.puts(&mut |put| {
                by_content.insert((put.key, case.values[put.value as usize]), *op);
            });
        }
        for row in &case.history.watches {
            let WatchMessage::Received(message) = &row.message else { continue };
            let WatchBody::Events { events, .. } = &message.body else { continue };
            for event in events {
                let revision = event.kv.mod_revision.0;
                let is_dark = revision > case.origin.revision
                    && revision <= timeline.newest()
                    && timeline.writer(revision) == NOBODY;
                let key = case.keys.binary_search(&event.kv.key).ok();
                if event.kind == EventKind::Delete && is_dark {
                    let key = key.and_then(|key| u32::try_from(key).ok());
                    self.vanished.extend(key.map(|key| (revision, key)));
                    continue;
                }
                if let Some(key) = key.filter(|_| is_dark).and_then(|key| u32::try_from(key).ok())
                    && let Some(op) = by_content.get(&(key, event.kv.value.as_slice()))
                {
                    self.hints.insert(revision, *op);
                }
            }
        }
    }
}

/// Whether what it does to one key may hang on another, or may be one of several things: a transaction of unknown
/// outcome, unless all of it is about one key and it only puts.
fn hangs_on_others(step: &Step) -> bool {
    let Step::Txn(_) = step else { return false };
    let mut hull: Option<Keys> = None;
    step.touches(&mut |keys| hull = Some(hull.map_or(keys, |hull| hull.hull(keys))));
    let mut deletes = false;
    step.deletes(&mut |_| deletes = true);
    deletes || hull.is_none_or(|hull| hull.high != hull.low + 1)
}
