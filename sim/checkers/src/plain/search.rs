//! How a search ends.

/// How a search ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// There is an order that explains everything.
    Found,
    /// There is none. No order gets past the return at this event, and some get to it.
    Exhausted {
        /// The event.
        event: usize,
    },
    /// It cost too much. Some order gets to this event.
    GaveUp {
        /// The event.
        event: usize,
        /// All orders were followed to this one.
        known: usize,
    },
}
