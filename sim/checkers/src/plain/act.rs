//! What an operation asks of the state and does to it.

use super::values::{ABSENT, State};
use whitewater_api::Value;
use whitewater_record::PlainAction;

/// What an operation asks of the state and does to it. Operations with equal acts are interchangeable but for their
/// intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Saw that the key holds this.
    Is(State),
    /// Saw that the key does not hold this.
    Not(State),
    /// Makes it so, whatever the key holds.
    Set(State),
    /// Adds a chunk to the end.
    Append(u32),
    /// Found the key to hold the one, and made it the other, which differs.
    Swap(State, State),
}

/// Bytes that have a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bytes<'a> {
    /// What a key may hold; its number is a state.
    Value(&'a [u8]),
    /// What is appended to it.
    Chunk(&'a [u8]),
}

impl Act {
    /// The act of an operation. Without an answer it is what the operation does if it takes effect in a way that shows;
    /// [`None`] if it never does.
    pub(crate) fn new<'a>(
        action: &'a PlainAction,
        is_answered: bool,
        mut number: impl FnMut(Bytes<'a>) -> u32,
    ) -> Option<Self> {
        let mut state = |value: &'a Value| number(Bytes::Value(value.as_slice()));
        Some(match action {
            PlainAction::Read(_) if !is_answered => return None,
            PlainAction::Read(None) => Self::Is(ABSENT),
            PlainAction::Read(Some(value)) => Self::Is(state(value)),
            PlainAction::Write(value) => Self::Set(state(value)),
            PlainAction::Append(value) => Self::Append(number(Bytes::Chunk(value.as_slice()))),
            PlainAction::Delete => Self::Set(ABSENT),
            PlainAction::Cas { from, to, swapped } => {
                let is_noop = from.as_ref() == Some(to);
                let from = from.as_ref().map_or(ABSENT, &mut state);
                match (is_answered, swapped) {
                    (true, Some(false)) => Self::Not(from),
                    (true, _) if is_noop => Self::Is(from),
                    (false, _) if is_noop => return None,
                    (true | false, _) => Self::Swap(from, state(to)),
                }
            }
        })
    }

    /// The same with other numbers for the states.
    pub(crate) fn map(self, state: impl Fn(State) -> State) -> Self {
        match self {
            Self::Is(seen) => Self::Is(state(seen)),
            Self::Not(unseen) => Self::Not(state(unseen)),
            Self::Set(to) => Self::Set(state(to)),
            Self::Swap(from, to) => Self::Swap(state(from), state(to)),
            Self::Append(chunk) => Self::Append(chunk),
        }
    }

    /// Whether it changes nothing.
    pub(crate) const fn is_observer(self) -> bool {
        matches!(self, Self::Is(_) | Self::Not(_))
    }

    /// Whether nobody can tell that it happened if it is overwritten at once.
    pub(crate) const fn is_blind(self) -> bool {
        matches!(self, Self::Set(_) | Self::Append(_))
    }

    /// Whether an observer finds what it saw.
    pub(crate) const fn is_true_in(self, state: State) -> bool {
        match self {
            Self::Is(seen) => seen == state,
            Self::Not(unseen) => unseen != state,
            Self::Set(_) | Self::Append(_) | Self::Swap(..) => false,
        }
    }
}
