//! The changes of one step as a reader is told them: what each row does.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_connectors::formats::distinct::distinct_schema;
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Result, StepId};

/// What a change does to the reader's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `+I`: a new row.
    Insert,
    /// `-U`: the row before an update.
    UpdateBefore,
    /// `+U`: the row after an update.
    UpdateAfter,
    /// `-D`: a row that is gone.
    Delete,
}

impl Change {
    /// The two characters that people read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Change::Insert => "+I",
            Change::UpdateBefore => "-U",
            Change::UpdateAfter => "+U",
            Change::Delete => "-D",
        }
    }
}

/// The changes of one step.
#[derive(Debug, Clone)]
pub struct ChangeSet {
    /// The step.
    pub step: StepId,
    /// Rows and weights.
    pub changes: ChangeBatch,
    /// What each row of `changes` does.
    pub operations: Vec<Change>,
}

impl ChangeSet {
    /// The rows with the columns `step` (UINT64) and `op` (`+I`, `-U`, `+U`, `-D`) before their own, each as often as its
    /// weight says.
    pub fn with_operations(&self) -> Result<RecordBatch> {
        let times = |row: usize| usize::try_from(self.changes.weight(row).unsigned_abs()).unwrap_or(1);
        let picked: Vec<u32> = (0..self.changes.len()).flat_map(|row| std::iter::repeat_n(row as u32, times(row))).collect();
        let operations: StringArray = picked.iter().map(|row| Some(self.operations[*row as usize].as_str())).collect();
        let steps = UInt64Array::from(vec![self.step.0; picked.len()]);
        let each_once = picked.len() == self.changes.len() && (0..self.changes.len()).all(|row| times(row) == 1);
        // Mostly every row comes or goes once: then its columns are shared, not copied.
        let rows = if each_once { self.changes.rows().clone() } else { self.changes.take(&picked.into())?.rows().clone() };
        let mut columns: Vec<ArrayRef> = vec![Arc::new(steps), Arc::new(operations)];
        columns.extend(rows.columns().iter().cloned());
        Ok(RecordBatch::try_new(schema_with_operations(&rows.schema()), columns)?)
    }
}

/// `step` and `op`, then the columns of `schema`: the columns of [`ChangeSet::with_operations`]. Columns of the rows that are
/// called so too are shown as `step_2` and `op_2`.
pub fn schema_with_operations(schema: &SchemaRef) -> SchemaRef {
    let mut fields = vec![Field::new("step", DataType::UInt64, false), Field::new("op", DataType::Utf8, false)];
    fields.extend(schema.fields().iter().map(|field| field.as_ref().clone()));
    distinct_schema(&Arc::new(Schema::new(fields)))
}

/// How an object's changes are told to its readers.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    pub(crate) kind: ChangeKind,
    /// Of an update, the new row alone.
    pub(crate) latest_only: bool,
}

impl Description {
    /// The changes of a step with what each of them does.
    pub(crate) fn of(&self, step: StepId, changes: ChangeBatch) -> Result<ChangeSet> {
        let operations = operations(&changes, &self.kind)?;
        if !self.latest_only {
            return Ok(ChangeSet { step, changes, operations });
        }
        let keep: Vec<bool> = operations.iter().map(|operation| *operation != Change::UpdateBefore).collect();
        let changes = changes.filter(&arrow_array::BooleanArray::from(keep))?;
        let operations = operations.into_iter().filter(|operation| *operation != Change::UpdateBefore).collect();
        Ok(ChangeSet { step, changes, operations })
    }
}

/// What each row does. In an upsert stream a retraction and an insertion of one key within a step are one update.
fn operations(changes: &ChangeBatch, kind: &ChangeKind) -> Result<Vec<Change>> {
    let plain = |row: usize| if changes.weight(row) > 0 { Change::Insert } else { Change::Delete };
    let mut operations: Vec<Change> = (0..changes.len()).map(plain).collect();
    let ChangeKind::Upsert(key) = kind else { return Ok(operations) };
    let columns: Vec<_> = key.iter().map(|column| changes.column(*column).clone()).collect();
    let types: Vec<_> = columns.iter().map(|column| arrow_array::Array::data_type(column).clone()).collect();
    let keys = laminar_core::changelog::RowKeys::new(&types)?.encode(&columns, changes.len())?;
    let mut removed = std::collections::BTreeMap::new();
    for row in (0..changes.len()).filter(|row| changes.weight(*row) < 0) {
        removed.insert(keys.row(row), row);
    }
    for row in (0..changes.len()).filter(|row| changes.weight(*row) > 0) {
        if let Some(before) = removed.get(&keys.row(row)) {
            operations[*before] = Change::UpdateBefore;
            operations[row] = Change::UpdateAfter;
        }
    }
    Ok(operations)
}
