//! Runs an operator over written steps and writes down what readers see after each of them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::changelog::print_all;
use laminar_core::operator::{Operator, OperatorContext};
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Port, StepId};

pub(super) const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// The columns of the rows in a story: `ts`, `k`.
pub(super) fn columns() -> SchemaRef {
    let column = |name, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![column("ts", TIME), column("k", DataType::Utf8)]))
}

/// Each step is rows (`+1 | 00:10 | a`), or `watermark 01:00`, or `end`, or `clock 00:05` (wall clock); what it shows, puts
/// rejected and wishes to be woken for follows it.
pub(super) fn tell(operator: &mut dyn Operator, steps: &[&str]) -> String {
    let (mut story, mut watermark, mut now) = (String::new(), Watermark::START, 0);
    for step in steps {
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        if let Some(time) = step.strip_prefix("clock ") {
            now = nanos(time);
        }
        let mut cx = OperatorContext::new(StepId(0), now, watermark, &mut out, &mut rejected, &mut wake_at);
        match (step.split_once(' '), *step) {
            (Some(("watermark", time)), _) => watermark = Watermark(nanos(time)),
            (_, "end") => watermark = Watermark::END,
            (Some(("clock", _)), _) => {}
            _ => operator.on_changes(Port::LEFT, ChangeBatch::parse(&columns(), step).unwrap(), &mut cx).unwrap(),
        }
        if watermark > cx.watermark() {
            operator.on_watermark(watermark, &mut cx).unwrap();
        }
        operator.end_step(&mut cx).unwrap();
        story.push_str(&format!("> {step}\n"));
        story.extend(Some(print_all(&out)).filter(|rows| !rows.is_empty()).map(|rows| rows + "\n"));
        story.extend(rejected.iter().flat_map(|rejected| &rejected.reasons).map(|reason| format!("rejected: {reason}\n")));
        story.extend(wake_at.map(|at| format!("wakes after {} s\n", (at - now) / 1_000_000_000)));
    }
    story
}

/// Nanoseconds of a time such as `00:10`.
fn nanos(time: &str) -> i64 {
    let row = ChangeBatch::parse(&columns(), &format!("+1 | {time} | x")).unwrap();
    row.column(0).as_primitive::<TimestampMillisecondType>().value(0) * 1_000_000
}
