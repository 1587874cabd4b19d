//! Power loss (D1, D2, D3): which of the changes that are not synced are there afterwards.
//!
//! What a disk and a file system may do differs, so each crash draws one of four ways:
//!
//! - *nothing* of it is kept: nothing had left the memory;
//! - a *prefix* of all changes, files and directory, in the order in which they were made. The next one may be a
//!   write of which the first sectors are there;
//! - *each sector* on its own, and of the directory's changes a prefix, as a journal keeps it (ext4, XFS);
//! - *each sector* and *each name* on its own, as copy-on-write file systems were seen to do (btrfs, in Pillai et
//!   al., All File Systems Are Not Created Equal, OSDI 2014).
//!
//! Each sector on its own means: a sector that was written several times is as any one of those writes left it, since
//! pages are written back at any time. A torn one has the first bytes of that and is as before from a random byte on.
//! The length is that of any one of the changes. A cut (of `Create` over a file, or `SetLength`) that is not kept
//! takes all later changes of the file with it, since they went to new blocks; beyond the length that is kept nothing
//! is there, and what a kept length uncovers is zero.
//!
//! A lost change of a name leaves the name as it was: after a lost rename the file has its old name, and a file that it
//! would have replaced is there with its old bytes. A rename that is kept without the creation before it is what those
//! file systems do: the file appears under its last name.

use super::{
    contents::{Contents, as_u64, end, index},
    files::{Change, ChangeKind, Files, Inode},
};
use crate::limits::SECTOR_BYTES;
use bytes::Bytes;
use std::collections::BTreeMap;
use whitewater_record::{DiskProfile, Stream};

/// What a crash took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Bytes of unsynced writes that are not there any more, counted write by write.
    pub bytes: u64,
    /// Sectors of which only the first bytes are new.
    pub sectors_torn: u64,
    /// Changes of the directory that are not there any more.
    pub names_lost: u64,
    /// Batches that were under way. The process never learns how they went.
    pub batches: u64,
    /// Syncs had lied: what was promised is not there any more.
    pub is_betrayed: bool,
}

#[derive(Clone, Copy)]
enum Way {
    Nothing,
    Prefix,
    EachSector,
    EachSectorAndName,
}

/// Loses power: afterwards there is only what is durable.
pub(super) fn lose(files: &mut Files, profile: &DiskProfile, luck: &mut Stream) -> Loss {
    let mut loss = Loss::default();
    // A chance of none or all leaves no way open but one, which is what a person who edits a plan expects.
    let is_certain = profile.keep_ppm == 0 || profile.keep_ppm >= 1_000_000;
    let way = if is_certain {
        Way::EachSectorAndName
    } else {
        *luck.pick(&[Way::Nothing, Way::Prefix, Way::EachSector, Way::EachSectorAndName])
    };
    match way {
        Way::Nothing => keep_prefix(files, 0, profile, luck, &mut loss),
        Way::Prefix => {
            let changes = as_u64(files.unsynced_changes());
            let kept = luck.between(0, changes);
            keep_prefix(files, kept, profile, luck, &mut loss);
        }
        Way::EachSector | Way::EachSectorAndName => {
            for inode in files.inodes.values_mut().filter(|inode| !inode.changes.is_empty()) {
                keep_sectors(inode, profile, luck, &mut loss);
            }
            let is_ordered = matches!(way, Way::EachSector);
            keep_names(files, is_ordered, profile.directory_keep_ppm, luck, &mut loss);
        }
    }
    files.names.clone_from(&files.durable_names);
    files.forget_nameless();
    loss
}

/// Keeps the first `kept` changes of all, and perhaps a part of the next one.
fn keep_prefix(
    files: &mut Files,
    kept: u64,
    profile: &DiskProfile,
    luck: &mut Stream,
    loss: &mut Loss,
) {
    let mut sequences: Vec<u64> = files.name_changes.iter().map(|change| change.sequence).collect();
    sequences.extend(files.inodes.values().flat_map(|i| i.changes.iter().map(|c| c.sequence)));
    sequences.sort_unstable();
    let cut = sequences.get(index(kept)).copied().unwrap_or(u64::MAX);

    for change in files.name_changes.drain(..) {
        if change.sequence < cut {
            change.apply(&mut files.durable_names);
        } else {
            loss.names_lost += 1;
        }
    }
    for inode in files.inodes.values_mut() {
        for change in inode.changes.drain(..) {
            if change.sequence < cut {
                change.apply(&mut inode.durable);
            } else if let ChangeKind::Write { offset, bytes } = change.kind {
                let mut part = Bytes::new();
                if change.sequence == cut && kept > 0 {
                    let tears = luck.chance(profile.torn_ppm);
                    part = first_part(offset, &bytes, tears, luck);
                    loss.sectors_torn += u64::from(tears && part.len() < bytes.len());
                }
                loss.bytes += end(0, &bytes) - end(0, &part);
                if !part.is_empty() {
                    inode.durable.write(offset, &part);
                }
            }
        }
        inode.length = inode.durable.length();
    }
}

