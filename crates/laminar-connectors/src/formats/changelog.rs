//! Weights written out for places that know only rows: each row as often as its weight says, with `op` if it can go.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take_record_batch;
use laminar_core::{ChangeBatch, Code, Error, Result};

/// The column that says what happens to a row.
pub const OP: &str = "op";
/// `op` of a row that comes.
pub const INSERT: &str = "+I";
/// `op` of a row that goes.
pub const DELETE: &str = "-D";

/// `op`, then the columns of `schema`.
pub fn schema_with_op(schema: &Schema) -> SchemaRef {
    let op = Arc::new(Field::new(OP, DataType::Utf8, false));
    let fields: Vec<_> = std::iter::once(op).chain(schema.fields().iter().cloned()).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Each row as often as its weight says; refuses rows that go.
pub fn inserted_rows(changes: &ChangeBatch) -> Result<RecordBatch> {
    if changes.is_append() {
        return Ok(changes.rows().clone());
    }
    if (0..changes.len()).any(|row| changes.weight(row) < 0) {
        return Err(Error::new(Code::NotAppendOnly, "a row was taken back, but this sink can only append"));
    }
    Ok(take_record_batch(changes.rows(), &repeated(changes))?)
}

/// Each row as often as its weight says, with `op` as the first column; `schema` is [`schema_with_op`] of the rows'.
pub fn rows_with_op(changes: &ChangeBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let (rows, ops): (RecordBatch, ArrayRef) = if changes.is_append() {
        (changes.rows().clone(), Arc::new(StringArray::from(vec![INSERT; changes.len()])))
    } else {
        let places = repeated(changes);
        let op = |row: &u32| if changes.weight(*row as usize) > 0 { INSERT } else { DELETE };
        let ops = StringArray::from_iter_values(places.values().iter().map(op));
        (take_record_batch(changes.rows(), &places)?, Arc::new(ops))
    };
    let columns = std::iter::once(ops).chain(rows.columns().iter().cloned()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// The number of each row, as often as its weight says.
fn repeated(changes: &ChangeBatch) -> UInt32Array {
    let rows = (0..changes.len()).flat_map(|row| {
        let times = usize::try_from(changes.weight(row).unsigned_abs()).unwrap_or(usize::MAX);
        std::iter::repeat_n(row as u32, times)
    });
    UInt32Array::from_iter_values(rows)
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;

    use super::*;

    #[test]
    fn weights_become_repeated_rows() {
        let rows = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef)]).unwrap();
        let changes = ChangeBatch::new(rows, vec![2, -1, 0]);
        let shown = rows_with_op(&changes, &schema_with_op(&changes.schema())).unwrap();
        let ops: Vec<_> = shown.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(ops, ["+I", "+I", "-D"]);
        assert_eq!(inserted_rows(&changes).unwrap_err().code(), Code::NotAppendOnly);
    }
}
