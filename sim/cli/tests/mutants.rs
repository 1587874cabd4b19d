//! The net: every deliberate bug that has a pinned plan is caught by the checkers that are meant to catch it, and the
//! same plan without the bug passes. `scenarios/mutants/` holds the plans; what they must break is their first line.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};
use whitewater_mutation::Mutation;
use whitewater_record::Plan;

/// Size of a pinned plan. A person reads it.
const PLAN_BYTES_MAX: usize = 40_000;
/// Fewer pinned mutants than this are no proof of anything.
const PINNED_MIN: usize = 12;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mutants")
}

/// The verdict on a plan: the exit code, and the codes of the violations, the first one first.
fn replay(path: &str) -> (Option<i32>, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_whitewater"))
        .args(["replay", path, "--json"])
        .output()
        .expect("the binary under test was built");
    let result: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{path}: {error}: {output:?}"));
    let violations = result["violations"].as_array().expect("a verdict lists its violations");
    let codes = violations.iter().map(|violation| violation["code"].as_str().unwrap_or_default());
    (output.status.code(), codes.map(str::to_owned).collect())
}

fn check(name: &str) {
    let path = folder().join(format!("{name}.toml"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(text.len() <= PLAN_BYTES_MAX, "{name}: {} bytes", text.len());
    let expected: Vec<&str> = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# Kills: "))
        .unwrap_or_else(|| panic!("{name}: the first line is `# Kills: <codes>`"))
        .split(", ")
        .collect();

    let mut plan = Plan::from_toml(name, &text).unwrap();
    assert_eq!(plan.mutations, [name]);
    let (exit, codes) = replay(&path.display().to_string());
    assert_eq!(exit, Some(1), "{name} is not caught any more: {codes:?}");
    let first = codes.first().map_or("", |code| code.as_str());
    assert!(expected.contains(&first), "{name} breaks {codes:?}, not first one of {expected:?}");

    plan.mutations.clear();
    let clean = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-clean.toml"));
    fs::write(&clean, plan.to_toml()).unwrap();
    let (exit, codes) = replay(&clean.display().to_string());
    assert_eq!(exit, Some(0), "{name}: the plan without the mutation breaks {codes:?}");
}

macro_rules! pinned {
    ($($test:ident)*) => {
        /// The mutants with a plan, as their tests are named.
        const PINNED: &[&str] = &[$(stringify!($test)),*];

        $(
            #[test]
            fn $test() {
                check(&stringify!($test).replace('_', "-"));
            }
        )*
    };
}

pinned! {
    failed_txn_writes
    nondeterministic_apply
    reply_before_persist
    vote_not_persisted
    snapshot_not_reported
    ack_by_index
    ack_on_append
    fsync_error_ignored
    entries_not_synced
    conflict_kept
    torn_tail_refused
    directory_not_synced
    retire_before_snapshot
    compaction_drops_live
    version_not_reset
    snapshot_without_tail
    snapshot_index_ahead
    local_read
    read_before_term_commit
    read_without_apply_wait
    lease_ignores_transfer
    lease_ignores_drift
    clock_sleeps
    corruption_as_tail
    damaged_member_forgets
    read_parked_for_ever
    removed_leader_keeps_leading
    wiped_member_votes
    stale_members_after_snapshot
    joint_forgotten
    joint_never_left
    commit_old_term
    vote_ignores_log
    foreign_termless_message
    progress_ahead_of_events
    watch_from_future_sends_old
    watch_revision_split
    watch_duplicate_event
    watch_event_lost_when_slow
    watch_drops_delete_at_compaction
    watch_goes_back_after_snapshot
    watch_skips_on_snapshot
    watch_filter_inverted
    watch_prev_kv_wrong
    watch_misses_txn_events
    watch_not_canceled_by_compaction
    client_retries
    timeout_is_failure
    lease_expired_early
    lease_never_expires
    lease_expiry_on_follower
    lease_checkpoint_ignored
    lease_checkpoint_not_reset
    lease_lost_in_snapshot
    lease_revoke_leaves_keys
    lease_revoke_in_parts
    lease_detach_forgotten
    lease_grant_overwrites
    lease_renewed_by_put
    keep_alive_unconfirmed
    keep_alive_after_revoke
}

/// Why no plan kills the bugs of maintenance.
const MAINTENANCE: &str = "No plan asks for maintenance yet; the tests of core/store and core/replica/tests/defects kill it.";

/// The mutants that no plan kills yet, and why. One that is killed moves up.
const SURVIVORS: &[(Mutation, &str)] = &[
    (Mutation::MemberUpdatePromotes, MAINTENANCE),
    (Mutation::MemberAddNeedsAll, MAINTENANCE),
    (Mutation::PromoteUnready, MAINTENANCE),
    (Mutation::PeerUrlsShared, MAINTENANCE),
    (Mutation::HashKvCountsDoomed, MAINTENANCE),
    (Mutation::HashKvCountsBuried, MAINTENANCE),
    (Mutation::DefragmentForgetsHistory, MAINTENANCE),
    (Mutation::AlarmIgnoredAtApply, MAINTENANCE),
    (Mutation::QuotaSkipsNestedTxn, MAINTENANCE),
    (Mutation::QuotaRaisesNoAlarm, MAINTENANCE),
    (Mutation::CorruptLeaderTrusted, MAINTENANCE),
    (Mutation::CorruptAcrossCompactions, MAINTENANCE),
    (Mutation::AutoCompactionTooFar, MAINTENANCE),
    (Mutation::ApplyRots, MAINTENANCE),
    (
        Mutation::SnapshotStateSplit,
        "Equivalent: recovery lifts the commit index to the mark, and the term is on the disk before a transfer starts.",
    ),
    (
        Mutation::StalledDiskLeads,
        "No checker judges availability while a fault holds; the stall ends before liveness is looked at.",
    ),
    (
        Mutation::GhostTail,
        "Needs a targeted plan: a mark at the very last index, a longer overwritten tail, and a restart before the next write.",
    ),
    (
        Mutation::AuthOnlyAtAdmission,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthRevisionUnchecked,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthMergeIgnoresGaps,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthAdminUnchecked,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthTxnPutUnchecked,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthCompareUnchecked,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthNestedTxnUnchecked,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthLeaseKeysUnchecked,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthWatchFromKeyUnchecked,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::AuthLostInSnapshot,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::TokenOutlivesPassword,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::LoginFromStaleState,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::LoginNotRechecked,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::TokenNeverExpires,
        "Needs users, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::LockSkipsQueue,
        "Needs contenders, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::LockNotRechecked,
        "Needs contenders, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::LockOutlivesLease,
        "Needs contenders, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::ResignDeletesOther,
        "Needs contenders, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::ObserveSkipsSuccessor,
        "Needs contenders, which no plan has yet; the replica's scripts kill it.",
    ),
    (
        Mutation::ReadContextReused,
        "Needs a targeted plan: a doubled read request, a late heartbeat response, and a leader deposed in between.",
    ),
    (
        Mutation::StaleRejectionKept,
        "Equivalent for safety and for liveness: it costs messages that were sent before.",
    ),
];

#[test]
fn every_mutation_is_pinned_or_a_known_survivor() {
    let pinned: BTreeSet<String> = PINNED.iter().map(|test| test.replace('_', "-")).collect();
    let survivors: BTreeSet<String> =
        SURVIVORS.iter().map(|(mutation, _)| mutation.name().to_owned()).collect();
    let all: BTreeSet<String> =
        Mutation::ALL.iter().map(|mutation| mutation.name().to_owned()).collect();
    let both: Vec<&String> = pinned.intersection(&survivors).collect();
    assert!(both.is_empty(), "pinned and still listed as survivors: {both:?}");
    assert_eq!(pinned.union(&survivors).cloned().collect::<BTreeSet<String>>(), all);
    assert!(pinned.len() >= PINNED_MIN, "only {} are pinned", pinned.len());
}

#[test]
fn every_plan_belongs_to_a_test() {
    let pinned: BTreeSet<String> =
        PINNED.iter().map(|test| format!("{}.toml", test.replace('_', "-"))).collect();
    let files: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "README.md")
        .collect();
    assert_eq!(files, pinned);
}
