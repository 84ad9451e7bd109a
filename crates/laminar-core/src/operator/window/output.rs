//! Result rows: `window_start`, `window_end`, keys, aggregates. And what times they can show.

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, SchemaRef};
use arrow_select::take::take_record_batch;

use crate::operator::aggregate::Fault;
use crate::operator::{OperatorContext, RejectReason, RejectedRows};
use crate::time::Length;
use crate::time::event_time::{from_nanos, nanos_per_unit};
use crate::time::windows::{WindowShape, WindowUnit};
use crate::{ChangeBatch, Code, Error, Result};

/// Rows of results, column by column.
pub(in crate::operator) struct ResultRows {
    /// Nanoseconds.
    pub(in crate::operator) starts: Int64Array,
    /// Nanoseconds.
    pub(in crate::operator) ends: Int64Array,
    /// One column a key.
    pub(in crate::operator) keys: Vec<ArrayRef>,
    /// One column a call.
    pub(in crate::operator) results: Vec<ArrayRef>,
    /// One weight a row.
    pub(in crate::operator) weights: Vec<i64>,
    /// Results that could not be computed, by row.
    pub(in crate::operator) faults: Vec<Fault>,
}

impl ResultRows {
    /// Sends the rows to all readers, and rejects those with faults as well.
    pub(in crate::operator) fn emit(self, schema: &SchemaRef, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        columns.push(from_nanos(&self.starts, schema.field(0).data_type())?);
        columns.push(from_nanos(&self.ends, schema.field(1).data_type())?);
        columns.extend(self.keys);
        columns.extend(self.results);
        let options = RecordBatchOptions::new().with_row_count(Some(self.weights.len()));
        let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        reject_faults(&rows, self.faults, cx)?;
        cx.emit(ChangeBatch::new(rows, self.weights));
        Ok(())
    }
}

fn reject_faults(rows: &RecordBatch, mut faults: Vec<Fault>, cx: &mut OperatorContext<'_>) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    faults.sort_by_key(|fault| fault.position);
    faults.dedup_by_key(|fault| fault.position);
    let pane_refs = UInt32Array::from_iter_values(faults.iter().map(|fault| fault.position as u32));
    let rows = take_record_batch(rows, &pane_refs)?;
    cx.reject(RejectedRows {
        reason: RejectReason::Error,
        rows,
        reasons: faults.into_iter().map(|fault| fault.reason).collect(),
    });
    Ok(())
}

/// Refuses windows whose bounds a column like `time` cannot show.
pub(in crate::operator) fn check_alignment(shape: &WindowShape, time: &Field) -> Result<()> {
    let unit = unit_of(time)?;
    let (width, offset, in_zone) = match shape.unit {
        WindowUnit::Nanos { offset, zone } => (shape.validate().map(|()| shape.pane_width())?, offset, zone.is_some()),
        WindowUnit::Months { offset, zone } => (0, offset.nanos, zone.is_some()),
    };
    // Clocks are set to whole seconds of UTC.
    let zone_misses = in_zone && matches!(time.data_type(), DataType::Date32);
    if width % unit == 0 && offset % unit == 0 && !zone_misses {
        return Ok(());
    }
    Err(too_coarse(format!("windows of {shape}"), time))
}

/// Refuses sessions whose ends a column like `time` cannot show.
pub(in crate::operator) fn check_gap(gap: i64, time: &Field) -> Result<()> {
    match gap {
        gap if gap <= 0 => Err(Error::new(Code::InvalidWindow, "the gap of a session must be greater than zero")),
        gap if gap > i64::MAX / 3 => {
            Err(Error::new(Code::InvalidWindow, "the gap of a session is longer than event time allows"))
        }
        gap if gap % unit_of(time)? == 0 => Ok(()),
        gap => Err(too_coarse(format!("sessions with a gap of {}", Length::Nanos(gap)), time)),
    }
}

fn unit_of(time: &Field) -> Result<i64> {
    let data_type = time.data_type();
    let no_time = || Error::new(Code::TypeMismatch, format!("column '{}' is {data_type}, not a time", time.name()));
    nanos_per_unit(data_type).ok_or_else(no_time)
}

fn too_coarse(what: String, time: &Field) -> Error {
    let (name, data_type) = (time.name(), time.data_type());
    Error::new(Code::InvalidWindow, format!("{what} over '{name}' would start and end between two values of {data_type}"))
        .with_hint(format!("write CAST({name} AS TIMESTAMP), or choose longer windows"))
}
