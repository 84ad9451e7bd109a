//! What must hold for every row of a table, by whichever way it comes in, and what fills the columns that are not given.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use laminar_core::expr::{ExprRef, evaluate_isolating};
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::StreamQuery;

use crate::catalog::TextLengths;

/// The rules of one table.
#[derive(Debug)]
pub(crate) struct TableRules {
    /// The table's name.
    pub(crate) table: String,
    /// Its columns.
    pub(crate) schema: SchemaRef,
    /// The columns of its primary key; none if it has no key.
    pub(crate) key: Vec<usize>,
    /// How long its texts may be.
    pub(crate) lengths: TextLengths,
    /// What a column has if nothing is given, for those that have such a thing.
    pub(crate) defaults: Vec<ColumnDefault>,
    /// The columns that follow from others.
    pub(crate) generated: Vec<Generated>,
    pub(crate) checks: Vec<Check>,
}

/// `DEFAULT expr`.
#[derive(Debug)]
pub(crate) struct ColumnDefault {
    pub(crate) column: usize,
    pub(crate) value: DefaultValue,
}

/// Where a default comes from.
#[derive(Debug)]
pub(crate) enum DefaultValue {
    /// One value, the same for ever.
    Constant(ArrayRef),
    /// A query for each statement, and the text in which it stands.
    PerStatement(StreamQuery, String),
}

/// `GENERATED ALWAYS AS (expr) STORED`.
#[derive(Debug)]
pub(crate) struct Generated {
    pub(crate) column: usize,
    pub(crate) value: ExprRef,
    /// The expression as it was written.
    pub(crate) text: String,
}

/// `CHECK (expr)`.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) holds: ExprRef,
    /// The expression as it was written.
    pub(crate) text: String,
    /// The columns that it names.
    pub(crate) columns: Vec<String>,
}

