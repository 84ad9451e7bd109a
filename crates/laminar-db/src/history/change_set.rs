//! The changes of one step as a reader is told them: what each row does.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_connectors::formats::distinct::distinct_schema;
pub use laminar_core::changelog::Change;
use laminar_core::changelog::changes_of;
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Result, StepId};

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
        let key = if let ChangeKind::Upsert(key) = &self.kind { Some(key.as_slice()) } else { None };
        let operations = changes_of(&changes, key)?;
        if !self.latest_only {
            return Ok(ChangeSet { step, changes, operations });
        }
        let keep: Vec<bool> = operations.iter().map(|operation| *operation != Change::UpdateBefore).collect();
        let changes = changes.filter(&arrow_array::BooleanArray::from(keep))?;
        let operations = operations.into_iter().filter(|operation| *operation != Change::UpdateBefore).collect();
        Ok(ChangeSet { step, changes, operations })
    }
}
