//! Corruptions of what watches were told, each with the codes of the objections that it may meet.

use crate::generate::Dice;
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{
    Completion, Key, LeaseId, Process, Request, Revision, Value, WatchId, WatchRequest,
    WatchResponse,
    watch::{CancelReason, EventKind, WatchBody, WatchCreate, WatchEvent},
};
use whitewater_record::{History, SimTime, WatchMessage, WatchRow};

pub(crate) type Corruption = fn(&mut History, &mut Dice) -> Option<()>;

/// What it is, how to do it, and the codes that may be given for it.
pub(crate) const CORRUPTIONS: &[(&str, Corruption, &[&str])] = &[
    ("an event in the middle is lost", lose_middle, &["lost-event"]),
    ("the first event is lost", lose_first, &["late-start"]),
    ("the last event is lost", lose_last, &["incomplete"]),
    ("an event is lost before progress", lose_before_progress, &["false-bookmark"]),
    ("half a revision is lost", tear, &["torn-revision"]),
    ("two events change places", swap, &["unordered", "split-revision"]),
    ("a message comes twice", repeat, &["duplicate-event"]),
    ("an old event comes again", revisit, &["duplicate-event"]),
    ("a revision is split", split, &["split-revision"]),
    ("progress comes too early", early_progress, &["false-bookmark"]),
    (
        "progress of all comes too early",
        early_progress_of_all,
        &["false-bookmark", "bookmark-went-back"],
    ),
    ("progress goes back", progress_back, &["bookmark-went-back"]),
    ("an event from before the start", before_start, &["before-start"]),
    ("an event from outside", outside, &["out-of-range"]),
    ("an event of a kind that is left out", unfiltered, &["filtered-event"]),
    ("an event that did not happen", phantom, &["phantom-event"]),
    ("an event before it happened", future, &["future-event"]),
    ("another value", value, &["wrong-value"]),
    ("another lease", lease, &["wrong-lease"]),
    ("another version", version, &["wrong-version"]),
    ("another create revision", create, &["wrong-version"]),
    ("a change shown as a creation", is_create, &["wrong-is-create"]),
    ("a creation shown as a change", is_change, &["wrong-is-create", "wrong-version"]),
    ("a put shown as a delete", kind, &["wrong-event"]),
    ("a delete that shows a value", fat_delete, &["delete-with-content"]),
    ("another previous value", previous_value, &["wrong-prev-kv"]),
    ("a previous version that is too old", previous_version, &["wrong-prev-kv"]),
    ("a previous state of a new key", previous_of_new, &["wrong-prev-kv"]),
    ("no previous state", no_previous, &["missing-prev-kv"]),
    ("a previous state that nobody asked for", unasked_previous, &["unasked-prev-kv"]),
    ("a header behind its events", header, &["header-behind"]),
    ("a fragment that nobody asked for", unasked_fragment, &["unasked-fragment"]),
    ("a fragment without its rest", lose_rest, &["fragment-broken"]),
    ("a watch that nobody opened", unopened, &["unopened-watch"]),
    ("a message before the creation", early, &["not-created-first", "unopened-watch"]),
    ("a watch created twice", created_twice, &["created-twice"]),
    ("a message after the end", late, &["told-after-end"]),
    ("progress that nobody asked for", unasked_progress, &["unasked-progress"]),
    ("an end that nobody asked for", unasked_cancel, &["unasked-cancel"]),
    ("a duplicate of nothing", no_duplicate, &["unexplained-duplicate"]),
    ("a compaction that nobody asked for", no_compaction, &["compaction-not-asked"]),
    ("a compaction that is not in the way", far_compaction, &["not-compacted"]),
    ("two watches tell different things", disagree, &["wrong-value", "wrong-prev-kv"]),
];

/// One watch, and the rows that were told on it.
struct Told {
    create: WatchCreate,
    asked: usize,
    opened: usize,
    /// Rows with events and progress of its own.
    rows: Vec<usize>,
    ended: Option<usize>,
}

