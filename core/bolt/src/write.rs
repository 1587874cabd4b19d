//! Writes a file, bucket by bucket.

use crate::page::{
    BRANCH, ELEMENT, FREELIST, HEADER, IS_BUCKET, LEAF, MAGIC, META_KIND, VERSION, checksum,
};

/// Bytes of a page: what etcd has on nearly all machines. A reader goes by what the meta pages say.
const PAGE: usize = 4096;

/// Two metas, then the list of free pages, which is empty.
const FREELIST_PAGE: u64 = 2;

/// A file in the making.
#[derive(Debug)]
pub struct Writer {
    file: Vec<u8>,
    /// Buckets so far: names, and the pages of their roots.
    roots: Vec<(Vec<u8>, u64)>,
}

/// The first key below a page, and the page.
type Child = (Vec<u8>, u64);

/// A page in the making: elements, and what lies behind them.
#[derive(Default)]
struct Page {
    elements: Vec<([u32; 4], usize)>,
    content: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        let mut writer = Self { file: vec![0; PAGE * 2], roots: Vec::new() };
        let number = writer.push(FREELIST, &Page::default());
        assert_eq!(number, FREELIST_PAGE, "it comes right behind the metas");
        writer
    }

    /// Adds a bucket with these rows.
    ///
    /// # Panics
    ///
    /// If keys do not rise, here or from bucket to bucket.
    pub fn bucket(&mut self, name: &[u8], rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) {
        assert!(
            self.roots.last().is_none_or(|(last, _)| last.as_slice() < name),
            "buckets come by name"
        );
        let root = self.tree(rows.map(|(key, value)| (0, key, value)));
        self.roots.push((name.to_vec(), root));
    }

    /// The whole file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let roots = std::mem::take(&mut self.roots);
        let row = |(name, root): (Vec<u8>, u64)| {
            let value = [root.to_le_bytes(), 0_u64.to_le_bytes()].concat();
            (IS_BUCKET, name, value)
        };
        let root = self.tree(roots.into_iter().map(row));
        for generation in 0..2 {
            let meta = self.meta(root, generation);
            let start = usize::try_from(generation).expect("0 or 1") * PAGE;
            self.file[start..start + meta.len()].copy_from_slice(&meta);
        }
        self.file
    }

    fn meta(&self, root: u64, generation: u64) -> Vec<u8> {
        let mut meta = Vec::new();
        for number in [MAGIC, VERSION, u32::try_from(PAGE).expect("it is small"), 0] {
            meta.extend_from_slice(&number.to_le_bytes());
        }
        for word in [root, 0, FREELIST_PAGE, self.next(), generation] {
            meta.extend_from_slice(&word.to_le_bytes());
        }
        let checksum = checksum(&meta);
        meta.extend_from_slice(&checksum.to_le_bytes());
        [header(generation, META_KIND, 0, 0), meta].concat()
    }

    /// The number of the next page.
    fn next(&self) -> u64 {
        u64::try_from(self.file.len() / PAGE).expect("a length fits 64 bits")
    }

    /// Writes leaves, and branches above them until there is one page. Its number.
    fn tree(&mut self, rows: impl Iterator<Item = (u32, Vec<u8>, Vec<u8>)>) -> u64 {
        let (mut page, mut first, mut children) = (Page::default(), Vec::new(), Vec::new());
        let mut last: Option<Vec<u8>> = None;
        for (flags, key, value) in rows {
            assert!(last.as_ref().is_none_or(|last| *last < key), "keys rise");
            if !page.has_room(key.len() + value.len()) {
                let number = self.push(LEAF, &std::mem::take(&mut page));
                children.push((std::mem::take(&mut first), number));
            }
            if page.elements.is_empty() {
                first.clone_from(&key);
            }
            page.push([flags, 0, length(&key), length(&value)], &[&key, &value]);
            last = Some(key);
        }
        let number = self.push(LEAF, &page);
        children.push((first, number));
        while children.len() > 1 {
            children = self.branches(&children);
        }
        children[0].1
    }

    fn branches(&mut self, children: &[Child]) -> Vec<Child> {
        let (mut page, mut first, mut parents) = (Page::default(), Vec::new(), Vec::new());
        for (key, child) in children {
            // A branch of one would be no progress, however long its key is.
            if page.elements.len() > 1 && !page.has_room(key.len()) {
                let number = self.push(BRANCH, &std::mem::take(&mut page));
                parents.push((std::mem::take(&mut first), number));
            }
            if page.elements.is_empty() {
                first.clone_from(key);
            }
            let [low, high] = halves(*child);
            page.push([0, length(key), low, high], &[key]);
        }
        let number = self.push(BRANCH, &page);
        parents.push((first, number));
        parents
    }

    /// Appends a page, and says its number.
    fn push(&mut self, kind: u16, page: &Page) -> u64 {
        let number = self.next();
        let count = page.elements.len();
        let bytes = HEADER + count * ELEMENT + page.content.len();
        let further = bytes.div_ceil(PAGE) - 1;
        self.file.extend(header(number, kind, count, further));
        for (place, (fields, at)) in page.elements.iter().enumerate() {
            // From the element itself to its key.
            let offset = (count - place) * ELEMENT + at;
            let mut fields = *fields;
            let place = usize::from(kind == LEAF);
            fields[place] = u32::try_from(offset).expect("a page is far below 4 GiB");
            for field in fields {
                self.file.extend_from_slice(&field.to_le_bytes());
            }
        }
        self.file.extend_from_slice(&page.content);
        self.file.resize(self.file.len().next_multiple_of(PAGE), 0);
        number
    }
}

impl Page {
    fn has_room(&self, bytes: usize) -> bool {
        let used = HEADER + (self.elements.len() + 1) * ELEMENT + self.content.len();
        self.elements.is_empty() || used + bytes <= PAGE
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
