//! Frames: how batches lie in a segment, and how a reader walks them.
//!
//! A header has a checksum of its own. It is salted with the segment and the offset, so a header verifies only in its
//! place, and it can be believed even where the payload behind it is torn.
//!
//! Fuzzers are let through here, and wherever else bytes are held against a checksum, or they would never get past it
//! (`fuzz/README.md`).

use crate::wal::codec::Reader;
use whitewater_api::release::Release;

/// The first bytes of every frame.
const MAGIC: [u8; 4] = *b"WWAL";

/// The newest form of segments that this program reads.
pub(super) const VERSION: u16 = 2;

/// The newest form of segments that a release reads.
pub(super) const fn version_read(release: Release) -> u16 {
    match release {
        Release::Previous => 1,
        Release::Compatible | Release::Newest => VERSION,
    }
}

/// The form of the segments that a release makes.
pub(super) const fn version_written(release: Release) -> u16 {
    match release {
        Release::Previous | Release::Compatible => 1,
        Release::Newest => VERSION,
    }
}

/// The length of a header.
pub(super) const HEADER_BYTES: usize = 40;

/// What of it the header's own checksum covers, which comes last.
const COVERED_BYTES: usize = HEADER_BYTES - 4;

/// Frames start at multiples of this.
const ALIGNMENT: usize = 8;

/// No log gets there. A header that claims more is none, so counting on from it cannot overflow.
const NUMBER_MAX: u64 = 1 << 62;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The head of a segment.
    Head = 1,
    /// A batch of records.
    Batch = 2,
}

/// A frame's header, without what follows from its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The form of what follows the header.
    pub(super) version: u16,
    pub(super) kind: Kind,
    /// Frames are numbered from 1 through the whole log.
    pub(super) number: u64,
    /// Frames up to this number were durable before this one was written. The proof that tells damage from a torn tail.
    pub(super) durable: u64,
    pub(super) length: u32,
    /// The header checksum of the frame before.
    pub(super) previous: u32,
    pub(super) payload_checksum: u32,
    /// Of all the above, salted with the place.
    pub(super) checksum: u32,
}

/// A place behind a frame: all that is needed to read or write the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The newest form that the reader knows: frames of a newer one are none to it.
    pub(super) newest: u16,
    /// The header checksum of the segment's head, which salts all other frames of the segment.
    pub(super) salt: u32,
    /// The header checksum of the last frame, and where that frame starts.
    pub(super) chain: u32,
    pub(super) start: usize,
    /// The number of the last frame.
    pub(super) number: u64,
    /// Where the next frame starts.
    pub(super) end: usize,
}

/// The salt of the head of a segment.
fn head_salt(sequence: u64) -> u32 {
    crc32c::crc32c(&sequence.to_le_bytes())
}

/// The checksum of a header at `offset`: of the place and of all that it covers, in one go, because short runs cost the most.
fn place_checksum(salt: u32, offset: usize, covered: &[u8; COVERED_BYTES]) -> u32 {
    let mut bytes = [0; 8 + COVERED_BYTES];
    bytes[..8].copy_from_slice(&(offset as u64).to_le_bytes());
    bytes[8..].copy_from_slice(covered);
    crc32c::crc32c_append(salt, &bytes)
}

const fn aligned(offset: usize) -> usize {
    offset.next_multiple_of(ALIGNMENT)
}

impl Header {
    /// The header at `offset`, if there is one that was written for just that place, in a form up to the `newest`.
    pub(super) fn read(segment: &[u8], offset: usize, salt: u32, newest: u16) -> Option<Self> {
        let bytes = segment.get(offset..)?.first_chunk::<HEADER_BYTES>()?;
        let mut reader = Reader::new(bytes);
        if reader.bytes(MAGIC.len())? != MAGIC {
            return None;
        }
        let version = reader.u16().filter(|version| (1..=newest).contains(version))?;
        let kind = match reader.u16()? {
            1 => Kind::Head,
            2 => Kind::Batch,
            _ => return None,
        };
        let header = Self {
            version,
            kind,
            number: reader.u64()?,
            durable: reader.u64()?,
            length: reader.u32()?,
            previous: reader.u32()?,
            payload_checksum: reader.u32()?,
            checksum: reader.u32()?,
        };
        let covered = bytes.first_chunk().expect("a part of the header");
        let checksum = place_checksum(salt, offset, covered);
        let is_whole = checksum == header.checksum || cfg!(fuzzing);
        (is_whole && header.number <= NUMBER_MAX).then_some(header)
    }

    /// The payload behind this header, if it is whole.
    fn payload<'a>(&self, segment: &'a [u8], offset: usize) -> Option<&'a [u8]> {
        let start = offset + HEADER_BYTES;
        let payload = segment.get(start..)?.get(..self.length as usize)?;
        let is_whole = crc32c::crc32c(payload) == self.payload_checksum || cfg!(fuzzing);
        is_whole.then_some(payload)
    }
}

/// The version that the first bytes of a segment name, if they are the head of a form newer than the `newest` that the reader
/// knows. Where everything else is as some release wrote it, the version is damaged.
pub(super) fn foreign_version(segment: &[u8], sequence: u64, newest: u16) -> Option<u16> {
    let mut reader = Reader::new(segment);
    let found = if reader.bytes(MAGIC.len())? == MAGIC { reader.u16()? } else { return None };
    if (1..=newest).contains(&found) {
        return None;
    }
    let mut header = segment.first_chunk::<HEADER_BYTES>().copied().unwrap_or([0; HEADER_BYTES]);
    let is_ours = (1..=newest).any(|version| {
        header[4..6].copy_from_slice(&version.to_le_bytes());
        Header::read(&header, 0, head_salt(sequence), newest).is_some()
    });
    (!is_ours).then_some(found)
}

