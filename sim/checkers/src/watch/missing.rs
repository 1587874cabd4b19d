//! Changes that a watch was due and was not told.

use super::{
    Review,
    streams::{Watch, objection, telling},
};
use crate::{
    chronicle::{Change, Source},
    intern::Seen,
    ruling::Anomaly,
};
use whitewater_api::Revision;

impl Review<'_, '_> {
    /// The first change that was due on a watch and did not come.
    pub(super) fn missing(&self) -> Option<(u32, Anomaly)> {
        let mut first: Option<(u32, Anomaly)> = None;
        for watch in &self.streams.watches {
            // All that was told was due, or another objection stands. So numbers tell whether anything is missing.
            let count = |due: &[Change]| {
                if watch.is_unfiltered() {
                    return due.len();
                }
                due.iter().filter(|change| watch.wants(change.is_put)).count()
            };
            let due: usize = self.due(watch).map(|(_, due)| count(due)).sum();
            if due <= watch.told_as_promised() {
                continue;
            }
            let told = watch.told.iter().map(|place| &self.streams.told[*place as usize]);
            let told: Seen<(u32, u64)> = told.map(|told| (told.key, told.revision())).collect();
            let missing = self.due(watch).filter_map(|(key, due)| {
                let is_missing = |change: &&Change| {
                    watch.wants(change.is_put) && !told.contains(&(key, change.revision))
                };
                due.iter().find(is_missing).map(|change| (change.revision, key, change.source))
            });
            let missing = missing.min_by_key(|(revision, key, _)| (*revision, *key));
            let Some((revision, key, source)) = missing else { continue };
            let Some(promise) = watch.promise_of(revision) else { continue };
            if first.as_ref().is_none_or(|(row, _)| promise.row < *row) {
                let is_torn = watch.keys.iter().any(|key| told.contains(&(key, revision)));
                first = Some((promise.row, self.lost(watch, revision, key, source, is_torn)));
            }
        }
        first
    }

    /// By key, the changes that a watch has promised to have told.
    fn due<'s>(&'s self, watch: &'s Watch) -> impl Iterator<Item = (u32, &'s [Change<'s>])> {
        let start = watch.start.max(2);
        let keys = watch.keys.iter();
        keys.map(move |key| (key, self.chronicle.between(key, start, watch.promised)))
    }

    fn lost(
        &self,
        watch: &Watch,
        revision: u64,
        key: u32,
        source: Source,
        is_torn: bool,
    ) -> Anomaly {
        let history = self.case.history;
        let promise = watch.promise_of(revision).expect("only promised revisions are missed");
        let (code, what) = if is_torn {
            ("torn-revision", "other events of that revision")
        } else if promise.is_progress {
            ("false-bookmark", "that all was told")
        } else if watch.last < revision {
            ("incomplete", "that all was told")
        } else if watch.first > revision {
            ("late-start", "a later event first")
        } else {
            ("lost-event", "events before it and after it")
        };
        let sentence = format!(
            "{} {what} up to {}, but never of {} at {}, by {}",
            telling(history, promise.row, watch),
            Revision(promise.upto),
            self.keys.key(key),
            Revision(revision),
            self.source(source)
        );
        objection(history, promise.row, code, sentence)
    }
}
