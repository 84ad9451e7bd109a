//! What a push of one row costs through a filter and a running aggregate, in nanoseconds and allocations.
//!
//! `cargo run --release -p laminar-core --example small_steps [PART OF A NAME]`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow_ord::cmp::lt;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::alloc::{CountingAllocator, thread_allocations};
use laminar_core::dag::{DagBuilder, Outlet, SourceSpec};
use laminar_core::expr::{Column, CompareOp, ExprRef, ScalarExpr, compare_with_constant};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::reactor::Reactor;
use laminar_core::time::{Clock, SystemClock, Watermark};
use laminar_core::{ChangeBatch, NodeId, Result, StepId};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// Rows that are made before the clock is looked at.
const ROWS: i64 = 1_000;
const ROUNDS: usize = 1_000;

/// Counts rows.
struct Count(Arc<AtomicU64>);

impl Outlet for Count {
    fn deliver(&mut self, _: StepId, changes: &[ChangeBatch], _: Watermark, _: i64) {
        let rows: usize = changes.iter().map(ChangeBatch::len).sum();
        self.0.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// Key, value, time.
fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let columns = [("k", DataType::Int64), ("v", DataType::Int64), ("ts", time)];
    Arc::new(Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
}

/// Row by row, a batch for each, all of other keys.
fn batches(rows_each: i64) -> Result<Vec<ChangeBatch>> {
    let column = |row: i64, factor: i64| Arc::new((row..row + rows_each).map(|row| row * factor % ROWS).collect::<Int64Array>());
    let batch = |row: i64| {
        let times = TimestampNanosecondArray::from_iter_values(row..row + rows_each);
        let columns: [ArrayRef; 3] = [column(row, 1), column(row, 7), Arc::new(times)];
        Ok(ChangeBatch::append(RecordBatch::try_new(schema(), columns.to_vec())?))
    };
    (0..ROWS).map(batch).collect()
}

/// `v < 900` by Arrow's kernel, as DataFusion evaluates it.
#[derive(Debug)]
struct ByKernel;

impl ScalarExpr for ByKernel {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let values = rows.column(1).as_primitive::<Int64Type>();
        Ok(Arc::new(lt(values, &Int64Array::new_scalar(900))?))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        "v < 900".to_owned()
    }
}

/// `count(*), sum(v)`
fn calls() -> Result<Vec<AggregateCall>> {
    let call = |name: &str, column: Option<usize>| -> Result<AggregateCall> {
        let args: Vec<_> = column.iter().map(|column| Column::new(&schema(), *column)).collect();
        let types: Vec<_> = args.iter().map(|arg| arg.data_type().clone()).collect();
        let function = native(name, &types, &[], false)?.expect("one of ours");
        Ok(AggregateCall { function, args, filter: None, name: name.to_owned() })
    };
    Ok(vec![call("count", None)?, call("sum", Some(1))?])
}

/// What stands between the source and the output.
struct Query {
    name: &'static str,
    filter: Option<ExprRef>,
    aggregates: bool,
    rows_each: i64,
}

impl Query {
    fn build(&self, dag: &mut DagBuilder) -> Result<(NodeId, NodeId)> {
        let source = dag.source("s", schema(), SourceSpec::TIMELESS);
        let columns = || vec![("k", Column::new(&schema(), 0)), ("v", Column::new(&schema(), 1))];
        let mut last = source;
        if let Some(filter) = &self.filter {
            last = dag.compute("f", last, Some(filter.clone()), columns());
        }
        if self.aggregates {
            last = dag.aggregate("a", last, vec![("k", Column::new(&schema(), 0))], calls()?);
        }
        Ok((source, dag.output("o", last)))
    }

    #[expect(clippy::print_stdout, reason = "a measurement prints")]
    fn measure(&self) -> Result<()> {
        let mut dag = DagBuilder::new();
        let (source, output) = self.build(&mut dag)?;
        let mut reactor = Reactor::new(Arc::new(SystemClock));
        reactor.attach(dag.finish()?)?;
        let heard = Arc::new(AtomicU64::new(0));
        reactor.subscribe(output, Box::new(Count(heard.clone())), false)?;
        let batches: Vec<ChangeBatch> =
            batches(self.rows_each)?.into_iter().map(|batch| reactor_row(&reactor, source, &batch)).collect::<Result<_>>()?;
        let (mut times, mut allocations) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let waiting = batches.clone();
            let (before, began) = (thread_allocations(), SystemClock.now());
            for batch in waiting {
                reactor.push(source, batch)?;
                reactor.poll()?;
            }
            times.push(SystemClock.now() - began);
            allocations = (thread_allocations() - before).allocations;
        }
        times.sort_unstable();
        let ns = |part: usize| times[times.len() * part / 100] as f64 / ROWS as f64;
        let (allocated, heard) = (allocations as f64 / ROWS as f64, heard.load(Ordering::Relaxed) / ROUNDS as u64);
        println!(
            "{:<44} {:>6.0} ns, at best {:>6.0} ns, {allocated:>5.1} allocations, {heard} rows out",
            self.name,
            ns(50),
            ns(0)
        );
        Ok(())
    }
}

/// The batch under the source's own schema, as pushed rows have it.
fn reactor_row(reactor: &Reactor, source: NodeId, batch: &ChangeBatch) -> Result<ChangeBatch> {
    let schema = reactor.graph().properties(source).map_or_else(schema, |edge| edge.schema.clone());
    Ok(ChangeBatch::append(RecordBatch::try_new(schema, batch.rows().columns().to_vec())?))
}

fn main() -> Result<()> {
    let kernel = || Some(Arc::new(ByKernel) as ExprRef);
    let own = || compare_with_constant(&schema(), 1, CompareOp::Lt, &Int64Array::from(vec![900]), "v < 900".to_owned());
    let queries = [
        Query { name: "pass through", filter: None, aggregates: false, rows_each: 1 },
        Query { name: "filter by Arrow's kernel", filter: kernel(), aggregates: false, rows_each: 1 },
        Query { name: "filter", filter: own(), aggregates: false, rows_each: 1 },
        Query { name: "running aggregate", filter: None, aggregates: true, rows_each: 1 },
        Query { name: "filter by kernel, running aggregate", filter: kernel(), aggregates: true, rows_each: 1 },
        Query { name: "filter, running aggregate", filter: own(), aggregates: true, rows_each: 1 },
        Query { name: "the same, 8 rows a push", filter: own(), aggregates: true, rows_each: 8 },
    ];
    let part = std::env::args().nth(1).unwrap_or_default();
    queries.iter().filter(|query| query.name.contains(&part)).try_for_each(Query::measure)
}
