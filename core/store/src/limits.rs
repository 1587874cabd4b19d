//! Bounds and weights of this crate, each with its reason.

/// What a version costs besides its key and value: its slot in the history, its row in the journal, its share of the
/// map. Measured roughly on 64-bit; a constant, so that the sum is the same on every platform.
pub(crate) const VERSION_BYTES: u64 = 160;

/// How many keys one part of a snapshot may look at, so that a step stays short even where nothing in a long stretch
/// of keys belongs to the view.
pub(crate) const PART_KEYS_MAX: usize = 4096;
