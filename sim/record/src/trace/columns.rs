//! The packed form of a trace: columns of deltas, compressed. Version 2. It says itself what its numbers mean.
//!
//! ```text
//!  lz4 frame(
//!    magic    "whitewater-trace 2\n"
//!    schema   one line of JSON, as below
//!    events   varint
//!    kinds    one byte an event
//!    times    varint: nanoseconds since the event before
//!    nodes    one byte an event
//!    causes   varint: 0 for none, else how many events back
//!    for each kind, in the order of its number, for each of its columns:
//!             varint a row: the zigzag of the difference to the row of this kind before
//!    hash     8 bytes, little endian: of all events, as the run printed it
//!  )
//! ```
//!
//! Varints are little endian, seven bits a byte, at most ten bytes. A column of one kind moves little from row to row,
//! which is what makes the result small. Older builds wrote gzip instead of an LZ4 frame, which took more time than all
//! else that a trace costs; both are read. In a page it is still gzip, which a browser reads with `DecompressionStream` and
//! thirty lines. The schema lists the kinds in the order of their numbers, each with its columns, and the words that a number stands for, by place:
//!
//! ```text
//!  [{"kind":"drop","columns":[{"name":"message"},{"name":"to"},{"name":"reason","words":["","loss",..]}]},..]
//! ```
//!
//! Version 1 had no schema. It is refused: the plan that lies beside the trace writes it again.

use super::{FIELDS, Row, RowKind, Trace, schema};
use crate::SimTime;
use flate2::bufread::GzDecoder;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use std::io::{self, Read, Write};
use thiserror::Error;

const MAGIC: &[u8] = b"whitewater-trace 2\n";
/// What the magic begins with in every version.
const MAGIC_STEM: &[u8] = b"whitewater-trace ";
/// A node's id fits one byte, as ids are below 64.
const NODES_MAX: u64 = 255;

/// A packed trace that cannot be read.
#[derive(Debug, Error)]
pub enum TraceError {
    /// It does not decompress.
    #[error("{name}: not a packed trace, or cut off: {source}")]
    Compression {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Another format, or another version of this one.
    #[error(
        "{name}: the format is `{found}`, expected `whitewater-trace 2`; `replay PLAN --trace` writes it anew"
    )]
    Version {
        /// The file.
        name: String,
        /// How it begins.
        found: String,
    },
    /// It was written by a build that knows more.
    #[error(
        "{name}: {what}: the trace is of a newer build; read it with that one, or replay its plan"
    )]
    Newer {
        /// The file.
        name: String,
        /// What is not known here.
        what: String,
    },
    /// It contradicts itself.
    #[error("{name}: byte {byte} of the decompressed trace: {reason}")]
    Damaged {
        /// The file.
        name: String,
        /// Where, from 0.
        byte: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// What gzip begins with (RFC 1952, 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// So many events are taken in at once: while a run plays, the code that does it is not in the processor's cache.
const BLOCK: usize = 256;

/// Events in the order of the packed form, taken in as they happen: some nine bytes instead of the 88 of a [`Row`], for
/// what costs time in keeping a trace is memory.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// The last events, not yet taken in.
    waiting: Vec<Row>,
    /// How many there were before those.
    events: u64,
    /// When the last of them was.
    now: u64,
    kinds: Vec<u8>,
    times: Vec<u8>,
    nodes: Vec<u8>,
    causes: Vec<u8>,
    /// By kind: by column.
    numbers: Vec<Vec<Numbers>>,
}

/// A number of all events of one kind.
#[derive(Clone, Debug, Default)]
struct Numbers {
    last: u64,
    bytes: Vec<u8>,
}

impl Default for Columns {
    fn default() -> Self {
        let numbers = |kind: &RowKind| vec![Numbers::default(); kind.columns().len()];
        Self {
            waiting: Vec::with_capacity(BLOCK),
            events: 0,
            now: 0,
            kinds: Vec::new(),
            times: Vec::new(),
            nodes: Vec::new(),
            causes: Vec::new(),
            numbers: RowKind::ALL.iter().map(numbers).collect(),
        }
    }
}

impl Columns {
    /// Takes the next event in.
    pub(super) fn add(&mut self, row: &Row) {
        self.waiting.push(*row);
        if self.waiting.len() == BLOCK {
            self.take_in();
        }
    }

