//! Ranges of the things that hold for a whole run: network, disks, clocks and the replicas' settings.

use crate::{
    dist::{Numbers, OneOf, Spans},
    error::Complaint,
};
use serde::Deserialize;
use whitewater_api::Tuning;
use whitewater_record::{ClockProfile, DiskProfile, NetworkProfile, Seed, Span, Stream};

/// The network in fair weather. What is not said is as in [`NetworkProfile::default`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkRanges {
    /// No message takes less.
    pub min: Option<Spans>,
    /// Mean of what comes on top.
    pub mean: Option<Spans>,
    /// Chance, in a million, of a long tail.
    pub tail_ppm: Option<Numbers>,
    /// Mean of the tail.
    pub tail: Option<Spans>,
    /// Chance, in a million, of a loss.
    pub loss_ppm: Option<Numbers>,
    /// Chance, in a million, of a duplicate.
    pub duplicate_ppm: Option<Numbers>,
    /// How much later a duplicate may arrive.
    pub replay: Option<Spans>,
    /// Chance, in a million, of overtaking.
    pub reorder_ppm: Option<Numbers>,
}

/// The disks. What is not said is as in [`DiskProfile::default`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskRanges {
    /// Mean time of a write, on top of its minimum.
    pub write: Option<Spans>,
    /// Mean time of a sync, on top of its minimum.
    pub sync: Option<Spans>,
    /// Chance, in a million, that a sync has a long tail.
    pub tail_ppm: Option<Numbers>,
    /// Mean of that tail.
    pub tail: Option<Spans>,
    /// Bytes a second; 0 means no limit.
    pub bytes_per_second: Option<Numbers>,
    /// Chance, in a million, that an unsynced sector survives a power loss.
    pub keep_ppm: Option<Numbers>,
    /// Chance, in a million, that a surviving sector is torn.
    pub torn_ppm: Option<Numbers>,
    /// Chance, in a million, that an unsynced change of the directory survives.
    pub directory_keep_ppm: Option<Numbers>,
}

/// The clocks. What is not said is true time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockRanges {
    /// How far a wall clock is off at the start, either way.
    pub offset: Option<Spans>,
    /// How much too fast or too slow a node's clocks run, in parts per million. Held below a quarter of
    /// `drift_ppm_max`, so that two nodes never drift apart by more than the operator promised.
    pub drift_ppm: Option<Numbers>,
}

