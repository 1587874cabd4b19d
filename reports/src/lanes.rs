//! A trace as text: one line an event, one column a node. Made to be pasted into an issue.
//!
//! ```text
//!   t          event  n1   n2   n3
//!   3.000      14877  L8   f8   f8   n2 is cut off ...
//! ! 3.318      15204  L8   L9   f9   ElectionSafety: ...
//! ```
//!
//! A cell is the role (`f` follower, `p` pre-candidate, `C` candidate, `L` leader) with the term; `z` in front of one
//! that stands still, `--` for one that is down.

use crate::{
    picture::{Life, NodePicture, Picture},
    sentence::sentence,
};
use std::{collections::BTreeMap, fmt::Write};
use whitewater_record::{Outcome, Plan, Row, RowKind, Violation, trace::MESSAGES};

/// Which events are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Leadership, faults, losses of state, configuration, and what was objected to: a few in a thousand.
    Story,
    /// Everything.
    All,
    /// These, by number.
    Only(Vec<u64>),
}

/// Writes the events up to and with `last`.
#[must_use]
pub fn lanes(rows: &[Row], plan: &Plan, outcome: &Outcome, shown: &Shown, last: u64) -> String {
    let objections = outcome.violations.iter();
    let objections = objections.filter_map(|it| it.event.map(|event| (event, it)));
    let objections: BTreeMap<u64, &Violation> = objections.collect();
    let story = match shown {
        Shown::Story => story(rows),
        Shown::All | Shown::Only(_) => Vec::new(),
    };
    let mut lanes = Lanes::new(rows);
    for (event, row) in (0..).zip(rows) {
        lanes.picture.take(row);
        let is_shown = match shown {
            Shown::All => true,
            Shown::Only(events) => events.binary_search(&event).is_ok(),
            Shown::Story => story.binary_search(&event).is_ok(),
        };
        match objections.get(&event) {
            Some(it) => lanes.line('!', event, row, &format!("{}: {}", it.code, it.sentence)),
            None if is_shown => {
                let what = sentence(row, &lanes.picture, plan);
                lanes.line(' ', event, row, &what);
            }
            None => {}
        }
        if event >= last {
            break;
        }
    }
    lanes.text
}

/// The text so far, and the cluster at its end.
struct Lanes {
    nodes: Vec<u64>,
    picture: Picture,
    text: String,
}