    /// Takes in what waits.
    fn take_in(&mut self) {
        for row in &self.waiting {
            self.kinds.push(row.kind as u8);
            varint(&mut self.times, row.at.0 - self.now);
            self.now = row.at.0;
            self.nodes.push(u8::try_from(row.node.min(NODES_MAX)).unwrap_or(u8::MAX));
            varint(&mut self.causes, row.cause.map_or(0, |cause| self.events - cause));
            let columns = &mut self.numbers[usize::from(row.kind as u8)];
            for (column, number) in columns.iter_mut().zip(row.fields) {
                varint(&mut column.bytes, zigzag(number.wrapping_sub(column.last)));
                column.last = number;
            }
            self.events += 1;
        }
        self.waiting.clear();
    }

    /// The events again.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut bytes = Vec::new();
        self.write_events(&mut bytes).expect("memory takes everything");
        let widths: Vec<usize> = RowKind::ALL.iter().map(|kind| kind.columns().len()).collect();
        let mut cursor = Cursor { bytes: &bytes, at: 0 };
        let events = cursor.events().expect("they were written here");
        cursor.rows(events, &widths).expect("they were written here")
    }

    /// What follows the number of events.
    fn parts(&self) -> impl Iterator<Item = &Vec<u8>> {
        let numbers = self.numbers.iter().flatten().map(|column| &column.bytes);
        [&self.kinds, &self.times, &self.nodes, &self.causes].into_iter().chain(numbers)
    }

    /// Columns that go on where these end, with what these have not yet taken in.
    fn rest(&self) -> Self {
        let mut rest = Self { events: self.events, now: self.now, ..Self::default() };
        for (column, before) in rest.numbers.iter_mut().flatten().zip(self.numbers.iter().flatten())
        {
            column.last = before.last;
        }
        rest.waiting.extend_from_slice(&self.waiting);
        rest.take_in();
        rest
    }

    /// The number of events, and all columns.
    fn write_events(&self, mut out: impl Write) -> io::Result<()> {
        let rest = self.rest();
        let mut events = Vec::new();
        varint(&mut events, rest.events);
        out.write_all(&events)?;
        for (part, rest) in self.parts().zip(rest.parts()) {
            out.write_all(part)?;
            out.write_all(rest)?;
        }
        Ok(())
    }

    /// Writes the packed form. `hash` is that of all events.
    pub(super) fn pack(&self, hash: u64, out: impl Write) -> io::Result<()> {
        let mut frame = FrameEncoder::new(out);
        self.write(hash, &mut frame)?;
        frame.finish().map(drop).map_err(io::Error::from)
    }

    /// Writes the same before it is compressed.
    pub(super) fn write(&self, hash: u64, mut out: impl Write) -> io::Result<()> {
        out.write_all(MAGIC)?;
        out.write_all(schema::line().as_bytes())?;
        self.write_events(&mut out)?;
        out.write_all(&hash.to_le_bytes())
    }
}

pub(super) fn read(name: &str, packed: &[u8]) -> Result<Trace, TraceError> {
    let mut bytes = Vec::new();
    let compression = |source| TraceError::Compression { name: name.to_owned(), source };
    match packed {
        [first, second, ..] if [*first, *second] == *GZIP => {
            GzDecoder::new(packed).read_to_end(&mut bytes)
        }
        _ => FrameDecoder::new(packed).read_to_end(&mut bytes),
    }
    .map_err(compression)?;
    if !bytes.starts_with(MAGIC) {
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_ours = line.starts_with(MAGIC_STEM) && line.len() < 2 * MAGIC.len();
        let found =
            if is_ours { String::from_utf8_lossy(line).into_owned() } else { "unknown".into() };
        return Err(TraceError::Version { name: name.to_owned(), found });
    }
    let mut cursor = Cursor { bytes: &bytes, at: MAGIC.len() };
    let widths = cursor.schema(name)?;
    let rows = cursor.events().and_then(|events| cursor.rows(events, &widths));
    let damaged = |at, reason| TraceError::Damaged { name: name.to_owned(), byte: at, reason };
    let trace = Trace::of(rows.map_err(|reason| damaged(cursor.at, reason))?);
    match cursor.bytes[cursor.at..] {
        [] => Err(damaged(cursor.at, "the hash is missing")),
        ref hash if *hash == trace.hash().to_le_bytes() => Ok(trace),
        _ => Err(damaged(cursor.at, "the hash is not that of the events")),
    }
}

