//! What must hold for every row of a table, by whichever way it comes in.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use crate::engine::TextLengths;

/// The rules of one table.
#[derive(Debug)]
pub(crate) struct TableRules {
    /// The table's name.
    pub(crate) table: String,
    /// Its columns.
    pub(crate) schema: SchemaRef,
    /// The columns of its primary key; none if it has no key.
    pub(crate) key: Vec<usize>,
    /// How long its texts may be.
    pub(crate) lengths: TextLengths,
}

impl TableRules {
    /// The rows with the table's own schema; fails at the first rule that one of them breaks. They have the table's columns, in which
    /// anything may be NULL.
    pub(crate) fn checked(&self, rows: RecordBatch) -> Result<RecordBatch> {
        self.refuse_nulls(&rows)?;
        self.lengths.check(&rows)?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), rows.columns().to_vec())?)
    }

    /// Fails if rows that were computed for the table have other columns than it has now.
    pub(crate) fn refuse_other_columns(&self, rows: &RecordBatch) -> Result<()> {
        if *rows.schema_ref() == self.schema {
            return Ok(());
        }
        let text = format!("'{}' was created anew while the rows were computed", self.table);
        Err(Error::new(Code::ObjectInUse, text).with_hint("run the statement again"))
    }

    /// The names of the key's columns.
    pub(crate) fn key_names(&self) -> String {
        self.key.iter().map(|column| self.schema.field(*column).name().as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The key of a row as people read it: `(id) = (7)`.
    pub(crate) fn key_text(&self, rows: &RecordBatch, row: usize) -> String {
        let value = |column: &usize| arrow_cast::display::array_value_to_string(rows.column(*column), row).unwrap_or_default();
        format!("({}) = ({})", self.key_names(), self.key.iter().map(value).collect::<Vec<_>>().join(", "))
    }

    fn refuse_nulls(&self, rows: &RecordBatch) -> Result<()> {
        let is_required = |column: usize| !self.schema.field(column).is_nullable() || self.key.contains(&column);
        let is_missing = |column: &usize| is_required(*column) && rows.column(*column).logical_null_count() > 0;
        let Some(missing) = (0..rows.num_columns()).find(is_missing) else { return Ok(()) };
        let text = format!("column '{}' of '{}' is NOT NULL", self.schema.field(missing).name(), self.table);
        Err(Error::new(Code::BadData, text).with_hint("give every row a value for it"))
    }
}