fn received(row: &WatchRow) -> Option<&WatchResponse> {
    match &row.message {
        WatchMessage::Received(response) => Some(response),
        _ => None,
    }
}

fn response(history: &mut History, row: usize) -> &mut WatchResponse {
    match &mut history.watches[row].message {
        WatchMessage::Received(response) => response,
        _ => panic!("not received"),
    }
}

fn events(history: &History, row: usize) -> &[WatchEvent] {
    match received(&history.watches[row]).map(|response| &response.body) {
        Some(WatchBody::Events { events, .. }) => events,
        _ => &[],
    }
}

fn events_mut(history: &mut History, row: usize) -> &mut Vec<WatchEvent> {
    match &mut response(history, row).body {
        WatchBody::Events { events, .. } => events,
        _ => panic!("no events"),
    }
}

fn watches(history: &History) -> Vec<Told> {
    let mut pending: BTreeMap<(Process, u32), Vec<(usize, WatchCreate)>> = BTreeMap::new();
    let mut open: BTreeMap<(Process, u32, WatchId), usize> = BTreeMap::new();
    let mut watches: Vec<Told> = Vec::new();
    for (number, row) in history.watches.iter().enumerate() {
        let stream = (row.process, row.stream);
        if let WatchMessage::Sent(WatchRequest::Create(create)) = &row.message {
            pending.entry(stream).or_default().push((number, create.clone()));
        }
        let Some(response) = received(row) else { continue };
        let name = (row.process, row.stream, response.watch);
        match &response.body {
            WatchBody::Created => {
                let (asked, create) = pending.get_mut(&stream).unwrap().pop().unwrap();
                open.insert(name, watches.len());
                watches.push(Told { create, asked, opened: number, rows: Vec::new(), ended: None });
            }
            WatchBody::Canceled(CancelReason::Duplicate | CancelReason::Refused(_)) => {
                pending.get_mut(&stream).unwrap().pop();
            }
            WatchBody::Canceled(_) => watches[open.remove(&name).unwrap()].ended = Some(number),
            WatchBody::Events { .. } | WatchBody::Progress => {
                if let Some(watch) = open.get(&name) {
                    watches[*watch].rows.push(number);
                }
            }
        }
    }
    watches
}

/// Revisions that an acknowledged put or a transaction made.
fn acknowledged(history: &History) -> BTreeSet<Revision> {
    let made = history.operations.iter().filter_map(|operation| match &operation.completion {
        Completion::Ok(response) => match operation.request {
            Request::Put(_) => Some(response.header.revision),
            _ => None,
        },
        _ => None,
    });
    made.collect()
}

fn is_fragment(history: &History, row: usize) -> bool {
    let body = received(&history.watches[row]).map(|response| &response.body);
    matches!(body, Some(WatchBody::Events { fragment: true, .. }))
}

/// Any event: its watch, its row and its place there.
fn pick(
    history: &History,
    dice: &mut Dice,
    is_wanted: impl Fn(&Told, usize, &WatchEvent) -> bool,
) -> Option<(Told, usize, usize)> {
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    let mut watches = watches(history);
    for (number, watch) in watches.iter().enumerate() {
        for row in &watch.rows {
            for (place, event) in events(history, *row).iter().enumerate() {
                if is_wanted(watch, *row, event) {
                    found.push((number, *row, place));
                }
            }
        }
    }
    let (number, row, place) = dice.pick(&found)?;
    Some((watches.swap_remove(number), row, place))
}

fn put(event: &WatchEvent) -> bool {
    event.kind == EventKind::Put
}

fn pick_put(history: &History, dice: &mut Dice) -> Option<(usize, usize)> {
    let made = acknowledged(history);
    let picked = pick(history, dice, |_, _, e| put(e) && made.contains(&e.kv.mod_revision))?;
    Some((picked.1, picked.2))
}

