//! What an objection of a judge of watches, mirrors, leases or locks rests on: as few operations, rows of watches and
//! beliefs as it takes.
//!
//! A part of a history is judged like the whole, and counts only if the judge says the very same of it: the same code and
//! the same sentence, with its times, revisions and values. So what is left out cannot be what the sentence speaks of, and
//! no other fault that only the leaving out has made is taken for this one. Nothing is numbered anew.

use crate::{
    case::Case,
    chronicle::Chronicle,
    epochs,
    keyring::Keyring,
    lease,
    limits::{Budget, CHECKED_MAX, GROUNDS_MAX},
    lock,
    minimize::minimize,
    mirror,
    ruling::{Anomaly, Judgement},
    watch,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use whitewater_record::{History, HoldRow, WatchMessage, WatchRow};

/// What an objection rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// Operations, in the order of invocation.
    pub operations: Vec<Ground>,
    /// Rows of watches.
    pub rows: Vec<Ground>,
    /// Rows of what clients believed about locks.
    pub holds: Vec<Ground>,
    /// Whether it was tried to leave out each of them, and each time the judge did not say the same any more.
    pub is_minimal: bool,
    /// How often a part was judged.
    pub checks: u64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Its position among its like in the whole history.
    pub position: usize,
    /// What it says.
    pub text: String,
}

/// The grounds of a judgement; none if it is no objection, or one of a judge that is explained otherwise, or if the history
/// is so long that too much is left when the checks are spent.
#[must_use]
pub fn find(history: &History, judgement: &Judgement, budget: &Budget) -> Option<Grounds> {
    let anomaly = judgement.ruling.anomaly()?;
    if history.epochs.is_empty() {
        return find_in(history, judgement.judge, anomaly, budget);
    }
    let says = |it: &Anomaly| it.code == anomaly.code && it.sentence == anomaly.sentence;
    epochs::parts(history).iter().find_map(|part| {
        let own = judge(&part.history, judgement.judge, budget).filter(says)?;
        let mut grounds = find_in(&part.history, judgement.judge, &own, budget)?;
        let whole = |ground: Ground, place: Option<usize>| {
            place.map(|position| Ground { position, ..ground })
        };
        let operations = grounds.operations.into_iter();
        let operations = operations.filter_map(|it| whole(it.clone(), part.operation(it.position)));
        grounds.operations = operations.collect();
        let rows = grounds.rows.into_iter();
        grounds.rows = rows.filter_map(|it| whole(it.clone(), part.row(it.position))).collect();
        let holds = grounds.holds.into_iter();
        grounds.holds = holds.filter_map(|it| whole(it.clone(), part.hold(it.position))).collect();
        Some(grounds)
    })
}

/// The same in a history without epochs, or in one of them.
fn find_in(history: &History, name: &str, anomaly: &Anomaly, budget: &Budget) -> Option<Grounds> {
    let says_the_same = |part: &History| {
        let again = judge(part, name, budget);
        again.is_some_and(|it| it.code == anomaly.code && it.sentence == anomaly.sentence)
    };
    let all: Vec<usize> = (0..size(history)).collect();
    // What came later is not needed as a rule.
    let early: Vec<usize> =
        all.iter().copied().filter(|element| begins(history, *element, anomaly)).collect();
    let start = [early, all].into_iter().find(|part| says_the_same(&project(history, part)))?;
    let checks_max = CHECKED_MAX / (start.len() as u64 + 1);
    let fails = |part: &[usize]| says_the_same(&project(history, part));
    let found = minimize(&start, checks_max, |_| Vec::new(), fails);
    if found.elements.len() > GROUNDS_MAX {
        return None;
    }
    let (operations, rows) = (history.operations.len(), history.watches.len());
    let within = |low: usize, high: usize, text: &dyn Fn(usize) -> String| -> Vec<Ground> {
        let elements = found.elements.iter().filter(|element| (low..high).contains(*element));
        let position = elements.map(|element| element - low);
        position.map(|position| Ground { position, text: text(position) }).collect()
    };
    let case = Case::new(history);
    let operation = |position: usize| {
        let number = u32::try_from(position).expect("operations are numbered by u32");
        case.operation(number)
    };
    Some(Grounds {
        operations: within(0, operations, &operation),
        rows: within(operations, operations + rows, &|row| row_text(&history.watches[row])),
        holds: within(operations + rows, size(history), &|hold| hold_text(&history.holds[hold])),
        is_minimal: found.is_minimal,
        checks: found.checks,
    })
}

