//! The defects of raft-rs 0.7.0 that the driver guards. Each test plays one exchange twice, with the guard and without it,
//! or shows the defect on plain raft-rs where the guard is the structure of the driver.

mod auth;
mod backup;
mod cluster;
mod leases;
mod locks;
mod long_reads;
mod maintenance;
mod plain;

use crate::harness::script::Script;
use raft::eraftpb::{Entry, Message, MessageType};
use whitewater_api::NodeId;
use whitewater_mutation::{Mutation, Mutations};
use whitewater_replica::{Envelope, PeerMessage};

/// What an exchange says under a mutation, or without one.
fn play(mutation: Option<Mutation>, lines: &str) -> String {
    let mutations = mutation.into_iter().fold(Mutations::none(), Mutations::with);
    Script::new(mutations).play(lines)
}

/// What an exchange says with the guard, and without it.
fn play_both(mutation: Mutation, lines: &str) -> (String, String) {
    (play(None, lines), play(Some(mutation), lines))
}

fn assert_says(told: &str, line: &str) {
    assert!(told.contains(line), "not said: {line}\n{told}");
}

fn assert_never_says(told: &str, line: &str) {
    assert!(!told.contains(line), "said: {line}\n{told}");
}

/// X1: etcd-raft #397, etcd #20418.
#[test]
fn a_doubled_read_request_confirms_no_later_read() {
    let (guarded, bare) = play_both(
        Mutation::ReadContextReused,
        "cluster nodes=3
        elect n1
        put n1 k old
        stabilize
        get n3 k p=2
        duplicate kind=read-index
        hold kind=read-index count=1
        deliver kind=read-index
        deliver kind=heartbeat
        hold kind=heartbeat-ok from=n3
        stabilize
        partition n1
        elect n2
        put n2 k new p=3
        stabilize
        get n1 k p=4
        stabilize
        heal
        release kind=read-index
        deliver kind=read-index
        release kind=heartbeat-ok
        deliver kind=heartbeat-ok",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "p2#0 get k => k=old");
        assert_says(told, "p3#0 put k new => ok");
    }
    assert_never_says(&guarded, "p4#0 get k =>");
    assert_says(&bare, "p4#0 get k => k=old");
}

/// X2: etcd #11038, raft-rs #584.
#[test]
fn a_removed_leader_lets_the_others_elect() {
    let (guarded, bare) = play_both(
        Mutation::RemovedLeaderKeepsLeading,
        "cluster nodes=3
        elect n1
        member-remove n1 n1
        stabilize
        run 60
        put n1 k v p=2
        put n2 k v p=3
        put n3 k v p=4
        stabilize
        status",
    );
    assert_says(&guarded, "n1@2 follower");
    assert!(guarded.contains("p3#0 put k v => ok") || guarded.contains("p4#0 put k v => ok"));
    assert_says(&bare, "n1@2 leader");
    assert_says(&bare, "p2#0 put k v => fail");
    assert_says(&bare, "p3#0 put k v => fail: not leader, ask n1");
    assert_says(&bare, "p4#0 put k v => fail: not leader, ask n1");
}

/// Dissertation 4.2.3: n3 does not hear of its removal, and nothing keeps it from standing for election.
#[test]
fn a_removed_member_takes_no_voter_away() {
    let (guarded, bare) = play_both(
        Mutation::RemovedLeaderKeepsLeading,
        "cluster nodes=3 pre_vote=false check_quorum=false
        elect n1
        partition n3
        member-remove n1 n3
        stabilize
        run 20
        heal
        timeout n3
        stabilize
        status",
    );
    assert_says(&guarded, "notes: removed member ignored");
    assert_says(&guarded, "n1@2 leader");
    assert_never_says(&bare, "n1@2 leader");
}

/// What came of a snapshot whose sender has gone silent binds nobody: the follower would never settle.
#[test]
fn a_follower_forgets_half_a_snapshot() {
    let told = play(
        None,
        "cluster nodes=3 snapshot_log_bytes=900 catch_up_entries=2 snapshot_part_bytes=800 snapshot_parts_inflight_max=1
        elect n1
        crash n3
        fill n1 20
        stabilize
        restart n3
        tick n1 count=3
        deliver
        deliver
        deliver
        deliver
        deliver kind=snapshot-part
        partition n3
        run 45
        status n3",
    );
    assert_says(&told, "n3 notes: half a snapshot forgotten");
}

/// Seed 26071941 of swarm. n3 gives a snapshot of its own up while it gets its name, and begins anew.
#[test]
fn a_snapshot_that_is_named_late_stands_for_no_other_one() {
    let (guarded, bare) = play_both(
        Mutation::LateNameMarked,
        "cluster nodes=3 snapshot_log_bytes=900 catch_up_entries=2 snapshot_part_bytes=400 snapshot_parts_inflight_max=1
        elect n1
        fill n1 7
        run 2
        disk n3 stalls
        fill n1 12
        stabilize
        disk n3 done count=6
        stabilize
        partition n3
        fill n1 20
        heal
        tick n1
        deliver
        deliver
        deliver
        deliver
        deliver kind=snapshot-part
        partition n3
        run 45
        disk n3 done count=4
        crash n3 power
        restart n3",
    );
    assert_says(&guarded, "n3 disk w28: write 222 B, write 17 B, sync, rename to snapshot-9-2");
    assert_never_says(&guarded, "n3 is damaged");
    assert_says(
        &bare,
        "n3 is damaged: snapshot-0000000000000015-2: the log points to this snapshot",
    );
}

