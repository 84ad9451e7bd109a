//! The expressions of a table's definition: over one row of the table (GENERATED, CHECK), or over nothing (DEFAULT).

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{Query, Visitor};
use laminar_core::expr::{ExprRef, ScalarExpr};
use laminar_core::{Code, Error, Result};

use super::insert::assign;
use super::{SnapshotRelation, SnapshotTables};
use crate::ast_walk::walk;
use crate::expr::scalar;
use crate::parse::{RETURNED_ROWS, StreamQuery};
use crate::plan::errors::from_datafusion;
use crate::plan::{Planner, Reading};
use crate::semantics::cast::type_name;

impl Planner {
    /// The expression of `query` over rows with the columns of `schema`, at the type of `target`. `what` is the clause in which it stands, and
    /// `text` the statement's text.
    pub fn row_expression(
        &self,
        query: &StreamQuery,
        what: &str,
        text: &str,
        schema: &SchemaRef,
        target: &Field,
    ) -> Result<ExprRef> {
        let (expr, input) = self.only_expression(query, what, text, Some(schema))?;
        if let Some(call) = call_above(&expr, Volatility::Immutable)? {
            let text = format!("{call}() gives another value at another time, so it cannot stand in {what}");
            return Err(Error::new(Code::InvalidQuery, text).with_hint("a rule for rows must say the same of a row every time"));
        }
        if !matches!(input, LogicalPlan::SubqueryAlias(_) | LogicalPlan::TableScan(_)) {
            let text = format!("{what} must be an expression of the row's own columns");
            return Err(Error::new(Code::InvalidQuery, text).with_hint("compute what needs other rows in a view"));
        }
        // Some functions are only ever run in the form that the optimiser gives them.
        let context =
            SimplifyContext::builder().with_schema(Arc::clone(input.schema())).with_config_options(Arc::clone(self.options()));
        let expr = ExprSimplifier::new(context.build()).simplify(expr).map_err(from_datafusion)?;
        let expr = scalar(&expr, input.schema())?;
        let assigned = Assigned { expr, target: Arc::new(target.clone().with_nullable(true)) };
        assigned.evaluate(&RecordBatch::new_empty(Arc::clone(schema)))?;
        Ok(Arc::new(assigned))
    }

    /// The condition of `query` over rows with the columns of `schema`.
    pub fn row_condition(&self, query: &StreamQuery, what: &str, text: &str, schema: &SchemaRef) -> Result<ExprRef> {
        let (expr, input) = self.only_expression(query, what, text, Some(schema))?;
        let data_type = expr.get_type(input.schema()).map_err(from_datafusion)?;
        if !matches!(data_type, DataType::Boolean | DataType::Null) {
            return Err(Error::new(Code::TypeMismatch, format!("{what} is {}, not a condition", type_name(&data_type)))
                .with_hint("write what must be true of each row, as in CHECK (price > 0)"));
        }
        self.row_expression(query, what, text, schema, &Field::new("__holds", DataType::Boolean, true))
    }

    /// Whether the default of `query` is the same for every statement.
    pub fn is_constant_default(&self, query: &StreamQuery, text: &str) -> Result<bool> {
        let (expr, _) = self.only_expression(query, "DEFAULT", text, None)?;
        if let Some(call) = call_above(&expr, Volatility::Stable)? {
            let text = format!("DEFAULT {call}(), which gives each row another value, is not built yet");
            return Err(Error::new(Code::NotSupported, text).with_hint("write the value in INSERT"));
        }
        Ok(call_above(&expr, Volatility::Immutable)?.is_none())
    }

    /// The value of the default of `query` for a statement at `now`, at the type of `target`.
    pub async fn default_value(
        &self,
        query: &StreamQuery,
        text: &str,
        target: &Field,
        now: i64,
        bytes_max: usize,
    ) -> Result<ArrayRef> {
        let (_, batches) = self.select(query, text, &NoTables, now, bytes_max).await?;
        let batch = batches.iter().find(|batch| batch.num_rows() == 1);
        assign(batch.ok_or_else(|| Error::internal("a default has no value"))?.column(0), target)
    }

    /// The expression that `query` selects, and the plan below it.
    fn only_expression(
        &self,
        query: &StreamQuery,
        what: &str,
        text: &str,
        schema: Option<&SchemaRef>,
    ) -> Result<(Expr, LogicalPlan)> {
        self.refuse_many_rows_as_one(&query.query)?;
        if walk(query.query.as_ref(), &mut Depth(0)).is_break() {
            return Err(Error::new(Code::InvalidQuery, format!("a sub-query cannot stand in {what}"))
                .with_hint("a definition knows the row alone; compute what needs other rows in a view"));
        }
        let rows =
            schema.map(|schema| MemTable::try_new(Arc::clone(schema), vec![vec![]]).map_err(from_datafusion)).transpose()?;
        let rows = rows.map(|rows| provider_as_source(Arc::new(rows)));
        let resolve = |name: &str| rows.clone().filter(|_| name == RETURNED_ROWS);
        match self.analyze(&query.query, text, &resolve, &[], Reading::Result)? {
            LogicalPlan::Projection(projection) if projection.expr.len() == 1 => {
                let expr = projection.expr[0].clone().unalias();
                Ok((expr, Arc::unwrap_or_clone(projection.input)))
            }
            _ => Err(Error::new(Code::InvalidQuery, format!("{what} must be one expression of a row"))),
        }
    }
}

/// A call in `expr` of a function that is less steady than `most`.
fn call_above(expr: &Expr, most: Volatility) -> Result<Option<String>> {
    let mut found = None;
    let visited = expr.apply(|expr| {
        if let Expr::ScalarFunction(call) = expr
            && rank(call.func.signature().volatility) > rank(most)
        {
            found = Some(call.name().to_owned());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.map_err(from_datafusion)?;
    Ok(found)
}

fn rank(volatility: Volatility) -> u8 {
    match volatility {
        Volatility::Immutable => 0,
        Volatility::Stable => 1,
        Volatility::Volatile => 2,
    }
}

/// How deep a query is within others; ends the walk in the second.
struct Depth(usize);

impl Visitor for Depth {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.0 += 1;
        if self.0 > 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// What a default reads from.
struct NoTables;

impl SnapshotTables for NoTables {
    fn relation(&self, _: &str) -> Result<Option<SnapshotRelation>> {
        Ok(None)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// An expression whose values go to a column, by the rules of assignment.
#[derive(Debug)]
struct Assigned {
    expr: ExprRef,
    target: FieldRef,
}

impl ScalarExpr for Assigned {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        assign(&self.expr.evaluate(rows)?, &self.target)
    }

    fn data_type(&self) -> &DataType {
        self.target.data_type()
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        self.expr.display()
    }
}
