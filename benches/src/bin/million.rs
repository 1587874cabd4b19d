//! What a store of a million keys weighs, and how long the longest step takes of work that looks at everything.
//!
//! ```text
//!  cargo run --release -p whitewater-benches --bin million
//! ```

#![forbid(unsafe_code)]

use std::{
    io::{self, Write},
    time::Duration,
};
use whitewater_api::{Request, Revision, request::CompactRequest};
use whitewater_benches::{
    million::{
        KEYS, Steps, VALUE_BYTES, WATCHES, all_by_value, filled, hundred_thousand, put,
        read_in_steps, tell, thousand, thousand_of_all, watchers,
    },
    usage,
};
use whitewater_mutation::Mutations;
use whitewater_replica::limits;
use whitewater_store::{Cursor, Defragmentation, KvHasher, Store};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let before = usage::resident_bytes();
    let mut store = Store::new(Mutations::none());
    let first = write_all(&mut store);
    let held = usage::resident_bytes().zip(before).map(|(after, before)| after - before);
    let key_bytes = put(0).to_string().len() - "put  ".len() - VALUE_BYTES;
    writeln!(out, "{KEYS} keys of {key_bytes} bytes with values of {VALUE_BYTES} bytes")?;
    if let Some(held) = held {
        writeln!(
            out,
            "memory: {} bytes a key, what it says of itself: {}",
            held / KEYS as u64,
            store.bytes() / KEYS as u64
        )?;
    }
    line(&mut out, "put of a new key", first)?;
    line(&mut out, "put again", write_all(&mut store))?;
    let mut ranges = Steps::default();
    for number in 0..1_000 {
        let range = thousand(number);
        ranges.take(|| store.read(&range)).expect("nothing stands in the way");
    }
    line(&mut out, "range of 1,000 keys", ranges)?;
    let (mut counts, all) = (Steps::default(), thousand_of_all());
    for _ in 0..20 {
        counts.take(|| store.read(&all)).expect("nothing stands in the way");
    }
    line(&mut out, "first 1,000 keys of all, with the count of all", counts)?;
    let mut at_once = Steps::default();
    let long = hundred_thousand();
    at_once.take(|| store.read(&long)).expect("nothing stands in the way");
    line(&mut out, "range of 100,000 keys at once, as in a transaction", at_once)?;
    bounded(&mut out, "range of 100,000 keys, a step", read_in_steps(&store, &long))?;
    bounded(&mut out, "range of all by value, a step", read_in_steps(&store, &all_by_value()))?;
    line(&mut out, &format!("a change told to {WATCHES} watches"), fan_out())?;
    bounded(&mut out, "hash over revisions, a step", hash_kv(&store))?;
    bounded(&mut out, "hash of everything, a step", hash(&mut store))?;
    bounded(&mut out, "compaction of a million revisions, a step", compact(&mut store))?;
    let mut steps = Steps::default();
    let mut under_way = Defragmentation::default();
    while steps.take(|| store.defragment(&mut under_way, &mut { limits::CHORE_ROWS_MAX })).is_none()
    {
    }
    bounded(&mut out, "defragmentation, a step", steps)
}

/// No step of what looks at everything holds others up for longer.
const STEP_MAX: Duration = Duration::from_millis(10);

/// The same, and whether the longest step keeps to its bound.
fn bounded(out: &mut impl Write, what: &str, steps: Steps) -> io::Result<()> {
    let verdict = if steps.longest <= STEP_MAX { "reached" } else { "missed" };
    line(out, what, steps)?;
    writeln!(out, "    no step over {STEP_MAX:.0?}: {verdict}")
}

/// A change of one key, until all watches are told of it.
fn fan_out() -> Steps {
    let (mut steps, mut store) = (Steps::default(), filled(1_000));
    let (mut watches, mut outputs) = watchers(store.revision());
    for number in 0..100 {
        outputs.clear();
        store.apply(&put(number)).expect("a put is never refused");
        steps.take(|| tell(&mut watches, &store, &mut outputs));
    }
    steps
}

fn line(out: &mut impl Write, what: &str, steps: Steps) -> io::Result<()> {
    let mean = steps.total / u32::try_from(steps.count.max(1)).unwrap_or(u32::MAX);
    writeln!(
        out,
        "{what}: {} steps, {mean:.1?} each, {:.1?} the longest, {:.1?} in all",
        steps.count, steps.longest, steps.total
    )
}

fn write_all(store: &mut Store) -> Steps {
    let mut steps = Steps::default();
    for number in 0..KEYS {
        let put = put(number);
        steps.take(|| store.apply(&put)).expect("a put is never refused");
    }
    steps
}

fn hash_kv(store: &Store) -> Steps {
    let mut steps = Steps::default();
    let mut hasher = KvHasher::new(store, Revision::LATEST).expect("the newest is never refused");
    while steps.take(|| hasher.step(store, &mut { limits::CHORE_ROWS_MAX })).is_none() {}
    steps
}

fn hash(store: &mut Store) -> Steps {
    let mut steps = Steps::default();
    let view = store.open_view();
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        cursor = steps.take(|| store.part(&view, &at, limits::CHORE_PART_BYTES)).next;
    }
    store.close_view(&view);
    steps
}

/// The first million revisions go.
fn compact(store: &mut Store) -> Steps {
    let mut steps = Steps::default();
    let revision = Revision(store.revision().0 / 2 + 1);
    let compact = Request::Compact(CompactRequest { revision, physical: true });
    steps.take(|| store.apply(&compact)).expect("it lies between the first and the last");
    while steps.take(|| store.scrub(limits::CHORE_ROWS_MAX)) {}
    steps
}
