//! Bugs of backups: each exchange is played without the bug and with it.

use super::{assert_never_says, assert_says, play_both};
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
