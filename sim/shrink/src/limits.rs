//! Every bound of the search.

/// Pairs of items are tried only if there are no more items than this.
pub(crate) const PAIR_ITEMS_MAX: usize = 24;

/// Seeds that are tried where a smaller cluster alone does not fail: another leader may do.
pub(crate) const SEEDS: u64 = 4;

/// Rounds over all passes. Each makes the plan smaller, so this is never reached; it is here to be seen if it is.
pub(crate) const ROUNDS_MAX: usize = 100;
