//! The same for ad-hoc queries: filters and projections of a physical plan get AND and OR that short-circuit by row.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::explicit_order::ExplicitOrder;
use super::overstated::Overstated;
use super::short_circuit::guarded;

/// DataFusion's rules between our own, without two kinds:
///
/// * An aggregate is computed from its rows and not from what is known of them: of a column that is NULL in all rows DataFusion knows one distinct
///   value, which `count(DISTINCT …)` does not count.
/// * Conditions stay where the logical plan has them. Going down through a join once more, they find their columns by name: `r1.a IS NULL` above
///   `r1 RIGHT JOIN r2` was asked of `r2.a`. What would gain are files that filter by themselves, and rows lie in memory here.
pub(crate) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.retain(|rule| rule.name() != "aggregate_statistics" && !rule.name().starts_with("FilterPushdown"));
    rules.insert(0, Arc::new(Overstated));
    let check = rules.iter().position(|rule| rule.name() == "SanityCheckPlan").unwrap_or(rules.len());
    rules.insert(check, Arc::new(ExplicitOrder));
    rules.push(Arc::new(GuardedPlans));
    rules
}

/// Runs after DataFusion's rules, which know its own AND and OR.
#[derive(Debug, Default)]
struct GuardedPlans;

impl PhysicalOptimizerRule for GuardedPlans {
    fn name(&self) -> &str {
        "guarded_plans"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(plan.transform_up(guard_node)?.data)
    }
}

fn guard_node(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let predicate = guarded(filter.predicate().clone())?;
        let filter = FilterExecBuilder::from(filter).with_predicate(predicate).build()?;
        return Ok(Transformed::yes(Arc::new(filter)));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let exprs = projection
            .expr()
            .iter()
            .map(|named| Ok(ProjectionExpr { expr: guarded(named.expr.clone())?, alias: named.alias.clone() }));
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let projection = ProjectionExec::try_new(exprs, projection.input().clone())?;
        return Ok(Transformed::yes(Arc::new(projection)));
    }
    Ok(Transformed::no(plan))
}
