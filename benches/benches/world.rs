//! Whole seeds: planned, played and judged.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use whitewater_benches::seeds::{Course, play};
use whitewater_record::{Seed, Span};
use whitewater_scenarios::Overrides;

/// Each takes some hundredths of a second.
const SAMPLES: usize = 20;
const IDLE_SECONDS: u64 = 60;

fn world(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("world");
    group.sample_size(SAMPLES);
    let three = Overrides { nodes: Some(3), clients: Some(3), ..Overrides::default() };
    for scenario in ["swarm", "quiet"] {
        let course = Course::new(scenario, three.clone());
        group.throughput(Throughput::Elements(course.run(Seed(1)).operations));
        group.bench_function(scenario, |bencher| {
            bencher.iter(|| black_box(course.run(Seed(1))));
        });
    }
    let idle = Course::idle(5, Span::seconds(IDLE_SECONDS)).plan(Seed(1));
    group.throughput(Throughput::Elements(IDLE_SECONDS));
    group.bench_function("idle", |bencher| bencher.iter(|| black_box(play(&idle))));
    group.finish();
}

criterion_group!(benches, world);
criterion_main!(benches);
