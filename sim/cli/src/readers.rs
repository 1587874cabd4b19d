//! Every reader of traces reads what every scenario writes.

use crate::{
    args::{Args, Verb},
    browse,
    engine::{self, Finished},
    report::Means,
    view,
};
use clap::Parser;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};
use whitewater_checkers::Budget;
use whitewater_record::{History, Plan, Row, RowKind, Seed, SimTime, Span, Trace, Verdict};
use whitewater_reports::{
    Plays, Query,
    diff::{self, Side},
    export::{Window, perfetto, shiviz},
    lanes::{self, Shown},
};
use whitewater_scenarios::{Overrides, Scenario};

/// Every scenario writes all that it has to write in so much time; a second costs as much as ten thousand events.
const DURATION: Span = Span::seconds(8);

/// Seeds of `swarm` in which rare things come early: a wiped disk that stops its member, a flapping partition.
const RARE: [u64; 2] = [2, 29];

/// A seed of `power_loss` in which a member that is alone refuses to start, by a deliberate bug: nothing else refuses.
const REFUSED: Seed = Seed(16);

#[test]
fn sim_every_reader_reads_what_every_scenario_and_every_deliberate_bug_writes() {
    let overrides = Overrides { duration: Some(DURATION), ..Overrides::default() };
    let scenarios = whitewater_scenarios::catalog().map(|(name, text)| {
        let scenario = Scenario::parse(name, text).unwrap();
        (name, whitewater_scenarios::plan(&scenario, Seed(1), &overrides))
    });
    let swarm = whitewater_scenarios::load("swarm").unwrap();
    let rare =
        RARE.map(|seed| ("swarm", whitewater_scenarios::plan(&swarm, Seed(seed), &overrides)));
    let alone = Overrides {
        nodes: Some(1),
        mutations: vec!["torn-tail-refused".to_owned()],
        ..overrides.clone()
    };
    let power_loss = whitewater_scenarios::load("power_loss").unwrap();
    let refused = whitewater_scenarios::plan(&power_loss, REFUSED, &alone);
    // They are short, and bring about what no scenario needs to, such as broken promises.
    let bugs = whitewater_scenarios::mutants()
        .map(|bug| (bug.name, Plan::from_toml(bug.name, bug.text).unwrap()));
    let all: Vec<(&str, Plan)> = scenarios
        .into_iter()
        .chain(rare)
        .chain([("power_loss", refused)])
        .chain(bugs.filter(|(_, plan)| plan.duration <= DURATION))
        .collect();
    // Half of them each, on the two cores that this test asks for.
    let seen: BTreeSet<RowKind> = thread::scope(|scope| {
        let half = |from: usize| {
            let all = &all;
            scope.spawn(move || {
                let plans = all.iter().skip(from).step_by(2);
                plans.flat_map(|(name, plan)| every_reader(name, plan)).collect::<BTreeSet<_>>()
            })
        };
        [half(0), half(1)].into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    let missing: Vec<_> = RowKind::ALL.iter().filter(|kind| !seen.contains(kind)).collect();
    assert_eq!(missing, Vec::<&RowKind>::new(), "nobody writes these");
}

/// Plays a plan, and returns what kinds of events it wrote.
fn every_reader(name: &str, plan: &Plan) -> BTreeSet<RowKind> {
    let finished = engine::run(plan, true, None).unwrap();
    let trace = &finished.trace;
    let rows = trace.rows();

    let mut packed = Vec::new();
    trace.pack(&mut packed).unwrap();
    assert!(
        packed.len() < 12 * rows.len() || rows.len() < 1_000,
        "{name}: {} bytes for {} events",
        packed.len(),
        rows.len()
    );
    let again = Trace::unpack(name, &packed).unwrap();
    assert_eq!((again.rows(), again.hash()), (rows, finished.outcome.trace_hash), "{name}");

    let last = finished.outcome.events - 1;
    let shown = lanes::lanes(rows, plan, &finished.outcome, &Shown::All, last);
    assert!(shown.lines().count() > rows.len(), "{name}: a line an event");
    assert!(!shown.contains('?'), "{name}: a number without its word");
    let query: Query = "kind=end".parse().unwrap();
    assert_eq!(query.first(rows), Some(last), "{name}");
    json_lines(name, trace);
    checkers(name, plan, &finished);
    pages(name, plan, &finished);
    replay(name, plan, &finished);
    let side = Side { rows, plan };
    assert!(diff::diff(side, side).same, "{name}");
    perfetto_file(name, rows, plan);
    shiviz_file(name, rows, plan);
    rows.iter().map(|row| row.kind).collect()
}

/// What is written of a history is judged as the history was.
fn checkers(name: &str, plan: &Plan, finished: &Finished) {
    let mut written = Vec::new();
    finished.history.write(&mut written).unwrap();
    let history = History::read(name, written.as_slice()).unwrap();
    let again = whitewater_checkers::judge(&history, &Budget::of(plan));
    assert_eq!(again, finished.judgements, "{name}");
}

/// The report of a failure, what `explain` tells of it, and the terminal browser.
fn pages(name: &str, plan: &Plan, finished: &Finished) {
    let plays = Plays { of: 1, same: 1 };
    let (repro, shrunk, other, anatomy) = ("whitewater replay", None, None, None);
    let means = Means { plan, repro, plays, shrunk, other, anatomy, redact: false };
    let html = means.html(finished);
    let word = match finished.outcome.verdict {
        Verdict::Passed => ">PASS<",
        Verdict::Failed => ">FAIL<",
        Verdict::Inconclusive => ">INCONCLUSIVE<",
    };
    assert!(html.contains(word), "{name}: {word}");
    let story = means.story(finished);
    let is_told = finished.outcome.verdict == Verdict::Failed;
    assert_eq!(is_told, !story.is_empty(), "{name}: {story:?}");
    assert!(story.len() <= 7 && story.iter().all(|(_, _, text)| !text.contains('?')), "{story:?}");
    let last = browse::tests::walk(plan, finished, &means.moments(finished));
    assert!(last.contains("the end"), "{name}: {last}");
}

/// What `replay` shows when it is asked for everything.
fn replay(name: &str, plan: &Plan, finished: &Finished) {
    let text = |words: &[&str]| {
        let words = ["whitewater", "replay", "p.toml"].iter().chain(words);
        let Verb::Replay(args) = Args::try_parse_from(words).unwrap().verb else {
            panic!("replay is a verb");
        };
        view::text(&args, plan, finished).unwrap()
    };
    let dump = text(&["--lanes", "none", "--dump", "n1", "--until", "kind=role"]);
    assert!(dump.contains("n1 at ") && dump.contains("voted for"), "{name}: {dump}");
    if let Some(first) = finished.history.operations.first() {
        let life = text(&["--follow", &first.id.to_string()]);
        assert!(life.contains(&first.id.to_string()), "{name}: {life}");
    }
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

/// Whether a run ended early, as one that fails may, so that a part of it may hold nothing.
fn is_short(end: SimTime) -> bool {
    end.0 < DURATION.0
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
        // A cluster of one has nobody to talk to.
        let is_delivered =
            |row: &&Row| row.kind == RowKind::Deliver && (window.from..window.to).contains(&row.at);
        let delivered = rows.iter().find(is_delivered);
        assert!(delivered.is_none() || !arrows.is_empty(), "{name}: no message in the window");
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
    assert!(is_short(end) || happened.len() > 1, "{name}: {happened:?}");
}
