//! AND and OR that look at the right side only for the rows which the left side leaves open.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema};
use datafusion::arrow::compute::kernels::boolean::{and_kleene, or_kleene};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};

use super::meeting::compares;

/// `expr` with such an AND or OR wherever the right side can fail.
pub(crate) fn guarded(expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    let guarded = expr.transform_up(|part| match part.downcast_ref::<BinaryExpr>() {
        Some(binary) if matches!(binary.op(), Operator::And | Operator::Or) && can_fail(binary.right()) => {
            let is_and = *binary.op() == Operator::And;
            let guarded = ShortCircuit { is_and, left: binary.left().clone(), right: binary.right().clone() };
            Ok(Transformed::yes(Arc::new(guarded) as Arc<dyn PhysicalExpr>))
        }
        _ => Ok(Transformed::no(part)),
    })?;
    Ok(guarded.data)
}

/// Whether there may be a row for which `expr` has no value: everything but what is known to have one.
fn can_fail(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let has_value = match expr.downcast_ref::<BinaryExpr>() {
        Some(binary) => compares(*binary.op()) || matches!(binary.op(), Operator::And | Operator::Or),
        None => {
            let any = expr.as_ref();
            any.is::<Column>()
                || any.is::<Literal>()
                || any.is::<NotExpr>()
                || any.is::<IsNullExpr>()
                || any.is::<IsNotNullExpr>()
                || any.is::<LikeExpr>()
                || any.is::<InListExpr>()
                || any.is::<CaseExpr>()
        }
    };
    !has_value || expr.children().into_iter().any(can_fail)
}

#[derive(Debug, Eq)]
struct ShortCircuit {
    is_and: bool,
    left: Arc<dyn PhysicalExpr>,
    right: Arc<dyn PhysicalExpr>,
}

impl PartialEq for ShortCircuit {
    fn eq(&self, other: &Self) -> bool {
        self.is_and == other.is_and && self.left.eq(&other.left) && self.right.eq(&other.right)
    }
}

impl Hash for ShortCircuit {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.is_and.hash(state);
        self.left.hash(state);
        self.right.hash(state);
    }
}

impl fmt::Display for ShortCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, if self.is_and { "AND" } else { "OR" }, self.right)
    }
}

impl PhysicalExpr for ShortCircuit {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        Ok(self.left.nullable(schema)? || self.right.nullable(schema)?)
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ColumnarValue> {
        let left = conditions(self.left.evaluate(rows)?, rows)?;
        // The right side of all rows at once is the shortest way, and right unless one of them fails.
        let right = match self.right.evaluate(rows) {
            Ok(right) => right,
            Err(_) => {
                let open: BooleanArray = left.iter().map(|value| Some(value != Some(!self.is_and))).collect();
                self.right.evaluate_selection(rows, &open)?
            }
        };
        let right = conditions(right, rows)?;
        let both = if self.is_and { and_kleene(&left, &right)? } else { or_kleene(&left, &right)? };
        Ok(ColumnarValue::Array(Arc::new(both)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.left, &self.right]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let right = children.remove(1);
        Ok(Arc::new(Self { is_and: self.is_and, left: children.remove(0), right }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.left.fmt_sql(f)?;
        write!(f, " {} ", if self.is_and { "AND" } else { "OR" })?;
        self.right.fmt_sql(f)
    }
}

/// One condition a row.
fn conditions(values: ColumnarValue, rows: &RecordBatch) -> Result<BooleanArray> {
    let values = values.into_array(rows.num_rows())?;
    match values.data_type() {
        // NULL has no type of its own.
        DataType::Null => Ok(BooleanArray::new_null(values.len())),
        _ => Ok(values.as_boolean().clone()),
    }
}
