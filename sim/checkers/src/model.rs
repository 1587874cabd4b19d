//! A multi-version store in its simplest form: for each key, the list of its versions by revision.
//!
//! Written from etcd's documentation, not from `core/store`: a bug in the store cannot also sit here. An operation is
//! run at a revision, and each thing that its answer says is compared on the way.

use crate::{
    case::{Case, Condition, Delete, Keys, Put, Range, SeenKv, Step, Txn},
    recorded::Recorded,
};
use std::cmp::Ordering;
use whitewater_api::request::{CompareTarget, Relation, SortTarget};

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) value: u32,
    pub(crate) create: u64,
    pub(crate) modified: u64,
    pub(crate) version: u64,
}

/// All versions of all keys.
#[derive(Debug)]
pub(crate) struct Model<'a> {
    /// By key: what it held from which revision on. Revisions never decrease along a list.
    chains: Vec<Vec<(u64, Option<Cell>)>>,
    /// The writes in order, to take them back: revision and key.
    log: Vec<(u64, u32)>,
    /// The bytes of the values by number, for sorting and for compares.
    values: &'a [&'a [u8]],
    /// What the answers can be held to.
    recorded: Recorded,
}

/// An answer says something else than the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The answer shows the key like this; it was like that.
    Kv { key: u32, saw: Option<SeenKv>, is: Option<Cell> },
    /// The answer has this count; it was that.
    Count { saw: u64, is: u64 },
    /// The answer deleted so many; there were so many.
    Deleted { saw: u64, is: u64 },
    /// The answer has more keys than the request could return.
    Length { saw: u64, is: u64 },
    /// The answer says wrongly whether there is more.
    More { saw: bool },
    /// The answer took this branch; the other one was due.
    Branch { saw: bool },
    /// It should have changed the store, and could not; or the reverse.
    Effect { changed: bool },
}

impl<'a> Model<'a> {
    /// An empty store.
    pub(crate) fn new(case: &'a Case) -> Self {
        let (chains, recorded) = (vec![Vec::new(); case.keys.len()], Recorded::new(case));
        Self { chains, log: Vec::new(), values: &case.values, recorded }
    }

    /// What `key` held at `revision`.
    pub(crate) fn at(&self, key: u32, revision: u64) -> Option<&Cell> {
        let chain = &self.chains[key as usize];
        let newest = chain.last()?;
        if newest.0 <= revision {
            return newest.1.as_ref();
        }
        let index = chain.partition_point(|(from, _)| *from <= revision);
        chain[..index].last().and_then(|(_, cell)| cell.as_ref())
    }

    /// Takes back everything written after `revision`.
    pub(crate) fn undo(&mut self, revision: u64) {
        while let Some((_, key)) = self.log.pop_if(|(at, _)| *at > revision) {
            self.chains[key as usize].pop();
        }
    }

    /// Runs a step at `revision` and compares its answer. Says whether it changed anything. After an error the model
    /// holds half of the step: [`Model::undo`].
    pub(crate) fn run(&mut self, step: &Step, revision: u64) -> Result<bool, Mismatch> {
        match step {
            Step::Put(put) => self.put(put, revision).map(|()| true),
            Step::Range(range) => self.range(range, revision).map(|()| false),
            Step::Delete(delete) => self.delete(delete, revision),
            Step::Txn(txn) => self.txn(txn, revision),
            Step::Compact(_) | Step::Other => Ok(false),
        }
    }

    /// Runs a step that is known to change nothing.
    pub(crate) fn read(&mut self, step: &Step, revision: u64) -> Result<(), Mismatch> {
        if let Step::Range(range) = step {
            return self.range(range, revision);
        }
        if self.run(step, revision)? {
            return Err(Mismatch::Effect { changed: false });
        }
        Ok(())
    }

    fn write(&mut self, key: u32, revision: u64, cell: Option<Cell>) {
        self.chains[key as usize].push((revision, cell));
        self.log.push((revision, key));
    }

    fn put(&mut self, put: &Put, revision: u64) -> Result<(), Mismatch> {
        let old = self.at(put.key, revision).copied();
        if let Some(answer) = put.answer {
            // Not asked for, not shown.
            self.expect_kv(put.key, answer.prev_kv, old.filter(|_| put.prev_kv))?;
        }
        let cell = match old {
            Some(old) => Cell {
                value: if put.ignore_value { old.value } else { put.value },
                create: old.create,
                modified: revision,
                version: old.version + 1,
            },
            None if put.ignore_value => return Err(Mismatch::Effect { changed: true }),
            None => Cell { value: put.value, create: revision, modified: revision, version: 1 },
        };
        self.write(put.key, revision, Some(cell));
        Ok(())
    }

    fn delete(&mut self, delete: &Delete, revision: u64) -> Result<bool, Mismatch> {
        let mut deleted = 0;
        for key in delete.keys.iter() {
            let Some(old) = self.at(key, revision).copied() else { continue };
            if delete.prev_kv
                && let Some(answer) = &delete.answer
            {
                let saw = answer.prev_kvs.get(deleted).copied();
                self.expect_kv(key, saw.filter(|saw| saw.key == key), Some(old))?;
            }
            deleted += 1;
            self.write(key, revision, None);
        }
        if let Some(answer) = &delete.answer {
            let (saw, is) = (answer.deleted, deleted as u64);
            if saw != is {
                return Err(Mismatch::Deleted { saw, is });
            }
            let shown = if delete.prev_kv { deleted } else { 0 };
            expect_length(answer.prev_kvs.len(), shown)?;
        }
        Ok(deleted > 0)
    }

