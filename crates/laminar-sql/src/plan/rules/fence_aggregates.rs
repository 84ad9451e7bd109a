//! Conditions stay above aggregates that have a row even without input: one over all rows, or one with grouping sets.
//!
//! DataFusion's rule that pushes filters down takes a condition without columns (`HAVING false`, `ON false`, a sub-query that is the same for all rows)
//! for one about the keys. Below such an aggregate it would leave the row that is always there. So it finds a node over each of them through which
//! it pushes nothing, and which is gone afterwards. What other rules must not see, [`forget_keys`](super::forget_keys) says.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan};
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_join::EliminateJoin;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::forget_keys::{ForgetKeys, OverTrueKeys, TrueKeys};

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The rules, with fences while filters are pushed down, and without keys that might be none.
pub(crate) fn with_fences(rules: Vec<Rule>) -> Vec<Rule> {
    let (filters, columns) = (PushDownFilter::new().name().to_owned(), OptimizeProjections::new().name().to_owned());
    let (distinct, joins) = (ReplaceDistinctWithAggregate::new().name().to_owned(), EliminateJoin::new().name().to_owned());
    let orders = EliminateDuplicatedExpr::new().name().to_owned();
    let fenced = |rule: Rule| -> Vec<Rule> {
        match rule.name() {
            name if name == filters => vec![Arc::new(Fence), rule, Arc::new(Unfence)],
            // It takes projections that change nothing away by itself.
            name if name == columns => vec![Arc::new(ForgetKeys), rule],
            name if name == distinct => vec![Arc::new(OverTrueKeys(rule))],
            name if name == joins || name == orders => vec![Arc::new(TrueKeys), rule],
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

fn has_a_row_always(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Aggregate(aggregate) = plan else { return false };
    aggregate.group_expr.is_empty() || matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)])
}
