//! What the store was, as far back as anybody may still ask.

use crate::{
    case::{Before, Case},
    model::{Cell, Model},
};
use std::{collections::BTreeMap, ops::Range};
use whitewater_api::Key;

/// All versions of all keys since a revision, without one allocation for each.
#[derive(Debug)]
pub(super) struct Past {
    /// Nothing older is known.
    oldest: u64,
    /// The newest revision.
    pub(super) revision: u64,
    keys: Vec<Key>,
    numbers: BTreeMap<Key, u32>,
    /// By key: its newest version.
    heads: Vec<u32>,
    /// In the order of revisions. The first are what there was at `oldest`.
    versions: Vec<Version>,
    /// The values, one after the other.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    revision: u64,
    key: u32,
    /// The version of the key before this one.
    before: u32,
    /// Where the value begins, and its length; none after a delete.
    value: Option<(u64, u32)>,
    create: u64,
    modified: u64,
    /// How often it was written since it was created.
    written: u64,
    lease: i64,
}

const NONE: u32 = u32::MAX;

/// What a model has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Revision, key, and what it held from then on.
    versions: Vec<(u64, Key, Option<FoundCell>)>,
    bytes: Vec<u8>,
}

/// Where the value is, and the rest.
type FoundCell = (Range<usize>, Cell);

impl Found {
    /// The versions after one revision, up to another.
    pub(super) fn new(case: &Case, model: &Model, after: u64, until: u64) -> Self {
        let mut found = Self::default();
        let from = model.versions.partition_point(|version| version.revision <= after);
        let to = model.versions.partition_point(|version| version.revision <= until);
        for version in &model.versions[from..to] {
            let cell = version.cell.map(|cell| {
                let start = found.bytes.len();
                found.bytes.extend_from_slice(case.values[cell.value as usize]);
                (start..found.bytes.len(), cell)
            });
            let key = case.keys[version.key as usize].clone();
            found.versions.push((version.revision, key, cell));
        }
        found
    }
}

impl Past {
    /// An empty store.
    pub(super) fn new() -> Self {
        Self {
            oldest: 1,
            revision: 1,
            keys: Vec::new(),
            numbers: BTreeMap::new(),
            heads: Vec::new(),
            versions: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// How many keys are kept.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The oldest revision that can be told about, `from` or later.
    pub(super) fn since(&self, from: u64) -> u64 {
        from.clamp(self.oldest, self.revision)
    }

    /// The store at `from`, and all versions after it, in the order of revisions. Costs what there is at `from`, and
    /// what came after, not what came before.
    pub(super) fn after(&self, from: u64) -> Vec<Before<'_>> {
        let mut heads = self.heads.clone();
        let mut start = self.versions.len();
        while let Some(version) = start.checked_sub(1).map(|last| &self.versions[last]) {
            if version.revision <= from {
                break;
            }
            heads[version.key as usize] = version.before;
            start -= 1;
        }
        let there = heads.iter().filter_map(|head| self.versions.get(*head as usize));
        let there = there.filter(|version| version.value.is_some());
        let state = there.map(|version| Before { revision: from, ..self.told(version) });
        state.chain(self.versions[start..].iter().map(|version| self.told(version))).collect()
    }

    /// Takes over what was found, and is at `revision` then.
    pub(super) fn extend(&mut self, found: &Found, revision: u64) {
        for (at, key, cell) in &found.versions {
            let key = self.number(key);
            let cell = cell.as_ref().map(|(value, cell)| (&found.bytes[value.clone()], *cell));
            self.push(*at, key, cell);
        }
        self.revision = revision;
    }

    /// Forgets what was before `oldest`, if that is worth the while.
    pub(super) fn forget(&mut self, oldest: u64) {
        let gone = self.versions.partition_point(|version| version.revision <= oldest);
        if oldest <= self.oldest || gone < self.versions.len() / 2 {
            return;
        }
        let kept = std::mem::replace(self, Self::new());
        self.oldest = oldest;
        for before in kept.after(oldest) {
            let key = self.number(&Key::from(before.key.to_vec()));
            self.push(before.revision, key, before.cell);
        }
        self.revision = kept.revision;
    }

    fn number(&mut self, key: &Key) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = u32::try_from(self.keys.len()).expect("keys are numbered by u32");
        self.numbers.insert(key.clone(), number);
        self.keys.push(key.clone());
        self.heads.push(NONE);
        number
    }

    fn push(&mut self, revision: u64, key: u32, cell: Option<(&[u8], Cell)>) {
        let number = u32::try_from(self.versions.len()).expect("versions are numbered by u32");
        let before = std::mem::replace(&mut self.heads[key as usize], number);
        let mut version = Version {
            revision,
            key,
            before,
            value: None,
            create: 0,
            modified: 0,
            written: 0,
            lease: 0,
        };
        if let Some((value, cell)) = cell {
            let length = u32::try_from(value.len()).expect("a value is shorter than 4 GiB");
            version.value = Some((self.bytes.len() as u64, length));
            (version.create, version.modified) = (cell.create, cell.modified);
            (version.written, version.lease) = (cell.version, cell.lease);
            self.bytes.extend_from_slice(value);
        }
        self.versions.push(version);
    }

    fn told(&self, version: &Version) -> Before<'_> {
        let cell = version.value.map(|(start, length)| {
            let start = usize::try_from(start).expect("it lies in memory");
            let value = &self.bytes[start..start + length as usize];
            let Version { create, modified, written: version, lease, .. } = *version;
            (value, Cell { value: 0, create, modified, version, lease })
        });
        let key = self.keys[version.key as usize].as_slice();
        Before { key, revision: version.revision, cell }
    }
}
