//! `GROUP BY window, keys`: one node, so that the optimiser cannot take the window apart.

use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::parse::WindowCall;

/// What a column of the group part of the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum GroupItem {
    /// The window's start.
    Start,
    /// The window's end.
    End,
    /// Key number so and so.
    Key(usize),
}

/// Aggregates of the rows of each window and key. Output: `layout`, then the aggregates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WindowAggregate {
    pub(crate) input: Arc<LogicalPlan>,
    /// The event time.
    pub(crate) time: Expr,
    pub(crate) call: WindowCall,
    pub(crate) keys: Vec<Expr>,
    /// How many of the keys, from the first on, keep sessions apart.
    pub(crate) partition: usize,
    pub(crate) aggregates: Vec<Expr>,
    pub(crate) layout: Vec<GroupItem>,
    /// Columns of the input that the query does not need, but somebody who gets its late rows does.
    pub(crate) late: Vec<Expr>,
    /// The schema of the aggregate that stood here.
    pub(crate) schema: DFSchemaRef,
}

impl PartialOrd for WindowAggregate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (self == other).then_some(std::cmp::Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for WindowAggregate {
    fn name(&self) -> &str {
        "WindowAggregate"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(&self.time).chain(&self.keys).chain(&self.aggregates).chain(&self.late).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let list = |exprs: &[Expr]| exprs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (keys, aggregates) = (list(&self.keys), list(&self.aggregates));
        write!(f, "WindowAggregate: {} over {}, groupBy=[[{keys}]], aggr=[[{aggregates}]]", self.call, self.time)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let late = exprs.split_off(1 + self.keys.len() + self.aggregates.len());
        let aggregates = exprs.split_off(1 + self.keys.len());
        let keys = exprs.split_off(1);
        Ok(Self { input: Arc::new(inputs.remove(0)), time: exprs.remove(0), keys, aggregates, late, ..self.clone() })
    }

    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![columns_used(&self.expressions(), self.input.schema())?])
    }
}

/// Positions in `schema` of the columns that `exprs` read, ascending.
pub(super) fn columns_used(exprs: &[Expr], schema: &DFSchema) -> Option<Vec<usize>> {
    let mut used = Vec::new();
    for column in exprs.iter().flat_map(Expr::column_refs) {
        used.push(schema.maybe_index_of_column(column)?);
    }
    used.sort_unstable();
    used.dedup();
    Some(used)
}