/// The first bytes of a write by luck, from none to all: up to the end of a sector, or to any byte if one tears.
fn first_part(offset: u64, bytes: &Bytes, tears: bool, luck: &mut Stream) -> Bytes {
    let part = part_of(bytes, luck);
    if tears || part.len() == bytes.len() {
        return part;
    }
    let past_sector = end(offset, &part) % SECTOR_BYTES;
    let length = end(0, &part).saturating_sub(past_sector);
    bytes.slice(..index(length))
}

/// The first so many bytes, by luck: none up to all.
pub(super) fn part_of(bytes: &Bytes, luck: &mut Stream) -> Bytes {
    let length = luck.between(0, end(0, bytes));
    bytes.slice(..index(length))
}

/// What becomes of one sector.
#[derive(Clone, Copy)]
struct Sector {
    /// How many writes touched it.
    writes: u64,
    /// How many of these, from the first, it has seen.
    kept: u64,
    /// From this byte of the sector on it is as before.
    torn: u64,
}

/// Keeps each sector on its own, and some length.
fn keep_sectors(inode: &mut Inode, profile: &DiskProfile, luck: &mut Stream, loss: &mut Loss) {
    let mut changes = std::mem::take(&mut inode.changes);
    let (length, barrier) = keep_length(&inode.durable, &changes, profile.keep_ppm, luck);
    for lost in changes.drain(barrier..) {
        if let ChangeKind::Write { bytes, .. } = lost.kind {
            loss.bytes += end(0, &bytes);
        }
    }

    let mut sectors = BTreeMap::new();
    for change in &changes {
        if let ChangeKind::Write { offset, bytes } = &change.kind {
            for (at, _) in pieces(*offset, bytes) {
                let new = Sector { writes: 0, kept: 0, torn: SECTOR_BYTES };
                sectors.entry(at / SECTOR_BYTES).or_insert(new).writes += 1;
            }
        }
    }
    for sector in sectors.values_mut() {
        if luck.chance(profile.keep_ppm) {
            sector.kept = luck.between(1, sector.writes);
            if luck.chance(profile.torn_ppm) {
                sector.torn = luck.between(1, SECTOR_BYTES - 1);
                loss.sectors_torn += 1;
            }
        }
        sector.writes = 0;
    }

    for change in &changes {
        match &change.kind {
            // A cut that is kept; growth is a matter of the length alone.
            ChangeKind::Length(length) if *length < inode.durable.length() => {
                inode.durable.set_length(*length);
            }
            ChangeKind::Length(_) => {}
            ChangeKind::Write { offset, bytes } => {
                for (at, piece) in pieces(*offset, bytes) {
                    let sector = sectors.get_mut(&(at / SECTOR_BYTES)).expect("it was counted");
                    sector.writes += 1;
                    let room = if sector.writes <= sector.kept { sector.torn } else { 0 };
                    let part = &piece[..fitting(piece, at % SECTOR_BYTES, room)];
                    inode.durable.patch(at, part);
                    let seen = &part[..fitting(part, at, length)];
                    loss.bytes += end(0, piece) - end(0, seen);
                }
            }
        }
    }
    inode.durable.set_length(length);
    inode.length = length;
}

/// The length that is kept, and how many of the changes may be: all before the first cut that is not kept.
fn keep_length(
    durable: &Contents,
    changes: &[Change],
    keep_ppm: u32,
    luck: &mut Stream,
) -> (u64, usize) {
    let mut lengths = vec![(0, durable.length())];
    let mut cuts = Vec::new();
    let mut length = durable.length();
    for (place, change) in changes.iter().enumerate() {
        let next = match &change.kind {
            ChangeKind::Write { offset, bytes } => length.max(end(*offset, bytes)),
            ChangeKind::Length(length) => *length,
        };
        if next < length {
            cuts.push(place);
        }
        if next != length {
            lengths.push((place, next));
            length = next;
        }
    }
    let last = as_u64(lengths.len()) - 1;
    let kept = if last > 0 && luck.chance(keep_ppm) { luck.between(1, last) } else { 0 };
    let (place, length) = lengths[index(kept)];
    let is_lost = |cut: &usize| kept == 0 || *cut > place;
    (length, cuts.into_iter().find(is_lost).unwrap_or(changes.len()))
}

/// Keeps changes of names with this chance: each on its own, or all until the first one that is lost.
fn keep_names(
    files: &mut Files,
    is_ordered: bool,
    keep_ppm: u32,
    luck: &mut Stream,
    loss: &mut Loss,
) {
    let mut is_over = false;
    for change in files.name_changes.drain(..) {
        let is_kept = luck.chance(keep_ppm) && !(is_ordered && is_over);
        if is_kept {
            change.apply(&mut files.durable_names);
        } else {
            is_over = true;
            loss.names_lost += 1;
        }
    }
}

/// How many bytes of `piece`, which begins at `at`, lie before `room`.
fn fitting(piece: &[u8], at: u64, room: u64) -> usize {
    index(room.saturating_sub(at).min(end(0, piece)))
}

/// A write, sector by sector: where each piece begins, and its bytes.
fn pieces(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = offset;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(fitting(rest, at % SECTOR_BYTES, SECTOR_BYTES));
        let start = at;
        at += end(0, piece);
        rest = after;
        Some((start, piece))
    })
}
