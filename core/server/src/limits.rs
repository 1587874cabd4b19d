//! Bounds of the host, each with its reason.

use std::time::Duration;

/// Commands that wait to be played. Whoever has more waits outside, so memory stays bounded.
pub const INBOX: usize = 4096;

/// Inputs that somebody plays for others before another one goes on: a task that has its own work to do waits so long at most.
pub const TURN: usize = 64;

/// Requests that the replica is handed at a time.
pub const REQUESTS_AT_ONCE: usize = 64;

/// How long the clock of a host rests where it is late because somebody else plays.
pub const CLOCK_REST: Duration = Duration::from_millis(1);

/// Messages of a watch stream that the host takes before its client has taken them.
pub const STREAM_CREDIT: u64 = 16;

/// How often the host looks where the members are, in nanoseconds.
pub const MEMBERS_NANOS: u64 = 100_000_000;

/// What a request takes at most beside two elections (etcd, `config.go`, `ReqTimeout`).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the threads that serve clients wake whatever happens: more often than any request is given up.
pub(crate) const REACTOR_TICK: Duration = Duration::from_secs(1);

/// What gRPC carries beside the request itself (etcd, `grpcOverheadBytes`).
pub const GRPC_OVERHEAD_BYTES: usize = 512 << 10;

/// How long a request waits for another leader before it asks again.
pub const RETRY: Duration = Duration::from_millis(50);

/// Frames that wait for one peer. What comes on top is lost, as on any network; the replica sends it again.
pub const PEER_QUEUE: usize = 4096;

/// Bytes of one frame between peers: the largest entry, a message of several, and room.
pub const PEER_FRAME_BYTES: usize = 64 << 20;

/// Links to other members at most, those included that have introduced themselves: more voters than make sense.
pub const PEERS_MAX: usize = 64;

/// URLs that are believed of one who introduces itself.
pub const PEER_URLS_MAX: usize = 4;

/// Bytes of such a URL.
pub const URL_BYTES_MAX: usize = 1024;

/// Bytes of an introduction: of more members than there may be. Whoever has not introduced itself gets no more memory.
pub const INTRODUCTION_BYTES: usize = 1 << 20;

/// How often a peer is asked who it is, to know how long an answer takes (etcd, `rafthttp/probing_status.go`).
pub const PROBE: Duration = Duration::from_secs(4);

/// How long a peer waits before it dials again.
pub const REDIAL: Duration = Duration::from_millis(100);

/// How long dialling and the handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests that one peer may have forwarded and that are not answered yet.
pub const FORWARDED_MAX: usize = 4096;

/// Bytes of a request to the JSON gateway, before it is decoded from base64.
pub const GATEWAY_BYTES: usize = 4 << 20;

/// Bytes of a snapshot that are sent at once (etcd, `v3rpc/maintenance.go`).
pub const SNAPSHOT_BLOB_BYTES: usize = 32 << 10;

/// How many pieces of a backup wait to be turned into etcd's form, in which they are sent.
pub const SNAPSHOT_PIECES: usize = 16;

/// How many pieces of a backup wait for a client that is slow.
pub const SNAPSHOT_BLOBS: usize = 32;

/// How many backups are on their way to clients at a time: each has the content once more. Fewer than the replica would begin.
pub const BACKUPS_MAX: usize = 3;

/// How long connections get to finish when the server stops.
pub const DRAIN: Duration = Duration::from_secs(3);

/// Connections of clients at the same time, where the system lets this process have so many.
pub const CONNECTIONS: usize = 16_384;

/// Connections of those at the same time who watch over the member.
pub const WATCHER_CONNECTIONS: usize = 64;

/// Connections that others have dialled to the port of members at the same time.
pub const PEER_CONNECTIONS: usize = 64;

/// Files and sockets that are kept for what must not fail, the connections above but those of clients among them: a member
/// that cannot open its log has stopped (etcd keeps 150, `embed/etcd.go`).
pub const RESERVED_FILES: usize = 256;

/// Bytes under way on one stream before its reader has taken them. etcd's clients send requests of some hundred KiB at most.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// Bytes under way on one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// How much of the memory that its control group may have the process uses when it begins to refuse what takes more.
pub const MEMORY_LOW_PERCENT: u64 = 90;

/// How little it must use to take work again.
pub const MEMORY_ENOUGH_PERCENT: u64 = 85;

/// How often it looks.
pub const MEMORY_LOOK: Duration = Duration::from_millis(250);

/// The unit in which a disk loses what it held.
pub const SECTOR_BYTES: usize = 512;

/// A step of the replica that takes longer is counted as slow (etcd, `server/etcdserver/util.go`).
pub const SLOW_STEP_NANOS: u64 = 100_000_000;
