//! Consistent views, and snapshots by parts.
//!
//! The store keeps versions, so its state at a moment is told by two numbers: the revision, and the compaction revision
//! that decides which older versions count. A view is those, with what a snapshot carries along. Leases have no
//! versions: while views are open, what a lease was is kept for each when it changes. Applying goes on while
//! views are open; only physical compaction waits. A part can be made again from its cursor at any time, byte for byte
//! the same, for a follower that lost it.

use crate::{
    alarm::Alarms,
    auth::{Auth, AuthRecord},
    hash::Hash,
    history::{History, Version},
    lease::{FormerLeases, Terms},
    limits::PART_KEYS_MAX,
    part::{Header, PartWriter, Trailer},
    store::Store,
};
use bytes::Bytes;
use std::{ops::Bound, sync::Arc};
use whitewater_api::{Key, LeaseId, Revision};
use whitewater_mutation::Mutation;

/// The state of a store at the moment when it was opened, until it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    id: u64,
    /// The newest revision that the view holds.
    pub revision: Revision,
    /// The oldest revision that can be read in it.
    pub compacted: Revision,
    /// [`Store::chain`] at that moment.
    pub chain: u64,
    auth: Arc<Auth>,
    pub(crate) alarms: Alarms,
}

/// Where a snapshot goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The number of the part that comes next, from 0.
    ordinal: u64,
    stage: Stage,
    /// What the parts so far hold.
    contents: Contents,
}

/// Users and roles go first, then leases.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Behind so many records of users and roles.
    Auth(usize),
    /// Behind this lease.
    Leases(Option<LeaseId>),
    /// Behind this place of this key, the last that was looked at.
    Keys(Option<(Key, (Revision, u32))>),
}

/// One part of a snapshot.
#[derive(Clone, Debug)]
pub struct Part {
    /// What to hand to [`crate::Restore::push`].
    pub bytes: Bytes,
    /// Where the next part starts; `None` after the last.
    pub next: Option<Cursor>,
    /// After the last part: [`Store::digest`] as of the view.
    pub digest: Option<u64>,
}

/// The running digest of users and roles, of leases by id, and then of versions in key order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// How many of all.
    pub(crate) records: u64,
    hash: Hash,
}

impl Cursor {
    /// The start of a snapshot.
    #[must_use]
    pub fn start() -> Self {
        Self { ordinal: 0, stage: Stage::Auth(0), contents: Contents::new() }
    }
}

impl Contents {
    pub(crate) fn new() -> Self {
        Self { records: 0, hash: Hash::new(1) }
    }

    pub(crate) fn add(&mut self, key: &Key, version: &Version) {
        self.records += 1;
        self.hash = version.hash(key, self.hash);
    }

    pub(crate) fn add_auth(&mut self, record: &AuthRecord) {
        self.records += 1;
        // No lease has the id 0.
        self.hash = record.hash(self.hash.bytes(&[]).word(0));
    }

    pub(crate) fn add_lease(&mut self, id: LeaseId, terms: Terms) {
        self.records += 1;
        // A key is never empty, so this cannot look like a version.
        let numbers = [id.0, terms.granted, terms.remaining].map(i64::cast_unsigned);
        self.hash = numbers.into_iter().fold(self.hash.bytes(&[]), Hash::word);
    }

    /// The digest of a store that holds just these.
    pub(crate) fn digest(self, revision: Revision, compacted: Revision, alarms: &Alarms) -> u64 {
        let hash = self.hash.word(self.records).word(revision.0).word(compacted.0);
        let words = alarms.iter().flat_map(|raised| [raised.member.0, raised.alarm as u64]);
        words.fold(hash, Hash::word).value()
    }
}

