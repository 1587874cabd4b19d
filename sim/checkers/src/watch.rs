//! What watches tell is what happened: all of it, once, in order, and nothing else.
//!
//! The promises are etcd's (`learning/api_guarantees`, Watch APIs; `tests/robustness/validate/watch.go`), and what its
//! protocol says of streams (`rpc.proto`, service Watch). Two passes. The first reads each stream by itself
//! ([`streams`]); the second holds what was told against the [`Chronicle`]: the answers to writes, and all other
//! watches. So it works where the order of the writes is not known, and a wrong read is not held against a watch.
//!
//! | code | promise |
//! |---|---|
//! | `unordered` | ordered: events come in the order of revisions |
//! | `duplicate-event` | unique: no event comes twice on a watch |
//! | `split-revision`, `torn-revision` | atomic: events of one revision come together, and all of them |
//! | `lost-event` | reliable: nothing between two told events is left out |
//! | `late-start` | resumable: a watch from a revision begins with the first event at or after it |
//! | `false-bookmark`, `bookmark-went-back` | bookmarkable: progress to a revision means that all up to it was told |
//! | `incomplete` | a header's revision means the same |
//! | `before-start` | nothing older than asked for, also if that lies in the future (etcd #20221) |
//! | `out-of-range`, `filtered-event` | nothing that was not asked for |
//! | `phantom-event`, `future-event` | nothing that did not happen, or not yet |
//! | `wrong-event` | two watches, or a watch and an answer, tell the same of one key at one revision |
//! | `wrong-value`, `wrong-lease`, `wrong-version`, `wrong-is-create` | what is there now, and how it came about |
//! | `delete-with-content` | a delete shows the key and its revision, nothing else |
//! | `wrong-prev-kv`, `missing-prev-kv`, `unasked-prev-kv` | what was there before, if asked for and not forgotten |
//! | `header-behind` | a header is not older than the events below it |
//! | `unasked-fragment`, `fragment-broken` | fragments only where asked for, and in one piece |
//! | `unopened-watch`, `not-created-first`, `created-twice`, `told-after-end` | a watch has a beginning and an end |
//! | `unasked-progress`, `unasked-cancel`, `unexplained-duplicate` | answers have questions |
//! | `compaction-not-asked`, `not-compacted` | the end by a compaction has one, and it lies in the watch's way |
//!
//! Evaluations: messages, and events. Discriminating: events of which something else tells, too.

mod missing;
pub(crate) mod reader;
pub(crate) mod streams;

use crate::{
    case::Case,
    chronicle::{Before, Change, Chronicle, Source},
    deed::{Fate, fate},
    keyring::Keyring,
    ruling::{Anomaly, Judgement, Ruling},
};
use std::collections::BTreeMap;
use streams::{Streams, Told, Watch, event, name, objection, telling};
use whitewater_api::{
    Key, KeyValue, Request, Revision, WatchResponse,
    watch::{EventKind, WatchBody, WatchEvent},
};
use whitewater_record::{Checked, History, SimTime, WatchMessage};

/// The name of the judge.
pub(crate) const JUDGE: &str = "watch";

/// What watches reveal about revisions: by revision the events that were told, one for each key, in key order. Evidence
/// about writes of unknown outcome, and about keys that went with their leases.
#[expect(dead_code, reason = "the search for the order of the writes will ask for it")]
pub(crate) fn revealed<'h>(history: &'h History) -> BTreeMap<u64, Vec<&'h WatchEvent>> {
    let mut revealed: BTreeMap<u64, BTreeMap<&Key, &'h WatchEvent>> = BTreeMap::new();
    for row in &history.watches {
        let WatchMessage::Received(WatchResponse { body, .. }) = &row.message else { continue };
        let WatchBody::Events { events, .. } = body else { continue };
        for event in events {
            let keys = revealed.entry(event.kv.mod_revision.0).or_default();
            keys.entry(&event.kv.key).or_insert(event);
        }
    }
    let events = |(revision, keys): (u64, BTreeMap<_, _>)| (revision, keys.into_values().collect());
    revealed.into_iter().map(events).collect()
}

/// Judges all streams.
pub(crate) fn judge(
    case: &Case,
    keys: &Keyring,
    streams: &Streams,
    chronicle: &Chronicle,
) -> Judgement {
    let mut review = Review {
        case,
        keys,
        streams,
        chronicle,
        compactions: compactions(case.history),
        checked: Checked { evaluations: streams.messages, discriminating: 0 },
    };
    let ruling = if streams.messages == 0 {
        Ruling::NotApplicable("no watch was told anything".to_owned())
    } else if let Some(doubt) = &streams.doubt {
        Ruling::Undecided(format!("the record is unsound: {doubt}").into())
    } else if let Some(anomaly) = &streams.objection {
        Ruling::Broken(anomaly.clone())
    } else {
        review.run().map_or(Ruling::Holds, Ruling::Broken)
    };
    Judgement { judge: JUDGE, ruling, checked: review.checked }
}

