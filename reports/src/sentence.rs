//! A row of a trace as a sentence.

use crate::{number, picture::Picture};
use std::fmt::Write;
use whitewater_api::LeaseId;
use whitewater_record::{Plan, Row, RowKind, Span};

/// What happened, in a few words. `plan` names the faults.
#[must_use]
#[expect(
    clippy::many_single_char_names,
    reason = "the numbers of a row, in the order of its columns"
)]
pub fn sentence(row: &Row, picture: &Picture, plan: &Plan) -> String {
    let node = row.node;
    let [a, b, c, d, e, f] = row.fields;
    let word = |column: usize| row.kind.columns()[column].word(row.fields[column]).unwrap_or("?");
    match row.kind {
        RowKind::Send => format!("n{node} -> n{b} {} #{a}", message(word(2), d, e, f)),
        RowKind::Deliver if c > 0 => format!("n{node} takes #{a} from n{b}, again"),
        RowKind::Deliver => format!("n{node} takes #{a} from n{b}"),
        RowKind::Drop => format!("#{a} from n{node} to n{b} is lost: {}", word(2)),
        RowKind::Timer => format!("n{node} timer"),
        RowKind::Submit if d > 0 => {
            format!("n{node} writes batch {a}, {b} ops, {c} B, {}", number::count(d, "fsync"))
        }
        RowKind::Submit => format!("n{node} writes batch {a}, {b} ops, {c} B"),
        RowKind::DiskDone if b == 0 => format!("n{node} batch {a} failed"),
        RowKind::DiskDone => format!("n{node} batch {a} is done"),
        RowKind::Append if d > 0 => format!("n{node} log {a}..{b}@{c}, replaces {d}"),
        RowKind::Append => format!("n{node} log {a}..{b}@{c}"),
        RowKind::Vote if b == node => format!("n{node} votes for itself in term {a}"),
        RowKind::Vote => format!("n{node} votes for n{b} in term {a}"),
        RowKind::Boot => format!("n{node} starts, term {b}, applied {c}"),
        RowKind::Refuse => format!("n{node} refuses to start: {}", word(1)),
        RowKind::Crash if b == 1 => power_loss(node, [c, d, e]),
        RowKind::Crash => format!("n{node} crashes"),
        RowKind::Stop => format!("n{node} stops: {}", word(1)),
        RowKind::Pause => format!("n{node} stands still"),
        RowKind::Resume => format!("n{node} goes on"),
        RowKind::Role => role(node, word(0), b, c),
        RowKind::Commit => format!("n{node} commit {a}"),
        RowKind::Apply if d > 0 => format!("n{node} applies {a}@{b}, p{d}#{e} makes r{f}"),
        RowKind::Apply => format!("n{node} applies {a}@{b}"),
        RowKind::Snapshot if c == 1 => format!("n{node} installs snapshot {a}@{b}"),
        RowKind::Snapshot => format!("n{node} takes snapshot {a}@{b}"),
        RowKind::Members => members(node, a, [b, c, d]),
        RowKind::Invoke => format!("p{a}#{b} asks n{node}"),
        RowKind::Receive => format!("n{node} gets p{a}#{b}"),
        RowKind::Reply if c == 1 => format!("n{node} answers p{a}#{b}"),
        RowKind::Reply => format!("n{node} refuses p{a}#{b}"),
        RowKind::Complete if c == 0 => format!("p{a}#{b} is ok at r{d}"),
        RowKind::Complete if c == 1 => format!("p{a}#{b} failed"),
        RowKind::Complete => format!("p{a}#{b} has no answer"),
        RowKind::Watch => watch(node, word(2), row.fields),
        RowKind::FaultOn => format!("fault {a} {}{}", fault(plan, a), on(b)),
        RowKind::FaultOff => format!("fault {a} {}{} ends", fault(plan, a), on(b)),
        RowKind::Cut => format!("n{b} -> n{c} is cut: {}", sides(picture)),
        RowKind::Join => format!("fault {a} lets go"),
        RowKind::Heal => "all is healed".to_owned(),
        RowKind::Violation => format!("{} was broken at event {b}", word(0)),
        RowKind::Read if e == 1 => {
            format!("n{node} reads r{d} for p{a}#{b} by its lease, applied {c}")
        }
        RowKind::Read => format!("n{node} reads r{d} for p{a}#{b}, applied {c}"),
        RowKind::Lease if b == 0 => format!("n{node} lets lease {} end", lease(a)),
        RowKind::Lease => {
            format!("n{node} lets lease {} end, its keys go at r{b}", lease(a))
        }
        RowKind::Clock => clock(node, [a, b, c, d]),
        RowKind::End => "the end".to_owned(),
    }
}

fn lease(number: u64) -> LeaseId {
    LeaseId(number.cast_signed())
}

