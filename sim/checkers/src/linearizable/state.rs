//! A configuration of the search, and what an operation does to it.

use super::problem::{
    ABSENT, ANONYMOUS, Component, FIRST, HIDDEN, HIDDEN_UNKNOWN, Move, NEVER, Problem, PutMove,
    Test, Want,
};
use crate::{case::Keys, model::relates};
use std::vec;

/// The store as the search sees it, and which open operations are done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Config {
    pub(super) cells: Vec<Cell>,
    /// Operations that took effect and have not returned, sorted.
    pub(super) done: Vec<u32>,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cell {
    /// The write, or [`ABSENT`].
    pub(super) writer: u32,
    /// The write that created the key.
    pub(super) creator: u32,
    /// Writes since, as far as they are decided.
    pub(super) version: u32,
    /// The number of the lease that it hangs on.
    pub(super) lease: u32,
    /// The write that first put the value.
    pub(super) value: u32,
}

/// What the cell of the life of a lease holds while it is there.
const ALIVE: u32 = HIDDEN;

/// Why an operation cannot be next, and so what must come before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Nothing can help.
    Dead,
    /// This operation.
    Op(u32),
    /// A write to one of these keys.
    Writers(Vec<Keys>),
    /// Something that deletes one of these keys.
    Deleters(Keys),
    /// Something that puts a key of these that is absent; so many are missing.
    Creators(Keys, u64),
    /// Something worth deleting: a put of a key of these that has to be hidden.
    Prey(Keys),
    /// A put of the key, for a version strictly between these.
    Gap { key: u32, above: u32, below: u32 },
    /// A grant of the lease with this life.
    Grants(u32),
    /// An end of the lease with this life.
    Ends(u32),
    /// Something that hangs a key on this lease.
    Hangers(u32),
}

/// One operation at one moment.
pub(super) struct Player<'a> {
    pub(super) problem: &'a Problem,
    pub(super) operation: u32,
    /// The position of the event that is looked at.
    pub(super) now: u32,
    pub(super) done: &'a [u32],
}

impl Config {
    /// Where the search of a component starts.
    pub(super) fn new(component: &Component) -> Self {
        let mut cells = vec![Cell::default(); component.keys];
        component.alive.iter().for_each(|life| cells[*life as usize].writer = ALIVE);
        Self { cells, done: Vec::new() }
    }

    /// Whether the lease with this life is there.
    pub(super) fn is_alive(&self, life: u32) -> bool {
        self.cells[life as usize].writer == ALIVE
    }

    pub(super) fn is_done(&self, operation: u32) -> bool {
        self.done.binary_search(&operation).is_ok()
    }

    pub(super) fn finish(&mut self, operation: u32) {
        if let Err(place) = self.done.binary_search(&operation) {
            self.done.insert(place, operation);
        }
    }

    pub(super) fn forget(&mut self, operation: u32) {
        if let Ok(place) = self.done.binary_search(&operation) {
            self.done.remove(place);
        }
    }
}

impl Cell {
    pub(super) fn hangs_on(self, lease: u32) -> bool {
        self.writer != ABSENT && self.lease == lease
    }
}

fn expect_life(life: u32, cells: &[Cell]) -> Result<(), Block> {
    if cells[life as usize].writer == ALIVE { Ok(()) } else { Err(Block::Grants(life)) }
}

fn one(key: u32) -> Keys {
    Keys { low: key, high: key + 1 }
}

fn present(cells: &[Cell], keys: Keys) -> u64 {
    keys.iter().filter(|key| cells[*key as usize].writer != ABSENT).count() as u64
}

