//! Builds the [`Chronicle`](super::Chronicle), revision by revision.

use super::{Act, Before, Change, NOWHERE, Source, at};
use crate::{
    case::{Case, Keys},
    deed::{Deed, Fate, deeds, fate},
    intern::{Seen, Table},
    keyring::Keyring,
    watch::streams::{Streams, Told},
};
use whitewater_api::{
    LeaseId, LeaseRequest, Request, Value, response::DeleteRangeResponse, watch::EventKind,
};

/// What is known about the state of a key.
#[derive(Clone, Copy)]
struct State {
    /// It holds what the last change of its chain put there.
    is_present: bool,
    /// The revision at which this was last known.
    known_at: u64,
}

pub(super) struct Builder<'a, 'h> {
    case: &'a Case<'h>,
    keys: &'a Keyring<'h>,
    streams: &'a Streams<'h>,
    pub(super) acts: Vec<Act>,
    /// Acknowledged revocations: the revision in the header, and the lease.
    revokes: Vec<(u64, u32, LeaseId)>,
    /// Leases that a put of unknown outcome may have used. `None` among them: any.
    doubtful: Seen<Option<i64>>,
    /// By key: whether an operation of unknown outcome may have changed it.
    pub(super) open: Vec<bool>,
    pub(super) wiped: Vec<Vec<u64>>,
    pub(super) places: Vec<u32>,
    /// Keys that were ever attached to a lease.
    attached: Table<i64, Vec<u32>>,
    /// Revisions of which one watch tells everything: first and last, in order, not overlapping.
    covered: Vec<(u64, u64)>,
    pub(super) chains: Vec<Vec<Change<'h>>>,
    states: Vec<State>,
    /// The newest revision that nobody explains.
    dark: u64,
    /// Ranges that the revision at hand deletes.
    gone: Vec<Keys>,
}

impl<'a, 'h> Builder<'a, 'h> {
    pub(super) fn new(case: &'a Case<'h>, keys: &'a Keyring<'h>, streams: &'a Streams<'h>) -> Self {
        let (mut acts, mut revokes, mut doubtful) = (Vec::new(), Vec::new(), Seen::default());
        let mut open = vec![false; keys.len()];
        for (number, operation) in (0..).zip(&case.history.operations) {
            match (fate(operation), &operation.request) {
                (Fate::Done(response), Request::Lease(LeaseRequest::Revoke(lease))) => {
                    revokes.push((response.header.revision.0, number, *lease));
                }
                (Fate::Done(response), _) => {
                    let mut has_effect = false;
                    deeds(operation, &mut |deed| has_effect |= deed.has_effect());
                    if has_effect {
                        let revision = response.header.revision.0;
                        acts.push(Act { revision, operation: number, is_exact: true });
                    }
                }
                (Fate::Open, _) => deeds(operation, &mut |deed| match deed {
                    Deed::Put { key, lease, .. } => {
                        doubtful.insert(lease.map(|lease| lease.0));
                        open[keys.number(key) as usize] = true;
                    }
                    Deed::Delete { range, .. } => {
                        keys.interval(range).iter().for_each(|key| open[key as usize] = true);
                    }
                }),
                (Fate::Refused(_), _) => {}
            }
        }
        acts.sort_unstable();
        revokes.sort_unstable();
        let states = vec![State { is_present: false, known_at: 1 }; keys.len()];
        Self {
            case,
            keys,
            streams,
            acts,
            revokes,
            doubtful,
            open,
            wiped: vec![Vec::new(); keys.len()],
            places: vec![NOWHERE; streams.told.len()],
            attached: Table::default(),
            covered: covered(case, keys, streams),
            chains: vec![Vec::new(); keys.len()],
            states,
            dark: 0,
            gone: Vec::new(),
        }
    }

    pub(super) fn run(&mut self) {
        let mut told: Vec<(u64, u32, u32)> = (0..)
            .zip(&self.streams.told)
            .map(|(number, told)| (told.revision(), told.key, number))
            .collect();
        told.sort_unstable();
        let mut revisions: Vec<u64> = self.acts.iter().map(|act| act.revision).collect();
        revisions.extend(told.iter().map(|(revision, ..)| revision));
        revisions.extend(self.revokes.iter().map(|(revision, ..)| revision));
        revisions.sort_unstable();
        revisions.dedup();
        let (mut previous, mut act, mut next) = (1, 0, 0);
        for revision in revisions {
            if revision > previous + 1 && !self.is_covered(previous + 1, revision - 1) {
                self.dark = revision - 1;
            }
            let acts = self.acts[act..].iter().take_while(|act| act.revision == revision).count();
            let is_exact = match acts {
                0 => self.revocation(revision),
                1 => self.act(act),
                _ => false,
            };
            for other in &mut self.acts[act..act + acts] {
                other.is_exact = is_exact;
            }
            act += acts;
            let from = next;
            while told.get(next).is_some_and(|(at, ..)| *at == revision) {
                next += 1;
            }
            self.told(&told[from..next], is_exact);
            self.clear(revision);
            if !is_exact && revision > 1 && !self.is_covered(revision, revision) {
                self.dark = revision;
            }
            previous = previous.max(revision);
        }
    }

