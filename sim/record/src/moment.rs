//! Rare moments: states of a run that a campaign must reach now and then, or its silence means little.
//!
//! Names are what outcomes count them by. Those of the core are noted where they happen, in `core/replica`; the others by
//! whoever plays the run. Watches, leases and clients that change the members have some of their own, which a run without
//! them never reaches, and which are not listed here.

/// Name and meaning of each that the core notes.
pub const OF_THE_CORE: &[(&str, &str)] = &[
    ("acknowledgement of a forgotten life", "A late word of a member that has started over since."),
    ("candidate told of a newer term", "A candidate asks for votes in a term that is over."),
    ("damaged member cannot be spared", "The others have no majority without a damaged member."),
    ("damaged member relieved of its vote", "The others take a damaged member's promises back."),
    ("disk full for a peer's snapshot", "A snapshot that came in is given up for want of space."),
    ("disk full for a snapshot", "A snapshot is given up for want of space."),
    ("disk full for the log", "An entry waits for space."),
    ("half a snapshot forgotten", "A sender does not go on."),
    ("joint configuration entered", "Two configurations decide together."),
    (
        "leader stepped down with entries in flight",
        "A leader leaves entries behind that nobody has committed.",
    ),
    ("leader told of a newer term", "A leader speaks in a term that is over."),
    (
        "leader with a stalled disk stepped down",
        "A leader gives way because its disk does not answer.",
    ),
    ("long read answered", "A range took more than one step of its member."),
    ("long read put off", "A long range waits until compaction has made room."),
    ("member with another disk turned away", "A wiped member is known by its former disk."),
    (
        "new member not vouched for",
        "A member that lost what it knew of the disks of others is asked about one.",
    ),
    ("order to campaign refused", "Whoever should lead at once may not."),
    ("raft dropped a message", "Raft refuses a message, such as one of a member that is gone."),
    ("read index round asked again", "A round of reads got no answer in time."),
    (
        "read index round asked the nearest only",
        "Rounds of reads follow one another, and not everybody has to confirm each.",
    ),
    (
        "read parked until the leader commits in its term",
        "A new leader is asked before its first commit.",
    ),
    ("refused for want of memory", "A request is refused because the host has no memory (M1)."),
    ("removed leader stepped down", "A leader applies its own removal."),
    ("removed member ignored", "A member that is gone still speaks."),
    ("repaired member gets its vote back", "A damaged member holds again what it must."),
    ("several requests handed over together", "A host has more than one request for its replica."),
    ("snapshot sent to a follower", "A follower is too far behind for the log."),
    ("snapshot started over", "A receiver has forgotten the parts that it had."),
    ("snapshot transfer given up", "A receiver does not answer."),
    ("stale rejection ignored", "An old rejection of an append arrives."),
    ("stranger not vouched for", "A member starts before the others know that it is one."),
    (
        "uncommitted bytes at their bound",
        "A write is refused because too much is not committed (M1).",
    ),
    ("vote refused", "A vote is refused by the driver, not by raft."),
];

