//! Keys with few values and few operations at a time: an order that takes what is next, with a short way back.
//!
//! The steps are those of [`step`](super::step): what is open takes effect when it has to return, an observer is done as soon
//! as it finds what it saw, and a write excuses the open writes that it hides. But nothing is prepared: operations are
//! taken as they are invoked, in the order of their returns, in a few words that fit into the nearest cache. Where there
//! is more than one way on the place is remembered, and where there is none it goes back to the last of them. Most histories
//! that are right are decided so in little more than the time that it takes to read them.
//!
//! It only says yes, and then it has made an order. If the way back is too long it gives up, and another engine
//! has to tell.

use super::{
    act::{Act, Bytes},
    values::{ABSENT, OTHER, State},
    zones::{END, interval},
};
use crate::intern::{Token, Tokens};
use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainOperation};

/// Operations that may be open at a time: as many as there are bits in a set.
const OPEN_MAX: usize = 32;

/// Places to go back to.
const PLACES_MAX: usize = 512;

/// Steps that may be taken, for each operation. It takes two, or three where there is a choice, and more on the way back.
const STEPS: u64 = 8;

/// And so many in any case.
const STEPS_MIN: u64 = 1_000;

/// The operations on a key, as they are invoked.
#[derive(Debug)]
pub(crate) struct Eager<'h> {
    values: Tokens<'h>,
    ops: Vec<Op>,
    here: Place,
    /// Where something else might be done than was.
    places: Vec<Place>,
    /// Places that had more than one way on, each where its hash says. Who comes to one of them again need not go on.
    known: Vec<Key>,
    steps_left: u64,
    /// An order was found so far.
    is_right: bool,
}

#[derive(Clone, Copy, Debug)]
struct Op {
    invoked: u64,
    end: u64,
    act: Act,
}

/// A moment on the way. Sets are of open operations, by their places in `open`.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The open operations, the next one to return last.
    open: [u32; OPEN_MAX],
    count: usize,
    /// They have to take effect.
    pending: u32,
    /// They took effect. What is neither may have, or may.
    done: u32,
    value: State,
    /// The operation that is invoked next.
    next: usize,
    /// Ways that were tried from here.
    tried: usize,
}

/// What tells one place from another: the first of the open operations and the next one, then the sets and the value.
type Key = ([u32; 2], [u32; 3]);

/// Known places that are remembered. A power of two.
const KNOWN_MAX: usize = 1 << 9;

/// What to do about the operation that returns next: let the one at a place in `open` take effect, or [`LEAVE`].
type Way = u8;

/// To let it return as it is.
const LEAVE: Way = Way::MAX;

/// The ways on from a place.
#[derive(Debug)]
struct Ways {
    all: [Way; OPEN_MAX + 1],
    count: usize,
}

impl<'h> Eager<'h> {
    /// A key that holds `initial`.
    pub(crate) fn new(initial: Option<&'h Value>) -> Self {
        let mut values = Tokens::default();
        let value = initial.map_or(ABSENT, |value| state(&mut values, value.as_slice()));
        let here =
            Place { open: [0; OPEN_MAX], count: 0, pending: 0, done: 0, value, next: 0, tried: 0 };
        Self {
            values,
            ops: Vec::new(),
            here,
            places: Vec::new(),
            known: vec![Key::default(); KNOWN_MAX],
            steps_left: STEPS_MIN,
            is_right: true,
        }
    }

    /// The next operation is invoked. Whether an order was found so far.
    pub(crate) fn add(&mut self, operation: &'h PlainOperation) -> bool {
        self.is_right = self.is_right && self.take(operation).is_some();
        self.is_right
    }

    /// Whether there is an order; if not, that is for others to say.
    pub(crate) fn finish(mut self) -> bool {
        self.is_right && self.go(END)
    }

    /// [`None`] if no order is known.
    fn take(&mut self, operation: &'h PlainOperation) -> Option<()> {
        let (invoked, end) = interval(operation)?;
        let is_answered = end != END;
        if matches!(operation.action, PlainAction::Append(_))
            || self.ops.last().is_some_and(|before| invoked < before.invoked)
        {
            return None;
        }
        let values = &mut self.values;
        let act = Act::new(&operation.action, is_answered, |bytes| match bytes {
            Bytes::Value(value) => state(values, value),
            Bytes::Chunk(_) => unreachable!("nothing is appended"),
        });
        // What nobody answered and does nothing is nothing.
        let Some(act) = act else { return Some(()) };
        self.ops.push(Op { invoked, end, act });
        self.steps_left += STEPS;
        (is_answered && self.go(invoked)).then_some(())
    }

