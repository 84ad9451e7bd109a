//! Rejects rows that came too late: each with its reason, and of a join's inputs all that could have met what is forgotten.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;

use super::{OperatorContext, RejectReason, RejectedRows};
use crate::graph::{TimeColumn, late_schema};
use crate::time::event_time::to_nanos;
use crate::time::{EventTime, Watermark};
use crate::{ChangeBatch, Port, Result};

/// Rejects the late rows `rows` of `changes`, each with its reason.
pub(super) fn reject_late(
    changes: &ChangeBatch,
    rows: Vec<u32>,
    reasons: Vec<String>,
    cx: &mut OperatorContext<'_>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let retracted = |row: &u32| changes.weight(*row as usize) < 0;
    let mark = |(row, reason): (&u32, String)| if retracted(row) { format!("retraction: {reason}") } else { reason };
    let reasons = rows.iter().zip(reasons).map(mark).collect();
    let rows = take_record_batch(changes.rows(), &UInt32Array::from(rows))?;
    cx.reject(RejectedRows { reason: RejectReason::Late, rows, reasons });
    Ok(())
}

/// Leaves late rows out and rejects them.
#[derive(Debug)]
pub(super) struct LateRows {
    times: [TimeColumn; 2],
    /// Left columns, then right columns, all nullable.
    schema: SchemaRef,
    left_width: usize,
}

impl LateRows {
    pub(super) fn new(times: [TimeColumn; 2], left: &SchemaRef, right: &SchemaRef) -> Self {
        Self { times, schema: Arc::new(late_schema(left, right)), left_width: left.fields().len() }
    }

    /// The changes that are in time.
    pub(super) fn leave_out(&self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        let time = self.times[port.index()];
        let times = to_nanos(changes.column(time.column))?;
        let is_late = |row: &usize| is_late(&times, &changes, *row, time, cx.watermark());
        let late: Vec<usize> = (0..changes.len()).filter(is_late).collect();
        if late.is_empty() {
            return Ok(changes);
        }
        let name = changes.schema().field(time.column).name().clone();
        let reason = |row: &usize| {
            let (time, reached) = (EventTime(times.value(*row)), reached(&changes, *row, time, cx.watermark()));
            format!("{name} {time} is behind the watermark {reached}: rows that it would meet may be forgotten")
        };
        let reasons = late.iter().map(reason).collect();
        reject_late(&self.beside_nulls(port, &changes)?, late.iter().map(|row| *row as u32).collect(), reasons, cx)?;
        let mut keep = vec![true; changes.len()];
        late.iter().for_each(|row| keep[*row] = false);
        changes.filter(&BooleanArray::from(keep))
    }

    /// The rows of one side as rows of both.
    fn beside_nulls(&self, port: Port, changes: &ChangeBatch) -> Result<ChangeBatch> {
        let own = if port == Port::LEFT { 0..self.left_width } else { self.left_width..self.schema.fields().len() };
        let column = |(index, field): (usize, &Arc<arrow_schema::Field>)| -> ArrayRef {
            if own.contains(&index) {
                changes.column(index - own.start).clone()
            } else {
                new_null_array(field.data_type(), changes.len())
            }
        };
        let columns = self.schema.fields().iter().enumerate().map(column).collect();
        changes.with_columns(self.schema.clone(), columns)
    }
}

/// How far the time column had got when the row came: by its own source, or by all inputs if that was idle.
fn reached(changes: &ChangeBatch, row: usize, time: TimeColumn, watermark: Watermark) -> Watermark {
    let seen = changes.arrivals().map_or(watermark, |arrivals| Watermark(arrivals[row]).max(watermark));
    seen.held_back(time.lag)
}

fn is_late(times: &Int64Array, changes: &ChangeBatch, row: usize, time: TimeColumn, watermark: Watermark) -> bool {
    times.is_valid(row) && times.value(row) < reached(changes, row, time, watermark).0
}
