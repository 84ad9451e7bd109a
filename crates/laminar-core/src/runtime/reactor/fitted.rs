//! Looks at pushed rows at the border: whether they have the source's columns, and only insert where it only inserts.

use std::sync::Arc;

use arrow_array::Array;

use crate::graph::EdgeProperties;
use crate::{ChangeBatch, Code, Error, Result};

/// The changes with the schema of a source that has these properties, if they fit it.
pub(crate) fn fitted(properties: &EdgeProperties, changes: ChangeBatch) -> Result<ChangeBatch> {
    let (ours, theirs) = (&properties.schema, changes.rows().schema_ref());
    if !Arc::ptr_eq(ours, theirs) && changes.check_schema(ours).is_err() {
        let text = format!("rows with other columns than the source has: {}", columns(theirs));
        return Err(Error::new(Code::TypeMismatch, text).with_detail(format!("the source has {}", columns(ours))));
    }
    if properties.changes.is_append() && !changes.weights().is_ones() {
        let weight = (0..changes.len()).map(|row| changes.weight(row)).find(|weight| *weight != 1).unwrap_or(1);
        return Err(Error::new(Code::BadData, format!("a row with the weight {weight}, where rows are only ever added"))
            .with_hint("create the source WITH (changelog = 'true'), or push into a table"));
    }
    for (field, column) in ours.fields().iter().zip(changes.rows().columns()) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(Error::new(Code::BadData, format!("column {} is NOT NULL, but a row has NULL there", field.name())));
        }
    }
    changes.with_schema(ours)
}

/// Names and types, for messages.
fn columns(schema: &arrow_schema::Schema) -> String {
    let column = |field: &arrow_schema::FieldRef| format!("{} {}", field.name(), field.data_type());
    schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
}