    /// Goes on to the moment `until`: all that return before it have taken effect, and all that are known were invoked.
    fn go(&mut self, until: u64) -> bool {
        while let Some(left) = self.steps_left.checked_sub(1) {
            self.steps_left = left;
            let now = self.ops.get(self.here.next).map_or(until, |op| op.invoked);
            let is_over = |first: u32| self.ops[first as usize].end < now;
            if self.here.first().is_some_and(is_over) {
                if !self.pass() && !self.back() {
                    return false;
                }
            } else if self.here.next == self.ops.len() {
                return true;
            } else if self.here.count == OPEN_MAX {
                return false;
            } else {
                self.here.invoke(&self.ops);
            }
        }
        false
    }

    /// Deals with the operation that returns next. Whether there is a way.
    fn pass(&mut self) -> bool {
        let here = &mut self.here;
        if here.done >> (here.count - 1) & 1 == 1 {
            here.leave();
            return true;
        }
        let ways = here.ways(&self.ops);
        if ways.count > 1 {
            let key = here.key();
            let known = &mut self.known[hash(key)];
            if *known == key {
                return false;
            }
            *known = key;
            if self.places.len() == PLACES_MAX {
                self.places.drain(..PLACES_MAX / 2);
            }
            self.places.push(Place { tried: 1, ..*here });
        }
        if ways.count > 0 {
            here.follow(ways.all[0], &self.ops);
        }
        ways.count > 0
    }

    /// Goes back to the last place from which there is another way, and takes that. Whether there is one.
    fn back(&mut self) -> bool {
        let Some(place) = self.places.last_mut() else { return false };
        let ways = place.ways(&self.ops);
        self.here = *place;
        place.tried += 1;
        if place.tried == ways.count {
            self.places.pop();
        }
        self.here.follow(ways.all[self.here.tried], &self.ops);
        true
    }
}

impl Place {
    /// The operation that returns next.
    fn first(&self) -> Option<u32> {
        self.open[..self.count].last().copied()
    }

    fn key(&self) -> Key {
        let next = u32::try_from(self.next).expect("operations are numbered by u32");
        ([self.open[self.count - 1], next], [self.pending, self.done, self.value])
    }

    /// The next operation is invoked. There is room for it.
    fn invoke(&mut self, ops: &[Op]) {
        let op = ops[self.next];
        let number = u32::try_from(self.next).expect("operations are numbered by u32");
        let mut place = self.count;
        while place > 0 && ops[self.open[place - 1] as usize].end < op.end {
            self.open[place] = self.open[place - 1];
            place -= 1;
        }
        self.open[place] = number;
        self.count += 1;
        self.next += 1;
        let below = (1 << place) - 1;
        let shift = |set: u32| set & below | (set & !below) << 1;
        (self.pending, self.done) = (shift(self.pending), shift(self.done));
        match op.act {
            Act::Is(_) | Act::Not(_) if op.act.is_true_in(self.value) => self.done |= 1 << place,
            // It changes nothing if it takes effect at once.
            Act::Set(to) if to == self.value => {}
            Act::Is(_) | Act::Not(_) | Act::Set(_) | Act::Swap(..) | Act::Append(_) => {
                self.pending |= 1 << place;
            }
        }
    }

    /// The operation that returns next is gone.
    fn leave(&mut self) {
        self.count -= 1;
        let rest = (1 << self.count) - 1;
        (self.pending, self.done) = (self.pending & rest, self.done & rest);
    }

    fn act(&self, place: usize, ops: &[Op]) -> Act {
        ops[self.open[place] as usize].act
    }

