//! For `ShiViz` (bestchai.bitbucket.io/shiviz): events with vector clocks, two lines each.
//!
//! ```text
//! n2 -> n1 vote, term 9 #7
//! n2 {"n2":3,"n1":1}
//! ```
//!
//! The parser's default expression reads it: `(?<event>.*)\n(?<host>\S*) (?<clock>{.*})`. Clocks count the events of the
//! window alone, as `ShiViz` insists that a host's own entry rises by one from event to event.

use super::Window;
use crate::{lanes::is_story, picture::Picture, sentence::sentence};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};
use whitewater_record::{Plan, Row, RowKind};

type Clock = BTreeMap<String, u64>;

/// What carries a clock from one host to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Carrier {
    Message(u64),
    Request(u64, u64),
    Answer(u64, u64),
}

/// What an event does with clocks: the host, what it takes, what it gives.
type Role = (String, Option<Carrier>, Option<Carrier>);

/// Writes the window: messages between nodes, requests and answers, and the story of each node.
pub fn write(rows: &[Row], plan: &Plan, window: Window, mut out: impl Write) -> io::Result<()> {
    let mut picture = Picture::default();
    let mut clocks: BTreeMap<String, Clock> = BTreeMap::new();
    let mut carried: BTreeMap<Carrier, Clock> = BTreeMap::new();
    for row in rows.iter().take_while(|row| row.at <= window.to) {
        let before = picture.nodes.get(&row.node).map(|node| (node.role, node.term));
        picture.take(row);
        if !window.holds(row) {
            continue;
        }
        let Some((host, takes, gives)) = role(row, before) else { continue };
        let clock = clocks.entry(host.clone()).or_default();
        if let Some(other) = takes.and_then(|carrier| carried.get(&carrier)) {
            for (name, count) in other {
                let known = clock.entry(name.clone()).or_default();
                *known = (*known).max(*count);
            }
        }
        *clock.entry(host.clone()).or_default() += 1;
        if let Some(carrier) = gives {
            carried.insert(carrier, clock.clone());
        }
        let what = sentence(row, &picture, plan).replace('\n', " ");
        let json = serde_json::to_string(clock)?;
        writeln!(out, "{} {what}\n{host} {json}", row.at)?;
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are shown if they are of the story")]
fn role(row: &Row, before: Option<(u64, u64)>) -> Option<Role> {
    let [a, b, ..] = row.fields;
    let node = format!("n{}", row.node);
    let client = format!("p{a}");
    Some(match row.kind {
        RowKind::Send => (node, None, Some(Carrier::Message(a))),
        RowKind::Deliver => (node, Some(Carrier::Message(a)), None),
        RowKind::Invoke => (client, None, Some(Carrier::Request(a, b))),
        RowKind::Receive => (node, Some(Carrier::Request(a, b)), None),
        RowKind::Reply => (node, None, Some(Carrier::Answer(a, b))),
        RowKind::Complete => (client, Some(Carrier::Answer(a, b)), None),
        _ if row.node > 0 && is_story(row, before) => (node, None, None),
        _ => return None,
    })
}
