//! The net: every deliberate bug that has a pinned plan is caught by the checkers that are meant to catch it, and the
//! same plan without the bug passes. `scenarios/mutants/` holds the plans; what they must break is their first line.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};
use whitewater_mutation::Mutation;
use whitewater_record::Plan;

/// Size of a pinned plan. A person reads it.
const PLAN_BYTES_MAX: usize = 40_000;
/// Fewer pinned mutants than this are no proof of anything.
const PINNED_MIN: usize = 90;

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
    clients_forgotten
    ack_on_append
    fsync_error_ignored
    entries_not_synced
    conflict_kept
    torn_tail_refused
    directory_not_synced
    litter_kept
    retire_before_snapshot
    compaction_drops_live
    version_not_reset
    snapshot_without_tail
    stalled_disk_leads
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
    refused_after_proposed
    removed_leader_keeps_leading
    wiped_member_votes
    wire_checksum_ignored
    log_upgraded_in_place
    auto_compaction_too_far
    message_version_not_agreed
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
    watch_cancel_ignored
    watch_end_untold
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
    auth_merge_ignores_gaps
    auth_admin_unchecked
    auth_txn_put_unchecked
    auth_compare_unchecked
    auth_nested_txn_unchecked
    auth_lost_in_snapshot
    login_from_stale_state
    apply_rots
    lock_skips_queue
    lock_not_rechecked
    lock_outlives_lease
    hash_kv_counts_buried
    hash_kv_counts_doomed
    defragment_forgets_history
    alarm_ignored_at_apply
    quota_skips_nested_txn
    defragment_keeps_peak
    quota_raises_no_alarm
    auth_watch_from_key_unchecked
    restore_keeps_revision
    restore_keeps_history
    restore_on_old_data
    backup_of_many_moments
    nested_compare_sees_writes
    long_read_tells_later
    long_read_of_many_moments
    member_update_promotes
    member_add_needs_all
    promote_unready
    peer_urls_shared
    token_outlives_password
    token_never_expires
    auth_only_at_admission
    auth_revision_unchecked
    auth_lease_keys_unchecked
    login_not_rechecked
    observe_skips_successor
    resign_deletes_other
    corrupt_across_compactions
}

/// The mutants that no plan kills yet, why, and what does kill them, where anything does. One that is killed moves up.
const SURVIVORS: &[(Mutation, &str, &str)] = &[
    (
        Mutation::CorruptLeaderTrusted,
        "Takes a leader whose content is wrong, which is a bug of its own: nothing that a plan may do to a machine brings it about.",
        "core/replica/tests/defects/maintenance.rs#a_leader_does_not_take_itself_for_right",
    ),
    (
        Mutation::SnapshotStateSplit,
        "Equivalent: recovery lifts the commit index to the mark, and the term is on the disk before a transfer starts.",
        "",
    ),
    (
        Mutation::GhostTail,
        "Needs a targeted plan: a mark at the very last index, a longer overwritten tail, and a restart before the next write.",
        "",
    ),
    (
        Mutation::LateNameMarked,
        "Once in some 70,000 seeds: a snapshot given up within its last sync, and the one that it was given up for given up as well.",
        "core/replica/tests/defects/mod.rs#a_snapshot_that_is_named_late_stands_for_no_other_one",
    ),
    (
        Mutation::ReadContextReused,
        "Needs a targeted plan: a doubled read request, a late heartbeat response, and a leader deposed in between.",
        "",
    ),
    (
        Mutation::StaleRejectionKept,
        "Equivalent for safety and for liveness: it costs messages that were sent before.",
        "",
    ),
];

#[test]
fn every_mutation_is_pinned_or_a_known_survivor() {
    let pinned: BTreeSet<String> = PINNED.iter().map(|test| test.replace('_', "-")).collect();
    let survivors: BTreeSet<String> =
        SURVIVORS.iter().map(|(mutation, ..)| mutation.name().to_owned()).collect();
    let all: BTreeSet<String> =
        Mutation::ALL.iter().map(|mutation| mutation.name().to_owned()).collect();
    let both: Vec<&String> = pinned.intersection(&survivors).collect();
    assert!(both.is_empty(), "pinned and still listed as survivors: {both:?}");
    assert_eq!(pinned.union(&survivors).cloned().collect::<BTreeSet<String>>(), all);
    assert!(pinned.len() >= PINNED_MIN, "only {} are pinned", pinned.len());
}

#[test]
fn what_kills_a_survivor_is_there() {
    for (mutation, why, killer) in SURVIVORS {
        assert!(!why.is_empty(), "{mutation:?} survives for no reason");
        let Some((path, test)) = killer.split_once('#') else { continue };
        let path = folder().join("../..").join(path);
        let source = fs::read_to_string(&path).unwrap();
        let has_test = source.contains(&format!("fn {test}("));
        assert!(has_test, "{mutation:?}: {} has no test {test}", path.display());
    }
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