/// Takes an event away, and the message if nothing is left of it.
fn take(history: &mut History, row: usize, place: usize) {
    events_mut(history, row).remove(place);
    if events(history, row).is_empty() {
        history.watches.remove(row);
    }
}

/// The events of a watch: revision, row and place.
fn all(history: &History, watch: &Told) -> Vec<(Revision, usize, usize)> {
    let mut all = Vec::new();
    for row in &watch.rows {
        for (place, event) in events(history, *row).iter().enumerate() {
            all.push((event.kv.mod_revision, *row, place));
        }
    }
    all
}

/// An acknowledged event that is alone at its revision, at a place that is wanted among those of its watch.
fn lone(
    history: &History,
    dice: &mut Dice,
    is_wanted: impl Fn(&Told, &[(Revision, usize, usize)], usize) -> bool,
) -> Option<(usize, usize)> {
    let made = acknowledged(history);
    let mut found = Vec::new();
    for watch in watches(history) {
        let all = all(history, &watch);
        for (i, (revision, row, place)) in all.iter().enumerate() {
            let same = all.iter().filter(|(other, ..)| other == revision).count();
            let near = is_fragment(history, *row)
                || watch.rows.iter().any(|r| r < row && is_fragment(history, *r));
            if same == 1 && !near && made.contains(revision) && is_wanted(&watch, &all, i) {
                found.push((*row, *place));
            }
        }
    }
    dice.pick(&found)
}

fn lose_middle(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) = lone(history, dice, |_, all, i| {
        // The promise that covers it must be a message with events.
        let later = all.get(i + 1);
        i > 0 && later.is_some_and(|later| later.1 == all[i].1)
    })?;
    take(history, row, place);
    Some(())
}

fn lose_first(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) = lone(history, dice, |watch, all, i| {
        i == 0
            && watch.create.start != Revision::LATEST
            && all.get(1).is_some_and(|later| later.1 == all[0].1)
    })?;
    take(history, row, place);
    Some(())
}

fn lose_last(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) =
        lone(history, dice, |_, all, i| i > 0 && i + 1 == all.len() && all[i - 1].1 == all[i].1)?;
    take(history, row, place);
    Some(())
}

fn lose_before_progress(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let (row, place) = lone(history, dice, |watch, all, i| {
        let (_, row, place) = all[i];
        let next = watch.rows.iter().find(|next| **next > row);
        place == 0
            && events(&copy, row).len() == 1
            && next.is_some_and(|next| events(&copy, *next).is_empty())
    })?;
    // Progress of all streams must not come in between.
    let stream = |row: &WatchRow| (row.process, row.stream);
    let here = stream(&history.watches[row]);
    let rest = history.watches[row + 1..].iter().filter(|row| stream(row) == here);
    let mut rest = rest.filter_map(received);
    let next = rest.find(|r| matches!(r.body, WatchBody::Progress | WatchBody::Events { .. }))?;
    if !matches!(next.body, WatchBody::Progress) {
        return None;
    }
    take(history, row, place);
    Some(())
}

fn tear(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let (_, row, place) = pick(history, dice, |_, row, event| {
        let same = |other: &&WatchEvent| other.kv.mod_revision == event.kv.mod_revision;
        events(&copy, row).iter().filter(same).count() > 1 && put(event)
    })?;
    take(history, row, place);
    Some(())
}

fn swap(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let (_, row, place) = pick(history, dice, |_, row, event| {
        let last = events(&copy, row).last().unwrap();
        last.kv.mod_revision > event.kv.mod_revision
    })?;
    let last = events(history, row).len() - 1;
    events_mut(history, row).swap(place, last);
    Some(())
}

fn repeat(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, _) = pick(history, dice, |_, _, _| true)?;
    if is_fragment(history, row) {
        return None;
    }
    let again = history.watches[row].clone();
    history.watches.insert(row + 1, again);
    Some(())
}

