//! Bounds of the world.

use whitewater_record::Span;

/// After a replica stopped by itself, its process is started again so much later, as a supervisor would.
pub(crate) const RESTART_AFTER: Span = Span::seconds(1);

/// Fresh invocations of one planned operation that was refused and did not happen. Then the client goes on.
pub const ATTEMPTS_MAX: u32 = 6;

/// Before the second attempt; twice as long before each further one.
pub const BACKOFF: Span = Span::millis(10);

/// Times that the mutation `client-retries` sends one request again.
pub(crate) const RESENDS_MAX: u32 = 3;

/// How long the admin and the probes wait for an answer.
pub(crate) const ADMIN_TIMEOUT: Span = Span::seconds(1);

/// How long the admin waits after a refusal.
pub(crate) const ADMIN_BACKOFF: Span = Span::millis(100);

/// How often the liveness phase looks at the cluster.
pub(crate) const LOOK_EVERY: Span = Span::millis(50);

/// The liveness phase may last so many of the longest election timeouts...
pub(crate) const RECOVERY_ELECTIONS: u64 = 6;

/// ... and for the transfer of snapshots and the replay of what was missed so much longer ...
pub(crate) const RECOVERY_ALLOWANCE: Span = Span::seconds(5);

/// ... and so much longer for each node, each of which is asked twice.
pub(crate) const RECOVERY_PER_NODE: Span = Span::millis(500);

/// What is brought in goes from member to member in so many parts at most, however small the plan cuts them ...
pub(crate) const IMPORT_PARTS_MAX: u64 = 64;

/// ... and a recovery may last longer by the time that a disk takes to write it so often.
pub(crate) const IMPORT_COPIES: u64 = 4;

/// A packet of a connection that was lost arrives so much later, when it was sent again.
pub(crate) const RETRANSMISSION: Span = Span::millis(200);

/// How often a watcher sees to its stream.
pub(crate) const PING_EVERY: Span = Span::millis(100);

/// How long a watcher hears nothing before it takes its stream for broken.
pub(crate) const PING_PATIENCE: Span = Span::millis(1_000);

/// How long a node hears nothing from a watcher before it forgets the stream.
pub(crate) const STREAM_PATIENCE: Span = Span::seconds(3);

/// How long a watcher waits before it opens another stream.
pub(crate) const STREAM_BACKOFF: Span = Span::millis(50);

/// Events at one moment; more means that two parts of the world chase each other.
pub(crate) const EVENTS_PER_MOMENT_MAX: u32 = 1_000_000;

/// Votes that the observer remembers for each node; older terms are out of reach.
pub(crate) const VOTES_MAX: usize = 128;

/// Zeros behind a file's last byte that the observer reads after a crash.
pub(crate) const ZEROS_BEHIND: usize = 64 << 10;

/// Entries that the observer keeps below what all disks cover, before it forgets them.
pub(crate) const GHOST_SLACK: u64 = 1024;

/// Bytes of a value beyond which the next element that is appended begins anew.
pub(crate) const APPENDED_BYTES_MAX: usize = 512;

/// About how much a request, an answer or a packet of a stream takes on a link.
pub(crate) const PACKET_BYTES: u64 = 128;

/// A leap second.
pub(crate) const LEAP_NS: i64 = 1_000_000_000;

/// How long a node takes to hash a password, in nanoseconds: from, to.
pub(crate) const PASSWORD_NANOS: (u64, u64) = (500_000, 80_000_000);
