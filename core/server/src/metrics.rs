//! What `/metrics` tells, under the names that etcd's dashboards and alerts use (`contrib/mixin`).

mod answers;
mod calls;
mod works;

pub(crate) use self::calls::{Call, Flow};
use self::{answers::AnswerMetrics, calls::CallMetrics, works::WorkMetrics};

use crate::server::unix_seconds;
use prometheus::{
    Counter, Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector, exponential_buckets,
};
use std::{sync::Mutex, time::Duration};
use whitewater_api::{MemberStatus, NodeId};
use whitewater_replica::{Event, Role, Status};

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    /// How long syncs take.
    pub(crate) wal_fsync: Histogram,
    /// How long batches of writes take, their syncs included.
    pub(crate) batch_commit: Histogram,
    /// Bytes written into the log.
    pub(crate) wal_bytes: IntGauge,
    /// Steps of the replica that took longer than 100 ms.
    pub(crate) slow_applies: IntCounter,
    /// Requests that were given up without an answer of the cluster.
    pub(crate) proposals_failed: IntCounter,
    pub(crate) peers: PeerMetrics,
    pub(crate) calls: CallMetrics,
    pub(crate) answers: AnswerMetrics,
    pub(crate) works: WorkMetrics,
    pub(crate) health_success: IntCounter,
    pub(crate) health_failures: IntCounter,
    pub(crate) watch_streams: IntGauge,
    member: MemberMetrics,
    process: ProcessMetrics,
}

/// By peer.
pub(crate) struct PeerMetrics {
    pub(crate) sent: IntCounterVec,
    pub(crate) received: IntCounterVec,
    pub(crate) failures: IntCounterVec,
    /// Heartbeats of this leader to a peer that came later than two of them should.
    pub(crate) late_heartbeats: IntCounter,
    /// How long a peer takes to answer an introduction, at each connection and from time to time.
    pub(crate) round_trips: HistogramVec,
    /// Whether there is a connection to a peer.
    pub(crate) active: IntGaugeVec,
}

struct MemberMetrics {
    has_leader: IntGauge,
    is_leader: IntGauge,
    is_learner: IntGauge,
    leader_changes: IntCounter,
    committed: IntGauge,
    applied: IntGauge,
    pending: IntGauge,
    quota: IntGauge,
    size: IntGauge,
    size_in_use: IntGauge,
    revision: IntGauge,
    compacted: IntGauge,
    keys: IntGauge,
    watchers: IntGauge,
    slow_watchers: IntGauge,
    leases_expired: IntCounter,
    snapshots: IntCounter,
    leader: Mutex<Option<NodeId>>,
}

struct ProcessMetrics {
    open_files: IntGauge,
    open_files_max: IntGauge,
    resident_bytes: IntGauge,
    virtual_bytes: IntGauge,
    virtual_bytes_max: IntGauge,
    /// The same under etcd's own names.
    open_files_too: IntGauge,
    open_files_max_too: IntGauge,
    cpu_seconds: Counter,
}

/// Buckets of a sync: 1 ms to 8 s, doubling (etcd, `server/storage/wal/metrics.go`).
const FSYNC_BUCKETS: (f64, f64, usize) = (0.001, 2.0, 14);

/// Buckets of a round trip: 0.1 ms to 3.3 s, doubling (etcd, `rafthttp/metrics.go`).
const ROUND_TRIP_BUCKETS: (f64, f64, usize) = (0.0001, 2.0, 16);

