//! What the judge of registers and independent keys says, by cases that have a name.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use whitewater_api::{Key, Process};
use whitewater_checkers::{
    Anomaly, Budget, Ruling,
    plain::{self, Decision, Partition},
};
use whitewater_record::{PlainAction, PlainHistory, PlainOperation, SimTime};

fn history(operations: impl IntoIterator<Item = (u64, Option<u64>, PlainAction)>) -> PlainHistory {
    let mut operations: Vec<PlainOperation> = (0..)
        .zip(operations)
        .map(|(process, (invoked, completed, action))| PlainOperation {
            process: Process(process),
            key: Key::from("k"),
            invoked: SimTime(invoked),
            completed: completed.map(SimTime),
            action,
            line: 0,
        })
        .collect();
    operations.sort_by_key(|operation| operation.invoked);
    PlainHistory { initial: None, operations }
}

fn get(value: &str) -> PlainAction {
    PlainAction::Read(Some(value.into()))
}

fn put(value: &str) -> PlainAction {
    PlainAction::Write(value.into())
}

fn append(value: &str) -> PlainAction {
    PlainAction::Append(value.into())
}

fn cas(from: &str, to: &str, swapped: Option<bool>) -> PlainAction {
    PlainAction::Cas { from: Some(from.into()), to: to.into(), swapped }
}

fn rule(history: &PlainHistory) -> Ruling {
    plain::judge(history, &Budget::default()).ruling
}

fn anomaly(history: &PlainHistory) -> Anomaly {
    rule(history).anomaly().cloned().unwrap()
}

#[test]
fn read_of_an_overwritten_value_is_stale() {
    let told = [(0, Some(1), put("1")), (2, Some(3), put("2")), (4, Some(5), get("1"))];
    let unique = anomaly(&history(told.clone()));
    assert_eq!((unique.code.as_str(), unique.operations[0]), ("stale-read", 2));
    // The same where values repeat, which is for another engine.
    let again = [(6, Some(7), put("2")), (8, Some(9), put("1")), (10, Some(11), get("2"))];
    let repeated = anomaly(&history(told[..2].iter().cloned().chain(again)));
    assert_eq!((repeated.code.as_str(), repeated.operations[0]), ("stale-read", 4));
    assert_eq!(repeated.at, SimTime(11));
}

#[test]
fn value_that_nobody_wrote_is_named() {
    let told = [(0, Some(1), put("1")), (2, Some(3), get("7"))];
    assert_eq!(anomaly(&history(told)).code, "never-written");
}

#[test]
fn of_a_long_value_only_the_beginning_is_shown() {
    let long = "a".repeat(1_000_000);
    let told = [(0, Some(1), put("1")), (2, Some(3), get(&long))];
    let sentence = anomaly(&history(told)).sentence;
    assert!(sentence.len() < 1_000 && sentence.contains("aa.. (1000000 bytes)"), "{sentence}");
}

#[test]
fn value_that_is_written_later_is_from_the_future() {
    let told = [(0, Some(1), get("1")), (2, Some(3), put("1"))];
    assert_eq!(anomaly(&history(told)).code, "read-from-future");
}

#[test]
fn two_swaps_of_one_value_lose_an_update() {
    let swaps = [(2, Some(5), cas("1", "2", Some(true))), (3, Some(6), cas("1", "3", Some(true)))];
    let told = [(0, Some(1), put("1"))].into_iter().chain(swaps);
    assert_eq!(anomaly(&history(told)).code, "lost-update");
}

#[test]
fn operation_that_returns_as_another_begins_overlaps_it() {
    let told = |begin| [(0, Some(3), get("1")), (begin, Some(5), put("1"))];
    assert_eq!(rule(&history(told(3))), Ruling::Holds);
    assert_ne!(rule(&history(told(4))), Ruling::Holds);
}

#[test]
fn dozens_of_concurrent_appends_are_ordered_by_what_is_read() {
    let names: Vec<String> = (0..40).map(|name| format!("{name};")).collect();
    let appends = || names.iter().map(|name| (0, Some(10), append(name)));
    let all = names.concat();
    let reversed: String = names.iter().rev().map(String::as_str).collect();
    let good = history(appends().chain([(11, Some(12), get(&all)), (13, Some(14), get(&all))]));
    let bad = history(appends().chain([(11, Some(12), get(&all)), (13, Some(14), get(&reversed))]));
    assert_eq!(rule(&good), Ruling::Holds);
    assert!(matches!(rule(&bad), Ruling::Broken(_)));
}

