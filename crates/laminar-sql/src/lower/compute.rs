//! Projections and filters, fused where one stands on the other.

use arrow_schema::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, Filter, LogicalPlan, Projection};
use laminar_core::Result;
use laminar_core::dag::{ChangeKind, ComputeSpec, EdgeProperties, NodeKind, Partitioning, TimeColumn};
use laminar_core::time::event_time::nanos_per_unit;

use super::{Lowered, Lowering, edge_schema, repeated_column};
use crate::expr::scalar;

impl Lowering {
    pub(super) fn projection(&mut self, projection: &Projection) -> Result<Lowered> {
        let (filter, input) = match projection.input.as_ref() {
            LogicalPlan::Filter(filter) => {
                (Some(&filter.predicate).filter(|predicate| !is_true(predicate)), filter.input.as_ref())
            }
            other => (None, other),
        };
        let below = self.plan(input)?;
        let schema = input.schema();
        let exprs = projection.expr.iter().map(|expr| scalar(&expr.clone().unalias(), schema)).collect::<Result<Vec<_>>>()?;
        let sources: Vec<Option<usize>> = projection.expr.iter().map(|expr| repeated_column(expr, schema)).collect();
        let times =
            projection.expr.iter().enumerate().filter_map(|(column, expr)| followed_time(expr, schema, &below.edge, column));
        let times: Vec<TimeColumn> = times.collect();
        let identity = filter.is_none() && sources.iter().copied().eq((0..below.edge.schema.fields().len()).map(Some));
        let (changes, _) = keep_columns(&below.edge, &sources);
        let edge = EdgeProperties {
            schema: edge_schema(&projection.schema),
            changes,
            partitioning: Partitioning::Any,
            time_columns: times,
        };
        let filter = filter.map(|predicate| scalar(predicate, schema)).transpose()?;
        if identity && edge.schema == below.edge.schema {
            return Ok(below);
        }
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter, projection: Some(exprs) }), &[&below], edge))
    }

    pub(super) fn filter(&mut self, filter: &Filter) -> Result<Lowered> {
        let below = self.plan(&filter.input)?;
        if is_true(&filter.predicate) {
            return Ok(below);
        }
        let edge = below.edge.clone();
        let filter = Some(scalar(&filter.predicate, filter.input.schema())?);
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter, projection: None }), &[&below], edge))
    }
}

/// What the optimiser leaves of `WHERE 1 = 1`.
fn is_true(predicate: &Expr) -> bool {
    matches!(predicate, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

/// What remains known when output column `i` repeats input column `sources[i]` (or is computed).
pub(super) fn keep_columns(input: &EdgeProperties, sources: &[Option<usize>]) -> (ChangeKind, Vec<TimeColumn>) {
    let place = |column: usize| sources.iter().position(|source| *source == Some(column));
    let changes = match &input.changes {
        ChangeKind::Upsert(key) => {
            let kept: Option<Vec<usize>> = key.iter().map(|column| place(*column)).collect();
            kept.map_or(ChangeKind::Retract, ChangeKind::Upsert)
        }
        other => other.clone(),
    };
    let times =
        sources.iter().enumerate().filter_map(|(column, source)| Some(TimeColumn { column, ..input.time_column((*source)?)? }));
    (changes, times.collect())
}

/// The time column that `expr` makes at output column `column`, if it follows the watermark: a time column of the input as it is,
/// cast to another type of time, or cut to a unit.
fn followed_time(expr: &Expr, schema: &DFSchema, input: &EdgeProperties, column: usize) -> Option<TimeColumn> {
    let (source, behind) = follows(expr, schema)?;
    let time = input.time_column(source)?;
    Some(TimeColumn { column, lag: time.lag.saturating_add(behind), ..time })
}

/// The column that `expr` is computed from, if it grows with it, and by how much it can be less, in nanoseconds.
fn follows(expr: &Expr, schema: &DFSchema) -> Option<(usize, i64)> {
    match expr {
        Expr::Alias(alias) => follows(&alias.expr, schema),
        Expr::Column(column) => Some((schema.maybe_index_of_column(column)?, 0)),
        Expr::Cast(cast) => {
            let (source, behind) = follows(&cast.expr, schema)?;
            let (from, to) = (cast.expr.get_type(schema).ok()?, expr.get_type(schema).ok()?);
            let same_clock = is_utc(&from) && is_utc(&to);
            let (finer, coarser) = (nanos_per_unit(&from)?, nanos_per_unit(&to)?);
            same_clock.then(|| (source, behind.saturating_add(if coarser > finer { coarser } else { 0 })))
        }
        Expr::ScalarFunction(call) if call.name() == "date_trunc" => {
            let [Expr::Literal(unit, _), time] = call.args.as_slice() else { return None };
            let longest = longest(unit.try_as_str()??)?;
            let (source, behind) = follows(time, schema)?;
            (is_utc(&time.get_type(schema).ok()?)).then(|| (source, behind.saturating_add(longest)))
        }
        _ => None,
    }
}

/// Whether a type's clock shows UTC: of other zones the difference is not the same at all times.
fn is_utc(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => matches!(zone.as_ref(), "UTC" | "+00:00" | "+00" | "Z"),
        other => nanos_per_unit(other).is_some(),
    }
}

/// The greatest length of a unit of `date_trunc`.
fn longest(unit: &str) -> Option<i64> {
    const DAY: i64 = 86_400_000_000_000;
    Some(match unit.to_ascii_lowercase().as_str() {
        "microsecond" => 1_000,
        "millisecond" => 1_000_000,
        "second" => 1_000_000_000,
        "minute" => 60_000_000_000,
        "hour" => 3_600_000_000_000,
        "day" => DAY,
        "week" => 7 * DAY,
        "month" => 31 * DAY,
        "quarter" => 92 * DAY,
        "year" => 366 * DAY,
        _ => return None,
    })
}