fn revisit(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let (watch, row, place) = pick(history, dice, |watch, row, _| {
        watch.rows.iter().any(|later| *later > row && !events(&copy, *later).is_empty())
    })?;
    let event = events(history, row)[place].clone();
    let later =
        watch.rows.iter().find(|later| **later > row && !events(&copy, **later).is_empty())?;
    events_mut(history, *later).push(event);
    Some(())
}

fn split(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let (_, row, place) = pick(history, dice, |_, row, event| {
        let same = |other: &&WatchEvent| other.kv.mod_revision == event.kv.mod_revision;
        events(&copy, row).iter().filter(same).count() > 1 && !is_fragment(&copy, row)
    })?;
    let revision = events(history, row)[place].kv.mod_revision;
    let first = events(history, row).iter().position(|e| e.kv.mod_revision == revision)?;
    let mut second = history.watches[row].clone();
    let WatchMessage::Received(WatchResponse {
        body: WatchBody::Events { events: rest, .. }, ..
    }) = &mut second.message
    else {
        return None;
    };
    rest.drain(..=first);
    let header = response(history, row);
    header.header.revision = revision;
    events_mut(history, row).truncate(first + 1);
    history.watches.insert(row + 1, second);
    Some(())
}

fn progress_before(history: &mut History, dice: &mut Dice, of_all: bool) -> Option<()> {
    let (_, row, place) = pick(history, dice, |watch, _, _| of_all || watch.create.progress)?;
    let mut early = history.watches[row].clone();
    let revision = events(history, row)[place].kv.mod_revision;
    let WatchMessage::Received(told) = &mut early.message else { return None };
    (told.body, told.header.revision) = (WatchBody::Progress, revision);
    let mut row = row;
    // Not in the middle of a fragment.
    if row > 0 && is_fragment(history, row - 1) {
        return None;
    }
    if of_all {
        told.watch = WatchId::ALL;
        let sent = WatchMessage::Sent(WatchRequest::Progress);
        history.watches.insert(row, WatchRow { message: sent, ..early.clone() });
        row += 1;
    }
    history.watches.insert(row, early);
    Some(())
}

fn early_progress(history: &mut History, dice: &mut Dice) -> Option<()> {
    progress_before(history, dice, false)
}

fn early_progress_of_all(history: &mut History, dice: &mut Dice) -> Option<()> {
    progress_before(history, dice, true)
}

fn progress_back(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, _) = pick(history, dice, |watch, _, event| {
        watch.create.progress && event.kv.mod_revision.0 > 3
    })?;
    if is_fragment(history, row) {
        return None;
    }
    let mut back = history.watches[row].clone();
    let WatchMessage::Received(told) = &mut back.message else { return None };
    (told.body, told.header.revision) = (WatchBody::Progress, Revision(1));
    history.watches.insert(row + 1, back);
    Some(())
}

fn before_start(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let (watch, row, _) = pick(history, dice, |watch, row, _| {
        watch.create.start.0 > 3 && watch.rows[0] == row && put(&events(&copy, row)[0])
    })?;
    let mut old = events(history, row)[0].clone();
    old.kv.mod_revision = Revision(watch.create.start.0 - 1);
    events_mut(history, row).insert(0, old);
    Some(())
}

fn outside(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) =
        pick(history, dice, |watch, _, _| !watch.create.range.contains(&"zz".into()))?;
    events_mut(history, row)[place].kv.key = "zz".into();
    Some(())
}

fn unfiltered(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (watch, row, _) =
        pick(history, dice, |watch, _, event| watch.create.no_delete && put(event))?;
    let last = events(history, row).last()?.clone();
    if is_fragment(history, row) {
        return None;
    }
    let mut event = last;
    event.kv.key = if event.kv.key == Key::from("k1") { "k2".into() } else { "k1".into() };
    if !watch.create.range.contains(&event.kv.key) {
        return None;
    }
    event.kind = EventKind::Delete;
    events_mut(history, row).push(event);
    Some(())
}

