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

/// A byte string, or none, that can be told from another without following a pointer if both are short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'h> {
    /// The whole of a short one, a hash of a long one.
    word: u64,
    bytes: &'h [u8],
}

/// Strings up to this length fit into a word.
const SHORT: usize = 8;

impl<'h> Token<'h> {
    pub(crate) fn new(bytes: Option<&'h [u8]>) -> Self {
        // The word of the empty string is 0.
        bytes.map_or(Self { word: 1, bytes: &[] }, |bytes| Self { word: word(bytes), bytes })
    }

    /// Equal for equal tokens.
    pub(crate) fn hash(self) -> usize {
        let mut mix = Mix::default();
        // A multiplication carries nothing downwards.
        mix.add(self.word ^ self.word >> 32);
        usize::try_from(mix.finish() & u64::from(u32::MAX)).expect("32 bits")
    }
}

impl PartialEq for Token<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
            && self.bytes.len() == other.bytes.len()
            && (self.bytes.len() <= SHORT || self.bytes == other.bytes)
    }
}

impl Eq for Token<'_> {}

/// Different for different strings of the same length, if that is at most [`SHORT`].
fn word(bytes: &[u8]) -> u64 {
    let half = |at: usize| {
        bytes[at..].first_chunk().map_or(0, |half: &[u8; 4]| u64::from(u32::from_le_bytes(*half)))
    };
    match bytes {
        [] => 0,
        [one] => u64::from(*one),
        [one, two] => u64::from(*one) | u64::from(*two) << 8,
        [one, two, three] => u64::from(*one) | u64::from(*two) << 8 | u64::from(*three) << 16,
        // The halves overlap, or touch.
        _ if bytes.len() <= SHORT => half(0) | half(bytes.len() - 4) << 32,
        _ => hash(bytes),
    }
}

/// Numbers for tokens, in the order of their first appearance.
#[derive(Debug)]
pub(crate) struct Tokens<'h> {
    tokens: Vec<Token<'h>>,
    /// Open addressing: a number plus one, or 0. A power of two of them, more than twice as many as there are tokens.
    places: Vec<u32>,
}

/// The least number of places.
const PLACES: usize = 16;

impl Default for Tokens<'_> {
    fn default() -> Self {
        Self { tokens: Vec::new(), places: vec![0; PLACES] }
    }
}

impl<'h> Tokens<'h> {
    /// The number of a token, if it has one.
    pub(crate) fn get(&self, token: Token<'_>) -> Option<u32> {
        self.places[self.place(token)].checked_sub(1)
    }

    /// The number of a token, a new one if it is new.
    pub(crate) fn number(&mut self, token: Token<'h>) -> u32 {
        let place = self.place(token);
        if let Some(known) = self.places[place].checked_sub(1) {
            return known;
        }
        self.tokens.push(token);
        let count = u32::try_from(self.tokens.len()).expect("tokens are numbered by u32");
        self.places[place] = count;
        if 2 * self.tokens.len() >= self.places.len() {
            self.spread(2 * self.places.len());
        }
        count - 1
    }

    /// Drops the tokens for whose numbers `keep` does not hold. The others move up.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut number = 0;
        self.tokens.retain(|_| {
            number += 1;
            keep(number - 1)
        });
        self.spread((4 * self.tokens.len()).next_power_of_two().max(PLACES));
    }

    fn spread(&mut self, places: usize) {
        self.places.clear();
        self.places.resize(places, 0);
        for count in 1..=self.tokens.len() {
            let place = self.place(self.tokens[count - 1]);
            self.places[place] = u32::try_from(count).expect("tokens are numbered by u32");
        }
    }

    /// Where a token is, or would be.
    fn place(&self, token: Token<'_>) -> usize {
        let mask = self.places.len() - 1;
        let mut place = token.hash() & mask;
        while let Some(number) = self.places[place].checked_sub(1)
            && self.tokens[number as usize] != token
        {
            place = (place + 1) & mask;
        }
        place
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
