//! Broken scenario files are answered with file, line, column, field and what was expected.

use whitewater_scenarios::{Scenario, catalog, load};

fn swarm() -> &'static str {
    catalog().next().expect("the catalogue is not empty").1
}

/// What is said about swarm with `from` replaced by `to`, and the line and column of `at` in it.
fn broken(from: &str, to: &str, at: &str) -> String {
    let text = swarm().replacen(from, to, 1);
    assert_ne!(text, swarm(), "`{from}` is not in swarm");
    let offset = text.find(at).expect("the place is in the text");
    let line = text[..offset].matches('\n').count() + 1;
    let column = offset - text[..offset].rfind('\n').map_or(0, |end| end + 1) + 1;
    let error = Scenario::parse("my.toml", &text).expect_err("the file is broken").to_string();
    let place = format!("my.toml:{line}:{column}: ");
    error
        .strip_prefix(&place)
        .unwrap_or_else(|| panic!("`{error}` does not begin with `{place}`"))
        .to_owned()
}

#[test]
fn an_unknown_field_is_named() {
    let error = broken("calm_percent = 45", "clam_percent = 45", "clam_percent");
    assert!(
        error.starts_with("clam_percent: unknown field `clam_percent`, expected one of"),
        "{error}"
    );
}

#[test]
fn a_field_of_a_group_is_named_with_its_place() {
    let error = broken("sync_percent = 50", "sync_percent = 150", "150");
    assert_eq!(error, "fault[3].sync_percent: 150 is not 0 to 100");
    let error = broken("kind = \"clog\"", "kind = \"clogg\"", "\"clogg\"");
    assert!(
        error.starts_with("fault[2].kind: unknown variant `clogg`, expected one of `weather`"),
        "{error}"
    );
    let error = broken("\"leader_and_minority\", \"bridge\"", "\"bridges\"", "\"bridges\"");
    assert!(error.starts_with("fault[1].shape[4]: unknown variant `bridges`"), "{error}");
}

#[test]
fn a_length_of_time_says_what_it_looks_like() {
    let error = broken("duration = \"60s\"", "duration = \"1d\"", "\"1d\"");
    assert!(
        error.starts_with("duration: `1d` is not a length of time such as \"1.5ms\""),
        "{error}"
    );
    let error = broken("duration = \"60s\"", "duration = 60", "60\n");
    assert!(error.starts_with("duration: `60` is not a length of time"), "{error}");
    let error = broken("length = \"50ms..20s\"", "length = \"20s..50ms\"", "\"20s..50ms\"");
    assert!(error.starts_with("fault[0].length: the range `20s..50ms` is empty"), "{error}");
}

#[test]
fn numbers_and_lists_say_what_they_look_like() {
    let error = broken("operations = 1600", "operations = -1", "-1");
    assert!(error.starts_with("workload.operations: `-1` is not a number such as 3"), "{error}");
    let error = broken("inflight_messages_max = [1, 4, 256]", "inflight_messages_max = []", "[]");
    assert!(error.starts_with("tuning.inflight_messages_max: the list is empty"), "{error}");
    let error = broken("segment_bytes = \"4KiB..256KiB\"", "segment_bytes = \"4kb\"", "\"4kb\"");
    assert!(error.starts_with("tuning.segment_bytes: `4kb` is not a number such as"), "{error}");
}

#[test]
fn a_missing_field_is_named() {
    let error = broken("think_percent = 60\n", "", "[workload]");
    assert!(error.contains("missing field `think_percent`"), "{error}");
    let error = broken("jump = \"1ms..1000s\"\n", "", "[[fault]]\nkind = \"jump_clock\"");
    assert_eq!(error, "fault[8]: `jump` is missing, expected it at a `jump_clock`");
}

#[test]
fn a_value_that_means_nothing_is_named_with_its_place() {
    let error = broken("nodes = [1, 2,", "nodes = [9, 2,", "nodes = [9");
    assert_eq!(error, "nodes: it may be 9, expected 1 to 7");
    let error = broken("election_ticks = 10", "election_ticks = 2", "election_ticks = 2");
    assert!(
        error.starts_with("tuning.election_ticks: it may be 2 while heartbeat_ticks may be 1"),
        "{error}"
    );
    let error = broken("per_minute = \"1..8\"\n", "", "[[fault]]\nkind = \"power_loss\"");
    assert!(error.contains("expected either `count` or `per_minute`"), "{error}");
    let error = broken(
        "off_percent = 65\n\n# The op",
        "victim = \"leader\"\n\n# The op",
        "victim = \"leader\"\n\n",
    );
    assert!(
        error.starts_with("fault[13].victim: a `power_loss` has none, expected it only at weather"),
        "{error}"
    );
}

#[test]
fn text_that_is_not_toml_says_where() {
    let error = broken("keys = \"1..12\"", "keys = \"1..12", "\n# More than");
    assert!(!error.is_empty());
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let error = load("swrm").unwrap_err().to_string();
    assert!(error.contains("`swrm` is not a scenario") && error.contains("power_loss"), "{error}");
}
