//! The end of a named object: its contents and its readers.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::graph::distribute::{Placement, changed, together};
use crate::graph::edge::{ChangeKind, EdgeProperties};
use crate::graph::explain::column_names;
use crate::graph::kept::{Kept, KeptInput, NodeKeeps, STORED_ROW_BYTES, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_column, expect_types, types};
use crate::{Error, Result};

/// The end of a named object.
#[derive(Debug, Clone)]
pub struct OutputSpec {
    /// Whether the current rows are kept (tables, materialized views).
    pub stored: bool,
    /// Whether rows are pushed by people (tables, sources) instead of computed by a query: a retraction of a row that is not
    /// there is then their mistake, which rejects that row, and not ours.
    pub pushed: bool,
    /// Primary key columns of a table or source: a new row with an old key replaces the old row.
    pub primary_key: Option<Vec<usize>>,
    /// Names and types as readers see them.
    pub schema: SchemaRef,
}

impl NodeSpec for OutputSpec {
    fn name(&self) -> &'static str {
        "output"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let replaced = self.primary_key.clone().map(ChangeKind::Upsert);
        let changes = replaced.unwrap_or_else(|| inputs[0].changes.clone());
        EdgeProperties { schema, changes, is_stream: inputs[0].is_stream && !self.stored, ..inputs[0].clone() }
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        match &self.primary_key {
            Some(key) => together(key.clone(), &inputs[0]),
            None => changed(&inputs[0]),
        }
    }

    fn takes_pieces(&self, _: bool) -> bool {
        true
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        if self.primary_key.is_some() && !self.stored {
            return Err(Error::internal("only stored rows can be replaced by key"));
        }
        self.primary_key.iter().flatten().try_for_each(|column| expect_column(schema, *column))?;
        expect_types(&self.schema, types(&inputs[0].schema))?;
        expect_types(schema, types(&self.schema))
    }

    fn explain(&self, node: &Node, _: &[&SchemaRef]) -> String {
        let stored = if self.stored { " stored" } else { "" };
        let key = self.primary_key.as_ref().map(|key| format!(" key ({})", column_names(&self.schema, key)));
        format!("Output {}{stored}{}", node.name, key.unwrap_or_default())
    }

    fn keeps(&self, node: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let output = match &self.primary_key {
            Some(key) => inputs[0].extent.groups(&column_names(&self.schema, key)),
            None => inputs[0].extent.clone(),
        };
        if !self.stored {
            return NodeKeeps::nothing(output);
        }
        let what = format!("the rows of {}", node.name);
        let remedy = match self.pushed {
            true => "deletions of keys that are not needed any more",
            false => "CREATE STREAM in place of the materialized view keeps no rows of the result; or LIMIT",
        };
        NodeKeeps::only(Kept::new(what, &output, STORED_ROW_BYTES + row_bytes(&self.schema), remedy), output)
    }
}
