//! Rows in error as text: what operators rejected in the form of what sources could not read, and both as a table.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_connectors::BadRow;
use laminar_core::Result;
use laminar_core::operator::RejectedRows;

/// The columns of `<object>$errors`.
pub(super) fn error_schema() -> SchemaRef {
    Arc::new(Schema::new(["raw", "reason", "position"].map(|name| Field::new(name, DataType::Utf8, false)).to_vec()))
}

/// The rows as a table.
pub(super) fn error_table<'a>(rows: impl Iterator<Item = &'a BadRow> + Clone) -> Result<RecordBatch> {
    let column =
        |pick: fn(&BadRow) -> &str| Arc::new(rows.clone().map(|row| Some(pick(row))).collect::<StringArray>()) as ArrayRef;
    let columns = vec![column(|row| &row.raw), column(|row| &row.reason), column(|row| &row.position)];
    Ok(RecordBatch::try_new(error_schema(), columns)?)
}

/// Rows of an operator, each as `column=value, …`.
pub(super) fn as_bad_rows(side: &RejectedRows, position: &str) -> Vec<BadRow> {
    bad_rows(&side.rows, &side.reasons, position)
}

/// Each row as `column=value, …`, with its reason.
pub(super) fn bad_rows(rows: &RecordBatch, reasons: &[String], position: &str) -> Vec<BadRow> {
    let pairs = texts(rows).into_iter().zip(reasons);
    pairs.map(|(raw, reason)| BadRow { raw, reason: reason.clone(), position: position.to_owned() }).collect()
}

fn texts(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let schema = rows.schema();
    let columns: Vec<_> = rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect();
    let value = |row: usize, column: usize| match &columns[column] {
        Ok(formatter) => format!("{}={}", schema.field(column).name(), formatter.value(row)),
        Err(error) => format!("{}=? ({error})", schema.field(column).name()),
    };
    (0..rows.num_rows()).map(|row| (0..columns.len()).map(|c| value(row, c)).collect::<Vec<_>>().join(", ")).collect()
}
