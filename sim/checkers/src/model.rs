//! A multi-version store in its simplest form: the list of all versions of all keys, in the order of revisions.
//!
//! Written from etcd's documentation, not from `core/store`: a bug in the store cannot also sit here. An operation is
//! run at a revision, and each thing that its answer says is compared on the way.
//!
//! What a key held at an old revision is found in logarithmic time without a list for each key: a version points at the
//! one before it, and at one further back, as in the random-access stack of Myers (An Applicative Random-Access Stack,
//! 1983). A write is one push, and taking it back is one pop.

mod answers;

use self::answers::expect_length;
use crate::{
    case::{Case, Condition, Delete, Keys, Put, Revoke, SeenKv, Step, Txn},
    ends::{Ended, Grants, Leases},
    live::LiveSet,
    recorded::Recorded,
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};
use whitewater_api::request::{CompareTarget, Relation};

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) value: u32,
    pub(crate) create: u64,
    pub(crate) modified: u64,
    pub(crate) version: u64,
    pub(crate) lease: i64,
}

/// What a key held from a revision on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub(crate) key: u32,
    /// The version of the key before this one, and another one further back.
    before: u32,
    jump: u32,
    /// How many came before.
    depth: u32,
    pub(crate) revision: u64,
    /// Nothing, after a delete.
    pub(crate) cell: Option<Cell>,
}

/// All versions of all keys.
#[derive(Debug)]
pub(crate) struct Model<'a> {
    /// In the order of revisions.
    pub(crate) versions: Vec<Version>,
    /// By key: its newest version.
    heads: Vec<u32>,
    /// The keys that are there after the newest version.
    live: LiveSet,
    /// The bytes of the values by number, for sorting and for compares.
    values: &'a [&'a [u8]],
    recorded: Recorded,
    leases: &'a Leases,
    /// The keys that hang on each lease after the newest version.
    attached: BTreeMap<i64, BTreeSet<u32>>,
    /// When leases ended, in the order of revisions: the revision, the lease, when it had ended before.
    ends: Vec<(u64, i64, Ended)>,
    /// By lease: when it ended last.
    ended: BTreeMap<i64, Ended>,
}

/// No version.
const NONE: u32 = u32::MAX;

/// An answer says something else than the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The answer shows the key like this; it was like that.
    Kv { key: u32, saw: Option<SeenKv>, is: Option<Cell> },
    /// The answer shows these two keys in the wrong order, or one twice.
    Order { first: u32, second: u32 },
    /// The answer shows a key that the range does not hold, or that its filters leave out.
    Stranger { saw: SeenKv },
    /// The answer has this count; it was that.
    Count { saw: u64, is: u64 },
    /// The answer deleted so many; there were so many.
    Deleted { saw: u64, is: u64 },
    /// The answer has so many keys; so many were due.
    Length { saw: u64, is: u64 },
    /// The answer says wrongly whether there is more.
    More { saw: bool },
    /// The answer took this branch; the other one was due.
    Branch { saw: bool },
    /// It should have changed the store, and could not; or the reverse.
    Effect { changed: bool },
    /// It should have been refused: the lease that it names had ended at this revision; 0, had not been granted yet.
    Lease { lease: i64, ended: u64 },
    /// It should have been refused: the lease was there all the time, with keys on it.
    Granted { lease: i64 },
    /// It should have been refused: the revision that it read did not exist.
    Future { wanted: u64 },
}

impl<'a> Model<'a> {
    /// An empty store.
    pub(crate) fn new(case: &'a Case) -> Self {
        Self {
            versions: Vec::new(),
            heads: vec![NONE; case.keys.len()],
            live: LiveSet::new(case.keys.len()),
            values: &case.values,
            recorded: case.recorded,
            leases: &case.leases,
            attached: BTreeMap::new(),
            ends: Vec::new(),
            ended: BTreeMap::new(),
        }
    }

