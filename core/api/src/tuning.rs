//! What an operator may set on a replica.

use serde::{Deserialize, Serialize};

/// The settings of a replica. Times in milliseconds of the node's monotonic clock, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tuning {
    /// Length of a tick.
    pub tick_ms: u64,
    /// Ticks between heartbeats.
    pub heartbeat_ticks: u64,
    /// Ticks without a leader before a follower campaigns; the timeout is drawn from one to two times this.
    pub election_ticks: u64,
    /// Ask for votes before raising the term (dissertation 9.6).
    pub pre_vote: bool,
    /// A leader that cannot reach a quorum steps down (dissertation 6.2).
    pub check_quorum: bool,
    /// Serve linearizable reads from the leader's lease while it holds (dissertation 6.4.1).
    pub lease_reads: bool,
    /// Bound on clock drift between nodes that the leader lease allows for, in parts per million.
    pub drift_ppm_max: u64,
    /// Bytes of entries in one append message.
    pub message_bytes_max: u64,
    /// Append messages in flight to one follower.
    pub inflight_messages_max: u64,
    /// Bytes of proposals that are not yet committed.
    pub uncommitted_bytes_max: u64,
    /// Client requests that wait for an outcome.
    pub pending_requests_max: u64,
    /// Committed entries that are not yet applied before requests are refused.
    pub apply_gap_max: u64,
    /// Bytes of committed entries handed out at once.
    pub apply_bytes_max: u64,
    /// Bytes of one encoded request.
    pub request_bytes_max: u64,
    /// Compares, and operations in one branch, of a transaction.
    pub txn_ops_max: u64,
    /// Rows that reads of ranges look at in one step of the replica; a longer one takes several steps.
    pub read_rows: u64,
    /// Bytes that the store may hold before nothing more is put; 0 for no bound.
    pub quota_bytes: u64,
    /// How often the leader compares the members' content; 0 for never.
    pub corruption_check_ms: u64,
    /// Compare the members' content after compactions, too.
    pub corruption_check_compactions: bool,
    /// A member that starts on a disk that holds something compares itself with the others before it serves anybody.
    pub corruption_check_at_start: bool,
    /// Forget history older than this; 0 for never.
    pub auto_compaction_period_ms: u64,
    /// Keep so many of the last revisions and forget the others; 0 for all. Not together with a period.
    pub auto_compaction_revisions: u64,
    /// A member that starts as the only voter stands for election at its first tick, and not after a timeout: there is nobody
    /// whom it could disturb.
    pub alone_at_once: bool,
    /// A member that has started waits for a leader as if it had already waited for an election timeout but for two ticks (etcd,
    /// `initial-election-tick-advance`). Not with `lease_reads`: a leader that has one counts on the whole timeout.
    pub advance_at_start: bool,
    /// Refuse to add and remove voters through [`crate::ClusterRequest`] where too few of them are connected.
    pub strict_reconfig_check: bool,
    /// How long a voter must have been connected to count, in milliseconds.
    pub health_ms: u64,
    /// Learners that may be added through [`crate::ClusterRequest`].
    pub learners_max: u64,
    /// Length of a WAL segment.
    pub segment_bytes: u64,
    /// Bytes of log since the last snapshot that call for another; the size of the state counts too.
    pub snapshot_log_bytes: u64,
    /// Entries kept behind a snapshot for slow followers.
    pub catch_up_entries: u64,
    /// Bytes of applied entries that stay in memory, whatever else says. A follower that needs older ones gets a snapshot.
    pub log_memory_bytes: u64,
    /// The shortest time to live of a lease, in seconds. Never less than one and a half election timeouts.
    pub lease_ttl_min_s: u64,
    /// How often the leader writes down what is left of the leases that live longer than that, so that its successor does
    /// not begin them anew; 0 for never.
    pub lease_checkpoint_ms: u64,
    /// Tokens are signed, by a key that the host has: they say themselves whose they are. Else the members remember them.
    pub signed_tokens: bool,
    /// How long a token is good: a simple one after it was shown last, a signed one after it was given. In seconds.
    pub token_ttl_s: u64,
    /// Two to the power of how many rounds the hash of a password takes; 4 to 31.
    pub bcrypt_cost: u64,
    /// Bytes of one part of a snapshot.
    pub snapshot_part_bytes: u64,
    /// Parts of a snapshot in flight to one follower.
    pub snapshot_parts_inflight_max: u64,
    /// How long nothing happens on a watch before it is told how far it has come, if it asked to be.
    pub watch_progress_ms: u64,
    /// Bytes of events in one message of a watch. What one revision did goes over it rather than being split, unless the
    /// watch takes fragments.
    pub watch_message_bytes_max: u64,
    /// Streams of watches at one member.
    pub watch_streams_max: u64,
    /// Watches of one stream.
    pub watches_max: u64,
}

impl Tuning {
    /// The shortest time after which a member that hears of no leader stands for election, in milliseconds. The longest is twice as
    /// long.
    #[must_use]
    pub const fn election_ms(&self) -> u64 {
        self.tick_ms.saturating_mul(self.election_ticks)
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            tick_ms: 100,
            heartbeat_ticks: 1,
            election_ticks: 10,
            pre_vote: true,
            check_quorum: true,
            lease_reads: false,
            drift_ppm_max: 500,
            message_bytes_max: 64 << 10,
            inflight_messages_max: 256,
            uncommitted_bytes_max: 16 << 20,
            pending_requests_max: 4096,
            apply_gap_max: 5000,
            apply_bytes_max: 1 << 20,
            request_bytes_max: 1536 << 10,
            txn_ops_max: 128,
            read_rows: 2048,
            quota_bytes: 2 << 30,
            corruption_check_ms: 0,
            corruption_check_compactions: false,
            corruption_check_at_start: false,
            auto_compaction_period_ms: 0,
            auto_compaction_revisions: 0,
            alone_at_once: false,
            advance_at_start: false,
            strict_reconfig_check: true,
            health_ms: 5000,
            learners_max: 1,
            segment_bytes: 64 << 20,
            snapshot_log_bytes: 16 << 20,
            catch_up_entries: 5000,
            log_memory_bytes: 64 << 20,
            lease_ttl_min_s: 1,
            lease_checkpoint_ms: 300_000,
            signed_tokens: false,
            token_ttl_s: 300,
            bcrypt_cost: 10,
            snapshot_part_bytes: 64 << 10,
            snapshot_parts_inflight_max: 4,
            watch_progress_ms: 600_000,
            watch_message_bytes_max: 2 << 20,
            watch_streams_max: 10_000,
            watches_max: 100_000,
        }
    }
}
