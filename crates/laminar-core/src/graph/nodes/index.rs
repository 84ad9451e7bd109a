//! The rows of a stored object by columns that need not be its key: `CREATE INDEX`.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::graph::distribute::{Placement, partitioned};
use crate::graph::edge::EdgeProperties;
use crate::graph::explain::column_names;
use crate::graph::kept::{KEYED_ROW_BYTES, Kept, KeptInput, NodeKeeps, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_column, expect_types, types};
use crate::{Error, Result};

/// An index: it keeps the rows of its input by the values of some columns, and emits nothing.
#[derive(Debug, Clone)]
pub struct IndexSpec {
    /// The columns by whose values rows are found, all together.
    pub columns: Vec<usize>,
}

impl NodeSpec for IndexSpec {
    fn name(&self) -> &'static str {
        "index"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        EdgeProperties { schema, ..inputs[0].clone() }
    }

    /// Rows with the same values are on one worker.
    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        partitioned(&inputs[0], &self.columns)
    }

    fn takes_pieces(&self, _: bool) -> bool {
        true
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        if self.columns.is_empty() {
            return Err(Error::internal("an index by no column"));
        }
        self.columns.iter().try_for_each(|column| expect_column(schema, *column))?;
        expect_types(schema, types(&inputs[0].schema))
    }

    fn explain(&self, node: &Node, _: &[&SchemaRef]) -> String {
        format!("Index {} by ({})", node.name, column_names(&node.output.schema, &self.columns))
    }

    fn keeps(&self, node: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let schema = &node.output.schema;
        let what = format!("the rows by ({})", column_names(schema, &self.columns));
        let bytes = KEYED_ROW_BYTES + row_bytes(schema);
        NodeKeeps::only(
            Kept::new(what, inputs[0].extent, bytes, "DROP INDEX: queries find the rows without it too"),
            inputs[0].extent.clone(),
        )
    }
}