    /// What `key` held at `revision`.
    pub(crate) fn at(&self, key: u32, revision: u64) -> Option<&Cell> {
        let mut version = self.versions.get(self.heads[key as usize] as usize)?;
        while version.revision > revision {
            // Both lie further back; the longer way as long as it does not lead too far.
            let far =
                self.versions.get(version.jump as usize).filter(|far| far.revision > revision);
            version = match far {
                Some(far) => far,
                None => self.versions.get(version.before as usize)?,
            };
        }
        version.cell.as_ref()
    }

    /// Takes back everything written after `revision`.
    pub(crate) fn undo(&mut self, revision: u64) {
        while let Some(version) = self.versions.pop_if(|version| version.revision > revision) {
            self.heads[version.key as usize] = version.before;
            let former = self.newest(version.key);
            self.hang(version.key, version.cell, former);
            if former.is_some() {
                self.live.insert(version.key);
            } else {
                self.live.remove(version.key);
            }
        }
        while let Some((_, lease, before)) = self.ends.pop_if(|(at, ..)| *at > revision) {
            self.ended.insert(lease, before);
        }
    }

    /// Runs a step at `revision` and compares its answer. Says whether it changed anything. After an error the model
    /// holds half of the step: [`Model::undo`].
    pub(crate) fn run(&mut self, step: &Step, revision: u64) -> Result<bool, Mismatch> {
        match step {
            Step::Put(put) => self.put(put, revision).map(|()| true),
            Step::Range(range) => self.range(range, revision).map(|()| false),
            Step::Delete(delete) => self.delete(delete, revision),
            Step::Txn(txn) => {
                // What the transaction itself has written is behind that.
                let before = self.versions.last().map_or(0, |newest| newest.revision);
                self.txn(txn, revision, before.min(revision))
            }
            Step::Revoke(revoke) => self.revoke(revoke, revision, revision),
            Step::Compact(_) | Step::Other => Ok(false),
        }
    }

    /// Runs a step that is known to change nothing.
    pub(crate) fn read(&mut self, step: &Step, revision: u64) -> Result<(), Mismatch> {
        if let Step::Range(range) = step {
            return self.range(range, revision);
        }
        let changed = if let Step::Revoke(revoke) = step {
            // The lease may have been granted after the revision was made.
            self.hanging(revoke.lease).is_some() || self.revoke(revoke, revision, revision + 1)?
        } else {
            self.run(step, revision)?
        };
        if changed {
            return Err(Mismatch::Effect { changed: false });
        }
        Ok(())
    }

    /// A version that is known from elsewhere.
    pub(crate) fn write(&mut self, key: u32, revision: u64, cell: Option<Cell>) {
        let before = self.heads[key as usize];
        let depth = |version: u32| self.versions.get(version as usize).map_or(0, |v| v.depth);
        let jump_of = |version: u32| self.versions.get(version as usize).map_or(NONE, |v| v.jump);
        // Two jumps of the same length make one of twice the length.
        let (once, twice) = (jump_of(before), jump_of(jump_of(before)));
        let is_even = depth(before) - depth(once) == depth(once) - depth(twice);
        let jump = if is_even && once != NONE { twice } else { before };
        let depth = if before == NONE { 0 } else { depth(before) + 1 };
        self.heads[key as usize] =
            u32::try_from(self.versions.len()).expect("fewer than 2^32 versions in a history");
        self.versions.push(Version { key, before, jump, depth, revision, cell });
        match cell {
            Some(_) => self.live.insert(key),
            None => self.live.remove(key),
        }
        let former = self.versions.get(before as usize).and_then(|version| version.cell);
        self.hang(key, former, cell);
    }

    /// A key goes over from one lease to another, if there are any.
    fn hang(&mut self, key: u32, from: Option<Cell>, to: Option<Cell>) {
        let [from, to] = [from, to].map(|cell| cell.map_or(0, |cell| cell.lease));
        if from == to {
            return;
        }
        if let Some(keys) = self.attached.get_mut(&from) {
            keys.remove(&key);
            if keys.is_empty() {
                self.attached.remove(&from);
            }
        }
        if to != 0 {
            self.attached.entry(to).or_default().insert(key);
        }
    }

