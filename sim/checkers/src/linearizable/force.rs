//! From a configuration to those in which one operation more is done.

use super::{
    problem::{ABSENT, ANONYMOUS, FIRST, Move, NEVER, OpInfo, PutMove, Test, Want},
    search::Search,
    state::{Block, Config, Player},
};
use crate::{case::Keys, intern::Seen};

/// A configuration on the way to a goal: the operations that must be done, the next one last.
type Task = (Config, Vec<u32>);

impl<'a> Search<'a> {
    /// A legal operation without an effect is done at once: that can never be a mistake.
    pub(super) fn observe(&self, config: &mut Config, operation: u32) {
        let player = Player { problem: self.problem, operation, now: self.now, done: &config.done };
        if player.play(&mut config.cells).is_ok() {
            config.finish(operation);
        }
    }

    /// Does all open observers that are legal.
    fn settle(&self, config: &mut Config) {
        for operation in &self.open {
            if !self.info(*operation).is_write && !config.is_done(*operation) {
                self.observe(config, *operation);
            }
        }
    }

    /// All configurations in which `operation` is done, with nothing done before it that it does not depend on. False
    /// if the budget ran out.
    pub(super) fn force(&mut self, from: &Config, operation: u32, found: &mut Vec<Config>) -> bool {
        let mut tasks: Vec<Task> = vec![(from.clone(), vec![operation])];
        let mut visited: Seen<Task> = Seen::default();
        let enough = found.len().saturating_add(self.beam.frontier);
        let mut steps = self.beam.steps;
        while let Some((config, mut goals)) = tasks.pop() {
            if !self.may_hold(visited.len() + tasks.len() + found.len()) || !self.spend() {
                return false;
            }
            if steps == 0 || found.len() >= enough {
                self.is_cut = true;
                return true;
            }
            steps -= 1;
            while goals.pop_if(|goal| config.is_done(*goal)).is_some() {}
            let Some(goal) = goals.last().copied() else {
                found.push(config);
                continue;
            };
            let fresh = tasks.len();
            self.advance(&config, &goals, goal, &mut tasks);
            // With one way to go there is nothing to meet again.
            if tasks.len() > fresh + 1 || !visited.is_empty() {
                let new = tasks.split_off(fresh);
                tasks.extend(new.into_iter().filter(|task| visited.insert(task.clone())));
            }
        }
        true
    }

    /// The ways on from a configuration towards its goal.
    fn advance(&mut self, config: &Config, goals: &[u32], goal: u32, tasks: &mut Vec<Task>) {
        let mut next = config.clone();
        let player =
            Player { problem: self.problem, operation: goal, now: self.now, done: &config.done };
        let outcome = player.play(&mut next.cells);
        let before = match &outcome {
            Ok(_) if self.info(goal).is_write => {
                let mut rivals = self.rivals(config, goal);
                if !self.beam.has_optional_rivals {
                    let all = rivals.len();
                    rivals.retain(|rival| self.info(*rival).returned != NEVER);
                    self.is_cut |= rivals.len() < all;
                }
                rivals
            }
            Ok(_) => Vec::new(),
            Err(block) => self.ways_out(config, goal, block),
        };
        for operation in before {
            if !goals.contains(&operation) {
                let mut goals = goals.to_vec();
                goals.push(operation);
                tasks.push((config.clone(), goals));
            }
        }
        if outcome.is_ok() {
            next.finish(goal);
            self.settle(&mut next);
            tasks.push((next, goals[..goals.len() - 1].to_vec()));
        }
    }

    fn candidates(&self, config: &Config) -> impl Iterator<Item = (u32, &'a OpInfo)> {
        let open = self.open.iter().filter(|open| !config.is_done(**open));
        let open = open.map(|open| (*open, self.info(*open)));
        open.filter(|(_, info)| !self.is_out_of_reach(config, info))
    }

