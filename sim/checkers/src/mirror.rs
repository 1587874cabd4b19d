//! A client that lists a range and then watches it from the next revision on has a mirror of it: at every revision that
//! the watch has come to, the list with the events folded over it is what is there.
//!
//! This is how Kubernetes reads etcd (`client-go`, reflector; etcd, `learning/api_guarantees`, Watch APIs, resumable).
//! A mirror is recognised by its range and its start: a process listed the range, all of it, at the revision before, at
//! once or page by page, each page from behind the last key of the one before, at the revision of the first.
//! It is held against its own events (an event must change what the mirror shows) and against every complete read of
//! keys in its range, by any process, at a revision that it has come to. What is found may be a wrong list, a wrong
//! watch or a wrong read; the sentence names all of them.
//!
//! | code | promise |
//! |---|---|
//! | `mirror-diverged` | an event continues what the mirror shows |
//! | `mirror-differs` | the mirror shows what a read at the same revision saw |
//!
//! Evaluations: events folded, and comparisons with reads. Discriminating: those of mirrors that events had changed.

use crate::{
    case::{Case, Keys},
    deed::{Fate, fate},
    keyring::Keyring,
    lease::is_complete,
    ruling::{Anomaly, Judgement, Ruling},
    watch::streams::{Streams, Told, Watch, event, name, objection, telling},
};
use std::collections::BTreeMap;
use whitewater_api::{
    Body, KeyRange, KeyValue, Process, Request, Revision, request::RangeRequest,
    response::RangeResponse, watch::EventKind,
};
use whitewater_record::{Checked, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "mirror";

/// Judges all mirrors.
pub(crate) fn judge(case: &Case, keys: &Keyring, streams: &Streams) -> Judgement {
    // Without watches, reads need not be looked at.
    let reads = if streams.watches.is_empty() { Vec::new() } else { reads(case, keys) };
    let lists = lists(case, &reads);
    let mut checked = Checked::default();
    let mut mirrors = 0;
    let mut first: Option<Anomaly> = None;
    for watch in &streams.watches {
        let asked = case.history.watches[watch.asked as usize].at;
        let key = (watch.process, &watch.create.range, watch.start);
        let Some(list) = lists.get(&key).filter(|list| list.completed <= asked) else { continue };
        if !watch.is_unfiltered() || watch.create.start == Revision::LATEST {
            continue;
        }
        mirrors += 1;
        let told = watch.told.iter().map(|place| &streams.told[*place as usize]);
        let mut mirror = Mirror::new(case, keys, watch, list);
        let anomaly = mirror.run(told, &reads).err();
        checked.evaluations += mirror.checked.evaluations;
        checked.discriminating += mirror.checked.discriminating;
        first = first.into_iter().chain(anomaly).min_by_key(|anomaly| anomaly.at);
    }
    let ruling = match first {
        Some(anomaly) => Ruling::Broken(anomaly),
        None if mirrors == 0 => {
            Ruling::NotApplicable("nobody listed a range and watched it from there".to_owned())
        }
        None => Ruling::Holds,
    };
    Judgement { judge: JUDGE, ruling, checked }
}

/// A complete read of a range: the state of its keys at one revision.
struct Read<'h> {
    revision: u64,
    /// The operation, or the one that read the last page.
    operation: u32,
    range: &'h KeyRange,
    keys: Keys,
    kvs: Vec<&'h KeyValue>,
    completed: SimTime,
}

/// A list of which the last page is still to come.
struct Pages<'h> {
    range: &'h KeyRange,
    revision: u64,
    kvs: Vec<&'h KeyValue>,
}

impl Pages<'_> {
    /// Whether a read goes on where the last page ended.
    fn is_continued_by(&self, request: &RangeRequest) -> bool {
        let last = self.kvs.last().map(|kv| kv.key.as_slice()).unwrap_or_default();
        let start = request.range.start.as_slice();
        request.revision.0 == self.revision
            && request.range.end == self.range.end
            && start.split_last() == Some((&0, last))
    }
}

/// All of them, by revision.
fn reads<'h>(case: &Case<'h>, keys: &Keyring) -> Vec<Read<'h>> {
    let mut reads = Vec::new();
    let mut open: BTreeMap<Process, Pages<'h>> = BTreeMap::new();
    for (operation, told) in (0..).zip(&case.history.operations) {
        let before = open.remove(&told.id.process);
        let (Fate::Done(response), Request::Range(request)) = (fate(told), &told.request) else {
            continue;
        };
        let Body::Range(answer) = &response.body else { continue };
        if !is_complete(request, &RangeResponse { more: false, ..RangeResponse::default() })
            || request.keys_only
        {
            continue;
        }
        let revision = match request.revision {
            Revision::LATEST => response.header.revision.0,
            Revision(past) => past,
        };
        let before = before.filter(|before| before.is_continued_by(request));
        if answer.more {
            let begin = || Pages { range: &request.range, revision, kvs: Vec::new() };
            let mut pages = before.unwrap_or_else(begin);
            pages.kvs.extend(&answer.kvs);
            open.insert(told.id.process, pages);
            continue;
        }
        let completed = told.completed;
        let read = |range: &'h KeyRange, kvs| {
            let keys = keys.interval(range);
            Read { revision, operation, range, keys, kvs, completed }
        };
        if let Some(Pages { range, kvs, .. }) = before {
            reads.push(read(range, kvs.into_iter().chain(&answer.kvs).collect()));
        }
        reads.push(read(&request.range, answer.kvs.iter().collect()));
    }
    reads.sort_by_key(|read| read.revision);
    reads
}

