//! Recovery: from the bytes that a crash left to a log that goes on.

use crate::wal::{
    Segment, Settings, WalError,
    frame::{self, Cursor, Header},
    record::{Record, Renewal, SnapshotMark, encode_entry},
    replay::Replay,
    segment::{self, Head, Name, State},
};
use bytes::Bytes;
use raft::eraftpb::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use whitewater_api::{
    DiskImage, DiskOp, FileName, Incarnation, Index, NodeId, Term, release::Release,
};
use whitewater_mutation::{Mutation, Mutations};

/// What the log remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// The term.
    pub term: Term,
    /// Whom this member voted for in that term.
    pub vote: Option<NodeId>,
    /// The highest index known committed. Invariant: `snapshot.index <= commit <= last index`.
    pub commit: Index,
    /// The newest snapshot mark.
    pub snapshot: Option<SnapshotMark>,
    /// The entries behind the snapshot, without gaps.
    pub entries: Vec<Entry>,
    /// The peers that were known.
    pub peers: BTreeMap<NodeId, Incarnation>,
    /// How the log started over, if it did.
    pub renewal: Option<Renewal>,
    /// What was cut off.
    pub torn: Option<TornTail>,
}

/// The end of a write that a crash interrupted. It was never promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Which file.
    pub file: FileName,
    /// Where it starts.
    pub offset: u64,
    /// How many bytes were zeroed.
    pub bytes: u64,
}

/// Whether a disk holds no log: nothing was ever promised on it, unless the log was lost.
pub fn is_fresh(image: &DiskImage) -> bool {
    image.keys().all(|file| matches!(Name::of(file), Name::Temporary | Name::Other))
}

/// Whether a log, whoever wrote it, knows a peer: what its writer never did before its first start was complete.
pub fn knows_peers(image: &DiskImage, release: Release) -> Result<bool, WalError> {
    let mut knows = false;
    for sequence in survey(image)? {
        let scan = Scan::read(sequence, None, release, image)?;
        // A torn end is no damage: it was never promised.
        scan.check_end(None)?;
        knows |= scan.records.iter().any(|record| matches!(record, Record::Peer { .. }));
    }
    Ok(knows)
}

/// The peers that a damaged log still says it knew. There may have been more.
pub fn readable_peers(image: &DiskImage, release: Release) -> BTreeMap<NodeId, Incarnation> {
    let newest = frame::version_read(release);
    let mut state = State::default();
    for (file, bytes) in image {
        let Name::Segment(sequence) = Name::of(file) else { continue };
        let Some((mut tip, header, payload)) = Cursor::open(bytes, sequence, newest) else {
            continue;
        };
        let head = Head::decode(payload, header.version);
        state.peers.extend(head.map(|head| head.state.peers).unwrap_or_default());
        let mut records = Vec::new();
        while let Some((header, payload)) = tip.read(bytes)
            && Record::decode_all(payload, header.version, &mut records).is_some()
        {
            records.drain(..).for_each(|record| state.absorb(&record));
        }
    }
    state.peers
}

/// Where writing goes on.
pub(super) struct Found {
    pub(super) recovered: Recovered,
    pub(super) state: State,
    pub(super) segments: VecDeque<Segment>,
    pub(super) file: FileName,
    pub(super) tip: Cursor,
    pub(super) proven: u64,
}

/// How many bytes entries take in a log of that form.
pub(super) fn entry_bytes(entries: &[Entry], version: u16) -> u64 {
    let mut buffer = Vec::new();
    let mut total = 0;
    for entry in entries {
        buffer.clear();
        encode_entry(entry, version, &mut buffer);
        total += buffer.len() as u64;
    }
    total
}

/// A segment that was read as far as its frames go.
struct Scan {
    sequence: u64,
    file: FileName,
    bytes: Bytes,
    header: Header,
    head: Head,
    /// Behind the last frame.
    tip: Cursor,
    proven: u64,
    records: Vec<Record>,
}