impl Lanes {
    fn new(rows: &[Row]) -> Self {
        let mut text = format!("  {:<12} {:>8} ", "t", "event");
        let nodes = nodes(rows);
        for node in &nodes {
            write!(text, " {:<5}", format!("n{node}")).expect("a string takes everything");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        Self { nodes, picture: Picture::default(), text }
    }

    fn line(&mut self, mark: char, event: u64, row: &Row, what: &str) {
        let micros = row.at.0 / 1_000;
        let seconds = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        write!(self.text, "{mark} {seconds:<12} {event:>8} ").expect("a string takes everything");
        for node in &self.nodes {
            let cell = self.picture.nodes.get(node).map_or_else(String::new, cell);
            write!(self.text, " {cell:<5}").expect("a string takes everything");
        }
        writeln!(self.text, "  {}", what.replace('\n', " ")).expect("a string takes everything");
    }
}

/// A node in a few characters: `f8`, `L9`, `zf8`, `--`.
#[must_use]
pub fn cell(node: &NodePicture) -> String {
    let role = match node.role {
        0 => 'f',
        1 => 'p',
        2 => 'C',
        _ => 'L',
    };
    match node.life {
        Life::Down => "--".to_owned(),
        Life::Paused => format!("z{role}{}", node.term),
        Life::Up => format!("{role}{}", node.term),
    }
}

/// The events of the story, in order.
#[must_use]
pub fn story(rows: &[Row]) -> Vec<u64> {
    let mut picture = Picture::default();
    let mut story = Vec::new();
    for (event, row) in (0..).zip(rows) {
        let before = picture.nodes.get(&row.node).map(|node| (node.role, node.term));
        picture.take(row);
        // The links of a partition are cut one by one; the last one shows the sides.
        let is_shown = if row.kind == RowKind::Cut {
            let next = usize::try_from(event + 1).ok().and_then(|next| rows.get(next));
            next.is_none_or(|next| next.kind != RowKind::Cut)
        } else {
            is_story(row, before)
        };
        if is_shown {
            story.push(event);
        }
    }
    story
}

/// Every node that ever ran, by id.
#[must_use]
pub fn nodes(rows: &[Row]) -> Vec<u64> {
    let mut nodes: Vec<u64> =
        rows.iter().filter(|row| row.kind == RowKind::Boot).map(|row| row.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// Whether an event belongs to the story: leadership, faults, configuration. `before` is role and term until then.
#[must_use]
pub fn is_story(row: &Row, before: Option<(u64, u64)>) -> bool {
    match row.kind {
        // Who follows whom is told once, by the one that is followed; a leader that steps down is told, too.
        RowKind::Role => row.fields[0] >= 2 || before.is_some_and(|(role, _)| role == 3),
        RowKind::Boot
        | RowKind::Refuse
        | RowKind::Crash
        | RowKind::Stop
        | RowKind::Pause
        | RowKind::Resume
        | RowKind::Members
        | RowKind::FaultOn
        | RowKind::FaultOff
        | RowKind::Heal
        | RowKind::Lease
        | RowKind::Clock
        | RowKind::Violation
        | RowKind::End => true,
        RowKind::Snapshot => row.fields[2] == 1,
        RowKind::DiskDone => row.fields[1] == 0,
        RowKind::Append => row.fields[3] > 0,
        RowKind::Send
        | RowKind::Deliver
        | RowKind::Drop
        | RowKind::Timer
        | RowKind::Submit
        | RowKind::Vote
        | RowKind::Commit
        | RowKind::Apply
        | RowKind::Invoke
        | RowKind::Receive
        | RowKind::Reply
        | RowKind::Complete
        | RowKind::Cut
        | RowKind::Join
        | RowKind::Read
        | RowKind::Watch => false,
    }
}

/// The events in the life of an operation, or of a log index: from the request to the last replica that applied it.
/// Sorted.
#[must_use]
#[expect(
    clippy::many_single_char_names,
    reason = "the numbers of a row, in the order of its columns"
)]
pub fn follow(rows: &[Row], operations: &[(u64, u64)], index: Option<u64>) -> Vec<u64> {
    let is_of = |row: &Row, process: usize| {
        operations.contains(&(row.fields[process], row.fields[process + 1]))
    };
    let made = |row: &Row| row.kind == RowKind::Apply && is_of(row, 3);
    let mut indexes: Vec<u64> =
        rows.iter().filter(|row| made(row)).map(|row| row.fields[0]).chain(index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    let covers = |first: u64, last: u64| indexes.iter().any(|it| (first..=last).contains(it));
    let append = MESSAGES.iter().position(|word| *word == "append");
    let append = append.and_then(|place| u64::try_from(place).ok());
    let mut messages: Vec<u64> = Vec::new();
    let mut events = Vec::new();
    for (event, row) in (0..).zip(rows) {
        let [a, b, c, _, e, f] = row.fields;
        let is_followed = match row.kind {
            RowKind::Invoke
            | RowKind::Receive
            | RowKind::Reply
            | RowKind::Read
            | RowKind::Complete => is_of(row, 0),
            RowKind::Apply => covers(a, a),
            RowKind::Append => covers(a, b),
            RowKind::Snapshot => indexes.contains(&a),
            RowKind::Send => {
                let carries = Some(c) == append && f > 0 && covers(e + 1, e + f);
                if carries {
                    messages.push(a);
                }
                carries
            }
            RowKind::Deliver | RowKind::Drop => messages.binary_search(&a).is_ok(),
            RowKind::Violation => true,
            RowKind::Timer
            | RowKind::Submit
            | RowKind::DiskDone
            | RowKind::Vote
            | RowKind::Boot
            | RowKind::Refuse
            | RowKind::Crash
            | RowKind::Stop
            | RowKind::Pause
            | RowKind::Resume
            | RowKind::Role
            | RowKind::Commit
            | RowKind::Members
            | RowKind::FaultOn
            | RowKind::Cut
            | RowKind::Join
            | RowKind::FaultOff
            | RowKind::Heal
            | RowKind::Watch
            | RowKind::Lease
            | RowKind::Clock
            | RowKind::End => false,
        };
        if is_followed {
            events.push(event);
        }
    }
    events
}