/// X3: openraft #1749, tikv #4688.
#[test]
fn a_leader_that_hands_over_serves_no_read_by_its_lease() {
    let (guarded, bare) = play_both(
        Mutation::LeaseIgnoresTransfer,
        "cluster nodes=3 lease_reads=true
        elect n1
        put n1 k old
        stabilize
        get n1 k
        stabilize
        move-leader n1 n2 p=2
        deliver kind=timeout-now
        partition n1
        stabilize
        put n2 k new p=3
        stabilize
        get n1 k p=4",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "p3#0 put k new => ok");
    }
    assert_never_says(&guarded, "p4#0 get k =>");
    assert_says(&bare, "n1 reads for p4#0 at index 3, r2, by lease");
    assert_says(&bare, "p4#0 get k => k=old");
}

/// X4: etcd-raft #149, raft-rs #555. A rejection is doubled, and its double comes back when the follower has confirmed the
/// entry that it rejected, and is being probed for another reason.
#[test]
fn a_stale_rejection_does_not_take_a_follower_back() {
    let (guarded, bare) = play_both(
        Mutation::StaleRejectionKept,
        "cluster nodes=3 message_bytes_max=1
        elect n1
        partition n3
        put n1 a 1
        put n1 b 1
        stabilize
        heal
        put n1 c 1
        deliver kind=append to=n3
        duplicate kind=append-reject
        hold kind=append-reject count=1
        deliver kind=append-reject
        deliver kind=append to=n3
        deliver kind=append-ok from=n3
        deliver kind=append to=n3 count=1
        drop kind=append to=n3
        deliver kind=append-ok from=n3
        tick n1
        deliver kind=heartbeat to=n3
        deliver kind=heartbeat-ok from=n3
        deliver kind=append to=n3
        deliver kind=append-reject
        drop kind=append to=n3
        release
        deliver kind=append-reject
        network",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "n3@2 -> n1 append-ok 4");
        assert_says(told, "n3@2 -> n1 append-reject 4 hint 2@2");
    }
    assert_says(&guarded, "n1 notes: stale rejection ignored");
    assert_never_says(&guarded, "n1@2 .. n3 append 2@2 +1 commit 4 is on its way");
    assert_says(&bare, "n1@2 .. n3 append 2@2 +1 commit 4 is on its way");
}

/// X7.
#[test]
fn a_read_waits_for_the_first_commit_of_a_leader() {
    let (guarded, bare) = play_both(
        Mutation::ReadParkedForEver,
        "cluster nodes=3
        timeout n1
        deliver kind=pre-vote
        deliver kind=pre-vote-yes
        deliver kind=vote
        deliver kind=vote-yes
        status n1
        get n1 k
        run 60",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "n1@2 leader commit 1");
        assert_says(told, "n1 applies 2@2");
    }
    assert_says(&guarded, "p1#0 get k => nothing");
    assert_never_says(&bare, "p1#0 get k =>");
}

/// X8: the leader that entered a joint configuration is lost before its entry that leaves it has reached anybody.
#[test]
fn a_joint_configuration_is_left_by_whoever_leads() {
    let (guarded, bare) = play_both(
        Mutation::JointNeverLeft,
        "cluster nodes=3
        elect n1
        join n4
        stabilize
        member-replace n1 n3 n4
        deliver kind=append
        deliver kind=append-ok
        deliver kind=append to=n2 count=1
        deliver kind=append to=n3 count=1
        drop
        status n1 n2 n3
        crash n1 power
        elect n2
        run 40
        status n2 n3 n4",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "n1@2 leader commit 3 applied 3 log 2..4 r1 leader n1, joint");
        assert_says(told, "n2@2 follower commit 3 applied 3 log 2..3 r1 leader n1, joint");
    }
    assert_says(&guarded, "n4 members at 5: voters n1 n2 n4\n");
    assert_says(&bare, "n2@3 follower commit 5 applied 5 log 2..5 r1 leader n3, joint");
}

/// X11.
#[test]
fn a_lost_snapshot_is_sent_again() {
    let (guarded, bare) = play_both(
        Mutation::SnapshotNotReported,
        "cluster nodes=3 snapshot_log_bytes=900 catch_up_entries=0
        elect n1
        crash n3
        fill n1 20
        restart n3
        tick n1
        deliver to=n3
        deliver from=n3
        deliver to=n3
        deliver from=n3
        partition n3
        run 60
        heal
        run 60
        status",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "n1@2 -x n3 snapshot-part 0 of 22@2");
        assert_says(told, "n1 notes: snapshot transfer given up");
    }
    assert_says(&guarded, "n3@2 follower commit 22 applied 22");
    assert_says(&bare, "n3@2 follower commit 2 applied 2");
}

/// X12: a proposal carries no term. Delayed by the network it takes effect in a later one, over what was written since.
#[test]
fn a_proposal_from_the_network_is_none() {
    let told = play(
        Some(Mutation::ForeignTermlessMessage),
        "cluster nodes=3
        elect n1
        put n3 k old p=2
        duplicate kind=raft
        hold kind=raft count=1
        stabilize
        elect n2
        put n2 k new p=3
        stabilize
        release
        stabilize
        get n2 k p=4
        stabilize",
    );
    assert_says(&told, "p2#0 put k old => ");
    assert_says(&told, "p3#0 put k new => ok");
    assert_says(&told, "p4#0 get k => k=old");

    let mut script = Script::new(Mutations::none());
    script.play("cluster nodes=3\nelect n1");
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgPropose);
    message.from = 3;
    message.to = 1;
    message.set_entries(vec![Entry { data: vec![1].into(), ..Entry::default() }].into());
    let (from, to) = (NodeId(3), NodeId(1));
    let before = script.cluster.status(to);
    script.cluster.deliver(Envelope { from, to, body: PeerMessage::Raft(Box::new(message)) });
    assert_eq!(script.cluster.status(to), before);
    let told = script.play("put n3 k v");
    assert_says(&told, "p1#0 put k v => fail: not leader, ask n1");
}
