//! A store of a million keys: a put, a range of a thousand of them, and one change told to ten thousand watches.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use whitewater_api::{
    KeyRange, Monotonic, Revision, StreamId, Tuning, WatchRequest, watch::WatchCreate,
};
use whitewater_benches::million::{KEYS, filled, put, thousand};
use whitewater_mutation::Mutations;
use whitewater_store::{WatchLimits, WatchOutput, Watches};

const WATCHES: u64 = 10_000;
const WATCHES_A_STREAM: u64 = 100;

fn held(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("million");
    let mut store = filled(KEYS);
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    group.bench_function("put", |bencher| {
        bencher.iter_batched(
            || put(next()),
            |put| black_box(store.apply(&put)),
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("range", |bencher| {
        bencher.iter_batched(
            || thousand(next()),
            |range| black_box(store.read(&range)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// All watch all keys, a hundred of them on a stream.
fn watchers(now: Revision) -> (Watches, Vec<WatchOutput>) {
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

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("million");
    let mut store = filled(1_000);
    let (mut watches, mut outputs) = watchers(store.revision());
    let mut number = 0;
    group.throughput(Throughput::Elements(WATCHES));
    group.bench_function("fan-out", |bencher| {
        bencher.iter(|| {
            number += 1;
            outputs.clear();
            store.apply(&put(number % 1_000)).expect("a put is never refused");
            watches.on_applied(&store, Monotonic(0), &mut outputs);
            while outputs.len() < usize::try_from(WATCHES).expect("few") {
                watches.pump(&store, Monotonic(0), &mut outputs);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, held, fan_out);
criterion_main!(benches);
