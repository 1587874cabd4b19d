//! Every bound of the search.

/// Pairs of items are tried only if there are no more items than this.
pub(crate) const PAIR_ITEMS_MAX: usize = 24;

/// Seeds that are tried where a smaller cluster alone does not fail: another leader may do.
pub(crate) const SEEDS: u64 = 4;

/// Rounds over all passes. Each makes the plan smaller, so this is never reached; it is here to be seen if it is.
pub(crate) const ROUNDS_MAX: usize = 100;

/// Steps that leave out a stretch of operations and simplify another one are tried for no more operations than this.
pub(crate) const STRETCH_OPERATIONS_MAX: usize = 10;

/// More of the same byte than this at the end of a value only fill it up.
pub(crate) const FILLER_MIN: usize = 3;