/// Where mirrors may begin: by process, range and the first revision that the list does not show.
fn lists<'a, 'h>(
    case: &Case<'h>,
    reads: &'a [Read<'h>],
) -> BTreeMap<(Process, &'h KeyRange, u64), &'a Read<'h>> {
    let mut lists = BTreeMap::new();
    for read in reads {
        let told = &case.history.operations[read.operation as usize];
        lists.entry((told.id.process, read.range, read.revision + 1)).or_insert(read);
    }
    lists
}

struct Mirror<'a, 'h> {
    case: &'a Case<'h>,
    keys: &'a Keyring<'h>,
    watch: &'a Watch<'h>,
    list: &'a Read<'h>,
    shown: BTreeMap<u32, &'h KeyValue>,
    is_changed: bool,
    checked: Checked,
}

impl<'a, 'h> Mirror<'a, 'h> {
    fn new(
        case: &'a Case<'h>,
        keys: &'a Keyring<'h>,
        watch: &'a Watch<'h>,
        list: &'a Read<'h>,
    ) -> Self {
        let shown = list.kvs.iter().map(|kv| (keys.number(&kv.key), *kv)).collect();
        Self { case, keys, watch, list, shown, is_changed: false, checked: Checked::default() }
    }

    /// Folds the events, and compares with reads on the way.
    fn run(
        &mut self,
        told: impl Iterator<Item = &'a Told<'h>>,
        reads: &[Read<'h>],
    ) -> Result<(), Anomaly> {
        let from = reads.partition_point(|read| read.revision < self.list.revision);
        let to = reads.partition_point(|read| read.revision <= self.watch.promised);
        let mut reads = reads[from..to.max(from)].iter().peekable();
        for told in told {
            while let Some(read) = reads.next_if(|read| read.revision < told.revision()) {
                self.compare(read)?;
            }
            self.fold(told)?;
        }
        reads.try_for_each(|read| self.compare(read))
    }

    fn count(&mut self) {
        self.checked.evaluations += 1;
        self.checked.discriminating += u64::from(self.is_changed);
    }

    /// Such as `the mirror of p7/0 w3 ([a,b) from r5) that began with p7#3 (...)`.
    fn name(&self) -> String {
        let list = self.case.operation(self.list.operation);
        format!("the mirror of {} that began with {list}", name(self.watch))
    }

    fn fold(&mut self, told: &Told<'h>) -> Result<(), Anomaly> {
        self.count();
        self.is_changed = true;
        let kv = &told.event.kv;
        let shown = self.shown.get(&told.key).copied();
        let (is_next, is_put) = match (told.event.kind, shown) {
            (EventKind::Put, None) => (kv.version == 1, true),
            (EventKind::Put, Some(shown)) => {
                let is_next = kv.version == shown.version + 1;
                (is_next && kv.create_revision == shown.create_revision, true)
            }
            (EventKind::Delete, shown) => (shown.is_some(), false),
        };
        let is_same = told.event.prev_kv.as_ref().is_none_or(|prev| shown == Some(prev));
        if is_put {
            self.shown.insert(told.key, kv);
        } else {
            self.shown.remove(&told.key);
        }
        if is_next && is_same {
            return Ok(());
        }
        let history = self.case.history;
        let sentence = format!(
            "{} {}, but {} shows {} there",
            telling(history, told.row, self.watch),
            event(told.event),
            self.name(),
            show(shown)
        );
        Err(objection(history, told.row, "mirror-diverged", sentence))
    }

    /// What a read saw at the revision that the mirror has come to.
    fn compare(&mut self, read: &Read) -> Result<(), Anomaly> {
        let inside = self.watch.keys.low <= read.keys.low && read.keys.high <= self.watch.keys.high;
        if !inside || read.operation == self.list.operation || read.keys.low >= read.keys.high {
            return Ok(());
        }
        self.count();
        let mut shown = self.shown.range(read.keys.low..read.keys.high);
        let mut seen = read.kvs.iter().copied();
        loop {
            let (mirrored, seen) = (shown.next(), seen.next());
            if mirrored.map(|(_, kv)| *kv) == seen {
                if seen.is_none() {
                    return Ok(());
                }
                continue;
            }
            let key = [mirrored.map(|(key, _)| *key), seen.map(|kv| self.keys.number(&kv.key))];
            let key = key.into_iter().flatten().min().unwrap_or(read.keys.low);
            return Err(self.differs(read, key));
        }
    }

    fn differs(&self, read: &Read, key: u32) -> Anomaly {
        let seen = read.kvs.iter().copied().find(|kv| self.keys.number(&kv.key) == key);
        let sentence = format!(
            "{} shows {} as {} at {}, but {} saw {}",
            self.name(),
            self.keys.key(key),
            show(self.shown.get(&key).copied()),
            Revision(read.revision),
            self.case.operation(read.operation),
            show(seen)
        );
        let operations = vec![read.operation as usize, self.list.operation as usize];
        // Whatever came later, of the two: the read, or the message that brought the mirror there.
        let row =
            self.watch.promise_of(read.revision).map_or(self.watch.asked, |promise| promise.row);
        let at = self.case.history.watches[row as usize].at.max(read.completed);
        let anomaly = Anomaly::new("mirror-differs", sentence, operations, at);
        Anomaly { rows: vec![row as usize], ..anomaly }
    }
}

fn show(kv: Option<&KeyValue>) -> String {
    let Some(kv) = kv else { return "absent".to_owned() };
    let KeyValue { value, mod_revision, version, create_revision, lease, .. } = kv;
    format!("{value} (mod {mod_revision}, version {version}, create {create_revision}, {lease})")
}
