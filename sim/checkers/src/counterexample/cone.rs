//! What an operation hangs on: the writes that it saw.

use crate::{
    bounds::tells,
    case::{Case, Keys, Range, SeenKv, Status, Step},
    writers::Writers,
};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{Completion, Error, request::CompareTarget};

/// Who wrote what, by the answers alone, whether they agree or not.
#[derive(Clone, Debug)]
pub(super) struct Cone<'a, 'h> {
    case: &'a Case<'h>,
    /// By revision: who made it, as far as anybody tells.
    writes: BTreeMap<u64, usize>,
    /// By operation of unknown outcome: the revision at which it was seen.
    revealed: BTreeMap<usize, u64>,
    /// By key: its writes in order: the revision, who, and whether it is there afterwards.
    changes: Vec<Vec<(u64, usize, bool)>>,
    /// Operations of unknown outcome that may have written and that nobody saw.
    dark: Vec<usize>,
    /// Keys that may hang on leases.
    leased: BTreeSet<u32>,
    /// Versions and creations are kept, so a write needs the one before.
    pub(super) keeps_versions: bool,
    known: BTreeMap<usize, Vec<usize>>,
}

impl<'a, 'h> Cone<'a, 'h> {
    pub(super) fn new(case: &'a Case<'h>, writers: &Writers, keeps_versions: bool) -> Self {
        let mut cone = Self {
            case,
            writes: BTreeMap::new(),
            revealed: BTreeMap::new(),
            changes: vec![Vec::new(); case.keys.len()],
            dark: Vec::new(),
            leased: leased(case),
            keeps_versions,
            known: BTreeMap::new(),
        };
        for (position, op) in case.recorded_operations().iter().enumerate() {
            if op.tells && op.has_effect {
                cone.writes.entry(op.revision).or_insert(position);
            }
        }
        for op in case.operations.iter().filter(|op| op.status == Status::Known) {
            op.step.seen(&mut |kv| cone.reveal(writers, kv));
        }
        for (position, op) in case.recorded_operations().iter().enumerate() {
            let is_open = op.status == Status::Unknown && op.can_write;
            if is_open && !cone.revealed.contains_key(&position) {
                cone.dark.push(position);
            }
        }
        let writes: Vec<(u64, usize)> = cone.writes.iter().map(|(at, op)| (*at, *op)).collect();
        for (revision, position) in writes {
            cone.change(&case.operations[position].step, revision, position);
        }
        cone
    }

    /// Whether a part of the history can be judged as one: without versions, if they are left out, and without the
    /// revisions that nobody asked for.
    pub(super) fn allows(&self, part: &[usize]) -> bool {
        part.iter().all(|op| {
            let step = &self.case.operations[*op].step;
            (self.keeps_versions || !counts_versions(step)) && !self.hangs_on_leases(step)
        })
    }

    fn hangs_on_leases(&self, step: &Step) -> bool {
        let mut hangs = false;
        step.touches(&mut |keys| hangs |= self.leased.iter().any(|key| keys.contains(*key)));
        hangs
    }

    /// The revision that an operation made.
    pub(super) fn made(&self, position: usize) -> Option<u64> {
        let op = &self.case.operations[position];
        if op.tells && op.has_effect {
            return Some(op.revision);
        }
        self.revealed.get(&position).copied()
    }

    /// Who made a revision.
    pub(super) fn writer(&self, revision: u64) -> Option<usize> {
        self.writes.get(&revision).copied()
    }

    /// The smallest closed set that holds `operations`, ascending.
    pub(super) fn close(&mut self, operations: &[usize]) -> Vec<usize> {
        let mut closed: BTreeSet<usize> = operations.iter().copied().collect();
        let mut open: Vec<usize> = operations.to_vec();
        while let Some(operation) = open.pop() {
            open.extend(self.needs(operation).into_iter().filter(|needed| closed.insert(*needed)));
        }
        closed.into_iter().collect()
    }

    /// What must be there if an operation is.
    pub(super) fn needs(&mut self, position: usize) -> Vec<usize> {
        if let Some(known) = self.known.get(&position) {
            return known.clone();
        }
        let op = &self.case.operations[position];
        let mut needs = BTreeSet::new();
        if let Completion::Fail(Error::Compacted { compacted }) =
            &self.case.history.operations[position].completion
        {
            let is_cause =
                |step: &Step| matches!(step, Step::Compact(revision) if *revision == compacted.0);
            let ops = self.case.operations.iter().enumerate();
            needs.extend(ops.filter(|(_, op)| is_cause(&op.step)).map(|(cause, _)| cause).take(1));
        }
        let made = self.made(position);
        if op.status == Status::Known || made.is_some() {
            let at = made.map_or(op.revision, |made| made - 1);
            self.saw(&op.step, at, &mut needs);
            op.step.seen(&mut |kv| self.shown(kv, &mut needs));
        }
        if let Some(made) = made.filter(|_| self.keeps_versions) {
            op.step.puts(&mut |put| needs.extend(self.last(put.key, made - 1)));
        }
        needs.remove(&position);
        let needs: Vec<usize> = needs.into_iter().collect();
        self.known.insert(position, needs.clone());
        needs
    }