/// The bounds of so many, each so many times the one before.
fn buckets((start, factor, count): (f64, f64, usize)) -> Vec<f64> {
    exponential_buckets(start, factor, count).expect("the bounds rise")
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        let buckets = buckets(FSYNC_BUCKETS);
        let disk = |name: &str, help: &str| {
            let options = HistogramOpts::new(name, help).buckets(buckets.clone());
            make.register(Histogram::with_opts(options).expect(WELL_FORMED))
        };
        let wal_fsync =
            disk("etcd_disk_wal_fsync_duration_seconds", "How long the log's syncs take.");
        let batch_commit = disk(
            "etcd_disk_backend_commit_duration_seconds",
            "How long batches of writes take, their syncs included.",
        );
        make.one("etcd_server_version", "server_version", crate::VERSION);
        make.gauge("process_start_time_seconds", "Since when it runs.").set(signed(unix_seconds()));
        make.one("etcd_cluster_version", "cluster_version", "3.5");
        Self {
            wal_fsync,
            batch_commit,
            wal_bytes: make.gauge("etcd_disk_wal_write_bytes_total", "Bytes written into the log."),
            slow_applies: make
                .counter("etcd_server_slow_apply_total", "Steps that took longer than 100 ms."),
            proposals_failed: make
                .counter("etcd_server_proposals_failed_total", "Requests that were given up."),
            peers: PeerMetrics::new(&make),
            calls: CallMetrics::new(&make),
            answers: AnswerMetrics::new(&make),
            works: WorkMetrics::new(&make),
            health_success: make.counter("etcd_server_health_success", "Health checks passed."),
            health_failures: make.counter("etcd_server_health_failures", "Health checks failed."),
            watch_streams: make.gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams."),
            member: MemberMetrics::new(&make),
            process: ProcessMetrics::new(&make),
            registry,
        }
    }

    /// Whose they are.
    pub(crate) fn name(&self, node: NodeId) {
        Maker(&self.registry).one("etcd_server_id", "server_id", &format!("{:x}", node.0));
    }

    /// Counts what the replica tells of. `leads`: whether it is the leader, whose clock ends leases.
    pub(crate) fn note(&self, event: &Event, leads: impl FnOnce() -> bool) {
        match event {
            Event::LeaseExpired { .. } => self.member.leases_expired.inc_by(u64::from(leads())),
            Event::Snapshot { .. } => self.member.snapshots.inc(),
            Event::Appended { .. }
            | Event::Applied { .. }
            | Event::Members { .. }
            | Event::SnapshotPart { .. }
            | Event::Read { .. }
            | Event::Damaged(_)
            | Event::StartedOver { .. }
            | Event::AutoCompaction { .. }
            | Event::Sometimes(_) => {}
        }
    }

    /// Notices that somebody else leads.
    pub(crate) fn note_leader(&self, leader: Option<NodeId>) {
        let mut seen = self.member.leader.lock().expect("nobody panics with it");
        if leader.is_some() && *seen != leader {
            *seen = leader;
            self.member.leader_changes.inc();
        }
    }

    /// All of it, in Prometheus' text format.
    pub(crate) fn text(&self, status: &Status, member: Option<&MemberStatus>) -> Vec<u8> {
        self.member.set(status);
        self.answers.count(status.tally);
        if let Some(member) = member {
            self.member.set_member(member);
        }
        self.process.set();
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.expect("what is registered can be written to memory");
        text
    }
}

impl PeerMetrics {
    fn new(make: &Maker<'_>) -> Self {
        let network = |what: &str| format!("etcd_network_peer_{what}_total");
        let round_trips = HistogramOpts::new(
            "etcd_network_peer_round_trip_time_seconds",
            "How long a peer takes to answer an introduction.",
        );
        let round_trips = round_trips.buckets(buckets(ROUND_TRIP_BUCKETS));
        Self {
            sent: make.counters(&network("sent_bytes"), "Bytes sent to a peer.", &["To"]),
            received: make.counters(&network("received_bytes"), "Bytes of a peer.", &["From"]),
            failures: make.counters(&network("sent_failures"), "Messages not sent.", &["To"]),
            late_heartbeats: make.counter(
                "etcd_server_heartbeat_send_failures_total",
                "Heartbeats that a leader sent too late, as on a slow disk.",
            ),
            round_trips: make.register(HistogramVec::new(round_trips, &["To"]).expect(WELL_FORMED)),
            active: make.gauges(
                "etcd_network_active_peers",
                "Whether there is a connection.",
                &["Local", "Remote"],
            ),
        }
    }
}

