//! The formats of the histories that other checkers are measured with, as far as measuring needs them: Jepsen's log of a
//! register, Porcupine's keys, and `lin-hist/1` with registers. By the ending of the name.

use serde::Deserialize;
use std::{collections::BTreeMap, fs, io, path::Path, process::Command};
use whitewater_api::{Key, Process, Value};
use whitewater_record::{PlainAction, PlainHistory, PlainOperation, SimTime};

/// Reads a history; [`None`] if it is of something else than registers or keys.
pub(crate) fn history(path: &Path) -> io::Result<Option<PlainHistory>> {
    let name = path.to_string_lossy();
    let bytes = if name.ends_with(".gz") {
        Command::new("gzip").arg("-dc").arg(path).output()?.stdout
    } else {
        fs::read(path)?
    };
    let text = String::from_utf8_lossy(&bytes);
    let is_keys = name.ends_with(".txt");
    let operations = if name.ends_with(".log") {
        pair(text.lines().filter_map(jepsen))
    } else if is_keys {
        pair(text.lines().filter_map(porcupine))
    } else {
        let Some(operations) = lin_hist(&text) else { return Ok(None) };
        operations
    };
    // Porcupine's model makes no difference between an empty value and none.
    let initial = is_keys.then(Value::default);
    Ok(Some(PlainHistory { initial, operations }))
}

/// A line of a history of events.
struct Event {
    process: u32,
    key: String,
    kind: Kind,
    /// What was asked, or what was seen.
    action: PlainAction,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

fn kind(text: &str) -> Option<Kind> {
    Some(match text {
        "invoke" => Kind::Invoke,
        "ok" => Kind::Ok,
        "fail" => Kind::Fail,
        "info" => Kind::Info,
        _ => return None,
    })
}

/// The operations of events whose order is the time.
fn pair(events: impl Iterator<Item = Event>) -> Vec<PlainOperation> {
    let mut operations: Vec<PlainOperation> = Vec::new();
    let mut open: BTreeMap<u32, usize> = BTreeMap::new();
    let mut idle = Vec::new();
    for (at, event) in (0..).map(SimTime).zip(events) {
        if event.kind == Kind::Invoke {
            open.insert(event.process, operations.len());
            operations.push(PlainOperation {
                process: Process(event.process),
                key: Key::from(event.key),
                invoked: at,
                completed: None,
                action: event.action,
                line: 0,
            });
            continue;
        }
        let Some(&position) = open.get(&event.process) else { continue };
        let operation = &mut operations[position];
        match (event.kind, &mut operation.action) {
            (Kind::Invoke | Kind::Info, _) => continue,
            (Kind::Ok, PlainAction::Read(seen)) => {
                if let PlainAction::Read(value) = event.action {
                    *seen = value;
                }
            }
            (kind, PlainAction::Cas { swapped, .. }) => *swapped = Some(kind == Kind::Ok),
            (Kind::Ok, _) => {}
            // It did not happen.
            (Kind::Fail, _) => idle.push(position),
        }
        operation.completed = Some(at);
        open.remove(&event.process);
    }
    for position in idle.into_iter().rev() {
        operations.remove(position);
    }
    let is_idle = |operation: &PlainOperation| {
        operation.completed.is_none() && matches!(operation.action, PlainAction::Read(_))
    };
    operations.retain(|operation| !is_idle(operation));
    operations
}

/// `INFO  jepsen.util - PROCESS <tab> :TYPE <tab> :OP <tab> VALUE`.
fn jepsen(line: &str) -> Option<Event> {
    let mut fields = line.split_once(" - ")?.1.split('\t');
    let process = fields.next()?.trim().parse().ok()?;
    let kind = kind(fields.next()?.trim().strip_prefix(':')?)?;
    let operation = fields.next()?.trim().strip_prefix(':')?;
    let value = fields.next()?.trim();
    let held = |text: &str| (text != "nil").then(|| Value::from(text));
    let action = match operation {
        "read" => PlainAction::Read(held(value)),
        "write" => PlainAction::Write(Value::from(value)),
        _ => {
            let (from, to) =
                value.trim_matches(['[', ']']).split_once(' ').unwrap_or(("nil", "nil"));
            PlainAction::Cas { from: held(from), to: Value::from(to), swapped: None }
        }
    };
    Some(Event { process, key: "register".to_owned(), kind, action })
}

/// `{:process 0, :type :invoke, :f :append, :key "0", :value "x 0 0 y"}`.
fn porcupine(line: &str) -> Option<Event> {
    let field = |name: &str, end: &str| {
        let rest = line.split_once(name)?.1;
        rest.split_once(end).map(|(value, _)| value)
    };
    let value = match field(":value ", "}")? {
        "nil" => Value::default(),
        quoted => Value::from(quoted.trim_matches('"')),
    };
    let action = match field(":f :", ",")? {
        "get" => PlainAction::Read(Some(value)),
        "put" => PlainAction::Write(value),
        _ => PlainAction::Append(value),
    };
    Some(Event {
        process: field(":process ", ",")?.parse().ok()?,
        key: field(":key \"", "\"")?.to_owned(),
        kind: kind(field(":type :", ",")?)?,
        action,
    })
}

#[derive(Deserialize)]
struct Row {
    p: u32,
    f: String,
    #[serde(default)]
    k: u64,
    #[serde(default)]
    v: u64,
    /// A number that is left out is zero, which no key holds at the start.
    #[serde(default)]
    from: u64,
    out: Option<u64>,
    t0: u64,
    t1: Option<u64>,
    #[serde(default)]
    ok: bool,
}

fn lin_hist(text: &str) -> Option<Vec<PlainOperation>> {
    let mut lines = text.lines();
    if !lines.next()?.contains("\"kind\":\"reg\"") {
        return None;
    }
    let number = |number: u64| Value::from(number.to_string());
    let mut operations = Vec::new();
    for line in lines {
        let row: Row = serde_json::from_str(line).ok()?;
        let action = match row.f.as_str() {
            "get" if row.t1.is_none() => continue,
            "get" => PlainAction::Read(row.out.map(number)),
            "put" => PlainAction::Write(number(row.v)),
            "cas" => PlainAction::Cas {
                from: Some(number(row.from)),
                to: number(row.v),
                swapped: row.t1.map(|_| row.ok),
            },
            _ => return None,
        };
        operations.push(PlainOperation {
            process: Process(row.p),
            key: Key::from(row.k.to_string()),
            invoked: SimTime(row.t0),
            completed: row.t1.map(SimTime),
            action,
            line: 0,
        });
    }
    Some(operations)
}
