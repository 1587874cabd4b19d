//! What the script reads: compressed, in base64, so that nothing in it can be taken for markup.

use super::{
    Head, Other, Page, Placement, ShownLine,
    answer::{self, answer},
    clean::Cleaner,
    holding::{self, Hold, Life},
    scene,
};
use crate::diff::{self, Diff, Side};
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use std::io::{self, Write};
use whitewater_record::{Fault, Operation, PlainOperation, RowKind, WatchMessage, WatchRow};

/// The version of what the script reads.
const VERSION: u32 = 1;
/// Rows of each table about another run.
const PAIRS_MAX: usize = 400;

/// The two blocks.
pub(super) struct Packed {
    /// [`Data`].
    pub(super) json: String,
    /// The packed trace; empty if there is none.
    pub(super) trace: String,
}

/// All but the events.
#[derive(Serialize)]
struct Data<'a> {
    version: u32,
    head: &'a Head,
    story: &'a [ShownLine],
    kinds: Vec<Kind>,
    operations: Vec<Told>,
    watches: Vec<Message>,
    faults: Vec<PlannedFault>,
    plan: &'a str,
    core: &'a [usize],
    evidence: Vec<usize>,
    unplaced: Option<usize>,
    placements: Vec<Placement>,
    clocks: Vec<Clock>,
    holds: Vec<Hold>,
    leases: Vec<Life>,
    difference: Option<Difference>,
    /// When the safety phase ends, in nanoseconds; 0 if nobody knows.
    heals: u64,
    checks: Vec<(String, u64, u64)>,
}

/// A kind of event; its columns stand in the trace.
#[derive(Serialize)]
struct Kind {
    name: &'static str,
    meaning: &'static str,
}

/// An operation.
#[derive(Serialize)]
struct Told {
    process: u64,
    sequence: u64,
    node: u64,
    invoked: u64,
    completed: u64,
    /// ok, fail, info.
    outcome: u8,
    revision: u64,
    is_read: bool,
    request: String,
    answer: String,
    keys: Vec<String>,
}

/// A message on a stream of watches.
#[derive(Serialize)]
struct Message {
    process: u64,
    stream: u64,
    node: u64,
    at: u64,
    kind: &'static str,
    watch: String,
    text: String,
    revisions: Vec<u64>,
}

#[derive(Serialize)]
struct PlannedFault {
    kind: &'static str,
    at: u64,
    until: u64,
    /// How much faster a wall clock runs meanwhile, of a fault that slews it; the trace says nothing of it.
    slew_ppm: i64,
}

#[derive(Serialize)]
struct Clock {
    drift_ppm: i64,
    offset_ns: i64,
}

/// Another run beside this one.
#[derive(Serialize)]
struct Difference {
    /// What the other one is.
    other: String,
    #[serde(flatten)]
    diff: Diff,
}

/// What was made for the page that the script reads too.
pub(super) struct Shown<'a> {
    pub(super) head: &'a Head,
    pub(super) story: &'a [ShownLine],
    /// Positions of the operations that the objection is about.
    pub(super) named: Vec<usize>,
    pub(super) plan: &'a str,
}

pub(super) fn pack(page: &Page<'_>, cleaner: &Cleaner, shown: Shown<'_>) -> Packed {
    let Shown { head, story, named, plan } = shown;
    let history = page.history;
    let placements = page.evidence.placements.iter().map(|it| Placement {
        after: it.after,
        before: it.before,
        forbidden: cleaner.text(&it.forbidden),
    });
    let faults = page.plan.map(|plan| plan.faults.as_slice()).unwrap_or_default();
    let clocks = page.plan.map(|plan| plan.cluster.clocks.as_slice()).unwrap_or_default();
    let data = Data {
        version: VERSION,
        head,
        story,
        kinds: kinds(),
        operations: match page.plain {
            Some(plain) => plain.operations.iter().map(|it| told_plain(it, cleaner)).collect(),
            None => history.operations.iter().map(|it| told(it, cleaner)).collect(),
        },
        watches: history.watches.iter().map(|row| message(row, cleaner)).collect(),
        faults: faults
            .iter()
            .map(|planned| PlannedFault {
                kind: planned.fault.name(),
                at: planned.at.0,
                until: planned.end().0,
                slew_ppm: if let Fault::SlewClock { ppm, .. } = planned.fault {
                    ppm.into()
                } else {
                    0
                },
            })
            .collect(),
        plan,
        core: &page.evidence.core,
        evidence: if named.is_empty() { page.evidence.operations.clone() } else { named },
        unplaced: page.evidence.unplaced,
        placements: placements.collect(),
        clocks: clocks
            .iter()
            .map(|it| Clock { drift_ppm: it.drift_ppm.into(), offset_ns: it.offset_ns })
            .collect(),
        holds: holding::holds(page, cleaner),
        leases: holding::leases(page, cleaner),
        difference: page.other.map(|other| difference(page, cleaner, other)),
        heals: page.plan.map_or(0, |plan| plan.duration.0),
        checks: page
            .outcome
            .checks
            .iter()
            .map(|(check, n)| (check.clone(), n.evaluations, n.discriminating))
            .collect(),
    };
    let json = serde_json::to_vec(&data).expect("plain data with text keys has a JSON form");
    let json = gzip(Compression::default(), |out| out.write_all(&json));
    // Columns of differences leave little to find: the usual level takes ten times as long for a sixth of the size.
    let trace = match page.trace.rows() {
        [] => Vec::new(),
        _ => gzip(Compression::fast(), |out| page.trace.write_columns(out)),
    };
    Packed { json: STANDARD.encode(json), trace: STANDARD.encode(trace) }
}

