//! A DataFusion expression as core's [`ScalarExpr`].

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Operator, execution_props::ExecutionProps};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use laminar_core::Result;
use laminar_core::expr::{CompareOp, ExprRef, Growth, ScalarExpr, both, compare_with_constant};

use super::growth::growth;
use crate::plan::errors::from_datafusion;
use crate::semantics::guarded;

/// `expr` over rows of `schema`, ready to run.
pub(crate) fn scalar(expr: &Expr, schema: &DFSchema) -> Result<ExprRef> {
    let physical = create_physical_expr(expr, schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())
        .and_then(guarded)
        .map_err(from_datafusion)?;
    let arrow = schema.as_arrow();
    let data_type = physical.data_type(arrow).map_err(from_datafusion)?;
    let nullable = physical.nullable(arrow).map_err(from_datafusion)?;
    if let Some(column) = physical.downcast_ref::<Column>() {
        return Ok(laminar_core::expr::Column::new(&Schema::clone(arrow), column.index()));
    }
    if let Some(comparison) = comparison(&physical, arrow) {
        return Ok(comparison);
    }
    Ok(Arc::new(SqlExpr { physical, data_type, nullable, growth: growth(expr, schema) }))
}

/// Column `column` of `schema` more or less a constant, of the column's type; an error where that cannot hold it.
pub(crate) fn column_moved_by(schema: &Schema, column: usize, op: Operator, by: &ScalarValue) -> Result<ExprRef> {
    let field = schema.field(column);
    let (value, by) = (Arc::new(Column::new(field.name(), column)), Arc::new(Literal::new(by.clone())));
    let moved: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(value, op, by).with_fail_on_overflow(true));
    let data_type = field.data_type().clone();
    let physical = if moved.data_type(schema).map_err(from_datafusion)? == data_type {
        moved
    } else {
        Arc::new(CastExpr::new(moved, data_type.clone(), None))
    };
    Ok(Arc::new(SqlExpr { physical, data_type, nullable: true, growth: None }))
}

/// A column compared with a constant, or several such comparisons joined by AND: core has a shorter way for these.
fn comparison(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<ExprRef> {
    let binary = expr.downcast_ref::<BinaryExpr>()?;
    let (left, right) = (binary.left(), binary.right());
    if *binary.op() == Operator::And {
        return Some(both(comparison(left, schema)?, comparison(right, schema)?, expr.to_string()));
    }
    let op = compare_op(*binary.op())?;
    let (column, op, constant) = match (left.downcast_ref::<Column>(), right.downcast_ref::<Literal>()) {
        (Some(column), Some(constant)) => (column, op, constant),
        _ => (right.downcast_ref::<Column>()?, op.flipped(), left.downcast_ref::<Literal>()?),
    };
    let constant = constant.value().to_array().ok()?;
    compare_with_constant(schema, column.index(), op, &constant, expr.to_string())
}

fn compare_op(op: Operator) -> Option<CompareOp> {
    Some(match op {
        Operator::Eq => CompareOp::Eq,
        Operator::NotEq => CompareOp::NotEq,
        Operator::Lt => CompareOp::Lt,
        Operator::LtEq => CompareOp::LtEq,
        Operator::Gt => CompareOp::Gt,
        Operator::GtEq => CompareOp::GtEq,
        _ => return None,
    })
}

#[derive(Debug)]
struct SqlExpr {
    physical: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    nullable: bool,
    growth: Option<Growth>,
}

impl ScalarExpr for SqlExpr {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let value = self.physical.evaluate(rows).map_err(from_datafusion)?;
        value.into_array(rows.num_rows()).map_err(from_datafusion)
    }

    fn data_type(&self) -> &DataType {
        &self.data_type
    }

    fn nullable(&self) -> bool {
        self.nullable
    }

    fn grows_with(&self) -> Option<Growth> {
        self.growth
    }

    fn display(&self) -> String {
        self.physical.to_string()
    }
}
