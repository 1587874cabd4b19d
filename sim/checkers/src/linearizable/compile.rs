//! From a [`Case`] to a [`Problem`].

use super::{
    components::{Division, id, single, touched},
    learn::Lore,
    lives::Lives,
    problem::{ABSENT, Event, FIRST, Move, NEVER, OpInfo, Problem, PutMove, Test, Want, WriteInfo},
    state::hidden,
};
use crate::{
    alike,
    bounds::tells,
    case::{Case, Condition, Delete, Keys, Put, Range, SeenKv, Status, Step, Txn},
    intern::Table,
    ruling::Ruling,
    writers::{Kept, Writers},
};
use whitewater_api::request::{CompareTarget, Relation};

struct Compiler<'a, 'h> {
    case: &'a Case<'h>,
    writers: &'a Writers,
    lore: Lore,
    lives: Lives,
    /// By operation: whether the search sees it.
    included: Vec<bool>,
    /// By key: its component, and its number there.
    places: Vec<(u32, u32)>,
    /// By write: a compare names it.
    named: Vec<bool>,
    /// By key: a compare looks at its version.
    counted: Vec<bool>,
}

/// Prepares the search, or says what stands against the history already.
pub(super) fn compile(case: &Case, writers: &Writers) -> Result<Problem, Ruling> {
    let lore = Lore::new(case, writers)?;
    if lore.is_ambiguous {
        return Err(unsupported("an operation that may put one key in either branch"));
    }
    if lore.is_kept_by_somebody {
        return Err(unsupported(
            "who put a value last that a put of unknown outcome may have kept",
        ));
    }
    let mut compiler = Compiler {
        case,
        writers,
        lore,
        lives: Lives::default(),
        included: Vec::new(),
        places: Vec::new(),
        named: vec![false; writers.writes.len()],
        counted: vec![false; case.keys.len()],
    };
    compiler.run()
}

fn unsupported(what: &str) -> Ruling {
    Ruling::NotApplicable(format!("the black-box judge does not know {what}"))
}

impl Compiler<'_, '_> {
    fn run(&mut self) -> Result<Problem, Ruling> {
        let mut problem = Problem::default();
        for operation in 0..id(self.case.operations.len()) {
            let is_included = self.is_included(operation);
            self.included.push(is_included);
        }
        let division = Division::new(self.case, &self.included);
        (problem.components, problem.names) = (division.components, division.names);
        self.places = division.places;
        self.lives =
            Lives::new(self.case, &self.places, &mut problem.components, &mut problem.names);
        problem.leases = self.lives.ids();
        for (operation, op) in (0..).zip(&self.case.operations) {
            let mut moves = Move::Nothing;
            if self.included[operation as usize] {
                moves = self.step(operation, &op.step)?;
            }
            let info = self.info(operation, moves);
            problem.ops.push(info);
        }
        problem.writes = self.writes();
        for (info, op) in problem.ops.iter_mut().zip(&self.case.operations) {
            info.is_unseen =
                op.status == Status::Unknown && is_hidden(&info.moves, &problem.writes);
            // One that keeps the lease needs a key that is there, and cannot stand for one that does not.
            let Move::Put(PutMove { write, before: None, lease: Some(_), .. }) = info.moves else {
                continue;
            };
            let key = self.writers.writes[write as usize].key as usize;
            info.is_simple = problem.writes[write as usize].shown < FIRST
                && !self.lives.leased[key]
                && self.writers.kept[key] == Kept::Never
                && !self.lore.has_anonymous[key]
                && !self.counted[key];
        }
        self.alike(&mut problem);
        self.events(&mut problem);
        for write in &mut problem.writes {
            write.observers.sort_by_key(|op| std::cmp::Reverse(problem.ops[*op as usize].returned));
        }
        problem.is_counted = self.counts();
        Ok(problem)
    }

    /// Finds the transactions of which one is as good as another: they do the same, nobody saw what they put, and if of one
    /// a revision was told, then of the other, too.
    fn alike(&self, problem: &mut Problem) {
        let mut numbers: Table<(Vec<u64>, bool), u32> = Table::default();
        for (operation, info) in (0..).zip(&mut problem.ops).filter(|(_, info)| info.is_unseen) {
            if let Step::Txn(txn) = &*self.case.operations[operation as usize].step
                && let Some(signature) = alike::signature(txn, false)
            {
                let next = id(numbers.len());
                let is_told = self.lore.is_told(operation);
                info.alike = *numbers.entry((signature, is_told)).or_insert(next);
            }
        }
    }

    fn is_included(&mut self, operation: u32) -> bool {
        let op = &self.case.operations[operation as usize];
        match op.status {
            Status::Known => {
                let is_read = tells(self.case, operation);
                let is_unread = matches!(&*op.step, Step::Range(range) if range.is_unread);
                is_read && !is_unread
            }
            Status::Unknown => op.can_write,
            Status::Refused => false,
        }
    }