impl MemberMetrics {
    fn new(make: &Maker<'_>) -> Self {
        let server = |what: &str| format!("etcd_server_{what}");
        let mvcc = |what: &str| format!("etcd_debugging_mvcc_{what}");
        Self {
            has_leader: make.gauge(&server("has_leader"), "Whether a leader is known."),
            is_leader: make.gauge(&server("is_leader"), "Whether this member leads."),
            is_learner: make.gauge(&server("is_learner"), "Whether this member only follows."),
            leader_changes: make
                .counter(&server("leader_changes_seen_total"), "Changes of the leader."),
            committed: make.gauge(&server("proposals_committed_total"), "The commit index."),
            applied: make.gauge(&server("proposals_applied_total"), "The applied index."),
            pending: make.gauge(&server("proposals_pending"), "Requests that wait."),
            quota: make.gauge(&server("quota_backend_bytes"), "The quota in bytes."),
            size: make.gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes held at most."),
            size_in_use: make.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes held."),
            revision: make.gauge(&mvcc("current_revision"), "The newest revision."),
            compacted: make.gauge(&mvcc("compact_revision"), "The last compaction, or -1."),
            keys: make.gauge(&mvcc("keys_total"), "Keys that are there."),
            watchers: make.gauge(&mvcc("watcher_total"), "Watches."),
            slow_watchers: make
                .gauge(&mvcc("slow_watcher_total"), "Watches that have not been told everything."),
            leases_expired: make
                .counter("etcd_debugging_server_lease_expired_total", "Leases that ended unkept."),
            snapshots: make.counter("etcd_debugging_snap_total", "Snapshots brought into use."),
            leader: Mutex::new(None),
        }
    }

    fn set(&self, status: &Status) {
        self.has_leader.set(i64::from(status.leader.is_some()));
        self.is_leader.set(i64::from(status.role == Role::Leader));
        self.committed.set(signed(status.commit.0));
        self.applied.set(signed(status.applied.0));
        self.pending.set(signed(status.pending as u64));
        self.revision.set(signed(status.revision.0));
        // Before the first one, etcd says -1.
        let compacted = if status.compacted.0 == 0 { -1 } else { signed(status.compacted.0) };
        self.compacted.set(compacted);
        self.keys.set(signed(status.keys));
        self.watchers.set(signed(status.watches as u64));
        self.slow_watchers.set(signed(status.watches_behind as u64));
    }

    fn set_member(&self, member: &MemberStatus) {
        self.is_learner.set(i64::from(member.is_learner));
        self.quota.set(signed(member.quota));
        self.size.set(signed(member.size));
        self.size_in_use.set(signed(member.size_in_use));
    }
}

impl ProcessMetrics {
    fn new(make: &Maker<'_>) -> Self {
        Self {
            open_files: make.gauge("process_open_fds", "Open files and sockets."),
            open_files_max: make.gauge("process_max_fds", "Files and sockets that may be open."),
            resident_bytes: make.gauge("process_resident_memory_bytes", "Memory in bytes."),
            virtual_bytes: make.gauge("process_virtual_memory_bytes", "Addresses in bytes."),
            virtual_bytes_max: make
                .gauge("process_virtual_memory_max_bytes", "Addresses in bytes at most."),
            open_files_too: make.gauge("os_fd_used", "Open files and sockets."),
            open_files_max_too: make.gauge("os_fd_limit", "Files and sockets that may be open."),
            cpu_seconds: make.register(
                Counter::new("process_cpu_seconds_total", "Time of processors.")
                    .expect(WELL_FORMED),
            ),
        }
    }

    /// As the operating system tells, where it does.
    fn set(&self) {
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            let files = signed(files.count() as u64);
            self.open_files.set(files);
            self.open_files_too.set(files);
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        self.open_files_max.set(limit.map_or(i64::MAX, signed));
        self.open_files_max_too.set(limit.map_or(i64::MAX, signed));
        let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
        self.virtual_bytes_max.set(limit.map_or(i64::MAX, signed));
        let page = rustix::param::page_size() as u64;
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let mut pages = pages.split(' ').map_while(|field| field.parse::<u64>().ok());
        if let (Some(all), Some(resident)) = (pages.next(), pages.next()) {
            self.virtual_bytes.set(signed(all * page));
            self.resident_bytes.set(signed(resident * page));
        }
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        if let Ok(spent) = Duration::try_from(spent) {
            let more = spent.as_secs_f64() - self.cpu_seconds.get();
            self.cpu_seconds.inc_by(more.max(0.0));
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const WELL_FORMED: &str = "names and labels are well formed";

struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.0.register(Box::new(collector.clone())).expect("every name is given once");
        collector
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help).expect(WELL_FORMED))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels).expect(WELL_FORMED))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels).expect(WELL_FORMED))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help).expect(WELL_FORMED))
    }

    /// A gauge that is one, for the sake of its label.
    fn one(&self, name: &str, label: &str, value: &str) {
        let opts = Opts::new(name, "The version, as a label.");
        let gauges = self.register(IntGaugeVec::new(opts, &[label]).expect(WELL_FORMED));
        gauges.with_label_values(&[value]).set(1);
    }
}