fn power_loss(node: u64, [bytes, torn, names]: [u64; 3]) -> String {
    let mut text = format!("n{node} loses power, and {bytes} unsynced B with it");
    if torn > 0 {
        write!(text, ", {} torn", number::count(torn, "sector"))
            .expect("a string takes everything");
    }
    if names > 0 {
        write!(text, ", {} lost", number::count(names, "name")).expect("a string takes everything");
    }
    text
}

fn clock(node: u64, [forward, back, fast, slow]: [u64; 4]) -> String {
    match (forward, back, fast, slow) {
        (0, 0, 0, 0) => format!("n{node} clock runs true"),
        (0, 0, 0, slow) => format!("n{node} clock runs {slow} ppm slow"),
        (0, 0, fast, _) => format!("n{node} clock runs {fast} ppm fast"),
        (0, back, ..) => format!("n{node} clock steps back by {}", Span(back)),
        (forward, ..) => format!("n{node} clock steps forward by {}", Span(forward)),
    }
}

/// A message by its kind and its three numbers.
pub(crate) fn message(kind: &str, term: u64, index: u64, more: u64) -> String {
    match kind {
        "append" if more == 0 => format!("{kind} after {index}, term {term}"),
        "append" => format!("{kind} {}..{}, term {term}", index + 1, index + more),
        "append-reject" => format!("{kind} {index}, has {more}, term {term}"),
        "vote" | "pre-vote" => format!("{kind}, term {term}, log {index}@{more}"),
        "snapshot-part" => format!("{kind} {more} of {index}, term {term}"),
        "snapshot-ack" => format!("{kind} {more}, term {term}"),
        "append-ok" | "heartbeat" | "heartbeat-ok" => format!("{kind} {index}, term {term}"),
        "hello" | "welcome" | "ask-elders" | "ghost" | "damaged" | "renewed" | "vouched" => {
            kind.to_owned()
        }
        "start-over" => format!("{kind} behind {index}, term {term}"),
        "read-index-ok" => format!("{kind} {more}"),
        _ => format!("{kind}, term {term}"),
    }
}

fn watch(node: u64, what: &str, [process, stream, _, watch, revision, _]: [u64; 6]) -> String {
    let who = format!("p{process}.{stream} at n{node}");
    // etcd's number for all watches of a stream is -1.
    let watch = if watch == u64::MAX { "all watches".to_owned() } else { format!("w{watch}") };
    match what {
        "broken" => format!("{who}: the stream breaks"),
        "opened-as" => format!("{who}: opens the stream as a user"),
        "sent" => format!("{who}: asks"),
        "events" => format!("{who}: {watch} sees events up to r{revision}"),
        _ => format!("{who}: {watch} {what} at r{revision}"),
    }
}

fn role(node: u64, role: &str, term: u64, leader: u64) -> String {
    match (role, leader) {
        ("leader", _) => format!("n{node} leads term {term}"),
        ("candidate", _) => format!("n{node} stands for election in term {term}"),
        ("pre-candidate", _) => format!("n{node} asks whether it could win after term {term}"),
        (_, 0) => format!("n{node} follows nobody in term {term}"),
        (_, leader) => format!("n{node} follows n{leader} in term {term}"),
    }
}

fn members(node: u64, index: u64, [voters, outgoing, learners]: [u64; 3]) -> String {
    let mut text = format!("n{node} members at {index}: {}", set(voters));
    if outgoing > 0 {
        write!(text, ", leaving {}", set(outgoing)).expect("a string takes everything");
    }
    if learners > 0 {
        write!(text, ", learning {}", set(learners)).expect("a string takes everything");
    }
    text
}

/// A set of nodes by its bit mask: `{n1,n3}`.
#[must_use]
pub fn set(mask: u64) -> String {
    let nodes: Vec<String> =
        (0..64).filter(|id| mask >> id & 1 == 1).map(|id| format!("n{id}")).collect();
    format!("{{{}}}", nodes.join(","))
}

fn fault(plan: &Plan, number: u64) -> &'static str {
    let planned = usize::try_from(number).ok().and_then(|place| plan.faults.get(place));
    planned.map_or("", |planned| planned.fault.name())
}

fn on(victim: u64) -> String {
    if victim == 0 { String::new() } else { format!(" on n{victim}") }
}

/// The sides of a partition: `{n1}|{n2,n3}`.
#[must_use]
pub fn sides(picture: &Picture) -> String {
    let sides = picture.sides();
    let side = |side: &Vec<u64>| {
        let nodes: Vec<String> = side.iter().map(|id| format!("n{id}")).collect();
        format!("{{{}}}", nodes.join(","))
    };
    sides.iter().map(side).collect::<Vec<_>>().join("|")
}