impl Scan {
    /// Reads a segment of this owner, or of anybody.
    fn read(
        sequence: u64,
        owner: Option<Incarnation>,
        release: Release,
        image: &DiskImage,
    ) -> Result<Self, WalError> {
        let newest = frame::version_read(release);
        let file = segment::file_name(sequence);
        // An absent file cannot be asked for: the caller took the sequence from the image.
        let bytes = image.get(&file).cloned().unwrap_or_default();
        if let Some(found) = frame::foreign_version(&bytes, sequence, newest) {
            return Err(WalError::Version { file, found, newest });
        }
        let opened = Cursor::open(&bytes, sequence, newest).and_then(|(tip, header, payload)| {
            Some((tip, header, Head::decode(payload, header.version)?))
        });
        let Some((mut tip, header, head)) = opened else {
            let expected = format!("the head of segment {sequence}");
            let proof = "a segment has its name only when its head is durable";
            return Err(damaged(file, 0, expected, proof));
        };
        if let Some(expected) = owner.filter(|owner| *owner != head.owner) {
            return Err(WalError::Foreign { file, found: head.owner, expected });
        }
        if (bytes.len() as u64) < head.file_bytes {
            let expected = format!("{} bytes, as preallocated", head.file_bytes);
            return Err(damaged(file, bytes.len(), expected, "a segment never gets shorter"));
        }
        let mut proven = header.durable;
        let mut records = Vec::new();
        while let Some((header, payload)) = tip.read(&bytes) {
            proven = proven.max(header.durable);
            if Record::decode_all(payload, header.version, &mut records).is_none() {
                let found = format!("a batch at byte {} that is no list of records", tip.start);
                let expected = "records that this release knows".to_owned();
                return Err(WalError::Inconsistent { file, found, expected });
            }
        }
        Ok(Self { sequence, file, bytes, header, head, tip, proven, records })
    }

    /// The index of the newest mark at the end of this segment.
    fn mark_index(&self) -> Index {
        let marks = self.records.iter().filter_map(|record| match record {
            Record::Snapshot(mark) => Some(mark.index),
            Record::Entry(_)
            | Record::HardState { .. }
            | Record::Peer { .. }
            | Record::Renewal(_) => None,
        });
        marks.last().unwrap_or_else(|| self.head.state.mark_index())
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.tip.end..).unwrap_or_default()
    }

    /// An error if frames that were promised should lie behind the last one. `next` is the segment that follows.
    fn check_end(&self, next: Option<&Self>) -> Result<(), WalError> {
        let missing = self.tip.number + 1;
        let expected = format!("frame {missing} behind checksum {:08x}", self.tip.chain);
        let Some(next) = next else {
            return frame::proof_after(&self.tip, &self.bytes).map_or(Ok(()), |proof| {
                let proof = format!("the header at byte {proof} says that it was durable");
                Err(damaged(self.file.clone(), self.tip.end, expected, proof))
            });
        };
        if next.header.number > missing {
            let proof = format!("{} starts at frame {}", next.file, next.header.number);
            return Err(damaged(self.file.clone(), self.tip.end, expected, proof));
        }
        if next.header.number < missing || next.header.previous != self.tip.chain {
            let proof = format!("it starts at frame {} behind another one", next.header.number);
            return Err(damaged(next.file.clone(), 0, expected, proof));
        }
        Ok(())
    }
}

fn damaged(
    file: FileName,
    offset: usize,
    expected: impl Into<String>,
    proof: impl Into<String>,
) -> WalError {
    let (expected, proof) = (expected.into(), proof.into());
    WalError::Damaged { file, offset: offset as u64, expected, proof }
}

/// Reads the log. On success `ops` holds what makes the disk say what was read.
pub(super) fn recover(
    settings: Settings,
    image: &DiskImage,
    ops: &mut Vec<DiskOp>,
) -> Result<Found, WalError> {
    let sequences = survey(image)?;
    let mutations = settings.mutations;
    let mut run = read_run(&sequences, settings, image)?;
    let lost = check_run(&mut run, mutations)?;
    let last = run.last().expect("a run holds the last segment");

    let mut batch = Vec::new();
    let torn = tear(last, mutations, &mut batch)?;
    let lost_files = lost.iter().map(|scan| scan.file.clone());
    let temporary = image.keys().filter(|file| Name::of(file) == Name::Temporary).cloned();
    batch.extend(lost_files.chain(temporary).map(|file| DiskOp::Remove { file }));
    // What was read may be in a cache only, if the process died and not the machine. From here on it counts as written.
    batch.extend([DiskOp::Sync { file: last.file.clone() }, DiskOp::SyncDirectory]);

    let tip = last.tip;
    let file = last.file.clone();
    let proven = run.iter().map(|scan| scan.proven).max().unwrap_or_default();
    let older = sequences.range(..run[0].sequence).copied().map(Segment::unneeded);
    let kept = run.iter().map(|scan| Segment {
        sequence: scan.sequence,
        version: scan.header.version,
        last_index: scan.head.state.last_index,
    });
    let segments = older.chain(kept).collect();
    let (state, mut recovered) = replay(run, mutations)?;
    recovered.torn = torn;
    ops.append(&mut batch);
    Ok(Found { recovered, state, segments, file, tip, proven })
}

