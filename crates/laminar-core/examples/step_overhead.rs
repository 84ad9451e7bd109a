//! Measures what a step costs by itself: three nodes, one row, nothing to compute.
//!
//! `cargo run --release -p laminar-core --example step_overhead`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::dag::{DagBuilder, Node, Outlet, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::reactor::Reactor;
use laminar_core::time::{SystemClock, Watermark};
use laminar_core::{ChangeBatch, NodeId, Result, StepId};

const STEPS: u32 = 2_000_000;

/// Counts rows.
struct Count(Arc<AtomicU64>);

impl Outlet for Count {
    fn deliver(&mut self, _: StepId, changes: &[ChangeBatch], _: Watermark, _: i64) {
        let rows: usize = changes.iter().map(ChangeBatch::len).sum();
        self.0.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)]))
}

/// A source, a projection onto one of its columns, an output.
fn nodes() -> Result<(Vec<Node>, NodeId, NodeId)> {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", schema(), SourceSpec::TIMELESS);
    let projected = dag.project("p", source, vec![("b", Column::new(&schema(), 1))]);
    let output = dag.output("o", projected);
    Ok((dag.finish()?, source, output))
}

#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement reads the clock and prints")]
fn measure(name: &str, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..STEPS / 10 {
        step()?;
    }
    let start = Instant::now();
    for _ in 0..STEPS {
        step()?;
    }
    println!("{name:<44} {:>6.0} ns", start.elapsed().as_nanos() as f64 / f64::from(STEPS));
    Ok(())
}

fn main() -> Result<()> {
    let columns = [vec![1_i64], vec![2]].map(|column| Arc::new(Int64Array::from(column)) as _);
    let row = ChangeBatch::append(RecordBatch::try_new(schema(), columns.to_vec())?);

    let rows = Arc::new(AtomicU64::new(0));
    measure("clone a row (part of all that follows)", || {
        std::hint::black_box(row.clone());
        Ok(())
    })?;

    let (all, source, output) = nodes()?;
    let mut reactor = Reactor::new(Arc::new(SystemClock));
    reactor.attach(all)?;
    reactor.subscribe(output, Box::new(Count(rows.clone())), false)?;
    let other = ChangeBatch::append(RecordBatch::try_new(
        reactor.graph().properties(source).map(|edge| edge.schema.clone()).unwrap_or_else(schema),
        row.rows().columns().to_vec(),
    )?);
    measure("reactor: push one row and poll", || {
        reactor.push(source, other.clone())?;
        reactor.poll().map(|_| ())
    })?;
    measure("reactor: poll without work", || reactor.poll().map(|_| ()))?;
    assert_eq!(rows.load(Ordering::Relaxed), 2 * u64::from(STEPS + STEPS / 10), "no row was lost");
    Ok(())
}
