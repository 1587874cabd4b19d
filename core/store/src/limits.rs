//! Bounds and weights of this crate, each with its reason.

/// What a version costs besides its key and value: its slot in the history, its row in the journal, its share of the
/// map. Measured roughly on 64-bit; a constant, so that the sum is the same on every platform.
pub(crate) const VERSION_BYTES: u64 = 160;

/// What a lease costs: its slot in the table, with an empty set of keys.
pub(crate) const LEASE_BYTES: u64 = 96;

/// What a key costs that hangs on a lease: a shared key in a set.
pub(crate) const LINK_BYTES: u64 = 48;

/// What a put costs besides its key and value, held against the quota (etcd, `server/storage/quota.go`).
pub(crate) const PUT_COST: u64 = 256;

/// What a grant of a lease costs, held against the quota (etcd, the same).
pub(crate) const LEASE_COST: u64 = 64;

/// How many keys one part of a snapshot may look at, so that a step stays short even where nothing in a long stretch
/// of keys belongs to the view.
pub(crate) const PART_KEYS_MAX: usize = 4096;

/// Keys in a stretch that is counted as one: a count looks at the keys of two of them. Longer ones are cut in two.
pub(crate) const STRETCH_KEYS_MAX: usize = 512;

/// Shorter stretches join the one before them.
pub(crate) const STRETCH_KEYS_MIN: usize = 64;

/// Changes that a count of the past goes through: some milliseconds.
pub(crate) const COUNT_CHANGES_MAX: usize = 4096;

/// What an event costs in a message besides its keys and values.
pub(crate) const EVENT_BYTES: u64 = 64;

/// Changes that one [`crate::Watches::pump`] looks at for watches that catch up: some milliseconds.
pub(crate) const WATCH_ROWS_MAX: usize = 4096;

/// Events that are handed out at once when a revision is made, over all watches. If it is more, they go through the
/// queue of those that catch up, so that a delete of many keys under many watches does not hold everything up.
pub(crate) const WATCH_EVENTS_MAX: usize = 1 << 17;

/// Answers that wait on one stream for its client to take the ones before.
pub(crate) const WATCH_ANSWERS_MAX: usize = 1024;
