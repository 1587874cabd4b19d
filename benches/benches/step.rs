//! `Replica::step` in a cluster of three whose network and disks take no time: puts until all have applied them, and
//! heartbeats while nobody asks.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use whitewater_benches::cluster::Cluster;

const SECOND_NANOS: u64 = 1_000_000_000;

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    for count in [1, 64] {
        group.throughput(Throughput::Elements(count));
        let mut cluster = Cluster::new(3);
        group.bench_function(format!("puts/{count}"), |bencher| {
            bencher.iter(|| cluster.put(count));
        });
    }
    group.throughput(Throughput::Elements(1));
    let mut cluster = Cluster::new(3);
    group.bench_function("idle_second", |bencher| {
        bencher.iter(|| cluster.idle(SECOND_NANOS));
    });
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
