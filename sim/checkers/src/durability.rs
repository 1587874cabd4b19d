//! What was acknowledged stays, until something replaces it; what was read had been written; what was refused did not
//! happen.
//!
//! For each key that a linearizable read shows: the write that it shows must not lie, by real time alone, before
//! another write or delete of that key that returned before the read was invoked. For each key that it shows absent:
//! after the newest acknowledged put there must be room for a delete. One sweep, black box, values only.
//!
//! A narrow judge with short sentences: what it finds is not linearizable either.
//!
//! Evaluations: keys in answers to linearizable reads, and keys that they should have shown if nothing concurrent deleted
//! them. Discriminating: those with a write of the key acknowledged before, so that the read could have lost it.

use crate::{
    case::{Case, Keys, SeenKv, Status, Step},
    cover::Cover,
    live::LiveSet,
    ruling::{Judgement, Ruling},
    writers::{Kept, Writers},
};
use whitewater_api::Revision;
use whitewater_record::{Checked, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "durability";

/// Judges all linearizable reads.
pub(crate) fn judge(case: &Case, writers: &Writers) -> Judgement {
    let mut sweep = Sweep {
        case,
        writers,
        puts: vec![None; case.keys.len()],
        deletes: Cover::new(case.keys.len()),
        gone: Cover::new(case.keys.len()),
        due: LiveSet::new(case.keys.len()),
        seen_as: vec![0; case.operations.len()],
        checked: Checked::default(),
    };
    let ruling = sweep.run().err().unwrap_or(Ruling::Holds);
    Judgement { judge: JUDGE, ruling, checked: sweep.checked }
}

struct Sweep<'a, 'h> {
    case: &'a Case<'h>,
    writers: &'a Writers,
    /// By key, of the puts acknowledged so far: the latest invocation, and who.
    puts: Vec<Option<(SimTime, u32)>>,
    /// The same of deletes.
    deletes: Cover<Option<(SimTime, u32)>>,
    /// By key, of the deletes invoked so far that may have happened: the latest completion.
    gone: Cover<Option<SimTime>>,
    /// Keys with an acknowledged put after which none of these deletes can lie.
    due: LiveSet,
    /// By operation of unknown outcome: the revision at which it was seen to have happened, 0 for never.
    seen_as: Vec<u64>,
    checked: Checked,
}

/// Something that may have deleted keys: invocation, completion, keys.
type Deletion = (SimTime, SimTime, Keys);

impl Sweep<'_, '_> {
    /// Three cursors over time: invocations of reads; before each, completions of writes and invocations of deletes.
    fn run(&mut self) -> Result<(), Ruling> {
        let (ops, order) = (&self.case.operations, &self.case.order);
        let deletions = self.deletions();
        let is_write = |op: &u32| ops[*op as usize].tells && ops[*op as usize].step.can_write();
        let mut completions = order.completed.iter().copied().filter(is_write).peekable();
        let mut invoked = 0;
        for read in order.invoked.iter().copied().filter(|op| ops[*op as usize].tells) {
            let op = &ops[read as usize];
            while let Some(deletion) = deletions.get(invoked).filter(|d| d.0 <= op.invoked) {
                self.delete(deletion);
                invoked += 1;
            }
            while let Some(before) =
                completions.next_if(|write| ops[*write as usize].completed < op.invoked)
            {
                self.remember(before);
            }
            self.seen(read)?;
            self.absent(read, &deletions[invoked..])?;
        }
        Ok(())
    }

    /// Everything that may have deleted keys, by invocation.
    fn deletions(&self) -> Vec<Deletion> {
        let mut deletions = Vec::new();
        for op in &self.case.order.invoked {
            let op = &self.case.operations[*op as usize];
            if op.status != Status::Refused {
                op.step.deletes(&mut |keys| deletions.push((op.invoked, op.completed, keys)));
            }
        }
        deletions.sort_by_key(|(invoked, completed, _)| (*invoked, *completed));
        deletions
    }

    fn delete(&mut self, (_, completed, keys): &Deletion) {
        self.gone.note(keys.low, keys.high, Some(*completed));
        let (puts, due) = (&self.puts, &self.due);
        let is_gone =
            |key: &u32| puts[*key as usize].is_none_or(|(put_at, _)| put_at <= *completed);
        let gone: Vec<u32> = due.range(keys.low, keys.high).filter(is_gone).collect();
        for key in gone {
            self.due.remove(key);
        }
    }

    fn remember(&mut self, write: u32) {
        let op = &self.case.operations[write as usize];
        let this = Some((op.invoked, write));
        op.step.puts(&mut |put| {
            let newest = &mut self.puts[put.key as usize];
            if *newest < this {
                *newest = this;
                // It was there before, or the deletes so far were over when this put was asked for.
                if self.gone.at(put.key).is_none_or(|gone| gone < op.invoked) {
                    self.due.insert(put.key);
                }
            }
        });
        // What the end of a lease takes with it, nobody tells.
        if !matches!(*op.step, Step::Revoke(_)) {
            op.step.deletes(&mut |keys| self.deletes.note(keys.low, keys.high, this));
        }
    }

    fn seen(&mut self, read: u32) -> Result<(), Ruling> {
        let case = self.case;
        let mut ruling = Ok(());
        case.operations[read as usize].step.seen_newest(&mut |kv| {
            if ruling.is_ok() {
                ruling = self.seen_kv(read, kv);
            }
        });
        ruling
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
        // Where a put keeps the value, that does not name who put it there last.
        if self.writers.kept[kv.key as usize] != Kept::Never {
            return Ok(());
        }
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
        let newest = self.puts[kv.key as usize].max(self.deletes.at(kv.key));
        let Some((invoked, newest)) = newest else { return Ok(()) };
        self.checked.discriminating += 1;
        if newest != writer && written.completed < invoked {
            let sentence =
                format!("{}, but {} was acknowledged before", reader(), case.operation(newest));
            return Err(case.broken("lost-write", sentence, &[read, newest, writer]));
        }
        Ok(())
    }

    /// Keys that a read shows absent. Only those that are due can be missed.
    fn absent(&mut self, read: u32, concurrent: &[Deletion]) -> Result<(), Ruling> {
        let op = &self.case.operations[read as usize];
        let Step::Range(range) = &*op.step else { return Ok(()) };
        let Some(answer) = range.answer.as_ref().filter(|_| range.is_plain) else { return Ok(()) };
        let last = answer.kvs.last().map_or(range.keys.low, |kv| kv.key + 1);
        let high = if answer.more { last.min(range.keys.high) } else { range.keys.high };
        let mut shown = answer.kvs.iter().peekable();
        for key in self.due.range(range.keys.low, high) {
            while shown.next_if(|kv| kv.key < key).is_some() {}
            if shown.next_if(|kv| kv.key == key).is_some() {
                continue;
            }
            let Some((_, put)) = self.puts[key as usize] else { continue };
            self.checked.evaluations += 1;
            self.checked.discriminating += 1;
            let mut open = concurrent.iter().take_while(|(invoked, ..)| *invoked <= op.completed);
            if !open.any(|(_, _, keys)| keys.contains(key)) {
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
