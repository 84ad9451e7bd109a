//! What DataFusion takes for known of rows and is not so, or for of no matter and is not, after which it leaves out an ORDER BY:
//!
//! * Which rows OFFSET leaves out depends on their order, also without LIMIT.
//! * What is the same, equal or in order in all rows of the side of an outer join that may be missing is not so behind the join, where it is NULL in
//!   some.
//! * What is one value, or in order, below GROUPING SETS is NULL in some of their rows.
//! * What is one value in each part of a UNION is not one value in all of it.
//! * `min` and `max` OVER a frame that grows are NULL before the first value, wherever NULL stands in the order; and `count` OVER a frame that
//!   moves on does not only grow.
//! * A filter by `f(a) = a` lets DataFusion look for the order of `f(a)` in its rows, and find none of `a`.

use std::fmt::{Formatter, Result as FormatResult};
use std::sync::Arc;

use arrow_schema::Schema;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result, Statistics, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, LexOrdering, OrderingRequirements, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements, PhysicalExpr,
    PlanProperties,
};

/// Runs before DataFusion's rules, which look at what is constant and in order.
#[derive(Debug, Default)]
pub(super) struct Overstated;

impl PhysicalOptimizerRule for Overstated {
    fn name(&self) -> &str {
        "overstated"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(plan.transform_up(hide_overstated)?.data)
    }
}

fn hide_overstated(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    if let Some((limit, order)) = offset_of_order(plan.as_ref()) {
        // A sort of what is left must neither replace this order, nor come below the OFFSET.
        let rows = Arc::new(PassedOn::new(Arc::clone(limit.input()), Known::Order(order))?);
        let rest = with_inputs(plan, vec![rows])?.data;
        return Ok(Transformed::yes(Arc::new(PassedOn::new(rest, Known::All)?)));
    }
    let is_union = plan.is::<UnionExec>() && !plan.equivalence_properties().constants().is_empty();
    let has_sets = plan.downcast_ref::<AggregateExec>().is_some_and(|aggregate| aggregate.group_expr().has_grouping_set());
    let known = match overstating_input(plan.as_ref()) {
        Some(_) => Known::OfInput,
        None if is_union || has_sets => Known::Nothing,
        None => return hide_missing(plan),
    };
    Ok(Transformed::yes(Arc::new(PassedOn::new(plan, known)?)))
}

/// A join with its sides that may be missing behind a [`PassedOn`].
fn hide_missing(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let may_be_missing = match join_type(plan.as_ref()) {
        Some(JoinType::Left) => [false, true],
        Some(JoinType::Right) => [true, false],
        Some(JoinType::Full) => [true, true],
        _ => return Ok(Transformed::no(plan)),
    };
    let side_of = |(side, may_be_missing): (&Arc<dyn ExecutionPlan>, bool)| -> Result<Arc<dyn ExecutionPlan>> {
        Ok(if may_be_missing { Arc::new(PassedOn::new(Arc::clone(side), Known::Nothing)?) } else { Arc::clone(side) })
    };
    let sides = plan.children().into_iter().zip(may_be_missing).map(side_of).collect::<Result<_>>()?;
    with_inputs(plan, sides)
}

fn with_inputs(plan: Arc<dyn ExecutionPlan>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    plan.replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)).map(Transformed::yes)
}

/// An OFFSET without LIMIT, and the order of its rows.
fn offset_of_order(plan: &dyn ExecutionPlan) -> Option<(&GlobalLimitExec, LexOrdering)> {
    let limit = plan.downcast_ref::<GlobalLimitExec>().filter(|limit| limit.fetch().is_none())?;
    Some((limit, limit.input().output_ordering()?.clone()))
}

fn join_type(plan: &dyn ExecutionPlan) -> Option<JoinType> {
    let hash = plan.downcast_ref::<HashJoinExec>().map(|join| *join.join_type());
    let nested = || plan.downcast_ref::<NestedLoopJoinExec>().map(|join| *join.join_type());
    let merge = || plan.downcast_ref::<SortMergeJoinExec>().map(|join| join.join_type());
    hash.or_else(nested).or_else(merge)
}

/// The input of a node that says more of its rows than what holds for those of the input, and than what is so.
fn overstating_input(plan: &dyn ExecutionPlan) -> Option<&Arc<dyn ExecutionPlan>> {
    let computed = plan.downcast_ref::<FilterExec>().filter(|filter| has_computed_equality(filter.predicate()));
    let filtered = computed.map(FilterExec::input);
    let bounded = plan.downcast_ref::<BoundedWindowAggExec>().map(|window| (window.window_expr(), window.input()));
    let window = || plan.downcast_ref::<WindowAggExec>().map(|window| (window.window_expr(), window.input()));
    // What ranks and their like say of their results is so.
    let aggregated = bounded.or_else(window).filter(|(calls, _)| !calls.iter().all(is_rank));
    filtered.or(aggregated.map(|(_, input)| input))
}

fn is_rank(call: &Arc<dyn WindowExpr>) -> bool {
    call.as_any().is::<StandardWindowExpr>()
}

/// Whether a condition says of something computed that it is equal to something.
fn has_computed_equality(condition: &Arc<dyn PhysicalExpr>) -> bool {
    let is_computed = |expr: &Arc<dyn PhysicalExpr>| !expr.is::<Column>() && !expr.is::<Literal>();
    split_conjunction(condition).into_iter().any(|part| {
        part.downcast_ref::<BinaryExpr>()
            .is_some_and(|binary| *binary.op() == Operator::Eq && (is_computed(binary.left()) || is_computed(binary.right())))
    })
}

/// What is equal and in order in the rows of a node.
#[derive(Debug, Clone)]
enum Known {
    Nothing,
    /// What is so in the rows of its input.
    OfInput,
    /// What the node says.
    All,
    /// The same, and this order is asked for.
    Order(LexOrdering),
}

/// Passes rows on, and says of them what is so.
#[derive(Debug)]
struct PassedOn {
    input: Arc<dyn ExecutionPlan>,
    known: Known,
    properties: Arc<PlanProperties>,
}

impl PassedOn {
    fn new(input: Arc<dyn ExecutionPlan>, known: Known) -> Result<Self> {
        let nothing = EquivalenceProperties::new(input.schema());
        let properties = match (&known, overstating_input(input.as_ref())) {
            (Known::All | Known::Order(_), _) => input.equivalence_properties().clone(),
            (Known::OfInput, Some(rows)) if starts_with(&input.schema(), &rows.schema()) => {
                nothing.extend(rows.equivalence_properties().clone())?
            }
            _ => nothing,
        };
        let properties =
            PlanProperties::new(properties, input.output_partitioning().clone(), input.pipeline_behavior(), input.boundedness());
        Ok(Self { input, known, properties: Arc::new(properties) })
    }
}

/// Whether the first columns of `schema` are those of `other`.
fn starts_with(schema: &Schema, other: &Schema) -> bool {
    schema.fields().iter().take(other.fields().len()).eq(other.fields().iter())
}

impl DisplayAs for PassedOn {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> FormatResult {
        f.write_str("PassedOn")
    }
}

impl ExecutionPlan for PassedOn {
    fn name(&self) -> &str {
        "PassedOn"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![match self.known {
            Known::Order(_) => Distribution::SinglePartition,
            _ => Distribution::UnspecifiedDistribution,
        }])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![match &self.known {
            Known::Order(order) => Some(OrderingRequirements::from(order.clone())),
            _ => None,
        }]
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![matches!(self.known, Known::Order(_))]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input, self.known.clone())?)),
            _ => plan_err!("one input is passed on"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(Arc::clone(&inputs[0]))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
