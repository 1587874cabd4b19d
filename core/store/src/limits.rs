//! Bounds and weights of this crate, each with its reason.

/// What a version costs besides its key and value: its slot in the history, its row in the journal, its share of the
/// map. Measured roughly on 64-bit; a constant, so that the sum is the same on every platform.
pub(crate) const VERSION_BYTES: u64 = 160;

/// What a lease costs: its slot in the table, with an empty set of keys.
pub(crate) const LEASE_BYTES: u64 = 96;

/// What a key costs that hangs on a lease: a shared key in a set.
pub(crate) const LINK_BYTES: u64 = 48;

/// How many keys one part of a snapshot may look at, so that a step stays short even where nothing in a long stretch
/// of keys belongs to the view.
pub(crate) const PART_KEYS_MAX: usize = 4096;
