//! Bugs of the membership as operators see it: each exchange is played without the bug and with it.

use super::{assert_never_says, assert_says, play_both};
use whitewater_mutation::Mutation;

/// etcd PR 21736.
#[test]
fn new_urls_make_no_voter_of_a_learner() {
    let exchange = "cluster nodes=3 health_ms=0
        elect n1
        cluster-add-learner n1 n4 n4
        stabilize
        cluster-update n1 n4 other
        stabilize
        stale-cluster-list n2";
    let (guarded, bare) = play_both(Mutation::MemberUpdatePromotes, exchange);
    assert_says(&guarded, "n4 learner unstarted http://other:2380 r1 by n2");
    assert_says(&bare, "n4 unstarted http://other:2380 r1 by n2");
}

/// etcd PR 21667.
#[test]
fn a_member_that_is_down_can_be_replaced() {
    let exchange = "cluster nodes=3 health_ms=500
        elect n1
        run 8
        crash n3
        run 12
        cluster-add n1 n4 n4
        stabilize";
    let (guarded, bare) = play_both(Mutation::MemberAddNeedsAll, exchange);
    assert_never_says(&guarded, "unhealthy cluster");
    assert_says(&bare, "fail: unhealthy cluster");
}

/// etcd #10537.
#[test]
fn a_learner_that_is_behind_gets_no_vote() {
    let exchange = "cluster nodes=3 health_ms=0
        elect n1
        fill n1 20
        cluster-add-learner n1 n4 n4
        stabilize
        cluster-promote n1 n4
        stabilize
        stale-cluster-list n2";
    let (guarded, bare) = play_both(Mutation::PromoteUnready, exchange);
    assert_says(&guarded, "can only promote a learner member which is in sync with leader");
    assert_says(&guarded, "n4 learner");
    assert_never_says(&bare, "n4 learner unstarted http://n4:2380 r21 by n2");
}

#[test]
fn no_two_members_have_one_url() {
    let exchange = "cluster nodes=3 health_ms=0
        elect n1
        cluster-add-learner n1 n4 n2
        stabilize";
    let (guarded, bare) = play_both(Mutation::PeerUrlsShared, exchange);
    assert_says(&guarded, "fail: Peer URLs already exists");
    assert_never_says(&bare, "fail: Peer URLs already exists");
}
