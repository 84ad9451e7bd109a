//! How many rows a second one core groups: a sanity check without statistics. Run with `--release`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use laminar_core::dag::{AggregateSpec, ChangeKind, EdgeProperties, Partitioning};
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::operator::group_aggregate::GroupAggregate;
use laminar_core::operator::{Operator, OperatorContext};
use laminar_core::time::{Clock, SystemClock, Watermark};
use laminar_core::{ChangeBatch, Port, Result, StepId};

const BATCH_ROWS: usize = 8_192;
const BATCHES_PER_STEP: usize = 8;
const STEPS: usize = 100;
const KEYS: u64 = 10_000;

#[expect(clippy::print_stdout, reason = "an example shows its result")]
fn main() -> Result<()> {
    let integers = [("count", None), ("sum", Some("i"))];
    let floats = [("count", None), ("sum", Some("f"))];
    let extremes = [("min", Some("i")), ("max", Some("i"))];
    let variance = [("stddev", Some("f"))];
    for (what, key, calls) in [
        ("count, sum(bigint) by bigint", "k", &integers[..]),
        ("count, sum(double) by bigint", "k", &floats),
        ("min, max(bigint) by bigint", "k", &extremes),
        ("stddev(double) by bigint", "k", &variance),
        ("count, sum(bigint) by text", "s", &integers),
    ] {
        for changes in [ChangeKind::Append, ChangeKind::Retract] {
            let rate = rate(key, calls, changes.clone())?;
            println!("{what:<30} {changes:<10?} {:>8.1} M rows/s", rate / 1e6);
        }
    }
    Ok(())
}

fn rate(key: &str, calls: &[(&str, Option<&str>)], changes: ChangeKind) -> Result<f64> {
    let batches: Vec<ChangeBatch> = (0..BATCHES_PER_STEP as u64).map(batch).collect::<Result<_>>()?;
    let mut operator = operator(&batches[0], key, calls, changes)?;
    run(&mut operator, &batches)?;
    let start = SystemClock.now();
    for _ in 0..STEPS {
        run(&mut operator, &batches)?;
    }
    let seconds = (SystemClock.now() - start) as f64 / 1e9;
    Ok((STEPS * BATCHES_PER_STEP * BATCH_ROWS) as f64 / seconds)
}

fn run(operator: &mut GroupAggregate, batches: &[ChangeBatch]) -> Result<()> {
    let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
    let mut cx = OperatorContext::new(StepId(0), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
    for batch in batches {
        operator.on_changes(Port::LEFT, batch.clone(), &mut cx)?;
    }
    operator.end_step(&mut cx)
}

fn operator(input: &ChangeBatch, key: &str, calls: &[(&str, Option<&str>)], changes: ChangeKind) -> Result<GroupAggregate> {
    let schema = input.schema();
    let column = |name: &str| Ok::<_, laminar_core::Error>(Column::new(&schema, schema.index_of(name)?));
    let mut aggregates = Vec::new();
    for (name, arg) in calls {
        let args = arg.iter().map(|arg| column(arg)).collect::<Result<Vec<_>>>()?;
        let types: Vec<_> = args.iter().map(|arg| arg.data_type().clone()).collect();
        let function = native(name, &types, &[], false)?.expect("a native function");
        aggregates.push(AggregateCall { function, args, filter: None, name: (*name).to_owned() });
    }
    let keys = vec![column(key)?];
    let mut fields = vec![Field::new(key, keys[0].data_type().clone(), true)];
    fields.extend(aggregates.iter().map(|call| Field::new(&call.name, call.function.return_type().clone(), true)));
    let edge = EdgeProperties { partitioning: Partitioning::Single, ..EdgeProperties::new(schema.clone(), changes) };
    GroupAggregate::new(&AggregateSpec { keys, aggregates }, &edge, Arc::new(Schema::new(fields)))
}

fn batch(number: u64) -> Result<ChangeBatch> {
    let random = |row: u64| (number * BATCH_ROWS as u64 + row).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let rows = || (0..BATCH_ROWS as u64).map(random);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(rows().map(|r| (r % KEYS) as i64).collect::<Int64Array>())),
        ("s", Arc::new(rows().map(|r| Some(format!("key {}", r % KEYS))).collect::<StringArray>())),
        ("i", Arc::new(rows().map(|r| (r >> 7 & 0xffff) as i64).collect::<Int64Array>())),
        ("f", Arc::new(rows().map(|r| (r >> 7 & 0xffff) as f64 * 0.01).collect::<Float64Array>())),
    ];
    Ok(ChangeBatch::append(RecordBatch::try_from_iter(columns)?))
}
