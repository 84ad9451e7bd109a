//! The columns of an object's late rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::Result;
use laminar_core::operator::RejectedRows;
use laminar_sql::plan::is_window_bound;

/// Which columns the late rows of an object have: those of its first window's input, all nullable, and the reason.
#[derive(Debug, Clone)]
pub(crate) struct LateColumns {
    /// The columns as they reach the window.
    input: SchemaRef,
    /// The columns of `input` that are shown.
    shown: Vec<usize>,
    schema: SchemaRef,
}

impl LateColumns {
    pub(crate) fn new(input: &SchemaRef) -> Self {
        let shown: Vec<usize> =
            (0..input.fields().len()).filter(|column| !is_window_bound(input.field(*column).name())).collect();
        let mut fields: Vec<Field> = Vec::with_capacity(shown.len() + 1);
        for column in &shown {
            let field = input.field(*column);
            let name = free_name(&fields, field.name());
            fields.push(Field::new(name, field.data_type().clone(), true));
        }
        let taken = fields.iter().any(|field| field.name() == "reason");
        let reason = free_name(&fields, if taken { "late_reason" } else { "reason" });
        fields.push(Field::new(reason, DataType::Utf8, false));
        Self { input: input.clone(), shown, schema: Arc::new(Schema::new(fields)) }
    }

    /// Of an object without windows, which has no late rows: only the reason.
    pub(super) fn none() -> Self {
        Self::new(&Arc::new(Schema::empty()))
    }

    /// Names and types: the shown columns, then the reason.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Late rows in these columns. Those of a second window of the query may lack some; they are NULL then.
    pub(super) fn arrange(&self, side: &RejectedRows) -> Result<RecordBatch> {
        let reasons: ArrayRef = Arc::new(StringArray::from_iter_values(&side.reasons));
        let theirs = side.rows.schema();
        let same = theirs.fields() == self.input.fields();
        let found = self.shown.iter().map(|column| {
            let field = self.input.field(*column);
            let place = if same { Some(*column) } else { theirs.index_of(field.name()).ok() };
            let fitting = place.map(|place| side.rows.column(place)).filter(|found| found.data_type() == field.data_type());
            fitting.cloned().unwrap_or_else(|| new_null_array(field.data_type(), side.rows.num_rows()))
        });
        let columns = found.chain(std::iter::once(reasons)).collect();
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// `name`, or `name_2` and so on if a column is called so already, as after a join.
fn free_name(fields: &[Field], name: &str) -> String {
    let is_free = |name: &String| fields.iter().all(|field| field.name() != name);
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_late_column_has_a_name_of_its_own() {
        let check = |input: &[&str], expected: &[&str]| {
            let fields: Vec<Field> = input.iter().map(|name| Field::new(*name, DataType::Int64, false)).collect();
            let columns = LateColumns::new(&Arc::new(Schema::new(fields)));
            let names: Vec<&str> = columns.schema().fields().iter().map(|field| field.name().as_str()).collect();
            assert_eq!(names, expected, "{input:?}");
        };
        check(&[], &["reason"]);
        check(&["k", "ts"], &["k", "ts", "reason"]);
        check(&["id", "ts", "id"], &["id", "ts", "id_2", "reason"]);
        check(&["reason", "ts"], &["reason", "ts", "late_reason"]);
        check(&["ts", "__assigned_start", "__assigned_end"], &["ts", "reason"]);
    }
}
