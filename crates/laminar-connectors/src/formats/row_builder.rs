//! Rows, added one by one; a row with a value that does not fit leaves no trace among the good ones.

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter;
use laminar_core::Result;

use super::cell::{Cell, CellOptions};
use super::column::{Column, Reason, column_of};

/// Columns that grow together.
pub struct RowBuilder {
    schema: SchemaRef,
    columns: Vec<Box<dyn Column>>,
    /// Whether each appended row is good.
    good: Vec<bool>,
    good_rows: usize,
}

impl RowBuilder {
    /// No rows of `schema`; refuses types that text cannot be read into.
    pub fn new(schema: SchemaRef, options: CellOptions) -> Result<Self> {
        let named = |field: &arrow_schema::FieldRef| {
            column_of(field.data_type(), options).map_err(|error| error.within(format_args!("column '{}'", field.name())))
        };
        let columns = schema.fields().iter().map(named).collect::<Result<_>>()?;
        Ok(Self { schema, columns, good: Vec::new(), good_rows: 0 })
    }

    /// The columns' names and types.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Good rows so far.
    pub fn rows(&self) -> usize {
        self.good_rows
    }

    /// Adds a row; `cell_of` gives the value of each column in turn. The first value that does not fit is the reason.
    pub fn append<'a>(&mut self, mut cell_of: impl FnMut(usize) -> Result<Cell<'a>, Reason>) -> Result<(), Reason> {
        let mut outcome = Ok(());
        for (index, column) in self.columns.iter_mut().enumerate() {
            let field = self.schema.field(index);
            let cell = if outcome.is_ok() { cell_of(index) } else { Ok(Cell::Null) };
            let appended = match &cell {
                Ok(Cell::Null) if !field.is_nullable() && outcome.is_ok() => {
                    column.append(&Cell::Null).and(Err("NULL, but the column is NOT NULL".to_owned()))
                }
                Ok(cell) => column.append(cell),
                Err(reason) => column.append(&Cell::Null).and(Err(reason.clone())),
            };
            if outcome.is_ok() {
                outcome = appended.map_err(|reason| format!("column '{}': {reason}", field.name()));
            }
        }
        self.good.push(outcome.is_ok());
        self.good_rows += usize::from(outcome.is_ok());
        outcome
    }

    /// The good rows; the builder is then empty.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let good = std::mem::take(&mut self.good);
        let rows = std::mem::take(&mut self.good_rows);
        let mut arrays = self.columns.iter_mut().map(|column| column.finish()).collect::<Result<Vec<_>>>()?;
        if rows < good.len() {
            let good = BooleanArray::from(good);
            arrays = arrays.iter().map(|array| filter(array, &good)).collect::<Result<_, _>>()?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}