/// By the moment from which on it may have happened: the newest revision that may have been compacted to.
fn compactions(history: &History) -> Vec<(SimTime, u64)> {
    let mut compactions: Vec<(SimTime, u64)> = Vec::new();
    for operation in &history.operations {
        let Request::Compact(compact) = &operation.request else { continue };
        if !matches!(fate(operation), Fate::Refused(_)) {
            compactions.push((operation.invoked, compact.revision.0));
        }
    }
    compactions.sort_unstable();
    let mut newest = 0;
    for (_, revision) in &mut compactions {
        newest = newest.max(*revision);
        *revision = newest;
    }
    compactions
}

struct Review<'a, 'h> {
    case: &'a Case<'h>,
    keys: &'a Keyring<'h>,
    streams: &'a Streams<'h>,
    chronicle: &'a Chronicle<'h>,
    compactions: Vec<(SimTime, u64)>,
    checked: Checked,
}

impl Review<'_, '_> {
    /// The first objection in the order of the rows.
    fn run(&mut self) -> Option<Anomaly> {
        self.checked.evaluations += self.streams.told.len() as u64;
        let wrong = self.streams.told.iter().zip(0..).find_map(|(told, number)| {
            let watch = &self.streams.watches[told.watch as usize];
            self.told(watch, told, number).err().map(|anomaly| (told.row, anomaly))
        });
        let missing = self.missing();
        let first = wrong.into_iter().chain(missing).min_by_key(|(row, _)| *row);
        first.map(|(_, anomaly)| anomaly)
    }

    fn object(&self, watch: &Watch, told: &Told, code: &str, what: &str) -> Anomaly {
        let history = self.case.history;
        let mut sentence = telling(history, told.row, watch);
        sentence.push(' ');
        sentence.push_str(&event(told.event));
        sentence.push_str(", ");
        sentence.push_str(what);
        objection(history, told.row, code, sentence)
    }

    /// Who says so.
    fn source(&self, source: Source) -> String {
        match source {
            Source::Operation(operation) => self.case.operation(operation),
            Source::Told(number) => {
                let told = &self.streams.told[number as usize];
                let watch = &self.streams.watches[told.watch as usize];
                format!("what {} was told", name(watch))
            }
        }
    }

    /// One event against all else that is known.
    fn told(&mut self, watch: &Watch, told: &Told, number: u32) -> Result<(), Anomaly> {
        shape(told.event).map_err(|(code, what)| self.object(watch, told, code, what))?;
        let revision = told.revision();
        let acts = self.chronicle.acts_at(revision);
        let at = self.case.history.watches[told.row as usize].at;
        for act in acts {
            let operation = &self.case.history.operations[act.operation as usize];
            if operation.invoked > at {
                let what = format!("but {} came only later", self.case.operation(act.operation));
                return Err(self.object(watch, told, "future-event", &what));
            }
        }
        let Some((change, previous)) = self.chronicle.told(number, told.key) else {
            let who = acts.first().map(|act| self.case.operation(act.operation));
            let who = who.unwrap_or_else(|| "what made that revision".to_owned());
            let what = format!("but {who} did nothing of the kind");
            return Err(self.object(watch, told, "phantom-event", &what));
        };
        if change.source != Source::Told(number) {
            self.checked.discriminating += 1;
        }
        self.compare(watch, told, change)?;
        let before = before(watch, change, previous);
        self.history(watch, told, before, previous)?;
        self.previous(watch, told, before, previous)
    }

    /// The same key at the same revision, told by somebody else.
    fn compare(&self, watch: &Watch, told: &Told, change: &Change) -> Result<(), Anomaly> {
        let kv = &told.event.kv;
        let object = |code: &str, is: String| {
            let what =
                format!("with {}, but by {} it was {is}", show(kv), self.source(change.source));
            Err(self.object(watch, told, code, &what))
        };
        if change.is_put != (told.event.kind == EventKind::Put) {
            return object(
                "wrong-event",
                if change.is_put { "a put" } else { "a delete" }.to_owned(),
            );
        }
        if !change.is_put {
            return Ok(());
        }
        if let Some(value) = change.value.filter(|value| **value != kv.value) {
            return object("wrong-value", format!("{value}"));
        }
        if let Some(lease) = change.lease.filter(|lease| *lease != kv.lease) {
            return object("wrong-lease", format!("on lease {lease}"));
        }
        let is_created_otherwise = change.create != 0 && change.create != kv.create_revision.0;
        if is_created_otherwise {
            let is_create = |create: u64| create == change.revision;
            let differs = is_create(change.create) != is_create(kv.create_revision.0);
            let code = if differs { "wrong-is-create" } else { "wrong-version" };
            return object(code, format!("created at {}", Revision(change.create)));
        }
        if change.version != 0 && change.version != kv.version {
            return object("wrong-version", format!("version {}", change.version));
        }
        Ok(())
    }