    /// The leases that keys hang on after the newest version, and the keys.
    pub(crate) fn attached(&self) -> impl Iterator<Item = (i64, &BTreeSet<u32>)> {
        self.attached.iter().map(|(lease, keys)| (*lease, keys))
    }

    /// The leases that ended up to a revision, in order.
    pub(crate) fn ends(&self, until: u64) -> impl Iterator<Item = (i64, u64)> + '_ {
        let ends = self.ends.iter().take_while(move |(at, ..)| *at <= until);
        ends.map(|(at, lease, _)| (*lease, *at))
    }

    /// The grants of a lease.
    pub(crate) fn grants(&self, lease: i64) -> Option<&'a Grants> {
        self.leases.get(&lease)
    }

    /// The keys that hang on a lease.
    pub(crate) fn hanging(&self, lease: i64) -> Option<&BTreeSet<u32>> {
        self.attached.get(&lease)
    }

    /// Whether a lease can be there for what comes at a revision: it did not end before, or was granted again. Grants whose
    /// header is below `until` came before.
    fn expect_lease(&self, lease: i64, until: u64) -> Result<(), Mismatch> {
        let Some(grants) = self.leases.get(&lease) else { return Ok(()) };
        let ended = self.ended.get(&lease).copied().unwrap_or(grants.ended);
        let is_from_before = ended.times == 0 && grants.is_unasked();
        if is_from_before || grants.outnumber(ended, until) {
            return Ok(());
        }
        Err(Mismatch::Lease { lease, ended: ended.revision })
    }

    fn revoke(&mut self, revoke: &Revoke, revision: u64, until: u64) -> Result<bool, Mismatch> {
        let Some(grants) = self.leases.get(&revoke.lease) else { return Ok(false) };
        self.expect_lease(revoke.lease, until)?;
        let before = self.ended.get(&revoke.lease).copied().unwrap_or(grants.ended);
        let times = before.times + 1;
        self.ended.insert(revoke.lease, Ended { revision, times });
        self.ends.push((revision, revoke.lease, before));
        let keys = self.attached.get(&revoke.lease).cloned().unwrap_or_default();
        for key in &keys {
            self.write(*key, revision, None);
        }
        Ok(!keys.is_empty())
    }

    fn newest(&self, key: u32) -> Option<Cell> {
        self.versions.get(self.heads[key as usize] as usize).and_then(|version| version.cell)
    }

    fn put(&mut self, put: &Put, revision: u64) -> Result<(), Mismatch> {
        let old = self.newest(put.key);
        if let Some(answer) = &put.answer {
            // Not asked for, not shown.
            let saw = answer.prev_kv.as_deref().copied();
            self.expect_kv(put.key, saw, old.filter(|_| put.prev_kv))?;
        }
        if let Some(lease) = put.lease.filter(|lease| *lease != 0) {
            self.expect_lease(lease, revision)?;
        }
        let lease = put.lease.unwrap_or_else(|| old.map_or(0, |old| old.lease));
        let cell = match old {
            // etcd refuses to keep what is not there.
            None if put.ignore_value || put.lease.is_none() => {
                return Err(Mismatch::Effect { changed: true });
            }
            Some(old) => Cell {
                value: if put.ignore_value { old.value } else { put.value },
                create: old.create,
                modified: revision,
                version: old.version + 1,
                lease,
            },
            None => {
                Cell { value: put.value, create: revision, modified: revision, version: 1, lease }
            }
        };
        self.write(put.key, revision, Some(cell));
        Ok(())
    }

    fn delete(&mut self, delete: &Delete, revision: u64) -> Result<bool, Mismatch> {
        let mut deleted = 0;
        let mut next = self.live.next(delete.keys.low);
        while let Some(key) = next.filter(|key| delete.keys.contains(*key)) {
            if delete.prev_kv
                && let Some(answer) = &delete.answer
            {
                let saw = answer.prev_kvs.get(deleted).copied();
                self.expect_kv(key, saw, self.newest(key))?;
            }
            deleted += 1;
            self.write(key, revision, None);
            next = self.live.next(key + 1);
        }
        if let Some(answer) = &delete.answer {
            let (saw, is) = (answer.deleted, deleted as u64);
            if saw != is {
                return Err(Mismatch::Deleted { saw, is });
            }
            let shown = if delete.prev_kv { deleted } else { 0 };
            expect_length(answer.prev_kvs.len() as u64, shown as u64)?;
        }
        Ok(deleted > 0)
    }

    /// Whether all compares of a transaction hold at `revision`.
    pub(crate) fn all_hold(&self, txn: &Txn, revision: u64) -> bool {
        txn.compares.iter().all(|condition| self.holds(condition, revision))
    }

    /// All compares, those of transactions inside too, are about the state `before` the whole (etcd,
    /// `server/etcdserver/txn/txn.go`, `compareToPath`).
    fn txn(&mut self, txn: &Txn, revision: u64, before: u64) -> Result<bool, Mismatch> {
        let holds = self.all_hold(txn, before);
        if let Some(saw) = txn.answer
            && saw != holds
        {
            return Err(Mismatch::Branch { saw });
        }
        let mut changed = false;
        for step in txn.branch(holds) {
            changed |= if let Step::Txn(inner) = step {
                self.txn(inner, revision, before)?
            } else {
                self.run(step, revision)?
            };
        }
        Ok(changed)
    }

    fn holds(&self, condition: &Condition, revision: u64) -> bool {
        if condition.is_single {
            return self.cell_holds(condition, self.at(condition.keys.low, revision));
        }
        // etcd: an empty range compares like an absent key.
        let mut present = self.present(condition.keys, revision).peekable();
        if present.peek().is_none() {
            return self.cell_holds(condition, None);
        }
        present.all(|(_, cell)| self.cell_holds(condition, Some(&cell)))
    }

    fn cell_holds(&self, condition: &Condition, cell: Option<&Cell>) -> bool {
        let number = |of: fn(&Cell) -> u64| cell.map_or(0, of);
        let ordering = match condition.target {
            CompareTarget::Version(n) => number(|cell| cell.version).cmp(n),
            CompareTarget::Create(r) => number(|cell| cell.create).cmp(&r.0),
            CompareTarget::Mod(r) => number(|cell| cell.modified).cmp(&r.0),
            CompareTarget::Lease(lease) => cell.map_or(0, |cell| cell.lease).cmp(&lease.0),
            CompareTarget::Value(value) => {
                let Some(cell) = cell else { return false };
                self.values[cell.value as usize].cmp(value.as_slice())
            }
        };
        relates(condition.relation, ordering)
    }

    /// Whether nothing was written after `revision`, so that the newest versions are the ones that it sees.
    fn is_newest(&self, revision: u64) -> bool {
        self.versions.last().is_none_or(|version| version.revision <= revision)
    }

    /// The keys of `keys` that are there, with what they hold. At the newest revision the others cost nothing.
    pub(crate) fn present(&self, keys: Keys, revision: u64) -> impl Iterator<Item = (u32, Cell)> {
        let is_newest = self.is_newest(revision);
        let (newest, all) = if is_newest { (keys.high, keys.low) } else { (keys.low, keys.high) };
        let newest = self.live.range(keys.low, newest);
        newest
            .chain(keys.low..all.max(keys.low))
            .filter_map(move |key| self.at(key, revision).map(|cell| (key, *cell)))
    }

    fn count(&self, keys: Keys, revision: u64) -> u64 {
        if self.is_newest(revision) {
            return self.live.count(keys.low, keys.high);
        }
        self.present(keys, revision).count() as u64
    }
}

/// Whether a relation accepts an ordering.
pub(crate) fn relates(relation: Relation, ordering: Ordering) -> bool {
    match relation {
        Relation::Equal => ordering.is_eq(),
        Relation::NotEqual => ordering.is_ne(),
        Relation::Less => ordering.is_lt(),
        Relation::Greater => ordering.is_gt(),
    }
}