fn phantom(history: &mut History, dice: &mut Dice) -> Option<()> {
    let made = acknowledged(history);
    let (watch, row, place) =
        pick(history, dice, |_, _, e| put(e) && made.contains(&e.kv.mod_revision))?;
    let mut event = events(history, row)[place].clone();
    event.kv.key = Key::from(format!("{}x", event.kv.key));
    if !watch.create.range.contains(&event.kv.key) {
        return None;
    }
    events_mut(history, row).insert(place + 1, event);
    Some(())
}

fn future(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let early = |watch: &Told, row: usize, event: &WatchEvent| {
        let made = copy.operations.iter().find(|operation| match &operation.completion {
            Completion::Ok(response) => {
                matches!(operation.request, Request::Put(_))
                    && response.header.revision == event.kv.mod_revision
            }
            _ => false,
        });
        let before = copy.watches[..row].iter().rev().find(|other| {
            (other.process, other.stream) == (copy.watches[row].process, copy.watches[row].stream)
        });
        let opened = before.map_or(SimTime::ZERO, |before| before.at);
        watch.rows[0] == row && made.is_some_and(|made| made.invoked > opened)
    };
    let (_, row, _) = pick(history, dice, early)?;
    let here = &history.watches[row];
    let stream = (here.process, here.stream);
    let before = history.watches[..row].iter().rev().find(|r| (r.process, r.stream) == stream)?;
    history.watches[row].at = before.at;
    Some(())
}

fn value(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) = pick_put(history, dice)?;
    events_mut(history, row)[place].kv.value = Value::from("wrong");
    Some(())
}

fn lease(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) = pick_put(history, dice)?;
    events_mut(history, row)[place].kv.lease = LeaseId(4242);
    Some(())
}

/// A put that follows another one of its key on the same watch.
fn pick_change(history: &History, dice: &mut Dice) -> Option<(usize, usize)> {
    let copy = history.clone();
    let picked = pick(history, dice, |watch, row, event| {
        let follows = watch.rows.iter().filter(|other| **other <= row).any(|other| {
            events(&copy, *other).iter().any(|other| {
                other.kv.key == event.kv.key
                    && put(other)
                    && other.kv.version + 1 == event.kv.version
            })
        });
        put(event) && event.kv.version > 2 && follows && !watch.create.no_delete
    })?;
    Some((picked.1, picked.2))
}

fn version(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) = pick_change(history, dice)?;
    events_mut(history, row)[place].kv.version += 1;
    Some(())
}

fn create(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) = pick_change(history, dice)?;
    events_mut(history, row)[place].kv.create_revision.0 -= 1;
    Some(())
}

fn is_create(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) = pick_change(history, dice)?;
    let kv = &mut events_mut(history, row)[place].kv;
    (kv.version, kv.create_revision) = (1, kv.mod_revision);
    Some(())
}

fn is_change(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) = pick(history, dice, |watch, _, event| {
        put(event) && event.kv.version == 1 && watch.create.start.0 == 1 && !watch.create.no_delete
    })?;
    let kv = &mut events_mut(history, row)[place].kv;
    (kv.version, kv.create_revision.0) = (2, kv.mod_revision.0 - 1);
    Some(())
}

fn kind(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (row, place) = pick_put(history, dice)?;
    if watches(history).iter().any(|w| w.rows.contains(&row) && w.create.no_delete) {
        return None;
    }
    let event = &mut events_mut(history, row)[place];
    event.kind = EventKind::Delete;
    (event.kv.value, event.kv.version) = (Value::default(), 0);
    (event.kv.create_revision, event.kv.lease) = (Revision(0), LeaseId::NONE);
    Some(())
}

fn fat_delete(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) = pick(history, dice, |_, _, event| !put(event))?;
    events_mut(history, row)[place].kv.value = Value::from("left");
    Some(())
}

