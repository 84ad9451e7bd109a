//! The first rows that come.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::graph::distribute::{Placement, gathered};
use crate::graph::edge::{EdgeProperties, Partitioning};
use crate::graph::kept::{Extent, KeptInput, NodeKeeps};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_types, types};
use crate::{Error, Result};

/// `LIMIT fetch OFFSET skip` without an order: of rows that are only inserted, which are counted in the order in which they come.
#[derive(Debug, Clone, Copy)]
pub struct LimitSpec {
    /// Rows that are left out first.
    pub skip: u64,
    /// Rows that are let through then; `None`: all.
    pub fetch: Option<u64>,
}

impl NodeSpec for LimitSpec {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        EdgeProperties { schema, ..inputs[0].clone() }
    }

    /// One worker counts.
    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        Placement::new(vec![gathered(&inputs[0])], Partitioning::Single)
    }

    /// The rows that come first are those of the first step.
    fn takes_pieces(&self, _: bool) -> bool {
        false
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        if !inputs[0].changes.is_append() {
            return Err(Error::internal("of rows that change it is not settled which ones are the first"));
        }
        expect_types(schema, types(&inputs[0].schema))
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        let fetch = self.fetch.map_or("all".to_owned(), |fetch| fetch.to_string());
        let skip = if self.skip == 0 { String::new() } else { format!(" offset {}", self.skip) };
        format!("Limit {fetch}{skip}")
    }

    /// A count.
    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        NodeKeeps::nothing(self.fetch.map_or_else(|| inputs[0].extent.clone(), |fetch| Extent::Bounded(format!("{fetch} rows"))))
    }
}
