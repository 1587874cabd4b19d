//! Calmer weather, exact clocks, usual settings.
//!
//! A part of the weather is *calm* if nothing of it is thrown, *usual* if it is what a plan has that does not say, and
//! else *unusual*. Calm is best, because without luck what happens does not depend on what was taken away before.

use whitewater_api::Tuning;
use whitewater_record::{ClockProfile, DiskProfile, NetworkProfile, Plan};

type Change = Box<dyn Fn(&mut Plan) + Send>;

/// One setting, and what it could be instead.
struct Part {
    /// 0 for calm, 1 for usual, 2 for unusual.
    rank: usize,
    /// To calm, and to usual.
    changes: [Change; 2],
}

/// Settings that are neither calm nor usual.
pub(crate) fn unusual(plan: &Plan) -> usize {
    parts(plan).iter().filter(|part| part.rank == 2).count()
}

/// How much is left to luck, though it may be usual.
pub(crate) fn luck(plan: &Plan) -> usize {
    parts(plan).iter().map(|part| part.rank).sum::<usize>() + plan.cluster.clocks.len()
}

/// For each unusual setting, the plans without it.
pub(crate) fn each_usual(plan: &Plan) -> Vec<Vec<Plan>> {
    let parts = parts(plan);
    let unusual = parts.iter().filter(|part| part.rank == 2);
    unusual.map(|part| part.changes.iter().map(|change| changed(plan, change)).collect()).collect()
}

/// The plan with calmer settings: all of them, then by room, then one by one.
pub(crate) fn calmed(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    let rooms: [&[fn(&mut Plan)]; 5] = [
        &[network, disk, clocks, tuning, clients],
        &[network, disk, clocks],
        &[network],
        &[disk],
        &[tuning],
    ];
    for room in rooms {
        let mut less = plan.clone();
        room.iter().for_each(|change| change(&mut less));
        all.push(less);
    }
    for change in [usual_weather as fn(&mut Plan), clocks] {
        let mut less = plan.clone();
        change(&mut less);
        all.push(less);
    }
    for part in parts(plan) {
        all.extend(part.changes.iter().take(part.rank).map(|change| changed(plan, change)));
    }
    all
}

fn changed(plan: &Plan, change: &Change) -> Plan {
    let mut less = plan.clone();
    change(&mut less);
    trim_clocks(&mut less);
    less
}

fn network(plan: &mut Plan) {
    plan.network = NetworkProfile::calm();
}

fn disk(plan: &mut Plan) {
    plan.disk = DiskProfile::calm();
}

fn usual_weather(plan: &mut Plan) {
    (plan.network, plan.disk) = (NetworkProfile::default(), DiskProfile::default());
}

fn clocks(plan: &mut Plan) {
    plan.cluster.clocks.clear();
}

fn tuning(plan: &mut Plan) {
    plan.cluster.tuning = Tuning::default();
}

fn clients(plan: &mut Plan) {
    for client in &mut plan.clients {
        client.follows_hints = true;
    }
}

/// Clocks that are not listed are exact.
fn trim_clocks(plan: &mut Plan) {
    while plan.cluster.clocks.last() == Some(&ClockProfile::default()) {
        plan.cluster.clocks.pop();
    }
}

macro_rules! part {
    ($all:ident, $plan:ident, $calm:expr, $usual:expr, $($field:ident).+) => {
        let (now, calm, usual) = ($plan.$($field).+, $calm, $usual);
        $all.push(Part {
            rank: if now == calm { 0 } else { 1 + usize::from(now != usual) },
            changes: [
                Box::new(move |plan| plan.$($field).+ = calm),
                Box::new(move |plan| plan.$($field).+ = usual),
            ],
        });
    };
}

macro_rules! tuning_parts {
    ($all:ident, $plan:ident, $($field:ident)*) => {
        $(part!($all, $plan, Tuning::default().$field, Tuning::default().$field, cluster.tuning.$field);)*
        // A new field must be named here, or it is never shrunk.
        let Tuning { $($field: _),* } = &$plan.cluster.tuning;
    };
}

fn parts(plan: &Plan) -> Vec<Part> {
    let mut all: Vec<Part> = Vec::with_capacity(48);
    let (calm, usual) = (NetworkProfile::calm(), NetworkProfile::default());
    part!(all, plan, calm.latency, usual.latency, network.latency);
    part!(all, plan, calm.loss_ppm, usual.loss_ppm, network.loss_ppm);
    part!(all, plan, calm.duplicate_ppm, usual.duplicate_ppm, network.duplicate_ppm);
    part!(all, plan, calm.replay, usual.replay, network.replay);
    part!(all, plan, calm.reorder_ppm, usual.reorder_ppm, network.reorder_ppm);
    let (calm, usual) = (DiskProfile::calm(), DiskProfile::default());
    part!(all, plan, calm.write, usual.write, disk.write);
    part!(all, plan, calm.sync, usual.sync, disk.sync);
    part!(all, plan, calm.bytes_per_second, usual.bytes_per_second, disk.bytes_per_second);
    part!(all, plan, calm.keep_ppm, usual.keep_ppm, disk.keep_ppm);
    part!(all, plan, calm.torn_ppm, usual.torn_ppm, disk.torn_ppm);
    part!(all, plan, calm.directory_keep_ppm, usual.directory_keep_ppm, disk.directory_keep_ppm);
    for place in 0..plan.cluster.clocks.len() {
        let is_exact = plan.cluster.clocks[place] == ClockProfile::default();
        let exact = move |plan: &mut Plan| plan.cluster.clocks[place] = ClockProfile::default();
        let rank = if is_exact { 0 } else { 2 };
        all.push(Part { rank, changes: [Box::new(exact), Box::new(exact)] });
    }
    for (place, client) in plan.clients.iter().enumerate() {
        let moves = move |plan: &mut Plan| plan.clients[place].follows_hints = true;
        let rank = if client.follows_hints { 0 } else { 2 };
        all.push(Part { rank, changes: [Box::new(moves), Box::new(moves)] });
    }
    tuning_parts! {
        all, plan,
        tick_ms heartbeat_ticks election_ticks pre_vote check_quorum lease_reads drift_ppm_max message_bytes_max
        inflight_messages_max uncommitted_bytes_max pending_requests_max apply_gap_max apply_bytes_max
        request_bytes_max txn_ops_max segment_bytes snapshot_log_bytes catch_up_entries snapshot_part_bytes
        snapshot_parts_inflight_max
    }
    all
}
