//! No row is behind the watermark unless its source said so when it arrived.

use arrow_array::{Array, Int64Array};

use crate::graph::{EdgeProperties, TimeColumn};
use crate::time::Watermark;
use crate::time::event_time::to_nanos;
use crate::{ChangeBatch, Error, Result};

/// Checks every time column of `changes` against what was promised before they came.
pub(super) fn check(edge: &EdgeProperties, changes: &ChangeBatch, promised: Watermark) -> Result<()> {
    for time in &edge.time_columns {
        let values = to_nanos(changes.column(time.column))?;
        if let Some(row) = (0..changes.len()).find(|row| is_behind(*time, &values, changes, *row, promised)) {
            let name = edge.schema.field(time.column).name();
            let text =
                format!("row {row} has {name} = {}, behind the watermark {promised}", crate::time::EventTime(values.value(row)));
            return Err(Error::internal(text));
        }
    }
    Ok(())
}

fn is_behind(time: TimeColumn, values: &Int64Array, changes: &ChangeBatch, row: usize, promised: Watermark) -> bool {
    if values.is_null(row) || values.value(row) >= promised.held_back(time.lag).0 {
        return false;
    }
    let said_so = |arrivals: &arrow_buffer::ScalarBuffer<i64>| values.value(row) < Watermark(arrivals[row]).held_back(time.lag).0;
    !changes.arrivals().is_some_and(said_so)
}
