//! Filter and projection, fused.

use std::ops::RangeInclusive;

use arrow_schema::{FieldRef, SchemaRef};

use crate::Result;
use crate::expr::ExprRef;
use crate::graph::derive::time_at;
use crate::graph::distribute::{Placement, repeated};
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning};
use crate::graph::kept::{KeptInput, NodeKeeps};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::pieces::are_columns;
use crate::graph::validate::{expect_condition, expect_input, expect_types, types};

/// `filter`, then `projection`.
#[derive(Debug, Clone)]
pub struct ComputeSpec {
    /// Rows for which this is not true are dropped.
    pub filter: Option<ExprRef>,
    /// The output columns; `None`: as they are.
    pub projection: Option<Vec<ExprRef>>,
}

impl NodeSpec for ComputeSpec {
    fn name(&self) -> &'static str {
        "compute"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// Properties follow the columns that a projection repeats, and time what grows with it.
    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let input = inputs[0];
        let Some(projection) = &self.projection else {
            return EdgeProperties { schema, ..input.clone() };
        };
        let moved = |column: &usize| projection.iter().position(|expr| expr.as_column() == Some(*column));
        let changes = match &input.changes {
            ChangeKind::Upsert(key) => {
                let key = key.iter().map(moved).collect::<Option<Vec<_>>>();
                key.map_or(ChangeKind::Retract, ChangeKind::Upsert)
            }
            other => other.clone(),
        };
        let time_columns = projection.iter().enumerate().filter_map(|(at, expr)| time_at(input, expr, at)).collect();
        EdgeProperties { schema, changes, partitioning: self.partitioning(input), time_columns, is_stream: input.is_stream }
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        Placement::new(vec![None], self.partitioning(&inputs[0]))
    }

    /// A row that is taken back again must not have failed.
    fn takes_pieces(&self, provisional: bool) -> bool {
        !provisional || are_columns(self.filter.iter().chain(self.projection.iter().flatten()))
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        let input = &inputs[0].schema;
        self.filter.iter().try_for_each(expect_condition)?;
        self.filter.iter().chain(self.projection.iter().flatten()).try_for_each(|expr| expect_input(expr, input))?;
        match &self.projection {
            Some(projection) => expect_types(schema, projection.iter().map(|expr| expr.data_type())),
            None => expect_types(schema, types(input)),
        }
    }

    fn explain(&self, node: &Node, _: &[&SchemaRef]) -> String {
        let filter = self.filter.as_ref().map(|filter| format!(" where {}", filter.display()));
        let project = self.projection.as_ref().map(|columns| format!(" ({})", named(columns, &node.output.schema)));
        format!("Compute{}{}", project.unwrap_or_default(), filter.unwrap_or_default())
    }

    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        NodeKeeps::nothing(inputs[0].extent.clone())
    }
}

impl ComputeSpec {
    fn partitioning(&self, input: &EdgeProperties) -> Partitioning {
        match (&self.projection, &input.partitioning) {
            (Some(projection), Partitioning::Hash(columns)) => repeated(columns, projection, 0),
            (_, partitioning) => partitioning.clone(),
        }
    }
}

/// Expressions with the names of the columns that they become, where they differ.
fn named(exprs: &[ExprRef], schema: &SchemaRef) -> String {
    let one = |(expr, field): (&ExprRef, &FieldRef)| {
        let text = expr.display();
        if &text == field.name() { text } else { format!("{text} as {}", field.name()) }
    };
    exprs.iter().zip(schema.fields()).map(one).collect::<Vec<_>>().join(", ")
}
