//! What was asked of this member and carried out, and what its watches were told.

use super::Maker;
use prometheus::{IntCounter, IntGauge};
use std::sync::{Mutex, MutexGuard};
use whitewater_api::{
    Body, LeaseResponse, Response, WatchResponse,
    response::{TxnOpResponse, TxnResponse},
    watch::WatchBody,
};
use whitewater_replica::Tally;

/// By kind. What is written is counted by each member that carries it out, what is read by the one that answers.
pub(crate) struct AnswerMetrics {
    /// What was counted of the store's tally.
    counted: Mutex<Tally>,
    puts: IntCounter,
    put_bytes: IntGauge,
    ranges: IntCounter,
    /// The same, under the name that it had.
    ranges_too: IntCounter,
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
            counted: Mutex::default(),
            put_bytes: make.gauge(
                "etcd_debugging_mvcc_total_put_size_in_bytes",
                "Bytes of keys and values that were put.",
            ),
            ranges_too: make
                .counter("etcd_debugging_mvcc_range_total", "As etcd_mvcc_range_total."),
            puts: mvcc("put", "Puts, in transactions too."),
            ranges: mvcc("range", "Ranges, in transactions too."),
            deletes: mvcc("delete", "Deletes, in transactions too."),
            txns: mvcc("txn", "What did more than one thing at once."),
            events: make.counter("etcd_debugging_mvcc_events_total", "Events told to watches."),
            pending_events: make
                .gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait for streams."),
            granted: lease("granted", "Leases granted."),
            revoked: lease("revoked", "Leases revoked."),
            renewed: lease("renewed", "Leases kept alive."),
        }
    }

    /// Counts what the store has carried out since it was counted last.
    pub(super) fn count(&self, now: Tally) {
        let before = std::mem::replace(&mut *self.counted(), now);
        // One that was given a snapshot counts from zero.
        let more = |of: fn(&Tally) -> u64| of(&now).checked_sub(of(&before)).unwrap_or(of(&now));
        self.puts.inc_by(more(|tally| tally.puts));
        self.put_bytes.add(i64::try_from(more(|tally| tally.put_bytes)).unwrap_or(i64::MAX));
        self.add_ranges(more(|tally| tally.ranges));
        self.deletes.inc_by(more(|tally| tally.deletes));
        self.txns.inc_by(more(|tally| tally.txns));
        self.granted.inc_by(more(|tally| tally.granted));
        self.revoked.inc_by(more(|tally| tally.revoked));
    }

    fn counted(&self) -> MutexGuard<'_, Tally> {
        self.counted.lock().expect("nobody panics with it")
    }

    fn add_ranges(&self, more: u64) {
        self.ranges.inc_by(more);
        self.ranges_too.inc_by(more);
    }

    /// Counts what was read for an answer.
    pub(crate) fn note(&self, response: &Response) {
        match &response.body {
            Body::Range(_) => self.add_ranges(1),
            Body::Txn(txn) => {
                let [ranges, writes] = done(txn);
                self.add_ranges(ranges);
                // What writes several things was counted for that.
                self.txns.inc_by(u64::from(writes < 2 && ranges + writes > 1));
            }
            Body::Lease(LeaseResponse::KeepAlive { ttl, .. }) if *ttl > 0 => self.renewed.inc(),
            Body::Put(_)
            | Body::DeleteRange(_)
            | Body::Lease(_)
            | Body::Compact
            | Body::Member(_)
            | Body::MoveLeader
            | Body::Maintenance(_)
            | Body::Auth(_)
            | Body::Cluster(_) => {}
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

/// How much a transaction has read, and written.
fn done(txn: &TxnResponse) -> [u64; 2] {
    let of = |response: &TxnOpResponse| match response {
        TxnOpResponse::Range(_) => [1, 0],
        TxnOpResponse::Put(_) | TxnOpResponse::DeleteRange(_) => [0, 1],
        TxnOpResponse::Txn(txn) => done(txn),
    };
    txn.responses.iter().map(of).fold([0, 0], |all, one| [all[0] + one[0], all[1] + one[1]])
}

fn events(message: &WatchResponse) -> i64 {
    match &message.body {
        WatchBody::Events { events, .. } => i64::try_from(events.len()).unwrap_or(i64::MAX),
        WatchBody::Created | WatchBody::Progress | WatchBody::Canceled(_) => 0,
    }
}