    /// How it came about.
    fn history(
        &self,
        watch: &Watch,
        told: &Told,
        before: Before,
        previous: Option<&Change>,
    ) -> Result<(), Anomaly> {
        let kv = &told.event.kv;
        let is_create = kv.version == 1;
        let object = |code: &str, what: &str| {
            let by = previous.map(|previous| self.source(previous.source));
            let by = by.map(|by| format!(", by {by}")).unwrap_or_default();
            let what = format!("with {}, but {what}{by}", show(kv));
            Err(self.object(watch, told, code, &what))
        };
        let is_put = told.event.kind == EventKind::Put;
        match (before, previous) {
            (Before::Absent, _) if !is_put => {
                object("phantom-event", "there was nothing to delete")
            }
            (Before::Absent, _) if !is_create => {
                object("wrong-is-create", "the key was absent before")
            }
            (Before::Present, _) if is_put && is_create => {
                object("wrong-is-create", "the key was there before")
            }
            (Before::Present, Some(previous)) if is_put => {
                let is_next = previous.version == 0 || kv.version == previous.version + 1;
                let is_same = previous.create == 0 || kv.create_revision.0 == previous.create;
                if is_next && is_same {
                    return Ok(());
                }
                let was = Revision(previous.create);
                let what = format!("before it had version {}, create {was}", previous.version);
                object("wrong-version", &what)
            }
            (Before::Vague | Before::Absent | Before::Present, _) => Ok(()),
        }
    }

    /// What the event says was there before.
    fn previous(
        &self,
        watch: &Watch,
        told: &Told,
        before: Before,
        previous: Option<&Change>,
    ) -> Result<(), Anomaly> {
        let kv = &told.event.kv;
        let is_create = told.event.kind == EventKind::Put && kv.version == 1;
        let Some(shown) = &told.event.prev_kv else {
            let at = self.case.history.watches[told.row as usize].at;
            let past = self.compactions.partition_point(|(from, _)| *from <= at);
            let compacted = self.compactions[..past].last().map_or(0, |(_, revision)| *revision);
            if !watch.create.prev_kv || is_create || compacted >= kv.mod_revision.0 {
                return Ok(());
            }
            let what = "without what was there before, which was asked for and is not forgotten";
            return Err(self.object(watch, told, "missing-prev-kv", what));
        };
        if !watch.create.prev_kv {
            let what = "with what was there before, which was not asked for";
            return Err(self.object(watch, told, "unasked-prev-kv", what));
        }
        let object = |what: &str| {
            let what = format!("which was {} before, but {what}", show(shown));
            Err(self.object(watch, told, "wrong-prev-kv", &what))
        };
        let follows = told.event.kind == EventKind::Delete
            || (shown.create_revision == kv.create_revision && shown.version + 1 == kv.version);
        if is_create || before == Before::Absent {
            return object("there was nothing before");
        }
        if shown.key != kv.key || shown.mod_revision >= kv.mod_revision || !follows {
            return object("it does not lead to what is there now");
        }
        let known = match (before, previous) {
            (Before::Present, Some(previous)) => Some(previous),
            _ => previous.filter(|previous| previous.revision >= shown.mod_revision.0),
        };
        let Some(known) = known else { return Ok(()) };
        if known.is_put
            && known.revision == shown.mod_revision.0
            && known.value.is_none_or(|value| *value == shown.value)
            && known.lease.is_none_or(|lease| lease == shown.lease)
            && (known.create == 0 || known.create == shown.create_revision.0)
            && (known.version == 0 || known.version == shown.version)
        {
            return Ok(());
        }
        let what = format!(
            "it was last changed at {}, by {}",
            Revision(known.revision),
            self.source(known.source)
        );
        object(&what)
    }
}

/// What was there before, if it is known. A watch of all that happens to a key knows what came between.
fn before(watch: &Watch, change: &Change, previous: Option<&Change>) -> Before {
    let since = previous.map_or(1, |previous| previous.revision);
    match (change.before, previous) {
        (Before::Vague, _) if !watch.is_unfiltered() || watch.start > since + 1 => Before::Vague,
        (Before::Vague, Some(previous)) if previous.is_put => Before::Present,
        (Before::Vague, _) => Before::Absent,
        (before, _) => before,
    }
}

/// Such as `v7 (version 3, create r4, lease l0)`.
fn show(kv: &KeyValue) -> String {
    let KeyValue { value, version, create_revision, mod_revision, lease, .. } = kv;
    format!("{value} (mod {mod_revision}, version {version}, create {create_revision}, {lease})")
}

/// What an event must look like, whatever happened.
fn shape(event: &WatchEvent) -> Result<(), (&'static str, &'static str)> {
    let kv = &event.kv;
    let is_bare =
        kv.value.is_empty() && kv.version == 0 && kv.create_revision.0 == 0 && kv.lease.0 == 0;
    match event.kind {
        EventKind::Delete if is_bare => Ok(()),
        EventKind::Delete => {
            Err(("delete-with-content", "which shows more than the key and the revision"))
        }
        EventKind::Put if (kv.version == 1) != (kv.create_revision == kv.mod_revision) => Err((
            "wrong-is-create",
            "whose version and create revision disagree on whether it is new",
        )),
        EventKind::Put if kv.version == 0 || kv.create_revision.0 > kv.mod_revision.0 => {
            Err(("wrong-version", "which has no version, or was created later than it was written"))
        }
        EventKind::Put => Ok(()),
    }
}
