//! What permissions guard: each test plays one exchange with the guard and without it.

use super::{assert_never_says, assert_says, play_both};
use whitewater_mutation::Mutation;

/// Alice may write `k..` and read `m..`; a secret hangs on lease 7.
fn cluster(settings: &str, then: &str) -> String {
    format!(
        r#"cluster nodes=1 {settings}
        elect n1
        user-add n1 root secret
        user-grant n1 root root
        role-add n1 writer
        role-grant n1 writer write "k*"
        role-grant n1 writer readwrite m-n
        role-grant n1 writer readwrite o-p
        role-grant n1 writer read x
        user-add n1 alice sesame
        user-grant n1 alice writer
        lease-grant n1 l7 60
        put-on n1 l7 nut s
        put n1 xy s
        put n1 k1 v
        auth-enable n1
        authenticate n1 alice sesame p=2
        authenticate n1 root secret p=3
        {then}"#
    )
}

fn refuses(mutation: Mutation, line: &str, request: &str) {
    let (guarded, bare) = play_both(mutation, &cluster("", line));
    let refusal = format!("{request} => fail: permission denied");
    assert_says(&guarded, &refusal);
    assert_never_says(&bare, &refusal);
    assert_says(&bare, &format!("{request} => "));
}

/// The request and the revocation are both in the log before either is carried out.
#[test]
fn what_counts_is_what_is_permitted_when_it_is_carried_out() {
    let lines =
        cluster("nodes=3", "").replace("nodes=1 nodes=3", "nodes=3").replace('\n', "\nstabilize\n");
    let lines = format!(
        r#"{lines}
        role-revoke n1 writer "k*" as=root p=3
        put n1 k1 w as=alice p=2
        stabilize"#
    );
    let (guarded, bare) = play_both(Mutation::AuthOnlyAtAdmission, &lines);
    assert_says(&guarded, "put k1 w => fail: revision of auth store is old");
    assert_says(&bare, "put k1 w => ok");
}

#[test]
fn an_old_token_counts_no_more() {
    let lines = cluster(
        "tokens=signed",
        "role-add n1 other as=root p=3
        put n1 k1 w as=alice p=2",
    );
    let (guarded, bare) = play_both(Mutation::AuthRevisionUnchecked, &lines);
    assert_says(&guarded, "put k1 w => fail: revision of auth store is old");
    assert_says(&bare, "put k1 w => ok");
}

/// The password is another one when the old one was found to be right.
#[test]
fn a_password_that_is_changed_while_it_is_compared_is_good_no_more() {
    let lines = cluster(
        "",
        "passwords held
        user-passwd n1 alice other as=root p=3
        authenticate n1 alice sesame p=2
        passwords done",
    );
    let (guarded, bare) = play_both(Mutation::LoginNotRechecked, &lines);
    assert_says(&guarded, "authenticate alice => fail: revision of auth store is old");
    assert_says(&bare, "authenticate alice => a token");
}

/// n1 leads no more and does not know it, and the password is another one since.
#[test]
fn a_deposed_leader_refuses_no_password() {
    let lines =
        cluster("nodes=3", "").replace("nodes=1 nodes=3", "nodes=3").replace('\n', "\nstabilize\n");
    let lines = format!(
        "{lines}
        partition n1
        elect n2
        authenticate n2 root secret p=4
        stabilize
        user-passwd n2 alice other as=root p=4
        stabilize
        authenticate n1 alice other p=5
        stabilize"
    );
    let (guarded, bare) = play_both(Mutation::LoginFromStaleState, &lines);
    assert_never_says(&guarded, "authenticate alice => fail: authentication failed");
    assert_says(&bare, "authenticate alice => fail: authentication failed");
}

#[test]
fn what_lies_between_two_permissions_is_not_permitted() {
    refuses(Mutation::AuthMergeIgnoresGaps, "range n1 m-p as=alice p=2", "get [m,p)");
}

