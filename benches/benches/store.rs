//! The store alone: a thousand keys of ten versions each, then one kind of request a thousand times.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use whitewater_api::{
    KeyRange, Request, Revision,
    request::{Compare, CompareTarget, PutRequest, RangeRequest, Relation, TxnOp, TxnRequest},
};
use whitewater_mutation::Mutations;
use whitewater_store::{Cursor, Restore, Store};

const KEYS: usize = 1_000;
const VERSIONS: usize = 10;
const PART_BYTES: usize = 64 << 10;

fn put(key: usize, value: usize) -> Request {
    Request::Put(PutRequest::new(format!("k{key:03}"), format!("v{value}")))
}

fn get(range: KeyRange) -> Request {
    Request::Range(RangeRequest::new(range))
}

/// Puts if the key was ever written, else reads.
fn swap(key: usize, value: usize) -> Request {
    let name = format!("k{key:03}");
    let range = KeyRange::single(name.clone());
    let condition = Compare {
        range: range.clone(),
        relation: Relation::NotEqual,
        target: CompareTarget::Mod(Revision(0)),
    };
    Request::Txn(TxnRequest {
        compares: vec![condition],
        success: vec![TxnOp::Put(PutRequest::new(name, format!("v{value}")))],
        failure: vec![TxnOp::Range(RangeRequest::new(range))],
    })
}

fn filled() -> Store {
    let mut store = Store::new(Mutations::none());
    for value in 0..VERSIONS {
        for key in 0..KEYS {
            store.apply(&put(key, value)).expect("a put is never refused");
        }
    }
    store
}

fn writes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(KEYS as u64));
    let store = filled();
    let puts: Vec<Request> = (0..KEYS).map(|key| put(key, VERSIONS)).collect();
    let swaps: Vec<Request> = (0..KEYS).map(|key| swap(key, VERSIONS)).collect();
    for (name, requests) in [("put", puts), ("txn", swaps)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || store.clone(),
                |store| {
                    for request in &requests {
                        black_box(store.apply(request)).expect("nothing stands in the way");
                    }
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn reads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(KEYS as u64));
    let store = filled();
    let gets: Vec<Request> =
        (0..KEYS).map(|key| get(KeyRange::single(format!("k{key:03}")))).collect();
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            for request in &gets {
                black_box(store.read(request)).expect("nothing stands in the way");
            }
        });
    });
    let all = get(KeyRange::all());
    group.bench_function("range", |bencher| bencher.iter(|| black_box(store.read(&all))));
    group.finish();
}

fn snapshots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store/snapshot");
    let mut store = filled();
    let view = store.open_view();
    let mut parts = Vec::new();
    let mut next = Some(Cursor::start());
    while let Some(cursor) = next {
        let part = store.part(&view, &cursor, PART_BYTES);
        parts.push(part.bytes);
        next = part.next;
    }
    group.throughput(Throughput::Bytes(parts[0].len() as u64));
    let start = Cursor::start();
    group.bench_function("part", |bencher| {
        bencher.iter(|| black_box(store.part(&view, &start, PART_BYTES)));
    });
    group.throughput(Throughput::Bytes(parts.iter().map(|part| part.len() as u64).sum()));
    group.bench_function("restore", |bencher| {
        bencher.iter(|| {
            let mut restore = Restore::new(Mutations::none());
            for part in &parts {
                restore.push(part).expect("it was just written");
            }
            restore.finish().expect("all parts are there")
        });
    });
    group.finish();
}

criterion_group!(benches, writes, reads, snapshots);
criterion_main!(benches);