impl Cursor {
    /// The place before the first frame of the log.
    pub(super) const fn origin(newest: u16) -> Self {
        Self { newest, salt: 0, chain: 0, start: 0, number: 0, end: 0 }
    }

    /// Reads the head of a segment: the place behind it, its header and its payload.
    pub(super) fn open(
        segment: &[u8],
        sequence: u64,
        newest: u16,
    ) -> Option<(Self, Header, &[u8])> {
        let header = Header::read(segment, 0, head_salt(sequence), newest)?;
        let payload = header.payload(segment, 0)?;
        if header.kind != Kind::Head {
            return None;
        }
        let cursor = Self {
            newest,
            salt: header.checksum,
            chain: header.checksum,
            start: 0,
            number: header.number,
            end: aligned(HEADER_BYTES + payload.len()),
        };
        Some((cursor, header, payload))
    }

    /// Reads the next frame and moves behind it; stays where it is if there is none that continues the chain.
    pub(super) fn read<'a>(&mut self, segment: &'a [u8]) -> Option<(Header, &'a [u8])> {
        let header = Header::read(segment, self.end, self.salt, self.newest)?;
        let payload = header.payload(segment, self.end)?;
        let follows = header.number == self.number + 1 && header.previous == self.chain;
        if !follows || header.kind != Kind::Batch {
            return None;
        }
        self.advance(header.checksum, payload.len());
        Some((header, payload))
    }

    /// Whether `segment` starts with the head that this place lies behind.
    pub(super) fn is_of(&self, segment: &[u8], sequence: u64) -> bool {
        let head = Header::read(segment, 0, head_salt(sequence), self.newest);
        head.is_some_and(|head| head.checksum == self.salt)
    }

    /// Whether the frame before this place is still there.
    pub(super) fn is_behind(&self, segment: &[u8], sequence: u64) -> bool {
        let salt = if self.start == 0 { head_salt(sequence) } else { self.salt };
        let frame = Header::read(segment, self.start, salt, self.newest);
        frame.is_some_and(|frame| frame.checksum == self.chain)
    }

    /// Writes the header of a batch into the room at the front of `frame`, pads the end, and moves behind it.
    pub(super) fn write_batch(&mut self, frame: &mut Vec<u8>, version: u16, durable: u64) {
        let place = (self.salt, self.end);
        let numbers = (self.number + 1, durable);
        let checksum = fill(frame, (version, Kind::Batch), numbers, self.chain, place);
        self.advance(checksum, frame.len() - HEADER_BYTES);
        frame.resize(aligned(frame.len()), 0);
    }

    /// The same for the head of the segment `sequence`, which starts a new file.
    pub(super) fn write_head(&mut self, frame: &mut Vec<u8>, version: u16, sequence: u64) {
        let place = (head_salt(sequence), 0);
        let number = self.number + 1;
        // A segment gets its name when all before it is durable, itself included.
        let checksum = fill(frame, (version, Kind::Head), (number, number), self.chain, place);
        (self.salt, self.chain, self.start, self.end) = (checksum, checksum, 0, 0);
        self.advance(checksum, frame.len() - HEADER_BYTES);
        frame.resize(aligned(frame.len()), 0);
    }

    fn advance(&mut self, checksum: u32, payload_bytes: usize) {
        self.chain = checksum;
        self.start = self.end;
        self.number += 1;
        self.end = aligned(self.end + HEADER_BYTES + payload_bytes);
    }
}

/// Fills in the header at the front of `frame`. Returns its checksum.
fn fill(
    frame: &mut [u8],
    (version, kind): (u16, Kind),
    (number, durable): (u64, u64),
    previous: u32,
    (salt, offset): (u32, usize),
) -> u32 {
    let (header, payload) = frame.split_at_mut(HEADER_BYTES);
    let length = u32::try_from(payload.len()).expect("a batch is bounded far below 4 GiB");
    header[0..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&version.to_le_bytes());
    header[6..8].copy_from_slice(&(kind as u16).to_le_bytes());
    header[8..16].copy_from_slice(&number.to_le_bytes());
    header[16..24].copy_from_slice(&durable.to_le_bytes());
    header[24..28].copy_from_slice(&length.to_le_bytes());
    header[28..32].copy_from_slice(&previous.to_le_bytes());
    header[32..36].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    let covered = header.first_chunk().expect("a part of the header");
    let checksum = place_checksum(salt, offset, covered);
    header[COVERED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Where, at or after the cursor, a header proves that the frame which should start at the cursor was durable once.
///
/// Only headers count that were written for their place, so a value that looks like a frame proves nothing.
pub(super) fn proof_after(cursor: &Cursor, segment: &[u8]) -> Option<usize> {
    let missing = cursor.number + 1;
    let mut offset = cursor.end;
    let end = offset + nonzero_end(segment.get(offset..)?);
    while offset < end {
        let proof = Header::read(segment, offset, cursor.salt, cursor.newest);
        if proof.is_some_and(|header| header.durable >= missing) {
            return Some(offset);
        }
        offset += ALIGNMENT;
    }
    None
}

/// Where the last byte that is not zero ends; 0 if all are zero.
pub(super) fn nonzero_end(bytes: &[u8]) -> usize {
    // By blocks first: a fresh segment is megabytes of zeros.
    const ZEROS: [u8; 4096] = [0; 4096];
    let is_zero = |block: &&[u8]| **block == ZEROS[..block.len()];
    let blocks = bytes.rchunks(ZEROS.len()).take_while(is_zero).count();
    let rest = &bytes[..bytes.len().saturating_sub(blocks * ZEROS.len())];
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}