/// CVE-2026-33413.
#[test]
fn what_concerns_everybody_takes_root() {
    refuses(Mutation::AuthAdminUnchecked, "compact n1 2 as=alice p=2", "compact r2");
    refuses(Mutation::AuthAdminUnchecked, "role-list n1 as=alice p=2", "role-list");
}

/// CVE-2026-44283.
#[test]
fn a_put_in_a_transaction_shows_nothing_that_may_not_be_read() {
    let line = "txn-put-prev n1 k1 w as=alice p=2";
    refuses(Mutation::AuthTxnPutUnchecked, line, "txn if  then {put k1 w} else {}");
}

#[test]
fn a_compare_tells_nothing_that_may_not_be_read() {
    let line = "peek n1 nut s as=alice p=2";
    refuses(Mutation::AuthCompareUnchecked, line, "txn if value(nut)=s then {} else {}");
}

/// CVE-2026-33343.
#[test]
fn a_transaction_in_a_transaction_is_no_way_round() {
    let line = "nested n1 nut oops as=alice p=2";
    let request = "txn if  then {txn if  then {put nut oops} else {}} else {}";
    refuses(Mutation::AuthNestedTxnUnchecked, line, request);
}

/// CVE-2023-32082, etcd #8031.
#[test]
fn what_hangs_on_a_lease_is_asked_about() {
    let mutation = Mutation::AuthLeaseKeysUnchecked;
    refuses(mutation, "lease-revoke n1 l7 as=alice p=2", "lease-revoke l7");
    refuses(mutation, "time-to-live n1 l7 as=alice p=2", "lease-time-to-live l7");
    refuses(mutation, "put-on n1 l7 k1 w as=alice p=2", "put k1 w on l7");
}

#[test]
fn a_watch_from_a_key_on_is_more_than_one_of_the_key() {
    let lines = cluster(
        "",
        r#"stream n1 s1 as=alice
        watch n1 s1 "x+" start=1"#,
    );
    let (guarded, bare) = play_both(Mutation::AuthWatchFromKeyUnchecked, &lines);
    assert_says(&guarded, "canceled: etcdserver: permission denied");
    assert_never_says(&guarded, "xy=s");
    assert_says(&bare, "create xy=s");
}

/// etcd #14571: n3 was away when auth was enabled, and starts from a snapshot.
#[test]
fn a_snapshot_knows_who_may_do_what() {
    let (guarded, bare) = play_both(
        Mutation::AuthLostInSnapshot,
        "cluster nodes=3 snapshot_log_bytes=2000 catch_up_entries=2
        elect n1
        partition n3
        user-add n1 root secret
        user-grant n1 root root
        stabilize
        fill n1 40
        auth-enable n1
        stabilize
        fill n1 1
        run 20
        heal
        run 40
        authenticate n1 root secret p=3
        stabilize
        equal
        stale-get n3 f1",
    );
    assert_says(&guarded, "n3 installed snapshot");
    assert_says(&guarded, "stale-get f1 => fail: user name is empty");
    assert_says(&bare, "NOT EQUAL");
    assert_says(&bare, "stale-get f1 => f1=");
}

#[test]
fn a_token_ends_with_the_password_that_it_was_given_for() {
    let lines = cluster(
        "",
        "user-passwd n1 alice other as=root p=3
        put n1 k1 w as=alice p=2",
    );
    let (guarded, bare) = play_both(Mutation::TokenOutlivesPassword, &lines);
    assert_says(&guarded, "put k1 w => fail: invalid auth token");
    assert_says(&bare, "put k1 w => ok");
}

#[test]
fn a_token_that_nobody_shows_is_over() {
    for settings in ["token_ttl_s=5", "token_ttl_s=5 tokens=signed"] {
        let lines = cluster(
            settings,
            "run 60
            put n1 k1 w as=alice p=2",
        );
        let (guarded, bare) = play_both(Mutation::TokenNeverExpires, &lines);
        assert_says(&guarded, "put k1 w => fail: invalid auth token");
        assert_says(&bare, "put k1 w => ok");
    }
}