    fn reveal(&mut self, writers: &Writers, kv: &SeenKv) {
        if let Some(write) = writers.of(kv.key, kv.value) {
            let position = writers.writes[write as usize].operation as usize;
            let is_unknown = self.case.operations[position].status == Status::Unknown;
            if is_unknown && !self.writes.contains_key(&kv.modified) && kv.modified != 0 {
                if self.revealed.contains_key(&position) {
                    return;
                }
                self.writes.insert(kv.modified, position);
                self.revealed.insert(position, kv.modified);
            }
        }
    }

    fn change(&mut self, step: &Step, revision: u64, position: usize) {
        match step {
            Step::Put(put) => self.changes[put.key as usize].push((revision, position, true)),
            Step::Delete(delete) => {
                for key in delete.keys.iter() {
                    let changes = &mut self.changes[key as usize];
                    if changes.last().is_some_and(|(.., is_there)| *is_there) {
                        changes.push((revision, position, false));
                    }
                }
            }
            Step::Txn(txn) => {
                // One of unknown outcome that made a revision took a branch that writes.
                let taken = txn.answer.unwrap_or_else(|| txn.success.iter().any(Step::can_write));
                txn.branch(taken).iter().for_each(|step| self.change(step, revision, position));
            }
            // Parts with keys that hang on leases are not made: see `allows`.
            Step::Range(_) | Step::Revoke(_) | Step::Compact(_) | Step::Other => {}
        }
    }

    /// The last write of a key up to a revision.
    fn last(&self, key: u32, revision: u64) -> Option<usize> {
        let changes = &self.changes[key as usize];
        let end = changes.partition_point(|(at, ..)| *at <= revision);
        end.checked_sub(1).map(|last| changes[last].1)
    }

    /// The writes that made the keys what they were at a revision.
    fn saw(&self, step: &Step, at: u64, needs: &mut BTreeSet<usize>) {
        let mut look = |keys: Keys| keys.iter().for_each(|key| needs.extend(self.last(key, at)));
        match step {
            Step::Put(put) if put.prev_kv || put.ignore_value || put.lease.is_none() => {
                look(Keys { low: put.key, high: put.key + 1 });
            }
            Step::Range(range) => self.range(range, at, needs),
            Step::Delete(delete) => look(delete.keys),
            Step::Txn(txn) => {
                txn.compares.iter().for_each(|condition| look(condition.keys));
                let [success, failure] = txn.possible();
                success.iter().chain(failure).for_each(|step| self.saw(step, at, needs));
            }
            Step::Put(_) | Step::Revoke(_) | Step::Compact(_) | Step::Other => {}
        }
    }

    /// Of a range, the writes that agree with its answer, where the answer tells; what it shows otherwise, and what it
    /// wrongly misses, may be what is wrong.
    fn range(&self, range: &Range, at: u64, needs: &mut BTreeSet<usize>) {
        let past = range.past;
        let at = if past == 0 { at } else { past.min(at) };
        let Some(answer) = &range.answer else { return };
        let shown: BTreeMap<u32, u64> = answer.kvs.iter().map(|kv| (kv.key, kv.modified)).collect();
        let tells_all = range.is_plain && !answer.more;
        for key in range.keys.iter() {
            let changes = &self.changes[key as usize];
            let end = changes.partition_point(|(revision, ..)| *revision <= at);
            let Some((revision, position, is_there)) = end.checked_sub(1).map(|i| changes[i])
            else {
                continue;
            };
            let agrees = match shown.get(&key) {
                Some(modified) => *modified == revision && is_there,
                None => !is_there || !tells_all,
            };
            if agrees {
                needs.insert(position);
            }
        }
    }

    fn shown(&self, kv: &SeenKv, needs: &mut BTreeSet<usize>) {
        let revisions =
            if self.keeps_versions { [kv.modified, kv.create] } else { [kv.modified; 2] };
        for revision in revisions {
            match self.writer(revision) {
                Some(writer) => _ = needs.insert(writer),
                None => needs.extend(&self.dark),
            }
        }
    }
}

/// Keys that may hang on leases.
fn leased(case: &Case) -> BTreeSet<u32> {
    let mut leased = BTreeSet::new();
    for op in &case.operations {
        if let Step::Revoke(revoke) = &*op.step {
            leased.extend(&revoke.keys);
        }
    }
    leased
}

/// Whether a step asks for versions or creations, other than for whether there are any.
fn counts_versions(step: &Step) -> bool {
    match step {
        Step::Range(range) => {
            let request = range.request;
            let bounds = [request.min_create_revision, request.max_create_revision];
            request.sort.is_some() || bounds.iter().any(|bound| bound.0 != 0)
        }
        Step::Txn(txn) => {
            let counts = |target: &CompareTarget| match target {
                CompareTarget::Version(n) => *n != 0,
                CompareTarget::Create(revision) => revision.0 != 0,
                CompareTarget::Mod(_) | CompareTarget::Value(_) | CompareTarget::Lease(_) => false,
            };
            txn.compares.iter().any(|condition| counts(condition.target))
                || txn.success.iter().chain(&txn.failure).any(counts_versions)
        }
        Step::Put(_) | Step::Delete(_) | Step::Revoke(_) | Step::Compact(_) | Step::Other => false,
    }
}

/// Whether an operation tells the newest revision.
pub(super) fn tells_newest(case: &Case, position: usize) -> bool {
    u32::try_from(position).is_ok_and(|operation| tells(case, operation))
}
