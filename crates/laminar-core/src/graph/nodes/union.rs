//! All rows of all inputs.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::Result;
use crate::graph::distribute::Placement;
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
use crate::graph::exchange::Exchange;
use crate::graph::kept::{Extent, KeptInput, NodeKeeps};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_types, types};

/// There is nothing to say about a union.
pub(in crate::graph) struct UnionSpec;

impl NodeSpec for UnionSpec {
    fn name(&self) -> &'static str {
        "union"
    }

    /// A port's number is one byte.
    fn arity(&self) -> RangeInclusive<usize> {
        1..=usize::from(u8::MAX)
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let Some((first, others)) = inputs.split_first() else { return EdgeProperties::new(schema, ChangeKind::Append) };
        let append = inputs.iter().all(|input| input.changes.is_append());
        let same = others.iter().all(|input| input.partitioning == first.partitioning);
        let worst = |time: &TimeColumn| {
            let all = others.iter().map(|input| input.time_column(time.column)).collect::<Option<Vec<_>>>()?;
            let lag = all.iter().map(|other| other.lag).fold(time.lag, i64::max);
            let complete = time.complete && all.iter().all(|other| other.complete);
            Some(TimeColumn { lag, mixed: true, complete, in_order: false, ..*time })
        };
        let changes = if append { ChangeKind::Append } else { ChangeKind::Retract };
        EdgeProperties {
            partitioning: if same { first.partitioning.clone() } else { Partitioning::Any },
            time_columns: first.time_columns.iter().filter_map(worst).collect(),
            ..EdgeProperties::out_of(inputs, schema, changes)
        }
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        let same = inputs.windows(2).all(|pair| pair[0].partitioning == pair[1].partitioning);
        if let (true, Some(first)) = (same, inputs.first()) {
            return Placement::new(vec![None; inputs.len()], first.partitioning.clone());
        }
        let deal = |input: &EdgeProperties| (input.partitioning == Partitioning::Single).then_some(Exchange::Deal);
        Placement::new(inputs.iter().map(deal).collect(), Partitioning::Any)
    }

    fn takes_pieces(&self, _: bool) -> bool {
        true
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        inputs.iter().try_for_each(|input| expect_types(schema, types(&input.schema)))
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        "Union".to_owned()
    }

    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let extents = inputs.iter().map(|input| input.extent.clone());
        let all = extents.reduce(|one, other| one.and(&other, "rows of its inputs"));
        NodeKeeps::nothing(all.unwrap_or_else(|| Extent::Bounded("0 rows".to_owned())))
    }
}
