//! The trace: every event of a run as one fixed-width row, and a rolling hash over all of them.
//!
//! Rows have no strings, so that hashing one costs a few multiplications and keeping one costs no allocation. What the
//! three numbers mean depends on the kind: [`RowKind::columns`] names them.

use crate::{Mixer, SimTime};
use std::io::{self, Write};

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// When, in true time.
    pub at: SimTime,
    /// What.
    pub kind: RowKind,
    /// Where: a node's id, 0 for the world.
    pub node: u64,
    /// The three numbers of the kind.
    pub fields: [u64; 3],
}

macro_rules! rows {
    ($($variant:ident, $name:literal, [$a:literal, $b:literal, $c:literal], $doc:literal;)*) => {
        /// The kinds of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum RowKind {
            $(#[doc = $doc] $variant,)*
        }

        impl RowKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for it in text forms.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What the three numbers are; an empty name marks an unused one.
            pub const fn columns(self) -> [&'static str; 3] {
                match self { $(Self::$variant => [$a, $b, $c],)* }
            }
        }
    };
}

rows! {
    Send, "send", ["message", "to", "digest"], "A message leaves a node. `digest` is of its kind, term and index.";
    Deliver, "deliver", ["message", "from", "copy"], "A message arrives.";
    Drop, "drop", ["message", "to", "reason"], "A message is lost: 1 loss, 2 partition, 3 the receiver is down.";
    Submit, "submit", ["write", "ops", "bytes"], "A batch is given to the disk.";
    DiskDone, "disk-done", ["write", "ok", ""], "A batch is done, or failed.";
    Boot, "boot", ["epoch", "term", "applied"], "A replica has recovered and runs.";
    Refuse, "refuse", ["epoch", "reason", ""], "A replica refuses to start: 1 damage, 2 wiped disk.";
    Crash, "crash", ["epoch", "power", "lost"], "A process dies. `lost`: unsynced bytes that the power loss took.";
    Stop, "stop", ["epoch", "reason", ""], "A replica stops by itself.";
    Pause, "pause", ["epoch", "", ""], "A process stands still.";
    Resume, "resume", ["epoch", "", ""], "A paused process goes on.";
    Role, "role", ["role", "term", "leader"], "A replica changes role: 0 follower, 1 pre-candidate, 2 candidate, 3 leader.";
    Commit, "commit", ["index", "term", ""], "A replica learns of a commit.";
    Apply, "apply", ["index", "term", "chain"], "A replica applies an entry.";
    Snapshot, "snapshot", ["index", "term", "installed"], "A snapshot is durable: taken here, or installed from a peer.";
    Members, "members", ["index", "voters", "outgoing"], "A configuration is applied; the sets are bit masks of ids.";
    Invoke, "invoke", ["process", "sequence", "digest"], "A client asks.";
    Complete, "complete", ["process", "sequence", "outcome"], "A client has its answer: 0 ok, 1 fail, 2 info.";
    FaultOn, "fault-on", ["fault", "victim", ""], "A fault of the plan begins, by its number.";
    FaultOff, "fault-off", ["fault", "victim", ""], "A fault of the plan ends.";
    Heal, "heal", ["", "", ""], "The safety phase ends; all is healed.";
    Violation, "violation", ["code", "", ""], "An invariant is broken for the first time.";
    End, "end", ["events", "", ""], "The run ends.";
}

/// The events of a run: always their hash and number, and themselves if they are kept.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    hash: Mixer,
    events: u64,
    rows: Option<Vec<Row>>,
}

impl Trace {
    /// A trace that keeps its rows.
    pub fn kept() -> Self {
        Self { rows: Some(Vec::new()), ..Self::default() }
    }

    /// A trace that keeps the hash only.
    pub fn hashed() -> Self {
        Self::default()
    }

    /// Adds one event.
    pub fn add(&mut self, row: Row) {
        self.hash.add(row.at.0);
        self.hash.add((row.kind as u64) << 32 | row.node);
        self.hash.add(row.fields[0].wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ row.fields[1]);
        self.hash.add(row.fields[2]);
        self.events += 1;
        if let Some(rows) = &mut self.rows {
            rows.push(row);
        }
    }

    /// The rolling hash over all events so far.
    pub const fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// How many events so far.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The events, if they are kept.
    pub fn rows(&self) -> &[Row] {
        self.rows.as_deref().unwrap_or_default()
    }

    /// Writes the kept rows as JSON lines: `{"event":0,"at":12,"node":1,"kind":"send",...}`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{{\"format\":\"whitewater-trace/1\",\"events\":{},\"hash\":\"{:016x}\"}}",
            self.events,
            self.hash()
        )?;
        for (event, row) in self.rows().iter().enumerate() {
            write!(
                out,
                "{{\"event\":{event},\"at\":{},\"node\":{},\"kind\":\"{}\"",
                row.at.0,
                row.node,
                row.kind.name()
            )?;
            for (name, value) in row.kind.columns().iter().zip(row.fields) {
                if !name.is_empty() {
                    write!(out, ",\"{name}\":{value}")?;
                }
            }
            writeln!(out, "}}")?;
        }
        Ok(())
    }
}