    /// A transaction whose compare wants a write that is gone, or that nobody can do yet.
    fn is_out_of_reach(&self, config: &Config, info: &OpInfo) -> bool {
        let Move::Txn { tests, taken: Some(true), .. } = &info.moves else { return false };
        tests.iter().any(|test| {
            let (Want::Writer { write, is_equal: true, .. }, cell) =
                (&test.want, config.cells[test.key as usize])
            else {
                return false;
            };
            let is_open = |op: u32| {
                let writer = self.info(op);
                writer.invoked <= self.now && writer.returned >= self.now && !config.is_done(op)
            };
            cell.writer != *write
                && *write != ABSENT
                && !self.problem.write(*write).is_some_and(|write| is_open(write.operation))
        })
    }

    /// What must come before an operation that is blocked, one of these. A transaction of unknown outcome may also take
    /// another branch, in which nothing blocks it.
    fn ways_out(&self, config: &Config, goal: u32, block: &Block) -> Vec<u32> {
        let ways = self.helpers(config, block);
        let undecided = self.info(goal).moves.undecided();
        if undecided.is_empty() {
            return ways;
        }
        // Those last that are tried first.
        let mut others = self.helpers(config, &Block::Writers(undecided));
        others.retain(|other| !ways.contains(other));
        others.extend(ways);
        others
    }

    /// What lifts a block, one of these.
    fn helpers(&self, config: &Config, block: &Block) -> Vec<u32> {
        let mut helpers: Vec<u32> = Vec::new();
        let is_hopeless = match block {
            Block::Creators(keys, missing) => self.creatable(config, *keys) < *missing,
            Block::Dead
            | Block::Op(_)
            | Block::Writers(_)
            | Block::Deleters(_)
            | Block::Prey(_)
            | Block::Gap { .. }
            | Block::Grants(_)
            | Block::Ends(_)
            | Block::Hangers(_) => false,
        };
        for (operation, info) in self.candidates(config) {
            let helps = !is_hopeless
                && match block {
                    Block::Dead => false,
                    Block::Op(wanted) => *wanted == operation,
                    Block::Writers(keys) => info.is_write && info.writes_meet(keys),
                    Block::Deleters(keys) => info.is_write && info.deletes_meet(&[*keys]),
                    Block::Creators(keys, _) => info.is_write && creates(config, info, *keys),
                    Block::Prey(keys) => {
                        let is_idle = info.is_simple && info.returned == NEVER;
                        info.is_write && !is_idle && creates(config, info, *keys)
                    }
                    Block::Gap { key, above, below } => self.fills(info, *key, *above, *below),
                    Block::Grants(wanted) => {
                        matches!(info.moves, Move::Grant { life } if life == *wanted)
                    }
                    Block::Ends(wanted) => {
                        matches!(info.moves, Move::End { life, .. } if life == *wanted)
                    }
                    Block::Hangers(lease) => info.moves.may_hang_on(*lease),
                };
            if helps {
                helpers.push(operation);
            }
        }
        self.one_of_a_kind(helpers)
    }

    /// How many absent keys of these the open operations could put.
    fn creatable(&self, config: &Config, keys: Keys) -> u64 {
        let creates = |key: &u32| {
            let this = Keys { low: *key, high: key + 1 };
            let mut open = self.candidates(config);
            open.any(|(_, info)| info.is_write && creates(config, info, this))
        };
        keys.iter().filter(creates).count() as u64
    }

    fn fills(&self, info: &OpInfo, key: u32, above: u32, below: u32) -> bool {
        let hint = |write: u32| self.problem.writes[write as usize].hint;
        match info.moves {
            Move::Put(PutMove { key: put, write, .. }) => {
                put == key
                    && hint(write).is_none_or(|hint| above < hint.version && hint.version < below)
            }
            Move::Txn { .. } => {
                info.is_write && info.writes_meet(&[Keys { low: key, high: key + 1 }])
            }
            Move::Read { .. }
            | Move::Glimpse { .. }
            | Move::Delete { .. }
            | Move::Grant { .. }
            | Move::End { .. }
            | Move::Nothing => false,
        }
    }

