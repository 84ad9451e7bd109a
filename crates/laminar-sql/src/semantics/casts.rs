//! The rule that puts our own casts in place of those that Arrow would do in another way, written or implied.

use arrow_schema::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, TryCast};
use datafusion::optimizer::AnalyzerRule;
use laminar_core::{Code, Error};

use super::arithmetic::IntoExternal;
use super::cast::{self, type_name};
use super::coercion::input_schema;
use super::untyped::constant_as;

/// Runs after DataFusion's coercion, so that it sees the casts which that added.
#[derive(Debug, Default)]
pub(crate) struct CastRule;

impl AnalyzerRule for CastRule {
    fn name(&self) -> &str {
        "postgres_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(replace_in_node)?.data)
    }
}

fn replace_in_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = input_schema(&plan)?;
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let saved = names.save(&expr);
        let replaced = expr.transform_up(|expr| replace(expr, &schema))?;
        Ok(replaced.update_data(|expr| saved.restore(expr)))
    })?
    .map_data(|plan| plan.recompute_schema())
}

fn replace(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (inner, target, gives_null) = match &expr {
        Expr::Cast(Cast { expr, field }) => (expr, field.data_type(), false),
        Expr::TryCast(TryCast { expr, field }) => (expr, field.data_type(), true),
        _ => return Ok(Transformed::no(expr)),
    };
    let Ok(from) = inner.get_type(schema) else { return Ok(Transformed::no(expr)) };
    if is_no_instant(&from) && is_instant(target) || is_day_or_time(&from) && is_no_instant(target) {
        return Err(no_such_cast(&from, target).into_external());
    }
    if !cast::is_ours(&from, target) {
        return Ok(Transformed::no(expr));
    }
    let folded = if gives_null { None } else { constant_as(inner, target) };
    Ok(Transformed::yes(folded.unwrap_or_else(|| cast::cast(inner.as_ref().clone(), target.clone(), gives_null))))
}

fn is_no_instant(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

fn is_instant(data_type: &DataType) -> bool {
    use DataType as D;
    matches!(data_type, D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) | D::Interval(_))
}

fn is_day_or_time(data_type: &DataType) -> bool {
    use DataType as D;
    matches!(data_type, D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_))
}

/// The error of a conversion that has no meaning.
pub(crate) fn no_such_cast(from: &DataType, to: &DataType) -> Error {
    let error = Error::new(Code::TypeMismatch, format!("a {} is not a {}", type_name(from), type_name(to)));
    match to {
        DataType::Timestamp(..) if from.is_numeric() => error.with_hint("for seconds since 1970 write to_timestamp(x)"),
        to if is_no_instant(to) && is_day_or_time(from) => {
            error.with_hint("subtract one from the other, or write extract(epoch FROM x)")
        }
        DataType::Interval(_) => error.with_hint("write x * INTERVAL '1 second'"),
        DataType::Boolean => error.with_hint("write true or false, or a condition: x <> 0"),
        _ => error.with_hint("write it as text, as in '2024-01-31'"),
    }
}
