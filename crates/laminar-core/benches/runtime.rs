//! What cores of a runtime do together: `cargo bench -p laminar-core --bench runtime`.
//!
//! Batches are dealt out by key to 1 and to 2 cores, each of which keeps a count, a sum and an average of every key current and hands
//! out what changed. The thread that submits also routes the rows and takes the results in, so it is one more that wants a processor.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laminar_core::dag::{DagBuilder, Node, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::time::{Clock, SystemClock};
use laminar_core::tpc::{BackpressureConfig, Event, ThreadPerCoreRuntime, TpcConfig};
use laminar_core::{ChangeBatch, Result};

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_ROWS: i64 = 8_192;
const BATCHES: i64 = 256;
const KEYS: i64 = 10_000;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(["k", "v"].map(|name| Field::new(name, DataType::Int64, false)).to_vec()))
}

fn call(name: &str) -> AggregateCall {
    let args = if name == "count" { Vec::new() } else { vec![Column::new(&schema(), 1)] };
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
    let function = native(name, &types, &[], false).expect("known types").expect("one of ours");
    AggregateCall { function, args, filter: None, name: name.to_owned() }
}

/// `SELECT k, count(*), sum(v), avg(v) FROM numbers GROUP BY k`.
fn totals(_core: usize) -> Result<Vec<Node>> {
    let mut dag = DagBuilder::new();
    let numbers = dag.source("numbers", schema(), SourceSpec::TIMELESS);
    let keys = vec![("k", Column::new(&schema(), 0))];
    let totals = dag.aggregate("totals", numbers, keys, ["count", "sum", "avg"].map(call).to_vec());
    dag.output("totals", totals);
    dag.finish()
}

fn batch(number: i64) -> ChangeBatch {
    let rows = number * BATCH_ROWS..(number + 1) * BATCH_ROWS;
    let keys = Int64Array::from_iter_values(
        rows.clone().map(|row| row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> 20).map(|key| key.rem_euclid(KEYS)),
    );
    let values = Int64Array::from_iter_values(rows.map(|row| row % 1_000));
    ChangeBatch::append(RecordBatch::try_new(schema(), vec![Arc::new(keys), Arc::new(values)]).expect("two columns"))
}

/// Nanoseconds from the first batch until everything is worked off, and the rows that came out.
fn run(cores: usize, batches: &[ChangeBatch]) -> Result<(u64, usize)> {
    let backpressure = BackpressureConfig::builder().exclusive_credits(1 << 17).build()?;
    let config = TpcConfig::builder().num_cores(cores).key_columns(vec!["k"]).cpu_pinning(true).backpressure(backpressure);
    let mut runtime = ThreadPerCoreRuntime::with_factory(config.build()?, totals)?;
    let source = runtime.source("numbers")?;
    let (began, mut rows) = (SystemClock.now(), 0);
    for batch in batches {
        runtime.submit(Event::new(source, batch.clone()))?;
        runtime.poll_each(|output| rows += output.changes().map_or(0, ChangeBatch::len))?;
    }
    runtime.shutdown(|output| rows += output.changes().map_or(0, ChangeBatch::len))?;
    Ok(((SystemClock.now() - began).unsigned_abs(), rows))
}

fn runtime(c: &mut Criterion) {
    let batches: Vec<ChangeBatch> = (0..BATCHES).map(batch).collect();
    let mut group = c.benchmark_group("runtime");
    group.throughput(Throughput::Elements((BATCHES * BATCH_ROWS) as u64)).sample_size(20);
    for cores in [1, 2] {
        group.bench_function(format!("totals/{cores}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut taken = 0;
                for _ in 0..iterations {
                    let (nanos, rows) = run(cores, &batches).expect("good rows");
                    assert!(rows > KEYS as usize, "results come out");
                    taken += nanos;
                }
                std::time::Duration::from_nanos(taken)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, runtime);
criterion_main!(benches);
