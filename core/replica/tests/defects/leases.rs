//! What the lessor guards: each test plays one exchange with the guard and without it.

use super::{assert_never_says, assert_says, play, play_both};
use whitewater_mutation::Mutation;

/// etcd #15247: n2 saw the grant, and none of the keep-alives that n1 answered.
#[test]
fn a_new_leader_does_not_count_from_the_grant() {
    let (guarded, bare) = play_both(
        Mutation::LeaseExpiredEarly,
        "cluster nodes=3
        elect n1
        lease-grant n1 l7 5
        put-on n1 l7 k v
        stabilize
        run 40
        keep-alive n1 l7 p=2
        stabilize
        elect n2
        run 5
        get n2 k p=3
        stabilize",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "p2#0 lease-keep-alive l7 => 5 s");
    }
    assert_says(&guarded, "p3#0 get k => k=v");
    assert_says(&bare, "p3#0 get k => nothing");
}

/// etcd #10686, #13491.
#[test]
fn a_new_leader_ends_the_leases_that_it_finds() {
    let (guarded, bare) = play_both(
        Mutation::LeaseNeverExpires,
        "cluster nodes=3
        elect n1
        lease-grant n1 l7 3
        stabilize
        elect n2
        run 60
        leases n2 p=2
        stabilize",
    );
    assert_says(&guarded, "n2 sees l7 end");
    assert_says(&guarded, "p2#0 lease-list => leases:  r1");
    assert_says(&bare, "p2#0 lease-list => leases: l7 r1");
}

#[test]
fn no_member_ends_leases_past_the_log() {
    let (guarded, bare) = play_both(
        Mutation::LeaseExpiryOnFollower,
        "cluster nodes=3
        elect n1
        lease-grant n1 l7 3
        put-on n1 l7 k v
        stabilize
        tick n3 count=32
        stabilize
        equal",
    );
    assert_never_says(&guarded, "NOT EQUAL");
    assert_says(&bare, "NOT EQUAL");
}

/// etcd #13508, #17132.
#[test]
fn a_new_leader_goes_by_the_last_checkpoint() {
    let (guarded, bare) = play_both(
        Mutation::LeaseCheckpointIgnored,
        "cluster nodes=3 lease_checkpoint_ms=10000
        elect n1
        lease-grant n1 l7 60
        stabilize
        run 101
        elect n2
        time-to-live n2 l7 p=2
        stabilize",
    );
    assert_says(&guarded, "p2#0 lease-time-to-live l7 => 51 of 60 s");
    assert_says(&bare, "p2#0 lease-time-to-live l7 => 61 of 60 s");
}

/// etcd #9924.
#[test]
fn a_keep_alive_takes_the_checkpoint_back() {
    let (guarded, bare) = play_both(
        Mutation::LeaseCheckpointNotReset,
        "cluster nodes=3 lease_checkpoint_ms=10000
        elect n1
        lease-grant n1 l7 60
        stabilize
        run 101
        keep-alive n1 l7 p=2
        stabilize
        elect n2
        time-to-live n2 l7 p=3
        stabilize",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "p2#0 lease-keep-alive l7 => 60 s");
    }
    assert_says(&guarded, "p3#0 lease-time-to-live l7 => 61 of 60 s");
    assert_says(&bare, "p3#0 lease-time-to-live l7 => 51 of 60 s");
}

/// The checkpoint of l8 is due, and the first that a late n1 hears of it is a keep-alive: both are in one Ready, and raft-rs
/// panics if anything is proposed before that Ready is handed back.
#[test]
fn a_keep_alive_takes_a_checkpoint_back_while_another_is_written() {
    let told = play(
        None,
        "cluster nodes=1 lease_checkpoint_ms=10000
        elect n1
        lease-grant n1 l7 60
        stabilize
        run 50
        lease-grant n1 l8 60
        stabilize
        run 99
        late n1
        keep-alive n1 l7 p=2
        stabilize",
    );
    let (_, last) = told.split_once("keep-alive l7 -> n1").expect("it was asked for");
    let (before, after) =
        last.split_once("n1 notes: keep-alive takes a checkpoint back").expect("it does");
    assert_never_says(before, "write"); // Nothing of the checkpoint of l8 was handed back yet.
    assert_says(after, "p2#0 lease-keep-alive l7 => 60 s");
}

