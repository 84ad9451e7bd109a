//! The moment at which the wall clock makes a condition about a row true, or false.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use laminar_core::expr::{ExprRef, ScalarExpr};
use laminar_core::time::event_time::from_nanos;
use laminar_core::{Error, Result};

use super::clock::{NOW, Trend, is_now, trend};
use super::growth::shifted;
use super::scalar;
use crate::plan::errors::from_datafusion;

/// Before all clocks, in nanoseconds: 1900. What is true there has always been.
const EARLIEST: i64 = -2_208_988_800_000_000_000;
/// After all clocks: 2150, so that an interval of a hundred years more is still a time. What is not true there never will be.
const LATEST: i64 = 5_680_281_600_000_000_000;

/// A condition about the clock as what a temporal filter asks for.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It becomes true at this moment.
    From(ExprRef),
    /// It becomes false at this moment.
    Until(ExprRef),
}

/// When `condition`, which depends on the clock, turns for rows of `schema`; `None`: it may turn more than once.
pub(crate) fn turn(condition: &Expr, schema: &DFSchema) -> Result<Option<Turn>> {
    let trend = match trend(condition, schema) {
        Some(trend @ (Trend::Rises | Trend::Falls)) => trend,
        _ => return Ok(None),
    };
    let timed = TimedCondition::new(condition, schema)?;
    let how = match timed.compared(trend)? {
        Some(compared) => How::Compared(compared),
        None => How::Searched {
            condition: scalar(&timed.condition, &timed.schema)?,
            schema: Arc::new(timed.schema.as_arrow().clone()),
            rises: trend == Trend::Rises,
        },
    };
    let moment: ExprRef = Arc::new(Moment { how, text: shown(condition)? });
    Ok(Some(if trend == Trend::Rises { Turn::From(moment) } else { Turn::Until(moment) }))
}

/// A condition over rows of which the last column is the clock.
struct TimedCondition {
    condition: Expr,
    schema: DFSchema,
}

impl TimedCondition {
    fn new(condition: &Expr, schema: &DFSchema) -> Result<Self> {
        let now = Expr::Column(Column::new_unqualified(NOW));
        let mut clock = None;
        let replaced = condition.clone().transform(|part| match &part {
            Expr::ScalarVariable(field, _) if is_now(&part) => {
                clock = Some(Arc::clone(field));
                Ok(Transformed::yes(now.clone()))
            }
            _ => Ok(Transformed::no(part)),
        });
        let condition = replaced.map_err(from_datafusion)?.data;
        let Some(clock) = clock else { return Err(Error::internal("a condition about the clock without a clock")) };
        let clock = DFSchema::try_from(Schema::new(vec![clock])).map_err(from_datafusion)?;
        Ok(Self { condition, schema: schema.join(&clock).map_err(from_datafusion)? })
    }

    /// The condition as a comparison of the clock, more or less a length, with what follows from the row: the moment is then known without a
    /// search.
    fn compared(&self, trend: Trend) -> Result<Option<Compared>> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &self.condition else { return Ok(None) };
        let clock = self.schema.fields().len() - 1;
        let is_clock = |expr: &Expr| shifted(expr, &self.schema).filter(|time| time.column == clock && time.least == time.most);
        let (later, other) = match (is_clock(left), is_clock(right)) {
            (Some(time), None) => (time.least, right),
            (None, Some(time)) => (time.least, left),
            _ => return Ok(None),
        };
        let names_clock = other.column_refs().iter().any(|column| column.relation.is_none() && column.name == NOW);
        let is_exact = |expr: &Expr| matches!(expr.get_type(&self.schema), Ok(DataType::Timestamp(TimeUnit::Nanosecond, _)));
        if names_clock || !is_exact(left) || !is_exact(right) {
            return Ok(None);
        }
        // `now() > t` turns true one nanosecond after t, and `now() <= t` false.
        let rises = trend == Trend::Rises;
        let is_strict = matches!(op, Operator::Gt | Operator::Lt);
        let after = i64::from(is_strict == rises);
        Ok(Some(Compared { time: scalar(other, &self.schema)?, after: after.saturating_sub(later) }))
    }
}

/// `condition` as people read it.
pub(crate) fn shown(condition: &Expr) -> Result<String> {
    let bare = condition.clone().transform(|part| match part {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        other => Ok(Transformed::no(other)),
    });
    Ok(bare.map_err(from_datafusion)?.data.human_display().to_string())
}

#[derive(Debug)]
struct Moment {
    how: How,
    text: String,
}

#[derive(Debug)]
enum How {
    Compared(Compared),
    /// The condition over rows with the clock; whether it becomes true.
    Searched {
        condition: ExprRef,
        schema: SchemaRef,
        rises: bool,
    },
}

/// A moment that is a time of the row, and so many nanoseconds.
#[derive(Debug)]
struct Compared {
    time: ExprRef,
    after: i64,
}

impl Compared {
    fn moments(&self, rows: &RecordBatch) -> Result<Int64Array> {
        let times = self.time.evaluate(rows)?;
        Ok(times.as_primitive::<TimestampNanosecondType>().unary(|time| time.saturating_add(self.after)))
    }
}

impl ScalarExpr for Moment {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        Ok(Arc::new(match &self.how {
            How::Compared(compared) => compared.moments(rows)?,
            How::Searched { condition, schema, rises } => Search { condition, schema, rises: *rises, rows }.moments()?,
        }))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Int64
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        self.text.clone()
    }
}

/// Halves, for all rows at once, the time in which a condition turns.
struct Search<'a> {
    condition: &'a ExprRef,
    schema: &'a SchemaRef,
    rises: bool,
    rows: &'a RecordBatch,
}

impl Search<'_> {
    fn moments(&self) -> Result<Int64Array> {
        let rows = self.rows.num_rows();
        let (mut before, mut after) = (vec![EARLIEST; rows], vec![LATEST; rows]);
        let (turned_early, turned_late) = (self.has_turned(&before)?, self.has_turned(&after)?);
        while before.iter().zip(&after).any(|(before, after)| before + 1 < *after) {
            let middle: Vec<i64> = before.iter().zip(&after).map(|(before, after)| before + (after - before) / 2).collect();
            let has_turned = self.has_turned(&middle)?;
            for (row, middle) in middle.into_iter().enumerate() {
                if has_turned.value(row) { after[row] = middle } else { before[row] = middle }
            }
        }
        let moment = |row: usize| match (turned_early.value(row), turned_late.value(row)) {
            (true, _) => i64::MIN,
            (_, false) => i64::MAX,
            _ => after[row],
        };
        Ok((0..rows).map(moment).collect())
    }

    /// Whether the condition is, at a moment for each row, what it ends as. One that is NULL is not true.
    fn has_turned(&self, moments: &[i64]) -> Result<BooleanArray> {
        let clock = self.schema.field(self.schema.fields().len() - 1).data_type();
        let clock = from_nanos(&Int64Array::from(moments.to_vec()), clock)?;
        let columns = self.rows.columns().iter().cloned().chain([clock]).collect();
        let holds = self.condition.evaluate(&RecordBatch::try_new(self.schema.clone(), columns)?)?;
        let holds = holds.as_boolean();
        Ok((0..moments.len()).map(|row| Some((holds.is_valid(row) && holds.value(row)) == self.rises)).collect())
    }
}
