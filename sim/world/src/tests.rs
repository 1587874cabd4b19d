//! Whole simulations of small plans.

use crate::{Options, Run, play};
use whitewater_api::{
    MemberChange, NodeId, Process, Revision, Tuning, WatchId, WatchResponse, release::Release,
    watch::WatchBody,
};
use whitewater_record::{
    ClientPlan, ClusterPlan, CrashPoint, Damage, DiskProfile, Fault, Fork, NetworkProfile, Plan,
    PlannedFault, PlannedOperation, Row, RowKind, Seed, Shape, SimTime, Span, Step, Trace, Verdict,
    Victim, WatchMessage, WatchRow, WatcherPlan,
    plan::PLAN_VERSION,
    trace::{MESSAGES, ROLES},
};
use whitewater_replica::{MessageKind, Role};

/// Three nodes, three clients and so many operations in as many seconds.
fn plan(seed: u64, seconds: u64, operations: u64) -> Plan {
    let clients = (0..3).map(|client| ClientPlan {
        home: NodeId(client + 1),
        follows_hints: true,
        operations: (0..operations / 3)
            .map(|n| operation(client, n, seconds * 3000 / operations))
            .collect(),
    });
    Plan {
        version: PLAN_VERSION,
        scenario: "test".into(),
        seed: Seed(seed),
        duration: Span::seconds(seconds),
        mutations: Vec::new(),
        cluster: ClusterPlan {
            gather: Span(0),
            backup: None,
            release: Release::Compatible,
            nodes: 3,
            clocks: Vec::new(),
            tuning: Tuning { segment_bytes: 64 << 10, ..Tuning::default() },
        },
        network: NetworkProfile::default(),
        disk: DiskProfile::default(),
        timeout: Span::seconds(2),
        fork: None,
        faults: Vec::new(),
        clients: clients.collect(),
        watchers: Vec::new(),
    }
}

fn operation(client: u64, n: u64, pace_ms: u64) -> PlannedOperation {
    let key = (client * 7 + n * 3) % 5;
    let step = match n % 8 {
        0 | 1 => format!("put k{key} c{client}n{n}"),
        2 | 3 => format!("get k{key}"),
        4 => format!("swap k{key} c{client}n{n}"),
        5 if n % 16 == 5 => "list k 0".into(),
        5 => "compact 20".into(),
        6 => format!("create k{key} c{client}n{n}"),
        _ => format!("delete k{key}"),
    };
    format!("+{}ms {step}", pace_ms * 9 / 10).parse().unwrap()
}

fn fault(at_ms: u64, lasts_ms: u64, fault: Fault) -> PlannedFault {
    PlannedFault { at: SimTime(at_ms * 1_000_000), lasts: Span::millis(lasts_ms), fault }
}

fn run(plan: &Plan) -> Run {
    plan.check().unwrap();
    let run = play(plan, &Options::default());
    assert_eq!(run.outcome.violations, [], "{:#?}", run.outcome);
    assert_eq!(run.outcome.verdict, Verdict::Passed);
    run
}

fn witnessed(run: &Run, kind: &str) -> u64 {
    run.outcome.faults.get(kind).map_or(0, |count| count.witnessed)
}

#[test]
fn sim_a_quiet_run_completes_all_operations() {
    let run = run(&plan(1, 10, 300));
    let [ok, failed, unknown] = run.outcome.operations;
    assert_eq!(unknown, 0, "{:#?}", run.outcome);
    assert!(ok >= 250 && failed <= 100, "{:#?}", run.outcome);
}

#[test]
fn sim_same_plan_same_bytes() {
    let mut plan = plan(2, 10, 300);
    plan.network.loss_ppm = 20_000;
    plan.network.duplicate_ppm = 20_000;
    plan.network.reorder_ppm = 20_000;
    plan.faults.push(fault(2_000, 1_000, Fault::Crash { victim: Victim::Leader, power: true }));
    let options = Options { keep_trace: true, until: None };
    let (a, b) = (play(&plan, &options), play(&plan, &options));
    assert_eq!(a.trace.rows(), b.trace.rows());
    assert_eq!(a.trace.hash(), b.trace.hash());
    assert_eq!(a.history, b.history);
    assert_eq!(a.outcome, b.outcome);
    let hashed = play(&plan, &Options::default());
    assert_eq!(hashed.outcome.trace_hash, a.outcome.trace_hash);
}

