//! The judges, on what the clients of one quiet and of one hostile run saw: each extent does what the one before it
//! does, and more.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use whitewater_benches::{
    judging::{Extent, unsound},
    seeds::Course,
};
use whitewater_record::Seed;
use whitewater_scenarios::Overrides;

/// Of each of the three clients.
const OPERATIONS: u64 = 1_000;

fn checker(criterion: &mut Criterion) {
    for scenario in ["quiet", "swarm"] {
        let overrides = Overrides {
            nodes: Some(3),
            clients: Some(3),
            operations: Some(OPERATIONS),
            ..Overrides::default()
        };
        let history = Course::new(scenario, overrides).history(Seed(1));
        let doubled = unsound(&history);
        let mut group = criterion.benchmark_group(format!("checker/{scenario}"));
        group.throughput(Throughput::Elements(history.operations.len() as u64));
        for extent in Extent::ALL {
            let history = if extent == Extent::Prepared { &doubled } else { &history };
            group.bench_function(extent.name(), |bencher| {
                bencher.iter(|| black_box(extent.judge(history)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, checker);
criterion_main!(benches);
