//! Corruptions of lists, of the watches that follow them, and of reads beside them.

use crate::{generate::Dice, mutate_watch::Corruption};
use std::collections::BTreeSet;
use whitewater_api::{
    Completion, Process, Request, Revision, Value, WatchId, WatchResponse,
    response::{Body, RangeResponse},
    watch::{WatchBody, WatchEvent},
};
use whitewater_record::{History, WatchMessage};

pub(crate) const CORRUPTIONS: &[(&str, Corruption, &[&str])] = &[
    ("a list that misses a key", short_list, &["mirror-differs", "mirror-diverged"]),
    ("a list with an old value", old_list, &["mirror-differs", "mirror-diverged"]),
    ("a change that a mirror is not told", lost_event, &["mirror-differs", "mirror-diverged"]),
    ("a change with another value", other_value, &["mirror-differs", "mirror-diverged"]),
    ("a read that misses a key", short_read, &["mirror-differs"]),
];

/// Watchers that list.
fn is_watcher(process: Process) -> bool {
    process.0 >= 500 && process.0 < 1000
}

fn answer(history: &mut History, operation: usize) -> &mut RangeResponse {
    match &mut history.operations[operation].completion {
        Completion::Ok(response) => match &mut response.body {
            Body::Range(range) => range,
            _ => panic!("not a range"),
        },
        _ => panic!("not answered"),
    }
}

/// Mirrors by the position of the list: process, and the revision after it.
fn lists(history: &History) -> Vec<(usize, Process, Revision)> {
    let mut starts: BTreeSet<(Process, Revision)> = BTreeSet::new();
    for row in &history.watches {
        if let WatchMessage::Sent(whitewater_api::WatchRequest::Create(create)) = &row.message {
            starts.insert((row.process, create.start));
        }
    }
    let lists = history.operations.iter().enumerate().filter_map(|(position, operation)| {
        let Completion::Ok(response) = &operation.completion else { return None };
        let Body::Range(range) = &response.body else { return None };
        let name = (operation.id.process, response.header.revision.next());
        (starts.contains(&name) && !range.kvs.is_empty()).then_some((position, name.0, name.1))
    });
    lists.collect()
}

/// A mirror that was told events, by its list.
fn told(history: &History, dice: &mut Dice) -> Option<(usize, usize, usize)> {
    let mut found = Vec::new();
    for (list, process, start) in lists(history) {
        let mut id: Option<(u32, WatchId)> = None;
        let mut is_asked = false;
        for (number, row) in history.watches.iter().enumerate() {
            if row.process != process {
                continue;
            }
            match &row.message {
                WatchMessage::Sent(whitewater_api::WatchRequest::Create(create)) => {
                    is_asked = create.start == start && create.range.contains(&"k0".into());
                }
                WatchMessage::Received(WatchResponse {
                    watch, body: WatchBody::Created, ..
                }) => {
                    if is_asked {
                        id = Some((row.stream, *watch));
                    }
                    is_asked = false;
                }
                WatchMessage::Received(WatchResponse {
                    watch,
                    body: WatchBody::Events { events, .. },
                    ..
                }) if id == Some((row.stream, *watch)) => {
                    found.extend((0..events.len()).map(|place| (list, number, place)));
                }
                _ => {}
            }
        }
    }
    dice.pick(&found)
}

fn events(history: &mut History, row: usize) -> &mut Vec<WatchEvent> {
    match &mut history.watches[row].message {
        WatchMessage::Received(WatchResponse {
            body: WatchBody::Events { events, .. }, ..
        }) => events,
        _ => panic!("no events"),
    }
}

/// The first key that the mirror is told about and the list shows.
fn continued(history: &mut History, dice: &mut Dice) -> Option<(usize, usize)> {
    let (list, row, _) = told(history, dice)?;
    let keys: Vec<_> = events(history, row).iter().map(|event| event.kv.key.clone()).collect();
    let place = answer(history, list).kvs.iter().position(|kv| keys.contains(&kv.key))?;
    let key = answer(history, list).kvs[place].key.clone();
    let list_revision = match &history.operations[list].completion {
        Completion::Ok(response) => response.header.revision,
        _ => return None,
    };
    let event = events(history, row).iter().find(|event| event.kv.key == key)?.clone();
    let modified = answer(history, list).kvs[place].mod_revision;
    let is_next = event.prev_kv.is_some_and(|prev| prev.mod_revision == modified)
        || (event.kv.version == answer(history, list).kvs[place].version + 1
            && event.kv.mod_revision > list_revision);
    is_next.then_some((list, place))
}

fn short_list(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (list, place) = continued(history, dice)?;
    let answer = answer(history, list);
    answer.kvs.remove(place);
    answer.count -= 1;
    Some(())
}

fn old_list(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (list, place) = continued(history, dice)?;
    let kv = &mut answer(history, list).kvs[place];
    if kv.version == 1 {
        return None;
    }
    kv.version -= 1;
    kv.mod_revision.0 -= 1;
    Some(())
}

fn read_after(history: &History, row: usize, event: &WatchEvent) -> bool {
    let at = history.watches[row].at;
    history.operations.iter().any(|operation| {
        let Completion::Ok(response) = &operation.completion else { return false };
        let Body::Range(range) = &response.body else { return false };
        operation.invoked <= at
            && response.header.revision == event.kv.mod_revision
            && range.kvs.contains(&event.kv)
    })
}

fn lost_event(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) = told(history, dice)?;
    let event = events(history, row)[place].clone();
    if !read_after(history, row, &event) {
        return None;
    }
    events(history, row).remove(place);
    Some(())
}

fn other_value(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) = told(history, dice)?;
    let event = events(history, row)[place].clone();
    if !read_after(history, row, &event) {
        return None;
    }
    events(history, row)[place].kv.value = Value::from("wrong");
    Some(())
}

/// A read of everything, at a revision that a mirror was told about.
fn short_read(history: &mut History, dice: &mut Dice) -> Option<()> {
    let (_, row, place) = told(history, dice)?;
    let revision = events(history, row)[place].kv.mod_revision;
    let reads = history.operations.iter().enumerate().filter_map(|(position, operation)| {
        let Completion::Ok(response) = &operation.completion else { return None };
        let Body::Range(range) = &response.body else { return None };
        let Request::Range(request) = &operation.request else { return None };
        let is_wanted = !is_watcher(operation.id.process)
            && response.header.revision == revision
            && !range.kvs.is_empty()
            && request.range.start.as_slice() == b"k";
        is_wanted.then_some(position)
    });
    let read = dice.pick(&reads.collect::<Vec<_>>())?;
    let answer = answer(history, read);
    answer.kvs.pop();
    answer.count -= 1;
    Some(())
}
