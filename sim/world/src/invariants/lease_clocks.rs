//! A leader knows the time of every lease, and gives none that it finds more than was left of it. Etcd #10686, #13491, #13508.

use whitewater_api::{NodeId, Tuning};
use whitewater_replica::LeaseClock;

/// What is wrong with the clocks that a leader has for leases, and whether some of these are from before it.
pub(crate) fn check(
    node: NodeId,
    clocks: impl Iterator<Item = LeaseClock>,
    tuning: &Tuning,
) -> (Option<String>, bool) {
    let extension = tuning.election_ms() * 1_000_000;
    let (mut wrong, mut discriminates) = (None, false);
    for LeaseClock { lease, remaining, left, is_found } in clocks {
        let Some(left) = left else {
            let never =
                || format!("{node} leads, and has no clock for {lease}: it would never end");
            return (Some(wrong.unwrap_or_else(never)), true);
        };
        discriminates |= is_found;
        let all = u64::try_from(remaining).unwrap_or(0).saturating_mul(1_000_000_000);
        let most = all.saturating_add(extension);
        if is_found && left > most {
            wrong.get_or_insert_with(|| {
                let [left, most] = [left, most].map(|nanos| nanos / 1_000_000);
                format!(
                    "{node} has found {lease} and gives it {left} ms; {most} ms are left at most"
                )
            });
        }
    }
    (wrong, discriminates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_api::LeaseId;

    fn wrong(clocks: &[LeaseClock]) -> Option<String> {
        let tuning = Tuning { tick_ms: 10, election_ticks: 10, ..Tuning::default() };
        let (wrong, discriminates) = check(NodeId(1), clocks.iter().copied(), &tuning);
        assert!(discriminates || wrong.is_none());
        wrong
    }

    #[test]
    fn what_is_found_has_what_is_left_and_an_election() {
        let found =
            |left| LeaseClock { lease: LeaseId(7), remaining: 2, left: Some(left), is_found: true };
        assert_eq!(wrong(&[found(2_100_000_000)]), None);
        assert!(wrong(&[found(2_100_000_001)]).is_some());
        let kept = LeaseClock { is_found: false, ..found(9_000_000_000) };
        assert_eq!(wrong(&[kept]), None, "it was kept alive, and that is on its way into the log");
    }

    #[test]
    fn what_has_no_clock_never_ends() {
        let lease = LeaseClock { lease: LeaseId(7), remaining: 2, left: None, is_found: false };
        assert!(wrong(&[lease]).is_some_and(|wrong| wrong.contains("never end")));
    }
}
