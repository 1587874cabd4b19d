//! What locks and elections guard: each test plays one exchange with the guard and without it.

use super::{assert_never_says, assert_says, play_both};
use whitewater_mutation::Mutation;

const THREE_CONTEND: &str = "cluster nodes=1
    elect n1
    lease-grant n1 l7 60
    lease-grant n1 l8 60
    lease-grant n1 l9 60
    lock c1 n1 jobs l7
    lock c2 n1 jobs l8
    lock c3 n1 jobs l9
    ";

/// Everybody who waits for the owner is woken at once; only one of them is next.
#[test]
fn one_release_hands_the_lock_to_one() {
    let lines = format!("{THREE_CONTEND}unlock c11 n1 c1");
    let (guarded, bare) = play_both(Mutation::LockSkipsQueue, &lines);
    for told in [&guarded, &bare] {
        assert_says(told, "c2 lock jobs on l8 => has jobs/8 of r3, seen at r5");
    }
    assert_never_says(&guarded, "c3 lock jobs on l9 =>");
    assert_says(&bare, "c3 lock jobs on l9 => has jobs/9 of r4, seen at r5");
}

/// etcd #11456: the lease ended while its contender waited.
#[test]
fn a_contender_without_its_key_is_no_owner() {
    let lines = format!(
        "{THREE_CONTEND}lease-revoke n1 l8
        unlock c11 n1 c1"
    );
    let (guarded, bare) = play_both(Mutation::LockNotRechecked, &lines);
    for told in [&guarded, &bare] {
        assert_says(told, "c3 lock jobs on l9 => has jobs/9");
    }
    assert_says(&guarded, "c2 lock jobs on l8 => fails: mutex: session is expired");
    assert_says(&bare, "c2 lock jobs on l8 => has jobs/8");
}

#[test]
fn a_lock_ends_with_its_lease() {
    let lines = format!(
        "{THREE_CONTEND}lease-revoke n1 l7
        get n1 jobs/7"
    );
    let (guarded, bare) = play_both(Mutation::LockOutlivesLease, &lines);
    assert_says(&guarded, "get jobs/7 => nothing");
    assert_says(&guarded, "c2 lock jobs on l8 => has jobs/8");
    assert_says(&bare, "get jobs/7 => jobs/7=");
    assert_never_says(&bare, "c2 lock jobs on l8 =>");
}

/// The lease ended, and was granted and campaigned with again: that leadership is not the one that is resigned.
#[test]
fn a_leadership_that_was_lost_cannot_be_resigned() {
    let (guarded, bare) = play_both(
        Mutation::ResignDeletesOther,
        "cluster nodes=1
        elect n1
        lease-grant n1 l7 60
        campaign c1 n1 boss l7 v1
        lease-revoke n1 l7
        lease-grant n1 l7 60
        campaign c2 n1 boss l7 v2
        resign c3 n1 c1
        leader c4 n1 boss",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "c2 campaign boss on l7 with v2 => has boss/7 of r4");
        assert_says(told, "c3 resign as boss/7 => ok");
    }
    assert_says(&guarded, "c4 leader boss => boss/7=v2 leads");
    assert_says(&bare, "c4 leader boss => fails: election: no leader");
}

#[test]
fn an_observer_hears_of_who_has_waited() {
    let (guarded, bare) = play_both(
        Mutation::ObserveSkipsSuccessor,
        "cluster nodes=1
        elect n1
        lease-grant n1 l7 60
        lease-grant n1 l8 60
        campaign c1 n1 boss l7 v1
        campaign c2 n1 boss l8 v2
        observe c3 n1 boss
        resign c4 n1 c1",
    );
    for told in [&guarded, &bare] {
        assert_says(told, "c3 observe boss => boss/7=v1 leads");
        assert_says(told, "c2 campaign boss on l8 with v2 => has boss/8");
    }
    assert_says(&guarded, "c3 observe boss => boss/8=v2 leads");
    assert_never_says(&bare, "c3 observe boss => boss/8=v2 leads");
}

/// What the successor has to say it said when it began to wait, before the last word of who led.
#[test]
fn an_observer_hears_of_who_has_waited_since_before_the_last_proclamation() {
    let (guarded, _) = play_both(
        Mutation::ObserveSkipsSuccessor,
        "cluster nodes=1
        elect n1
        lease-grant n1 l7 60
        lease-grant n1 l8 60
        campaign c1 n1 boss l7 v1
        campaign c2 n1 boss l8 v2
        observe c3 n1 boss
        proclaim c4 n1 c1 v3
        resign c5 n1 c1",
    );
    assert_says(&guarded, "c3 observe boss => boss/7=v3 leads");
    assert_says(&guarded, "c3 observe boss => boss/8=v2 leads");
}
