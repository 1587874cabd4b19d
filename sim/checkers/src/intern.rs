//! Byte strings to small numbers, so that judges compare and index integers.

use hashbrown::{HashTable, hash_table::Entry};
use std::hash::{BuildHasherDefault, Hasher};

/// A multiplicative hash after Firefox's, for trusted input: equal on every machine and in every run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let tail = rest.iter().fold(1, |tail: u64, byte| (tail << 8) | u64::from(*byte));
        self.add(tail);
    }

    fn write_u32(&mut self, word: u32) {
        self.add(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }
}

/// A table for lookups by key. Nothing may iterate over it.
#[expect(clippy::disallowed_types, reason = "keyed lookup, never iterated, with a fixed hasher")]
pub(crate) type Table<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Mix>>;

/// A set for membership tests. Nothing may iterate over it.
#[expect(clippy::disallowed_types, reason = "keyed lookup, never iterated, with a fixed hasher")]
pub(crate) type Seen<K> = std::collections::HashSet<K, BuildHasherDefault<Mix>>;

/// Byte strings in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Interner<'h> {
    /// The numbers alone, found by the bytes that they stand for: a table that holds the bytes as well is five times as
    /// large, and a long history waits for memory most of the time.
    numbers: HashTable<u32>,
    /// What each number stands for.
    pub(crate) strings: Vec<&'h [u8]>,
}

fn hash(bytes: &[u8]) -> u64 {
    let mut mix = Mix::default();
    mix.write(bytes);
    mix.finish()
}

impl<'h> Interner<'h> {
    /// Makes room for so many more, so that the table need not grow step by step.
    pub(crate) fn reserve(&mut self, more: usize) {
        let strings = &self.strings;
        self.numbers.reserve(more, |number| hash(strings[*number as usize]));
        self.strings.reserve(more);
    }

    /// The number of `bytes`, a new one if they are new.
    pub(crate) fn number(&mut self, bytes: &'h [u8]) -> u32 {
        let strings = &self.strings;
        let is_it = |number: &u32| strings[*number as usize] == bytes;
        let place =
            self.numbers.entry(hash(bytes), is_it, |number| hash(strings[*number as usize]));
        match place {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let number =
                    u32::try_from(strings.len()).expect("fewer than 2^32 strings in a history");
                free.insert(number);
                self.strings.push(bytes);
                number
            }
        }
    }

    /// The number of `bytes`, if they have one.
    pub(crate) fn get(&self, bytes: &[u8]) -> Option<u32> {
        let is_it = |number: &u32| self.strings[*number as usize] == bytes;
        self.numbers.find(hash(bytes), is_it).copied()
    }

    /// Numbers the strings anew, in byte order. Returns the new numbers by the old ones.
    pub(crate) fn sort(&mut self) -> Vec<u32> {
        let mut order: Vec<(&'h [u8], u32)> = self.strings.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut numbers = vec![0; order.len()];
        for (number, (bytes, old)) in (0..).zip(order) {
            numbers[old as usize] = number;
            self.strings[number as usize] = bytes;
        }
        for number in &mut self.numbers {
            *number = numbers[*number as usize];
        }
        numbers
    }
}
