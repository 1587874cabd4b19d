//! Configurations as rows of bits, and tables of them.
//!
//! ```text
//!  head             pending     done        used, by lane of unknown operations
//!  state, marks     one bit for every slot  as many bits as the class needs, and a spare one
//! ```
//!
//! A slot is the place of an operation while it is open. An open operation is
//!
//! - *pending*: it has to take effect before it returns;
//! - *done*: it took effect, or it is an observer that found what it saw;
//! - neither, *excused*: there was a moment at which it could have taken effect without anybody noticing, say right
//!   before it was overwritten. It may return as it is, and it may take effect as well, if that is of use.
//!
//! So an excused operation can do whatever a pending or a done one can, and a configuration that equals another but for
//! being excused more often, and for having used fewer unknown operations, makes the other superfluous.

use super::values::State;

/// How the bits of a row are laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Words of pending bits, and of done bits.
    pub(crate) slot_words: usize,
    /// Where the used operations of each class are counted.
    lanes: Vec<Lane>,
    /// The spare bits of the words with lanes.
    spare: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lane {
    word: u32,
    shift: u32,
    mask: u64,
}

/// The last step was not observed by anything yet.
const UNSEEN: u64 = 1 << 32;
/// A step was made for the sake of the return at hand.
const UNDER_WAY: u64 = 1 << 33;
/// The return at hand was dealt with.
const PASSED: u64 = 1 << 34;
const EVENT_SHIFT: u32 = 35;

impl Layout {
    /// Room for so many open operations, and for as many unknown operations of each class as `counts` says.
    pub(crate) fn new(slots: usize, counts: impl IntoIterator<Item = u32>) -> Self {
        let slot_words = slots.div_ceil(64).max(1);
        let first = 1 + 2 * slot_words;
        let (mut lanes, mut spare) = (Vec::new(), Vec::new());
        let mut free = 0;
        for count in counts {
            let bits = 32 - count.leading_zeros();
            if free < bits + 1 {
                spare.push(0);
                free = 64;
            }
            let shift = 64 - free;
            lanes.push(Lane {
                word: u32::try_from(first + spare.len() - 1).expect("rows are short"),
                shift,
                mask: ((1 << bits) - 1) << shift,
            });
            *spare.last_mut().expect("one was just made") |= 1 << (shift + bits);
            free -= bits + 1;
        }
        Self { slot_words, lanes, spare }
    }

    /// Words in a row.
    pub(crate) fn stride(&self) -> usize {
        1 + 2 * self.slot_words + self.spare.len()
    }

    /// The highest count that the lane of a class can hold.
    pub(crate) fn capacity(&self, lane: u32) -> u32 {
        let lane = self.lanes[lane as usize];
        u32::try_from(lane.mask >> lane.shift).expect("lanes hold counts")
    }

    pub(crate) fn is_done(&self, row: &[u64], slot: u32) -> bool {
        row[1 + self.slot_words + slot as usize / 64] >> (slot % 64) & 1 == 1
    }

    /// From whatever to done.
    pub(crate) fn set_done(&self, row: &mut [u64], slot: u32) {
        row[1 + slot as usize / 64] &= !(1 << (slot % 64));
        row[1 + self.slot_words + slot as usize / 64] |= 1 << (slot % 64);
    }

    /// Frees the slot.
    pub(crate) fn clear(&self, row: &mut [u64], slot: u32) {
        row[1 + slot as usize / 64] &= !(1 << (slot % 64));
        row[1 + self.slot_words + slot as usize / 64] &= !(1 << (slot % 64));
    }

    /// How many unknown operations of a class took effect.
    pub(crate) fn used(&self, row: &[u64], lane: u32) -> u32 {
        let lane = self.lanes[lane as usize];
        u32::try_from((row[lane.word as usize] & lane.mask) >> lane.shift)
            .expect("lanes hold counts")
    }

    /// Counts so many more.
    pub(crate) fn use_more(&self, row: &mut [u64], lane: u32, count: u32) {
        assert!(self.used(row, lane) + count <= self.capacity(lane), "a lane ran over");
        let lane = self.lanes[lane as usize];
        row[lane.word as usize] += u64::from(count) << lane.shift;
    }

