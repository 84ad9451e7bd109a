//! Sorts that DataFusion left out because it took a column for constant, or two for equal, and does not any more once its rules have run.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// Sorts the input of each node that asks for an order which its input does not tell to have. Runs before DataFusion looks whether there is such
/// a node, and refuses the query.
#[derive(Debug, Default)]
pub(super) struct ExplicitOrder;

impl PhysicalOptimizerRule for ExplicitOrder {
    fn name(&self) -> &str {
        "explicit_order"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(plan.transform_up(with_ordered_inputs)?.data)
    }
}

fn with_ordered_inputs(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let mut inputs = Vec::new();
    let mut is_changed = false;
    for (input, required) in plan.children().into_iter().zip(plan.required_input_ordering()) {
        let required = required.map(|required| required.into_single());
        inputs.push(match required {
            Some(required) if !input.equivalence_properties().ordering_satisfy_requirement(required.clone())? => {
                is_changed = true;
                let parts = input.properties().output_partitioning().partition_count();
                let sort = SortExec::new(LexOrdering::from(required), Arc::clone(input)).with_preserve_partitioning(parts > 1);
                Arc::new(sort) as Arc<dyn ExecutionPlan>
            }
            _ => Arc::clone(input),
        });
    }
    if !is_changed {
        return Ok(Transformed::no(plan));
    }
    plan.replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)).map(Transformed::yes)
}