/// The segments by name.
pub(super) fn survey(image: &DiskImage) -> Result<BTreeSet<u64>, WalError> {
    let mut sequences = BTreeSet::new();
    for file in image.keys() {
        match Name::of(file) {
            Name::Segment(sequence) => {
                sequences.insert(sequence);
            }
            Name::Foreign => return Err(WalError::ForeignName { file: file.clone() }),
            Name::Temporary | Name::Other => {}
        }
    }
    Ok(sequences)
}

/// Reads backwards from the newest segment to the first that the log may start at: older ones may be half retired.
fn read_run(
    sequences: &BTreeSet<u64>,
    settings: Settings,
    image: &DiskImage,
) -> Result<Vec<Scan>, WalError> {
    let Settings { owner, release, .. } = settings;
    let scan = |sequence| Scan::read(sequence, Some(owner), release, image);
    let mut sequence = *sequences.last().ok_or(WalError::Absent)?;
    let mut run = vec![scan(sequence)?];
    let mark = run[0].mark_index();
    while run.last().is_some_and(|scan| scan.head.state.last_index > mark) {
        sequence -= 1;
        if !sequences.contains(&sequence) {
            let file = segment::file_name(sequence);
            return Err(WalError::MissingSegment { file, snapshot: mark });
        }
        run.push(scan(sequence)?);
    }
    run.reverse();
    Ok(run)
}

/// Checks that every segment continues the one before, and that nothing promised is missing at the end. Returns the
/// segments that do not belong to the log, of which the clean program has none.
fn check_run(run: &mut Vec<Scan>, mutations: Mutations) -> Result<Vec<Scan>, WalError> {
    for position in 0..run.len() {
        if let Err(error) = run[position].check_end(run.get(position + 1)) {
            if mutations.has(Mutation::CorruptionAsTail) {
                return Ok(run.split_off(position + 1));
            }
            return Err(error);
        }
    }
    Ok(Vec::new())
}

/// Zeroes what a torn write left behind the last frame, so that it can never continue the chain.
fn tear(
    last: &Scan,
    mutations: Mutations,
    ops: &mut Vec<DiskOp>,
) -> Result<Option<TornTail>, WalError> {
    let torn_bytes = frame::nonzero_end(last.rest());
    if torn_bytes == 0 {
        return Ok(None);
    }
    if mutations.has(Mutation::TornTailRefused) {
        return Err(damaged(last.file.clone(), last.tip.end, "zeros", "a torn write is refused"));
    }
    let offset = last.tip.end as u64;
    let bytes = Bytes::from(vec![0; torn_bytes]);
    // Zeros, and not a shorter file: a crash between the cut and the new length would leave a segment that looks cut.
    ops.push(DiskOp::Write { file: last.file.clone(), offset, bytes });
    Ok(Some(TornTail { file: last.file.clone(), offset, bytes: torn_bytes as u64 }))
}

/// Replays the run and checks what comes out of it.
fn replay(run: Vec<Scan>, mutations: Mutations) -> Result<(State, Recovered), WalError> {
    let last = run.last().expect("a run holds the last segment");
    let (file, mark_final) = (last.file.clone(), last.mark_index());
    let first = segment::file_name(run[0].sequence.saturating_sub(1));
    let mut replay = Replay::new(&run[0].head, mark_final, mutations);
    for record in run.into_iter().flat_map(|scan| scan.records) {
        replay.apply(record).map_err(|gap| WalError::Inconsistent {
            file: file.clone(),
            found: format!("entry {}", gap.index),
            expected: format!("an entry between 1 and {}", gap.last.0.saturating_add(1)),
        })?;
    }
    let Some((mut state, entries)) = replay.finish() else {
        return Err(WalError::MissingSegment { file: first, snapshot: mark_final });
    };
    // Taken at the applied index, which may be ahead of the commit index that was last written.
    state.commit = state.commit.max(state.mark_index());
    if state.commit > state.last_index {
        return Err(WalError::Inconsistent {
            file,
            found: format!("commit index {}", state.commit),
            expected: format!("at most the last index {}", state.last_index),
        });
    }
    let recovered = Recovered {
        term: state.term,
        vote: state.vote,
        commit: state.commit,
        snapshot: state.mark.clone(),
        entries,
        peers: state.peers.clone(),
        renewal: state.renewal,
        torn: None,
    };
    Ok((state, recovered))
}