#[test]
fn sim_a_partitioned_leader_is_replaced() {
    let mut plan = plan(3, 10, 300);
    let shape = Shape::Isolate(Victim::Leader);
    let cut = Fault::Partition { shape, one_way: false, clients: false, flap: Span(0) };
    plan.faults.push(fault(3_000, 4_000, cut));
    let run = run(&plan);
    assert_eq!(witnessed(&run, "partition"), 1);
    assert!(run.outcome.sometimes["leader changed"] > 0);
}

#[test]
fn sim_crashed_nodes_come_back() {
    let mut plan = plan(4, 12, 300);
    plan.faults.push(fault(2_000, 500, Fault::Crash { victim: Victim::Leader, power: false }));
    plan.faults.push(fault(6_000, 500, Fault::Crash { victim: Victim::Follower(0), power: true }));
    let run = run(&plan);
    assert_eq!(witnessed(&run, "crash"), 2);
}

#[test]
fn sim_a_loss_of_all_power_loses_nothing() {
    let mut plan = plan(5, 12, 600);
    plan.faults.push(fault(3_000, 1_000, Fault::PowerLoss));
    plan.faults.push(fault(7_000, 1_000, Fault::PowerLoss));
    let run = run(&plan);
    assert_eq!(witnessed(&run, "power_loss"), 2);
}

#[test]
fn sim_a_snapshot_reaches_a_node_that_was_away() {
    let mut plan = plan(6, 20, 1500);
    plan.cluster.tuning.snapshot_log_bytes = 4 << 10;
    plan.cluster.tuning.catch_up_entries = 10;
    plan.faults.push(fault(
        3_000,
        9_000,
        Fault::Crash { victim: Victim::Follower(0), power: true },
    ));
    let run = run(&plan);
    assert!(run.outcome.sometimes.contains_key("snapshot installed"), "{:#?}", run.outcome);
}

#[test]
fn sim_a_member_is_replaced() {
    let mut plan = plan(7, 15, 300);
    let replace = Fault::ReplaceMember { victim: Victim::Node(NodeId(2)), new: NodeId(4) };
    plan.faults.push(fault(3_000, 5_000, replace));
    plan.faults.push(fault(
        9_000,
        5_000,
        Fault::Member { change: MemberChange::AddLearner(NodeId(5)) },
    ));
    let run = run(&plan);
    assert_eq!(witnessed(&run, "replace_member"), 1, "{:#?}", run.outcome);
    assert_eq!(witnessed(&run, "member"), 1, "{:#?}", run.outcome);
}

#[test]
fn sim_a_wiped_member_stays_away_and_is_replaced() {
    let mut plan = plan(12, 20, 300);
    let victim = Victim::Node(NodeId(3));
    plan.faults.push(fault(3_000, 500, Fault::WipeDisk { victim }));
    plan.faults.push(fault(7_000, 8_000, Fault::ReplaceMember { victim, new: NodeId(4) }));
    let clean = run(&plan);
    assert_eq!(clean.outcome.sometimes["wiped member retired"], 1);
    assert_eq!(witnessed(&clean, "replace_member"), 1);
    plan.mutations.push("wiped-member-votes".into());
    let mutant = play(&plan, &Options::default());
    assert_eq!(mutant.outcome.violations[0].code, "boot-promise", "{:#?}", mutant.outcome);
}

/// A wiped member never vouches for one that nobody has heard of, and a majority needs both: that is one too many.
#[test]
fn sim_no_disk_is_wiped_while_another_is_unknown() {
    let mut plan = plan(12, 20, 300);
    plan.faults.push(fault(0, 6_000, Fault::Clog { victim: Victim::Node(NodeId(3)) }));
    let wipe = Fault::WipeDisk { victim: Victim::Node(NodeId(2)) };
    plan.faults.push(fault(5_000, 500, wipe.clone()));
    let too_early = run(&plan).outcome.faults["wipe_disk"];
    assert_eq!((too_early.requested, too_early.applied), (1, 0));
    plan.faults[1] = fault(8_000, 500, wipe);
    let in_time = run(&plan).outcome.faults["wipe_disk"];
    assert_eq!((in_time.applied, in_time.witnessed), (1, 1));
}

#[test]
fn sim_a_run_can_be_cut_short_and_begins_the_same() {
    let plan = plan(13, 10, 300);
    let whole = play(&plan, &Options { keep_trace: true, until: None });
    let cut = play(&plan, &Options { keep_trace: true, until: Some(SimTime(4_000_000_000)) });
    let rows = cut.trace.rows();
    // The last row is the end.
    assert_eq!(rows[..rows.len() - 1], whole.trace.rows()[..rows.len() - 1]);
    assert_eq!(cut.outcome.simulated, Span::seconds(4));
}