/// In the form that a browser unpacks.
fn gzip(
    level: Compression,
    write: impl FnOnce(&mut GzEncoder<Vec<u8>>) -> io::Result<()>,
) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), level);
    let packed = write(&mut out).and_then(|()| out.finish());
    packed.expect("memory takes everything")
}

/// How this run differs from another one, cleaned: operations and keys stand in the words of the plans.
fn difference(page: &Page<'_>, cleaner: &Cleaner, other: Other<'_>) -> Difference {
    let own = page.plan.map(|plan| Side { rows: page.trace.rows(), plan });
    let mut diff = diff::diff(own.unwrap_or(other.side), other.side);
    for pairs in [&mut diff.faults, &mut diff.terms, &mut diff.entries, &mut diff.operations] {
        pairs.truncate(PAIRS_MAX);
    }
    Difference { other: cleaner.text(other.name), diff }
}

fn kinds() -> Vec<Kind> {
    let kind = |kind: &RowKind| Kind { name: kind.name(), meaning: kind.meaning() };
    RowKind::ALL.iter().map(kind).collect()
}

fn told(operation: &Operation, cleaner: &Cleaner) -> Told {
    let (process, sequence) = scene::id(operation);
    Told {
        process,
        sequence,
        node: operation.node.0,
        invoked: operation.invoked.0,
        completed: operation.completed.0,
        outcome: operation.completion.place(),
        revision: scene::Scene::revision(operation).unwrap_or(0),
        is_read: operation.request.is_read(),
        request: cleaner.text(&operation.request.to_string()),
        answer: cleaner.text(&answer(&operation.completion)),
        keys: answer::keys(&operation.request).iter().map(|key| cleaner.text(key)).collect(),
    }
}

/// An operation on a store without revisions; it is numbered by the line that invoked it.
fn told_plain(operation: &PlainOperation, cleaner: &Cleaner) -> Told {
    let text = operation.to_string();
    let (request, answer) = text.split_once(" -> ").unwrap_or((&text, ""));
    let request = request.split_once(' ').map_or(request, |(_, request)| request);
    Told {
        process: operation.process.0.into(),
        sequence: operation.line as u64,
        node: 0,
        invoked: operation.invoked.0,
        completed: operation.completed.unwrap_or(operation.invoked).0,
        outcome: if operation.completed.is_some() { 0 } else { 2 },
        revision: 0,
        is_read: operation.action.is_observer(),
        request: cleaner.text(request),
        answer: cleaner.text(answer),
        keys: vec![cleaner.text(&operation.key.to_string())],
    }
}

fn message(row: &WatchRow, cleaner: &Cleaner) -> Message {
    let (kind, watch, text, revisions) = match &row.message {
        WatchMessage::Sent(request) => ("sent", String::new(), request.to_string(), Vec::new()),
        WatchMessage::Received(response) => (
            "received",
            response.watch.to_string(),
            answer::told(response),
            answer::revisions(response),
        ),
        WatchMessage::As(user) => {
            ("sent", String::new(), format!("opens the stream as {user}"), Vec::new())
        }
        WatchMessage::Broken => {
            ("broken", String::new(), "the stream breaks".to_owned(), Vec::new())
        }
    };
    Message {
        process: row.process.0.into(),
        stream: row.stream.into(),
        node: row.node.0,
        at: row.at.0,
        kind,
        watch,
        text: cleaner.text(&text),
        revisions,
    }
}