    fn place(&self, key: u32) -> u32 {
        self.places[key as usize].1
    }

    fn local(&self, keys: Keys) -> Keys {
        if keys.low >= keys.high {
            return Keys { low: 0, high: 0 };
        }
        let low = self.place(keys.low);
        Keys { low, high: low + (keys.high - keys.low) }
    }

    fn info(&self, operation: u32, moves: Move) -> OpInfo {
        let op = &self.case.operations[operation as usize];
        let mut info = OpInfo {
            invoked: 0,
            returned: NEVER,
            moves,
            is_included: self.included[operation as usize],
            is_write: op.status == Status::Unknown
                || op.has_effect
                || matches!(*op.step, Step::Revoke(_)),
            is_simple: false,
            is_unseen: false,
            alike: NEVER,
            reads: Vec::new(),
            writes: Vec::new(),
            deletes: Vec::new(),
            component: NEVER,
        };
        if info.is_included {
            self.touch(&op.step, &mut info);
        }
        info
    }

    fn touch(&self, step: &Step, info: &mut OpInfo) {
        let mut all = Vec::new();
        touched(step, &mut all);
        if let Some(keys) = all.iter().find(|keys| keys.low < keys.high) {
            info.component = self.places[keys.low as usize].0;
        }
        step.puts(&mut |put| info.writes.push(self.local(single(put.key))));
        step.deletes(&mut |keys| {
            info.writes.push(self.local(keys));
            info.deletes.push(self.local(keys));
        });
        // A plain put looks at nothing.
        let keeps = |put: &Put| put.prev_kv || put.ignore_value || put.lease.is_none();
        let is_blind = matches!(step, Step::Put(put) if !keeps(put));
        if !is_blind {
            info.reads = all.iter().map(|keys| self.local(*keys)).collect();
        }
        step.puts(&mut |put| {
            let life = put.lease.and_then(|lease| self.lives.life(lease));
            info.reads.extend(life.map(single));
        });
        if let Step::Revoke(revoke) = step {
            let life = self.lives.life(revoke.lease).map(single);
            info.writes.extend(life);
            info.reads.extend(life);
        }
    }

    fn writes(&mut self) -> Vec<WriteInfo> {
        let mut writes = Vec::with_capacity(self.writers.writes.len());
        for (index, write) in self.writers.writes.iter().enumerate() {
            let op = &self.case.operations[write.operation as usize];
            let is_open = op.status == Status::Unknown;
            let is_unknown = is_open && self.lore.has_anonymous[write.key as usize];
            let hint = self.lore.hints[index];
            let is_kept = self.writers.kept[write.key as usize] != Kept::Never;
            let is_shown = self.lore.is_seen(id(index)) || self.named[index] || is_kept;
            writes.push(WriteInfo {
                operation: write.operation,
                shown: if is_shown { FIRST + id(index) } else { hidden(is_unknown) },
                hint,
                is_untold: is_open && !self.lore.is_told(write.operation),
                told_lease: self.lore.told_lease[index].map(|lease| self.lives.number(lease)),
                told_value: self.lore.told_value[index].map(|write| FIRST + write),
                observers: std::mem::take(&mut self.lore.observers[index]),
            });
        }
        writes
    }

    /// By component and key: whether versions matter even if the creation of the key is hidden.
    fn counts(&self) -> Vec<bool> {
        let keys = 0..self.case.keys.len();
        keys.map(|key| self.counted[key] || self.lore.has_anonymous[key]).collect()
    }

    fn events(&self, problem: &mut Problem) {
        let mut times: Vec<(u64, bool, u32)> = Vec::new();
        for (operation, op) in (0..).zip(&self.case.operations) {
            // An operation without any key is legal at any time.
            let has_keys = problem.ops[operation as usize].component != NEVER;
            if self.included[operation as usize] && has_keys {
                times.push((op.invoked.0, false, operation));
                if op.status == Status::Known {
                    times.push((op.completed.0, true, operation));
                }
            }
        }
        times.sort_unstable();
        for (position, (_, is_return, operation)) in (0..).zip(times) {
            let info = &mut problem.ops[operation as usize];
            if is_return {
                info.returned = position;
            } else {
                info.invoked = position;
            }
            let component = &mut problem.components[info.component as usize];
            component.events.push(Event { operation, is_return });
        }
    }

