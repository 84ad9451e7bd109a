//! The rows of an INSERT: each value goes to its column's type by itself, by the rules of assignment.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Cast, Expr};
use datafusion::sql::sqlparser::ast::{self, Query, SetExpr};
use laminar_core::{Code, Error, Result};

use super::SnapshotTables;
use crate::parse::{Insert, StreamQuery};
use crate::plan::Planner;
use crate::plan::errors::from_datafusion;
use crate::semantics::cast::{convert, type_name};
use crate::semantics::{exact_expression, no_such_cast};

/// The columns that an INSERT fills, in the order in which it gives their values.
#[derive(Debug, Clone)]
pub struct InsertTarget {
    /// Name and type of each.
    pub columns: Vec<Arc<Field>>,
}

impl Planner {
    /// The rows that `insert` gives, one column for each of `target`, at their types. `text` is the statement's text and `now`
    /// the wall-clock time in nanoseconds. Fails if a query among them needs more than `bytes_max` of memory.
    pub async fn insert_rows(
        &self,
        insert: &Insert,
        text: &str,
        tables: &dyn SnapshotTables,
        target: &InsertTarget,
        now: i64,
        bytes_max: usize,
    ) -> Result<Vec<RecordBatch>> {
        let query = StreamQuery { query: insert.source.clone(), emit: None, lateness: None, late_to: None, span: insert.span };
        match insert.source.body.as_ref() {
            SetExpr::Values(values) if is_bare(&insert.source) => {
                for row in &values.rows {
                    check_width(row.content.len(), target, insert)?;
                }
                let cells = self.cells(values, &query, text, tables, now, bytes_max).await?;
                let columns = (0..target.columns.len()).map(|column| {
                    let values = cells.iter().map(|row| row[column].clone()).collect();
                    column_of(values, &target.columns[column])
                });
                Ok(vec![batch_of(columns.collect::<Result<_>>()?, target, cells.len())?])
            }
            _ => {
                let (schema, batches) = self.select(&query, text, tables, now, bytes_max).await?;
                check_width(schema.fields().len(), target, insert)?;
                batches.iter().map(|batch| assigned(batch.columns(), target, batch.num_rows())).collect()
            }
        }
    }

    /// The values of the rows: constants as they stand, everything else computed by one query.
    async fn cells(
        &self,
        values: &ast::Values,
        query: &StreamQuery,
        text: &str,
        tables: &dyn SnapshotTables,
        now: i64,
        bytes_max: usize,
    ) -> Result<Vec<Vec<ScalarValue>>> {
        let mut computed = Vec::new();
        let mut cells: Vec<Vec<ScalarValue>> = Vec::with_capacity(values.rows.len());
        for (row, exprs) in values.rows.iter().enumerate() {
            let mut constants = Vec::with_capacity(exprs.content.len());
            for (column, expr) in exprs.content.iter().enumerate() {
                let constant = self.constant(expr, text)?;
                if constant.is_none() {
                    computed.push((row, column, expr.clone()));
                }
                constants.push(constant.unwrap_or(ScalarValue::Null));
            }
            cells.push(constants);
        }
        if computed.is_empty() {
            return Ok(cells);
        }
        let exprs = computed.iter().map(|(_, _, expr)| expr.clone()).collect();
        let (_, batches) = self.select(&one_row(exprs, values, query), text, tables, now, bytes_max).await?;
        let batch = batches.iter().find(|batch| batch.num_rows() > 0);
        let batch = batch.ok_or_else(|| Error::internal("VALUES gave no row"))?;
        for ((row, column, _), value) in computed.into_iter().zip(batch.columns()) {
            cells[row][column] = ScalarValue::try_from_array(value, 0).map_err(from_datafusion)?;
        }
        Ok(cells)
    }

    /// The value of an expression that is a constant as it stands.
    fn constant(&self, expr: &ast::Expr, text: &str) -> Result<Option<ScalarValue>> {
        if !matches!(expr, ast::Expr::Value(_) | ast::Expr::UnaryOp { .. }) {
            return Ok(None);
        }
        let mut exact = expr.clone();
        exact_expression(&mut exact, text)?;
        Ok(self.plan_constant(exact).ok().and_then(|expr| literal(&expr)))
    }
}

