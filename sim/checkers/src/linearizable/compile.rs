//! From a [`Case`] to a [`Problem`].

mod moves;

use super::{
    components::{Division, id, single, touched},
    learn::Lore,
    lives::Lives,
    problem::{Event, FIRST, Life, Move, NEVER, OpInfo, Problem, PutMove, WriteInfo},
    state::hidden,
};
use crate::{
    alike,
    bounds::tells,
    case::{Case, Keys, Put, Status, Step},
    intern::Table,
    ruling::Ruling,
    writers::{Kept, Writers},
};

struct Compiler<'a, 'h> {
    case: &'a Case<'h>,
    writers: &'a Writers,
    lore: Lore,
    lives: Lives,
    /// By operation: whether the search sees it.
    included: Vec<bool>,
    /// By key: its component, and its number there.
    places: Vec<(u32, u32)>,
    /// The next put is this write.
    next: u32,
    /// By write: a compare names it.
    named: Vec<bool>,
    /// By key: a compare looks at its version.
    counted: Vec<bool>,
}

/// Prepares the search, or says what stands against the history already.
pub(super) fn compile(case: &Case, writers: &Writers, lore: Lore) -> Result<Problem, Ruling> {
    if lore.is_ambiguous {
        return Err(unsupported(
            "an operation that may leave one key with the same value in two branches, on different leases",
        ));
    }
    let compiler = Compiler {
        case,
        writers,
        lore,
        lives: Lives::default(),
        included: Vec::new(),
        places: Vec::new(),
        next: 0,
        named: vec![false; writers.writes.len()],
        counted: vec![false; case.keys.len()],
    };
    compiler.run()
}

fn unsupported(what: &str) -> Ruling {
    Ruling::NotApplicable(format!("the black-box judge does not know {what}"))
}

impl Compiler<'_, '_> {
    fn run(mut self) -> Result<Problem, Ruling> {
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
        for operation in self.lives.granting() {
            self.included[operation as usize] = true;
        }
        for (operation, op) in (0..).zip(&self.case.operations) {
            let mut moves = Move::Nothing;
            if self.included[operation as usize] {
                moves = self.step(operation, &op.step)?;
            } else if op.status != Status::Refused {
                op.step.puts(&mut |_| self.next += 1);
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
        problem.lives = self.lives.all;
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
            Status::Unknown => op.can_write || matches!(*op.step, Step::Revoke(_)),
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
            is_included: self.included[operation as usize],
            is_write: op.status == Status::Unknown
                || op.has_effect
                || matches!(moves, Move::Grant { .. } | Move::End { .. }),
            is_simple: false,
            is_unseen: false,
            alike: NEVER,
            reads: Vec::new(),
            writes: Vec::new(),
            deletes: Vec::new(),
            component: NEVER,
            moves,
        };
        if info.is_included {
            self.touch(&op.step, &mut info);
            let ended =
                if let Step::Revoke(revoke) = &*op.step { Some(revoke.lease) } else { None };
            let ended = ended.and_then(|lease| self.lives.life(lease));
            if let Some(life) = ended.or_else(|| self.lives.granted(operation)) {
                Self::touch_life(life, &mut info);
            }
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
            info.reads.extend(life.map(Life::span));
        });
    }

    /// What grants a lease, or ends it, touches its life.
    fn touch_life(life: &Life, info: &mut OpInfo) {
        info.component = life.component;
        info.writes.push(life.span());
        info.reads.push(life.span());
    }

    fn writes(&mut self) -> Vec<WriteInfo> {
        let mut writes = Vec::with_capacity(self.writers.writes.len());
        let mut shown: Vec<bool> = (0..)
            .zip(&self.named)
            .map(|(write, named)| {
                let is_kept = |write: u32| {
                    self.writers.kept[self.writers.writes[write as usize].key as usize]
                        != Kept::Never
                };
                *named || self.lore.is_told_of(write) || is_kept(write)
            })
            .collect();
        for write in 0..id(shown.len()) {
            if self.lore.several(write).iter().any(|other| shown[*other as usize]) {
                shown[write as usize] = true;
            }
        }
        for (index, write) in self.writers.writes.iter().enumerate() {
            let op = &self.case.operations[write.operation as usize];
            // One operation makes one revision, whichever of its writes tells it.
            let is_untold = op.status == Status::Unknown && !self.lore.is_told(write.operation);
            let is_unknown = is_untold && self.lore.has_anonymous[write.key as usize];
            let hint = self.lore.hints[index];
            writes.push(WriteInfo {
                operation: write.operation,
                shown: if shown[index] {
                    FIRST + self.lore.first(id(index))
                } else {
                    hidden(is_unknown)
                },
                is_refuted: self.lore.is_refuted(id(index)),
                hint,
                is_untold,
                told_lease: self.lore.told_lease[index].map(|lease| self.lives.number(lease)),
                told_value: self.lore.told_value[index].map(|write| FIRST + write),
                observers: self.lore.observers_of(id(index)),
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
}

/// Whether nothing that the move may put is ever named.
fn is_hidden(moves: &Move, writes: &[WriteInfo]) -> bool {
    match moves {
        Move::Put(put) => writes[put.write as usize].shown < FIRST,
        Move::Grant { .. } | Move::End { .. } => false,
        Move::Txn { success, failure, .. } => {
            success.iter().chain(failure).all(|step| is_hidden(step, writes))
        }
        Move::Read { .. } | Move::Glimpse { .. } | Move::Delete { .. } | Move::Nothing => true,
    }
}
