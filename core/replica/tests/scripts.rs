//! The replica at its door: scripts that a person can read, and the defects of raft-rs that its driver guards.

#[cfg(test)]
mod defects;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod storm;

use harness::script::Script;
use std::{collections::BTreeSet, path::Path};
use whitewater_mutation::Mutations;

macro_rules! scripts {
    ($($name:ident)*) => {
        const SCRIPTS: &[&str] = &[$(stringify!($name),)*];

        $(
            #[test]
            fn $name() {
                play(stringify!($name));
            }
        )*
    };
}

scripts! {
    smoke election advance_at_start old_candidate old_leader log_repair figure_8 read_index_partition read_follower read_txn read_lease read_nearest member_replace member_elders member_learner
    member_remove_leader move_leader snapshot_install own_snapshot snapshot_slow_disk snapshot_named_late snapshot_no_campaign log_in_memory torn_tail upgrade damage_refused single_node single_node_at_once single_node_candidate fsync_failure
    disk_full disk_stalled wiped_member wiped_member_later not_leader full_queue handed_over_together damage_repaired damage_snapshot_repaired damage_not_spared
    lease_expiry lease_keep_alive lease_leader_change lease_deposed_leader lease_checkpoint lease_snapshot
    long_reads backup_restore compact_physical cluster_members cluster_turns cluster_health alarm_no_space alarm_corrupt defragment corruption_check corruption_at_start auto_compaction
    watch_events watch_slow watch_compaction watch_progress watch_snapshot watch_streams
    auth_basic auth_behind auth_everything auth_password auth_revision auth_signed auth_snapshot
    lock_fairness lock_cancel lock_lease_loss lock_two_waiters lock_leader_change lock_election
}

fn play(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts").join(name);
    let mut script = Script::new(Mutations::none());
    goldenscript::run(&mut script, path).unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn every_script_is_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts");
    let names = std::fs::read_dir(folder).unwrap();
    let names: BTreeSet<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, SCRIPTS.iter().map(|name| (*name).to_owned()).collect());
}
