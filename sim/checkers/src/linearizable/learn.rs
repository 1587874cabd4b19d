//! What the answers tell about writes: which token each has, which version it made, who created its key.
//!
//! Two answers that contradict each other here settle the matter without a search.

use super::problem::{ANONYMOUS, FIRST, Hint};
use crate::{
    bounds::tells,
    case::{Case, SeenKv, Status},
    intern::Table,
    ruling::Ruling,
    writers::{Kept, Write, Writers},
};
use std::collections::BTreeMap;
use whitewater_api::{LeaseId, Revision};

/// What is known about the writes.
pub(super) struct Lore {
    /// By write: version and creation token.
    seen: Vec<Option<(u64, u64)>>,
    /// By write: what all answers say.
    pub(super) hints: Vec<Option<Hint>>,
    /// By write: who saw it.
    pub(super) observers: Vec<Vec<u32>>,
    /// By operation: the token of its writes, 0 if nobody knows.
    token_of: Vec<u64>,
    operation_of: Table<u64, u32>,
    /// By operation and key: its write, the first of those of which one is done.
    write_of: Table<(u32, u32), u32>,
    /// Those of one operation and key, if there are several, by the first.
    several: BTreeMap<u32, Vec<u32>>,
    /// By write: the first one of its operation and key.
    firsts: Vec<u32>,
    /// By write that does the same as an earlier one of its operation, in another branch: that one.
    likes: Table<u32, u32>,
    /// By key: a creation by a write that nobody saw.
    pub(super) has_anonymous: Vec<bool>,
    /// By key: a put of unknown outcome whose token nobody told.
    pub(super) has_untold: Vec<bool>,
    /// Whether the answers show creations and versions at all.
    pub(super) tells_creations: bool,
    /// One operation may leave one key with the same value in two branches, and with different leases.
    pub(super) is_ambiguous: bool,
    /// By revision of which no answer tells who made it: who saw it beside a value that a put of unknown outcome may have
    /// kept.
    pub(super) kept: BTreeMap<u64, Vec<(u32, SeenKv)>>,
    /// By write that kept them: the lease that answers show, and the write that put the value first.
    pub(super) told_lease: Vec<Option<i64>>,
    pub(super) told_value: Vec<Option<u32>>,
}

