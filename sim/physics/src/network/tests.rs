use super::*;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use whitewater_api::NodeId;
use whitewater_record::Latency;

fn config() -> Config {
    Config { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}

fn port(node: u64) -> Port {
    Port::node(NodeId(node))
}

fn calm() -> NetworkProfile {
    NetworkProfile::default()
}

fn stormy() -> NetworkProfile {
    NetworkProfile {
        latency: Latency { tail_ppm: 50_000, tail: Span::millis(50), ..Latency::default() },
        loss_ppm: 100_000,
        duplicate_ppm: 100_000,
        replay: Span::seconds(1),
        reorder_ppm: 100_000,
    }
}

fn arrival(fate: Fate) -> Option<SimTime> {
    match fate {
        Fate::Once(at) | Fate::Twice(at, _) => Some(at),
        Fate::Lost | Fate::Cut => None,
    }
}

/// The fates of so many messages from n1 to n2, one each so often.
fn fates(network: &mut Network, count: u64, every: Span) -> Vec<Fate> {
    (0..count).map(|i| network.send(SimTime(i * every.0), port(1), port(2), || 100)).collect()
}

const BAD: Weather = Weather {
    loss_ppm: 300_000,
    duplicate_ppm: 300_000,
    reorder_ppm: 300_000,
    delay: Span::millis(20),
};

#[test]
fn no_message_is_lost_doubled_or_reordered_in_fair_weather() {
    let mut network = Network::new(calm(), Seed(1));
    let arrivals: Vec<_> = fates(&mut network, 10_000, Span::micros(10))
        .into_iter()
        .map(|fate| match fate {
            Fate::Once(at) => at,
            Fate::Lost | Fate::Cut | Fate::Twice(..) => panic!("{fate:?}"),
        })
        .collect();
    assert!(arrivals.is_sorted());
    assert_eq!(network.counts(), NetworkCounts { sent: 10_000, ..NetworkCounts::default() });
}

#[test]
fn chances_come_true_as_often_as_they_say() {
    let mut network = Network::new(stormy(), Seed(1));
    fates(&mut network, 100_000, Span::micros(10));
    let counts = network.counts();
    assert!((9_500..10_500).contains(&counts.lost), "{counts:?}");
    assert!((8_500..9_500).contains(&counts.duplicated), "{counts:?}");
    assert!(counts.reordered > 1_000, "{counts:?}");
}

#[test]
fn a_chance_of_a_million_in_a_million_always_comes_true() {
    let mut network = Network::new(NetworkProfile { loss_ppm: 1_000_000, ..calm() }, Seed(1));
    assert!(fates(&mut network, 10_000, Span(1)).iter().all(|fate| *fate == Fate::Lost));
}

#[test]
fn messages_are_reordered_on_a_quiet_link_too() {
    let mut network = Network::new(NetworkProfile { reorder_ppm: 200_000, ..calm() }, Seed(1));
    fates(&mut network, 1_000, Span::millis(1));
    assert!(network.counts().reordered > 50, "{:?}", network.counts());
}

#[test]
fn each_direction_of_each_pair_has_luck_of_its_own() {
    let mut network = Network::new(calm(), Seed(1));
    let ports = [port(1), port(2), port(3), Port::client(0)];
    let pairs = ports.iter().flat_map(|from| ports.map(|to| (*from, to)));
    let mut arrivals: Vec<_> =
        pairs.map(|(from, to)| arrival(network.send(SimTime::ZERO, from, to, || 100))).collect();
    arrivals.sort_unstable();
    arrivals.dedup();
    assert_eq!(arrivals.len(), 16);
}

fn throttle(bytes_per_second: u64, queue_bytes: u64, until: SimTime) -> NetworkFault {
    NetworkFault::Throttle(Throttle { bytes_per_second, queue_bytes, until })
}

#[test]
fn a_throttled_link_sends_one_after_the_other_and_drops_what_does_not_fit() {
    let mut network = Network::new(NetworkProfile::calm(), Seed(1));
    network.begin(FaultId(3), LinkSet::of(port(1)), throttle(1_000, 250, SimTime(1_000_000_000)));
    let fates: Vec<_> =
        (0..6).map(|_| network.send(SimTime::ZERO, port(1), port(2), || 100)).collect();
    let sent: Vec<_> = fates.iter().copied().filter_map(arrival).collect();
    let at = |n: u64| SimTime::ZERO + Span::micros(250) + Span::millis(100 * n);
    assert_eq!(sent, [at(1), at(2), at(3)], "one is being sent, and two wait");
    assert_eq!(network.counts().overflowed, 3);
    assert_eq!(network.witnessed(FaultId(3)), 6);
    assert_eq!(arrival(network.send(SimTime::ZERO, port(2), port(3), || 1 << 30)), Some(at(0)));
    network.end(FaultId(3));
    let late = SimTime(1_000_000_000);
    assert_eq!(
        arrival(network.send(late, port(1), port(2), || 100)),
        Some(late + Span::micros(250))
    );
}

#[test]
fn what_waits_for_a_throttled_link_leaves_when_the_throttle_ends() {
    let mut network = Network::new(NetworkProfile::calm(), Seed(1));
    let at = |millis: u64| SimTime::ZERO + Span::millis(millis);
    let waits = |at: SimTime| at + Span::micros(250);
    network.begin(FaultId(0), LinkSet::of(port(1)), throttle(500, 1_000, at(100)));
    network.begin(FaultId(1), LinkSet::of(port(2)), throttle(1_000, 10_000, at(300)));
    let sent =
        |network: &mut Network, now: SimTime| arrival(network.send(now, port(1), port(2), || 100));
    let arrivals: Vec<_> = (0..5).filter_map(|_| sent(&mut network, SimTime::ZERO)).collect();
    // Half of the first at half the speed, and the end lets the rest go.
    assert_eq!(arrivals, [150, 250, 300, 300, 300].map(|millis| waits(at(millis))));
    network.end(FaultId(0));
    network.end(FaultId(1));
    assert_eq!(sent(&mut network, at(300)), Some(waits(at(300))), "nothing is left to wait for");
}

#[test]
fn a_message_sent_before_a_cut_still_arrives() {
    let mut network = Network::new(calm(), Seed(1));
    let before = network.send(SimTime::ZERO, port(1), port(2), || 100);
    network.begin(FaultId(0), LinkSet::of(port(1)), NetworkFault::Cut);
    assert!(arrival(before).unwrap() > SimTime(1));
    assert_eq!(network.send(SimTime(1), port(1), port(2), || 100), Fate::Cut);
}

#[test]
fn a_link_that_two_partitions_cut_is_mended_when_both_have_ended() {
    let mut network = Network::new(calm(), Seed(1));
    let link = || LinkSet::pairs(vec![(port(1), port(2))]);
    network.begin(FaultId(0), link(), NetworkFault::Cut);
    network.begin(FaultId(1), link(), NetworkFault::Cut);
    network.end(FaultId(0));
    assert!(network.is_cut(port(1), port(2)) && !network.is_cut(port(2), port(1)));
    network.end(FaultId(0));
    assert!(network.is_cut(port(1), port(2)));
    network.end(FaultId(1));
    assert!(!network.is_cut(port(1), port(2)));
}

#[test]
fn a_cut_is_witnessed_only_by_messages_that_the_caller_credits() {
    let mut network = Network::new(calm(), Seed(1));
    network.begin(FaultId(4), LinkSet::of(port(1)), NetworkFault::Cut);
    network.begin(FaultId(5), LinkSet::of(port(3)), NetworkFault::Cut);
    fates(&mut network, 3, Span(1));
    assert_eq!((network.counts().cut, network.witnessed(FaultId(4))), (3, 0));
    network.credit_cut(port(1), port(2));
    network.end(FaultId(4));
    // A flapping partition goes on counting under its id.
    network.begin(FaultId(4), LinkSet::of(port(1)), NetworkFault::Cut);
    network.credit_cut(port(1), port(2));
    assert_eq!((network.witnessed(FaultId(4)), network.witnessed(FaultId(5))), (2, 0));
}

#[test]
fn weather_of_two_faults_adds_up_and_each_is_witnessed_by_what_it_can_do() {
    let mut network = Network::new(calm(), Seed(1));
    let loss = |loss_ppm| NetworkFault::Weather(Weather { loss_ppm, ..Weather::default() });
    network.begin(FaultId(0), LinkSet::of(port(1)), loss(500_000));
    network.begin(FaultId(1), LinkSet::of(port(2)), loss(500_000));
    let slow = Weather { delay: Span::millis(1), ..Weather::default() };
    network.begin(FaultId(2), LinkSet::of(port(2)), NetworkFault::Weather(slow));
    assert!(fates(&mut network, 100, Span(1)).iter().all(|fate| *fate == Fate::Lost));
    assert_eq!((network.witnessed(FaultId(0)), network.witnessed(FaultId(1))), (100, 100));
    assert_eq!(network.witnessed(FaultId(2)), 0);
    assert!(matches!(network.send(SimTime(1), port(3), port(4), || 100), Fate::Once(_)));
    network.end(FaultId(0));
    network.end(FaultId(1));
    assert!(matches!(network.send(SimTime(1), port(1), port(2), || 100), Fate::Once(_)));
    assert_eq!(network.witnessed(FaultId(2)), 1);
}

#[test]
fn a_clog_releases_what_was_sent_in_it_at_its_end_in_order() {
    let mut network = Network::new(calm(), Seed(1));
    let until = SimTime(100_000_000);
    network.begin(FaultId(0), LinkSet::of(port(2)), NetworkFault::Clog { until });
    let held = fates(&mut network, 50, Span::micros(10));
    assert!(held.iter().all(|fate| *fate == Fate::Once(until)), "{held:?}");
    assert_eq!((network.counts().clogged, network.witnessed(FaultId(0))), (50, 50));
    assert_eq!(network.counts().reordered, 0);
    let last = SimTime(until.0 - 1);
    assert!(arrival(network.send(last, port(1), port(2), || 100)).unwrap() > until);
    assert_eq!(network.witnessed(FaultId(0)), 50, "it would have arrived after the end anyway");
}

proptest! {
    #![proptest_config(config())]

    /// No link ever delivers faster than it is throttled to.
    #[test]
    fn a_throttled_link_never_carries_more_than_its_rate(
        rate in 1_u64..1_000_000, queue in 0_u64..10_000,
        sends in prop::collection::vec((0_u64..10_000_000, 0_u64..5_000), 1..60),
    ) {
        let mut network = Network::new(calm(), Seed(1));
        network.begin(FaultId(0), LinkSet::of(port(2)), throttle(rate, queue, SimTime::NEVER));
        let (mut now, mut carried) = (SimTime::ZERO, 0_u128);
        for (after, bytes) in sends {
            now = SimTime(now.0 + after);
            if let Some(at) = arrival(network.send(now, port(1), port(2), || bytes)) {
                carried += u128::from(bytes);
                let room = u128::from(at.0) * u128::from(rate) / 1_000_000_000 + 60;
                prop_assert!(carried <= room, "{carried} bytes by {at} at {rate} a second");
            }
        }
    }

    #[test]
    fn first_copies_arrive_in_order_when_nothing_reorders(
        seed in any::<u64>(), every in 0..1_000_000_u64, clog in 0..20_000_000_u64,
    ) {
        let mut network = Network::new(NetworkProfile { reorder_ppm: 0, ..stormy() }, Seed(seed));
        let fault = NetworkFault::Clog { until: SimTime(clog) };
        network.begin(FaultId(0), LinkSet::of(port(1)), fault);
        let mut latest = SimTime::ZERO;
        for (i, fate) in fates(&mut network, 100, Span(every)).into_iter().enumerate() {
            if let Some(at) = arrival(fate) {
                let sent = SimTime(u64::try_from(i).unwrap() * every);
                prop_assert!(at >= latest && at >= sent + Span::micros(100) && at.0 >= clog);
                latest = at;
            }
            if let Fate::Twice(first, second) = fate {
                prop_assert!(first <= second && second <= first + Span::seconds(1));
            }
        }
        prop_assert_eq!(network.counts().reordered, 0);
    }

    #[test]
    fn no_message_crosses_a_cut_that_holds_when_it_is_sent(
        seed in any::<u64>(), holds in prop::collection::vec(any::<bool>(), 1..50),
    ) {
        let mut network = Network::new(stormy(), Seed(seed));
        for (i, hold) in (0..).zip(holds) {
            if hold {
                network.begin(FaultId(0), LinkSet::pairs(vec![(port(1), port(2))]), NetworkFault::Cut);
            }
            prop_assert_eq!(network.send(SimTime(i), port(1), port(2), || 100) == Fate::Cut, hold);
            prop_assert_ne!(network.send(SimTime(i), port(2), port(1), || 100), Fate::Cut);
            network.end(FaultId(0));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_fates(seed in any::<u64>()) {
        let run = || fates(&mut Network::new(stormy(), Seed(seed)), 50, Span::micros(70));
        prop_assert_eq!(run(), run());
        let other = fates(&mut Network::new(stormy(), Seed(!seed)), 50, Span::micros(70));
        prop_assert_ne!(run(), other);
    }

    #[test]
    fn more_messages_on_one_link_move_nothing_on_another(
        seed in any::<u64>(), more in prop::collection::vec((1..4_u64, 1..4_u64), 50),
    ) {
        let alone = fates(&mut Network::new(stormy(), Seed(seed)), 50, Span(10));
        let mut network = Network::new(stormy(), Seed(seed));
        let among: Vec<_> = (0..50).zip(more).map(|(i, (from, to))| {
            if (from, to) != (1, 2) {
                network.send(SimTime(i), port(from), port(to), || 100);
            }
            network.send(SimTime(i * 10), port(1), port(2), || 100)
        }).collect();
        prop_assert_eq!(alone, among);
    }

    #[test]
    fn a_fault_moves_nothing_of_a_links_luck_after_its_end(seed in any::<u64>()) {
        let profile = NetworkProfile { reorder_ppm: 0, duplicate_ppm: 0, ..stormy() };
        let fault_on = |effect: Option<NetworkFault>| {
            let mut network = Network::new(profile, Seed(seed));
            if let Some(effect) = effect {
                network.begin(FaultId(0), LinkSet::of(port(2)), effect);
            }
            fates(&mut network, 20, Span::millis(1));
            network.end(FaultId(0));
            // Long after, so that nothing waits for what the fault made late.
            let later = |i: u64| SimTime::ZERO + Span::seconds(100 + i);
            (0..20).map(|i| network.send(later(i), port(1), port(2), || 100)).collect::<Vec<_>>()
        };
        let calm = fault_on(None);
        prop_assert_eq!(&calm, &fault_on(Some(NetworkFault::Cut)));
        prop_assert_eq!(&calm, &fault_on(Some(NetworkFault::Weather(BAD))));
        prop_assert_eq!(&calm, &fault_on(Some(NetworkFault::Clog { until: SimTime(9_000_000) })));
    }
}
