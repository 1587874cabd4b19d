//! For Perfetto (ui.perfetto.dev) and Chrome's tracing: the Trace Event Format, as JSON.
//!
//! A node is a process with three threads: its role (a slice for each role and term), its disk (a slice from a batch to
//! its completion) and its messages (an arrow from each send to its delivery). Clients' operations are slices of a process
//! of their own, and so are faults. What began before the window begins with it; what outlasts it ends with it.

use super::Window;
use crate::{picture::Picture, sentence::sentence};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};
use whitewater_record::{Plan, Row, RowKind, SimTime};

/// The processes that are no nodes.
const WORLD: u64 = 1_000;
const CLIENTS: u64 = 1_001;
/// The threads of a node.
const ROLE: u64 = 1;
const DISK: u64 = 2;
const MESSAGES: u64 = 3;
/// The length of a slice that has none: arrows need something to start from.
const INSTANT_NS: u64 = 1_000;

/// Something that has begun and not ended.
struct Open {
    since: SimTime,
    name: String,
}

/// Which slice: process, thread, and what tells it from others there.
type Key = (u64, u64, u64);

struct Export<'a, W> {
    out: W,
    window: Window,
    plan: &'a Plan,
    picture: Picture,
    open: BTreeMap<Key, Open>,
    named: BTreeSet<(u64, u64)>,
    /// Messages whose send is in the window.
    sent: BTreeSet<u64>,
    is_first: bool,
}

/// Writes the window.
pub fn write(rows: &[Row], plan: &Plan, window: Window, out: impl Write) -> io::Result<()> {
    let mut export = Export {
        out,
        window,
        plan,
        picture: Picture::default(),
        open: BTreeMap::new(),
        named: BTreeSet::new(),
        sent: BTreeSet::new(),
        is_first: true,
    };
    export.out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
    let mut end = window.from;
    for row in rows.iter().take_while(|row| row.at <= window.to) {
        export.picture.take(row);
        export.take(row)?;
        end = row.at;
    }
    for (key, open) in std::mem::take(&mut export.open) {
        export.slice(key, &open, end)?;
    }
    export.out.write_all(b"\n]}\n")
}

