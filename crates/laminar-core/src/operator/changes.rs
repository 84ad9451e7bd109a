//! Tells the changes of each step as rows: what reads them sees rows that only come.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::SchemaRef;

use super::{Operator, OperatorContext};
use crate::changelog::{Change, changes_of, consolidate_all};
use crate::graph::{ChangeKind, EdgeProperties};
use crate::limits::BATCH_ROWS_MAX;
use crate::{ChangeBatch, Port, Result};

/// Holds the changes of a step until it ends, since what a step changes and changes back is no change.
#[derive(Debug)]
pub struct Changes {
    input: SchemaRef,
    output: SchemaRef,
    /// By which columns rows of the input are replaced.
    key: Option<Vec<usize>>,
    waiting: Vec<ChangeBatch>,
}

impl Changes {
    /// The operator over `input`.
    pub fn new(input: &EdgeProperties, output: SchemaRef) -> Self {
        let key = if let ChangeKind::Upsert(key) = &input.changes { Some(key.clone()) } else { None };
        Self { input: input.schema.clone(), output, key, waiting: Vec::new() }
    }

    fn tell(&self, changes: &ChangeBatch, all: &[Change], cx: &mut OperatorContext<'_>) -> Result<()> {
        let times = |row: usize| usize::try_from(changes.weight(row).unsigned_abs()).unwrap_or(usize::MAX);
        let mut told = (0..changes.len() as u32).flat_map(|row| std::iter::repeat_n(row, times(row as usize)));
        loop {
            let picked: Vec<u32> = told.by_ref().take(BATCH_ROWS_MAX).collect();
            if picked.is_empty() {
                return Ok(());
            }
            let steps: ArrayRef = Arc::new(UInt64Array::from(vec![cx.step().0; picked.len()]));
            let ops: ArrayRef = Arc::new(StringArray::from_iter_values(picked.iter().map(|row| all[*row as usize].as_str())));
            let rows = changes.take(&picked.into())?;
            let columns = [steps, ops].into_iter().chain(rows.rows().columns().iter().cloned()).collect();
            cx.emit(ChangeBatch::append(RecordBatch::try_new(self.output.clone(), columns)?));
        }
    }
}

impl Operator for Changes {
    fn on_changes(&mut self, _: Port, changes: ChangeBatch, _: &mut OperatorContext<'_>) -> Result<()> {
        self.waiting.push(changes.without_arrivals());
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let changes = match waiting.iter().all(ChangeBatch::is_append) {
            // Rows that only come are told in their order, each for itself.
            true => ChangeBatch::concat(&self.input, &waiting)?,
            false => consolidate_all(&self.input, &waiting)?,
        };
        let all = changes_of(&changes, self.key.as_deref())?;
        self.tell(&changes, &all, cx)
    }
}