#[test]
fn sim_a_leader_that_never_leaves_is_not_alive() {
    let mut plan = plan(14, 20, 60);
    plan.mutations.push("removed-leader-keeps-leading".into());
    let replace = Fault::ReplaceMember { victim: Victim::Leader, new: NodeId(4) };
    plan.faults.push(fault(3_000, 8_000, replace));
    let run = play(&plan, &Options::default());
    assert_eq!(run.outcome.violations[0].code, "liveness", "{:#?}", run.outcome);
    let sentence = &run.outcome.violations[0].sentence;
    assert!(sentence.starts_with("not recovered by"), "{sentence}");
}

#[test]
fn sim_a_pause_delays_and_drops_nothing() {
    let mut plan = plan(8, 12, 300);
    plan.faults.push(fault(2_000, 3_000, Fault::Pause { victim: Victim::Leader }));
    let run = run(&plan);
    assert_eq!(witnessed(&run, "pause"), 1);
}

#[test]
fn sim_every_crash_point_is_reached() {
    for point in [CrashPoint::InsideWrite, CrashPoint::BeforePersisted, CrashPoint::BeforeSend] {
        let mut plan = plan(9, 10, 300);
        plan.faults.push(fault(2_000, 2_000, Fault::CrashAt { victim: Victim::Leader, point }));
        let run = run(&plan);
        assert_eq!(witnessed(&run, "crash_at"), 1, "{point:?}");
    }
}

#[test]
fn sim_disk_faults_are_survived() {
    let mut plan = plan(10, 30, 600);
    let victim = Victim::Leader;
    plan.faults.push(fault(2_000, 1_500, Fault::FailDisk { victim, sync: true }));
    plan.faults.push(fault(6_000, 1_500, Fault::FailDisk { victim, sync: false }));
    plan.faults.push(fault(10_000, 4_000, Fault::StallDisk { victim }));
    plan.faults.push(fault(16_000, 3_000, Fault::SlowDisk { victim, delay: Span::millis(50) }));
    plan.faults.push(fault(21_000, 3_000, Fault::FullDisk { victim }));
    let run = run(&plan);
    assert_eq!(witnessed(&run, "fail_disk"), 2, "{:#?}", run.outcome);
    assert_eq!(witnessed(&run, "stall_disk"), 1, "{:#?}", run.outcome);
    assert_eq!(witnessed(&run, "slow_disk"), 1, "{:#?}", run.outcome);
}

#[test]
fn sim_the_promise_ledger_finds_early_replies() {
    let mut plan = plan(11, 10, 300);
    plan.mutations.push("reply-before-persist".into());
    let run = play(&plan, &Options::default());
    assert_eq!(run.outcome.violations[0].code, "promise", "{:#?}", run.outcome);
}

#[test]
fn the_words_of_a_trace_are_those_of_the_replicas() {
    let kinds: Vec<&str> = MessageKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(kinds, MESSAGES);
    let codes: Vec<&str> = crate::tally::Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(codes, whitewater_record::trace::INVARIANTS);
    let roles = [Role::Follower, Role::PreCandidate, Role::Candidate, Role::Leader];
    for (place, role) in roles.into_iter().enumerate() {
        assert_eq!(role as usize, place);
        assert_eq!(format!("{role:?}").to_lowercase(), ROLES[place].replace('-', ""));
    }
}

#[test]
fn sim_every_event_knows_its_cause_and_a_packed_trace_is_the_same() {
    let mut plan = plan(11, 10, 300);
    plan.network.loss_ppm = 20_000;
    plan.faults.push(fault(3_000, 1_000, Fault::Crash { victim: Victim::Leader, power: true }));
    let played = play(&plan, &Options { keep_trace: true, ..Options::default() });
    let rows = played.trace.rows();
    for (event, row) in (0..).zip(rows) {
        let cause = row.cause.map(|cause| {
            assert!(cause < event, "event {event} comes of a later one, {cause}");
            &rows[usize::try_from(cause).unwrap()]
        });
        let same = |name: &str| cause.is_some_and(|cause| cause.get(name) == row.get(name));
        let begins = |kind: RowKind| cause.is_some_and(|cause| cause.kind == kind);
        for (kind, begun_by, number) in [
            (RowKind::Deliver, RowKind::Send, "message"),
            (RowKind::DiskDone, RowKind::Submit, "write"),
            (RowKind::Receive, RowKind::Invoke, "sequence"),
        ] {
            assert!(row.kind != kind || begins(begun_by) && same(number), "event {event}: {row:?}");
        }
        let follows =
            matches!(row.kind, RowKind::Apply | RowKind::Commit | RowKind::Vote | RowKind::Append);
        assert!(!follows || cause.is_some(), "event {event}, {:?}, comes of nothing", row.kind);
    }
    let kinds: std::collections::BTreeSet<RowKind> = rows.iter().map(|row| row.kind).collect();
    assert!(kinds.len() >= 18, "{kinds:?}");

    let mut packed = Vec::new();
    played.trace.pack(&mut packed).unwrap();
    assert_eq!(Trace::unpack("packed", &packed).unwrap().rows(), rows);
    assert!(packed.len() < rows.len() * 12, "{} bytes for {} events", packed.len(), rows.len());
}

