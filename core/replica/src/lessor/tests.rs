use super::*;
use proptest::prelude::*;
use whitewater_api::{LeaseRequest, Process, Request};
use whitewater_mutation::Mutations;
use whitewater_store::Store;

const A: LeaseId = LeaseId(1);
const INTERVAL: u64 = 300 * SECOND;

fn at(seconds: u64) -> Monotonic {
    Monotonic(seconds * SECOND)
}

/// A store with leases 1 to `count`, each of `ttl` seconds.
fn store(count: i64, ttl: i64) -> Store {
    let mut store = Store::new(Mutations::none());
    for id in 1..=count {
        let grant = LeaseRequest::Grant { lease: LeaseId(id), ttl };
        store.apply(&Request::Lease(grant)).unwrap();
    }
    store
}

/// A tenure from `now` on that has found all leases of the store.
fn lessor(store: &Store, now: Monotonic) -> Lessor {
    let mut lessor = Lessor::default();
    lessor.begin(2, now, SECOND);
    for (id, lease) in store.leases(None) {
        lessor.find(id, lease, lease.remaining(), INTERVAL);
    }
    lessor.searched(Search::Over);
    lessor.check_invariants();
    lessor
}

/// Proposes all that is due, from index `index` on.
fn expire(lessor: &mut Lessor, now: Monotonic, mut index: u64) -> Vec<LeaseId> {
    let mut expired = Vec::new();
    while let Some(id) = lessor.next_expired(now) {
        lessor.on_expiry_proposed(id, index, now);
        index += 1;
        expired.push(id);
    }
    lessor.check_invariants();
    expired
}

#[test]
fn nothing_is_due_outside_a_tenure() {
    let mut lessor = Lessor::default();
    lessor.grant(A, 1, at(0), INTERVAL);
    assert_eq!((lessor.next_expired(at(100)), lessor.next_wake(at(100), 1)), (None, None));
}

#[test]
fn a_lease_that_is_found_has_its_time_and_the_extension() {
    let mut lessor = lessor(&store(1, 10), at(100));
    assert_eq!(lessor.next_wake(at(100), 1), Some(at(111)));
    assert_eq!(lessor.next_expired(Monotonic(at(111).0 - 1)), None);
    assert_eq!(expire(&mut lessor, at(111), 5), [A]);
}

#[test]
fn the_end_of_a_lease_is_proposed_once_and_wins_over_later_keep_alives() {
    let mut lessor = lessor(&store(1, 10), at(0));
    assert_eq!(expire(&mut lessor, at(11), 5), [A]);
    lessor.renew(A, at(12), INTERVAL);
    assert_eq!(expire(&mut lessor, at(500), 6), []);
    assert_eq!(lessor.end_of(A), Some(5));
    lessor.forget(A, 5);
    assert_eq!((lessor.end_of(A), lessor.has(A)), (None, false));
}

/// What is in flight when the tenure ends may be lost; the next tenure begins anew.
#[test]
fn an_end_that_was_lost_is_proposed_again() {
    let store = store(1, 10);
    let mut lessor = lessor(&store, at(0));
    assert_eq!(expire(&mut lessor, at(11), 5), [A]);
    let id = RequestId { process: Process(1), sequence: 0 };
    lessor.wait(id, A, 5);
    assert_eq!(lessor.end(), [id]);
    lessor.begin(4, at(20), SECOND);
    lessor.find(A, store.lease(A).unwrap(), 10, INTERVAL);
    assert_eq!(expire(&mut lessor, at(30), 7), []);
    assert_eq!(expire(&mut lessor, at(31), 7), [A]);
}

/// A client's revocation is in flight, and so may be another grant of the id: our clock has no say.
#[test]
fn a_lease_that_a_client_ends_does_not_expire() {
    let mut lessor = lessor(&store(1, 10), at(0));
    lessor.on_end_proposed(A, 5);
    assert_eq!(expire(&mut lessor, at(50), 7), []);
    lessor.forget(A, 5);
    lessor.grant(A, 10, at(50), INTERVAL);
    assert_eq!(expire(&mut lessor, at(59), 7), []);
    assert_eq!(expire(&mut lessor, at(60), 7), [A]);
}

#[test]
fn no_more_than_the_pace_allows_end_in_a_second() {
    let mut lessor = lessor(&store(3000, 10), at(0));
    let mut ended = 0;
    let mut now = at(11);
    while now < at(12) {
        ended += expire(&mut lessor, now, 0).len() as u64;
        let wake = lessor.next_wake(now, 1).unwrap();
        assert!(wake > now, "something is due and was not done");
        now = wake;
    }
    let allowed = limits::LEASE_EXPIRIES_PER_SECOND / 4 * 3;
    let burst = limits::LEASE_EXPIRY_BURST_NANOS / 1_000_000;
    assert!((allowed..=allowed + burst).contains(&ended), "{ended}");
}

#[test]
fn a_pile_that_was_found_does_not_hold_the_others_up() {
    let mut lessor = lessor(&store(3000, 10), at(0));
    let late = LeaseId(9000);
    lessor.grant(late, 2, at(9), INTERVAL);
    let mut now = at(11);
    let mut ended = Vec::new();
    while now < at(12) {
        ended.extend(expire(&mut lessor, now, 0));
        now = lessor.next_wake(now, 1).unwrap();
    }
    assert!(ended.contains(&late), "it waits behind what was found");
}