    fn step(&mut self, operation: u32, step: &Step) -> Result<Move, Ruling> {
        match step {
            Step::Put(put) => Ok(self.put(operation, put)),
            Step::Range(range) => self.range(operation, range),
            Step::Delete(delete) => self.delete(operation, delete),
            Step::Txn(txn) => self.txn(operation, txn, false),
            Step::Revoke(revoke) => Ok(Move::End {
                lease: self.lives.number(revoke.lease),
                keys: revoke.keys.iter().map(|key| self.place(*key)).collect(),
                life: self.lives.life(revoke.lease),
            }),
            Step::Compact(_) | Step::Other => Ok(Move::Nothing),
        }
    }

    fn put(&self, operation: u32, put: &Put) -> Move {
        let before = put.answer.as_ref().filter(|_| put.prev_kv);
        let before = before.map(|a| a.prev_kv.as_ref().map_or(ABSENT, |kv| self.held(kv)));
        Move::Put(PutMove {
            key: self.place(put.key),
            write: self.lore.write_by(operation, put.key),
            before,
            lease: put.lease.map(|lease| self.lives.number(lease)),
            life: put.lease.and_then(|lease| self.lives.life(lease)),
            keeps_value: put.ignore_value,
        })
    }

    fn held(&self, kv: &SeenKv) -> u32 {
        self.lore.shown(self.writers, kv).map_or(NEVER, |write| FIRST + write)
    }

    fn range(&mut self, operation: u32, range: &Range) -> Result<Move, Ruling> {
        let Some(answer) = &range.answer else { return Ok(Move::Nothing) };
        if range.is_unread {
            return Ok(Move::Nothing);
        }
        self.may_hold(operation, range.keys, answer.count)?;
        let keys = self.local(range.keys);
        if !range.is_plain {
            let held = answer.kvs.iter().map(|kv| (self.place(kv.key), self.held(kv)));
            return Ok(Move::Glimpse { held: held.collect(), keys, count: answer.count });
        }
        if let Some((code, what)) = range_fault(range) {
            let sentence = format!("{} {what}", self.case.operation(operation));
            return Err(self.case.broken(code, sentence, &[operation]));
        }
        let last = answer.kvs.last().map_or(range.keys.low, |kv| kv.key + 1);
        let shown = if answer.more { last } else { range.keys.high };
        let mut kvs = answer.kvs.iter().peekable();
        let held = (range.keys.low..shown)
            .map(|key| kvs.next_if(|kv| kv.key == key))
            .map(|kv| kv.map_or(ABSENT, |kv| self.held(kv)))
            .collect::<Vec<u32>>();
        let rest = Keys { low: keys.low + id(held.len()), high: keys.high };
        let count = answer.count - answer.kvs.len() as u64;
        Ok(Move::Read { first: keys.low, held, rest, count })
    }

    fn delete(&self, operation: u32, delete: &Delete) -> Result<Move, Ruling> {
        let keys = self.local(delete.keys);
        let Some(answer) = &delete.answer else {
            return Ok(Move::Delete { keys, deleted: None, before: None });
        };
        self.may_hold(operation, delete.keys, answer.deleted)?;
        let mut before = None;
        if delete.prev_kv {
            let mut kvs = answer.prev_kvs.iter().peekable();
            let held = delete.keys.iter().map(|key| kvs.next_if(|kv| kv.key == key));
            let held = held.map(|kv| kv.map_or(ABSENT, |kv| self.held(kv)));
            before = Some(held.collect());
            if kvs.next().is_some() || answer.prev_kvs.len() as u64 != answer.deleted {
                let sentence =
                    format!("{} shows other keys than it deleted", self.case.operation(operation));
                return Err(self.case.broken("wrong-read", sentence, &[operation]));
            }
        }
        Ok(Move::Delete { keys, deleted: Some(answer.deleted), before })
    }

    /// A range cannot hold more keys than the history names.
    fn may_hold(&self, operation: u32, keys: Keys, count: u64) -> Result<(), Ruling> {
        if count <= u64::from(keys.high.saturating_sub(keys.low)) {
            return Ok(());
        }
        let who = self.case.operation(operation);
        let sentence = format!("{who} counted {count} keys, but nobody ever wrote as many");
        Err(self.case.broken("wrong-count", sentence, &[operation]))
    }

    fn txn(&mut self, operation: u32, txn: &Txn, is_inner: bool) -> Result<Move, Ruling> {
        let mut tests = Vec::with_capacity(txn.compares.len());
        for condition in &txn.compares {
            tests.push(self.test(condition)?);
        }
        let mut branches = [Vec::new(), Vec::new()];
        for (steps, branch) in txn.possible().into_iter().zip(&mut branches) {
            for step in steps {
                branch.push(if let Step::Txn(inner) = step {
                    self.txn(operation, inner, true)?
                } else {
                    self.step(operation, step)?
                });
            }
        }
        let [success, failure] = branches;
        // Somebody saw what it wrote, so that branch it took.
        let revealed = |moves: &[Move]| self.is_revealed(moves);
        let can_write = |steps: &[Step]| steps.iter().any(Step::can_write);
        let taken = txn.answer.or_else(|| {
            // An unknown outcome without an effect is none, so a branch that has none was not taken; unless something
            // around it had an effect.
            let is_success = revealed(&success) || (!is_inner && !can_write(&txn.failure));
            let is_failure = revealed(&failure) || (!is_inner && !can_write(&txn.success));
            (is_success != is_failure).then_some(is_success)
        });
        Ok(Move::Txn { tests, success, failure, taken })
    }