    /// Forgets how many were used.
    pub(crate) fn forget(&self, row: &mut [u64], lane: u32) {
        let lane = self.lanes[lane as usize];
        row[lane.word as usize] &= !lane.mask;
    }

    /// Whether `row` can do whatever `other` can. Both hold the same state.
    pub(crate) fn covers(&self, row: &[u64], other: &[u64]) -> bool {
        let slots = 1..1 + 2 * self.slot_words;
        row[0] == other[0]
            && row[slots.clone()].iter().zip(&other[slots.clone()]).all(|(a, b)| a & !b == 0)
            && row[slots.end..]
                .iter()
                .zip(&other[slots.end..])
                .zip(&self.spare)
                .all(|((a, b), spare)| ((b | spare) - a) & spare == *spare)
    }

    /// How much has been used up: what covers another row weighs less.
    pub(crate) fn weight(&self, row: &[u64]) -> u32 {
        let slots = 1..1 + 2 * self.slot_words;
        let bits: u32 = row[slots].iter().map(|word| word.count_ones()).sum();
        let used: u32 = self
            .lanes
            .iter()
            .map(|lane| {
                u32::try_from((row[lane.word as usize] & lane.mask) >> lane.shift)
                    .expect("lanes hold counts")
            })
            .sum();
        bits + used
    }

    /// Copies a row of this layout into one of another that has room for it.
    pub(crate) fn convert(&self, row: &[u64], wider: &Self, out: &mut Vec<u64>) {
        let start = out.len();
        out.resize(start + wider.stride(), 0);
        let new = &mut out[start..];
        new[0] = row[0];
        for word in 0..self.slot_words {
            new[1 + word] = row[1 + word];
            new[1 + wider.slot_words + word] = row[1 + self.slot_words + word];
        }
        for (number, lane) in (0..).zip(&self.lanes) {
            let to = wider.lanes[number as usize];
            assert!(self.capacity(number) <= wider.capacity(number), "a lane got narrower");
            new[to.word as usize] |=
                (row[lane.word as usize] & lane.mask) >> lane.shift << to.shift;
        }
    }
}

/// What the key holds.
pub(crate) fn state(row: &[u64]) -> State {
    u32::try_from(row[0] & u64::from(u32::MAX)).expect("the low half")
}

pub(crate) fn set_state(row: &mut [u64], state: State) {
    row[0] = row[0] & !u64::from(u32::MAX) | u64::from(state);
}

pub(crate) fn is_pending(row: &[u64], slot: u32) -> bool {
    row[1 + slot as usize / 64] >> (slot % 64) & 1 == 1
}

pub(crate) fn set_pending(row: &mut [u64], slot: u32) {
    row[1 + slot as usize / 64] |= 1 << (slot % 64);
}

/// From pending to excused; what is done stays done.
pub(crate) fn excuse(row: &mut [u64], slot: u32) {
    row[1 + slot as usize / 64] &= !(1 << (slot % 64));
}

/// Whether the last step still waits for somebody to observe it.
pub(crate) fn is_unseen(row: &[u64]) -> bool {
    row[0] & UNSEEN != 0
}

pub(crate) fn set_unseen(row: &mut [u64], is_unseen: bool) {
    row[0] = row[0] & !UNSEEN | if is_unseen { UNSEEN } else { 0 };
}

/// Whether a step was made for the return at hand, so that it is too late to let it pass.
pub(crate) fn is_under_way(row: &[u64]) -> bool {
    row[0] & UNDER_WAY != 0
}

pub(crate) fn set_under_way(row: &mut [u64]) {
    row[0] |= UNDER_WAY;
}

/// Forgets the marks of the return that was dealt with.
pub(crate) fn settle(row: &mut [u64]) {
    row[0] &= !(UNSEEN | UNDER_WAY);
}

/// Whether the return before the row's event was dealt with and nothing after it.
pub(crate) fn has_passed(row: &[u64]) -> bool {
    row[0] & PASSED != 0
}

pub(crate) fn set_passed(row: &mut [u64], has_passed: bool) {
    row[0] = row[0] & !PASSED | if has_passed { PASSED } else { 0 };
}

/// The event at which the row waits.
pub(crate) fn event(row: &[u64]) -> usize {
    usize::try_from(row[0] >> EVENT_SHIFT).expect("29 bits")
}

