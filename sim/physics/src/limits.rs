//! Bounds of the models.

/// Ids of nodes lie below this, so that a set of them is one word. Ports from here on are clients.
pub const NODE_IDS_MAX: u64 = 64;

/// Clients in one network.
pub const CLIENTS_MAX: u16 = 16_384;

/// Bytes of one file; a longer one is refused as if the disk were full.
pub const FILE_BYTES_MAX: u64 = 1 << 31;

/// Bytes of a sector, the unit that is kept or lost over a power loss.
pub const SECTOR_BYTES: u64 = 512;

/// Unsynced changes of one file, or of the directory. With more, the operating system writes all of them back by
/// itself, as it may at any time.
pub const UNSYNCED_CHANGES_MAX: usize = 65_536;

/// A clock runs at most this much too fast or too slow, in parts per million. More is cut to this.
pub const DRIFT_PPM_MAX: i64 = 900_000;

/// A message that is out of order is held back by this many usual delays on average, so that others can overtake it
/// on a quiet link too.
pub const HOLD_BACK_FACTOR: u64 = 8;
