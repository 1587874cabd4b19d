//! Bugs of backups: each exchange is played without the bug and with it.

use super::{assert_never_says, assert_says, play, play_both};
use whitewater_mutation::Mutation;

/// Keys of some bytes, so that a backup has parts; one that is there at the beginning and one that comes later.
const BEGINNING: &str = "cluster nodes=1 snapshot_part_bytes=64
    elect n1
    put n1 a before
    put n1 b before
    put n1 c before";

#[test]
fn a_backup_is_of_one_moment() {
    let exchange = format!(
        "{BEGINNING}
        backup n1
        put n1 c after
        backup-next n1
        put n1 d after
        backup-next n1
        restore nodes=1
        elect n1
        get n1 c
        get n1 d"
    );
    let (guarded, bare) = play_both(Mutation::BackupOfManyMoments, &exchange);
    assert_says(&guarded, "get c => c=before r4 by n1");
    assert_says(&guarded, "get d => nothing r4 by n1");
    assert_says(&bare, "the backup cannot be used");
}

/// etcd #16028: a client that saw revision 5 of the old cluster would take it for the same thing in the new one.
#[test]
fn a_restored_cluster_gives_no_revision_away_again() {
    let exchange = format!(
        "{BEGINNING}
        backup-whole n1
        put n1 a lost
        restore nodes=1 bump=100 compacted=yes
        elect n1
        put n1 a new
        stream n1 s1
        watch n1 s1 a start=5"
    );
    let (guarded, bare) = play_both(Mutation::RestoreKeepsRevision, &exchange);
    assert_says(&guarded, "canceled: compacted at r104");
    assert_never_says(&guarded, "put a new => ok r5");
    assert_says(&bare, "put a new => ok r5");
    assert_never_says(&bare, "canceled: compacted");
}

/// A start from a backup that is cut short
/// anywhere is done again, from the whole backup, and never goes on from a part of it.
#[test]
fn a_start_from_a_backup_may_be_cut_short_anywhere() {
    for dies in 0.. {
        let told = play(
            None,
            &format!(
                "{BEGINNING}
                backup-whole n1
                restore nodes=1 bump=100 dies={dies}
                elect n1
                get n1 a
                get n1 c
                put n1 c after
                crash n1 power
                restart n1
                elect n1
                get n1 c"
            ),
        );
        assert_says(&told, "get a => a=before");
        assert_says(&told, "get c => c=before");
        assert_says(&told, "get c => c=after");
        assert_never_says(&told, "refuses to start");
        let (_, all) = told.split_once(&format!("dies after {dies} of ")).unwrap_or(("", "0 "));
        let all: usize = all.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        if all == dies {
            assert!(all > 5, "a first start has many operations: {told}");
            return;
        }
    }
}