    /// What may also come before a write that is legal: whatever does not commute with it.
    fn rivals(&self, config: &Config, goal: u32) -> Vec<u32> {
        let this = self.info(goal);
        // Its version is told, or else nothing about it is. If a compare names it and no answer tells its version,
        // whatever is missing may be missing before it.
        let is_settled = match this.moves {
            Move::Put(PutMove { write, .. }) => {
                let write = &self.problem.writes[write as usize];
                write.hint.is_some() || write.shown < FIRST
            }
            Move::Read { .. }
            | Move::Glimpse { .. }
            | Move::Delete { .. }
            | Move::Grant { .. }
            | Move::End { .. }
            | Move::Txn { .. }
            | Move::Nothing => false,
        };
        let wiped = match this.moves {
            Move::Delete { keys, .. } => Some(keys),
            Move::Put(_)
            | Move::Read { .. }
            | Move::Glimpse { .. }
            | Move::Grant { .. }
            | Move::End { .. }
            | Move::Txn { .. }
            | Move::Nothing => None,
        };
        let mut pinned = Vec::new();
        self.pinned(&this.moves, &mut pinned);
        let mut rivals: Vec<u32> = Vec::new();
        for (operation, info) in self.candidates(config) {
            let is_too_late = pinned.iter().any(|key| surely_writes(&info.moves, *key));
            if is_too_late || !may_precede(&info.moves, &this.moves) {
                continue;
            }
            // A put that nobody ever sees can wait until a version or a count asks for it. What is wiped unseen need
            // not happen, and a delete between two puts that nobody sees is not seen either.
            let can_wait = (info.is_simple && is_settled)
                || (info.is_unseen && wiped.is_some_and(|keys| info.writes_within(keys)))
                || (info.returned == NEVER && this.is_simple && is_delete_of_one(info));
            let is_rival = operation != goal
                && !can_wait
                && (info.reads_meet(&this.writes)
                    || info.writes_meet(&this.reads)
                    || info.writes_meet(&this.writes));
            if is_rival && !is_idle_end(config, info, this) {
                rivals.push(operation);
            }
        }
        self.one_of_a_kind(rivals)
    }

    /// The keys that nobody can write before a legal operation without spoiling it for good: what it saw there, or what it
    /// counts the versions from, never comes back.
    fn pinned(&self, step: &Move, keys: &mut Vec<u32>) {
        match step {
            Move::Put(PutMove { key, write, before, .. }) => {
                let hint = self.problem.writes[*write as usize].hint;
                let has_past = hint.is_some_and(|h| h.version > 1 && h.creator < ANONYMOUS);
                if has_past || before.is_some_and(|held| held != ABSENT) {
                    keys.push(*key);
                }
            }
            Move::Delete { keys: all, before: Some(before), .. } => {
                let held = all.iter().zip(before).filter(|(_, held)| **held != ABSENT);
                keys.extend(held.map(|(key, _)| key));
            }
            Move::Txn { tests, success, failure, taken } => {
                let wanted = |test: &&Test| match test.want {
                    Want::Writer { write, is_equal, .. } => is_equal && write != ABSENT,
                    Want::Creator { .. }
                    | Want::Value { .. }
                    | Want::Lease(..)
                    | Want::Version(..) => false,
                };
                if *taken == Some(true) {
                    keys.extend(tests.iter().filter(wanted).map(|test| test.key));
                }
                let branch: &[Move] = match taken {
                    Some(true) => success,
                    Some(false) => failure,
                    None => &[],
                };
                // A branch puts no key twice, so a put sees what was there before, if nothing was deleted.
                let is_delete =
                    |step: &&Move| matches!(step, Move::Delete { .. } | Move::Txn { .. });
                let count = branch.iter().position(|step| is_delete(&step)).unwrap_or(branch.len());
                branch[..count].iter().for_each(|step| self.pinned(step, keys));
            }
            Move::Delete { .. }
            | Move::Read { .. }
            | Move::Glimpse { .. }
            | Move::Grant { .. }
            | Move::End { .. }
            | Move::Nothing => {}
        }
    }

