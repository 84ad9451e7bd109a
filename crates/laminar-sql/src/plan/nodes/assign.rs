//! Adds the bounds of each of a row's windows: input columns, then start and end.

use std::fmt;
use std::sync::Arc;

use arrow_schema::Field;
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, UserDefinedLogicalNodeCore};

use super::aggregate::columns_used;
use crate::parse::WindowCall;

/// The column that holds a window's start above an [`AssignWindow`].
pub(crate) const ASSIGNED_START: &str = "__assigned_start";
/// The column that holds a window's end above an [`AssignWindow`].
pub(crate) const ASSIGNED_END: &str = "__assigned_end";

/// The column that holds a window's time below an [`AssignWindow`], if that is computed.
pub(crate) const ASSIGNED_TIME: &str = "__assigned_time";

/// Whether a column of this name is there for a window only: its time, a bound, or what stands for a bound where no window stands any
/// more.
pub fn is_window_bound(name: &str) -> bool {
    [ASSIGNED_START, ASSIGNED_END, ASSIGNED_TIME].contains(&name)
}

/// Each row once for each of its windows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AssignWindow {
    pub(crate) input: Arc<LogicalPlan>,
    /// The event time.
    pub(crate) time: Expr,
    pub(crate) call: WindowCall,
    /// What separates sessions from each other; empty for other windows.
    pub(crate) partition: Vec<Expr>,
    /// Columns of the input that the query does not need, but somebody who gets its late rows does.
    pub(crate) late: Vec<Expr>,
    schema: DFSchemaRef,
}

impl AssignWindow {
    pub(crate) fn try_new(input: Arc<LogicalPlan>, time: Expr, call: WindowCall, partition: Vec<Expr>) -> Result<Self> {
        let time_type = time.get_type(input.schema())?;
        let mut fields: Vec<(Option<TableReference>, Arc<Field>)> =
            input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), field.clone())).collect();
        for name in [ASSIGNED_START, ASSIGNED_END] {
            fields.push((None, Arc::new(Field::new(name, time_type.clone(), true))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?);
        Ok(Self { input, time, call, partition, late: Vec::new(), schema })
    }

    /// The same window with columns that late rows are to have.
    pub(crate) fn keeping(self, late: Vec<Expr>) -> Self {
        Self { late, ..self }
    }

    /// Position of the start column; the end follows it.
    pub(crate) fn start_index(&self) -> usize {
        self.input.schema().fields().len()
    }
}

impl PartialOrd for AssignWindow {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (self == other).then_some(std::cmp::Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for AssignWindow {
    fn name(&self) -> &str {
        "AssignWindow"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(&self.time).chain(&self.partition).chain(&self.late).cloned().collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        // A filter below would not change which windows a row has, but it would change sessions.
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "AssignWindow: {} over {}", self.call, self.time)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let late = exprs.split_off(1 + self.partition.len());
        let partition = exprs.split_off(1);
        let node = Self::try_new(Arc::new(inputs.remove(0)), exprs.remove(0), self.call.clone(), partition)?;
        Ok(node.keeping(late))
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let mut needed = columns_used(&self.expressions(), self.input.schema())?;
        needed.extend(output_columns.iter().filter(|column| **column < self.start_index()));
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
