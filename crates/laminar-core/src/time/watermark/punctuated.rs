//! Watermarks that the rows themselves carry: a marked row says that its own time is reached.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_buffer::ScalarBuffer;

use super::{ArrivingRows, WatermarkGenerator, promise, running, saved};
use crate::expr::ExprRef;
use crate::time::Watermark;
use crate::{Error, Result};

/// Moves only with rows for which a condition is true.
#[derive(Debug, Clone)]
pub struct PunctuatedGenerator {
    marker: ExprRef,
    watermark: i64,
}

impl PunctuatedGenerator {
    /// `marker` is a boolean over the row.
    pub fn new(marker: ExprRef) -> Self {
        Self { marker, watermark: i64::MIN }
    }

    /// Which rows are marked. A row whose condition cannot be evaluated is not.
    fn marked(&self, rows: &RecordBatch) -> Result<BooleanArray> {
        if let Ok(marks) = self.marker.evaluate(rows) {
            let marks: Option<&BooleanArray> = marks.as_boolean_opt();
            return marks.cloned().ok_or_else(|| Error::internal("the marker of a watermark is not a condition"));
        }
        let one = |row| self.marker.evaluate(&rows.slice(row, 1)).ok();
        let mark = |row| one(row).is_some_and(|mark| mark.as_boolean_opt().is_some_and(|mark| mark.is_valid(0) && mark.value(0)));
        Ok((0..rows.num_rows()).map(|row| Some(mark(row))).collect())
    }
}

impl WatermarkGenerator for PunctuatedGenerator {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        let marked = self.marked(arriving.rows)?;
        let is_marked = |row: usize| marked.is_valid(row) && marked.value(row);
        Ok(running::run(&mut self.watermark, arriving, |row, time| is_marked(row).then(|| promise(time))))
    }

    fn watermark(&self) -> Watermark {
        Watermark(self.watermark)
    }

    fn advance_to(&mut self, watermark: Watermark) {
        self.watermark = self.watermark.max(watermark.0);
    }

    fn save(&self) -> Vec<i64> {
        vec![self.watermark]
    }

    fn load(&mut self, numbers: &[i64]) -> Result<()> {
        [self.watermark] = saved(numbers)?;
        Ok(())
    }
}
