//! Bugs of reads that take many steps: each exchange is played without the bug and with it.

use super::{assert_never_says, assert_says, play_both};
use whitewater_mutation::Mutation;

/// Five keys of which a step looks at one.
const BEGINNING: &str = "cluster nodes=1 read_rows=1
    elect n1
    multi n1 \"put a old\" \"put b old\" \"put c old\" \"put d old\" \"put e old\"";

/// Who lists keys goes on to watch from the revision that the list tells. At a later one it would miss what came in between.
#[test]
fn a_long_read_tells_the_revision_that_it_is_of() {
    let exchange = format!(
        "{BEGINNING}
        range n1 a-z
        put n1 a new
        run 10"
    );
    let (guarded, bare) = play_both(Mutation::LongReadTellsLater, &exchange);
    assert_says(&guarded, "=> a=old b=old c=old d=old e=old r2 by n1");
    assert_says(&bare, "=> a=old b=old c=old d=old e=old r3 by n1");
}

#[test]
fn a_long_read_is_of_one_moment() {
    let exchange = format!(
        "{BEGINNING}
        range n1 a-z
        put n1 e new
        run 10"
    );
    let (guarded, bare) = play_both(Mutation::LongReadOfManyMoments, &exchange);
    assert_says(&guarded, "=> a=old b=old c=old d=old e=old r2 by n1");
    assert_says(&bare, "=> a=old b=old c=old d=old e=new r2 by n1");
}

/// A snapshot takes the place of what a read was reading, and it begins anew: by then nobody may ask without saying who it is.
#[test]
fn a_read_that_begins_anew_is_permitted_anew() {
    let exchange = "cluster nodes=3 read_rows=1 snapshot_log_bytes=900 catch_up_entries=0
        elect n1
        multi n1 \"put a 1\" \"put b 1\" \"put c 1\" \"put d 1\" \"put e 1\" \"put f 1\" \"put g 1\" \"put h 1\"
        stabilize
        run 3
        partition n3
        fill n1 20
        user-add n1 root secret
        user-grant n1 root root
        auth-enable n1
        stabilize
        run 3
        heal
        tick n1
        deliver to=n3
        deliver from=n3
        deliver to=n3
        deliver from=n3
        stale-range n3 a-z
        run 10";
    let told = super::play(None, exchange);
    assert_says(&told, "n3 installed snapshot");
    assert_says(&told, "stale-get [a,z) => fail: user name is empty");
    assert_never_says(&told, "stale-get [a,z) => a=1");
}