/// Whoever may not write what hangs on a lease asks for its end, and is refused when that is carried out.
#[test]
fn a_lease_whose_end_was_refused_goes_on() {
    let mut lessor = Lessor::default();
    lessor.begin(2, at(0), SECOND);
    lessor.grant(A, 10, at(0), INTERVAL);
    lessor.on_end_proposed(A, 7);
    lessor.renew(A, at(1), INTERVAL);
    assert_eq!(lessor.left(A, at(1)), Some(9), "while its end is in the log nothing counts");
    lessor.keep(A, 6, at(2), INTERVAL);
    assert_eq!(lessor.end_of(A), Some(7), "that was another one");
    lessor.keep(A, 7, at(2), INTERVAL);
    lessor.check_invariants();
    assert_eq!(lessor.left(A, at(2)), Some(8));
    lessor.renew(A, at(3), INTERVAL);
    assert_eq!(lessor.left(A, at(3)), Some(10));
    assert_eq!(expire(&mut lessor, at(13), 9), [A], "it ends when it is time");
}

#[test]
fn what_is_left_is_written_down_for_long_leases_only() {
    let mut lessor = Lessor::default();
    lessor.begin(2, at(0), SECOND);
    lessor.grant(A, 1000, at(0), INTERVAL);
    lessor.grant(LeaseId(2), 300, at(0), INTERVAL);
    lessor.searched(Search::Over);
    assert_eq!(lessor.next_wake(at(0), 1), Some(at(300)));
    assert_eq!(lessor.due_checkpoints(at(299)), []);
    let now = Monotonic(at(300).0 + 1);
    let due = lessor.due_checkpoints(now);
    assert_eq!(due, [LeaseCheckpoint { lease: A, remaining: 700 }], "rounded up");
    assert!(!lessor.is_cut(A));
    lessor.on_checkpoints_proposed(&due, now, now, INTERVAL);
    assert!(lessor.is_cut(A));
    assert_eq!(lessor.due_checkpoints(at(599)), []);
    lessor.renew(A, at(599), INTERVAL);
    assert_eq!(lessor.due_checkpoints(at(898)), [], "an interval behind the last renewal");
    lessor.check_invariants();
}

#[test]
fn the_bounds_enclose_the_time_to_live() {
    let tuning = Tuning::default();
    assert_eq!(earliest_nanos(10, 0), 10 * SECOND);
    assert_eq!(earliest_nanos(10, 1000), 9_990_000_000);
    assert_eq!(latest_nanos(10, &tuning, 0, 0), 10 * SECOND);
    assert_eq!(latest_nanos(10, &tuning, 0, 2), 32 * SECOND);
    assert_eq!(latest_nanos(3600, &tuning, 0, 1), (3600 + 301 + 1) * SECOND);
    assert_eq!(latest_nanos(10, &tuning, 1000, 0), 10_010_000_000);
}

/// What happens to a few leases, a second after another.
#[derive(Clone, Debug)]
enum Step {
    Grant(i64, i64),
    Renew(i64),
    Revoke(i64),
    Apply,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1_i64..5;
    prop_oneof![
        (id(), 1_i64..9).prop_map(|(id, ttl)| Step::Grant(id, ttl)),
        id().prop_map(Step::Renew),
        id().prop_map(Step::Revoke),
        Just(Step::Apply),
        (1_u64..5).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against the plain rule: a lease ends when nobody has renewed it for its time, and not before.
    #[test]
    fn leases_end_when_their_time_is_over_and_not_before(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut lessor = Lessor::default();
        lessor.begin(2, at(0), SECOND);
        let mut now = at(0);
        let mut index = 0;
        let mut deadlines: BTreeMap<LeaseId, (i64, Monotonic)> = BTreeMap::new();
        let mut ending: BTreeMap<LeaseId, u64> = BTreeMap::new();
        for step in steps {
            index += 1;
            match step {
                Step::Grant(id, ttl) if !deadlines.contains_key(&LeaseId(id)) => {
                    lessor.grant(LeaseId(id), ttl, now, 2 * SECOND);
                    deadlines.insert(LeaseId(id), (ttl, now.after(nanos(ttl))));
                }
                Step::Renew(id) => {
                    lessor.renew(LeaseId(id), now, 2 * SECOND);
                    if let Some((ttl, deadline)) = deadlines.get_mut(&LeaseId(id))
                        && !ending.contains_key(&LeaseId(id))
                    {
                        *deadline = now.after(nanos(*ttl));
                    }
                }
                Step::Revoke(id) if deadlines.contains_key(&LeaseId(id)) => {
                    lessor.on_end_proposed(LeaseId(id), index);
                    ending.insert(LeaseId(id), index);
                }
                Step::Apply => {
                    for (id, index) in mem::take(&mut ending) {
                        lessor.forget(id, index);
                        deadlines.remove(&id);
                    }
                }
                Step::Wait(seconds) => now = now.after(seconds * SECOND),
                Step::Grant(..) | Step::Revoke(_) => {}
            }
            for id in expire(&mut lessor, now, index) {
                index += 1;
                prop_assert!(deadlines[&id].1 <= now, "{id} ends too early");
                prop_assert!(ending.insert(id, index - 1).is_none(), "{id} ends twice");
            }
            let late = deadlines.iter().find(|(id, (_, deadline))| {
                *deadline <= now && !ending.contains_key(id)
            });
            prop_assert!(late.is_none(), "{late:?} is over and does not end");
            let due = lessor.due_checkpoints(now);
            for checkpoint in &due {
                let left = deadlines[&checkpoint.lease].1.since(now);
                prop_assert!(nanos(checkpoint.remaining) >= left);
            }
            lessor.on_checkpoints_proposed(&due, now, now, 2 * SECOND);
            lessor.check_invariants();
        }
    }
}
