//! The trace: every event of a run as one row of numbers with its cause, and a rolling hash over all of them.
//!
//! ```text
//!  world --Row--> Trace --pack--> bytes (columnar, see [`columns`]) --unpack--> Trace --> replay, reports, exports
//!                   `----write--> JSON lines
//! ```
//!
//! Rows have no strings, so that hashing one costs a few multiplications and keeping one costs no allocation. What the
//! numbers mean depends on the kind: [`RowKind::columns`] names them, and where a number stands for a word,
//! [`Column::words`] has the words. `docs/trace.md` is written from them. A delivery that changed nothing is one that no row names as its cause.

mod columns;
pub mod schema;

use crate::{Mixer, SimTime};
use std::{
    borrow::Cow,
    io::{self, Write},
    sync::OnceLock,
};

use columns::Columns;
pub use columns::TraceError;

/// The version of both written forms. Kinds, columns and words are only ever added at the end of their lists, which does
/// not change it: a reader takes what has fewer of them, and names what it does not know.
pub const VERSION: u32 = 2;

/// Numbers in a row.
pub const FIELDS: usize = 6;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// When, in true time.
    pub at: SimTime,
    /// What.
    pub kind: RowKind,
    /// Where: a node's id, 0 for the world.
    pub node: u64,
    /// The event that brought this one about, by its number from 0; always an earlier one. [`None`] for what the plan
    /// or a timer began.
    pub cause: Option<u64>,
    /// The numbers of the kind, in the order of its columns; 0 where it has fewer.
    pub fields: [u64; FIELDS],
}

/// One number of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What the number stands for, by place; empty if it is just a number.
    pub words: &'static [&'static str],
}

/// The kinds of messages between nodes.
pub const MESSAGES: &[&str] = &[
    "append",
    "append-ok",
    "append-reject",
    "heartbeat",
    "heartbeat-ok",
    "pre-vote",
    "pre-vote-yes",
    "pre-vote-no",
    "vote",
    "vote-yes",
    "vote-no",
    "timeout-now",
    "raft",
    "hello",
    "welcome",
    "ghost",
    "read-index",
    "read-index-ok",
    "snapshot-part",
    "snapshot-ack",
    "damaged",
    "start-over",
    "renewed",
    "hash-ask",
    "hash-answer",
    "vouched",
    "ask-elders",
];
/// Roles in Raft.
pub const ROLES: &[&str] = &["follower", "pre-candidate", "candidate", "leader"];
/// Ends of an operation.
pub const OUTCOMES: &[&str] = &["ok", "fail", "info"];
/// What goes over a stream of watches, or befalls it.
pub const WATCHES: &[&str] =
    &["sent", "created", "events", "progress", "canceled", "broken", "opened-as"];
/// The invariants of the world.
pub const INVARIANTS: &[&str] = &[
    "election-safety",
    "vote-once",
    "monotone",
    "leader-append-only",
    "log-matching",
    "leader-completeness",
    "commit-quorum",
    "state-machine-safety",
    "promise",
    "boot-promise",
    "apply-order",
    "membership",
    "snapshot-content",
    "read-freshness",
    "replica-hash",
    "recovery",
    "compaction",
    "panic",
    "liveness",
    "promotion",
    "stalled-leader",
    "corruption",
    "lease-clocks",
    "lease-reads",
    "bystanders",
];
const DROPS: &[&str] = &["", "loss", "partition", "receiver-down", "receiver-asleep", "changed"];
const REFUSALS: &[&str] = &["", "damage", "wiped-disk", "damaged-disk", "newer-log"];
const STOPS: &[&str] = &["", "disk-failed", "disk-full", "wiped-disk", "corrupt", "damaged-disk"];

macro_rules! rows {
    ($($variant:ident, $name:literal, [$($column:literal $(: $words:expr)?),*], $doc:literal;)*) => {
        /// The kinds of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum RowKind {
            $(#[doc = $doc] $variant,)*
        }

        impl RowKind {
            /// Every kind, at the place of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for it in text forms.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            /// What the numbers are.
            pub const fn columns(self) -> &'static [Column] {
                match self { $(Self::$variant => &[$(Column { name: $column, words: words!($($words)?) }),*],)* }
            }
        }
    };
}

