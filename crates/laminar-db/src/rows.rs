//! Rows that a statement answers with.

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::SchemaRef;
use laminar_core::Result;

use crate::Notice;

/// A result: columns and batches of one consistent step.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Names and types.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// What is to be known beside them: that rows are missing, and why.
    pub notices: Vec<Notice>,
}

impl From<RecordBatch> for Rows {
    fn from(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: vec![batch], notices: Vec::new() }
    }
}

impl Rows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every value as text, row by row; NULL is `NULL`.
    pub fn to_strings(&self) -> Vec<Vec<String>> {
        self.batches.iter().flat_map(|batch| strings(batch).unwrap_or_default()).collect()
    }
}

fn strings(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<Vec<_>, _>>()?;
    Ok((0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()).collect())
}
