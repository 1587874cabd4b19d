//! Bugs of what operators rely on: each exchange is played without the bug and with it.

use super::{assert_never_says, assert_says, play, play_both};
use whitewater_mutation::Mutation;

const OVER_QUOTA: &str = "cluster nodes=3 quota_bytes=600
    elect n1
    put n1 a 1
    put n1 a 2
    put n1 a 3
    stabilize
    put n1 b 1
    stabilize
    member-status n3";

#[test]
fn a_member_over_its_quota_tells_everybody() {
    let (guarded, bare) = play_both(Mutation::QuotaRaisesNoAlarm, OVER_QUOTA);
    for told in [&guarded, &bare] {
        assert_says(told, "put b 1 => fail: mvcc: database space exceeded");
    }
    assert_says(&guarded, "memberID:1 alarm:NOSPACE");
    assert_never_says(&bare, "alarm:NOSPACE");
}

/// A learner that was asked for a hash ended its process.
#[test]
fn a_learner_tells_how_it_is_and_nothing_else_of_itself() {
    let exchange = "cluster nodes=3
        elect n1
        member-add-learner n1 n4
        stabilize
        join n4
        stabilize
        run 2
        stabilize
        hash-kv n4 0
        hash n4
        defragment n4
        member-status n4";
    let told = play(None, exchange);
    for asked in ["hash-kv", "hash", "defragment"] {
        assert_says(&told, &format!("{asked} => fail: rpc not supported for learner"));
    }
    assert_says(&told, "p1#4 status => ");
    assert_never_says(&told, "p1#4 status => fail");
}

#[test]
fn a_member_whose_content_differs_is_found_on_demand_and_alarmed() {
    let exchange = "cluster nodes=3
        elect n1
        put n1 a 1
        stabilize
        check-corruption n1
        stabilize
        put n1 a 2
        get n1 a";
    let (guarded, bare) = play_both(Mutation::ApplyRots, exchange);
    assert_says(&guarded, "compared 2, corrupt []");
    assert_says(&bare, "compared 2, corrupt [\"n2\"]");
    assert_says(&bare, "put a 2 => fail: corrupt cluster");
    assert_says(&bare, "get a => fail: corrupt cluster");
}

#[test]
fn a_member_whose_content_differs_is_found_from_time_to_time_and_after_compactions() {
    for setting in ["corruption_check_ms=1000", "corruption_check_compactions=true"] {
        let exchange = format!(
            "cluster nodes=3 {setting}
            elect n1
            put n1 a 1
            put n1 b 1
            compact n1 2
            stabilize
            run 40
            member-status n3"
        );
        assert_says(&play(Some(Mutation::ApplyRots), &exchange), "memberID:2 alarm:CORRUPT");
        assert_never_says(&play(None, &exchange), "alarm:CORRUPT");
    }
}

#[test]
fn a_member_whose_content_differs_does_not_start() {
    let exchange = "cluster nodes=3 corruption_check_at_start=true
        elect n1
        fill n1 3
        stabilize
        run 3
        crash n2
        restart n2
        tick n2
        stabilize";
    let (guarded, bare) = play_both(Mutation::ApplyRots, exchange);
    assert_never_says(&guarded, "n2 stops");
    assert_says(&bare, "n2 stops: most members hold something else");
}

#[test]
fn leases_that_end_by_a_clock_of_ones_own_are_found_as_corruption() {
    let exchange = "cluster nodes=3
        elect n1
        lease-grant n1 l7 2
        stabilize
        put-on n1 l7 a 1
        stabilize
        partition n3
        tick n3 count=30
        heal
        check-corruption n1
        stabilize";
    let (guarded, bare) = play_both(Mutation::LeaseExpiryOnFollower, exchange);
    assert_says(&guarded, "corrupt []");
    assert_says(&bare, "corrupt [\"n3\"]");
}

/// etcd #14828: the leader is the one.
#[test]
fn a_leader_does_not_take_itself_for_right() {
    let exchange = "cluster nodes=3 mutation=apply-rots
        elect n2
        put n2 a 1
        stabilize
        check-corruption n2
        stabilize";
    let (guarded, bare) = play_both(Mutation::CorruptLeaderTrusted, exchange);
    assert_says(&guarded, "compared 2, corrupt [\"n2\"]");
    assert_says(&bare, "compared 2, corrupt [\"n1\", \"n3\"]");
}

#[test]
fn a_member_that_has_yet_to_compact_is_not_corrupt() {
    let exchange = "cluster nodes=3
        elect n1
        put n1 a 1
        put n1 a 2
        stabilize
        partition n3
        compact n1 3
        stabilize
        heal
        hold kind=append to=n3
        check-corruption n1
        deliver kind=hash-ask
        deliver kind=hash-answer";
    let (guarded, bare) = play_both(Mutation::CorruptAcrossCompactions, exchange);
    assert_says(&guarded, "compared 1, corrupt []");
    assert_says(&bare, "compared 2, corrupt [\"n3\"]");
}

#[test]
fn compaction_by_itself_keeps_the_period() {
    let exchange = "cluster nodes=3 auto_compaction_period_ms=1000
        elect n1
        put n1 a 1
        stabilize
        run 9
        put n1 a 2
        stabilize
        run 4
        hash-kv n1 0";
    let (guarded, bare) = play_both(Mutation::AutoCompactionTooFar, exchange);
    assert_says(&guarded, "compacted r1");
    assert_says(&bare, "compacted r3");
}