pub(crate) fn set_event(row: &mut [u64], event: usize) {
    assert!(event < 1 << (64 - EVENT_SHIFT), "too many events on one key");
    row[0] = row[0] & ((1 << EVENT_SHIFT) - 1) | (event as u64) << EVENT_SHIFT;
}

/// Rows with the same head that a new row is compared with, to see whether one of them covers it.
const RIVALS_MAX: usize = 64;

/// Rows none of which, as far as was looked, covers one that came later. In the order of their arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    stride: usize,
    words: Vec<u64>,
    /// By row: the next one with the same head plus one, or 0. Only the first ones of each head are linked.
    next: Vec<u32>,
    /// All rows, by what they hold.
    whole: Index,
    /// The first row of each head, by its head.
    heads: Index,
}

/// Open addressing: position of a row plus one, or 0.
#[derive(Clone, Debug, Default)]
struct Index {
    /// A power of two of them, or none.
    places: Vec<u32>,
    taken: usize,
}

impl Rows {
    pub(crate) fn new(stride: usize) -> Self {
        Self { stride, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.next.len()
    }

    pub(crate) fn row(&self, position: usize) -> &[u64] {
        &self.words[position * self.stride..][..self.stride]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u64]> {
        self.words.chunks_exact(self.stride)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let numbers = [&self.next, &self.whole.places, &self.heads.places];
        self.words.capacity() * size_of::<u64>()
            + numbers.iter().map(|numbers| numbers.capacity() * size_of::<u32>()).sum::<usize>()
    }

    /// Drops the rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.next.clear();
        self.whole.clear();
        self.heads.clear();
    }

    /// Whether the row is worth keeping.
    pub(crate) fn insert(&mut self, layout: &Layout, row: &[u64]) -> bool {
        let Self { stride, words, next, whole, heads } = self;
        let known = |number: u32| &words[(number as usize - 1) * *stride..][..*stride];
        let place = whole.place(hash(row), |number| known(number) == row, |n| hash(known(n)));
        if whole.places[place] != 0 {
            return false;
        }
        let number = u32::try_from(next.len() + 1).expect("fewer than 2^32 rows");
        let head = &row[..1];
        let first =
            heads.place(hash(head), |number| &known(number)[..1] == head, |n| hash(&known(n)[..1]));
        let (mut rival, mut last) = (heads.places[first], 0);
        for _ in 0..RIVALS_MAX {
            if rival == 0 {
                break;
            }
            if layout.covers(known(rival), row) {
                return false;
            }
            last = rival;
            rival = next[rival as usize - 1];
        }
        if last == 0 {
            heads.take(first, number);
        } else if rival == 0 {
            next[last as usize - 1] = number;
        }
        whole.take(place, number);
        next.push(0);
        words.extend_from_slice(row);
        true
    }
}

impl Index {
    /// Where a row with this hash is, or would be. `hash_of` is for moving the others to a larger table.
    fn place(
        &mut self,
        hash: usize,
        is_it: impl Fn(u32) -> bool,
        hash_of: impl Fn(u32) -> usize,
    ) -> usize {
        if (self.taken + 1) * 2 > self.places.len() {
            let size = (self.places.len() * 2).max(16);
            let old = std::mem::replace(&mut self.places, vec![0; size]);
            for number in old.into_iter().filter(|number| *number != 0) {
                let place = probe(&self.places, hash_of(number), |_| false);
                self.places[place] = number;
            }
        }
        probe(&self.places, hash, is_it)
    }

    fn take(&mut self, place: usize, number: u32) {
        self.places[place] = number;
        self.taken += 1;
    }

    fn clear(&mut self) {
        // A table that was large once would make every clearing slow.
        if self.places.len() > 64 && self.places.len() > 16 * self.taken {
            self.places = Vec::new();
        }
        self.places.fill(0);
        self.taken = 0;
    }
}

fn probe(places: &[u32], hash: usize, is_it: impl Fn(u32) -> bool) -> usize {
    let mask = places.len() - 1;
    let mut place = hash & mask;
    while places[place] != 0 && !is_it(places[place]) {
        place = (place + 1) & mask;
    }
    place
}

fn hash(row: &[u64]) -> usize {
    let mixed = row.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |hash, word| {
        let mixed = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 32)
    });
    usize::try_from(mixed.wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> 32).expect("32 bits")
}
