//! What a statement puts into columns for which it gives no value: their defaults, each computed once for the statement.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_select::interleave::interleave;
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{Insert, Name, SetColumn};

use super::insert::Target;
use super::select::SnapshotReading;
use crate::block_on::{block_on, unless_interrupted};
use crate::engine::{DefaultValue, TableRules, nullable, repeated};

/// The default of a column for one statement, as a column of one row.
fn default_of(rules: &TableRules, column: usize, reading: &SnapshotReading) -> Result<ArrayRef> {
    let field = rules.schema.field(column);
    match rules.default_of(column).map(|default| &default.value) {
        None => Ok(new_null_array(field.data_type(), 1)),
        Some(DefaultValue::Constant(value)) => Ok(Arc::clone(value)),
        Some(DefaultValue::PerStatement(query, text)) => {
            let SnapshotReading { planner, now, memory, interrupt, .. } = reading;
            let value = planner.default_value(query, text, field, *now, *memory);
            // Its place is in another statement, that which made the table.
            block_on(unless_interrupted(value, interrupt))
                .map_err(|error| Error::new(error.code(), error.message()).within(format!("default of '{}'", field.name())))
        }
    }
}

/// Makes whole rows of those that an INSERT gives.
pub(super) struct Filler<'a> {
    insert: &'a Insert,
    into: &'a Target,
    given: &'a [usize],
    /// The defaults of columns that need one, each a column of one row.
    defaults: Vec<(usize, ArrayRef)>,
}

impl<'a> Filler<'a> {
    /// `given`: the columns that the statement fills, in its order.
    pub(super) fn new(insert: &'a Insert, into: &'a Target, given: &'a [usize], reading: &SnapshotReading) -> Result<Self> {
        let mut defaults = Vec::new();
        if let Some(rules) = &into.rules {
            let asked = |column: usize| insert.to_default.iter().any(|(_, place)| given.get(*place) == Some(&column));
            let needed = (0..into.schema.fields().len()).filter(|column| !given.contains(column) || asked(*column));
            for column in needed.filter(|column| rules.default_of(*column).is_some()) {
                defaults.push((column, default_of(rules, column, reading)?));
            }
        }
        Ok(Self { insert, into, given, defaults })
    }

    /// The rows with all columns: those that the statement does not give have their defaults, or NULL. Fails if a rule is broken.
    pub(super) fn complete(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let schema = &self.into.schema;
        let columns = (0..schema.fields().len()).map(|column| self.column(column, rows)).collect::<Result<Vec<_>>>()?;
        if let Some(rules) = &self.into.rules {
            return rules.checked(RecordBatch::try_new(nullable(schema), columns)?);
        }
        let missing =
            schema.fields().iter().zip(&columns).find(|(field, column)| !field.is_nullable() && column.null_count() > 0);
        if let Some((field, _)) = missing {
            let text = format!("column '{}' of '{}' is NOT NULL", field.name(), self.insert.table.text);
            return Err(Error::new(Code::BadData, text).with_hint("give every row a value for it"));
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }

    fn column(&self, column: usize, rows: &RecordBatch) -> Result<ArrayRef> {
        let data_type = self.into.schema.field(column).data_type();
        let default = self.defaults.iter().find(|(other, _)| *other == column).map(|(_, default)| default);
        let Some(place) = self.given.iter().position(|given| *given == column) else {
            return default
                .map_or_else(|| Ok(new_null_array(data_type, rows.num_rows())), |default| repeated(default, rows.num_rows()));
        };
        let asked: Vec<usize> =
            self.insert.to_default.iter().filter(|(_, column)| *column == place).map(|(row, _)| *row).collect();
        if let (Some(rules), Some(name)) = (&self.into.rules, self.insert.columns.get(place))
            && asked.len() < rows.num_rows()
        {
            refuse_generated(rules, column, name)?;
        }
        match default {
            Some(default) if !asked.is_empty() => with_default(rows.column(place), default, &asked),
            _ => Ok(rows.column(place).clone()),
        }
    }
}

/// `values` with `default`, a column of one row, in `rows`.
fn with_default(values: &ArrayRef, default: &ArrayRef, rows: &[usize]) -> Result<ArrayRef> {
    let mut places: Vec<(usize, usize)> = (0..values.len()).map(|row| (0, row)).collect();
    rows.iter().for_each(|row| places[*row] = (1, 0));
    Ok(interleave(&[values.as_ref(), default.as_ref()], &places)?)
}

/// The values of columns that are set, with defaults where the statement says DEFAULT. Fails if it gives a generated column a value.
pub(super) fn set_values(
    rules: &TableRules,
    columns: &[SetColumn],
    places: &[usize],
    values: Vec<ArrayRef>,
    reading: &SnapshotReading,
) -> Result<Vec<ArrayRef>> {
    let of_column = |((column, place), values): ((&SetColumn, &usize), ArrayRef)| {
        if !column.to_default {
            return refuse_generated(rules, *place, &column.name).map(|()| values);
        }
        repeated(&default_of(rules, *place, reading)?, values.len())
    };
    columns.iter().zip(places).zip(values).map(of_column).collect()
}

/// Fails if the column is generated, so that no statement can give it a value.
fn refuse_generated(rules: &TableRules, place: usize, name: &Name) -> Result<()> {
    let Some(generated) = rules.generated_at(place) else { return Ok(()) };
    let text = format!("column '{}' of '{}' is generated, so it takes no value", name.text, rules.table);
    Err(Error::new(Code::InvalidQuery, text).with_hint(format!("leave it out: it is always {}", generated.text)).at(name.span))
}