macro_rules! words {
    () => {
        &[]
    };
    ($words:expr) => {
        $words
    };
}

rows! {
    Send, "send", ["message", "to", "type": MESSAGES, "term", "index", "more"], "A message leaves a node. `more`: entries of an append, log term of a vote, part of a snapshot.";
    Deliver, "deliver", ["message", "from", "copy"], "A message arrives.";
    Drop, "drop", ["message", "to", "reason": DROPS], "A message is lost.";
    Timer, "timer", [], "A timer fires, and something comes of it.";
    Submit, "submit", ["write", "ops", "bytes", "syncs", "removes"], "A batch is given to the disk. `syncs`: fsyncs of files and of the directory; `removes`: files that it takes away.";
    DiskDone, "disk-done", ["write", "ok"], "A batch is done, or failed.";
    Append, "append", ["first", "last", "term", "replaced"], "Entries enter a log, not yet durable. `replaced`: entries of the old log from `first` on.";
    Vote, "vote", ["term", "for"], "A replica votes, not yet durable.";
    Boot, "boot", ["epoch", "term", "applied"], "A replica has recovered and runs.";
    Refuse, "refuse", ["epoch", "reason": REFUSALS], "A replica refuses to start.";
    Crash, "crash", ["epoch", "power", "lost", "torn", "names", "batches"], "A process dies. Power loss took `lost` unsynced bytes and `names` changes of the directory, and tore `torn` sectors; `batches` were under way.";
    Stop, "stop", ["epoch", "reason": STOPS], "A replica stops by itself.";
    Pause, "pause", ["epoch"], "A process stands still.";
    Resume, "resume", ["epoch"], "A paused process goes on.";
    Role, "role", ["role": ROLES, "term", "leader"], "A replica changes role, term or leader.";
    Commit, "commit", ["index", "term"], "A replica learns of a commit.";
    Apply, "apply", ["index", "term", "chain", "process", "sequence", "revision"], "A replica applies an entry. The request that it carried and the revision that it made; all 0 if it made none.";
    Snapshot, "snapshot", ["index", "term", "installed"], "A snapshot is durable: taken here, or installed from a peer.";
    Members, "members", ["index", "voters", "outgoing", "learners"], "A configuration is applied; the sets are bit masks of ids.";
    Invoke, "invoke", ["process", "sequence", "digest"], "A client asks.";
    Receive, "receive", ["process", "sequence"], "A client's request reaches a node.";
    Reply, "reply", ["process", "sequence", "ok"], "A node answers a client.";
    Complete, "complete", ["process", "sequence", "outcome": OUTCOMES, "revision"], "A client has its answer, or gives up. The revision in the answer.";
    FaultOn, "fault-on", ["fault", "victim"], "A fault of the plan begins, by its number.";
    Cut, "cut", ["fault", "from", "to"], "A partition cuts a link between nodes, in this direction.";
    Join, "join", ["fault"], "A flapping partition lets go for a while.";
    FaultOff, "fault-off", ["fault", "victim"], "A fault of the plan ends.";
    Heal, "heal", [], "The safety phase ends; all is healed.";
    Violation, "violation", ["code": INVARIANTS, "first"], "An invariant was false for the first time, at the event `first`. Written at the end of the run.";
    End, "end", ["events"], "The run ends.";
    Watch, "watch", ["process", "stream", "message": WATCHES, "watch", "revision", "digest"], "A watcher sends, takes or notices something on a stream of its own.";
    Read, "read", ["process", "sequence", "applied", "revision", "lease"], "A replica answers a linearizable read from what it has applied. `lease`: the leader lease alone allowed it.";
    Lease, "lease", ["lease", "revision"], "A replica lets a lease end that nobody kept alive, and its keys go at this revision; 0 if it had none.";
    Clock, "clock", ["forward", "back", "fast", "slow"], "A clock steps by so many nanoseconds, or runs by so many parts per million too fast or too slow from now on.";
}

