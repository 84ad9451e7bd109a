//! Changes that are held back until they are due.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::graph::distribute::{Placement, changed};
use crate::graph::edge::{ChangeKind, EdgeProperties};
use crate::graph::explain::interval;
use crate::graph::kept::{Extent, Kept, KeptInput, NodeKeeps, STORED_ROW_BYTES, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_types, types};
use crate::{Code, Error, Result};

/// Holds changes back.
#[derive(Debug, Clone)]
pub struct EmitSpec {
    /// Until when.
    pub when: EmitWhen,
}

/// When held changes are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitWhen {
    /// Every so many nanoseconds of wall-clock time: the consolidated change since the last time.
    Every(i64),
    /// Once, at the end of time.
    AtEnd,
}

impl NodeSpec for EmitSpec {
    fn name(&self) -> &'static str {
        "emit"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let changes = if self.when == EmitWhen::AtEnd { ChangeKind::Append } else { inputs[0].changes.clone() };
        EdgeProperties { schema, changes, ..inputs[0].clone() }
    }

    /// Each worker lets go of what it holds in its own time: a retraction must not be let go before its row.
    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        changed(&inputs[0])
    }

    /// It lets go by the clock, or at the end of its input.
    fn takes_pieces(&self, _: bool) -> bool {
        false
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        if matches!(self.when, EmitWhen::Every(nanos) if nanos <= 0) {
            return Err(Error::new(Code::InvalidWindow, "the interval of EMIT EVERY must be greater than zero"));
        }
        expect_types(schema, types(&inputs[0].schema))
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        match self.when {
            EmitWhen::Every(nanos) => format!("Emit every {}", interval(nanos)),
            EmitWhen::AtEnd => "Emit at the end".to_owned(),
        }
    }

    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let input = &inputs[0];
        let extent = match self.when {
            EmitWhen::Every(every) => Extent::Bounded(format!("what changes within {}", interval(every))),
            EmitWhen::AtEnd => input.extent.clone(),
        };
        let bytes = STORED_ROW_BYTES + row_bytes(&input.edge.schema);
        let kept = Kept::new("changes that are not shown yet", &extent, bytes, "EMIT EVERY INTERVAL … in place of EMIT FINAL");
        NodeKeeps::only(kept, input.extent.clone())
    }
}
