//! The story: three to seven lines in the order of time, each told by an event of the trace.

use super::{
    blame::Moment,
    scene::{Scene, id},
};
use std::collections::BTreeMap;
use whitewater_record::{Row, RowKind, SimTime};

/// Lines of a story.
pub(super) const LINES_MAX: usize = 7;
/// With fewer lines, also a timer is told of.
const LINES_MIN: usize = 3;
/// Faults, leaders and causes that are told of, each.
const EACH_MAX: usize = 2;
/// Causes that are told of.
const CAUSES_MAX: usize = 3;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) event: u64,
    pub(super) at: SimTime,
    pub(super) text: String,
    pub(super) mark: Mark,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Part of the way.
    Step,
    /// The first bad moment.
    Bad,
    /// The objection.
    Detected,
}

impl Mark {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Bad => "bad",
            Self::Detected => "detected",
        }
    }
}

/// Tells a failure.
pub(super) fn story(scene: &Scene<'_>, bad: Option<&Moment>) -> Vec<Line> {
    let mut lines = BTreeMap::new();
    let code = scene.violation.code.as_str();
    let detection = scene.detection(code);
    let text = format!("{code} objects: {}", detection.text);
    lines.insert(detection.event, line(detection.event, detection.at, text, Mark::Detected));
    if let Some(Moment { event, at, text, .. }) = bad {
        lines.insert(*event, line(*event, *at, text.clone(), Mark::Bad));
    }
    let start = bad.map_or(scene.detected, |bad| bad.event);
    let about = bad.and_then(|bad| bad.about);
    let candidates = operations(scene)
        .into_iter()
        .chain(watched(scene))
        .chain(about.map(|node| parts(scene, node)).unwrap_or_default())
        .chain(faults(scene, start))
        .chain(leaders(scene, start))
        .chain(lives(scene, about))
        .chain(causes(scene));
    for event in candidates {
        let is_timer = scene.row(event).is_some_and(|row| row.kind == RowKind::Timer);
        if lines.len() >= if is_timer { LINES_MIN } else { LINES_MAX } {
            continue;
        }
        if event < scene.detected {
            let step = || line(event, scene.at(event), scene.tell(event), Mark::Step);
            lines.entry(event).or_insert_with(step);
        }
    }
    lines.into_values().collect()
}

fn line(event: u64, at: SimTime, text: String, mark: Mark) -> Line {
    Line { event, at, text, mark }
}

/// When the operation was asked that cannot be explained, and how the others of the evidence ended.
fn operations(scene: &Scene<'_>) -> Vec<u64> {
    let mut events = Vec::new();
    for (place, operation) in scene.operations.iter().enumerate().take(EACH_MAX + 1) {
        let kind = match place {
            0 if operation.request.is_read() => RowKind::Invoke,
            _ => RowKind::Complete,
        };
        events.extend(scene.event_of(id(operation), kind));
    }
    events
}

/// What the watch was told last that the objection names.
fn watched(scene: &Scene<'_>) -> Option<u64> {
    let name = scene.watch()?;
    scene.last_before(scene.detected, |row| {
        row.kind == RowKind::Watch
            && (row.fields[0], row.fields[1]) == (name.process, name.stream)
            && row.kind.columns()[2].word(row.fields[2]) == Some("events")
    })
}

/// The last part of a snapshot that was sent to a node that is behind, and what became of it.
fn parts(scene: &Scene<'_>, node: u64) -> Vec<u64> {
    let sent = scene.last_before(scene.detected, |row| Scene::is_part_for(row, node));
    let Some(sent) = sent else { return Vec::new() };
    let message = scene.row(sent).map_or(0, |row| row.fields[0]);
    let end = (sent..scene.detected).find(|event| {
        scene.row(*event).is_some_and(|row| {
            matches!(row.kind, RowKind::Deliver | RowKind::Drop) && row.fields[0] == message
        })
    });
    end.into_iter().collect()
}

/// Faults that held at the first bad moment or at the objection, the last ones first.
fn faults(scene: &Scene<'_>, start: u64) -> Vec<u64> {
    let on = |(event, row): (u64, &Row)| (row.kind == RowKind::FaultOn).then_some(event);
    let all: Vec<u64> = (0..scene.detected).zip(scene.rows).filter_map(on).collect();
    let holds = |event: &u64| {
        let held = *event < start && scene.holds_at(*event, start);
        !scene.is_idle(*event) && (held || scene.holds_at(*event, scene.detected))
    };
    all.into_iter().rev().filter(holds).take(EACH_MAX).collect()
}

/// Who led at the first bad moment, and who was elected last before the objection.
fn leaders(scene: &Scene<'_>, start: u64) -> Vec<u64> {
    let leads = |row: &Row| row.kind == RowKind::Role && row.fields[0] == 3;
    let newest = scene.last_before(scene.detected, leads);
    let before = newest.and_then(|newest| scene.last_before(start.min(newest), leads));
    newest.into_iter().chain(before).collect()
}

/// Deaths, starts and snapshots of the nodes that it is about, the last ones first.
fn lives(scene: &Scene<'_>, about: Option<u64>) -> Vec<u64> {
    let mut nodes = scene.nodes();
    nodes.extend(about);
    let is = |row: &Row| {
        nodes.contains(&row.node)
            && row.at > SimTime::ZERO
            && (row.kind == RowKind::Snapshot && row.fields[2] == 1
                || matches!(
                    row.kind,
                    RowKind::Crash | RowKind::Stop | RowKind::Boot | RowKind::Refuse
                ))
    };
    let mut events = Vec::new();
    let mut end = scene.detected;
    while let Some(event) = scene.last_before(end, is).filter(|_| events.len() < EACH_MAX) {
        events.push(event);
        end = event;
    }
    events
}

/// What brought the objection about, step by step: deliveries, timers, disks.
fn causes(scene: &Scene<'_>) -> Vec<u64> {
    let tells = |event: &u64| {
        scene.row(*event).is_some_and(|row| {
            Scene::is_story(row)
                || matches!(
                    row.kind,
                    RowKind::Deliver | RowKind::DiskDone | RowKind::Timer | RowKind::Invoke
                )
        })
    };
    scene.causes(scene.detected).filter(tells).take(CAUSES_MAX).collect()
}
