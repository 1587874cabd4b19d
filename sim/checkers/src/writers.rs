//! Who wrote what. Values are unique in a run, so a key with a value names the operation that put it there, unless later
//! puts kept the value.

use crate::{
    case::{Case, Put, Status},
    intern::Table,
};

/// One key that one operation put, or may have put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) operation: u32,
    pub(crate) key: u32,
    /// What the request names; it means nothing if the value is kept.
    value: u32,
    /// The lease that it names; none, if it keeps the one that is there.
    pub(crate) lease: Option<i64>,
    /// It keeps the value that is there.
    pub(crate) keeps_value: bool,
}

impl Write {
    /// Whether an answer may show the one for the other, by its value alone.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        let is_kept = self.keeps_value && other.keeps_value;
        is_kept || (self.keeps_value == other.keeps_value && self.value == other.value)
    }

    fn new(operation: u32, put: &Put) -> Self {
        Self {
            operation,
            key: put.key,
            value: put.value,
            lease: put.lease,
            keeps_value: put.ignore_value,
        }
    }
}

/// All writes of a history by key and value.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    pub(crate) writes: Vec<Write>,
    /// By value: its only write, or that there are several.
    by_value: Vec<u32>,
    /// Writes of values that are written more than once, by key and value.
    by_content: Table<(u32, u32), u32>,
    refused: Table<(u32, u32), u32>,
    /// By key: whether puts kept its value.
    pub(crate) kept: Vec<Kept>,
    /// Two operations that put the same value under the same key, if there are any.
    pub(crate) duplicate: Option<[u32; 2]>,
}

/// Whether something of a key was put anew with the value that it had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    #[default]
    Never,
    /// By puts that are known to have happened.
    Known,
    /// Perhaps by others, too.
    Perhaps,
}

/// Nobody writes the value.
const NONE: u32 = u32::MAX;

/// The value is written more than once.
const SEVERAL: u32 = u32::MAX - 1;

impl Writers {
    /// Collects the writes of operations that happened or may have happened.
    pub(crate) fn new(case: &Case) -> Self {
        let mut writers = Self {
            by_value: vec![NONE; case.values.len()],
            kept: vec![Kept::Never; case.keys.len()],
            ..Self::default()
        };
        for (operation, op) in (0..).zip(&case.operations) {
            op.step.puts(&mut |put| match op.status {
                Status::Known | Status::Unknown if put.ignore_value => {
                    writers.writes.push(Write::new(operation, put));
                    let is_known = op.status == Status::Known;
                    let how = if is_known { Kept::Known } else { Kept::Perhaps };
                    let kept = &mut writers.kept[put.key as usize];
                    *kept = how.max(*kept);
                }
                Status::Refused if put.ignore_value => {}
                Status::Refused => {
                    writers.refused.insert((put.key, put.value), operation);
                }
                Status::Known | Status::Unknown => {
                    writers.add(Write::new(operation, put), put.value);
                }
            });
        }
        writers
    }

    fn add(&mut self, write: Write, value: u32) {
        let Write { operation, key, .. } = write;
        let number = u32::try_from(self.writes.len()).expect("writes are numbered by u32");
        self.writes.push(write);
        let only = &mut self.by_value[value as usize];
        match *only {
            NONE => {
                *only = number;
                return;
            }
            SEVERAL => {}
            first => {
                let first_key = self.writes[first as usize].key;
                self.by_content.insert((first_key, value), first);
                *only = SEVERAL;
            }
        }
        let first = *self.by_content.entry((key, value)).or_insert(number);
        // One operation may put the same in either branch.
        if first != number && self.writes[first as usize].operation != operation {
            self.duplicate.get_or_insert([self.writes[first as usize].operation, operation]);
        }
    }

    /// The number of the write that put `value` under `key`.
    pub(crate) fn of(&self, key: u32, value: u32) -> Option<u32> {
        match self.by_value[value as usize] {
            NONE => None,
            SEVERAL => self.by_content.get(&(key, value)).copied(),
            only => Some(only).filter(|only| self.writes[*only as usize].key == key),
        }
    }

    /// The refused operation that wanted to put `value` under `key`.
    pub(crate) fn refused(&self, key: u32, value: u32) -> Option<u32> {
        self.refused.get(&(key, value)).copied()
    }
}
