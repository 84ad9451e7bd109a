//! What programs push into tables: held to the table's rules before it comes in.

use arrow_array::{ArrayRef, new_null_array};
use laminar_core::{ChangeBatch, Result};

use super::Engine;
use crate::catalog::{DefaultValue, TableRules, nullable, repeated};
use crate::statements::block_on;

impl Engine {
    /// The changes that a program pushes into `name`, with all columns. Fails if a row that comes breaks a rule of the table.
    pub(crate) fn admitted(&self, name: &str, changes: ChangeBatch) -> Result<ChangeBatch> {
        let Some(object) = self.catalog.get(name) else { return Ok(changes) };
        let Some(rules) = object.rules() else { return object.check_lengths(changes.rows()).map(|()| changes) };
        let whole = self.with_absent_columns(rules, &changes)?.unwrap_or(changes);
        // The push itself refuses rows with other columns, and says what is wrong.
        if !rules.are_more_than_types() || whole.check_schema(&rules.schema).is_err() {
            return Ok(whole);
        }
        let rows = rules.with_generated(whole.rows().clone())?;
        let whole =
            if rules.generated.is_empty() { whole } else { whole.with_columns(rows.schema(), rows.columns().to_vec())? };
        if whole.is_append() {
            rules.check(whole.rows())?;
        } else {
            let comes: Vec<bool> = (0..whole.len()).map(|row| whole.weight(row) > 0).collect();
            rules.check(whole.filter(&comes.into())?.rows())?;
        }
        Ok(whole)
    }

    /// The changes with those columns of a table that they lack, if each of these has a default or is generated.
    fn with_absent_columns(&self, rules: &TableRules, changes: &ChangeBatch) -> Result<Option<ChangeBatch>> {
        let (rows, fields) = (changes.rows(), rules.schema.fields());
        if rows.num_columns() == fields.len() {
            return Ok(None);
        }
        let is_absent = |column: usize| rows.column_by_name(fields[column].name()).is_none();
        let fills_itself = |column: usize| rules.default_of(column).is_some() || rules.generated_at(column).is_some();
        let absent = (0..fields.len()).filter(|column| is_absent(*column)).count();
        let has_others = rows.num_columns() + absent != fields.len();
        if has_others || (0..fields.len()).any(|column| is_absent(column) && !fills_itself(column)) {
            return Ok(None);
        }
        let columns = (0..fields.len()).map(|column| match rows.column_by_name(fields[column].name()) {
            Some(given) => Ok(given.clone()),
            None => self.filled(rules, column, rows.num_rows()),
        });
        Ok(Some(changes.with_columns(nullable(&rules.schema), columns.collect::<Result<_>>()?)?))
    }

    fn filled(&self, rules: &TableRules, column: usize, rows: usize) -> Result<ArrayRef> {
        let field = rules.schema.field(column);
        match rules.default_of(column).map(|default| &default.value) {
            None => Ok(new_null_array(field.data_type(), rows)),
            Some(DefaultValue::Constant(value)) => repeated(value, rows),
            Some(DefaultValue::PerStatement(query, text)) => {
                let (now, memory) = (self.clock.now(), self.settings.query_memory);
                repeated(&block_on(self.planner.default_value(query, text, field, now, memory))?, rows)
            }
        }
    }
}