/// The value of a literal, perhaps cast to DOUBLE because it has an exponent.
fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(Cast { expr, field }) if *field.data_type() == DataType::Float64 => {
            let value = literal(expr)?.to_array().ok()?;
            ScalarValue::try_from_array(&convert(&value, field.data_type(), false).ok()?, 0).ok()
        }
        _ => None,
    }
}

fn is_bare(query: &Query) -> bool {
    query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none()
}

fn check_width(given: usize, target: &InsertTarget, insert: &Insert) -> Result<()> {
    if given == target.columns.len() {
        return Ok(());
    }
    let names: Vec<&str> = target.columns.iter().map(|column| column.name().as_str()).collect();
    let (wanted, table) = (target.columns.len(), &insert.table.text);
    Err(Error::new(Code::InvalidQuery, format!("{given} values for {wanted} columns of '{table}'"))
        .with_hint(format!("the columns are: {}", names.join(", "))))
}

fn batch_of(columns: Vec<ArrayRef>, target: &InsertTarget, rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> = target.columns.iter().map(|column| column.as_ref().clone().with_nullable(true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// Columns of a query as columns of the target.
fn assigned(columns: &[ArrayRef], target: &InsertTarget, rows: usize) -> Result<RecordBatch> {
    let columns = columns.iter().zip(&target.columns).map(|(values, column)| assign(values, column));
    batch_of(columns.collect::<Result<_>>()?, target, rows)
}

/// Values, each of a type of its own, as one column: those of one type are converted together.
fn column_of(values: Vec<ScalarValue>, column: &Field) -> Result<ArrayRef> {
    let mut parts: Vec<ArrayRef> = Vec::new();
    for same in values.chunk_by(|left, right| left.data_type() == right.data_type()) {
        let part = ScalarValue::iter_to_array(same.iter().cloned()).map_err(from_datafusion)?;
        parts.push(assign(&part, column)?);
    }
    match parts.as_slice() {
        [] => Ok(arrow_array::new_empty_array(column.data_type())),
        [only] => Ok(only.clone()),
        several => Ok(arrow_select::concat::concat(&several.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
    }
}

/// `values` at the type of `column`.
pub(super) fn assign(values: &ArrayRef, column: &Field) -> Result<ArrayRef> {
    let (from, target) = (values.data_type(), column.data_type());
    if !is_assignable(from, target) {
        let error = no_such_cast(from, target);
        let message = format!("column '{}' is {}, but the value is {}", column.name(), type_name(target), type_name(from));
        let error_with = Error::new(Code::TypeMismatch, message);
        return Err(match error.hint() {
            Some(hint) => error_with.with_hint(hint.to_owned()),
            None => error_with,
        });
    }
    convert(values, target, false).map_err(|error| {
        let error = from_datafusion(error);
        Error::new(Code::TypeMismatch, format!("a value for column '{}' does not fit: {}", column.name(), error.message()))
    })
}

/// Whether a value of type `from` may be put where `target` is wanted without being asked to by a CAST.
fn is_assignable(from: &DataType, target: &DataType) -> bool {
    #[derive(PartialEq)]
    enum Class {
        Any,
        Number,
        Boolean,
        Moment,
        TimeOfDay,
        Span,
        Other,
    }
    let class = |data_type: &DataType| match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Class::Any,
        data_type if data_type.is_numeric() => Class::Number,
        DataType::Boolean => Class::Boolean,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Class::Moment,
        DataType::Time32(_) | DataType::Time64(_) => Class::TimeOfDay,
        DataType::Interval(_) | DataType::Duration(_) => Class::Span,
        _ => Class::Other,
    };
    match (class(from), class(target)) {
        (Class::Any, _) | (_, Class::Any | Class::Other) => true,
        (Class::Moment, Class::TimeOfDay) => matches!(from, DataType::Timestamp(..)),
        (from, target) => from == target,
    }
}

/// `VALUES (exprs)`: one row, in which no value's type has to do with another's.
fn one_row(exprs: Vec<ast::Expr>, values: &ast::Values, query: &StreamQuery) -> StreamQuery {
    let mut values = values.clone();
    values.rows.truncate(1);
    if let Some(row) = values.rows.first_mut() {
        row.content = exprs;
    }
    let body = Box::new(SetExpr::Values(values));
    StreamQuery { query: Box::new(Query { body, ..query.query.as_ref().clone() }), ..query.clone() }
}
