//! Changes told as rows, which are only ever added.

use std::ops::RangeInclusive;

use arrow_schema::{DataType, SchemaRef};

use crate::Result;
use crate::graph::distribute::{Placement, changed};
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning};
use crate::graph::kept::{Extent, KeptInput, NodeKeeps};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_types, types};

/// How many columns stand before those of the input: `step` and `op`.
pub(crate) const CHANGE_COLUMNS: usize = 2;

/// `CHANGES(input)`: of each change a row, as often as its weight says. Output columns: the number of the step (UINT64), what the change
/// does (`+I`, `-U`, `+U`, `-D`), then those of the input.
#[derive(Debug, Clone, Copy)]
pub struct ChangesSpec;

impl NodeSpec for ChangesSpec {
    fn name(&self) -> &'static str {
        "changes"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// A row that is taken back may be old, so no column follows the watermark.
    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let partitioning = behind_change(&inputs[0].partitioning);
        EdgeProperties { partitioning, is_stream: true, ..EdgeProperties::new(schema, ChangeKind::Append) }
    }

    /// The two halves of an update meet.
    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        let placement = changed(&inputs[0]);
        Placement { partitioning: behind_change(&placement.partitioning), ..placement }
    }

    /// It tells what comes together.
    fn takes_pieces(&self, _: bool) -> bool {
        false
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        let own = [DataType::UInt64, DataType::Utf8];
        expect_types(schema, own.iter().chain(types(&inputs[0].schema)))
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        "Changes as rows".to_owned()
    }

    fn keeps(&self, _: &Node, _: &[KeptInput<'_>]) -> NodeKeeps {
        NodeKeeps::nothing(Extent::Grows("changes of its input".to_owned()))
    }
}

fn behind_change(partitioning: &Partitioning) -> Partitioning {
    match partitioning {
        Partitioning::Hash(columns) => Partitioning::Hash(columns.iter().map(|column| column + CHANGE_COLUMNS).collect()),
        other => other.clone(),
    }
}
