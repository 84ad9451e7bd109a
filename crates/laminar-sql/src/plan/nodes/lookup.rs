//! Each left row joined once, with the right rows that are there when it comes.

use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, UserDefinedLogicalNodeCore};

/// A join whose right side only answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LookupJoin {
    /// The join that it would be if what has been shown followed the right side.
    pub(crate) join: Join,
}

impl PartialOrd for LookupJoin {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.join.partial_cmp(&other.join)
    }
}

impl UserDefinedLogicalNodeCore for LookupJoin {
    fn name(&self) -> &str {
        "LookupJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.join.left, &self.join.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.join.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let keys = self.join.on.iter().flat_map(|(left, right)| [left.clone(), right.clone()]);
        keys.chain(self.join.filter.clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let keys: Vec<String> = self.join.on.iter().map(|(left, right)| format!("{left} = {right}")).collect();
        write!(f, "LookupJoin: {} {}", self.join.join_type, keys.join(", "))?;
        self.join.filter.iter().try_for_each(|filter| write!(f, ", filter {filter}"))
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let filter = exprs.split_off(2 * self.join.on.len()).pop();
        let mut exprs = exprs.into_iter();
        let mut on = Vec::with_capacity(self.join.on.len());
        while let (Some(left), Some(right)) = (exprs.next(), exprs.next()) {
            on.push((left, right));
        }
        let [left, right] = [0, 0].map(|_| Arc::new(inputs.remove(0)));
        let Join { join_type, join_constraint, null_equality, null_aware, .. } = self.join;
        let join = Join::try_new(left, right, on, filter, join_type, join_constraint, null_equality, null_aware)?;
        Ok(Self { join })
    }
}