impl Lore {
    /// Reads all answers of linearizable operations. Of some revisions it is said who made them.
    pub(super) fn new(
        case: &Case,
        writers: &Writers,
        way: &[(u64, Option<u32>)],
    ) -> Result<Self, Ruling> {
        let mut lore = Self {
            seen: vec![None; writers.writes.len()],
            hints: vec![None; writers.writes.len()],
            observers: vec![Vec::new(); writers.writes.len()],
            token_of: vec![0; case.operations.len()],
            operation_of: Table::default(),
            write_of: Table::default(),
            several: BTreeMap::new(),
            likes: Table::default(),
            firsts: Vec::with_capacity(writers.writes.len()),
            has_anonymous: vec![false; case.keys.len()],
            has_untold: vec![false; case.keys.len()],
            tells_creations: case.recorded.tells_creations(),
            is_ambiguous: false,
            kept: BTreeMap::new(),
            told_lease: vec![None; writers.writes.len()],
            told_value: vec![None; writers.writes.len()],
        };
        for (number, write) in (0..).zip(&writers.writes) {
            let first = *lore.write_of.entry((write.operation, write.key)).or_insert(number);
            lore.firsts.push(first);
            if first != number {
                lore.several.entry(first).or_insert_with(|| vec![first]).push(number);
            }
        }
        lore.find_likes(writers);
        lore.acknowledged(case)?;
        for (token, maker) in way {
            if let Some(maker) = maker {
                lore.token_of[*maker as usize] = *token;
                lore.operation_of.insert(*token, *maker);
            }
        }
        let (mut kvs, mut late) = (Vec::new(), Vec::new());
        for (reader, op) in (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op)) {
            op.step.seen_newest(&mut |kv| kvs.push(*kv));
            kvs.drain(..).try_for_each(|kv| {
                // Where values may be kept, only revisions tell, and so what others tell of them comes first.
                if writers.kept[kv.key as usize] == Kept::Perhaps {
                    late.push((reader, kv));
                    return Ok(());
                }
                lore.kv(case, writers, reader, &kv)
            })?;
        }
        late.into_iter().try_for_each(|(reader, kv)| lore.kv(case, writers, reader, &kv))?;
        lore.stale(case, writers);
        for write in &writers.writes {
            let is_untold = lore.token_of[write.operation as usize] == 0;
            lore.has_untold[write.key as usize] |= is_untold;
        }
        if lore.kept.is_empty() {
            lore.resolve(case, writers)?;
        }
        Ok(lore)
    }

    /// Whether an answer tells that the write happened, and not another one of its operation and key.
    pub(super) fn is_seen(&self, write: u32) -> bool {
        let is_created = self.hints[write as usize].is_some();
        let is_only = !self.several.contains_key(&self.first(write));
        is_created && is_only || !self.observers[write as usize].is_empty()
    }

    /// Whether an answer tells of the write, or of another one of its operation and key.
    pub(super) fn is_told_of(&self, write: u32) -> bool {
        self.hints[write as usize].is_some() || !self.observers[write as usize].is_empty()
    }

    /// Whether it was not done, because another one of its operation and key was seen.
    pub(super) fn is_refuted(&self, write: u32) -> bool {
        let mut others = self.several(write).iter().filter(|other| **other != write);
        others.any(|other| !self.observers[*other as usize].is_empty())
    }

    /// Who saw it, or another one of its operation and key.
    pub(super) fn observers_of(&self, write: u32) -> Vec<u32> {
        match self.several(write) {
            [] => self.observers[write as usize].clone(),
            all => all.iter().flat_map(|write| self.observers[*write as usize].clone()).collect(),
        }
    }

    /// The first of the writes of one operation and key, of which one is done. In the store of the search it stands for all.
    pub(super) fn first(&self, write: u32) -> u32 {
        self.firsts[write as usize]
    }

    fn find_likes(&mut self, writers: &Writers) {
        let write = |number: u32| &writers.writes[number as usize];
        for all in self.several.values() {
            for (place, this) in all.iter().copied().enumerate() {
                let mut earlier = all[..place].iter().copied();
                let Some(like) = earlier.find(|other| write(*other).looks_like(write(this))) else {
                    continue;
                };
                self.is_ambiguous |= write(like).lease != write(this).lease;
                self.likes.insert(this, like);
            }
        }
    }

    /// The first of those that do the same in branches of one operation.
    pub(super) fn like(&self, write: u32) -> u32 {
        self.likes.get(&write).copied().unwrap_or(write)
    }

    /// All writes of which one is done, if it is not this one alone.
    pub(super) fn several(&self, write: u32) -> &[u32] {
        self.several.get(&self.first(write)).map_or(&[], Vec::as_slice)
    }

    /// Whether an answer tells the token of an operation.
    pub(super) fn is_told(&self, operation: u32) -> bool {
        self.token_of[operation as usize] != 0
    }

    /// The number of the first write of `key` with this token.
    pub(super) fn write(&self, token: u64, key: u32) -> Option<u32> {
        let operation = self.operation_of.get(&token)?;
        self.write_of.get(&(*operation, key)).copied()
    }

    /// The write that an answer shows. Where puts keep the value, only the token tells.
    pub(super) fn shown(&self, writers: &Writers, kv: &SeenKv) -> Option<u32> {
        match writers.kept[kv.key as usize] {
            Kept::Never => writers.of(kv.key, kv.value),
            Kept::Known | Kept::Perhaps => match self.operation_of.get(&kv.modified) {
                Some(operation) => self.shown_by(writers, *operation, kv),
                None => writers.of(kv.key, kv.value),
            },
        }
    }

    /// The write of an operation that an answer shows: the one of that value, or else the one that kept the value.
    fn shown_by(&self, writers: &Writers, operation: u32, kv: &SeenKv) -> Option<u32> {
        let first = self.write_of.get(&(operation, kv.key)).copied()?;
        let own = writers.of(kv.key, kv.value).filter(|own| self.first(*own) == first);
        let mut several = self.several(first).iter().copied();
        let keeps = |write: &u32| writers.writes[*write as usize].keeps_value;
        own.or_else(|| several.find(keeps)).or(Some(first))
    }

    /// The operation that is known to have made the token.
    pub(super) fn maker(&self, token: u64) -> Option<u32> {
        self.operation_of.get(&token).copied()
    }

    fn acknowledged(&mut self, case: &Case) -> Result<(), Ruling> {
        let told = (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op));
        for (operation, op) in told.filter(|(_, op)| op.has_effect) {
            self.token_of[operation as usize] = op.revision;
            if let Some(other) = self.operation_of.insert(op.revision, operation) {
                let sentence = format!(
                    "{} and {} were both told that they made {}",
                    case.operation(operation),
                    case.operation(other),
                    Revision(op.revision)
                );
                return Err(case.broken("revision-reused", sentence, &[operation, other]));
            }
        }
        Ok(())
    }

    fn kv(
        &mut self,
        case: &Case,
        writers: &Writers,
        reader: u32,
        kv: &SeenKv,
    ) -> Result<(), Ruling> {
        let object = |code: &str, what: String, others: &[u32]| {
            let sentence = format!("{} saw {}, {what}", case.operation(reader), case.seen(kv));
            let evidence: Vec<u32> =
                std::iter::once(reader).chain(others.iter().copied()).collect();
            Err(case.broken(code, sentence, &evidence))
        };
        let origin = writers.of(kv.key, kv.value);
        let is_kept = writers.kept[kv.key as usize] == Kept::Perhaps;
        if is_kept && origin.is_some() && !self.operation_of.contains_key(&kv.modified) {
            self.kept.entry(kv.modified).or_default().push((reader, *kv));
            return Ok(());
        }
        let Some(write) = origin.and_then(|_| self.shown(writers, kv)) else {
            if origin.is_some() {
                return object(
                    "wrong-revision",
                    "but that revision did not put it".to_owned(),
                    &[],
                );
            }
            return match writers.refused(kv.key, kv.value) {
                Some(refused) => {
                    let what = format!("but {} did not happen", case.operation(refused));
                    object("aborted-read", what, &[refused])
                }
                None => object("phantom-value", "but nobody wrote that".to_owned(), &[]),
            };
        };
        let index = write as usize;
        let writer = writers.writes[index].operation;
        if let Some((code, what)) = self.terms(case, writers.writes[index], write, kv, origin) {
            return object(code, what, &[writer]);
        }
        if self.observers[index].last() != Some(&reader) {
            self.observers[index].push(reader);
        }
        let this = (kv.version, kv.create);
        if self.seen[index] == Some(this) && self.token_of[writer as usize] == kv.modified {
            return Ok(());
        }
        let is_whole = kv.version != 0 && (kv.version == 1) == (kv.create == kv.modified);
        if self.tells_creations && !is_whole {
            return object("wrong-version", "which contradicts itself".to_owned(), &[]);
        }
        let told = &mut self.token_of[writer as usize];
        if *told == 0 && case.operations[writer as usize].status == Status::Unknown {
            *told = kv.modified;
            if let Some(other) = self.operation_of.insert(kv.modified, writer) {
                let what = format!("but {} made that revision", case.operation(other));
                return object("revision-reused", what, &[writer, other]);
            }
        }
        if *told != kv.modified {
            let what = format!("but {} took effect at {}", case.operation(writer), Revision(*told));
            return object("wrong-revision", what, &[writer]);
        }
        match self.seen[index].replace(this) {
            Some(other) if other != this => {
                let what = format!(
                    "but others saw that write with version {} and create r{}",
                    other.0, other.1
                );
                object("wrong-version", what, &[writer])
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What is wrong with the value or the lease that an answer shows, beside the write.
    fn terms(
        &mut self,
        case: &Case,
        put: Write,
        write: u32,
        kv: &SeenKv,
        origin: Option<u32>,
    ) -> Option<(&'static str, String)> {
        let index = write as usize;
        if put.keeps_value {
            let told = *self.told_value[index].get_or_insert(origin?);
            if Some(told) != origin {
                return Some(("wrong-value", "but others saw another value".to_owned()));
            }
        } else if origin != Some(write) {
            return Some(("wrong-value", "but that revision put another value".to_owned()));
        }
        if !case.recorded.lease {
            return None;
        }
        let is = match put.lease {
            Some(lease) => lease,
            None => *self.told_lease[index].get_or_insert(kv.lease),
        };
        let (saw, is_right) = (LeaseId(kv.lease), is == kv.lease);
        (!is_right).then(|| ("wrong-lease", format!("on {saw}, but it hung on {}", LeaseId(is))))
    }

    /// Serializable reads and reads of the past may tell a token that nobody else did. What else they say is for other
    /// judges.
    fn stale(&mut self, case: &Case, writers: &Writers) {
        for op in case.operations.iter().filter(|op| op.status == Status::Known) {
            op.step.seen(&mut |kv| {
                // It may have been left out.
                if case.values[kv.value as usize].is_empty() {
                    return;
                }
                if writers.kept[kv.key as usize] != Kept::Never {
                    return;
                }
                let Some(write) = writers.of(kv.key, kv.value) else { return };
                let writer = writers.writes[write as usize].operation;
                if self.token_of[writer as usize] == 0
                    && !self.operation_of.contains_key(&kv.modified)
                {
                    self.token_of[writer as usize] = kv.modified;
                    self.operation_of.insert(kv.modified, writer);
                }
            });
        }
    }

    /// Turns creation tokens into writes. A write that created a key has version 1, whether anybody saw it or not.
    fn resolve(&mut self, case: &Case, writers: &Writers) -> Result<(), Ruling> {
        if !self.tells_creations {
            return Ok(());
        }
        let mut anonymous: Table<u64, u32> = Table::default();
        for write in 0..writers.writes.len() {
            let Some((version, create)) = self.seen[write] else { continue };
            let key = writers.writes[write].key;
            let object = |what: &str| {
                let reader = self.observers[write][0];
                let sentence = format!(
                    "{} saw version {version} and create r{create} of {}, but {what}",
                    case.operation(reader),
                    case.keys[key as usize]
                );
                Err(case.broken("wrong-version", sentence, &[reader]))
            };
            let creator = if let Some(operation) = self.operation_of.get(&create) {
                let Some(creator) = self.write_of.get(&(*operation, key)) else {
                    return object("that revision did not put the key");
                };
                let creator = *creator;
                let all = std::iter::once(creator).chain(self.several(creator).iter().copied());
                let all: Vec<u32> = all.collect();
                let is_later = |write: &u32| {
                    self.seen[*write as usize].is_some_and(|(version, _)| version != 1)
                };
                if all.iter().any(is_later) {
                    return object("that revision found the key there");
                }
                let first = Hint { version: 1, creator: FIRST + creator };
                for write in all {
                    self.hints[write as usize] = Some(first);
                }
                FIRST + creator
            } else {
                let next = anonymous.len();
                self.has_anonymous[key as usize] = true;
                let next = u32::try_from(next).expect("fewer tokens than operations");
                ANONYMOUS + *anonymous.entry(create).or_insert(next)
            };
            let version = u32::try_from(version).unwrap_or(u32::MAX);
            self.hints[write] = Some(Hint { version, creator });
        }
        Ok(())
    }
}