impl Player<'_> {
    /// Does the whole operation, or says why not; then `cells` are in disorder. Says whether anything changed.
    pub(super) fn play(&self, cells: &mut [Cell]) -> Result<bool, Block> {
        let info = &self.problem.ops[self.operation as usize];
        let changed = self.step(&info.moves, cells)?;
        if !changed && info.returned == NEVER {
            // Of unknown outcome and without an effect, it need not happen.
            return Err(match info.moves {
                Move::Delete { keys, .. } => Block::Prey(keys),
                Move::End { lease, .. } => Block::Hangers(lease),
                Move::Put(_)
                | Move::Read { .. }
                | Move::Glimpse { .. }
                | Move::Grant { .. }
                | Move::Txn { .. }
                | Move::Nothing => Block::Writers(info.reads.clone()),
            });
        }
        Ok(changed)
    }

    fn step(&self, step: &Move, cells: &mut [Cell]) -> Result<bool, Block> {
        match step {
            Move::Put(put) => self.put(put, cells).map(|()| true),
            Move::Read { first, held, rest, count } => {
                self.held(*first, held, cells)?;
                Self::count(*rest, *count, cells)?;
                Ok(false)
            }
            Move::Glimpse { held, keys, count } => {
                for (key, held) in held {
                    self.expect(*key, *held, cells)?;
                }
                Self::count(*keys, *count, cells)?;
                Ok(false)
            }
            Move::Delete { keys, deleted, before } => {
                self.delete(*keys, *deleted, before.as_deref(), cells)
            }
            Move::Grant { life } => {
                if cells[*life as usize].writer == ALIVE {
                    return Err(Block::Ends(*life));
                }
                cells[*life as usize].writer = ALIVE;
                Ok(true)
            }
            Move::End { lease, keys, life, is_renewable } => {
                expect_life(*life, cells)?;
                cells[*life as usize].writer = ABSENT;
                Ok(self.end(*lease, keys, cells)? || *is_renewable)
            }
            Move::Txn { tests, success, failure, taken } => {
                let taken = self.branch(tests, *taken, cells)?;
                let branch = if taken { success } else { failure };
                let mut path = Vec::new();
                self.choose(branch, cells, &mut path)?;
                self.follow(branch, &mut path.into_iter(), cells)
            }
            Move::Nothing => Ok(false),
        }
    }

    /// Which branches the transactions inside take, in their order: their tests, too, are about the state before the whole.
    fn choose(&self, steps: &[Move], cells: &[Cell], path: &mut Vec<bool>) -> Result<(), Block> {
        for step in steps {
            if let Move::Txn { tests, success, failure, taken } = step {
                let taken = self.branch(tests, *taken, cells)?;
                path.push(taken);
                self.choose(if taken { success } else { failure }, cells, path)?;
            }
        }
        Ok(())
    }

    /// Does these steps along the branches that were chosen. Says whether anything changed.
    fn follow(
        &self,
        steps: &[Move],
        path: &mut vec::IntoIter<bool>,
        cells: &mut [Cell],
    ) -> Result<bool, Block> {
        let mut changed = false;
        for step in steps {
            changed |= if let Move::Txn { success, failure, .. } = step {
                let taken = path.next().expect("each was chosen");
                self.follow(if taken { success } else { failure }, path, cells)?
            } else {
                self.step(step, cells)?
            };
        }
        Ok(changed)
    }

    fn expect(&self, key: u32, held: u32, cells: &[Cell]) -> Result<(), Block> {
        if cells[key as usize].writer == held {
            return Ok(());
        }
        if held == ABSENT {
            return Err(Block::Deleters(one(key)));
        }
        Err(self.problem.write(held).map_or(Block::Dead, |write| Block::Op(write.operation)))
    }

    fn held(&self, first: u32, held: &[u32], cells: &[Cell]) -> Result<(), Block> {
        (first..).zip(held).try_for_each(|(key, held)| self.expect(key, *held, cells))
    }

    fn count(keys: Keys, count: u64, cells: &[Cell]) -> Result<(), Block> {
        let present = present(cells, keys);
        match present.cmp(&count) {
            std::cmp::Ordering::Less => Err(Block::Creators(keys, count - present)),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(Block::Deleters(keys)),
        }
    }

    /// What a cell holds may go only when everybody who saw it has done so.
    fn may_go(&self, cell: Cell) -> Result<(), Block> {
        let Some(write) = self.problem.write(cell.writer) else { return Ok(()) };
        for observer in &write.observers {
            let info = &self.problem.ops[*observer as usize];
            if info.returned < self.now {
                break;
            }
            if *observer == self.operation || self.done.binary_search(observer).is_ok() {
                continue;
            }
            return Err(if info.invoked > self.now { Block::Dead } else { Block::Op(*observer) });
        }
        Ok(())
    }

    fn put(&self, put: &PutMove, cells: &mut [Cell]) -> Result<(), Block> {
        let PutMove { key, write, .. } = *put;
        put.life.map_or(Ok(()), |life| expect_life(life, cells))?;
        if let Some(before) = put.before {
            self.expect(key, before, cells)?;
        }
        let cell = cells[key as usize];
        let (lease, kept_value) = self.kept(put, cell)?;
        self.may_go(cell)?;
        let info = &self.problem.writes[write as usize];
        if info.is_refuted {
            return Err(Block::Dead);
        }
        let is_new = cell.writer == ABSENT;
        let (mut creator, mut version) = (cell.creator, cell.version + 1);
        if is_new {
            (creator, version) = (info.shown, 1);
        }
        if let Some(hint) = info.hint {
            match (hint.version == 1, is_new) {
                (true, true) => {}
                (true, false) => return Err(Block::Deleters(one(key))),
                (false, true) => return Err(self.creation(key, hint.creator)),
                (false, false) => {
                    // What created the key, nobody told: not by its value, or not its token.
                    let creator_is_untold = cell.creator == HIDDEN_UNKNOWN
                        || self.problem.write(cell.creator).is_some_and(|write| write.is_untold);
                    let is_anonymous = hint.creator >= ANONYMOUS && creator_is_untold;
                    if cell.creator != hint.creator && !is_anonymous {
                        return Err(Block::Deleters(one(key)));
                    }
                    if version != hint.version && is_anonymous {
                        // Or another creation is meant, that nobody saw either.
                        return Err(Block::Writers(vec![one(key)]));
                    }
                    if version < hint.version {
                        return Err(Block::Gap { key, above: cell.version, below: hint.version });
                    }
                    if version > hint.version {
                        return Err(Block::Dead);
                    }
                    creator = hint.creator;
                }
            }
            if is_new && hint.creator != info.shown {
                return Err(Block::Dead);
            }
        }
        // The version of a key that was created unseen is never told.
        let component = self.problem.ops[self.operation as usize].component as usize;
        let name = self.problem.names[component][key as usize];
        if creator == HIDDEN && !self.problem.is_counted[name as usize] {
            version = 1;
        }
        let writer = if info.shown == HIDDEN_UNKNOWN { HIDDEN } else { info.shown };
        let own = if writer < FIRST { writer } else { FIRST + write };
        let value = kept_value.unwrap_or(own);
        cells[key as usize] = Cell { writer, creator, version, lease, value };
        Ok(())
    }

    /// The lease afterwards, and the value, if that is kept. What answers tell of them must be so.
    fn kept(&self, put: &PutMove, cell: Cell) -> Result<(u32, Option<u32>), Block> {
        let info = &self.problem.writes[put.write as usize];
        let is_keeping = put.lease.is_none() || put.keeps_value;
        if is_keeping && cell.writer == ABSENT {
            return Err(Block::Creators(one(put.key), 1));
        }
        let lease = put.lease.unwrap_or(cell.lease);
        let value = put.keeps_value.then_some(cell.value);
        let is_other_lease = info.told_lease.is_some_and(|told| told != lease);
        if is_other_lease || (info.told_value.is_some() && info.told_value != value) {
            return Err(Block::Writers(vec![one(put.key)]));
        }
        Ok((lease, value))
    }

    /// What hangs on the lease goes. Whether anything did.
    fn end(&self, lease: u32, keys: &[u32], cells: &mut [Cell]) -> Result<bool, Block> {
        let mut changed = false;
        for key in keys {
            let cell = cells[*key as usize];
            if cell.hangs_on(lease) {
                self.may_go(cell)?;
                cells[*key as usize] = Cell::default();
                changed = true;
            }
        }
        Ok(changed)
    }

    /// What must come before a put that found the key there, while it is not.
    fn creation(&self, key: u32, creator: u32) -> Block {
        match self.problem.write(creator) {
            Some(write) => Block::Op(write.operation),
            None => Block::Creators(one(key), 1),
        }
    }

    fn delete(
        &self,
        keys: Keys,
        deleted: Option<u64>,
        before: Option<&[u32]>,
        cells: &mut [Cell],
    ) -> Result<bool, Block> {
        if let Some(before) = before {
            self.held(keys.low, before, cells)?;
        }
        if let Some(deleted) = deleted {
            Self::count(keys, deleted, cells)?;
        }
        let mut changed = false;
        for key in keys.iter() {
            let cell = cells[key as usize];
            if cell.writer != ABSENT {
                self.may_go(cell)?;
                changed = true;
            }
        }
        cells[keys.low as usize..keys.high as usize].fill(Cell::default());
        Ok(changed)
    }

    fn branch(&self, tests: &[Test], taken: Option<bool>, cells: &[Cell]) -> Result<bool, Block> {
        let leases = &self.problem.leases;
        let failing = tests.iter().find(|test| !holds(test, cells[test.key as usize], leases));
        match (taken, failing) {
            (None | Some(false), Some(_)) => Ok(false),
            (None | Some(true), None) => Ok(true),
            (Some(true), Some(test)) => Err(self.wanted(test)),
            (Some(false), None) if tests.is_empty() => Err(Block::Dead),
            (Some(false), None) => {
                Err(Block::Writers(tests.iter().map(|test| one(test.key)).collect()))
            }
        }
    }

    /// What must come before for the test to hold.
    fn wanted(&self, test: &Test) -> Block {
        match test.want {
            Want::Writer { write: ABSENT, is_equal: true }
            | Want::Creator { write: ABSENT, is_equal: true } => Block::Deleters(one(test.key)),
            Want::Writer { write, is_equal: true } => {
                self.problem.write(write).map_or(Block::Dead, |write| Block::Op(write.operation))
            }
            Want::Writer { .. }
            | Want::Creator { .. }
            | Want::Value { .. }
            | Want::Lease(..)
            | Want::Version(..) => Block::Writers(vec![one(test.key)]),
        }
    }
}

fn holds(test: &Test, cell: Cell, leases: &[i64]) -> bool {
    match test.want {
        Want::Writer { write, is_equal } => (cell.writer == write) == is_equal,
        Want::Value { write, is_equal } => {
            (cell.value == write) == is_equal && cell.writer != ABSENT
        }
        Want::Lease(relation, lease) => relates(relation, leases[cell.lease as usize].cmp(&lease)),
        Want::Creator { write, is_equal } => {
            let creator = if cell.writer == ABSENT { ABSENT } else { cell.creator };
            (creator == write) == is_equal
        }
        Want::Version(relation, number) => {
            let version = if cell.writer == ABSENT { 0 } else { u64::from(cell.version) };
            relates(relation, version.cmp(&number))
        }
    }
}

/// What a hidden write shows.
pub(super) fn hidden(is_unknown: bool) -> u32 {
    if is_unknown { HIDDEN_UNKNOWN } else { HIDDEN }
}