    fn is_revealed(&self, moves: &[Move]) -> bool {
        moves.iter().any(|step| match step {
            Move::Put(put) => self.lore.is_seen(put.write),
            Move::Txn { success, failure, .. } => {
                self.is_revealed(success) || self.is_revealed(failure)
            }
            Move::Read { .. }
            | Move::Glimpse { .. }
            | Move::Delete { .. }
            | Move::End { .. }
            | Move::Nothing => false,
        })
    }

    fn test(&mut self, condition: &Condition) -> Result<Test, Ruling> {
        if !condition.is_single {
            return Err(unsupported("compares of ranges"));
        }
        let key = condition.keys.low;
        let equality = match condition.relation {
            Relation::Equal => Some(true),
            Relation::NotEqual => Some(false),
            Relation::Less | Relation::Greater => None,
        };
        let want = match (condition.target, equality) {
            (CompareTarget::Version(number), _) => {
                self.counted[key as usize] |= *number != 0;
                Want::Version(condition.relation, *number)
            }
            (CompareTarget::Mod(token), Some(is_equal)) => {
                let write = self.token(token.0, key)?;
                Want::Writer { write, is_equal }
            }
            (CompareTarget::Create(token), Some(is_equal)) => {
                let write = self.token(token.0, key)?;
                Want::Creator { write, is_equal }
            }
            (CompareTarget::Value(_), Some(is_equal)) => {
                let write = self.writers.of(key, condition.value);
                let write = write.map_or(NEVER, |write| self.name(write));
                Want::Value { write, is_equal }
            }
            (CompareTarget::Lease(lease), _) => Want::Lease(condition.relation, lease.0),
            (CompareTarget::Mod(_) | CompareTarget::Create(_) | CompareTarget::Value(_), None) => {
                return Err(unsupported("an order of revisions or values"));
            }
        };
        Ok(Test { key: self.place(key), want })
    }

    /// The write with this token. If no answer tells whose it is, it may be nobody's, or that of some put of which
    /// nothing is known; then the compare can hold or not, and this judge cannot follow.
    fn token(&mut self, token: u64, key: u32) -> Result<u32, Ruling> {
        if token == 0 {
            return Ok(ABSENT);
        }
        match self.lore.write(token, key) {
            Some(write) => Ok(self.name(write)),
            None if self.lore.has_untold[key as usize] && !self.lore.is_taken(token) => {
                Err(unsupported("a compare with a revision that no answer tells of"))
            }
            None => Ok(NEVER),
        }
    }

    fn name(&mut self, write: u32) -> u32 {
        self.named[write as usize] = true;
        FIRST + write
    }
}

/// Whether nothing that the move may put is ever named.
fn is_hidden(moves: &Move, writes: &[WriteInfo]) -> bool {
    match moves {
        Move::Put(put) => writes[put.write as usize].shown < FIRST,
        Move::End { .. } => false,
        Move::Txn { success, failure, .. } => {
            success.iter().chain(failure).all(|step| is_hidden(step, writes))
        }
        Move::Read { .. } | Move::Glimpse { .. } | Move::Delete { .. } | Move::Nothing => true,
    }
}

/// What is wrong with the answer to a plain range, whatever the store held.
fn range_fault(range: &Range) -> Option<(&'static str, String)> {
    let answer = range.answer.as_ref()?;
    let shown = answer.kvs.len() as u64;
    let limit = if range.request.limit == 0 { u64::MAX } else { range.request.limit };
    let is_ordered = answer.kvs.is_sorted_by(|a, b| a.key < b.key);
    if !is_ordered || answer.kvs.iter().any(|kv| !range.keys.contains(kv.key)) {
        return Some(("wrong-read", "returned keys out of range or out of order".to_owned()));
    }
    if shown != answer.count.min(limit) {
        let count = answer.count;
        return Some(("wrong-count", format!("returned {shown} keys and counted {count}")));
    }
    if answer.more != (answer.count > shown) {
        let (more, count) = (answer.more, answer.count);
        return Some((
            "wrong-more",
            format!("returned {shown} of {count} keys, and more = {more}"),
        ));
    }
    None
}