    fn is_covered(&self, first: u64, last: u64) -> bool {
        let place = self.covered.partition_point(|(_, end)| *end < last);
        self.covered.get(place).is_some_and(|(start, _)| *start <= first)
    }

    /// What the key holds, if that is known: whether anything.
    fn state(&self, key: u32) -> Option<bool> {
        let state = self.states[key as usize];
        (state.known_at >= self.dark).then_some(state.is_present)
    }

    fn before(&self, key: u32) -> Before {
        match self.state(key) {
            None => Before::Vague,
            Some(false) => Before::Absent,
            Some(true) => Before::Present,
        }
    }

    fn push(&mut self, key: u32, change: Change<'h>) {
        if change.is_put
            && let Some(lease) = change.lease.filter(|lease| *lease != LeaseId::NONE)
        {
            self.attached.entry(lease.0).or_default().push(key);
        }
        let state = State { is_present: change.is_put, known_at: change.revision };
        self.states[key as usize] = state;
        self.chains[key as usize].push(change);
    }

    /// Carries out what an answer claims. Says whether it is known completely.
    fn act(&mut self, act: usize) -> bool {
        let Act { revision, operation, .. } = self.acts[act];
        let mut all = Vec::new();
        deeds(&self.case.history.operations[operation as usize], &mut |deed| all.push(deed));
        let source = Source::Operation(operation);
        let mut is_exact = true;
        for deed in all {
            match deed {
                Deed::Put { key, value, lease } => {
                    let key = self.keys.number(key);
                    self.put(key, revision, value, lease, source);
                }
                Deed::Delete { range, answer, has_keys } => {
                    let keys = self.keys.interval(range);
                    let named = answer.filter(|_| has_keys);
                    is_exact &= match (named, answer) {
                        (Some(answer), _) => self.delete_named(answer, keys, revision, source),
                        (None, Some(answer)) => self.delete(keys, answer.deleted, revision, source),
                        (None, None) => false,
                    };
                }
            }
        }
        is_exact
    }

    fn put(
        &mut self,
        key: u32,
        revision: u64,
        value: Option<&'h Value>,
        lease: Option<LeaseId>,
        source: Source,
    ) {
        let before = self.before(key);
        let old = self.chains[key as usize].last().filter(|_| before == Before::Present).copied();
        let (create, version) = match (before, old) {
            (Before::Absent, _) => (revision, 1),
            (_, Some(old)) => (old.create, if old.version == 0 { 0 } else { old.version + 1 }),
            (_, None) => (0, 0),
        };
        let value = value.or_else(|| old.and_then(|old| old.value));
        let lease = lease.or_else(|| old.and_then(|old| old.lease));
        self.push(
            key,
            Change { revision, is_put: true, value, lease, create, version, source, before },
        );
    }

    fn remove(&mut self, key: u32, revision: u64, source: Source) {
        let before = self.before(key);
        let (value, lease, create, version) = (None, None, 0, 0);
        self.push(
            key,
            Change { revision, is_put: false, value, lease, create, version, source, before },
        );
    }

    /// A delete whose answer names the keys.
    fn delete_named(
        &mut self,
        answer: &'h DeleteRangeResponse,
        keys: Keys,
        revision: u64,
        source: Source,
    ) -> bool {
        for kv in &answer.prev_kvs {
            self.remove(self.keys.number(&kv.key), revision, source);
        }
        self.gone.push(keys);
        answer.prev_kvs.len() as u64 == answer.deleted
    }

    /// A delete whose answer only counts.
    fn delete(&mut self, keys: Keys, deleted: u64, revision: u64, source: Source) -> bool {
        let mut count = 0;
        let mut is_exact = true;
        for key in keys.iter() {
            let is_only = deleted == 1 && keys.high - keys.low == 1;
            match self.state(key) {
                Some(true) => self.remove(key, revision, source),
                None if is_only => self.remove(key, revision, source),
                Some(false) => continue,
                None => {
                    is_exact = false;
                    continue;
                }
            }
            count += 1;
        }
        self.gone.push(keys);
        is_exact && count == deleted
    }