/// A place in the decompressed bytes.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    /// How many columns each kind has in this trace.
    fn schema(&mut self, name: &str) -> Result<Vec<usize>, TraceError> {
        let rest = &self.bytes[self.at..];
        let damaged = |reason| TraceError::Damaged { name: name.to_owned(), byte: self.at, reason };
        let length = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..length.ok_or_else(|| damaged("the schema is cut off"))?];
        let known = schema::widths(line).map_err(|error| match error {
            schema::Mismatch::Unreadable => damaged("the schema is not of this format"),
            schema::Mismatch::Unknown(what) => TraceError::Newer { name: name.to_owned(), what },
        })?;
        self.at += line.len() + 1;
        Ok(known)
    }

    /// How many events there are.
    fn events(&mut self) -> Result<usize, &'static str> {
        let events = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        // Each event has at least a kind, a time, a node and a cause.
        let is_possible = events <= (self.bytes.len() - self.at) / 4;
        is_possible.then_some(events).ok_or("more events are promised than there are bytes")
    }

    /// All events. Where one is damaged, the cursor stays there.
    fn rows(&mut self, events: usize, widths: &[usize]) -> Result<Vec<Row>, &'static str> {
        let mut counts = vec![0; widths.len()];
        let kinds = self.part(events)?;
        for (place, kind) in kinds.iter().enumerate() {
            let Some(count) = counts.get_mut(usize::from(*kind)) else {
                self.at -= events - place;
                return Err("no such kind of event");
            };
            *count += 1;
        }
        let mut times = self.column(events)?;
        let nodes = self.part(events)?;
        let mut causes = self.column(events)?;
        let mut columns = Vec::new();
        for (width, count) in widths.iter().zip(counts) {
            let kind: Result<Vec<_>, _> = (0..*width).map(|_| self.column(count)).collect();
            columns.push(kind?);
        }
        let end = self.at;
        // All columns side by side, so that each row is touched once.
        let mut rows = Vec::with_capacity(events);
        let mut now = 0_u64;
        for ((event, kind), node) in (0_u64..).zip(kinds).zip(nodes) {
            let mut fields = [0; FIELDS];
            for ((last, column), field) in columns[usize::from(*kind)].iter_mut().zip(&mut fields) {
                *last = last.wrapping_add(unzigzag(self.number_of(column)?));
                *field = *last;
            }
            let past = self.number_of(&mut times.1)?;
            now = now.checked_add(past).ok_or("time overflows")?;
            let cause = match self.number_of(&mut causes.1)? {
                0 => None,
                back => Some(event.checked_sub(back).ok_or("a cause before the first event")?),
            };
            let kind = RowKind::ALL[usize::from(*kind)];
            rows.push(Row { at: SimTime(now), kind, node: u64::from(*node), cause, fields });
        }
        self.at = end;
        Ok(rows)
    }

    /// So many bytes.
    fn part(&mut self, length: usize) -> Result<&'b [u8], &'static str> {
        let part = self.bytes[self.at..].get(..length).ok_or("the trace is cut off")?;
        self.at += length;
        Ok(part)
    }

    /// Steps over a column of so many numbers; where it begins, and what comes before the first of its differences.
    fn column(&mut self, count: usize) -> Result<(u64, Self), &'static str> {
        let column = Self { bytes: self.bytes, at: self.at };
        let mut ends = self.bytes[self.at..].iter().zip(1..).filter(|(byte, _)| **byte < 0x80);
        let length = match count.checked_sub(1) {
            None => 0,
            Some(last) => ends.nth(last).ok_or("the trace is cut off")?.1,
        };
        self.at += length;
        Ok((0, column))
    }

    /// The next number of a column.
    fn number_of(&mut self, column: &mut Self) -> Result<u64, &'static str> {
        let number = column.varint();
        self.at = column.at;
        number
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let byte = *self.bytes.get(self.at).ok_or("the trace is cut off")?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number of more than 64 bits")
    }
}

#[inline]
fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or_default());
}

/// Small for small differences in both directions.
const fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ if difference >> 63 == 1 { u64::MAX } else { 0 }
}