fn previous_value(history: &mut History, dice: &mut Dice) -> Option<()> {
    let made = acknowledged(history);
    let (_, row, place) = pick(history, dice, |_, _, event| {
        event.prev_kv.as_ref().is_some_and(|prev| made.contains(&prev.mod_revision))
    })?;
    events_mut(history, row)[place].prev_kv.as_mut()?.value = Value::from("wrong");
    Some(())
}

fn previous_version(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) = pick(history, dice, |_, _, event| {
        put(event) && event.prev_kv.as_ref().is_some_and(|prev| prev.version > 1)
    })?;
    events_mut(history, row)[place].prev_kv.as_mut()?.version -= 1;
    Some(())
}

fn previous_of_new(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) = pick(history, dice, |watch, _, event| {
        watch.create.prev_kv && put(event) && event.kv.version == 1
    })?;
    let event = &mut events_mut(history, row)[place];
    let mut previous = event.kv.clone();
    previous.mod_revision.0 -= 1;
    event.prev_kv = Some(previous);
    Some(())
}

fn no_previous(history: &mut History, dice: &mut Dice) -> Option<()> {
    let newest = history.operations.iter().filter_map(|operation| match &operation.request {
        Request::Compact(compact) => Some(compact.revision),
        _ => None,
    });
    let newest = newest.max().unwrap_or_default();
    let (_, row, place) = pick(history, dice, |_, _, event| {
        event.prev_kv.is_some() && event.kv.mod_revision > newest
    })?;
    events_mut(history, row)[place].prev_kv = None;
    Some(())
}

fn unasked_previous(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) = pick(history, dice, |watch, _, event| {
        !watch.create.prev_kv && put(event) && event.kv.version > 1
    })?;
    let event = &mut events_mut(history, row)[place];
    let mut previous = event.kv.clone();
    previous.mod_revision.0 -= 1;
    previous.version -= 1;
    event.prev_kv = Some(previous);
    Some(())
}

fn header(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, _) = pick(history, dice, |_, _, _| true)?;
    let last = events(history, row).last()?.kv.mod_revision;
    response(history, row).header.revision = Revision(last.0 - 1);
    Some(())
}

fn unasked_fragment(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, _) = pick(history, dice, |watch, _, _| !watch.create.fragment)?;
    if let WatchBody::Events { fragment, .. } = &mut response(history, row).body {
        *fragment = true;
    }
    Some(())
}

fn lose_rest(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let (watch, row, _) = pick(history, dice, |watch, row, _| {
        let after = |other: &&usize| **other > row;
        is_fragment(&copy, row) && watch.rows.iter().filter(after).count() > 1
    })?;
    let rest = *watch.rows.iter().find(|other| **other > row)?;
    history.watches.remove(rest);
    Some(())
}

fn unopened(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, _) = pick(history, dice, |_, _, _| true)?;
    response(history, row).watch = WatchId(99_999);
    Some(())
}

fn early(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (watch, row, _) =
        pick(history, dice, |watch, row, _| watch.rows[0] == row && watch.opened < row)?;
    assert!(watch.asked < watch.opened);
    let created = history.watches.remove(watch.opened);
    let at = history.watches[row - 1].at;
    history.watches.insert(row, WatchRow { at, ..created });
    Some(())
}

fn created_twice(history: &mut History, dice: &mut Dice) -> Option<()> {
    let watch = dice.pick(&watches(history).iter().map(|w| w.opened).collect::<Vec<_>>())?;
    let again = history.watches[watch].clone();
    history.watches.insert(watch + 1, again);
    Some(())
}

fn late(history: &mut History, dice: &mut Dice) -> Option<()> {
    let copy = history.clone();
    let ended = watches(history).into_iter().filter_map(|watch| {
        let last = watch.rows.iter().rev().find(|row| !events(&copy, **row).is_empty())?;
        Some((*last, watch.ended?))
    });
    let (row, end) = dice.pick(&ended.collect::<Vec<_>>())?;
    let told = WatchRow { at: history.watches[end].at, ..history.watches[row].clone() };
    history.watches.insert(end + 1, told);
    Some(())
}

