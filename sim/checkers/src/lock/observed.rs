//! What observers of elections are told.
//!
//! An observer looks who leads, then what becomes of that key, and so on. Leaders that come and go between two looks it may miss.
//! Who leads from before a look until behind the next one it may not: with the first look the observer knows that whom it knew is
//! gone, or that somebody has come, and with the second who that is.

use super::{Review, Stay, object};
use crate::ruling::Anomaly;
use std::collections::BTreeMap;
use whitewater_api::{Key, KeyRange, RequestId, Revision};
use whitewater_record::{HoldRow, ObservedRow, Proclamation};

/// Looks after which whoever led all the time is known.
const LOOKS: usize = 2;

/// Somebody who certainly led, from a revision on and before another one.
struct Reign<'h> {
    hold: &'h HoldRow,
    from: u64,
    until: u64,
}

impl<'h> Review<'_, 'h> {
    /// The first thing that an observer was wrongly told, or not told.
    pub(super) fn observed(&mut self) -> Option<Anomaly> {
        let mut calls: BTreeMap<RequestId, Vec<&'h ObservedRow>> = BTreeMap::new();
        for row in &self.case.history.observed {
            calls.entry(row.call).or_default().push(row);
        }
        let mut reigns: BTreeMap<&Key, Vec<Reign<'h>>> = BTreeMap::new();
        for hold in &self.case.history.holds {
            reigns.entry(&hold.prefix).or_default().push(self.reign(hold));
        }
        let mut stays: BTreeMap<&Key, Vec<Stay>> = BTreeMap::new();
        let mut first: Option<Anomaly> = None;
        for rows in calls.values() {
            let prefix = &rows[0].prefix;
            let stays = stays.entry(prefix).or_insert_with(|| {
                self.stays(self.keys.interval(&KeyRange::prefix(prefix.clone())))
            });
            let reigns = reigns.get(prefix).map_or(&[][..], Vec::as_slice);
            self.checked.evaluations += rows.len() as u64;
            self.checked.discriminating += if reigns.len() > 1 { rows.len() as u64 } else { 0 };
            let anomaly = self.told(rows, stays).or_else(|| missed(rows, reigns));
            first = first.into_iter().chain(anomaly).min_by_key(|anomaly| anomaly.at);
        }
        first
    }

    /// From when the holder saw that it led, until its key was last told to be there.
    fn reign(&self, hold: &'h HoldRow) -> Reign<'h> {
        let key = self.keys.number(&hold.key);
        let later = self.chronicle.between(key, hold.revision.0 + 1, u64::MAX);
        let own = later.iter().take_while(|it| it.is_put && it.create == hold.revision.0);
        let last = own.last().map_or(hold.revision.0, |change| change.revision);
        Reign { hold, from: hold.seen.0, until: last.max(hold.seen.0) + 1 }
    }

    /// What is told are keys that lead, in order.
    fn told(&self, rows: &[&'h ObservedRow], stays: &[Stay]) -> Option<Anomaly> {
        let mut before: Option<&Proclamation> = None;
        for row in rows {
            let Some(told) = &row.told else { continue };
            let refuse = |code: &str, what: String| {
                let sentence = format!("{} was told of {}, {what}", who(row), shown(told));
                Some(object(code, row.at, sentence, &[]))
            };
            if let Some(before) = before
                && (told.create, told.modified) <= (before.create, before.modified)
            {
                return refuse("told-backwards", format!("after it was told of {}", shown(before)));
            }
            before = Some(told);
            let key = self.keys.number(&told.key);
            let change = self.chronicle.change(key, told.modified.0).map(|(_, change)| change);
            if change.is_some_and(|it| !it.is_put || ![0, told.create.0].contains(&it.create)) {
                return refuse("no-leader", "but nobody said that then".to_owned());
            }
            let older = stays.partition_point(|stay| stay.create < told.create.0);
            if let Some(stay) = stays[..older].last().filter(|stay| stay.until > row.revision.0) {
                let (key, until) = (self.keys.key(stay.key), Revision(stay.until));
                return refuse("no-leader", format!("but the older {key} was there until {until}"));
            }
        }
        None
    }
}

/// Whoever led while the observer looked, and looked again, is told.
fn missed(rows: &[&ObservedRow], reigns: &[Reign<'_>]) -> Option<Anomaly> {
    reigns.iter().find_map(|reign| {
        let mut looks = 0;
        let mut newest = Revision(0);
        for row in rows {
            newest = newest.max(row.told.as_ref().map_or(newest, |told| told.create));
            let is_in = (reign.from..reign.until).contains(&row.revision.0);
            looks = if is_in { looks + 1 } else { 0 };
            if looks >= LOOKS && newest < reign.hold.revision {
                let sentence = format!(
                    "{} has looked {looks} times while {} led, and was not told so",
                    who(row),
                    super::name(reign.hold)
                );
                return Some(object("missed-leader", row.at, sentence, &[]));
            }
        }
        None
    })
}

/// Such as `the observer p3#4 of lock/, at r9,`.
fn who(row: &ObservedRow) -> String {
    format!("the observer {} of {}, at {},", row.call, row.prefix, row.revision)
}

fn shown(told: &Proclamation) -> String {
    format!("{} of {} (said at {})", told.key, told.create, told.modified)
}
