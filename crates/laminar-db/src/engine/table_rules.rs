//! What must hold for every row of a table, by whichever way it comes in, and what fills the columns that are not given.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use laminar_core::expr::{ExprRef, evaluate_isolating};
use laminar_core::{ChangeBatch, Code, Error, Result};
use laminar_sql::parse::StreamQuery;

use super::unique_keys::{Claim, TakenKey, Unique, Uniques};
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
    pub(crate) uniques: Uniques,
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

    /// What the table knows of its keys when `batches` have come in one after the other. Fails if two rows would have one key then.
    pub(crate) fn claimed(&self, batches: &[&ChangeBatch]) -> Result<Claim> {
        let taken = match self.uniques.claimed(batches)? {
            Ok(claim) => return Ok(claim),
            Err(taken) => taken,
        };
        let (unique, rows) = (&self.uniques.constraints[taken.constraint], batches[taken.place.0].rows());
        let columns = self.names_of(&unique.columns);
        let values = self.values_of(&unique.columns, rows, taken.place.1);
        let exists = if taken.is_new { "comes twice" } else { "already exists" };
        let hint =
            format!("INSERT … ON CONFLICT ({columns}) DO NOTHING leaves such a row out, DO UPDATE changes the one that is there");
        Err(Error::new(Code::BadData, self.taken_text(taken, rows))
            .with_detail(format!("Key ({columns})=({values}) {exists}"))
            .with_hint(hint))
    }

    /// The rows that would have the key of another, ascending, each with the reason; and what the table knows when the others have come in.
    pub(crate) fn sorted_out_by_keys(&self, rows: &RecordBatch) -> Result<(Vec<(usize, String)>, Claim)> {
        let (taken, claim) = self.uniques.sorted_out(rows)?;
        Ok((taken.into_iter().map(|taken| (taken.place.1, self.taken_text(taken, rows))).collect(), claim))
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

    /// By what ON CONFLICT can find the row that another one meets: the primary key, then each UNIQUE.
    pub(crate) fn keys(&self) -> Vec<Unique> {
        let primary = (!self.key.is_empty()).then(|| self.primary_key());
        primary.into_iter().chain(self.uniques.constraints.iter().cloned()).collect()
    }

    /// The primary key, none of whose columns is ever NULL, as what is unique.
    pub(crate) fn primary_key(&self) -> Unique {
        Unique { name: String::new(), columns: self.key.clone(), nulls_distinct: true }
    }

    /// The names of columns.
    pub(crate) fn names_of(&self, columns: &[usize]) -> String {
        columns.iter().map(|column| self.schema.field(*column).name().as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What a row has in some columns, as people read it: `(id) = (7)`.
    pub(crate) fn key_text(&self, columns: &[usize], rows: &RecordBatch, row: usize) -> String {
        format!("({}) = ({})", self.names_of(columns), self.values_of(columns, rows, row))
    }

    fn values_of(&self, columns: &[usize], rows: &RecordBatch, row: usize) -> String {
        columns.iter().map(|column| value_text(rows.column(*column), row)).collect::<Vec<_>>().join(", ")
    }

    fn taken_text(&self, taken: TakenKey, rows: &RecordBatch) -> String {
        let unique = &self.uniques.constraints[taken.constraint];
        let key = self.key_text(&unique.columns, rows, taken.place.1);
        format!("two rows of '{}' would have the key {key}, which breaks the constraint '{}'", self.table, unique.name)
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
