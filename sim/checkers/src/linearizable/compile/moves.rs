//! From a step with its answer to a [`Move`].

use super::{Compiler, unsupported};
use crate::{
    case::{Condition, Delete, Keys, Put, Range, SeenKv, Step, Txn},
    linearizable::{
        components::id,
        problem::{ABSENT, FIRST, Move, NEVER, PutMove, Test, Want},
    },
    ruling::Ruling,
};
use whitewater_api::request::{CompareTarget, Relation};

impl Compiler<'_, '_> {
    pub(super) fn step(&mut self, operation: u32, step: &Step) -> Result<Move, Ruling> {
        match step {
            Step::Put(put) => Ok(self.put(put)),
            Step::Range(range) => self.range(operation, range),
            Step::Delete(delete) => self.delete(operation, delete),
            Step::Txn(txn) => self.txn(operation, txn, false),
            Step::Revoke(revoke) => {
                Ok(self.lives.life(revoke.lease).map_or(Move::Nothing, |life| Move::End {
                    lease: self.lives.number(revoke.lease),
                    keys: life.keys.clone(),
                    life: life.cell,
                    is_renewable: life.is_renewable(),
                }))
            }
            Step::Compact(_) | Step::Other => {
                let life = self.lives.granted(operation);
                Ok(life.map_or(Move::Nothing, |life| Move::Grant { life: life.cell }))
            }
        }
    }

    /// Puts come in the order in which their writes are numbered.
    fn put(&mut self, put: &Put) -> Move {
        let write = self.lore.like(self.next);
        self.next += 1;
        let before = put.answer.as_ref().filter(|_| put.prev_kv);
        let before = before.map(|a| a.prev_kv.as_ref().map_or(ABSENT, |kv| self.held(kv)));
        Move::Put(PutMove {
            key: self.place(put.key),
            write,
            before,
            lease: put.lease.map(|lease| self.lives.number(lease)),
            life: put.lease.and_then(|lease| self.lives.life(lease)).map(|life| life.cell),
            keeps_value: put.ignore_value,
        })
    }

    fn held(&self, kv: &SeenKv) -> u32 {
        self.lore.shown(self.writers, kv).map_or(NEVER, |write| FIRST + self.lore.first(write))
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
            | Move::Grant { .. }
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
                let write = self.token(token.0, key);
                Want::Writer { write, is_equal }
            }
            (CompareTarget::Create(token), Some(is_equal)) => {
                let write = self.token(token.0, key);
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

    /// The write with this token, if it is one of the key.
    fn token(&mut self, token: u64, key: u32) -> u32 {
        if token == 0 {
            return ABSENT;
        }
        self.lore.write(token, key).map_or(NEVER, |write| self.name(write))
    }

    fn name(&mut self, write: u32) -> u32 {
        self.named[write as usize] = true;
        FIRST + write
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
