//! Reads a file.

use crate::page::{
    BRANCH, ELEMENT, HEADER, IS_BUCKET, LEAF, MAGIC, META, META_KIND, VERSION, checksum,
};
use std::collections::BTreeSet;
use thiserror::Error;

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BoltError {
    /// It is not a file of bbolt, or both of its meta pages are damaged.
    #[error(
        "neither of the two meta pages is valid: this is no database of bbolt, or its start is damaged"
    )]
    NoMeta,
    /// A page does not hold what it should.
    #[error("page {page}: expected {expected}")]
    Page {
        /// Which.
        page: u64,
        /// What should be there.
        expected: &'static str,
    },
}

/// A whole file, in memory.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    file: &'a [u8],
    page_size: usize,
    root: u64,
    /// The first page that is not there any more.
    end: u64,
}

/// Who takes what is found, row by row.
pub type Visitor<'v> = &'v mut dyn FnMut(&[u8], &[u8]);

/// Who takes elements: flags, key, value.
type Sink<'v> = &'v mut dyn FnMut(u32, &[u8], &[u8]);

/// Where a walk through pages has been.
#[derive(Default)]
struct Walk {
    seen: BTreeSet<u64>,
    last: Option<Vec<u8>>,
}

impl<'a> Database<'a> {
    /// Looks at the meta pages.
    pub fn open(file: &'a [u8]) -> Result<Self, BoltError> {
        // The second meta lies one page behind; the first says how long a page is, if it is whole. Else it is tried.
        let first = meta(file, 0);
        let mut sizes = (9..=16).map(|bits| 1_usize << bits);
        let second = match first {
            Some(Meta { page_size, .. }) => meta(file, page_size),
            None => sizes.find_map(|size| meta(file, size).filter(|meta| meta.page_size == size)),
        };
        let newest = [first, second].into_iter().flatten().max_by_key(|meta| meta.transaction);
        let Meta { page_size, root, end, .. } = newest.ok_or(BoltError::NoMeta)?;
        Ok(Self { file, page_size, root, end })
    }

    /// Hands all rows of a bucket to `visitor`, by key; buckets inside of it are passed over. Whether there is such a bucket.
    pub fn bucket(&self, name: &[u8], visitor: Visitor<'_>) -> Result<bool, BoltError> {
        let mut found = None;
        let mut walk = Walk::default();
        self.walk(self.root, &mut walk, &mut |flags, key, value| {
            if flags & IS_BUCKET != 0 && key == name {
                found = Some(value.to_vec());
            }
        })?;
        let Some(bucket) = found else { return Ok(false) };
        let mut rows = |flags: u32, key: &[u8], value: &[u8]| {
            if flags & IS_BUCKET == 0 {
                visitor(key, value);
            }
        };
        let expected =
            BoltError::Page { page: self.root, expected: "a bucket of 16 bytes or more" };
        match word(&bucket, 0).ok_or(expected)? {
            // A small one lies in its parent's row, as a page behind its root and its sequence.
            0 => {
                let page = bucket.get(16..).ok_or(expected)?;
                leaf(self.root, page, &mut Walk::default(), &mut rows)?;
            }
            root => self.walk(root, &mut Walk::default(), &mut rows)?,
        }
        Ok(true)
    }

    fn walk(&self, root: u64, walk: &mut Walk, sink: Sink<'_>) -> Result<(), BoltError> {
        // Pages that wait, the next one last.
        let mut open = vec![root];
        while let Some(page) = open.pop() {
            let bad = |expected| BoltError::Page { page, expected };
            if !walk.seen.insert(page) {
                return Err(bad("a page that was not visited before"));
            }
            let bytes = self.page(page)?;
            match half(bytes, 8) {
                Some(LEAF) => leaf(page, bytes, walk, sink)?,
                Some(BRANCH) => {
                    let count = half(bytes, 10).ok_or(bad("a header"))?;
                    for element in (0..usize::from(count)).rev() {
                        let child = word(bytes, HEADER + element * ELEMENT + 8);
                        open.push(child.ok_or(bad("elements inside of the page"))?);
                    }
                }
                _ => return Err(bad("a branch or a leaf")),
            }
        }
        Ok(())
    }

    /// A page, with those that it goes on in.
    fn page(&self, page: u64) -> Result<&'a [u8], BoltError> {
        let bad = |expected| BoltError::Page { page, expected };
        if page < 2 || page >= self.end {
            return Err(bad("a number below the end that the meta page tells"));
        }
        let start = usize::try_from(page).ok().and_then(|page| page.checked_mul(self.page_size));
        let rest = start.and_then(|start| self.file.get(start..));
        let rest = rest.filter(|rest| rest.len() >= self.page_size);
        let rest = rest.ok_or(bad("a page inside of the file: it is cut off"))?;
        if word(rest, 0) != Some(page) {
            return Err(bad("its own number at its start"));
        }
        let further = number(rest, 12).and_then(|further| usize::try_from(further).ok());
        let pages = further.and_then(|further| further.checked_add(1));
        let bytes = pages.and_then(|pages| pages.checked_mul(self.page_size));
        bytes.and_then(|bytes| rest.get(..bytes)).ok_or(bad("all of its pages inside of the file"))
    }
}

fn leaf(page: u64, bytes: &[u8], walk: &mut Walk, sink: Sink<'_>) -> Result<(), BoltError> {
    let bad = |expected| BoltError::Page { page, expected };
    if half(bytes, 8) != Some(LEAF) {
        return Err(bad("a leaf"));
    }
    let count = half(bytes, 10).ok_or(bad("a header"))?;
    for element in 0..usize::from(count) {
        let at = HEADER + element * ELEMENT;
        let field = |place| number(bytes, at + place).and_then(|n| usize::try_from(n).ok());
        let outside = bad("keys and values inside of the page");
        let flags = number(bytes, at).ok_or(outside)?;
        let (Some(offset), Some(key), Some(value)) = (field(4), field(8), field(12)) else {
            return Err(outside);
        };
        let start = at.checked_add(offset).ok_or(outside)?;
        let middle = start.checked_add(key).ok_or(outside)?;
        let end = middle.checked_add(value).ok_or(outside)?;
        let (Some(key), Some(value)) = (bytes.get(start..middle), bytes.get(middle..end)) else {
            return Err(outside);
        };
        if walk.last.as_deref().is_some_and(|last| last >= key) {
            return Err(bad("keys that rise"));
        }
        walk.last = Some(key.to_vec());
        sink(flags, key, value);
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Meta {
    page_size: usize,
    root: u64,
    end: u64,
    transaction: u64,
}

/// The meta of the page at this place, if it is a whole one.
fn meta(file: &[u8], at: usize) -> Option<Meta> {
    let page = file.get(at..)?;
    let meta = page.get(HEADER..HEADER + META)?;
    let is_whole = half(page, 8)? == META_KIND
        && number(meta, 0)? == MAGIC
        && number(meta, 4)? == VERSION
        && (word(meta, 56)? == checksum(&meta[..56]) || cfg!(fuzzing));
    let page_size = usize::try_from(number(meta, 8)?).ok()?;
    (is_whole && page_size >= 512 && page_size.is_power_of_two()).then_some(Meta {
        page_size,
        root: word(meta, 16)?,
        end: word(meta, 40)?,
        transaction: word(meta, 48)?,
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}