fn unasked_progress(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, _) = pick(history, dice, |watch, _, _| !watch.create.progress)?;
    if is_fragment(history, row) {
        return None;
    }
    let mut progress = history.watches[row].clone();
    let WatchMessage::Received(told) = &mut progress.message else { return None };
    told.body = WatchBody::Progress;
    history.watches.insert(row + 1, progress);
    Some(())
}

fn unasked_cancel(history: &mut History, dice: &mut Dice) -> Option<()> {
    let rows = history.watches.iter().enumerate().filter_map(|(number, row)| {
        matches!(row.message, WatchMessage::Sent(WatchRequest::Cancel(_))).then_some(number)
    });
    let row = dice.pick(&rows.collect::<Vec<_>>())?;
    history.watches.remove(row);
    Some(())
}

fn no_duplicate(history: &mut History, dice: &mut Dice) -> Option<()> {
    let rows = history.watches.iter().enumerate().filter_map(|(number, row)| {
        let body = received(row).map(|response| &response.body);
        matches!(body, Some(WatchBody::Canceled(CancelReason::Duplicate))).then_some(number)
    });
    let row = dice.pick(&rows.collect::<Vec<_>>())?;
    response(history, row).watch = WatchId(88_888);
    Some(())
}

fn compacted(history: &History, dice: &mut Dice) -> Option<usize> {
    let rows = history.watches.iter().enumerate().filter_map(|(number, row)| {
        let body = received(row).map(|response| &response.body);
        matches!(body, Some(WatchBody::Canceled(CancelReason::Compacted(_)))).then_some(number)
    });
    dice.pick(&rows.collect::<Vec<_>>())
}

fn no_compaction(history: &mut History, dice: &mut Dice) -> Option<()> {
    let row = compacted(history, dice)?;
    response(history, row).body = WatchBody::Canceled(CancelReason::Compacted(Revision(1_000_000)));
    Some(())
}

fn far_compaction(history: &mut History, dice: &mut Dice) -> Option<()> {
    let first = history.operations.iter().find_map(|operation| match &operation.request {
        Request::Compact(compact) if matches!(operation.completion, Completion::Ok(_)) => {
            Some((compact.revision, operation.completed))
        }
        _ => None,
    });
    let (revision, at) = first?;
    let copy = history.clone();
    let (_, row, _) = pick(history, dice, |_, row, event| {
        event.kv.mod_revision >= revision && copy.watches[row].at > at && !is_fragment(&copy, row)
    })?;
    let mut end = history.watches[row].clone();
    let WatchMessage::Received(told) = &mut end.message else { return None };
    told.body = WatchBody::Canceled(CancelReason::Compacted(revision));
    history.watches.insert(row + 1, end);
    Some(())
}

/// An event that nobody acknowledged, told on two watches.
fn disagree(history: &mut History, dice: &mut Dice) -> Option<()> {
    let known: BTreeSet<Revision> = history
        .operations
        .iter()
        .filter_map(|operation| match &operation.completion {
            Completion::Ok(response) => Some(response.header.revision),
            _ => None,
        })
        .collect();
    let mut count: BTreeMap<(Revision, Key), usize> = BTreeMap::new();
    for watch in watches(history) {
        for (_, row, place) in all(history, &watch) {
            let event = &events(history, row)[place];
            *count.entry((event.kv.mod_revision, event.kv.key.clone())).or_default() += 1;
        }
    }
    let (_, row, place) = pick(history, dice, |_, _, event| {
        let name = (event.kv.mod_revision, event.kv.key.clone());
        put(event) && !known.contains(&event.kv.mod_revision) && count[&name] > 1
    })?;
    events_mut(history, row)[place].kv.value = Value::from("other");
    Some(())
}
