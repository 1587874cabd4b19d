//! Every reader of traces reads what every scenario writes.

use crate::engine;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use whitewater_record::{Plan, Row, RowKind, Seed, SimTime, Trace};
use whitewater_reports::{
    Query,
    diff::{self, Side},
    export::{Window, perfetto, shiviz},
    lanes::{self, Shown},
};
use whitewater_scenarios::{Overrides, Scenario};

/// What no scenario needs to bring about: refused starts and broken invariants take a bug, leases a client that forgets.
const UNUSUAL: [RowKind; 3] = [RowKind::Refuse, RowKind::Violation, RowKind::Lease];

#[test]
fn sim_every_reader_reads_what_every_scenario_writes() {
    let mut seen = BTreeSet::new();
    for (name, text) in whitewater_scenarios::catalog() {
        let scenario = Scenario::parse(name, text).unwrap();
        let plan = whitewater_scenarios::plan(&scenario, Seed(1), &Overrides::default());
        let finished = engine::run(&plan, true, None);
        let trace = &finished.trace;
        let rows = trace.rows();
        seen.extend(rows.iter().map(|row| row.kind));

        let mut packed = Vec::new();
        trace.pack(&mut packed).unwrap();
        assert!(packed.len() < 12 * rows.len(), "{name}: more than 12 bytes an event");
        let again = Trace::unpack(name, &packed).unwrap();
        assert_eq!((again.rows(), again.hash()), (rows, finished.outcome.trace_hash), "{name}");

        let last = finished.outcome.events - 1;
        let shown = lanes::lanes(rows, &plan, &finished.outcome, &Shown::All, last);
        assert_eq!(shown.lines().count(), rows.len() + 1, "{name}: a line an event");
        assert!(!shown.contains('?'), "{name}: a number without its word");
        let query: Query = "kind=end".parse().unwrap();
        assert_eq!(query.first(rows), Some(last), "{name}");
        json_lines(name, trace);
        let side = Side { rows, plan: &plan };
        assert!(diff::diff(side, side).same, "{name}");
        perfetto_file(name, rows, &plan);
        shiviz_file(name, rows, &plan);
    }
    let missing: Vec<&RowKind> = RowKind::ALL
        .iter()
        .filter(|kind| !seen.contains(kind) && !UNUSUAL.contains(kind))
        .collect();
    assert_eq!(missing, Vec::<&RowKind>::new(), "no scenario writes these");
}

/// The JSON lines hold the same rows.
fn json_lines(name: &str, trace: &Trace) {
    let mut text = Vec::new();
    trace.write(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut lines = text.lines().map(serde_json::from_str::<Value>);
    let header = lines.next().unwrap().unwrap();
    assert_eq!(header["events"], trace.events(), "{name}");
    for (row, line) in trace.rows().iter().zip(lines) {
        let line = line.unwrap();
        let number = |field: &str| line[field].as_u64();
        let kind = RowKind::ALL.iter().find(|kind| line["kind"] == kind.name()).unwrap();
        let mut again = Row::new(SimTime(number("at").unwrap()), *kind, 0, number("cause"), &[]);
        again.node = number("node").unwrap();
        for (column, field) in kind.columns().iter().zip(&mut again.fields) {
            let value = &line[column.name];
            let word = column.words.iter().position(|word| value == word);
            *field = value.as_u64().or(word.map(|place| place as u64)).unwrap();
        }
        assert_eq!(again, *row, "{name}");
    }
}

/// What Perfetto asks of a file: every event has a place and a time, what ends has begun, and an arrow has a start.
fn perfetto_file(name: &str, rows: &[Row], plan: &Plan) {
    let end = rows.last().unwrap().at;
    for from in [SimTime::ZERO, SimTime(end.0 / 3)] {
        let window = Window { from, to: SimTime(from.0 + end.0 / 20) };
        let mut text = Vec::new();
        perfetto::write(rows, plan, window, &mut text).unwrap();
        let file: Value = serde_json::from_slice(&text).unwrap();
        let mut open = BTreeMap::new();
        let mut arrows = BTreeSet::new();
        for event in file["traceEvents"].as_array().unwrap() {
            let phase = event["ph"].as_str().unwrap();
            assert!(event["pid"].is_u64() && event["name"].is_string(), "{name}: {event}");
            if phase == "M" {
                continue;
            }
            assert!(
                event["ts"].as_f64().unwrap() >= 0.0 && event["tid"].is_u64(),
                "{name}: {event}"
            );
            let id = event["id"].to_string();
            match phase {
                "b" => *open.entry(id).or_insert(0) += 1,
                "e" => *open.get_mut(&id).unwrap() -= 1,
                "s" => assert!(arrows.insert(id), "{name}: a message is sent twice: {event}"),
                "f" => assert!(arrows.contains(&id), "{name}: an arrow from nowhere: {event}"),
                "X" => assert!(event["dur"].is_number(), "{name}: {event}"),
                "C" => assert!(event["args"]["index"].is_u64(), "{name}: {event}"),
                "i" => assert!(event["s"].is_string(), "{name}: {event}"),
                other => panic!("{name}: phase {other}"),
            }
        }
        assert!(open.values().all(|depth| *depth == 0), "{name}: a slice does not end");
        assert!(!arrows.is_empty(), "{name}: no message in the window");
    }
}

/// What `ShiViz` asks of a log: a host's own entry rises by one from event to event, and nobody knows more of a host than
/// has happened there.
fn shiviz_file(name: &str, rows: &[Row], plan: &Plan) {
    let mut text = Vec::new();
    let end = rows.last().unwrap().at;
    let (from, to) = (SimTime(end.0 / 3), SimTime(end.0 / 2));
    shiviz::write(rows, plan, Window { from, to }, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut happened: BTreeMap<String, u64> = BTreeMap::new();
    for pair in lines.chunks(2) {
        let (host, clock) = pair[1].split_once(' ').unwrap();
        let clock: BTreeMap<String, u64> = serde_json::from_str(clock).unwrap();
        *happened.entry(host.to_owned()).or_default() += 1;
        assert_eq!(clock[host], happened[host], "{name}: {pair:?}");
        for (other, count) in &clock {
            assert!(*count <= happened.get(other).copied().unwrap_or(0), "{name}: {pair:?}");
        }
    }
    assert!(happened.len() > 3, "{name}: {happened:?}");
}