    /// Of operations that can stand for each other one will do: the one that has to return first.
    fn one_of_a_kind(&self, mut operations: Vec<u32>) -> Vec<u32> {
        if operations.len() < 2 {
            return operations;
        }
        let rank = |op: &u32| (self.kind(*op), self.info(*op).returned, *op);
        operations.sort_by_key(rank);
        operations.dedup_by_key(|op| self.kind(*op));
        // The last is tried first: what must return soon before what need not happen.
        operations.sort_by_key(|op| std::cmp::Reverse(self.info(*op).returned));
        operations
    }

    /// Equal for puts of one key that nobody ever sees, for deletes of one range of which nothing is known, and for
    /// transactions of which nothing is known and that do the same.
    fn kind(&self, operation: u32) -> (u8, u32, u32) {
        let info = self.info(operation);
        match info.moves {
            Move::Put(PutMove { key, .. }) if info.is_simple => (0, key, 0),
            Move::End { lease, .. } if info.returned == NEVER => (3, lease, 0),
            Move::Grant { life } if info.returned == NEVER => (5, life, 0),
            Move::Txn { .. } if info.alike != NEVER => (4, info.alike, 0),
            Move::Delete { keys, .. } if info.returned == NEVER => (1, keys.low, keys.high),
            Move::Put(_)
            | Move::Read { .. }
            | Move::Glimpse { .. }
            | Move::Delete { .. }
            | Move::Grant { .. }
            | Move::End { .. }
            | Move::Txn { .. }
            | Move::Nothing => (2, operation, 0),
        }
    }
}

/// Whether the operation, wherever it has an effect, writes the key, that is there.
fn surely_writes(step: &Move, key: u32) -> bool {
    match step {
        Move::Put(put) => put.key == key,
        Move::Delete { keys, .. } => keys.contains(key),
        Move::Txn { success, taken: Some(true), .. } => {
            success.iter().any(|step| surely_writes(step, key))
        }
        Move::Txn { failure, taken: Some(false), .. } => {
            failure.iter().any(|step| surely_writes(step, key))
        }
        Move::Txn { taken: None, .. }
        | Move::Read { .. }
        | Move::Glimpse { .. }
        | Move::Grant { .. }
        | Move::End { .. }
        | Move::Nothing => false,
    }
}

/// The end of a lease that nothing hangs on, that nobody waits for, and that takes nothing from the goal. It may be that the
/// goal hangs a key on the lease, and that the lease ends, and is granted once more, before that.
fn is_idle_end(config: &Config, info: &OpInfo, goal: &OpInfo) -> bool {
    let Move::End { lease, keys, is_renewable, .. } = &info.moves else { return false };
    let hangs = |key: &u32| config.cells[*key as usize].hangs_on(*lease);
    let is_asked = *is_renewable && goal.moves.may_hang_on(*lease);
    info.returned == NEVER && !is_asked && !keys.iter().any(hangs)
}

/// Whether a goal that is legal can still be so after another operation: not if the lease that it needs is gone for good by
/// then. To be granted, a lease that is there must end first, so it is that end that must be looked at, or before the first grant
/// another one.
fn may_precede(step: &Move, goal: &Move) -> bool {
    match (step, goal) {
        (Move::Grant { .. }, Move::Grant { .. }) => true,
        (Move::Grant { .. }, _) | (_, Move::Grant { .. }) => false,
        (Move::End { life, is_renewable: false, .. }, goal) => !goal.needs_life(*life),
        _ => true,
    }
}

fn is_delete_of_one(info: &OpInfo) -> bool {
    matches!(info.moves, Move::Delete { keys, .. } if keys.high - keys.low == 1)
}

/// Whether the operation may put a key of these that is absent.
fn creates(config: &Config, info: &OpInfo, keys: Keys) -> bool {
    let is_absent = |key: u32| config.cells[key as usize].writer == ABSENT;
    info.writes.iter().any(|written| {
        let low = written.low.max(keys.low);
        let high = written.high.min(keys.high);
        (low..high.max(low)).any(is_absent)
    })
}
