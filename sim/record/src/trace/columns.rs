//! The packed form of a trace: columns of deltas, compressed. Version 2. It says itself what its numbers mean.
//!
//! ```text
//!  gzip(
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
//! which is what makes the result small. A browser can read it with `DecompressionStream` and thirty lines. The schema
//! lists the kinds in the order of their numbers, each with its columns, and the words that a number stands for, by place:
//!
//! ```text
//!  [{"kind":"drop","columns":[{"name":"message"},{"name":"to"},{"name":"reason","words":["","loss",..]}]},..]
//! ```
//!
//! Version 1 had no schema. It is refused: the plan that lies beside the trace writes it again.

use super::{FIELDS, Row, RowKind, Trace, schema};
use crate::SimTime;
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
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

/// How hard gzip tries, of 9.
const LEVEL: u32 = 2;

pub(super) fn write(trace: &Trace, out: impl Write) -> io::Result<()> {
    let rows = trace.rows();
    let mut bytes = MAGIC.to_vec();
    bytes.extend(schema::line().into_bytes());
    varint(&mut bytes, rows.len() as u64);
    bytes.extend(rows.iter().map(|row| row.kind as u8));
    // One pass over the rows for all columns: a pass for each would cost more than all the rest.
    let [mut times, mut nodes, mut causes] = [const { Vec::new() }; 3];
    let column = |kind: &RowKind| vec![(0, Vec::new()); kind.columns().len()];
    let mut columns: Vec<Vec<(u64, Vec<u8>)>> = RowKind::ALL.iter().map(column).collect();
    let mut before = 0;
    for (event, row) in (0..).zip(rows) {
        varint(&mut times, row.at.0 - before);
        before = row.at.0;
        nodes.push(u8::try_from(row.node.min(NODES_MAX)).unwrap_or(u8::MAX));
        varint(&mut causes, row.cause.map_or(0, |cause: u64| event - cause));
        for ((before, column), number) in
            columns[usize::from(row.kind as u8)].iter_mut().zip(row.fields)
        {
            varint(column, zigzag(number.wrapping_sub(*before)));
            *before = number;
        }
    }
    for part in [times, nodes, causes].iter().chain(columns.iter().flatten().map(|(_, it)| it)) {
        bytes.extend_from_slice(part);
    }
    bytes.extend(trace.hash().to_le_bytes());
    // Columns of differences leave little to find: the usual level takes four times as long for a
    // fifteenth of the size.
    let mut out = GzEncoder::new(out, Compression::new(LEVEL));
    out.write_all(&bytes)?;
    out.finish().map(drop)
}

pub(super) fn read(name: &str, packed: &[u8]) -> Result<Trace, TraceError> {
    let mut bytes = Vec::new();
    let compression = |source| TraceError::Compression { name: name.to_owned(), source };
    GzDecoder::new(packed).read_to_end(&mut bytes).map_err(compression)?;
    if !bytes.starts_with(MAGIC) {
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_ours = line.starts_with(MAGIC_STEM) && line.len() < 2 * MAGIC.len();
        let found =
            if is_ours { String::from_utf8_lossy(line).into_owned() } else { "unknown".into() };
        return Err(TraceError::Version { name: name.to_owned(), found });
    }
    let mut cursor = Cursor { bytes: &bytes, at: MAGIC.len() };
    let widths = cursor.schema(name)?;
    let rows = cursor.rows(&widths).map_err(|reason| TraceError::Damaged {
        name: name.to_owned(),
        byte: cursor.at,
        reason,
    })?;
    let mut trace = Trace::kept();
    for row in rows {
        trace.add(row);
    }
    let damaged = |reason| TraceError::Damaged { name: name.to_owned(), byte: cursor.at, reason };
    match cursor.bytes[cursor.at..] {
        [] => Err(damaged("the hash is missing")),
        ref hash if *hash == trace.hash().to_le_bytes() => Ok(trace),
        _ => Err(damaged("the hash is not that of the events")),
    }
}

/// A place in the decompressed bytes.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Cursor<'_> {
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

    fn rows(&mut self, widths: &[usize]) -> Result<Vec<Row>, &'static str> {
        let events = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        // Each event has at least a kind, a time, a node and a cause.
        if events > (self.bytes.len() - self.at) / 4 {
            return Err("more events are promised than there are bytes");
        }
        let mut rows = Vec::with_capacity(events);
        for _ in 0..events {
            let kind = RowKind::ALL[..widths.len()].get(usize::from(self.byte()?));
            let kind = *kind.ok_or("no such kind of event")?;
            rows.push(Row { at: SimTime(0), kind, node: 0, cause: None, fields: [0; FIELDS] });
        }
        let mut at = 0_u64;
        for row in &mut rows {
            at = at.checked_add(self.varint()?).ok_or("time overflows")?;
            row.at = SimTime(at);
        }
        for row in &mut rows {
            row.node = u64::from(self.byte()?);
        }
        for (event, row) in (0_u64..).zip(&mut rows) {
            let back = self.varint()?;
            if back > 0 {
                let cause = event.checked_sub(back);
                row.cause = Some(cause.ok_or("a cause before the first event")?);
            }
        }
        for (kind, width) in RowKind::ALL.iter().zip(widths) {
            for column in 0..*width {
                let mut before = 0_u64;
                for row in rows.iter_mut().filter(|row| row.kind == *kind) {
                    before = before.wrapping_add(unzigzag(self.varint()?));
                    row.fields[column] = before;
                }
            }
        }
        Ok(rows)
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

    #[test]
    fn what_was_packed_is_unpacked() {
        for events in [0, 1, 2, 3_000] {
            let trace = sample(events);
            let again = Trace::unpack("t", &packed(&trace)).unwrap();
            assert_eq!(again.rows(), trace.rows());
            assert_eq!((again.hash(), again.events()), (trace.hash(), trace.events()));
        }
    }

    #[test]
    fn a_damaged_trace_is_refused_with_the_place() {
        let trace = sample(50);
        let good = packed(&trace);
        let cut = Trace::unpack("t", &good[..good.len() / 2]).unwrap_err();
        assert!(matches!(cut, TraceError::Compression { .. }), "{cut}");

        let mut plain = Vec::new();
        GzDecoder::new(&good[..]).read_to_end(&mut plain).unwrap();
        let repack = |plain: &[u8]| {
            let mut out = GzEncoder::new(Vec::new(), Compression::fast());
            out.write_all(plain).unwrap();
            out.finish().unwrap()
        };
        for place in MAGIC.len()..plain.len() {
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
        let mut plain = Vec::new();
        GzDecoder::new(&packed(trace)[..]).read_to_end(&mut plain).unwrap();
        let end = MAGIC.len() + schema::line().len();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(edit(&schema::line()).into_bytes());
        bytes.extend(&plain[end..]);
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(&bytes).unwrap();
        out.finish().unwrap()
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
    fn every_difference_survives_the_zigzag() {
        for value in [0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(u64::MAX), 1);
    }
}