impl<W: Write> Export<'_, W> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have no slice of their own")]
    fn take(&mut self, row: &Row) -> io::Result<()> {
        let node = row.node;
        let [a, b, c, ..] = row.fields;
        match row.kind {
            RowKind::Role => {
                let role = row.kind.columns()[0].word(a).unwrap_or("?");
                self.begin((node, ROLE, 0), row, format!("{role} {b}"))
            }
            RowKind::Boot => self.begin((node, ROLE, 0), row, format!("follower {b}")),
            RowKind::Crash | RowKind::Stop => {
                let keys = self.open.range((node, 0, 0)..=(node, u64::MAX, u64::MAX));
                let keys: Vec<Key> = keys.map(|(key, _)| *key).collect();
                keys.into_iter().try_for_each(|key| self.end(key, row.at))?;
                self.instant((node, ROLE), row)
            }
            RowKind::Submit => self.begin((node, DISK, a), row, format!("batch {a}, {c} B")),
            RowKind::DiskDone => self.end((node, DISK, a), row.at),
            RowKind::Send => {
                if self.window.holds(row) {
                    self.sent.insert(a);
                }
                self.message(row, a, "s")
            }
            RowKind::Deliver if self.sent.contains(&a) => self.message(row, a, "f"),
            RowKind::Invoke => self.begin((CLIENTS, a, b), row, format!("p{a}#{b} at n{node}")),
            RowKind::Complete => self.end((CLIENTS, a, b), row.at),
            RowKind::FaultOn => {
                let what = sentence(row, &self.picture, self.plan);
                self.begin((WORLD, a + 1, 0), row, what)
            }
            RowKind::FaultOff => self.end((WORLD, a + 1, 0), row.at),
            RowKind::Commit | RowKind::Apply => self.counter(row),
            RowKind::Violation | RowKind::Heal => self.instant((WORLD, 0), row),
            RowKind::Refuse | RowKind::Pause | RowKind::Resume | RowKind::Members => {
                self.instant((node, ROLE), row)
            }
            RowKind::Snapshot | RowKind::Clock | RowKind::Lease => self.instant((node, ROLE), row),
            _ => Ok(()),
        }
    }

    /// A slice begins; one of the same key ends.
    fn begin(&mut self, key: Key, row: &Row, name: String) -> io::Result<()> {
        self.end(key, row.at)?;
        self.open.insert(key, Open { since: row.at, name });
        Ok(())
    }

    fn end(&mut self, key: Key, at: SimTime) -> io::Result<()> {
        match self.open.remove(&key) {
            Some(open) => self.slice(key, &open, at),
            None => Ok(()),
        }
    }

    /// A slice, as far as it lies in the window.
    fn slice(&mut self, key: Key, open: &Open, end: SimTime) -> io::Result<()> {
        let since = open.since.max(self.window.from);
        if end < since {
            return Ok(());
        }
        let (pid, tid, _) = key;
        let length = end.since(since).0;
        // Batches of a disk may overlap: they are asynchronous slices, with ids.
        if pid >= WORLD || tid != DISK {
            return self.event(
                pid,
                tid,
                since,
                &open.name,
                json!({"ph": "X", "dur": micros(length)}),
            );
        }
        let id = format!("{pid}/{tid}/{}", key.2);
        let begin = json!({"ph": "b", "cat": "run", "id": id});
        self.event(pid, tid, since, &open.name, begin)?;
        self.event(pid, tid, end, &open.name, json!({"ph": "e", "cat": "run", "id": id}))
    }

    /// One end of a message: a short slice, and an arrow from it or to it.
    fn message(&mut self, row: &Row, message: u64, phase: &str) -> io::Result<()> {
        if !self.window.holds(row) {
            return Ok(());
        }
        let name = sentence(row, &self.picture, self.plan);
        let slice = json!({"ph": "X", "dur": micros(INSTANT_NS)});
        self.event(row.node, MESSAGES, row.at, &name, slice)?;
        let arrow = json!({"ph": phase, "bp": "e", "cat": "message", "id": message});
        self.event(row.node, MESSAGES, row.at, "message", arrow)
    }

    fn instant(&mut self, (pid, tid): (u64, u64), row: &Row) -> io::Result<()> {
        if !self.window.holds(row) {
            return Ok(());
        }
        let scope = if pid == WORLD { "g" } else { "p" };
        let name = sentence(row, &self.picture, self.plan);
        self.event(pid, tid, row.at, &name, json!({"ph": "i", "s": scope}))
    }

    fn counter(&mut self, row: &Row) -> io::Result<()> {
        if !self.window.holds(row) {
            return Ok(());
        }
        let name = if row.kind == RowKind::Commit { "commit" } else { "applied" };
        let args = json!({"ph": "C", "args": {"index": row.fields[0]}});
        self.event(row.node, 0, row.at, name, args)
    }

    fn event(
        &mut self,
        pid: u64,
        tid: u64,
        at: SimTime,
        name: &str,
        mut more: Value,
    ) -> io::Result<()> {
        self.name(pid, tid)?;
        more["name"] = name.into();
        more["pid"] = pid.into();
        more["tid"] = tid.into();
        more["ts"] = micros(at.0);
        self.put(&more)
    }

    /// Says what a process and a thread are called, once.
    fn name(&mut self, pid: u64, tid: u64) -> io::Result<()> {
        if self.named.insert((pid, u64::MAX)) {
            let name = match pid {
                WORLD => "faults".to_owned(),
                CLIENTS => "clients".to_owned(),
                node => format!("n{node}"),
            };
            let args = json!({"name": name});
            self.put(&json!({"ph": "M", "pid": pid, "name": "process_name", "args": args}))?;
        }
        if self.named.insert((pid, tid)) {
            let name = match (pid, tid) {
                (WORLD, 0) => "run".to_owned(),
                (WORLD, fault) => format!("fault {}", fault - 1),
                (CLIENTS, process) => format!("p{process}"),
                (_, ROLE) => "role".to_owned(),
                (_, DISK) => "disk".to_owned(),
                (_, MESSAGES) => "messages".to_owned(),
                _ => return Ok(()),
            };
            let args = json!({"name": name});
            self.put(
                &json!({"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": args}),
            )?;
        }
        Ok(())
    }

    fn put(&mut self, event: &Value) -> io::Result<()> {
        if !std::mem::take(&mut self.is_first) {
            self.out.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut self.out, event)?;
        Ok(())
    }
}

/// Nanoseconds as the microseconds of the format, exactly.
fn micros(nanos: u64) -> Value {
    let text = format!("{}.{:03}", nanos / 1_000, nanos % 1_000);
    serde_json::from_str(&text).expect("digits and a point are a number")
}
