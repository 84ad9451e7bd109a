//! Who leaves something out for the sake of a key is told of no key that might be none.
//!
//! DataFusion takes a key of one side of a join (the columns of a DISTINCT or GROUP BY below) for a key of what is grouped from the join by that column and by an expression
//! over the other side, and what was a key before UNNEST for one after it. So it would leave DISTINCT as it is over rows that are not distinct (which sub-queries
//! for each row need, too), leave keys of a GROUP BY out, and add to those that a query says. Therefore what holds above such nodes is said anew without their keys.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{FunctionalDependencies, Result};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Before a rule that looks at what a GROUP BY is over: a projection without keys comes in between. The rule that drops columns takes it away again.
#[derive(Debug)]
pub(super) struct ForgetKeys;

impl OptimizerRule for ForgetKeys {
    fn name(&self) -> &str {
        "forget_keys"
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        with_projections(plan)
    }
}

/// Before a rule that looks at what a plan says of itself: nothing else of the plan changes.
#[derive(Debug)]
pub(super) struct TrueKeys;

impl OptimizerRule for TrueKeys {
    fn name(&self) -> &str {
        "true_keys"
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        with_true_keys(plan)
    }
}

/// The rule, which goes up the plan, over plans that say only what holds. For one that makes keys: what is above a node is told of those that are made there.
#[derive(Debug)]
pub(super) struct OverTrueKeys(pub(super) Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for OverTrueKeys {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let rewritten = plan.transform_up_with_subqueries(|node| self.0.rewrite(forgetful(node.recompute_schema()?)?, config))?;
        let stripped = rewritten.data.transform_up_with_subqueries(|node| Ok(without_projection(node)))?;
        Ok(Transformed::new_transformed(stripped.data, rewritten.transformed))
    }
}

/// The plan, which says of itself only what holds: the same nodes, with other keys in what they say.
pub(in crate::plan) fn with_true_keys(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    // What is above a projection that is taken away keeps what was said over it.
    with_projections(plan)?.transform_data(|plan| plan.transform_up_with_subqueries(|node| Ok(without_projection(node))))
}

/// The plan with projections without keys under and over what would make keys of those that are none.
fn with_projections(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut knows_too_much = false;
    plan.apply_with_subqueries(|node| {
        knows_too_much |= is_deceived(node)? || deceives(node);
        Ok(if knows_too_much { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if !knows_too_much {
        return Ok(Transformed::no(plan));
    }
    plan.transform_up_with_subqueries(|node| Ok(Transformed::yes(forgetful(node.recompute_schema()?)?)))
}

fn without_projection(node: LogicalPlan) -> Transformed<LogicalPlan> {
    match node {
        LogicalPlan::Projection(projection) if is_forgetful(&projection) => {
            Transformed::yes(Arc::unwrap_or_clone(projection.input))
        }
        node => Transformed::no(node),
    }
}

/// Whether it makes a wrong key of one that it is told of: a GROUP BY of several keys over a join, of DataFusion's or ours.
fn is_deceived(node: &LogicalPlan) -> Result<bool> {
    let LogicalPlan::Aggregate(aggregate) = node else { return Ok(false) };
    let joins = |node: &LogicalPlan| match node {
        LogicalPlan::Join(_) => true,
        LogicalPlan::Extension(extension) => extension.node.inputs().len() > 1,
        _ => false,
    };
    let has_join = || aggregate.input.exists(|node| Ok(joins(node)));
    Ok(aggregate.group_expr.len() > 1 && knows_keys(&aggregate.input) && has_join()?)
}

/// Whether it tells of a wrong key.
fn deceives(node: &LogicalPlan) -> bool {
    matches!(node, LogicalPlan::Unnest(_)) && knows_keys(node)
}

fn knows_keys(node: &LogicalPlan) -> bool {
    !node.schema().functional_dependencies().is_empty()
}

fn forgetful(node: LogicalPlan) -> Result<LogicalPlan> {
    if deceives(&node) {
        return without_keys(node);
    }
    if !is_deceived(&node)? {
        return Ok(node);
    }
    let LogicalPlan::Aggregate(Aggregate { input, group_expr, aggr_expr, .. }) = node else { return Ok(node) };
    let input = Arc::new(without_keys(Arc::unwrap_or_clone(input))?);
    Aggregate::try_new(input, group_expr, aggr_expr).map(LogicalPlan::Aggregate)
}

/// All columns, without what determines them.
fn without_keys(plan: LogicalPlan) -> Result<LogicalPlan> {
    let schema = plan.schema().as_ref().clone().with_functional_dependencies(FunctionalDependencies::empty())?;
    let columns = schema.columns().into_iter().map(Expr::Column).collect();
    Projection::try_new_with_schema(columns, Arc::new(plan), Arc::new(schema)).map(LogicalPlan::Projection)
}

fn is_forgetful(projection: &Projection) -> bool {
    let columns = projection.input.schema().columns();
    let same = |(expr, column): (&Expr, _)| matches!(expr, Expr::Column(own) if own == column);
    projection.schema.functional_dependencies().is_empty()
        && knows_keys(&projection.input)
        && projection.expr.len() == columns.len()
        && projection.expr.iter().zip(&columns).all(same)
}
