//! Calmer weather, exact clocks, usual settings.
//!
//! A part of the weather is *calm* if nothing of it is thrown, *usual* if it is what a plan has that does not say, and
//! else *unusual*. Calm is best, because without luck what happens does not depend on what was taken away before.

use crate::items::Removal;
use whitewater_api::Tuning;
use whitewater_record::{ClockProfile, DiskProfile, NetworkProfile, Plan, Span};

type Change = Box<dyn Fn(&mut Plan)>;

/// A field of the replicas' settings.
type Bound = fn(&mut Tuning) -> &mut u64;

/// So likely that it always happens, in a million.
const CERTAIN: u32 = 1_000_000;

/// One setting, and what it could be instead.
struct Part {
    /// Its name in the plan.
    name: String,
    /// 0 for calm, 1 for usual, 2 for unusual.
    rank: usize,
    /// What it could be instead, the best first: calm, certain where it is a chance of the disk's luck, usual.
    changes: Vec<Change>,
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
pub(crate) fn each_usual(plan: &Plan) -> Vec<Removal> {
    let unusual = parts(plan).into_iter().filter(|part| part.rank == 2);
    let removal = |part: Part| Removal {
        item: format!("setting {}", part.name),
        plans: part.changes.iter().map(|change| changed(plan, change)).collect(),
    };
    unusual.map(removal).collect()
}

/// The plan with many settings calmer at once: all of them, then by room.
pub(crate) fn calmed(plan: &Plan) -> Vec<Plan> {
    let rooms: [&[fn(&mut Plan)]; 11] = [
        &[network, disk, clocks, tuning, clients],
        &[network, torn_disk, clocks, tuning, clients],
        &[network, disk, clocks],
        &[network, torn_disk, clocks],
        &[network],
        &[disk],
        &[kept_disk],
        &[torn_disk],
        &[tuning],
        &[clocks],
        &[usual_weather],
    ];
    let furnished = rooms.into_iter().map(|room| {
        let mut less = plan.clone();
        for change in room {
            change(&mut less);
        }
        less
    });
    furnished.collect()
}

/// The plan with one setting calmer.
pub(crate) fn calmed_each(plan: &Plan) -> Vec<Plan> {
    let each = parts(plan).into_iter().flat_map(|part| {
        let rank = part.rank;
        part.changes.into_iter().take(if rank == 0 { 0 } else { 3 })
    });
    each.map(|change| changed(plan, &change)).collect()
}

/// The plan with a bound of the log lowered and some operations fewer: where the log must grow to a size before it fails,
/// a lower bound takes less to get there.
pub(crate) fn tighter(plan: &Plan, fewer: &[Plan]) -> Vec<Plan> {
    let bounds: [(u64, Bound); 5] = [
        (512, |tuning| &mut tuning.segment_bytes),
        (128, |tuning| &mut tuning.snapshot_log_bytes),
        (1, |tuning| &mut tuning.catch_up_entries),
        (128, |tuning| &mut tuning.log_memory_bytes),
        (64, |tuning| &mut tuning.snapshot_part_bytes),
    ];
    let mut all = Vec::new();
    for (least, bound) in bounds {
        let now = *bound(&mut plan.cluster.tuning.clone());
        // A bound that is as usual is out of reach, and lowering it would add a setting.
        if now == *bound(&mut Tuning::default()) {
            continue;
        }
        for to in [least, now / 8, now / 2, now / 4 * 3].into_iter().filter(|to| *to >= least) {
            all.extend(fewer.iter().cloned().map(|mut less| {
                *bound(&mut less.cluster.tuning) = to;
                less
            }));
        }
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

/// Without luck, but all that was not synced is kept.
fn kept_disk(plan: &mut Plan) {
    disk(plan);
    (plan.disk.keep_ppm, plan.disk.directory_keep_ppm) = (CERTAIN, CERTAIN);
}

/// All that was not synced is kept, and torn.
fn torn_disk(plan: &mut Plan) {
    kept_disk(plan);
    plan.disk.torn_ppm = CERTAIN;
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
            name: stringify!($($field).+).replace(' ', ""),
            rank: if now == calm { 0 } else { 1 + usize::from(now != usual) },
            changes: vec![
                Box::new(move |plan: &mut Plan| plan.$($field).+ = calm),
                Box::new(move |plan: &mut Plan| plan.$($field).+ = usual),
            ],
        });
    };
}

macro_rules! chance {
    ($all:ident, $plan:ident, $usual:expr, $field:ident) => {
        let (now, usual) = ($plan.disk.$field, $usual);
        $all.push(Part {
            name: concat!("disk.", stringify!($field)).to_owned(),
            rank: if now == 0 { 0 } else { 1 + usize::from(now != usual && now != CERTAIN) },
            changes: vec![
                Box::new(|plan: &mut Plan| plan.disk.$field = 0),
                Box::new(|plan: &mut Plan| plan.disk.$field = CERTAIN),
                Box::new(move |plan: &mut Plan| plan.disk.$field = usual),
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
    if plan.cluster.backup.is_some() {
        let empty = |plan: &mut Plan| plan.cluster.backup = None;
        let name = "cluster.backup".to_owned();
        all.push(Part { name, rank: 2, changes: vec![Box::new(empty)] });
    }
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
    chance!(all, plan, usual.keep_ppm, keep_ppm);
    chance!(all, plan, usual.torn_ppm, torn_ppm);
    chance!(all, plan, usual.directory_keep_ppm, directory_keep_ppm);
    for place in 0..plan.cluster.clocks.len() {
        let is_exact = plan.cluster.clocks[place] == ClockProfile::default();
        let exact = move |plan: &mut Plan| plan.cluster.clocks[place] = ClockProfile::default();
        let rank = if is_exact { 0 } else { 2 };
        let name = format!("cluster.clocks[{place}]");
        all.push(Part { name, rank, changes: vec![Box::new(exact)] });
    }
    for (place, client) in plan.clients.iter().enumerate() {
        let moves = move |plan: &mut Plan| plan.clients[place].follows_hints = true;
        let rank = if client.follows_hints { 0 } else { 2 };
        let name = format!("client[{place}].follows_hints");
        all.push(Part { name, rank, changes: vec![Box::new(moves)] });
    }
    if plan.cluster.gather.0 > 0 {
        let at_once = |plan: &mut Plan| plan.cluster.gather = Span(0);
        let name = "cluster.gather".to_owned();
        all.push(Part { name, rank: 2, changes: vec![Box::new(at_once)] });
    }
    if plan.fork.is_some() {
        let whole = |plan: &mut Plan| plan.fork = None;
        all.push(Part { name: "fork".to_owned(), rank: 2, changes: vec![Box::new(whole)] });
    }
    tuning_parts! {
        all, plan,
        tick_ms heartbeat_ticks election_ticks pre_vote check_quorum lease_reads drift_ppm_max message_bytes_max
        inflight_messages_max uncommitted_bytes_max pending_requests_max apply_gap_max apply_bytes_max
        request_bytes_max txn_ops_max read_rows segment_bytes snapshot_log_bytes catch_up_entries log_memory_bytes snapshot_part_bytes
        snapshot_parts_inflight_max signed_tokens token_ttl_s bcrypt_cost lease_ttl_min_s lease_checkpoint_ms watch_progress_ms watch_message_bytes_max
        watch_streams_max watches_max quota_bytes corruption_check_ms corruption_check_compactions
        corruption_check_at_start auto_compaction_period_ms auto_compaction_revisions alone_at_once advance_at_start strict_reconfig_check health_ms
        learners_max
    }
    all
}