    fn txn(&mut self, txn: &Txn, revision: u64) -> Result<bool, Mismatch> {
        let holds = txn.compares.iter().all(|condition| self.holds(condition, revision));
        if let Some(saw) = txn.answer
            && saw != holds
        {
            return Err(Mismatch::Branch { saw });
        }
        let mut changed = false;
        for step in txn.branch(holds) {
            changed |= self.run(step, revision)?;
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
        present.all(|key| self.cell_holds(condition, self.at(key, revision)))
    }

    fn cell_holds(&self, condition: &Condition, cell: Option<&Cell>) -> bool {
        let number = |of: fn(&Cell) -> u64| cell.map_or(0, of);
        let ordering = match condition.target {
            CompareTarget::Version(n) => number(|cell| cell.version).cmp(n),
            CompareTarget::Create(r) => number(|cell| cell.create).cmp(&r.0),
            CompareTarget::Mod(r) => number(|cell| cell.modified).cmp(&r.0),
            CompareTarget::Lease(lease) => 0.cmp(&lease.0),
            CompareTarget::Value(value) => {
                let Some(cell) = cell else { return false };
                self.values[cell.value as usize].cmp(value.as_slice())
            }
        };
        relates(condition.relation, ordering)
    }

    fn range(&self, range: &Range, revision: u64) -> Result<(), Mismatch> {
        let Some(answer) = &range.answer else { return Ok(()) };
        let at = match range.request.revision.0 {
            0 => revision,
            past => past,
        };
        if !range.is_plain {
            return self.range_with_options(range, at);
        }
        let limit = if range.request.limit == 0 { u64::MAX } else { range.request.limit };
        let mut shown = answer.kvs.iter();
        let mut count = 0;
        for key in range.keys.iter() {
            let Some(cell) = self.at(key, at) else { continue };
            count += 1;
            if count <= limit {
                self.expect_kv(key, shown.next().copied(), Some(*cell))?;
            }
        }
        if let Some(saw) = shown.next() {
            let is = self.at(saw.key, at).copied();
            return Err(Mismatch::Kv { key: saw.key, saw: Some(*saw), is });
        }
        expect_totals(answer.count, answer.more, count, count > limit)
    }

    /// etcd: filter, sort, limit; then leave values out. The count is of the range, whatever the filters say.
    fn range_with_options(&self, range: &Range, at: u64) -> Result<(), Mismatch> {
        let (Some(answer), request) = (&range.answer, range.request) else { return Ok(()) };
        let present = |key| self.at(key, at).map(|cell| (key, *cell));
        let count = range.keys.iter().filter_map(present).count() as u64;
        if request.count_only {
            expect_length(answer.kvs.len(), 0)?;
            return expect_totals(answer.count, answer.more, count, false);
        }
        let within = |n: u64, low: u64, high: u64| low <= n && (high == 0 || n <= high);
        let mut kvs: Vec<(u32, Cell)> = range.keys.iter().filter_map(present).collect();
        kvs.retain(|(_, cell)| {
            within(cell.modified, request.min_mod_revision.0, request.max_mod_revision.0)
                && within(cell.create, request.min_create_revision.0, request.max_create_revision.0)
        });
        if let Some(sort) = request.sort {
            kvs.sort_by(|a, b| {
                let ordering = self.order(sort.target, a, b);
                if sort.descending { ordering.reverse() } else { ordering }
            });
        }
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let is_cut = limit != 0 && kvs.len() > limit;
        kvs.truncate(if limit == 0 { usize::MAX } else { limit });
        for (i, (key, mut cell)) in kvs.iter().copied().enumerate() {
            let saw = answer.kvs.get(i).copied();
            if let Some(saw) = saw.filter(|_| request.keys_only) {
                let is_empty = self.values[saw.value as usize].is_empty();
                cell.value = if is_empty { saw.value } else { cell.value };
            }
            self.expect_kv(key, saw, Some(cell))?;
        }
        expect_length(answer.kvs.len(), kvs.len())?;
        expect_totals(answer.count, answer.more, count, is_cut)
    }

    fn order(&self, target: SortTarget, a: &(u32, Cell), b: &(u32, Cell)) -> Ordering {
        match target {
            SortTarget::Key => a.0.cmp(&b.0),
            SortTarget::Version => a.1.version.cmp(&b.1.version),
            SortTarget::Create => a.1.create.cmp(&b.1.create),
            SortTarget::Mod => a.1.modified.cmp(&b.1.modified),
            SortTarget::Value => {
                self.values[a.1.value as usize].cmp(self.values[b.1.value as usize])
            }
        }
    }

    fn expect_kv(&self, key: u32, saw: Option<SeenKv>, is: Option<Cell>) -> Result<(), Mismatch> {
        let told = self.recorded;
        let is_same = match (&saw, &is) {
            (None, None) => true,
            (Some(saw), Some(is)) => {
                saw.key == key
                    && saw.value == is.value
                    && saw.modified == is.modified
                    && (saw.create == is.create || !told.create)
                    && (saw.version == is.version || !told.version)
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_same { Ok(()) } else { Err(Mismatch::Kv { key, saw, is }) }
    }

    /// The keys of `keys` that are there.
    pub(crate) fn present(&self, keys: Keys, revision: u64) -> impl Iterator<Item = u32> {
        keys.iter().filter(move |key| self.at(*key, revision).is_some())
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

fn expect_length(saw: usize, is: usize) -> Result<(), Mismatch> {
    if saw == is {
        return Ok(());
    }
    Err(Mismatch::Length { saw: saw as u64, is: is as u64 })
}

fn expect_totals(count: u64, more: bool, is: u64, is_cut: bool) -> Result<(), Mismatch> {
    if count != is {
        return Err(Mismatch::Count { saw: count, is });
    }
    if more != is_cut {
        return Err(Mismatch::More { saw: more });
    }
    Ok(())
}