/// A checkpoint is on its way when the keep-alive is asked for: that it is not applied yet must not hide it.
#[test]
fn a_keep_alive_takes_a_checkpoint_back_that_is_on_its_way() {
    let (guarded, _) = play_both(
        Mutation::LeaseCheckpointNotReset,
        "cluster nodes=3 lease_checkpoint_ms=10000
        elect n1
        lease-grant n1 l7 60
        stabilize
        run 99
        tick n1
        tick n1
        keep-alive n1 l7 p=2
        stabilize
        elect n2
        time-to-live n2 l7 p=3
        stabilize",
    );
    assert_says(&guarded, "n1 notes: keep-alive takes a checkpoint back");
    assert_says(&guarded, "p2#0 lease-keep-alive l7 => 60 s");
    assert_says(&guarded, "p3#0 lease-time-to-live l7 => 61 of 60 s");
}

/// etcd #15247, #17425: n2 leads, and ends the lease three seconds after n1 promised five.
#[test]
fn a_deposed_leader_answers_no_keep_alive() {
    let (guarded, bare) = play_both(
        Mutation::KeepAliveUnconfirmed,
        "cluster nodes=3
        elect n1
        lease-grant n1 l7 5
        put-on n1 l7 k v
        stabilize
        partition n1
        elect n2
        tick n2 n3 count=8
        stabilize
        keep-alive n1 l7 p=2
        status n1 n2",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "n1@2 leader");
        assert_says(told, "n2@3 leader");
    }
    assert_never_says(&guarded, "p2#0 lease-keep-alive l7 => 5 s");
    assert_says(&bare, "p2#0 lease-keep-alive l7 => 5 s");
}

/// etcd #20616: its end is in the log already.
#[test]
fn a_keep_alive_waits_for_an_end_that_is_on_its_way() {
    let (guarded, bare) = play_both(
        Mutation::KeepAliveAfterRevoke,
        "cluster nodes=3
        elect n1
        lease-grant n1 l7 5
        stabilize
        lease-revoke n1 l7 p=2
        hold kind=append
        keep-alive n1 l7 p=3
        stabilize
        run 2
        get n1 k p=4
        stabilize",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "p2#0 lease-revoke l7 => ok");
    }
    assert_says(&guarded, "p3#0 lease-keep-alive l7 => 0 s");
    assert_says(&bare, "p3#0 lease-keep-alive l7 => 5 s");
}

/// etcd v2 did so.
#[test]
fn a_put_is_no_keep_alive() {
    let (guarded, bare) = play_both(
        Mutation::LeaseRenewedByPut,
        "cluster nodes=1
        timeout n1
        lease-grant n1 l7 5
        run 40
        put-on n1 l7 k v
        run 20
        get n1 k p=2",
    );
    assert_says(&guarded, "p2#0 get k => nothing");
    assert_says(&bare, "p2#0 get k => k=v");
}

/// etcd #4747: the follower that lost its place has the keys and not their leases.
#[test]
fn a_snapshot_carries_leases() {
    let (guarded, bare) = play_both(
        Mutation::LeaseLostInSnapshot,
        "cluster nodes=3 snapshot_log_bytes=900 catch_up_entries=0
        elect n1
        crash n3
        lease-grant n1 l7 20
        put-on n1 l7 k v
        stabilize
        fill n1 20
        restart n3
        run 5
        equal",
    );
    assert_says(&guarded, "n3 installed snapshot");
    assert_never_says(&guarded, "NOT EQUAL");
    assert_says(&bare, "NOT EQUAL");
}
