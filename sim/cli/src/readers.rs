//! Every reader of traces reads what every scenario writes.

use crate::engine;
use std::collections::BTreeSet;
use whitewater_record::{Row, RowKind, Seed, SimTime, Trace};
use whitewater_reports::{
    Query,
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
        for seed in 1..=2 {
            let plan = whitewater_scenarios::plan(&scenario, Seed(seed), &Overrides::default());
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
        }
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
    let mut lines = text.lines().map(serde_json::from_str::<serde_json::Value>);
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