const fn unzigzag(value: u64) -> u64 {
    value >> 1 ^ if value & 1 == 1 { u64::MAX } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;
    use flate2::{Compression, write::GzEncoder};

    fn sample(events: u64) -> Trace {
        let mut stream = Seed(7).stream("test/trace", 0);
        let mut trace = Trace::kept();
        let mut at = 0;
        for event in 0..events {
            at += stream.below(1_000_000);
            let kind = *stream.pick(RowKind::ALL);
            let cause = (event > 0 && stream.chance(700_000)).then(|| stream.below(event));
            let numbers: Vec<u64> = kind
                .columns()
                .iter()
                .map(|_| if stream.chance(100_000) { stream.bits() } else { stream.below(500) })
                .collect();
            trace.add(Row::new(SimTime(at), kind, stream.below(64), cause, &numbers));
        }
        trace
    }

    fn packed(trace: &Trace) -> Vec<u8> {
        let mut bytes = Vec::new();
        trace.pack(&mut bytes).unwrap();
        bytes
    }

    fn plain(trace: &Trace) -> Vec<u8> {
        let mut bytes = Vec::new();
        trace.write_columns(&mut bytes).unwrap();
        bytes
    }

    fn repack(plain: &[u8]) -> Vec<u8> {
        let mut out = FrameEncoder::new(Vec::new());
        out.write_all(plain).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        for events in [0, 1, 2, 256, 3_000, 30_000] {
            let trace = sample(events);
            let again = Trace::unpack("t", &packed(&trace)).unwrap();
            assert_eq!(again.rows(), trace.rows());
            assert_eq!((again.hash(), again.events()), (trace.hash(), trace.events()));

            // A trace that was read is packed to the same bytes.
            assert_eq!(packed(&again), packed(&trace));

            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&plain(&trace)).unwrap();
            let older = Trace::unpack("t", &gzip.finish().unwrap()).unwrap();
            assert_eq!(older.rows(), trace.rows());
        }
    }

    #[test]
    fn a_damaged_trace_is_refused_with_the_place() {
        let trace = sample(50);
        let good = packed(&trace);
        let cut = Trace::unpack("t", &good[..good.len() / 2]).unwrap_err();
        assert!(matches!(cut, TraceError::Compression { .. }), "{cut}");

        let plain = plain(&trace);
        // The schema is long and of one kind: every byte behind it, and some of its own.
        let schema = (MAGIC.len()..MAGIC.len() + schema::line().len()).step_by(11);
        for place in schema.chain(MAGIC.len() + schema::line().len()..plain.len()) {
            let mut bytes = plain.clone();
            bytes[place] ^= 1;
            let error = Trace::unpack("t", &repack(&bytes)).unwrap_err();
            let error = error.to_string();
            let is_named = error.starts_with("t: byte ") || error.contains("newer build");
            assert!(is_named, "{place}: {error}");
        }
        let newer = repack(b"whitewater-trace 9\nrest");
        let error = Trace::unpack("t", &newer).unwrap_err().to_string();
        assert!(error.starts_with("t: the format is `whitewater-trace 9`, expected"), "{error}");
        let short = Trace::unpack("t", &repack(&plain[..plain.len() - 9])).unwrap_err();
        assert!(short.to_string().contains("byte"), "{short}");
    }

    /// A trace of a build with another schema: the one of this build, edited.
    fn with_schema(trace: &Trace, edit: impl Fn(&str) -> String) -> Vec<u8> {
        let end = MAGIC.len() + schema::line().len();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(edit(&schema::line()).into_bytes());
        bytes.extend(&plain(trace)[end..]);
        repack(&bytes)
    }

    #[test]
    fn a_trace_of_an_older_build_is_read_and_one_of_a_newer_build_is_refused_with_what_it_has() {
        let mut trace = Trace::kept();
        trace.add(Row::new(SimTime(5), RowKind::Timer, 1, None, &[]));
        let older = with_schema(&trace, |line| {
            let cut = line.rfind(",{\"kind\":\"clock\"").unwrap();
            format!("{}]\n", &line[..cut])
        });
        assert_eq!(Trace::unpack("t", &older).unwrap().rows(), trace.rows());

        for (edit, what) in [
            (("\"kind\":\"clock\"", "\"kind\":\"sundial\""), "`sundial`"),
            (("{\"name\":\"slow\"}", "{\"name\":\"slower\"}"), "`slower` of `clock`"),
            (("\"snapshot-ack\"", "\"snapshot-ack\",\"pigeon\""), "`pigeon`"),
        ] {
            let newer = with_schema(&trace, |line| line.replace(edit.0, edit.1));
            let error = Trace::unpack("t", &newer).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("newer build"), "{error}");
        }
    }

    #[test]
    fn files_of_old_builds_are_read_or_refused_with_what_to_do() {
        let first = include_bytes!("testdata/version-1.wwt");
        let error = Trace::unpack("old.wwt", first).unwrap_err().to_string();
        let wanted = "old.wwt: the format is `whitewater-trace 1`, expected `whitewater-trace 2`; `replay PLAN --trace` \
                      writes it anew";
        assert_eq!(error, wanted);

        // Its schema has no `hash-ask` and no stop for corruption.
        let older = include_bytes!("testdata/version-2-older.wwt");
        let trace = Trace::unpack("older.wwt", older).unwrap();
        assert_eq!(trace.rows().last().unwrap().kind, RowKind::End);
        assert_eq!(trace.rows().last().unwrap().fields[0] + 1, trace.events());
        assert!(trace.rows().iter().any(|row| row.kind == RowKind::Violation));
        let again = Trace::unpack("again", &packed(&trace)).unwrap();
        assert_eq!((again.rows(), again.hash()), (trace.rows(), trace.hash()));
    }

    #[test]
    fn every_difference_survives_the_zigzag() {
        for value in [0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(u64::MAX), 1);
    }
}
