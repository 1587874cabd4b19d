//! What an operation asks of the state and does to it.

use super::values::{ABSENT, State, Values};
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

impl Act {
    /// The act of an operation. Without an answer it is what the operation does if it takes effect in a way that shows;
    /// [`None`] if it never does. `chunk` numbers what is appended.
    pub(crate) fn new<'a>(
        action: &'a PlainAction,
        is_answered: bool,
        values: &mut Values,
        mut chunk: impl FnMut(&mut Values, &'a [u8]) -> u32,
    ) -> Option<Self> {
        Some(match action {
            PlainAction::Read(_) if !is_answered => return None,
            PlainAction::Read(None) => Self::Is(ABSENT),
            PlainAction::Read(Some(value)) => Self::Is(values.value(value.as_slice())),
            PlainAction::Write(value) => Self::Set(values.value(value.as_slice())),
            PlainAction::Append(value) => Self::Append(chunk(values, value.as_slice())),
            PlainAction::Delete => Self::Set(ABSENT),
            PlainAction::Cas { from, to, swapped } => {
                let is_noop = from.as_ref() == Some(to);
                let from = from.as_ref().map_or(ABSENT, |value| values.value(value.as_slice()));
                match (is_answered, swapped) {
                    (true, Some(false)) => Self::Not(from),
                    (true, _) if is_noop => Self::Is(from),
                    (false, _) if is_noop => return None,
                    (true | false, _) => Self::Swap(from, values.value(to.as_slice())),
                }
            }
        })
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
