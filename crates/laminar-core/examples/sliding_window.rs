//! Counts rows in windows of one minute that begin every twenty seconds, without SQL and without a graph.
//!
//! `cargo run --release -p laminar-core --example sliding_window`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use laminar_core::operator::sliding_window::{SlidingWindowAssigner, SlidingWindowOperator};
use laminar_core::operator::window::{CountAggregator, EmitStrategy, LateDataConfig};
use laminar_core::operator::{Operator, OperatorContext};
use laminar_core::time::{EventTime, Watermark};
use laminar_core::{ChangeBatch, Port, Result, StepId};

const SECOND: i64 = 1_000_000_000;

/// One step: rows, then how far time has come. Prints what comes out.
fn step(windows: &mut SlidingWindowOperator, rows: &ChangeBatch, before: i64, now: i64) -> Result<()> {
    let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
    let mut cx = OperatorContext::new(StepId(1), 0, Watermark(before), &mut out, &mut rejected, &mut wake_at);
    windows.on_changes(Port::LEFT, rows.clone(), &mut cx)?;
    windows.on_watermark(Watermark(now), &mut cx)?;
    windows.end_step(&mut cx)?;
    println!("until {:>3} s:", now / SECOND);
    out.iter().for_each(|changes| println!("  {}", changes.print().replace('\n', "\n  ")));
    rejected.iter().for_each(|late| println!("  {} row(s) too late: {}", late.reasons.len(), late.reasons[0]));
    Ok(())
}

fn main() -> Result<()> {
    let assigner = SlidingWindowAssigner::new(Duration::from_secs(60), Duration::from_secs(20));
    for (start, end) in assigner.assign_windows(EventTime(70 * SECOND))? {
        println!("a row of second 70 is in the window from {} to {}", start.0 / SECOND, end.0 / SECOND);
    }

    let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let schema = Arc::new(Schema::new(vec![Field::new("ts", time, false), Field::new("user", DataType::Utf8, true)]));
    let mut windows = SlidingWindowOperator::new(assigner, CountAggregator::new(), Duration::ZERO)
        .with_emit_strategy(EmitStrategy::OnWatermark)
        .with_late_data(LateDataConfig::drop().with_side_output());

    let rows = |text: &str| ChangeBatch::parse(&schema, text);
    step(&mut windows, &rows("+1 | 00:00:05 | ann ; +1 | 00:00:25 | bob ; +1 | 00:01:10 | ann")?, i64::MIN, 60 * SECOND)?;
    step(&mut windows, &rows("+1 | 00:01:15 | eve")?, 60 * SECOND, 100 * SECOND)?;
    step(&mut windows, &rows("+1 | 00:00:10 | too late")?, 100 * SECOND, 120 * SECOND)?;
    println!("{:?}", windows.late_data_metrics());
    Ok(())
}
