//! Bounds that no operator needs to set.

/// Ticks after which a read index round is asked for again, with a new context.
pub const READ_RETRY_TICKS: u64 = 3;

/// How often that time doubles at most while no round is answered. Where a round takes longer than 24 ticks, no leader is kept.
pub const READ_DOUBLINGS_MAX: u32 = 3;

/// Election timeouts after which a read that nobody could confirm is given up.
pub const READ_PATIENCE_ELECTIONS: u64 = 10;

/// Read requests of followers that a leader keeps at most.
pub const REMOTE_READS_MAX: usize = 1024;

/// Leases that end in a second for want of a keep-alive, at most (etcd, `leaseRevokeRate`).
pub const LEASE_EXPIRIES_PER_SECOND: u64 = 1000;

/// How far the expiry of leases may run ahead of that pace, in nanoseconds of it.
pub const LEASE_EXPIRY_BURST_NANOS: u64 = 100_000_000;

/// Leases in one checkpoint, and in one tick (etcd, `maxLeaseCheckpointBatchSize`).
pub const LEASE_CHECKPOINTS_MAX: usize = 1000;

/// Leases that a new leader takes up in one step.
pub const LEASES_FOUND_MAX: usize = 8192;

/// Ticks between two introductions of a fresh member.
pub const HELLO_TICKS: u64 = 2;

/// Ticks in which a member that has started may hear from a leader, at least (etcd, `server.go`, `adjustTicks`).
pub(crate) const TICKS_FOR_A_LEADER: usize = 2;

/// Election timeouts after which a damaged member stops asking, and its disk shall be read anew.
pub const DAMAGED_PATIENCE_ELECTIONS: u64 = 20;

/// Ticks without progress after which parts of a snapshot are sent again.
pub const TRANSFER_RETRY_TICKS: u64 = 5;

/// How often parts are sent again before the transfer is given up.
pub const TRANSFER_ATTEMPTS_MAX: u32 = 4;

/// Ticks without a part after which a receiver forgets a transfer: longer than its leader goes on trying.
pub const INCOMING_PATIENCE_TICKS: u64 = 40;

/// Snapshot transfers to peers at the same time.
pub const TRANSFERS_MAX: usize = 2;

/// Ticks after which a snapshot that did not fit on the disk is tried again.
pub const SNAPSHOT_RETRY_TICKS: u64 = 10;

/// Election timeouts of ticks that are made up for after a pause, at most.
pub const CATCH_UP_ELECTIONS: u64 = 2;

/// Histories that the store scrubs behind one applied batch.
pub const SCRUB_STEPS: usize = 16;

/// Histories that the store scrubs with every tick.
pub const SCRUB_STEPS_TICK: usize = 1024;

/// A learner is ready for promotion when it has this share of the leader's log, in percent (etcd's `readyPercent`).
pub const LEARNER_READY_PERCENT: u64 = 90;

/// Election timeouts without a leader after which the streams end whose clients mind (etcd's `maxNoLeaderCnt`).
pub const WATCH_LEADERLESS_ELECTIONS: u64 = 3;

/// Backups that are taken at a time.
pub const BACKUPS_MAX: usize = 4;

/// Election timeouts after which a backup is given up that nobody goes on with.
pub const BACKUP_PATIENCE_ELECTIONS: u64 = 10;

/// Keys or versions that work on everything looks at in one step: a few milliseconds.
pub const CHORE_ROWS_MAX: usize = 2048;

/// Reads that are under way over several steps. Each holds what it has found until it is answered.
pub const LONG_READS_MAX: usize = 256;

/// How long long reads rest between two steps, from the beginning of the first on: a step of so many rows as are usual takes longer.
pub const LONG_READ_REST_NANOS: u64 = 100_000;

/// Bytes that the hash of everything looks at at a time, and for how many rows that counts.
pub const CHORE_PART_BYTES: usize = 128 << 10;
/// See [`CHORE_PART_BYTES`].
pub const CHORE_PART_ROWS: usize = 512;

/// Passwords that the host hashes and compares at a time.
pub const PASSWORDS_MAX: usize = 64;

/// Election timeouts of silence after which a member counts as not connected.
pub const CONTACT_PATIENCE_ELECTIONS: u64 = 1;

/// Election timeouts after which a comparison of members goes without those that have not answered.
pub const CORRUPTION_PATIENCE_ELECTIONS: u64 = 3;

/// Ticks between two comparisons that compactions bring about (etcd waits a minute of 100 ms ticks).
pub const CORRUPTION_REST_TICKS: u64 = 20;

/// Revisions that are written down in one interval of compactions by time (etcd, `retryDivisor`).
pub const AUTO_COMPACTION_RECORDS: u64 = 10;

/// The longest interval between compactions by time, in milliseconds: an hour.
pub const AUTO_COMPACTION_INTERVAL_MS_MAX: u64 = 3_600_000;

/// How often revisions are counted, in milliseconds (etcd, `revInterval`): five minutes.
pub const AUTO_COMPACTION_REVISIONS_MS: u64 = 300_000;
