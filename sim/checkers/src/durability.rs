//! What was acknowledged stays, until something replaces it; what was read had been written; what was refused did not
//! happen.
//!
//! For each key that a linearizable read shows: the write that it shows must not lie, by real time alone, before
//! another write or delete of that key that returned before the read was invoked. For each key that it shows absent:
//! after the newest acknowledged put there must be room for a delete. One sweep, black box, values only.
//!
//! A narrow judge with short sentences: what it finds is not linearizable either.
//!
//! Evaluations: keys in answers to linearizable reads. Discriminating: those with a write of the key acknowledged
//! before, so that the read could have lost it.

use crate::{
    bounds::tells,
    case::{Case, SeenKv, Status, Step},
    ruling::{Judgement, Ruling},
    writers::Writers,
};
use whitewater_api::Revision;
use whitewater_record::{Checked, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "durability";

/// What real time says about one key, so far.
#[derive(Clone, Copy, Default)]
struct Past {
    /// Of the acknowledged puts and deletes, the latest invocation, and who.
    newest: Option<(SimTime, u32)>,
    /// Of the acknowledged puts, the latest invocation, and who.
    newest_put: Option<(SimTime, u32)>,
    /// Of the possible deletes, the latest completion.
    delete: Option<SimTime>,
}

/// Judges all linearizable reads.
pub(crate) fn judge(case: &Case, writers: &Writers) -> Judgement {
    let mut sweep = Sweep {
        case,
        writers,
        past: vec![Past::default(); case.keys.len()],
        seen_as: vec![0; case.operations.len()],
        checked: Checked::default(),
    };
    let ruling = sweep.run().err().unwrap_or(Ruling::Holds);
    Judgement { judge: JUDGE, ruling, checked: sweep.checked }
}

struct Sweep<'a, 'h> {
    case: &'a Case<'h>,
    writers: &'a Writers,
    past: Vec<Past>,
    /// By operation of unknown outcome: the revision at which it was seen to have happened, 0 for never.
    seen_as: Vec<u64>,
    checked: Checked,
}

impl Sweep<'_, '_> {
    /// Three cursors over time: completions of writes before an invocation, invocations of deletes before a return.
    fn run(&mut self) -> Result<(), Ruling> {
        let ops = &self.case.operations;
        let count = u32::try_from(ops.len()).expect("operations are numbered by u32");
        let mut reads: Vec<u32> = (0..count).filter(|op| tells(self.case, *op)).collect();
        let mut completions: Vec<u32> = reads.clone();
        completions.retain(|op| ops[*op as usize].step.can_write());
        let mut deletes: Vec<(SimTime, SimTime, u32)> = self.deletes();
        reads.sort_by_key(|op| ops[*op as usize].invoked);
        completions.sort_by_key(|op| ops[*op as usize].completed);
        deletes.sort_unstable();
        let mut completions = completions.into_iter().peekable();
        for read in reads {
            let op = &ops[read as usize];
            while let Some(before) =
                completions.next_if(|write| ops[*write as usize].completed < op.invoked)
            {
                self.remember(before);
            }
            self.seen(read)?;
            self.absent(read, &deletes)?;
        }
        Ok(())
    }

    /// Invocation, completion and key of everything that may have deleted a key.
    fn deletes(&self) -> Vec<(SimTime, SimTime, u32)> {
        let mut deletes = Vec::new();
        for op in self.case.operations.iter().filter(|op| op.status != Status::Refused) {
            op.step.deletes(&mut |delete| {
                let all = delete.keys.iter().map(|key| (op.invoked, op.completed, key));
                deletes.extend(all);
            });
        }
        deletes
    }

    fn remember(&mut self, write: u32) {
        let op = &self.case.operations[write as usize];
        let past = &mut self.past;
        let mut note = |key: u32, is_put: bool| {
            let past = &mut past[key as usize];
            let this = Some((op.invoked, write));
            past.newest = past.newest.max(this);
            if is_put {
                past.newest_put = past.newest_put.max(this);
            } else {
                past.delete = past.delete.max(Some(op.completed));
            }
        };
        op.step.puts(&mut |put| note(put.key, true));
        op.step.deletes(&mut |delete| delete.keys.iter().for_each(|key| note(key, false)));
    }

    fn seen(&mut self, read: u32) -> Result<(), Ruling> {
        let mut kvs: Vec<SeenKv> = Vec::new();
        let op = &self.case.operations[read as usize];
        op.step.seen_newest(&mut |kv| kvs.push(*kv));
        kvs.iter().try_for_each(|kv| self.seen_kv(read, kv))
    }

    fn seen_kv(&mut self, read: u32, kv: &SeenKv) -> Result<(), Ruling> {
        self.checked.evaluations += 1;
        let case = self.case;
        let reader = || format!("{} read {}", case.operation(read), case.seen(kv));
        let Some(write) = self.writers.of(kv.key, kv.value) else {
            if let Some(refused) = self.writers.refused(kv.key, kv.value) {
                let sentence =
                    format!("{}, but {} did not happen", reader(), case.operation(refused));
                return Err(case.broken("aborted-read", sentence, &[read, refused]));
            }
            let sentence = format!("{}, but nobody wrote that", reader());
            return Err(case.broken("phantom-value", sentence, &[read]));
        };
        let writer = self.writers.writes[write as usize].operation;
        let written = &case.operations[writer as usize];
        if written.invoked > case.operations[read as usize].completed {
            let sentence = format!("{}, but {} came only later", reader(), case.operation(writer));
            return Err(case.broken("read-from-the-future", sentence, &[read, writer]));
        }
        let seen_as = &mut self.seen_as[writer as usize];
        if written.status == Status::Unknown && *seen_as != kv.modified {
            if *seen_as != 0 {
                let sentence = format!(
                    "{}, but {} took effect already at {}",
                    reader(),
                    case.operation(writer),
                    Revision(*seen_as)
                );
                return Err(case.broken("duplicate-effect", sentence, &[read, writer]));
            }
            *seen_as = kv.modified;
        }
        let Some((invoked, newest)) = self.past[kv.key as usize].newest else { return Ok(()) };
        self.checked.discriminating += 1;
        if newest != writer && written.completed < invoked {
            let sentence =
                format!("{}, but {} was acknowledged before", reader(), case.operation(newest));
            return Err(case.broken("lost-write", sentence, &[read, newest, writer]));
        }
        Ok(())
    }

    /// Keys that a read shows absent.
    fn absent(&mut self, read: u32, deletes: &[(SimTime, SimTime, u32)]) -> Result<(), Ruling> {
        let op = &self.case.operations[read as usize];
        let Step::Range(range) = &op.step else { return Ok(()) };
        let Some(answer) = range.answer.as_ref().filter(|_| range.is_plain) else { return Ok(()) };
        let mut shown = answer.kvs.iter().peekable();
        for key in range.keys.iter() {
            if answer.more && shown.peek().is_none() {
                break;
            }
            if shown.next_if(|kv| kv.key == key).is_some() {
                continue;
            }
            self.checked.evaluations += 1;
            let past = self.past[key as usize];
            let Some((put_at, put)) = past.newest_put else { continue };
            self.checked.discriminating += 1;
            if past.delete.is_some_and(|delete| delete >= put_at) {
                continue;
            }
            let could_delete = |(invoked, completed, deleted): &(SimTime, SimTime, u32)| {
                *deleted == key && *completed >= put_at && *invoked <= op.completed
            };
            let end = deletes.partition_point(|(invoked, ..)| *invoked <= op.completed);
            if !deletes[..end].iter().any(could_delete) {
                let sentence = format!(
                    "{} found {} absent, but {} was acknowledged before, and nothing can have deleted it since",
                    self.case.operation(read),
                    self.case.keys[key as usize],
                    self.case.operation(put)
                );
                return Err(self.case.broken("lost-write", sentence, &[read, put]));
            }
        }
        Ok(())
    }
}
