//! The same for ad-hoc queries: filters and projections of a physical plan get AND and OR that short-circuit by row.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::explicit_order::ExplicitOrder;
use super::overstated::Overstated;
use super::short_circuit::guarded;

/// DataFusion's rules between our own, changed in what they do with three kinds of nodes:
///
/// * An aggregate is computed from its rows and not from what is known of them: of a column that is NULL in all rows DataFusion knows one distinct
///   value, which `count(DISTINCT …)` does not count.
/// * Before projections are moved, none is within a filter: DataFusion looks for a column of its condition among what the projection gives, which may
///   be another column of that name at that place.
/// * Conditions stay where the logical plan has them. Going down through a join once more, they find their columns by name: `r1.a IS NULL` above
///   `r1 RIGHT JOIN r2` was asked of `r2.a`. What would gain are files that filter by themselves, and rows lie in memory here.
pub(crate) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.retain(|rule| rule.name() != "aggregate_statistics" && !rule.name().starts_with("FilterPushdown"));
    let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = rules
        .into_iter()
        .flat_map(|rule| (rule.name() == "ProjectionPushdown").then(|| Arc::new(WholeFilters) as _).into_iter().chain([rule]))
        .collect();
    rules.insert(0, Arc::new(Overstated));
    let check = rules.iter().position(|rule| rule.name() == "SanityCheckPlan").unwrap_or(rules.len());
    rules.insert(check, Arc::new(ExplicitOrder));
    rules.push(Arc::new(GuardedPlans));
    rules
}

/// Makes of a filter that gives some columns alone a projection over one that gives all.
#[derive(Debug, Default)]
struct WholeFilters;

impl PhysicalOptimizerRule for WholeFilters {
    fn name(&self) -> &str {
        "whole_filters"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(plan.transform_up(whole_filter)?.data)
    }
}

fn whole_filter(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some((filter, kept)) = plan.downcast_ref::<FilterExec>().and_then(|filter| Some((filter, filter.projection().clone()?)))
    else {
        return Ok(Transformed::no(plan));
    };
    let whole = FilterExecBuilder::from(filter).apply_projection(None)?.build()?;
    let schema = filter.input().schema();
    let column = |index: &usize| {
        let name = schema.field(*index).name();
        ProjectionExpr { expr: Arc::new(Column::new(name, *index)), alias: name.clone() }
    };
    let columns: Vec<ProjectionExpr> = kept.iter().map(column).collect();
    Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(columns, Arc::new(whole))?)))
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