impl Store {
    /// A hash of the logical content: the revision, the compaction revision, users and roles, the leases and every version that can still be told
    /// apart by a read or a watch. Looks at everything. Two stores that went different ways to the same content have the
    /// same digest, however far each has scrubbed.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut contents = Contents::new();
        for record in self.auth.records(0) {
            contents.add_auth(&record);
        }
        for (id, terms) in self.all_terms() {
            contents.add_lease(id, terms);
        }
        for (key, history) in &self.keys {
            for position in history.survivors(self.compacted, self.revision) {
                let version = history.get(position).expect("a survivor is held");
                contents.add(key, version);
            }
        }
        contents.digest(self.revision, self.compacted, &self.alarms)
    }

    /// Opens a view of the present state. It holds physical compaction up until it is closed.
    pub fn open_view(&mut self) -> View {
        let id = self.views_opened;
        self.views_opened += 1;
        self.views.insert(id, FormerLeases::new());
        let (revision, compacted, auth) = (self.revision, self.compacted, Arc::clone(&self.auth));
        let (chain, alarms) = (self.chain(), self.alarms.clone());
        View { id, revision, compacted, chain, auth, alarms }
    }

    /// Whether a view is open, for which physical compaction waits.
    #[must_use]
    pub fn is_viewed(&self) -> bool {
        !self.views.is_empty()
    }

    /// How many views are open.
    #[must_use]
    pub fn views_open(&self) -> usize {
        self.views.len()
    }

    /// Closes a view.
    ///
    /// # Panics
    ///
    /// If it is not open.
    pub fn close_view(&mut self, view: &View) {
        assert!(self.views.remove(&view.id).is_some(), "view {} is not open", view.id);
    }

    /// What leases were to a view, of those that have changed since.
    pub(crate) fn former_leases(&self, view: &View) -> &FormerLeases {
        self.views.get(&view.id).expect("a view that is open")
    }

    /// One part of the snapshot of a view: as many leases and versions as fit into `bytes_max`, but at least one; a long history
    /// goes on in the next part. The work is bounded even where there is nothing to show.
    ///
    /// # Panics
    ///
    /// If the view is not open.
    #[must_use]
    pub fn part(&self, view: &View, cursor: &Cursor, bytes_max: usize) -> Part {
        assert!(self.views.contains_key(&view.id), "view {} is not open", view.id);
        let header = Header {
            ordinal: cursor.ordinal,
            revision: view.revision,
            compacted: view.compacted,
            chain: view.chain,
        };
        let mut writer = PartWriter::new(&header, bytes_max);
        let mut next = cursor.clone();
        next.ordinal += 1;
        if self.fill_auth(view, &mut writer, &mut next)
            && self.fill_leases(view, &mut writer, &mut next)
            && self.fill_keys(view, &mut writer, &mut next)
        {
            let alarms = view.alarms.clone();
            let digest = next.contents.digest(view.revision, view.compacted, &alarms);
            let trailer = Trailer { alarms, records: next.contents.records, digest };
            return Part { bytes: writer.finish(Some(&trailer)), next: None, digest: Some(digest) };
        }
        Part { bytes: writer.finish(None), next: Some(next), digest: None }
    }

    /// Writes the users and roles that come after `cursor` and moves it along. Says whether that was the rest of them.
    fn fill_auth(&self, view: &View, writer: &mut PartWriter, cursor: &mut Cursor) -> bool {
        let Stage::Auth(done) = cursor.stage else { return true };
        if !self.mutations.has(Mutation::AuthLostInSnapshot) {
            for (record, count) in view.auth.records(done).zip(done + 1..) {
                if !writer.push_auth(&record) {
                    return false;
                }
                cursor.contents.add_auth(&record);
                cursor.stage = Stage::Auth(count);
            }
        }
        cursor.stage = Stage::Leases(None);
        true
    }

    /// Writes the leases that come after `cursor` and moves it along. Says whether that was the rest of them.
    fn fill_leases(&self, view: &View, writer: &mut PartWriter, cursor: &mut Cursor) -> bool {
        let Stage::Leases(after) = cursor.stage else { return true };
        if !self.mutations.has(Mutation::LeaseLostInSnapshot) {
            for (id, terms) in self.leases_in(view, after) {
                if !writer.push_lease(id, terms) {
                    return false;
                }
                cursor.contents.add_lease(id, terms);
                cursor.stage = Stage::Leases(Some(id));
            }
        }
        cursor.stage = Stage::Keys(None);
        true
    }

    /// Writes the versions that come after `cursor` and moves it along. Says whether that was the rest.
    fn fill_keys(&self, view: &View, writer: &mut PartWriter, cursor: &mut Cursor) -> bool {
        let left_out = self
            .keys
            .last_key_value()
            .map(|(key, _)| key)
            .filter(|_| self.mutations.has(Mutation::SnapshotWithoutTail));
        let Stage::Keys(after) = cursor.stage.clone() else { return false };
        let start = after.as_ref().map_or(Bound::Unbounded, |(key, _)| Bound::Included(key));
        let mut rest = self.keys.range::<Key, _>((start, Bound::Unbounded));
        for (key, history) in rest.by_ref().take(PART_KEYS_MAX) {
            if left_out == Some(key) {
                continue;
            }
            let from = after.as_ref().filter(|(former, _)| former == key).map(|(_, place)| *place);
            for version in visible(view, history, from) {
                if !writer.push(key, version) {
                    return false;
                }
                cursor.contents.add(key, version);
                cursor.stage = Stage::Keys(Some((key.clone(), version.place())));
            }
            cursor.stage = Stage::Keys(Some((key.clone(), (view.revision, u32::MAX))));
        }
        rest.next().is_none()
    }
}

/// The versions of one key that belong to the view and come after `from`.
fn visible<'a>(
    view: &View,
    history: &'a History,
    from: Option<(Revision, u32)>,
) -> impl Iterator<Item = &'a Version> + use<'a> {
    let survivors = history.survivors(view.compacted, view.revision);
    let start = from.map_or(0, |place| history.position(|version| version.place() <= place));
    (survivors.start.max(start)..survivors.end).filter_map(|position| history.get(position))
}

#[cfg(test)]
mod tests;