/// A watcher of everything at each node, one of them slow and one on the move.
fn watched(seed: u64) -> Plan {
    let mut plan = plan(seed, 10, 600);
    let watch = |line: &str| line.parse().unwrap();
    plan.watchers = (1..=3)
        .map(|node| WatcherPlan {
            home: NodeId(node),
            watches: vec![watch("k prev progress"), watch("k1 no-put fragment"), watch("* from=2")],
            starts: Span::millis(100 * node),
            window: 4 * node,
            pace: if node == 2 { Span::millis(40) } else { Span(0) },
            asks: if node == 1 { Span::millis(500) } else { Span(0) },
            moves: if node == 3 { Span::millis(1500) } else { Span(0) },
            cancels: if node == 2 { Span::millis(600) } else { Span(0) },
            require_leader: node == 3,
            lists: None,
            user: None,
        })
        .collect();
    plan.cluster.tuning.watch_progress_ms = 300;
    plan
}

/// The events of one watch in the order in which its watcher took them, streams after one another.
fn told(run: &Run, process: Process, watch: WatchId) -> Vec<Revision> {
    let rows = run.history.watches.iter().filter(|row| row.process == process);
    let events = rows.filter_map(|row| match &row.message {
        WatchMessage::Received(WatchResponse { watch: id, body, .. }) if *id == watch => match body
        {
            WatchBody::Events { events, .. } => Some(events.clone()),
            WatchBody::Created | WatchBody::Progress | WatchBody::Canceled(_) => None,
        },
        WatchMessage::Received(_)
        | WatchMessage::Sent(_)
        | WatchMessage::Broken
        | WatchMessage::As(_) => None,
    });
    events.flatten().map(|event| event.kv.mod_revision).collect()
}

