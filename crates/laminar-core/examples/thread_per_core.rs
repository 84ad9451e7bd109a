//! Counts the clicks of each user on several cores, with a bounded queue in front of each and results taken out on the way.
//!
//! `cargo run --release -p laminar-core --example thread_per_core`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::dag::{DagBuilder, Node, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::operator::window::{CountAggregator, WindowAggregator};
use laminar_core::tpc::{BackpressureConfig, CoreOutput, Event, Lane, OverflowStrategy, ThreadPerCoreRuntime, TpcConfig};
use laminar_core::{ChangeBatch, Result};

const BATCHES: i64 = 200;
const BATCH_ROWS: i64 = 4_096;
const USERS: i64 = 1_000;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("user", DataType::Int64, false)]))
}

/// `SELECT user, count(*) FROM clicks GROUP BY user`, built by each core for itself.
fn counts(_core: usize) -> Result<Vec<Node>> {
    let mut dag = DagBuilder::new();
    let clicks = dag.source("clicks", schema(), SourceSpec::TIMELESS);
    let by_user = vec![("user", Column::new(&schema(), 0))];
    let counts = dag.aggregate("counts", clicks, by_user, vec![CountAggregator::new().call()?]);
    dag.output("counts", counts);
    dag.finish()
}

fn clicks(number: i64) -> Result<ChangeBatch> {
    let users = Int64Array::from_iter_values((0..BATCH_ROWS).map(|row| (number * BATCH_ROWS + row) * 7 % USERS));
    Ok(ChangeBatch::append(RecordBatch::try_new(schema(), vec![Arc::new(users)])?))
}

/// Adds the changes of an output to what it showed before.
fn add(totals: &mut BTreeMap<i64, i64>, output: &CoreOutput) {
    let Some(changes) = output.changes() else { return };
    let column = |column| changes.column(column).as_primitive::<Int64Type>().values();
    for (row, (user, count)) in column(0).iter().zip(column(1)).enumerate() {
        *totals.entry(*user).or_default() += count * changes.weight(row);
    }
}

fn main() -> Result<()> {
    let backpressure = BackpressureConfig::builder()
        .exclusive_credits(16_384)
        .floating_credits(16_384)
        .overflow_strategy(OverflowStrategy::Block)
        .build()?;
    let config = TpcConfig::builder().num_cores(4).key_columns(vec!["user"]).cpu_pinning(true).numa_aware(true);
    let mut runtime = ThreadPerCoreRuntime::new(config.backpressure(backpressure).build()?)?;
    runtime.attach(counts)?;

    let source = runtime.source("clicks")?;
    let mut totals = BTreeMap::new();
    for number in 0..BATCHES {
        // What a caller waits for overtakes the rest.
        let lane = if number % 10 == 0 { Lane::Latency } else { Lane::Main };
        runtime.submit(Event::new(source, clicks(number)?).on(lane))?;
        runtime.poll_each(|output| add(&mut totals, output))?;
    }
    runtime.end(source)?;
    let (cores, credits) = (runtime.cores().len(), runtime.credit_metrics());
    runtime.shutdown(|output| add(&mut totals, output))?;

    let clicks: i64 = totals.values().sum();
    println!("{clicks} clicks of {} users, counted on {cores} cores", totals.len());
    for (core, credits) in credits.iter().enumerate() {
        println!(
            "core {core}: {} rows taken in by the main lane, waited for credits {} times",
            credits.acquired, credits.blocked
        );
    }
    assert_eq!(clicks, BATCHES * BATCH_ROWS, "every click is counted once");

    let error = TpcConfig::builder().num_cores(4).build().map(|_| ()).unwrap_err();
    println!("without a key: {error}");
    Ok(())
}
