//! Election timeouts that replay.
//!
//! raft-rs draws them from the operating system on every reset, where no interposition catches it. Ours overwrite them
//! after every call that may have reset them, and are a pure function of (seed, node, term, role).

use raft::{Raft, StateRole, Storage};

/// What was last written over raft's own draw, so that it is not worked out again while it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pinned {
    role: StateRole,
    term: u64,
    ticks: usize,
}

/// Overwrites the timeout that raft drew.
pub(crate) fn pin<T: Storage>(
    raft: &mut Raft<T>,
    seed: u64,
    election_ticks: u64,
    last: &mut Pinned,
) {
    let stands =
        Pinned { role: raft.state, term: raft.term, ticks: raft.randomized_election_timeout() };
    if *last == stands {
        return;
    }
    let role = match raft.state {
        StateRole::Follower => 0,
        StateRole::PreCandidate => 1,
        StateRole::Candidate => 2,
        StateRole::Leader => 3,
    };
    let draw = mix(mix(mix(seed, raft.id), raft.term), role);
    let ticks = election_ticks + draw % election_ticks;
    let ticks = usize::try_from(ticks).expect("a timeout in ticks is small");
    raft.set_randomized_election_timeout(ticks);
    *last = Pinned { ticks, ..stands };
}

/// One round of splitmix64 over both words.
pub(crate) const fn mix(state: u64, word: u64) -> u64 {
    let mut z = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::mix;

    #[test]
    fn neighbours_draw_differently() {
        let draws: std::collections::BTreeSet<u64> =
            (1..=7).map(|node| mix(mix(1, node), 5) % 10).collect();
        assert!(draws.len() >= 3, "{draws:?}");
    }
}