    /// What may be done before the next operation returns, that is not done, the most promising first.
    fn ways(&self, ops: &[Op]) -> Ways {
        let mut ways = Ways::NONE;
        let goal = self.count - 1;
        let act = self.act(goal, ops);
        let is_pending = self.pending >> goal & 1 == 1;
        let is_idle = act == Act::Set(self.value);
        let hides = is_idle && self.hides(goal, ops);
        if self.makes(act).is_some() && (!is_idle || hides) {
            ways.add(goal);
        }
        // To write again what is there speaks against nothing, if it hides something.
        if !is_pending && !hides {
            ways.add_leave();
        }
        if self.pending & !(1 << goal) == 0 && !(is_pending && ways.count == 0) {
            // Nothing else waits for anything.
            return ways;
        }
        let reaches = |to: State| match act {
            Act::Is(state) | Act::Swap(state, _) => to == state,
            Act::Not(state) => to != state,
            Act::Set(_) | Act::Append(_) => false,
        };
        for is_direct in [true, false] {
            for place in (0..goal).rev().filter(|place| self.done >> place & 1 == 0) {
                let act = self.act(place, ops);
                let Some(to) = self.makes(act) else { continue };
                if to == self.value && !self.hides(place, ops) {
                    continue;
                }
                let is_swap = matches!(act, Act::Swap(..));
                if reaches(to) != is_direct || !is_direct && !is_swap && !self.is_wanted(to, ops) {
                    continue;
                }
                let is_like = |way: &Way| *way != LEAVE && self.act(usize::from(*way), ops) == act;
                if !ways.all[..ways.count].iter().any(is_like) {
                    ways.add(place);
                }
            }
        }
        ways
    }

    /// Whether some other write has to take effect, which this one would hide.
    fn hides(&self, place: usize, ops: &[Op]) -> bool {
        let is_hidden = |other: usize| {
            self.pending >> other & 1 == 1 && matches!(self.act(other, ops), Act::Set(_))
        };
        self.pending & !(1 << place) != 0
            && (0..self.count).any(|other| other != place && is_hidden(other))
    }

    /// What the key would hold, if an act can take effect.
    fn makes(&self, act: Act) -> Option<State> {
        match act {
            Act::Set(to) => Some(to),
            Act::Swap(from, to) => (from == self.value).then_some(to),
            Act::Is(_) | Act::Not(_) | Act::Append(_) => None,
        }
    }

    /// Whether something that is open could make use of a value.
    fn is_wanted(&self, value: State, ops: &[Op]) -> bool {
        (0..self.count).any(|place| match self.act(place, ops) {
            act @ (Act::Is(_) | Act::Not(_)) => {
                act.is_true_in(value) && self.pending >> place & 1 == 1
            }
            Act::Swap(from, _) => from == value && self.done >> place & 1 == 0,
            Act::Set(_) | Act::Append(_) => false,
        })
    }

    /// Goes one of [`Self::ways`].
    fn follow(&mut self, way: Way, ops: &[Op]) {
        if way == LEAVE {
            return self.leave();
        }
        let place = usize::from(way);
        let act = self.act(place, ops);
        let (Act::Set(to) | Act::Swap(_, to)) = act else { unreachable!("observers make no way") };
        let hides = matches!(act, Act::Set(_));
        self.value = to;
        self.done |= 1 << place;
        self.pending &= !(1 << place);
        let mut rest = self.pending;
        while rest != 0 {
            let bit = rest & rest.wrapping_neg();
            rest ^= bit;
            match self.act(bit.trailing_zeros() as usize, ops) {
                Act::Set(other) if hides || other == to => self.pending ^= bit,
                other @ (Act::Is(_) | Act::Not(_)) if other.is_true_in(to) => {
                    self.pending ^= bit;
                    self.done |= bit;
                }
                Act::Set(_) | Act::Is(_) | Act::Not(_) | Act::Swap(..) | Act::Append(_) => {}
            }
        }
        if place == self.count - 1 {
            self.leave();
        }
    }
}

impl Ways {
    const NONE: Self = Self { all: [LEAVE; OPEN_MAX + 1], count: 0 };

    fn add(&mut self, place: usize) {
        self.all[self.count] = Way::try_from(place).expect("places are few");
        self.count += 1;
    }

    fn add_leave(&mut self) {
        self.all[self.count] = LEAVE;
        self.count += 1;
    }
}

/// Where a known place is remembered.
fn hash(([first, next], [pending, done, value]): Key) -> usize {
    let words =
        [u64::from(first) << 32 | u64::from(next), u64::from(pending) << 32 | u64::from(done)];
    let mixed = words.iter().fold(u64::from(value), |mixed, word| {
        (mixed.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    usize::try_from(mixed >> 40).expect("24 bits") % KNOWN_MAX
}

/// The number of a value.
fn state<'h>(values: &mut Tokens<'h>, value: &'h [u8]) -> State {
    OTHER + 1 + values.number(Token::new(Some(value)))
}
