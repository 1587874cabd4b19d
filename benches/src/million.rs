//! A store of a million keys, and what one step of it costs.

use crate::usage;
use std::time::Duration;
use whitewater_api::{
    KeyRange, Monotonic, Request, Revision, StreamId, Tuning, WatchRequest,
    request::{PutRequest, RangeRequest, Sort, SortTarget},
    watch::WatchCreate,
};
use whitewater_mutation::Mutations;
use whitewater_store::{Store, WatchLimits, WatchOutput, Watches};

/// How many keys it holds.
pub const KEYS: usize = 1_000_000;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 100;

/// The put of a key, by its number. Neighbours in number lie far apart in the order of keys.
pub fn put(number: usize) -> Request {
    Request::Put(PutRequest::new(key(number), vec![b'v'; VALUE_BYTES]))
}

/// A range of about a thousand keys in the middle of the others.
pub fn thousand(number: usize) -> Request {
    let start = number * THOUSAND % (PLACES - THOUSAND);
    get(KeyRange::span(name(start), name(start + THOUSAND)))
}

/// The first thousand keys of all, and the count of all.
pub fn thousand_of_all() -> Request {
    let range = RangeRequest { limit: 1_000, ..RangeRequest::new(KeyRange::all()) };
    Request::Range(range)
}

/// A range of about a hundred thousand keys.
pub fn hundred_thousand() -> Request {
    get(KeyRange::span(name(0), name(THOUSAND * 100)))
}

/// Reads a range as a replica does that has others to serve too, and says how long its steps took.
pub fn read_in_steps(store: &Store, range: &Request) -> Steps {
    let rows = usize::try_from(Tuning::default().read_rows).unwrap_or(usize::MAX);
    let mut steps = Steps::default();
    let mut scan = store.scan_for(None, range).expect("nothing stands in the way");
    while steps.take(|| scan.step(store, &mut { rows })).is_none() {}
    steps
}

/// All keys, in an order that is not theirs.
pub fn all_by_value() -> Request {
    let sort = Some(Sort { target: SortTarget::Value, descending: true });
    Request::Range(RangeRequest { sort, ..RangeRequest::new(KeyRange::all()) })
}

fn get(range: KeyRange) -> Request {
    Request::Range(RangeRequest::new(range))
}

/// A store with so many keys of one version each.
pub fn filled(keys: usize) -> Store {
    let mut store = Store::new(Mutations::none());
    for number in 0..keys {
        store.apply(&put(number)).expect("a put is never refused");
    }
    store
}

/// Places for keys; about one in twenty stays free.
const PLACES: usize = 1 << 20;
/// Places of about a thousand keys.
const THOUSAND: usize = PLACES / 1_000;

fn key(number: usize) -> String {
    // Odd, so that it is a permutation of the places.
    const STRIDE: usize = 644_245;
    name(number.wrapping_mul(STRIDE) % PLACES)
}

fn name(place: usize) -> String {
    format!("/registry/pods/default/{place:07}")
}

/// How long steps took, in CPU time, so that what else the machine does counts for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    /// How many.
    pub count: u64,
    /// All of them.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Steps {
    /// Makes a step.
    pub fn take<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let (took, result) = usage::timed(step);
        self.count += 1;
        self.total += took;
        self.longest = self.longest.max(took);
        result
    }
}

/// Watches that are told of one change.
pub const WATCHES: u64 = 10_000;
const WATCHES_A_STREAM: u64 = 100;

/// All watch all keys, a hundred of them on a stream.
#[must_use]
pub fn watchers(now: Revision) -> (Watches, Vec<WatchOutput>) {
    let limits = WatchLimits::new(&Tuning::default());
    let mut watches = Watches::new(limits, now, Mutations::none());
    let mut outputs = Vec::new();
    for stream in 0..WATCHES / WATCHES_A_STREAM {
        let stream = StreamId(stream);
        watches.open(stream, false, &mut outputs);
        watches.grant(stream, u64::MAX >> 1, &mut outputs);
        for _ in 0..WATCHES_A_STREAM {
            let create = WatchCreate::new(KeyRange::all());
            watches.request(Monotonic(0), stream, WatchRequest::Create(create), &mut outputs);
        }
    }
    outputs.clear();
    (watches, outputs)
}

/// Tells all watches of the newest change.
pub fn tell(watches: &mut Watches, store: &Store, outputs: &mut Vec<WatchOutput>) {
    watches.on_applied(store, Monotonic(0), outputs);
    while outputs.len() < usize::try_from(WATCHES).unwrap_or(usize::MAX) {
        watches.pump(store, Monotonic(0), outputs);
    }
}
