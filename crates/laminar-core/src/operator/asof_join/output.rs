//! What an ASOF join shows: left rows beside right ones, or beside NULLs.

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter;
use arrow_select::take::{take, take_arrays};

use crate::limits::BATCH_ROWS_MAX;
use crate::operator::OperatorContext;
use crate::state::{RowId, TimedArrangement};
use crate::{ChangeBatch, Result};

/// Left rows by number, beside the right rows that they are joined with, with weights.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) left: Vec<u32>,
    pub(super) right: Vec<Option<RowId>>,
    pub(super) weights: Vec<i64>,
}

impl Shown {
    /// Rows that find nothing.
    pub(super) fn alone(changes: &ChangeBatch) -> Self {
        let rows = changes.len();
        Self { left: (0..rows as u32).collect(), right: vec![None; rows], weights: changes.weights().to_vec(rows) }
    }

    pub(super) fn push(&mut self, left: u32, right: Option<RowId>, weight: i64) {
        self.left.push(left);
        self.right.push(right);
        self.weights.push(weight);
    }
}

/// Puts rows together.
#[derive(Debug)]
pub(super) struct Output {
    /// Left columns, then right columns.
    pub(super) schema: SchemaRef,
    /// Whether a left row without a right one is shown.
    pub(super) is_outer: bool,
}

impl Output {
    /// Emits rows of `changes` beside rows of `right`.
    pub(super) fn of_changes(
        &self,
        changes: &ChangeBatch,
        shown: &Shown,
        right: &TimedArrangement,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        for from in (0..shown.left.len()).step_by(BATCH_ROWS_MAX) {
            let to = shown.left.len().min(from + BATCH_ROWS_MAX);
            let rows = UInt32Array::from(shown.left[from..to].to_vec());
            let left = take_arrays(changes.rows().columns(), &rows, None)?;
            self.emit(&left, &shown.right[from..to], &shown.weights[from..to], right, cx)?;
        }
        Ok(())
    }

    /// Emits left rows, each beside a row of `right`.
    pub(super) fn emit(
        &self,
        left: &[ArrayRef],
        found: &[Option<RowId>],
        weights: &[i64],
        right: &TimedArrangement,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let columns: Vec<ArrayRef> = left.iter().cloned().chain(self.beside(left.len(), found, right)?).collect();
        if self.is_outer || found.iter().all(Option::is_some) {
            cx.emit(self.batch(columns, weights.to_vec())?);
            return Ok(());
        }
        // A left row without a right one is no row of an inner join, and NULL is no value of its columns.
        let kept: BooleanArray = found.iter().map(|row_id| Some(row_id.is_some())).collect();
        let columns = columns.iter().map(|column| Ok(filter(column, &kept)?)).collect::<Result<_>>()?;
        let weights = weights.iter().zip(found).filter(|(_, found)| found.is_some()).map(|(weight, _)| *weight).collect();
        cx.emit(self.batch(columns, weights)?);
        Ok(())
    }

    /// The right columns of rows that stand beside `left` columns.
    fn beside(&self, left: usize, found: &[Option<RowId>], right: &TimedArrangement) -> Result<Vec<ArrayRef>> {
        let row_ids: Vec<RowId> = found.iter().flatten().copied().collect();
        if row_ids.is_empty() {
            let fields = &self.schema.fields()[left..];
            return Ok(fields.iter().map(|field| new_null_array(field.data_type(), found.len())).collect());
        }
        let rows = right.gather(&row_ids)?;
        if row_ids.len() == found.len() {
            return Ok(rows.columns().to_vec());
        }
        let mut next = 0..;
        let places: UInt32Array = found.iter().map(|row_id| row_id.and_then(|_| next.next())).collect();
        rows.columns().iter().map(|column| Ok(take(column, &places, None)?)).collect()
    }

    fn batch(&self, columns: Vec<ArrayRef>, weights: Vec<i64>) -> Result<ChangeBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
        Ok(ChangeBatch::new(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?, weights))
    }
}