macro_rules! tuning_ranges {
    (numbers: $($number:ident),*; flags: $($flag:ident),*;) => {
        /// The replicas' settings, by the names of [`Tuning`]. What is not said is as in [`Tuning::default`].
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct TuningRanges {
            $(#[doc = concat!("See [`Tuning::", stringify!($number), "`].")] pub $number: Option<Numbers>,)*
            $(#[doc = concat!("See [`Tuning::", stringify!($flag), "`].")] pub $flag: Option<OneOf<bool>>,)*
        }

        impl TuningRanges {
            /// Each setting has a stream of its own, so that varying one more moves nothing else.
            fn draw_each(&self, seed: Seed) -> Tuning {
                let mut tuning = Tuning::default();
                $(if let Some(range) = &self.$number {
                    tuning.$number = range.0.wide(&mut seed.stream(concat!("plan/tuning/", stringify!($number)), 0));
                })*
                $(if let Some(range) = &self.$flag {
                    tuning.$flag = range.draw(&mut seed.stream(concat!("plan/tuning/", stringify!($flag)), 0));
                })*
                tuning
            }
        }
    };
}

tuning_ranges! {
    numbers: tick_ms, heartbeat_ticks, election_ticks, drift_ppm_max, message_bytes_max, inflight_messages_max,
        uncommitted_bytes_max, pending_requests_max, apply_gap_max, apply_bytes_max, request_bytes_max, txn_ops_max, read_rows,
        segment_bytes, snapshot_log_bytes, catch_up_entries, log_memory_bytes, snapshot_part_bytes, snapshot_parts_inflight_max,
        token_ttl_s, bcrypt_cost, lease_ttl_min_s, lease_checkpoint_ms, auto_compaction_period_ms, watch_progress_ms, watch_message_bytes_max, watch_streams_max, watches_max,
        quota_bytes, health_ms, learners_max, corruption_check_ms;
    flags: pre_vote, check_quorum, lease_reads, advance_at_start, signed_tokens, corruption_check_compactions;
}

impl TuningRanges {
    /// Draws the settings of a run.
    pub(crate) fn draw(&self, seed: Seed) -> Tuning {
        let mut tuning = self.draw_each(seed);
        if tuning.lease_reads {
            // A lease is worth nothing if others may elect while the leader still hears a quorum.
            tuning.check_quorum = true;
            tuning.pre_vote = true;
        }
        tuning
    }

    pub(crate) fn check(&self) -> Result<(), Complaint> {
        let at_least_one = [
            ("tick_ms", &self.tick_ms),
            ("heartbeat_ticks", &self.heartbeat_ticks),
            ("inflight_messages_max", &self.inflight_messages_max),
            ("pending_requests_max", &self.pending_requests_max),
            ("read_rows", &self.read_rows),
            ("snapshot_part_bytes", &self.snapshot_part_bytes),
            ("snapshot_parts_inflight_max", &self.snapshot_parts_inflight_max),
        ];
        for (field, range) in at_least_one {
            if range.as_ref().is_some_and(|range| range.0.low() == 0) {
                return Err(Complaint::new(
                    format!("tuning.{field}"),
                    "it may be 0, expected 1 or more",
                ));
            }
        }
        let default = Tuning::default();
        let heartbeat =
            self.heartbeat_ticks.as_ref().map_or(default.heartbeat_ticks, |range| range.0.high());
        let election =
            self.election_ticks.as_ref().map_or(default.election_ticks, |range| range.0.low());
        if election < heartbeat * 3 {
            let reason = format!(
                "it may be {election} while heartbeat_ticks may be {heartbeat}, expected at least three times that"
            );
            return Err(Complaint::new("tuning.election_ticks", reason));
        }
        Ok(())
    }
}

impl NetworkRanges {
    /// Draws the network of a run.
    pub(crate) fn draw(&self, seed: Seed) -> NetworkProfile {
        let mut stream = seed.stream("plan/network", 0);
        let mut network = NetworkProfile::default();
        let latency = &mut network.latency;
        set_span(&mut latency.min, self.min.as_ref(), &mut stream);
        set_span(&mut latency.mean, self.mean.as_ref(), &mut stream);
        set_ppm(&mut latency.tail_ppm, self.tail_ppm.as_ref(), &mut stream);
        set_span(&mut latency.tail, self.tail.as_ref(), &mut stream);
        set_ppm(&mut network.loss_ppm, self.loss_ppm.as_ref(), &mut stream);
        set_ppm(&mut network.duplicate_ppm, self.duplicate_ppm.as_ref(), &mut stream);
        set_span(&mut network.replay, self.replay.as_ref(), &mut stream);
        set_ppm(&mut network.reorder_ppm, self.reorder_ppm.as_ref(), &mut stream);
        network
    }
}

impl DiskRanges {
    /// Draws the disks of a run.
    pub(crate) fn draw(&self, seed: Seed) -> DiskProfile {
        let mut stream = seed.stream("plan/disk", 0);
        let mut disk = DiskProfile::default();
        set_span(&mut disk.write.mean, self.write.as_ref(), &mut stream);
        set_span(&mut disk.sync.mean, self.sync.as_ref(), &mut stream);
        set_ppm(&mut disk.sync.tail_ppm, self.tail_ppm.as_ref(), &mut stream);
        set_span(&mut disk.sync.tail, self.tail.as_ref(), &mut stream);
        if let Some(range) = &self.bytes_per_second {
            disk.bytes_per_second = range.0.wide(&mut stream);
        }
        set_ppm(&mut disk.keep_ppm, self.keep_ppm.as_ref(), &mut stream);
        set_ppm(&mut disk.torn_ppm, self.torn_ppm.as_ref(), &mut stream);
        set_ppm(&mut disk.directory_keep_ppm, self.directory_keep_ppm.as_ref(), &mut stream);
        disk
    }
}

impl ClockRanges {
    /// Draws the clocks of a run.
    pub(crate) fn draw(&self, seed: Seed, nodes: u64, drift_ppm_max: u64) -> Vec<ClockProfile> {
        if *self == Self::default() {
            return Vec::new();
        }
        let draw = |node| {
            let mut stream = seed.stream("plan/clock", node);
            let offset = self.offset.as_ref().map_or(0, |range| range.wide(&mut stream).0);
            let offset_ns = either_way(offset, &mut stream);
            let drift = self.drift_ppm.as_ref().map_or(0, |range| range.0.wide(&mut stream));
            ClockProfile { offset_ns, drift_ppm: drift_within(drift, drift_ppm_max, &mut stream) }
        };
        (1..=nodes).map(draw).collect()
    }
}

/// `size` or its negative.
pub(crate) fn either_way(size: u64, stream: &mut Stream) -> i64 {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if stream.chance(500_000) { -size } else { size }
}

/// A drift either way that leaves room: a node has one from its profile and at most one from a fault, and the bound is
/// between two nodes, so each may take a quarter of it.
pub(crate) fn drift_within(ppm: u64, drift_ppm_max: u64, stream: &mut Stream) -> i32 {
    let ppm = either_way(ppm.min(drift_ppm_max / 4).min(250_000), stream);
    i32::try_from(ppm).expect("a quarter of a million fits 31 bits")
}

fn set_span(field: &mut Span, range: Option<&Spans>, stream: &mut Stream) {
    if let Some(range) = range {
        *field = range.wide(stream);
    }
}

fn set_ppm(field: &mut u32, range: Option<&Numbers>, stream: &mut Stream) {
    if let Some(range) = range {
        *field = range.ppm(stream);
    }
}
