//! What a message promises: events in order, each once, and that nothing before was left out.

use super::Reader;
use crate::{
    ruling::Anomaly,
    watch::streams::{Told, event},
};
use whitewater_api::{
    Revision,
    watch::{EventKind, WatchEvent},
};

impl<'h> Reader<'_, 'h> {
    pub(super) fn progress(&mut self, number: u32, watch: u32, upto: u64) -> Result<(), Anomaly> {
        let (header, is_cut) = {
            let watch = &self.out.watches[watch as usize];
            (watch.header.max(watch.last), watch.is_cut)
        };
        if is_cut {
            let what = "progress, though the rest of a fragment is due";
            return Err(self.told(number, watch, "fragment-broken", what));
        }
        if upto < header {
            let what = format!(
                "progress to {}, but it was at {} before",
                Revision(upto),
                Revision(header)
            );
            return Err(self.told(number, watch, "bookmark-went-back", &what));
        }
        let watch = &mut self.out.watches[watch as usize];
        watch.header = upto;
        watch.promise(upto, number, true);
        Ok(())
    }

    /// The events of one message.
    pub(super) fn message(
        &mut self,
        number: u32,
        watch: u32,
        events: &'h [WatchEvent],
        fragment: bool,
    ) -> Result<(), Anomaly> {
        let (is_cut, last, allowed) = {
            let watch = &mut self.out.watches[watch as usize];
            (std::mem::replace(&mut watch.is_cut, fragment), watch.last, watch.create.fragment)
        };
        if fragment && !allowed {
            let what = "a fragment, but fragments were not asked for";
            return Err(self.told(number, watch, "unasked-fragment", what));
        }
        let first = events.first().map(|event| event.kv.mod_revision.0);
        if is_cut && first != Some(last) {
            let what = format!("other things, though the rest of {} is due", Revision(last));
            return Err(self.told(number, watch, "fragment-broken", &what));
        }
        // All are noted, whatever is wrong with one of them.
        let told = events.iter().map(|event| {
            let is_split = !is_cut && event.kv.mod_revision.0 == last;
            self.event(number, watch, event, is_split)
        });
        told.fold(Ok(()), Result::and)
    }

    fn event(
        &mut self,
        number: u32,
        index: u32,
        told: &'h WatchEvent,
        is_split: bool,
    ) -> Result<(), Anomaly> {
        let key = self.keys.number(&told.kv.key);
        let revision = told.kv.mod_revision.0;
        let place = u32::try_from(self.out.told.len()).expect("events are numbered by u32");
        let is_new = !self.was_told(index, key, revision);
        let watch = &mut self.out.watches[index as usize];
        let (last, header, start) = (watch.last, watch.header, watch.start);
        if is_new {
            self.out.told.push(Told { watch: index, row: number, key, event: told });
            watch.told.push(place);
            if revision > last {
                watch.newest.clear();
            }
            if revision >= last {
                watch.newest.push(key);
            }
        }
        let in_range = watch.keys.contains(key);
        let is_wanted = watch.wants(told.kind == EventKind::Put);
        if watch.first == 0 {
            watch.first = revision;
        }
        watch.last = last.max(revision);
        let (code, why) = if !is_new {
            ("duplicate-event", "which it had told before".to_owned())
        } else if !in_range {
            ("out-of-range", "which does not lie in its range".to_owned())
        } else if !is_wanted {
            ("filtered-event", "which it should leave out".to_owned())
        } else if revision < start {
            ("before-start", format!("but it starts at {}", Revision(start)))
        } else if revision < last {
            ("unordered", format!("after an event at {}", Revision(last)))
        } else if is_split {
            ("split-revision", "but the message before ended with the same revision".to_owned())
        } else if revision <= header && revision > last {
            let header = Revision(header);
            ("false-bookmark", format!("but before it said that all up to {header} was told"))
        } else {
            return Ok(());
        };
        Err(self.told(number, index, code, &format!("{}, {why}", event(told))))
    }

    /// Whether a watch was told of this key at this revision before. Events in order have only their neighbours to ask.
    fn was_told(&self, index: u32, key: u32, revision: u64) -> bool {
        let watch = &self.out.watches[index as usize];
        if revision > watch.last {
            return false;
        }
        if revision == watch.last {
            return watch.newest.contains(&key);
        }
        let told = watch.told.iter().map(|place| &self.out.told[*place as usize]);
        told.rev().any(|told| told.key == key && told.revision() == revision)
    }

    pub(super) fn promise(
        &mut self,
        number: u32,
        index: u32,
        header: u64,
        fragment: bool,
    ) -> Result<(), Anomaly> {
        let watch = &mut self.out.watches[index as usize];
        let last = watch.last;
        if header < last {
            let what = format!(
                "an event at {}, in a message with {} in its header",
                Revision(last),
                Revision(header)
            );
            return Err(self.told(number, index, "header-behind", &what));
        }
        if fragment {
            watch.promise(last.saturating_sub(1), number, false);
        } else {
            watch.header = header;
            watch.promise(header, number, false);
        }
        Ok(())
    }
}
