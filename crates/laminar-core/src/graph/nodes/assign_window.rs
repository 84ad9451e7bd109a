//! Windows as columns: each row once for each of its windows.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::Result;
use crate::graph::distribute::Placement;
use crate::graph::edge::{ChangeKind, EdgeProperties, TimeColumn};
use crate::graph::explain::time_name;
use crate::graph::kept::{KeptInput, NodeKeeps};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_time, expect_types, types};
use crate::time::windows::WindowShape;

/// Windows without aggregation. Output columns: input, `window_start`, `window_end` (both of the time column's type).
#[derive(Debug, Clone)]
pub struct AssignSpec {
    /// Which windows; not sessions.
    pub shape: WindowShape,
    /// The time column of the input.
    pub time: usize,
}

impl NodeSpec for AssignSpec {
    fn name(&self) -> &'static str {
        "assign window"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let input = inputs[0];
        let (start, end) = (input.schema.fields().len(), input.schema.fields().len() + 1);
        let changes = match &input.changes {
            ChangeKind::Upsert(key) => ChangeKind::Upsert(key.iter().copied().chain([start, end]).collect()),
            other => other.clone(),
        };
        let mut time_columns = input.time_columns.clone();
        if let Some(time @ TimeColumn { lag, .. }) = input.time_column(self.time) {
            let start_lag = lag.saturating_add(self.shape.max_length_nanos());
            let bound = TimeColumn { in_order: false, ..time };
            time_columns.extend([TimeColumn { column: start, lag: start_lag, ..bound }, TimeColumn { column: end, ..bound }]);
        }
        EdgeProperties { schema, changes, time_columns, ..input.clone() }
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        Placement::new(vec![None], inputs[0].partitioning.clone())
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        let input = &inputs[0].schema;
        expect_time(input, self.time)?;
        let time = input.field(self.time).data_type();
        expect_types(schema, types(input).chain([time, time]))
    }

    fn explain(&self, _: &Node, inputs: &[&SchemaRef]) -> String {
        format!("AssignWindow {} over {}", self.shape, time_name(inputs, self.time))
    }

    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        NodeKeeps::nothing(inputs[0].extent.clone())
    }
}
