//! What a derived `Row` is made of: a field, a column, a batch, and the way back.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};

use super::Cell;
use crate::{Code, Error, Result};

/// The column called `name` for a field of type `T`.
pub fn field<T: Cell>(name: &str) -> Field {
    Field::new(name, T::data_type(), T::NULLABLE)
}

/// The columns as a schema.
pub fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

/// One field of all rows as a column.
pub fn column<'a, T: Cell + 'a>(values: impl Iterator<Item = &'a T>) -> ArrayRef {
    T::column(values.map(Some))
}

/// A batch of `rows` rows.
pub fn batch(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// The values of one field, row by row.
#[derive(Debug)]
pub struct Values<T>(std::vec::IntoIter<T>);

impl<T> Values<T> {
    /// The value of the next row. A column has one for each row of its batch, so an error is a mistake of ours.
    pub fn next_row(&mut self) -> Result<T> {
        self.0.next().ok_or_else(|| Error::internal("a column with fewer values than its batch has rows"))
    }
}

/// The values of the column called `name`: those of field `field` of struct `row`, which are named in errors.
pub fn values<T: Cell>(batch: &RecordBatch, name: &str, row: &str, field: &str) -> Result<Values<T>> {
    let schema = batch.schema();
    let Some((index, found)) = schema.column_with_name(name) else {
        return Err(missing(&schema, name, row, field));
    };
    if !T::accepts(found.data_type()) {
        let (is, wanted) = (found.data_type(), T::data_type());
        return Err(Error::new(Code::TypeMismatch, format!("column '{name}' is {is}, but field '{field}' of {row} is {wanted}"))
            .with_hint(format!("cast the column in the query, or change the field's type to that of {is}")));
    }
    let values = T::read(batch.column(index))?.into_iter().enumerate().map(|(at, value)| {
        value.or_else(T::null).ok_or_else(|| {
            let why = if batch.column(index).is_null(at) { "NULL" } else { "outside of what the field can hold" };
            Error::new(Code::BadData, format!("column '{name}' is {why} in row {at}, but field '{field}' of {row} cannot be"))
                .with_hint(format!("make the field an Option, or leave such rows out: WHERE {name} IS NOT NULL"))
        })
    });
    Ok(Values(values.collect::<Result<Vec<T>>>()?.into_iter()))
}

fn missing(schema: &Schema, name: &str, row: &str, field: &str) -> Error {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let distance = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let near = names.iter().map(|other| (distance(other), *other)).min().filter(|(edits, _)| *edits <= 2.max(name.len() / 3));
    let hint = match near {
        Some((_, near)) => format!("did you mean #[row(name = \"{near}\")]? the columns are: {}", names.join(", ")),
        None => format!("the columns are: {}", names.join(", ")),
    };
    Error::new(Code::UnknownColumn, format!("there is no column '{name}' for field '{field}' of {row}")).with_hint(hint)
}