    /// After a delete nothing in its range is there, whatever was known before.
    fn clear(&mut self, revision: u64) {
        for key in std::mem::take(&mut self.gone).into_iter().flat_map(Keys::iter) {
            self.states[key as usize] = State { is_present: false, known_at: revision };
            self.wiped[key as usize].push(revision);
        }
    }

    /// A revision that no write claims: one that the end of a lease made, perhaps.
    fn revocation(&mut self, revision: u64) -> bool {
        let leases: Vec<(u64, u32, LeaseId)> =
            at(&self.revokes, revision, |revoke| revoke.0).to_vec();
        for (_, operation, lease) in leases {
            let keys = self.attached.get(&lease.0).cloned().unwrap_or_default();
            let hangs = |key: &u32| {
                let last = self.chains[*key as usize].last();
                last.is_some_and(|change| change.is_put && change.lease == Some(lease))
            };
            let mut keys: Vec<u32> = keys.into_iter().filter(hangs).collect();
            keys.sort_unstable();
            keys.dedup();
            let is_known = keys.iter().all(|key| self.state(*key).is_some());
            keys.retain(|key| self.state(*key) == Some(true));
            let is_sure = !self.doubtful.contains(&None)
                && !self.doubtful.contains(&Some(lease.0))
                && !keys.iter().any(|key| self.open[*key as usize]);
            if is_known && is_sure && !keys.is_empty() {
                for key in keys {
                    self.remove(key, revision, Source::Operation(operation));
                }
                return true;
            }
        }
        false
    }

    /// What watches tell of a revision, by key.
    fn told(&mut self, events: &[(u64, u32, u32)], is_exact: bool) {
        for (revision, key, number) in events {
            let told = self.streams.told[*number as usize];
            let newest = self.chains[*key as usize].last_mut();
            match newest.filter(|change| change.revision == *revision) {
                Some(change) => learn(change, &told),
                // What is known completely has no room for it: that is for the judge of watches to say.
                None if is_exact => {}
                None => self.witness(*revision, *key, *number, &told),
            }
            let chain = &self.chains[*key as usize];
            if chain.last().is_some_and(|change| change.revision == *revision) {
                let place = chain.len() - 1;
                self.places[*number as usize] = u32::try_from(place).unwrap_or(NOWHERE);
            }
        }
    }

    fn witness(&mut self, revision: u64, key: u32, number: u32, told: &Told<'h>) {
        if told.event.kind == EventKind::Delete {
            return self.remove(key, revision, Source::Told(number));
        }
        let kv = &told.event.kv;
        let (create, version) = (kv.create_revision.0, kv.version);
        let (value, lease) = (Some(&kv.value), Some(kv.lease));
        let (source, before) = (Source::Told(number), self.before(key));
        self.push(
            key,
            Change { revision, is_put: true, value, lease, create, version, source, before },
        );
    }
}

/// Fills in what an answer left open.
fn learn<'h>(change: &mut Change<'h>, told: &Told<'h>) {
    let kv = &told.event.kv;
    if !change.is_put || told.event.kind == EventKind::Delete {
        return;
    }
    change.value = change.value.or(Some(&kv.value));
    change.lease = change.lease.or(Some(kv.lease));
    if change.create == 0 {
        change.create = kv.create_revision.0;
    }
    if change.version == 0 {
        change.version = kv.version;
    }
}

/// The revisions of which some watch of everything tells everything, or of which there is nothing to tell.
fn covered(case: &Case, keys: &Keyring, streams: &Streams) -> Vec<(u64, u64)> {
    let is_full = |keys_of: Keys| keys_of.low == 0 && keys_of.high as usize == keys.len();
    let all = streams.watches.iter().filter(|watch| watch.is_unfiltered() && is_full(watch.keys));
    let mut spans: Vec<(u64, u64)> = all
        .filter(|watch| watch.promised >= watch.start)
        .map(|watch| (watch.start, watch.promised))
        .collect();
    let left_out = case.epochs.iter().filter(|epoch| epoch.first > epoch.backup);
    spans.extend(left_out.map(|epoch| (epoch.backup + 1, epoch.first)));
    spans.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (start, end) in spans {
        match merged.last_mut() {
            Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            Some(_) | None => merged.push((start, end)),
        }
    }
    merged
}