fn watchers(run: &Run) -> Vec<Process> {
    let rows = run.history.watches.iter().map(|row| row.process);
    rows.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[test]
fn watchers_hear_of_everything_in_order() {
    let mut plan = watched(1);
    // A compaction would cancel the watches of whoever is behind.
    for client in &mut plan.clients {
        client.operations.retain(|operation| !matches!(operation.step, Step::Compact(_)));
    }
    let run = run(&plan);
    let [first, slow, moving] = watchers(&run)[..] else { panic!("three watchers") };
    let all = told(&run, first, WatchId(3));
    assert!(all.len() > 100, "{} events", all.len());
    assert!(all.is_sorted(), "out of order");
    assert_eq!(all, told(&run, slow, WatchId(3)), "the slow one hears the same");
    assert_eq!(all, told(&run, moving, WatchId(3)), "and so does the one on the move");
    let broken = |row: &&WatchRow| row.message == WatchMessage::Broken;
    assert!(run.history.watches.iter().filter(broken).count() >= 5, "nobody moved");
    assert!(run.outcome.sometimes["watch canceled and opened anew"] >= 3, "nobody canceled");
}

#[test]
fn watchers_survive_faults_and_play_again() {
    let mut plan = watched(2);
    plan.network.loss_ppm = 10_000;
    let shape = Shape::Isolate(Victim::Leader);
    plan.faults = vec![
        fault(2_000, 1_500, Fault::Crash { victim: Victim::Follower(0), power: false }),
        fault(4_000, 2_000, Fault::Pause { victim: Victim::Leader }),
        fault(
            7_000,
            2_000,
            Fault::Partition { shape, one_way: false, clients: true, flap: Span(0) },
        ),
    ];
    let first = run(&plan);
    assert_eq!(first.outcome.trace_hash, run(&plan).outcome.trace_hash);
    for process in watchers(&first) {
        let all = told(&first, process, WatchId(3));
        assert!(all.is_sorted() && all.len() > 50, "{process}: {} events", all.len());
    }
}

#[test]
fn sim_a_suspended_leader_is_replaced_and_comes_back() {
    let mut plan = plan(31, 12, 300);
    plan.cluster.tuning.lease_reads = true;
    plan.faults.push(fault(3_000, 3_000, Fault::Suspend { victim: Victim::Leader }));
    // The one that sleeps loses power, too: it starts when it is awake.
    plan.faults.push(fault(7_000, 2_000, Fault::Suspend { victim: Victim::Node(NodeId(1)) }));
    let crash = Fault::Crash { victim: Victim::Node(NodeId(1)), power: true };
    plan.faults.push(fault(8_000, 200, crash));
    let run = run(&plan);
    assert!(witnessed(&run, "suspend") >= 1, "{:#?}", run.outcome.faults);
    assert!(run.outcome.sometimes["leader changed"] > 0);
}

#[test]
fn sim_a_zone_comes_back_with_all_that_was_acknowledged() {
    let mut plan = plan(32, 12, 300);
    for (at, power) in [(3_000, true), (6_000, false)] {
        let nodes = vec![NodeId(1), NodeId(2)];
        plan.faults.push(fault(at, 500, Fault::ZoneLoss { nodes, power }));
    }
    assert_eq!(witnessed(&run(&plan), "zone_loss"), 2);
}

#[test]
fn sim_what_is_due_at_once_comes_in_any_order_and_still_the_same_each_time() {
    let mut plan = plan(33, 10, 300);
    plan.faults.push(fault(1_000, 8_000, Fault::Shuffle { grain: Span::millis(5) }));
    let shuffled = run(&plan);
    assert_eq!(witnessed(&shuffled, "shuffle"), 1);
    assert_eq!(shuffled.outcome, run(&plan).outcome);
    plan.seed = Seed(34);
    assert_ne!(shuffled.outcome.trace_hash, run(&plan).outcome.trace_hash);
}

#[test]
fn sim_wall_clocks_and_late_timers_change_no_promise() {
    let mut plan = plan(35, 12, 300);
    let victim = Victim::Leader;
    plan.faults.push(fault(2_000, 3_000, Fault::SlewClock { victim, ppm: -400_000 }));
    plan.faults.push(fault(4_000, 3_000, Fault::LeapSecond));
    let late = Fault::JitterClock { victim: Victim::Node(NodeId(2)), by: Span::millis(300) };
    plan.faults.push(fault(5_000, 5_000, late));
    let run = run(&plan);
    for kind in ["slew_clock", "leap_second", "jitter_clock"] {
        assert_eq!(witnessed(&run, kind), 1, "{kind}");
    }
}

#[test]
fn sim_requests_that_come_together_are_handed_over_together() {
    let together = |gather: Span| {
        let mut plan = plan(38, 10, 600);
        plan.cluster.gather = gather;
        let outcome = run(&plan).outcome;
        outcome.sometimes.get("several requests handed over together").copied().unwrap_or(0)
    };
    assert_eq!(together(Span(0)), 0);
    assert!(together(Span::millis(30)) > 10);
}

#[test]
fn sim_a_crash_takes_what_its_host_has_not_handed_over() {
    let mut plan = plan(39, 10, 600);
    plan.cluster.gather = Span::millis(200);
    for at_ms in [2_000, 4_000, 6_000] {
        plan.faults.push(fault(at_ms, 500, Fault::Crash { victim: Victim::Leader, power: false }));
        plan.faults.push(fault(at_ms + 1_000, 300, Fault::Pause { victim: Victim::Leader }));
    }
    let [ok, _, unknown] = run(&plan).outcome.operations;
    assert!(ok > 20 && unknown > 0, "{ok} done, {unknown} lost");
}

#[test]
fn sim_a_narrow_link_delays_and_drops() {
    let mut plan = plan(36, 12, 300);
    let victim = Victim::Leader;
    let narrow = Fault::Throttle { victim, bytes_per_second: 2_000, queue_bytes: 1_000 };
    plan.faults.push(fault(2_000, 4_000, narrow));
    assert_eq!(witnessed(&run(&plan), "throttle"), 1);
}

#[test]
fn sim_a_message_whose_bits_flip_is_refused_and_never_applied() {
    let mut plan = plan(37, 12, 300);
    let flips = Fault::FlipBits { victim: Victim::Leader, ppm: 200_000 };
    plan.faults.push(fault(2_000, 6_000, flips));
    let run = run(&plan);
    assert_eq!(witnessed(&run, "flip_bits"), 1);
    assert!(run.outcome.sometimes["changed message refused"] > 100);
}

#[test]
fn sim_a_process_without_memory_refuses_and_goes_on_afterwards() {
    let mut plan = plan(38, 12, 300);
    for node in 1..=3 {
        let victim = Victim::Node(NodeId(node));
        plan.faults.push(fault(2_000, 3_000, Fault::LowMemory { victim }));
        plan.faults.push(fault(3_000, 300, Fault::Crash { victim, power: false }));
    }
    let run = run(&plan);
    assert_eq!(witnessed(&run, "low_memory"), 3);
    assert!(run.outcome.sometimes["refused for want of memory"] > 0);
    assert!(run.outcome.operations[0] > 0, "{:?}", run.outcome.operations);
}

#[test]
fn sim_a_client_that_dies_or_loses_its_connection_leaves_an_unknown_outcome() {
    let calm = run(&plan(37, 10, 600)).outcome.operations;
    let mut plan = plan(37, 10, 600);
    for n in 0..40 {
        let what = if n % 2 == 0 {
            Fault::CrashClient { client: n }
        } else {
            Fault::ResetConnections { victim: Victim::Leader }
        };
        plan.faults.push(fault(1_000 + n * 200, 50, what));
    }
    let run = run(&plan);
    let lost = witnessed(&run, "crash_client") + witnessed(&run, "reset_connections");
    assert!(lost > 0, "{:#?}", run.outcome.faults);
    assert!(run.outcome.operations[2] >= calm[2] + lost, "{:?}", run.outcome.operations);
}

#[test]
fn sim_a_damaged_disk_is_found_and_its_member_repaired() {
    for how in
        [Damage::Rot, Damage::Phantom, Damage::Misdirected, Damage::Misread, Damage::Unreadable]
    {
        let mut plan = plan(41, 14, 600);
        let victim = Victim::Node(NodeId(2));
        plan.faults.push(fault(5_000, 500, Fault::DamageDisk { victim, how }));
        let run = run(&plan);
        assert_eq!(witnessed(&run, "damage_disk"), 1, "{how:?}: {:#?}", run.outcome.faults);
        assert_eq!(run.outcome.sometimes["damage found"], 1, "{how:?}");
    }
}

#[test]
fn sim_syncs_may_lie_as_long_as_the_power_stays() {
    let mut plan = plan(43, 10, 300);
    let victim = Victim::Node(NodeId(1));
    plan.faults.push(fault(2_000, 6_000, Fault::LieSync { victim }));
    plan.faults.push(fault(4_000, 200, Fault::Crash { victim, power: false }));
    assert_eq!(witnessed(&run(&plan), "lie_sync"), 1);
    plan.faults.push(fault(6_000, 200, Fault::Crash { victim, power: true }));
    let betrayed = play(&plan, &Options::default()).outcome;
    assert_eq!((betrayed.verdict, betrayed.violations), (Verdict::Inconclusive, Vec::new()));
    assert!(betrayed.doubts[0].starts_with("the disk of n1 lied about its syncs"));
}

#[test]
fn sim_short_writes_take_longer_and_change_nothing() {
    let mut plan = plan(44, 8, 200);
    plan.faults.push(fault(2_000, 5_000, Fault::ShortDisk { victim: Victim::Leader }));
    assert_eq!(witnessed(&run(&plan), "short_disk"), 1);
}

#[test]
fn a_fork_has_the_same_past_and_another_future() {
    let at = SimTime(2_000_000_000);
    let forked = |salt| {
        let plan = Plan { fork: Some(Fork { at, salt }), ..plan(7, 5, 300) };
        play(&plan, &Options { keep_trace: true, ..Options::default() }).trace
    };
    let whole = play(&plan(7, 5, 300), &Options { keep_trace: true, ..Options::default() }).trace;
    let past = |trace: &Trace| {
        let rows = trace.rows().iter().take_while(|row| row.at < at);
        rows.copied().collect::<Vec<Row>>()
    };
    let (one, other) = (forked(1), forked(2));
    assert!(past(&whole).len() > 1_000, "something happens before the fork");
    for trace in [&one, &other] {
        assert_eq!(past(trace), past(&whole));
        assert_ne!(trace.hash(), whole.hash());
    }
    assert_ne!(one.hash(), other.hash(), "each salt is a future of its own");
    assert_eq!(one.hash(), forked(1).hash());
}
