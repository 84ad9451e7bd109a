//! Rows that are there from the start and never change.

use std::ops::RangeInclusive;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::Result;
use crate::graph::distribute::Placement;
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning};
use crate::graph::kept::{Extent, KeptInput, NodeKeeps};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_types, types};

/// `VALUES`, or the one row of a SELECT without FROM. As for a table, no reader waits for its end.
#[derive(Debug, Clone)]
pub struct ConstantSpec {
    /// The rows.
    pub rows: RecordBatch,
}

impl NodeSpec for ConstantSpec {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn derive(&self, _: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        EdgeProperties { is_stream: false, ..EdgeProperties::new(schema, ChangeKind::Append) }
    }

    /// One worker has them.
    fn distribute(&self, _: &[EdgeProperties]) -> Placement {
        Placement::new(vec![], Partitioning::Single)
    }

    fn validate(&self, _: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        expect_types(schema, types(&self.rows.schema()))
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        match self.rows.num_rows() {
            1 => "Constant 1 row".to_owned(),
            rows => format!("Constant {rows} rows"),
        }
    }

    fn keeps(&self, _: &Node, _: &[KeptInput<'_>]) -> NodeKeeps {
        NodeKeeps::nothing(Extent::Bounded(format!("{} rows", self.rows.num_rows())))
    }
}
