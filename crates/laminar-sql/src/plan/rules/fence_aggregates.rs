//! Conditions stay above aggregates that have a row even without input: one over all rows, or one with grouping sets.
//!
//! DataFusion's rule that pushes filters down takes a condition without columns (`HAVING false`, `ON false`, a sub-query that is the same for all rows)
//! for one about the keys. Below such an aggregate it would leave the row that is always there. So it finds a node over each of them through which
//! it pushes nothing, and which is gone afterwards.
//!
//! And keys of GROUP BY over joins stay: its rule that drops columns takes a key of one side (of a DISTINCT below, say) for a key of what is grouped from
//! the join, and leaves the keys beside it out. So it finds nothing there that says what is a key.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{FunctionalDependencies, Result};
use datafusion::logical_expr::{Aggregate, Expr, Limit, LogicalPlan, Projection};
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The rules, with fences while filters are pushed down.
pub(crate) fn with_fences(rules: Vec<Rule>) -> Vec<Rule> {
    let (filters, columns) = (PushDownFilter::new().name().to_owned(), OptimizeProjections::new().name().to_owned());
    let fenced = |rule: Rule| -> Vec<Rule> {
        match rule.name() {
            name if name == filters => vec![Arc::new(Fence), rule, Arc::new(Unfence)],
            name if name == columns => vec![Arc::new(ForgetKeys), rule],
            _ => vec![rule],
        }
    };
    rules.into_iter().flat_map(fenced).collect()
}

/// Puts a limit that limits nothing over such aggregates.
#[derive(Debug)]
struct Fence;

impl OptimizerRule for Fence {
    fn name(&self) -> &str {
        "fence_aggregates"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        Ok(if has_a_row_always(&plan) {
            Transformed::yes(LogicalPlan::Limit(Limit { skip: None, fetch: None, input: Arc::new(plan) }))
        } else {
            Transformed::no(plan)
        })
    }
}

/// Takes limits that limit nothing away.
#[derive(Debug)]
struct Unfence;

impl OptimizerRule for Unfence {
    fn name(&self) -> &str {
        "unfence_aggregates"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        Ok(match plan {
            LogicalPlan::Limit(Limit { skip: None, fetch: None, input }) => Transformed::yes(Arc::unwrap_or_clone(input)),
            plan => Transformed::no(plan),
        })
    }
}

/// Puts all columns, without what determines them, under a GROUP BY of several keys over a join. The rule that drops columns takes it away again.
#[derive(Debug)]
struct ForgetKeys;

impl OptimizerRule for ForgetKeys {
    fn name(&self) -> &str {
        "forget_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = plan else { return Ok(Transformed::no(plan)) };
        let schema = aggregate.input.schema();
        let says_keys = aggregate.group_expr.len() > 1 && !schema.functional_dependencies().is_empty();
        if !says_keys || !has_join(&aggregate.input)? {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        let plain = schema.as_ref().clone().with_functional_dependencies(FunctionalDependencies::empty())?;
        let columns = schema.columns().into_iter().map(Expr::Column).collect();
        let input = Projection::try_new_with_schema(columns, Arc::clone(&aggregate.input), Arc::new(plain))?;
        let Aggregate { group_expr, aggr_expr, schema, .. } = aggregate;
        let input = Arc::new(LogicalPlan::Projection(input));
        let aggregate = Aggregate::try_new_with_schema(input, group_expr, aggr_expr, schema)?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
    }
}

fn has_join(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Join(_))))
}

fn has_a_row_always(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Aggregate(aggregate) = plan else { return false };
    aggregate.group_expr.is_empty() || matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)])
}