impl TableRules {
    /// The rows with the table's own schema and its generated columns; fails at the first rule that one of them breaks. They have the table's
    /// columns, in which anything may be NULL.
    pub(crate) fn checked(&self, rows: RecordBatch) -> Result<RecordBatch> {
        let rows = self.with_generated(rows)?;
        self.refuse_nulls(&rows)?;
        self.check(&rows)?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), rows.columns().to_vec())?)
    }

    /// Fails at the first rule about values that a row breaks.
    pub(crate) fn check(&self, rows: &RecordBatch) -> Result<()> {
        self.lengths.check(rows)?;
        for check in &self.checks {
            let holds = check.holds.evaluate(rows).map_err(|error| error.within(format!("check '{}'", check.name)))?;
            if let Some(row) = first_false(&holds) {
                return Err(self.broken(check, rows, row));
            }
        }
        Ok(())
    }

    /// The rows with the values of generated columns, whatever stood there.
    pub(crate) fn with_generated(&self, rows: RecordBatch) -> Result<RecordBatch> {
        if self.generated.is_empty() {
            return Ok(rows);
        }
        let mut columns = rows.columns().to_vec();
        for generated in &self.generated {
            let name = self.schema.field(generated.column).name();
            columns[generated.column] =
                generated.value.evaluate(&rows).map_err(|error| error.within(format!("generated column '{name}'")))?;
        }
        Ok(RecordBatch::try_new(nullable(&self.schema), columns)?)
    }

    /// Whether there is more to hold rows to than types and NOT NULL.
    pub(crate) fn are_more_than_types(&self) -> bool {
        !self.checks.is_empty() || !self.generated.is_empty() || !self.lengths.is_empty()
    }

    /// Rows that come from elsewhere than a statement, with generated columns; and those that break a rule about values, ascending, each with its
    /// first reason. NOT NULL is looked at where rows are stored.
    pub(crate) fn sorted_out(&self, rows: &RecordBatch) -> Result<(RecordBatch, Vec<(usize, String)>)> {
        let mut faults = Vec::new();
        let mut columns = rows.columns().to_vec();
        for generated in &self.generated {
            let (values, bad) = evaluate_isolating(generated.value.as_ref(), rows)?;
            let name = self.schema.field(generated.column).name();
            faults.extend(bad.into_iter().map(|bad| (bad.row, format!("generated column '{name}': {}", bad.reason))));
            if !self.schema.field(generated.column).is_nullable() {
                let nulls = (0..values.len()).filter(|row| values.is_null(*row));
                faults.extend(nulls.map(|row| (row, format!("column '{name}' is NULL, which it must not be"))));
            }
            columns[generated.column] = values;
        }
        let rows = if self.generated.is_empty() { rows.clone() } else { RecordBatch::try_new(nullable(&self.schema), columns)? };
        faults.extend(self.lengths.faults(&rows));
        for check in &self.checks {
            let (holds, bad) = evaluate_isolating(check.holds.as_ref(), &rows)?;
            faults.extend(bad.into_iter().map(|bad| (bad.row, format!("check '{}': {}", check.name, bad.reason))));
            let holds = holds.as_boolean();
            let is_false = |row: &usize| holds.is_valid(*row) && !holds.value(*row);
            faults.extend(
                (0..rows.num_rows()).filter(is_false).map(|row| (row, self.broken(check, &rows, row).message().to_owned())),
            );
        }
        faults.sort_by_key(|(row, _)| *row);
        faults.dedup_by_key(|(row, _)| *row);
        Ok((rows, faults))
    }

    /// The default of a column, if it has one.
    pub(crate) fn default_of(&self, column: usize) -> Option<&ColumnDefault> {
        self.defaults.iter().find(|default| default.column == column)
    }

    /// How a column is generated, if it is.
    pub(crate) fn generated_at(&self, column: usize) -> Option<&Generated> {
        self.generated.iter().find(|generated| generated.column == column)
    }

    /// Whether rows keep their keys when other columns than these are as before.
    pub(crate) fn keeps_keys(&self, set: &[usize]) -> bool {
        !self.key.iter().any(|column| set.contains(column) || self.generated_at(*column).is_some())
    }

    /// The names of the key's columns.
    pub(crate) fn key_names(&self) -> String {
        self.key.iter().map(|column| self.schema.field(*column).name().as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The key of a row as people read it: `(id) = (7)`.
    pub(crate) fn key_text(&self, rows: &RecordBatch, row: usize) -> String {
        let values: Vec<String> = self.key.iter().map(|column| value_text(rows.column(*column), row)).collect();
        format!("({}) = ({})", self.key_names(), values.join(", "))
    }

    fn refuse_nulls(&self, rows: &RecordBatch) -> Result<()> {
        let is_required = |column: usize| !self.schema.field(column).is_nullable() || self.key.contains(&column);
        let is_missing = |column: &usize| is_required(*column) && rows.column(*column).logical_null_count() > 0;
        let Some(missing) = (0..rows.num_columns()).find(is_missing) else { return Ok(()) };
        let text = format!("column '{}' of '{}' is NOT NULL", self.schema.field(missing).name(), self.table);
        Err(Error::new(Code::BadData, text).with_hint("give every row a value for it"))
    }

    fn broken(&self, check: &Check, rows: &RecordBatch, row: usize) -> Error {
        let text = format!("a row of '{}' breaks the check '{}': {}", self.table, check.name, self.row_text(rows, row, check));
        Error::new(Code::BadData, text).with_hint(format!("it must not be false that {}", check.text))
    }

    /// The values of a row that a check is about; of all columns if it names none.
    fn row_text(&self, rows: &RecordBatch, row: usize, check: &Check) -> String {
        let fields = self.schema.fields().iter().enumerate();
        let named = fields.filter(|(_, field)| check.columns.is_empty() || check.columns.contains(field.name()));
        let shown = named.map(|(column, field)| format!("{} = {}", field.name(), value_text(rows.column(column), row)));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// A column that has one value in every row.
pub(crate) fn repeated(value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    Ok(take(value, &UInt32Array::from(vec![0; rows]), None)?)
}

/// The columns, each of which may be NULL: those of rows that are not checked yet.
pub(crate) fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<_> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    Arc::new(arrow_schema::Schema::new(fields))
}

fn first_false(holds: &ArrayRef) -> Option<usize> {
    let holds = holds.as_boolean();
    (0..holds.len()).find(|row| holds.is_valid(*row) && !holds.value(*row))
}

/// A value as people read it, cut where it is long.
fn value_text(column: &ArrayRef, row: usize) -> String {
    const SHOWN: usize = 60;
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let text = arrow_cast::display::array_value_to_string(column, row).unwrap_or_default();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
