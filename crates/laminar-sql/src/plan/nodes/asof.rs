//! Each left row beside the right row that is nearest in time: left columns, then right columns.

use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, UserDefinedLogicalNodeCore, build_join_schema};
use laminar_core::dag::AsofDirection;

use super::aggregate::columns_used;

/// An ASOF join.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AsofJoin {
    pub(crate) left: Arc<LogicalPlan>,
    pub(crate) right: Arc<LogicalPlan>,
    /// Whether a left row without a right one stands beside NULLs.
    pub(crate) is_outer: bool,
    /// Expressions over the left and the right input that are equal.
    pub(crate) keys: Vec<(Expr, Expr)>,
    /// What is compared, of one type.
    pub(crate) times: (Expr, Expr),
    pub(crate) direction: Direction,
    /// Whether a right row of the very same time does not count.
    pub(crate) strict: bool,
    /// The greatest distance, in nanoseconds.
    pub(crate) tolerance: Option<i64>,
    pub(crate) schema: DFSchemaRef,
}

/// [`AsofDirection`], which has no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Backward,
    Forward,
    Nearest,
}

impl From<Direction> for AsofDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Backward => Self::Backward,
            Direction::Forward => Self::Forward,
            Direction::Nearest => Self::Nearest,
        }
    }
}

/// How an ASOF join looks for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) direction: Direction,
    pub(crate) strict: bool,
    pub(crate) tolerance: Option<i64>,
}

impl AsofJoin {
    pub(crate) fn try_new(
        [left, right]: [Arc<LogicalPlan>; 2],
        is_outer: bool,
        keys: Vec<(Expr, Expr)>,
        times: (Expr, Expr),
        Match { direction, strict, tolerance }: Match,
    ) -> Result<Self> {
        let kind = if is_outer { JoinType::Left } else { JoinType::Inner };
        let schema = Arc::new(build_join_schema(left.schema(), right.schema(), &kind)?);
        Ok(Self { left, right, is_outer, keys, times, direction, strict, tolerance, schema })
    }

    fn how(&self) -> Match {
        Match { direction: self.direction, strict: self.strict, tolerance: self.tolerance }
    }
}

impl PartialOrd for AsofJoin {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.keys.partial_cmp(&other.keys)
    }
}

impl UserDefinedLogicalNodeCore for AsofJoin {
    fn name(&self) -> &str {
        "AsofJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let keys = self.keys.iter().flat_map(|(left, right)| [left.clone(), right.clone()]);
        keys.chain([self.times.0.clone(), self.times.1.clone()]).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(|(left, right)| format!("{left} = {right}")).collect();
        let strict = if self.strict { " strictly" } else { "" };
        let kind = if self.is_outer { "Left" } else { "Inner" };
        write!(f, "AsofJoin: {kind} {:?}{strict} {} to {}, {}", self.direction, self.times.1, self.times.0, keys.join(", "))?;
        match self.tolerance {
            Some(nanos) => write!(f, ", within {nanos} ns"),
            None => Ok(()),
        }
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let times = exprs.split_off(2 * self.keys.len());
        let mut exprs = exprs.into_iter();
        let mut keys = Vec::with_capacity(self.keys.len());
        while let (Some(left), Some(right)) = (exprs.next(), exprs.next()) {
            keys.push((left, right));
        }
        let [left, right] = [0, 0].map(|_| Arc::new(inputs.remove(0)));
        let mut times = times.into_iter();
        let times = times.next().zip(times.next()).unwrap_or_else(|| self.times.clone());
        Self::try_new([left, right], self.is_outer, keys, times, self.how())
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.left.schema().fields().len();
        let exprs: Vec<Expr> = self.keys.iter().map(|(left, _)| left.clone()).chain([self.times.0.clone()]).collect();
        let mut left = columns_used(&exprs, self.left.schema())?;
        left.extend(output_columns.iter().filter(|column| **column < width));
        left.sort_unstable();
        left.dedup();
        // Which of several right rows at one time counts must not depend on the columns that are read.
        Some(vec![left, (0..self.right.schema().fields().len()).collect()])
    }
}
