//! Requests that take their time, or wait for others: how long, and how they end.

use super::{Maker, WELL_FORMED, buckets};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge};
use std::time::{Duration, Instant};
use whitewater_api::{ClusterRequest, Error, MaintenanceRequest, Request};

/// By kind.
pub(crate) struct WorkMetrics {
    slow_reads: IntCounter,
    failed_reads: IntCounter,
    defragmentation: Histogram,
    defragmenting: IntGauge,
    hash: Histogram,
    hash_kv: Histogram,
    /// How long it takes to draw up a backup.
    pub(crate) backup: Histogram,
    promoted: IntCounter,
    not_promoted: IntCounterVec,
}

/// A request of a kind that is looked at, under way.
pub(crate) struct Work<'a> {
    metrics: &'a WorkMetrics,
    kind: Kind,
    start: Instant,
    is_answered: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Defragmentation,
    Hash,
    HashKv,
    Promotion,
}

impl Kind {
    fn of(request: &Request) -> Option<Self> {
        if let Request::Range(range) = request {
            (!range.serializable).then_some(Self::Read)
        } else if let Request::Cluster(ClusterRequest::Promote(_)) = request {
            Some(Self::Promotion)
        } else if let Request::Maintenance(request) = request {
            Self::of_maintenance(request)
        } else {
            None
        }
    }

    const fn of_maintenance(request: &MaintenanceRequest) -> Option<Self> {
        if let MaintenanceRequest::Defragment = request {
            Some(Self::Defragmentation)
        } else if let MaintenanceRequest::Hash = request {
            Some(Self::Hash)
        } else if let MaintenanceRequest::HashKv { .. } = request {
            Some(Self::HashKv)
        } else {
            None
        }
    }
}

/// From which time on a read that others have to confirm is slow (etcd, `v3_server.go`, `readIndexRetryTime`).
const SLOW_READ: Duration = Duration::from_millis(500);

/// Buckets: 100 ms to 7 min, doubling (etcd, `backend/metrics.go`).
const DEFRAGMENTATION: (f64, f64, usize) = (0.1, 2.0, 13);

/// Buckets: 10 ms to 11 min, doubling (etcd, `backend/metrics.go`).
const BACKUP: (f64, f64, usize) = (0.01, 2.0, 17);

/// Buckets: 10 ms to 3 min, doubling (etcd, `mvcc/metrics.go`).
const HASH: (f64, f64, usize) = (0.01, 2.0, 15);

impl WorkMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let seconds = |name: &str, help: &str, bounds| {
            let options = HistogramOpts::new(format!("etcd_{name}_duration_seconds"), help);
            make.register(
                Histogram::with_opts(options.buckets(buckets(bounds))).expect(WELL_FORMED),
            )
        };
        let server = |what: &str, help: &str| make.counter(&format!("etcd_server_{what}"), help);
        Self {
            slow_reads: server("slow_read_indexes_total", "Reads confirmed after 500 ms or never."),
            failed_reads: server("read_indexes_failed_total", "Reads that nobody confirmed."),
            defragmentation: seconds(
                "disk_backend_defrag",
                "How long defragmentations take.",
                DEFRAGMENTATION,
            ),
            defragmenting: make.gauge("etcd_disk_defrag_inflight", "Defragmentations under way."),
            hash: seconds("mvcc_hash", "How long it takes to hash everything.", HASH),
            hash_kv: seconds("mvcc_hash_rev", "How long it takes to hash a revision.", HASH),
            backup: seconds("disk_backend_snapshot", "How long backups take.", BACKUP),
            promoted: server("learner_promote_successes", "Learners made voters here."),
            not_promoted: make.counters(
                "etcd_server_learner_promote_failures",
                "Learners not made voters here.",
                &["Reason"],
            ),
        }
    }

    /// Whether a learner was made a voter, and else why not, in etcd's words (`server.go`, `PromoteMember`). Who does not lead does
    /// not decide.
    fn note_promotion(&self, refusal: Option<&Error>) {
        let reason = match refusal {
            None => return self.promoted.inc(),
            Some(Error::NotLeader { .. } | Error::NoLeader) => return,
            Some(Error::MemberNotFound) => "membership: ID not found",
            Some(Error::NotLearner) => "membership: can only promote a learner member",
            Some(other) => &other.to_string(),
        };
        self.not_promoted.with_label_values(&[reason]).inc();
    }

    /// A request begins; nothing where its kind is not looked at.
    pub(crate) fn begin(&self, request: &Request) -> Option<Work<'_>> {
        let kind = Kind::of(request)?;
        if kind == Kind::Defragmentation {
            self.defragmenting.inc();
        }
        Some(Work { metrics: self, kind, start: Instant::now(), is_answered: false })
    }
}

impl Work<'_> {
    /// It has ended so. If it never does, nobody waits for it any more.
    pub(crate) fn end<T>(self, result: &Result<T, Error>) {
        let metrics = self.metrics;
        let seconds = match self.kind {
            Kind::Read if matches!(result, Err(Error::TimedOut)) => return,
            Kind::Read => return self.end_read(),
            Kind::Promotion => return metrics.note_promotion(result.as_ref().err()),
            Kind::Defragmentation => &metrics.defragmentation,
            Kind::Hash => &metrics.hash,
            Kind::HashKv => &metrics.hash_kv,
        };
        if result.is_ok() {
            seconds.observe(self.start.elapsed().as_secs_f64());
        }
    }

    fn end_read(mut self) {
        self.metrics.slow_reads.inc_by(u64::from(self.start.elapsed() > SLOW_READ));
        self.is_answered = true;
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        match self.kind {
            Kind::Read if !self.is_answered => {
                self.metrics.slow_reads.inc();
                self.metrics.failed_reads.inc();
            }
            Kind::Defragmentation => self.metrics.defragmenting.dec(),
            Kind::Read | Kind::Hash | Kind::HashKv | Kind::Promotion => {}
        }
    }
}
