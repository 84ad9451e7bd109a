//! `FORMAT UPSERT`: a row is written by its key, and `op` says when the row of its key goes. The letters are those of Flink's row kinds.

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use laminar_core::Result;

use super::told::Told;
use super::{Rows, optional, refused, text_at};
use crate::formats::changelog::OP;

/// `op`, then the row. Only the key must be there: more is looked at where it is known whether the row comes or goes.
pub(super) fn records(rows: &Rows) -> Result<SchemaRef> {
    if rows.key.is_empty() {
        return Err(refused(
            "FORMAT UPSERT needs a PRIMARY KEY: it tells which row is replaced or goes".to_owned(),
            "declare it: CREATE SOURCE name (id BIGINT PRIMARY KEY, …)",
        ));
    }
    if rows.declared.fields().iter().any(|field| field.name().eq_ignore_ascii_case(OP)) {
        return Err(refused(
            format!("FORMAT UPSERT reads the column '{OP}' itself, so the rows cannot have one"),
            "leave the column out; it says +I, +U, -U or -D",
        ));
    }
    let fields = rows.declared.fields().iter().enumerate().map(|(column, field)| {
        let field = field.as_ref().clone();
        if rows.key.contains(&column) { field } else { field.with_nullable(true) }
    });
    let op = optional(OP, DataType::Utf8);
    Ok(SchemaRef::new(Schema::new(std::iter::once(op).chain(fields).collect::<Vec<_>>())))
}

pub(super) fn tell(_: &Rows, records: &RecordBatch) -> Result<Told> {
    let mut told = Told::new(vec![records.columns()[1..].to_vec()]);
    for record in 0..records.num_rows() {
        match text_at(records.column(0), record).as_deref() {
            None | Some("+I" | "+U") => told.push(record, 0, 1),
            Some("-U" | "-D") => told.push(record, 0, -1),
            Some(other) => told.push_bad(record, format!("op is '{other}', which is none of +I, +U, -U and -D")),
        }
    }
    Ok(told)
}