/// The part of a history that some positions of operations, rows and beliefs make.
#[must_use]
pub fn part(history: &History, operations: &[usize], rows: &[usize], holds: &[usize]) -> History {
    History {
        operations: operations.iter().map(|place| history.operations[*place].clone()).collect(),
        watches: rows.iter().map(|place| history.watches[*place].clone()).collect(),
        holds: holds.iter().map(|place| history.holds[*place].clone()).collect(),
        callers: Vec::new(),
        epochs: history.epochs.clone(),
        observed: Vec::new(),
        ends: Vec::new(),
    }
}

/// What one of the judges objects to, if anything. Those that are not explained here do not answer, and those that are
/// not asked do not work.
fn judge(history: &History, judge: &str, budget: &Budget) -> Option<Anomaly> {
    let case = Case::new(history);
    let keys = Keyring::new(history);
    let streams = watch::reader::read(&case, &keys);
    let chronicle = || Chronicle::new(&case, &keys, &streams);
    let judgement = match judge {
        watch::JUDGE => watch::judge(&case, &keys, &streams, &chronicle()),
        mirror::JUDGE => mirror::judge(&case, &keys, &streams),
        lease::JUDGE => {
            let lives = lease::lives(&case, budget);
            lease::judge(&case, &keys, &streams, &chronicle(), &lives)
        }
        lock::JUDGE => lock::judge(&case, &keys, &chronicle(), &lease::lives(&case, budget)),
        _ => return None,
    };
    judgement.ruling.anomaly().cloned()
}

/// Elements are numbered: operations, then rows of watches, then beliefs.
fn size(history: &History) -> usize {
    history.operations.len() + history.watches.len() + history.holds.len()
}

/// Whether an element began before the anomaly could be seen.
fn begins(history: &History, element: usize, anomaly: &Anomaly) -> bool {
    let (operations, rows) = (history.operations.len(), history.watches.len());
    let at = if element < operations {
        history.operations[element].invoked
    } else if element < operations + rows {
        history.watches[element - operations].at
    } else {
        history.holds[element - operations - rows].from
    };
    at <= anomaly.at
}

/// `elements` are ascending.
fn project(history: &History, elements: &[usize]) -> History {
    let (operations, rows) = (history.operations.len(), history.watches.len());
    let first_row = elements.partition_point(|element| *element < operations);
    let first_hold = elements.partition_point(|element| *element < operations + rows);
    let shifted = |part: &[usize], by: usize| -> Vec<usize> {
        part.iter().map(|element| element - by).collect()
    };
    part(
        history,
        &elements[..first_row],
        &shifted(&elements[first_row..first_hold], operations),
        &shifted(&elements[first_hold..], operations + rows),
    )
}

fn row_text(row: &WatchRow) -> String {
    let WatchRow { process, stream, node, at, message } = row;
    match message {
        WatchMessage::Sent(request) => format!("at {at} {process}/{stream} sent {node}: {request}"),
        WatchMessage::Received(told) => format!("at {at} {node} told {process}/{stream}: {told}"),
        WatchMessage::Broken => format!("at {at} {process}/{stream} broke"),
        WatchMessage::As(user) => format!("at {at} {process}/{stream} is opened as {user}"),
    }
}

fn hold_text(hold: &HoldRow) -> String {
    let HoldRow { process, prefix, key, lease, revision, seen, from, to, .. } = hold;
    format!(
        "{process} held {prefix} from {from} to {to} by {key} on {lease} of {revision}, seen at {seen}"
    )
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, rows, holds, is_minimal, .. } = self;
        let number = operations.len() + rows.len() + holds.len();
        let word = if *is_minimal { "" } else { ", or fewer" };
        writeln!(f, "{number} facts that cannot all be right{word}:")?;
        for (kind, grounds) in [("operation", operations), ("row", rows), ("belief", holds)] {
            for Ground { position, text } in grounds {
                writeln!(f, "  {kind} {position}: {text}")?;
            }
        }
        Ok(())
    }
}
