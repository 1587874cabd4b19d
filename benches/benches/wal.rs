//! The write-ahead log: what a flush hands out, and what recovery makes of a log.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use raft::eraftpb::Entry;
use std::{collections::BTreeMap, hint::black_box};
use whitewater_api::{DiskImage, DiskOp, FileName, Incarnation, Index, Term, release::Release};
use whitewater_mutation::Mutations;
use whitewater_replica::wal::{Record, Settings, Wal};

const SETTINGS: Settings = Settings {
    owner: Incarnation(1),
    segment_bytes: 256 << 10,
    release: Release::Newest,
    mutations: Mutations::none(),
};
const ENTRY_BYTES: usize = 100;
const BATCHES: u64 = 1_000;

/// The entries of a batch, and the hard state that commits the one before.
fn batches(entries: u64) -> Vec<Vec<Record>> {
    let batch = |number: u64| {
        let first = number * entries + 1;
        let entry = |index| {
            let data = Bytes::from(vec![7; ENTRY_BYTES]);
            Record::Entry(Entry { term: 1, index, data, ..Entry::default() })
        };
        let state = Record::HardState { term: Term(1), vote: None, commit: Index(first - 1) };
        (first..first + entries).map(entry).chain([state]).collect()
    };
    (0..BATCHES).map(batch).collect()
}

fn new_log() -> (Wal, Vec<DiskOp>) {
    let mut ops = Vec::new();
    let wal = Wal::create(SETTINGS, &mut ops);
    (wal, ops)
}

fn write(wal: &mut Wal, batches: &[Vec<Record>], ops: &mut Vec<DiskOp>) {
    for records in batches {
        for record in records {
            wal.append(record);
        }
        let batch = wal.flush(ops).expect("there are records");
        wal.on_durable(batch);
    }
}

/// What a disk holds on which all of this was carried out.
fn image(ops: &[DiskOp]) -> DiskImage {
    let length = |bytes: u64| usize::try_from(bytes).expect("files are small");
    let mut files: BTreeMap<FileName, Vec<u8>> = BTreeMap::new();
    for op in ops {
        match op {
            DiskOp::Create { file } => drop(files.insert(file.clone(), Vec::new())),
            DiskOp::SetLength { file, length: bytes } => {
                files.get_mut(file).expect("it was created").resize(length(*bytes), 0);
            }
            DiskOp::Write { file, offset, bytes } => {
                let file = files.get_mut(file).expect("it was created");
                let (start, end) = (length(*offset), length(*offset) + bytes.len());
                file.resize(end.max(file.len()), 0);
                file[start..end].copy_from_slice(bytes);
            }
            DiskOp::Rename { from, to } => {
                let bytes = files.remove(from).expect("it was created");
                files.insert(to.clone(), bytes);
            }
            DiskOp::Remove { file } => drop(files.remove(file)),
            DiskOp::Sync { .. } | DiskOp::SyncDirectory => {}
        }
    }
    files.into_iter().map(|(name, bytes)| (name, Bytes::from(bytes))).collect()
}

fn wal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wal");
    for entries in [1, 16] {
        let batches = batches(entries);
        group.throughput(Throughput::Elements(BATCHES));
        group.bench_function(format!("append_flush/{entries}"), |bencher| {
            bencher.iter_batched(
                new_log,
                |(mut wal, mut ops)| {
                    write(&mut wal, &batches, &mut ops);
                    (wal, ops)
                },
                BatchSize::LargeInput,
            );
        });
        let (mut wal, mut ops) = new_log();
        write(&mut wal, &batches, &mut ops);
        let image = image(&ops);
        group.throughput(Throughput::Elements(BATCHES * entries));
        group.bench_function(format!("recover/{entries}"), |bencher| {
            bencher.iter(|| {
                let mut ops = Vec::new();
                let found = Wal::recover(SETTINGS, &image, &mut ops);
                black_box(found.expect("nothing is damaged"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, wal);
criterion_main!(benches);
