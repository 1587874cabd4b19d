//! A store of a million keys: a put, a range of a thousand of them, one of a hundred thousand at once and in steps, and one change told to ten thousand watches.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use whitewater_benches::million::{
    KEYS, WATCHES, filled, hundred_thousand, put, read_in_steps, tell, thousand, watchers,
};

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
    let long = hundred_thousand();
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("long-range", |bencher| bencher.iter(|| black_box(store.read(&long))));
    group.bench_function("long-range-in-steps", |bencher| {
        bencher.iter(|| black_box(read_in_steps(&store, &long)));
    });
    group.finish();
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
            tell(&mut watches, &store, &mut outputs);
        });
    });
    group.finish();
}

criterion_group!(benches, held, fan_out);
criterion_main!(benches);