/// Name and meaning of each that the world notes.
pub const OF_THE_WORLD: &[(&str, &str)] = &[
    ("leader changed", "Another leader than the first one."),
    ("leader crashed", "A leader dies."),
    ("candidate crashed", "A candidate dies."),
    ("crash while receiving a snapshot", "A node dies with half a snapshot."),
    ("crash in a joint configuration", "A node dies between two configurations."),
    ("crash with a batch under way", "A node dies inside of a write."),
    ("crash before it took part", "A node dies while it starts."),
    ("unsynced bytes lost", "The power takes what was written and not synced."),
    ("sector torn", "The power tears a sector."),
    ("name lost", "The power takes a name or a rename."),
    ("log torn by a crash", "Half a record is left at the end of a log."),
    ("everybody down at once", "No process runs."),
    ("majority down at once", "Fewer processes run than a majority needs."),
    ("conflicting entries overwritten", "A log takes entries back."),
    ("snapshot installed", "A follower goes on from a snapshot."),
    ("wiped member retired", "A wiped member is told that it is one."),
    ("damage found", "A replica says that its disk is damaged."),
    ("two leaders at once", "Somebody wins an election and another one does not know."),
    ("election lost", "A candidate follows again."),
    ("election repeated", "A candidate stands again in a later term."),
    ("term jumped by more than one", "Elections passed a node by."),
    ("commit advanced by more than ten entries", "Much is committed at once."),
    ("more than a hundred uncommitted entries", "A log grows and nothing is committed."),
    ("applied behind the commit index", "A step ends with committed entries that are not applied."),
    ("leader in a joint configuration", "A leader works under two configurations."),
    ("leader that has no vote", "A leader commits its own removal."),
    ("log compacted to its end", "Nothing is left of a log but its snapshot."),
    ("candidate while a snapshot came in", "A node stands for election that receives a snapshot."),
    (
        "term changed while a snapshot came in",
        "The sender of a snapshot is not the leader any more.",
    ),
    ("leader stepped down while handing over", "A leadership ends while it is being handed over."),
    (
        "leader stepped down with requests pending",
        "Clients wait for a leader that is none any more.",
    ),
    ("paused leader was replaced meanwhile", "A leader goes on and another one leads."),
    ("disk failed under a leader", "A leader stops because its disk has failed."),
    ("append refused", "A follower's log does not fit."),
    ("pre-vote refused", "An election could not be won."),
    ("vote denied", "A voter has voted, or knows more."),
    ("leadership handed over", "A follower is told to stand at once."),
    ("message doubled", "A message arrives twice."),
    ("message overtaken", "A message arrives before an earlier one."),
    ("message held by a clog", "A message waits for the end of a clog."),
    ("queue overflowed", "A message finds a full queue."),
    ("changed message refused", "A message of which bits have flipped arrives (N5)."),
    (
        "message between releases",
        "Members of two releases speak the older form of messages (U1, U2).",
    ),
    (
        "log goes on in another form",
        "A member starts as a release that writes another form (U1, U2).",
    ),
    (
        "newer log refused",
        "The previous release is started on a log of the newest form, and refuses (U2).",
    ),
    ("refused as too many", "A request is refused because others wait (M1)."),
    ("refused for want of space", "A request is refused because the disk is full."),
    ("follower asked", "A request meets a follower."),
    ("nobody to lead", "A request meets a node that knows no leader."),
    ("leader lost under a request", "A request's outcome is lost with its leader."),
    ("read timed out", "A read is given up."),
    ("compacted revision asked for", "A request is about the past that is gone."),
    ("answer came too late", "An answer meets nobody who waits."),
    ("request reset", "A process dies that serves a request."),
    ("power lost inside a write", "A crash point: a batch was under way."),
    ("power lost before a write was told of", "A crash point: a batch was done."),
    ("power lost before messages left", "A crash point: promises were durable and not sent."),
    ("power lost at a part of a snapshot", "A crash point."),
    ("power lost at an installed snapshot", "A crash point."),
    ("power lost at a rename", "A crash point."),
    ("power lost at a change of members", "A crash point."),
];

/// Those that fewer than one of 150 seeds of the default scenario reaches, by 5,000 of them: a campaign of a thousand would
/// miss one of these by mere chance every other day. They are counted and shown, and no campaign is failed for them;
/// whoever sees to it that one is met takes it from here.
pub const SELDOM: &[&str] = &[
    "acknowledgement of a forgotten life",
    "damaged member cannot be spared",
    "disk full for a peer's snapshot",
    "order to campaign refused",
    "raft dropped a message",
    "uncommitted bytes at their bound",
    "more than a hundred uncommitted entries",
    "candidate while a snapshot came in",
    "power lost at a part of a snapshot",
    "power lost at an installed snapshot",
];

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    OF_THE_CORE.iter().chain(OF_THE_WORLD).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_enough_of_them_and_none_twice() {
        let all: Vec<&str> = names().collect();
        assert!(all.len() >= SELDOM.len() + 60, "{}", all.len());
        assert!(SELDOM.iter().all(|name| all.contains(name)));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
