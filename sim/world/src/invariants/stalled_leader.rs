//! A leader whose log cannot be written gives way. What it is asked it cannot commit, and while it sends heartbeats nobody takes its
//! place (etcd #15247, tikv #6224).

use whitewater_api::{Monotonic, NodeId, Tuning};

/// `since`: when the oldest write to the log that is under way was asked for, or the leader came into office, if that was later. It
/// has an election timeout, and sees that it is over with its next tick.
pub(crate) fn check(
    node: NodeId,
    since: Monotonic,
    now: Monotonic,
    tuning: &Tuning,
) -> Option<String> {
    let (tick, waited) = (tuning.tick_ms * 1_000_000, now.since(since));
    (waited > (tuning.election_ticks + 1) * tick).then(|| {
        let (waited, election) = (waited / 1_000_000, tuning.election_ms());
        format!("{node} leads on, with a write to its log under way for {waited} ms; an election takes {election} ms")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_has_an_election_timeout_and_a_tick() {
        let tuning = Tuning { tick_ms: 10, election_ticks: 10, ..Tuning::default() };
        let check = |now| check(NodeId(1), Monotonic(5_000_000), Monotonic(now), &tuning);
        assert_eq!(check(115_000_000), None);
        let wrong = check(115_000_001).expect("it leads on");
        assert!(wrong.contains("110 ms; an election takes 100 ms"), "{wrong}");
    }
}
