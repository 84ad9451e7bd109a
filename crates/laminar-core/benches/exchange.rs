//! What it costs to deal rows out to workers by key: hashing, and gathering each worker's rows.
//!
//! `cargo bench -p laminar-core --bench exchange`

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laminar_core::ChangeBatch;
use laminar_core::tpc::{KeyRouter, KeySpec};

/// That of the binary: the other one gives large buffers back to the system with every batch.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_ROWS: i64 = 65_536;

/// A key, a value and a time: what the windows of `laminar bench` take.
fn batch() -> ChangeBatch {
    let keys: ArrayRef = Arc::new((0..BATCH_ROWS).map(|row| Some(row * 7_919 % 1_000_003)).collect::<Int64Array>());
    let values: ArrayRef = Arc::new((0..BATCH_ROWS).map(|row| Some(row % 100)).collect::<Int64Array>());
    let times: ArrayRef = Arc::new((0..BATCH_ROWS).map(|row| Some(row * 20)).collect::<TimestampMicrosecondArray>());
    ChangeBatch::append(
        RecordBatch::try_from_iter([("key", keys), ("value", values), ("ts", times)]).expect("columns of one length"),
    )
}

fn exchange(c: &mut Criterion) {
    let changes = batch();
    let mut group = c.benchmark_group("exchange");
    group.throughput(Throughput::Elements(BATCH_ROWS.unsigned_abs()));
    for workers in [2, 4, 8] {
        let key = KeySpec::ColumnIndices(vec![0]);
        let mut router = KeyRouter::new(&key, &changes.schema(), workers).expect("columns that can be keys");
        group.bench_function(format!("{workers} workers"), |bencher| bencher.iter(|| router.route(black_box(changes.clone()))));
    }
    group.finish();
}

criterion_group!(benches, exchange);
criterion_main!(benches);
