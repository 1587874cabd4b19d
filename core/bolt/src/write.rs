//! Writes a file, bucket by bucket.

use crate::page::{
    BRANCH, ELEMENT, FREELIST, HEADER, IS_BUCKET, LEAF, MAGIC, META_KIND, VERSION, checksum,
};
use std::io::{self, Sink, Write};

/// Bytes of a page: what etcd has on nearly all machines. A reader goes by what the meta pages say.
const PAGE: usize = 4096;

/// Two metas, then the list of free pages, which is empty.
const FREELIST_PAGE: u64 = 2;

/// A file in the making, handed out page by page, so that it is never held as a whole.
///
/// The first pages say where the root is, and how many pages there are, which is known only behind the last row. So rows are
/// gone through twice: what [`Writer::measure`] finds out, [`Writer::new`] wants to know.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    layout: Layout,
    /// Pages so far.
    pages: u64,
    /// Buckets so far: names, and the pages of their roots.
    roots: Vec<(Vec<u8>, u64)>,
}

/// What the first pages of a file say of those that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    root: u64,
    pages: u64,
}

/// The first key below a page, and the page.
type Child = (Vec<u8>, u64);

/// A page in the making: elements, and what lies behind them.
#[derive(Default)]
struct Page {
    elements: Vec<([u32; 4], usize)>,
    content: Vec<u8>,
}

impl Layout {
    /// Bytes of the file.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.pages * PAGE as u64
    }
}

impl Writer<Sink> {
    /// For the first time through the rows.
    #[must_use]
    pub fn measure() -> Self {
        Self::new(Layout::default(), io::sink()).expect("a sink takes everything")
    }
}

impl<W: Write> Writer<W> {
    /// An empty database that goes into `out`.
    pub fn new(layout: Layout, out: W) -> io::Result<Self> {
        let mut writer = Self { out, layout, pages: 0, roots: Vec::new() };
        for generation in 0..2 {
            let mut meta = writer.meta(generation);
            meta.resize(PAGE, 0);
            writer.out.write_all(&meta)?;
            writer.pages += 1;
        }
        let number = writer.push(FREELIST, &Page::default())?;
        assert_eq!(number, FREELIST_PAGE, "it comes right behind the metas");
        Ok(writer)
    }

