//! Rows that are shown while conditions about the wall clock hold.

use std::ops::RangeInclusive;

use arrow_schema::{DataType, SchemaRef};

use crate::expr::ExprRef;
use crate::graph::distribute::{Placement, changed};
use crate::graph::edge::{ChangeKind, EdgeProperties};
use crate::graph::kept::{Extent, KEYED_ROW_BYTES, Kept, KeptInput, NodeKeeps, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_input, expect_types, types};
use crate::{Error, Result};

/// `WHERE` conditions that the wall clock makes true, or false, once for each row. A row is shown from the latest of its moments `from` on,
/// until the earliest of its moments `until`: nanoseconds as whole numbers, NULL for a condition that is never true. Output columns:
/// those of the input.
#[derive(Debug, Clone)]
pub struct TemporalFilterSpec {
    /// The first moment at which a condition is true; it stays true.
    pub from: Vec<ExprRef>,
    /// The first moment at which a condition is not true any more, after which it never is.
    pub until: Vec<ExprRef>,
}

impl TemporalFilterSpec {
    /// All moments.
    pub fn moments(&self) -> impl Iterator<Item = &ExprRef> {
        self.from.iter().chain(&self.until)
    }

    fn conditions(of: &[ExprRef]) -> String {
        of.iter().map(|condition| condition.display()).collect::<Vec<_>>().join(" AND ")
    }
}

impl NodeSpec for TemporalFilterSpec {
    fn name(&self) -> &'static str {
        "temporal filter"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// Rows come and go when the clock says so, whatever the watermark is: so what comes out is like the rows of a table.
    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let changes = match &inputs[0].changes {
            ChangeKind::Append if !self.until.is_empty() => ChangeKind::Retract,
            other => other.clone(),
        };
        EdgeProperties { schema, changes, time_columns: Vec::new(), is_stream: false, ..inputs[0].clone() }
    }

    /// A retraction must come to where its row waits or is shown.
    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        changed(&inputs[0])
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        let input = &inputs[0].schema;
        self.moments().try_for_each(|moment| expect_input(moment, input))?;
        if self.moments().next().is_none() || self.moments().any(|moment| moment.data_type() != &DataType::Int64) {
            return Err(Error::internal("a temporal filter needs moments, which are whole numbers"));
        }
        expect_types(schema, types(input))
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        let all: Vec<ExprRef> = self.moments().cloned().collect();
        format!("TemporalFilter where {}", Self::conditions(&all))
    }

    /// Rows that are not shown yet, and those that will go.
    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let input = &inputs[0];
        let (what, extent) = match self.until.is_empty() {
            true => ("rows that are not shown yet", format!("rows until {}", Self::conditions(&self.from))),
            false => ("rows that are shown or will be", format!("rows while {}", Self::conditions(&self.until))),
        };
        let bounded = Extent::Bounded(extent);
        let output = if self.until.is_empty() { input.extent.clone() } else { bounded.clone() };
        let bytes = KEYED_ROW_BYTES + row_bytes(&input.edge.schema) + 2 * size_of::<i64>();
        NodeKeeps::only(Kept::new(what, &bounded, bytes, ""), output)
    }

    fn follows_watermark(&self) -> bool {
        false
    }
}
