//! Watermarks that the rows themselves carry: a marked row says that its own time is reached.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};

use super::running::{RowPromise, RunningGenerator};
use super::{ArrivingRows, promise};
use crate::expr::ExprRef;
use crate::{Error, Result};

/// Moves only with rows for which a condition is true.
pub type PunctuatedGenerator = RunningGenerator<Punctuated>;

impl PunctuatedGenerator {
    /// `marker` is a boolean over the row.
    pub fn new(marker: ExprRef) -> Self {
        Self::by(Punctuated { marker })
    }
}

/// Each row for which a condition is true promises its own time.
#[derive(Debug, Clone)]
pub struct Punctuated {
    pub(super) marker: ExprRef,
}

impl Punctuated {
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

impl RowPromise for Punctuated {
    fn promised(&self, arriving: &ArrivingRows<'_>) -> Result<impl Fn(usize, i64) -> Option<i64>> {
        let marked = self.marked(arriving.rows)?;
        let is_marked = move |row: usize| marked.is_valid(row) && marked.value(row);
        Ok(move |row, time| is_marked(row).then(|| promise(time)))
    }
}
