//! The expression that repeats an input column.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};

use super::{ExprRef, ScalarExpr};
use crate::Result;

/// Input column number `index`.
#[derive(Debug, Clone)]
pub struct Column {
    index: usize,
    name: String,
    data_type: DataType,
    nullable: bool,
}

impl Column {
    /// Column `index` of `schema`.
    ///
    /// # Panics
    /// If the schema has no such column.
    #[expect(clippy::new_ret_no_self, reason = "a column is only ever used as an expression")]
    pub fn new(schema: &Schema, index: usize) -> ExprRef {
        let field = schema.field(index);
        let (name, data_type) = (field.name().clone(), field.data_type().clone());
        Arc::new(Self { index, name, data_type, nullable: field.is_nullable() })
    }

    /// All columns of `schema`, in order.
    pub fn all(schema: &Schema) -> Vec<ExprRef> {
        (0..schema.fields().len()).map(|index| Self::new(schema, index)).collect()
    }
}

impl ScalarExpr for Column {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        Ok(rows.column(self.index).clone())
    }

    fn data_type(&self) -> &DataType {
        &self.data_type
    }

    fn nullable(&self) -> bool {
        self.nullable
    }

    fn as_column(&self) -> Option<usize> {
        Some(self.index)
    }

    fn display(&self) -> String {
        self.name.clone()
    }
}