    /// Adds a bucket with these rows.
    ///
    /// # Panics
    ///
    /// If keys do not rise, here or from bucket to bucket.
    pub fn bucket<K, V>(
        &mut self,
        name: &[u8],
        rows: impl Iterator<Item = (K, V)>,
    ) -> io::Result<()>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        assert!(
            self.roots.last().is_none_or(|(last, _)| last.as_slice() < name),
            "buckets come by name"
        );
        let root = self.tree(rows.map(|(key, value)| (0, key, value)))?;
        self.roots.push((name.to_vec(), root));
        Ok(())
    }

    /// The rest of the file. What it turned out to be.
    ///
    /// # Panics
    ///
    /// If this is not what was measured, so that the first pages are wrong.
    pub fn finish(mut self) -> io::Result<Layout> {
        let roots = std::mem::take(&mut self.roots);
        let row = |(name, root): (Vec<u8>, u64)| {
            let value = [root.to_le_bytes(), 0_u64.to_le_bytes()].concat();
            (IS_BUCKET, name, value)
        };
        let root = self.tree(roots.into_iter().map(row))?;
        let found = Layout { root, pages: self.pages };
        assert!([Layout::default(), found].contains(&self.layout), "the rows are others now");
        Ok(found)
    }

    fn meta(&self, generation: u64) -> Vec<u8> {
        let mut meta = Vec::new();
        for number in [MAGIC, VERSION, u32::try_from(PAGE).expect("it is small"), 0] {
            meta.extend_from_slice(&number.to_le_bytes());
        }
        for word in [self.layout.root, 0, FREELIST_PAGE, self.layout.pages, generation] {
            meta.extend_from_slice(&word.to_le_bytes());
        }
        let checksum = checksum(&meta);
        meta.extend_from_slice(&checksum.to_le_bytes());
        [header(generation, META_KIND, 0, 0), meta].concat()
    }

    /// Writes leaves, and branches above them until there is one page. Its number.
    fn tree<K, V>(&mut self, rows: impl Iterator<Item = (u32, K, V)>) -> io::Result<u64>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let (mut page, mut first, mut children) = (Page::default(), Vec::new(), Vec::new());
        let mut last: Option<K> = None;
        for (flags, row_key, value) in rows {
            let (key, value) = (row_key.as_ref(), value.as_ref());
            assert!(last.as_ref().is_none_or(|last| last.as_ref() < key), "keys rise");
            if !page.has_room(key.len() + value.len()) {
                let number = self.push(LEAF, &page)?;
                page.clear();
                children.push((std::mem::take(&mut first), number));
            }
            if page.elements.is_empty() {
                first = key.to_vec();
            }
            page.push([flags, 0, length(key), length(value)], &[key, value]);
            last = Some(row_key);
        }
        let number = self.push(LEAF, &page)?;
        children.push((first, number));
        while children.len() > 1 {
            children = self.branches(&children)?;
        }
        Ok(children[0].1)
    }

    fn branches(&mut self, children: &[Child]) -> io::Result<Vec<Child>> {
        let (mut page, mut first, mut parents) = (Page::default(), Vec::new(), Vec::new());
        for (key, child) in children {
            // A branch of one would be no progress, however long its key is.
            if page.elements.len() > 1 && !page.has_room(key.len()) {
                let number = self.push(BRANCH, &page)?;
                page.clear();
                parents.push((std::mem::take(&mut first), number));
            }
            if page.elements.is_empty() {
                first.clone_from(key);
            }
            let [low, high] = halves(*child);
            page.push([0, length(key), low, high], &[key]);
        }
        let number = self.push(BRANCH, &page)?;
        parents.push((first, number));
        Ok(parents)
    }

    /// Appends a page, and says its number.
    fn push(&mut self, kind: u16, page: &Page) -> io::Result<u64> {
        let number = self.pages;
        let count = page.elements.len();
        let bytes = HEADER + count * ELEMENT + page.content.len();
        let further = bytes.div_ceil(PAGE) - 1;
        let mut head = header(number, kind, count, further);
        for (place, (fields, at)) in page.elements.iter().enumerate() {
            // From the element itself to its key.
            let offset = (count - place) * ELEMENT + at;
            let mut fields = *fields;
            let place = usize::from(kind == LEAF);
            fields[place] = u32::try_from(offset).expect("a page is far below 4 GiB");
            for field in fields {
                head.extend_from_slice(&field.to_le_bytes());
            }
        }
        let pages = further + 1;
        self.out.write_all(&head)?;
        self.out.write_all(&page.content)?;
        self.out.write_all(&[0; PAGE][..pages * PAGE - bytes])?;
        self.pages += u64::try_from(pages).expect("a length fits 64 bits");
        Ok(number)
    }
}

impl Page {
    fn has_room(&self, bytes: usize) -> bool {
        let used = HEADER + (self.elements.len() + 1) * ELEMENT + self.content.len();
        self.elements.is_empty() || used + bytes <= PAGE
    }

    fn clear(&mut self) {
        self.elements.clear();
        self.content.clear();
    }

    /// Adds an element whose offset is not known yet.
    fn push(&mut self, fields: [u32; 4], content: &[&[u8]]) {
        self.elements.push((fields, self.content.len()));
        for bytes in content {
            self.content.extend_from_slice(bytes);
        }
    }
}

fn header(number: u64, kind: u16, count: usize, further: usize) -> Vec<u8> {
    let count = u16::try_from(count).expect("elements have 16 bytes each, so a page has few");
    let further = u32::try_from(further).expect("a row is far below 4 GiB");
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&further.to_le_bytes());
    bytes
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a row is far below 4 GiB")
}

fn halves(word: u64) -> [u32; 2] {
    let low = u32::try_from(word & u64::from(u32::MAX)).expect("it was cut to 32 bits");
    let high = u32::try_from(word >> 32).expect("32 bits are left");
    [low, high]
}
