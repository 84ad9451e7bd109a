//! Operators get their meaning when they are read, so that an expression has its right type from the start.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::arithmetic::ArithmeticOp;
use super::operands::computed;

/// Makes `+ - * / %` the functions that check what they compute.
#[derive(Debug, Default)]
pub(crate) struct OperatorPlanner;

impl ExprPlanner for OperatorPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let op = match expr.op {
            BinaryOperator::Plus => ArithmeticOp::Add,
            BinaryOperator::Minus => ArithmeticOp::Subtract,
            BinaryOperator::Multiply => ArithmeticOp::Multiply,
            BinaryOperator::Divide => ArithmeticOp::Divide,
            BinaryOperator::Modulo => ArithmeticOp::Modulo,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        match computed(expr.left.clone(), op, expr.right.clone(), schema)? {
            Some(computed) => Ok(PlannerResult::Planned(computed)),
            None => Ok(PlannerResult::Original(expr)),
        }
    }
}