/// The events of a run: always their hash and number, and themselves if they are kept.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    hash: Mixer,
    events: u64,
    columns: Option<Columns>,
    /// Made of the columns when somebody asks.
    rows: OnceLock<Vec<Row>>,
}

impl Row {
    /// A row with the given numbers, the others being 0.
    pub fn new(at: SimTime, kind: RowKind, node: u64, cause: Option<u64>, numbers: &[u64]) -> Self {
        let mut fields = [0; FIELDS];
        fields[..numbers.len()].copy_from_slice(numbers);
        Self { at, kind, node, cause, fields }
    }

    /// The number of a column; [`None`] if the kind has none of that name.
    pub fn get(&self, name: &str) -> Option<u64> {
        let place = self.kind.columns().iter().position(|column| column.name == name)?;
        Some(self.fields[place])
    }
}

impl Column {
    /// The word that the number stands for, if there is one.
    pub fn word(&self, number: u64) -> Option<&'static str> {
        usize::try_from(number).ok().and_then(|place| self.words.get(place)).copied()
    }
}

impl Trace {
    /// A trace that keeps its rows.
    pub fn kept() -> Self {
        Self { columns: Some(Columns::default()), ..Self::default() }
    }

    /// A trace of these events.
    pub fn of(rows: Vec<Row>) -> Self {
        let mut trace = Self::hashed();
        for row in &rows {
            trace.add(*row);
        }
        Self { rows: OnceLock::from(rows), ..trace }
    }

    /// A trace that keeps the hash only.
    pub fn hashed() -> Self {
        Self::default()
    }

    /// Adds one event.
    pub fn add(&mut self, row: Row) {
        // Zeros at the end are not hashed, so that a column more changes no hash of what has none of it.
        let mut pairs = row.fields.chunks_exact(2);
        let pairs = pairs.rposition(|pair| *pair != [0, 0]).map_or(0, |last| last + 1);
        let shape = (row.kind as u64) << 56 | row.node << 48 | (pairs as u64) << 44;
        self.hash.add(row.at.0);
        self.hash.add(shape ^ row.cause.map_or(0, |it| it + 1));
        for pair in row.fields[..2 * pairs].chunks_exact(2) {
            self.hash.add(pair[0].wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ pair[1]);
        }
        self.events += 1;
        if let Some(columns) = &mut self.columns {
            self.rows.take();
            columns.add(&row);
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
        self.rows.get_or_init(|| self.columns.as_ref().map(Columns::rows).unwrap_or_default())
    }

    /// Writes the kept rows in the packed form.
    pub fn pack(&self, out: impl Write) -> io::Result<()> {
        self.columns().pack(self.hash(), out)
    }

    /// Writes what is packed, before it is compressed.
    pub fn write_columns(&self, out: impl Write) -> io::Result<()> {
        self.columns().write(self.hash(), out)
    }

    fn columns(&self) -> Cow<'_, Columns> {
        if let Some(columns) = &self.columns {
            return Cow::Borrowed(columns);
        }
        let mut columns = Columns::default();
        for row in self.rows() {
            columns.add(row);
        }
        Cow::Owned(columns)
    }

    /// Reads the packed form. `name` is for error messages, which say the byte.
    pub fn unpack(name: &str, bytes: &[u8]) -> Result<Self, TraceError> {
        columns::read(name, bytes)
    }

    /// Writes the kept rows as JSON lines: `{"event":0,"at":12,"node":1,"kind":"send",...}`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{{\"format\":\"whitewater-trace/{VERSION}\",\"events\":{},\"hash\":\"{:016x}\"}}",
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
            if let Some(cause) = row.cause {
                write!(out, ",\"cause\":{cause}")?;
            }
            for (column, value) in row.kind.columns().iter().zip(row.fields) {
                match column.word(value) {
                    Some(word) => write!(out, ",\"{}\":\"{word}\"", column.name)?,
                    None => write!(out, ",\"{}\":{value}", column.name)?,
                }
            }
            writeln!(out, "}}")?;
        }
        Ok(())
    }
}
