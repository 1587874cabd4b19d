//! What was asked of this member and carried out, and what its watches were told.

use super::Maker;
use prometheus::{IntCounter, IntGauge};
use whitewater_api::{
    Body, LeaseResponse, Response, WatchResponse,
    response::{TxnOpResponse, TxnResponse},
    watch::WatchBody,
};

/// By kind. Each is counted by the member that answers; at a real etcd by each member that carries it out.
pub(crate) struct AnswerMetrics {
    puts: IntCounter,
    ranges: IntCounter,
    deletes: IntCounter,
    txns: IntCounter,
    events: IntCounter,
    /// Events of messages that no connection has taken yet.
    pending_events: IntGauge,
    granted: IntCounter,
    revoked: IntCounter,
    renewed: IntCounter,
}

impl AnswerMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let mvcc = |what: &str, help: &str| make.counter(&format!("etcd_mvcc_{what}_total"), help);
        let lease = |what: &str, help: &str| {
            make.counter(&format!("etcd_debugging_lease_{what}_total"), help)
        };
        Self {
            puts: mvcc("put", "Puts, in transactions too."),
            ranges: mvcc("range", "Ranges, in transactions too."),
            deletes: mvcc("delete", "Deletes, in transactions too."),
            txns: mvcc("txn", "Transactions."),
            events: make.counter("etcd_debugging_mvcc_events_total", "Events told to watches."),
            pending_events: make
                .gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait for streams."),
            granted: lease("granted", "Leases granted."),
            revoked: lease("revoked", "Leases revoked."),
            renewed: lease("renewed", "Leases kept alive."),
        }
    }

    /// Counts an answer.
    pub(crate) fn note(&self, response: &Response) {
        match &response.body {
            Body::Put(_) => self.puts.inc(),
            Body::Range(_) => self.ranges.inc(),
            Body::DeleteRange(_) => self.deletes.inc(),
            Body::Txn(txn) => self.note_txn(txn),
            Body::Lease(LeaseResponse::Grant { .. }) => self.granted.inc(),
            Body::Lease(LeaseResponse::Revoke) => self.revoked.inc(),
            Body::Lease(LeaseResponse::KeepAlive { ttl, .. }) if *ttl > 0 => self.renewed.inc(),
            Body::Lease(_)
            | Body::Compact
            | Body::Member(_)
            | Body::MoveLeader
            | Body::Maintenance(_)
            | Body::Auth(_)
            | Body::Cluster(_) => {}
        }
    }

    fn note_txn(&self, txn: &TxnResponse) {
        self.txns.inc();
        for response in &txn.responses {
            match response {
                TxnOpResponse::Put(_) => self.puts.inc(),
                TxnOpResponse::Range(_) => self.ranges.inc(),
                TxnOpResponse::DeleteRange(_) => self.deletes.inc(),
                TxnOpResponse::Txn(txn) => self.note_txn(txn),
            }
        }
    }

    /// A message waits for the connection of its stream.
    pub(crate) fn note_waiting(&self, message: &WatchResponse) {
        self.pending_events.add(events(message));
    }

    /// Its connection has taken it.
    pub(crate) fn note_taken(&self, message: &WatchResponse) {
        self.pending_events.sub(events(message));
        self.events.inc_by(events(message).unsigned_abs());
    }

    /// Its stream has ended before that.
    pub(crate) fn note_dropped(&self, message: &WatchResponse) {
        self.pending_events.sub(events(message));
    }
}

fn events(message: &WatchResponse) -> i64 {
    match &message.body {
        WatchBody::Events { events, .. } => i64::try_from(events.len()).unwrap_or(i64::MAX),
        WatchBody::Created | WatchBody::Progress | WatchBody::Canceled(_) => 0,
    }
}
