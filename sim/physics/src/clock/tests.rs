use super::*;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};

const SECOND: u64 = 1_000_000_000;

fn config() -> Config {
    Config { rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..Config::default() }
}

fn clock(drift_ppm: i32) -> Clock {
    Clock::new(ClockProfile { offset_ns: 0, drift_ppm })
}

#[test]
fn a_clock_without_drift_shows_true_time() {
    let clock = clock(0);
    assert_eq!(clock.monotonic(SimTime(12_345)), Monotonic(12_345));
    assert_eq!(clock.when(Monotonic(12_345), SimTime(7)), SimTime(12_345));
    assert_eq!(clock.wall(SimTime(12_345)), 12_345);
}

#[test]
fn a_fast_clock_fires_its_timers_early() {
    let clock = clock(1_000);
    assert_eq!(clock.monotonic(SimTime(SECOND)), Monotonic(1_001_000_000));
    assert_eq!(clock.when(Monotonic(1_001_000_000), SimTime::ZERO), SimTime(SECOND));
}

#[test]
fn a_jump_moves_the_wall_clock_only_and_is_taken_back_exactly() {
    let mut clock = Clock::new(ClockProfile { offset_ns: -5, drift_ppm: 0 });
    clock.jump(-1_000);
    assert_eq!(clock.wall(SimTime(100)), -905);
    assert_eq!(clock.monotonic(SimTime(100)), Monotonic(100));
    clock.jump(1_000);
    assert_eq!(clock.wall(SimTime(100)), 95);
}

#[test]
fn drifts_that_overlap_add_up_and_are_taken_back_exactly_past_the_limit_too() {
    let mut clock = clock(10);
    clock.add_drift(SimTime(1), i32::MIN);
    clock.add_drift(SimTime(2), 500);
    assert_eq!(clock.drift_ppm(), -DRIFT_PPM_MAX);
    assert!(clock.monotonic(SimTime(SECOND)) > clock.monotonic(SimTime(2)));
    clock.add_drift(SimTime(SECOND), i32::MAX);
    clock.add_drift(SimTime(SECOND), 1);
    assert_eq!(clock.drift_ppm(), 510);
}

#[test]
fn a_moment_past_all_time_is_never() {
    assert_eq!(clock(-100).when(Monotonic(u64::MAX), SimTime(5)), SimTime::NEVER);
}

fn drifting() -> impl Strategy<Value = (Clock, SimTime)> {
    let bends = prop::collection::vec((0..100 * SECOND, any::<i32>()), 0..6);
    let drift = prop_oneof![-2_000..2_000, any::<i32>()];
    (drift, bends).prop_map(|(drift, bends)| {
        let mut clock = clock(drift);
        let mut now = SimTime::ZERO;
        for (after, ppm) in bends {
            now = SimTime(now.0 + after);
            clock.add_drift(now, ppm);
        }
        (clock, now)
    })
}

#[test]
fn the_awake_clock_stands_still_while_the_machine_sleeps_and_the_others_do_not() {
    let mut clock = clock(0);
    clock.suspend(SimTime(100));
    clock.suspend(SimTime(200));
    assert_eq!((clock.monotonic(SimTime(300)), clock.wall(SimTime(300))), (Monotonic(300), 300));
    assert_eq!(clock.awake(SimTime(300)), Monotonic(100));
    clock.wake_up(SimTime(400));
    clock.wake_up(SimTime(450));
    assert_eq!(clock.awake(SimTime(500)), Monotonic(200));
    assert_eq!(clock.when_awake(Monotonic(250), SimTime(500)), SimTime(550));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn slews_are_taken_back_exactly_in_any_order(
        (mut clock, now) in drifting(), first in any::<i32>(), second in any::<i32>(),
        lasts in prop::array::uniform3(0..SECOND),
    ) {
        let mut straight = clock.clone();
        let at = |n: usize| SimTime(now.0 + lasts[..n].iter().sum::<u64>());
        clock.slew(at(0), first);
        clock.slew(at(1), second);
        prop_assert_eq!(clock.monotonic(at(2)), straight.monotonic(at(2)));
        clock.end_slew(at(2), first, at(0));
        clock.end_slew(at(3), second, at(1));
        prop_assert_eq!(clock.wall(at(3)), straight.wall(at(3)));
        straight.slew(at(3), 0);
        prop_assert_eq!(clock.wall(SimTime(at(3).0 + SECOND)), straight.wall(SimTime(at(3).0 + SECOND)));
    }

    #[test]
    fn the_awake_clock_never_goes_back_and_never_leads(
        (mut clock, now) in drifting(), naps in prop::collection::vec((0..SECOND, 0..SECOND), 1..5),
    ) {
        let (mut now, mut shown, mut slept) = (now, clock.awake(now), 0);
        for (up, down) in naps {
            now = SimTime(now.0 + up);
            prop_assert!(clock.awake(now) >= shown);
            clock.suspend(now);
            shown = clock.awake(now);
            let before = clock.monotonic(now);
            now = SimTime(now.0 + down);
            prop_assert_eq!(clock.awake(now), shown);
            slept += clock.monotonic(now).since(before);
            clock.wake_up(now);
            prop_assert_eq!(clock.awake(now), shown);
            prop_assert_eq!(clock.monotonic(now).since(clock.awake(now)), slept);
        }
    }

    #[test]
    fn monotonic_time_never_goes_back_when_the_drift_changes(
        (mut clock, now) in drifting(), after in 0..SECOND, ppm in any::<i32>(), later in 0..SECOND,
    ) {
        let bend = SimTime(now.0 + after);
        let before = clock.monotonic(bend);
        prop_assert!(before >= clock.monotonic(now));
        clock.add_drift(bend, ppm);
        prop_assert_eq!(clock.monotonic(bend), before);
        prop_assert!(clock.monotonic(SimTime(bend.0 + later)) >= before);
    }

    #[test]
    fn a_timer_fires_at_the_first_moment_at_which_its_time_has_come(
        (clock, bend) in drifting(), after in 0..SECOND, ahead in 0..10 * SECOND,
    ) {
        let now = SimTime(bend.0 + after);
        let local = Monotonic((clock.monotonic(now).0 + ahead).saturating_sub(SECOND));
        let when = clock.when(local, now);
        prop_assert!(when >= now);
        prop_assert!(clock.monotonic(when) >= local);
        if when > now {
            prop_assert!(clock.monotonic(SimTime(when.0 - 1)) < local);
        }
    }
}