#[test]
fn hundreds_of_unknown_swaps_need_no_more_room_than_there_is() {
    let told = |last: &str| {
        let swaps = (0..300).map(|i| {
            let (from, to) = (format!("{}", i % 100), format!("{}", (i + 1) % 100));
            (i, None, cas(&from, &to, None))
        });
        let ends = [(400, Some(401), get("5")), (402, Some(403), get(last))];
        let writes = [(0, Some(1), put("0")), (0, Some(1), put("0"))];
        history(writes.into_iter().chain(swaps).chain(ends))
    };
    assert_eq!(rule(&told("7")), Ruling::Holds);
    // No swap makes that.
    assert!(matches!(rule(&told("100")), Ruling::Broken(_)));
}

#[test]
fn spent_budget_names_a_window_and_is_no_pass() {
    let told = [(0, Some(1), put("1")), (2, Some(5), put("1")), (3, Some(6), get("1"))];
    let budget = Budget { plain_configurations_max: 0, ..Budget::default() };
    let Ruling::Undecided(why) = plain::judge(&history(told.clone()), &budget).ruling else {
        panic!("it was decided for nothing")
    };
    assert!(why.reason.contains("configurations") && why.reason.contains("key k"), "{why}");
    let stopped = plain::judge_until(&history(told), &Budget::default(), &|| true);
    assert!(matches!(stopped.ruling, Ruling::Undecided(_)));
    let nothing = history([(0, None, append("1")), (1, None, append("2"))]);
    assert_eq!(plain::judge(&nothing, &budget).ruling, Ruling::Holds);
}

#[test]
fn undecided_window_is_where_the_search_got_stuck() {
    // A quiet past; a swap from each of five values to each other, all at once, which lead back to the first in whatever
    // order; a read of another one; and a future that would be easy.
    let quiet = (0..51).flat_map(|i| {
        let (at, value) = (10 * i, format!("{}", i % 5));
        [(at, Some(at + 1), put(&value)), (at + 2, Some(at + 3), get(&value))]
    });
    let pairs = (0..25).map(|i| (i / 5, i % 5)).filter(|(from, to)| from != to);
    let burst = pairs.map(|(from, to)| {
        (1_000, Some(2_000), cas(&format!("{from}"), &format!("{to}"), Some(true)))
    });
    let after = [(3_000, Some(3_001), get("1")), (4_000, Some(4_001), put("end"))];
    let told = history(quiet.chain(burst).chain(after));
    let budget = Budget { plain_configurations_max: 20_000, ..Budget::default() };
    let Ruling::Undecided(doubt) = plain::judge(&told, &budget).ruling else {
        panic!("it was decided for little")
    };
    let window = doubt.window.unwrap();
    assert_eq!((window.key, window.from), (Some(Key::from("k")), SimTime(1_000)));
    assert!((102..122).contains(&window.first) && window.last > window.first, "{}", doubt.reason);
    assert!(window.until <= SimTime(3_001) && window.operations <= 21, "{}", doubt.reason);
    // Of several keys the smallest window is named.
    let mut two = told.clone();
    for mut operation in told.operations {
        (operation.key, operation.process.0) = (Key::from("other"), operation.process.0 + 1_000);
        operation.completed = operation.completed.map(|at| SimTime(at.0 + 50));
        two.operations.push(operation);
    }
    two.operations.sort_by_key(|operation| operation.invoked);
    let Ruling::Undecided(doubt) = plain::judge(&two, &budget).ruling else {
        panic!("it was decided for little")
    };
    assert_eq!(doubt.window.unwrap().key, Some(Key::from("k")), "{}", doubt.reason);
}

#[test]
fn part_of_a_key_can_be_judged_alone() {
    let told = [(0, Some(1), put("1")), (2, Some(3), put("2")), (4, Some(5), get("1"))];
    let history = history(told);
    let decide = |operations: &[u32]| {
        Partition::new(&history, operations.to_vec()).decide(&Budget::default(), &|| false).0
    };
    assert!(matches!(decide(&[0, 1, 2]), Decision::Broken(_)));
    assert_eq!(decide(&[0, 2]), Decision::Linearizable);
}

#[test]
fn unsound_record_is_not_judged() {
    let mut told = history([(0, Some(5), put("1")), (3, Some(6), put("2"))]);
    assert_eq!(rule(&told), Ruling::Holds);
    told.operations[1].process = told.operations[0].process;
    assert!(matches!(rule(&told), Ruling::Undecided(_)));
}

#[test]
fn keys_are_judged_apart() {
    let mut told = history([(0, Some(1), put("1")), (2, Some(3), get("1"))]);
    told.operations[1].key = Key::from("other");
    assert_eq!(anomaly(&told).operations, [1]);
}
